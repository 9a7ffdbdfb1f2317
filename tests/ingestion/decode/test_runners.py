"""The same pipeline on another runner.

It is built for each, and runs on a portable job server with the same files as its result.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import google.auth
import numpy as np
import pytest
from apache_beam.portability import common_urns
from apache_beam.runners.portability import local_job_service
from apache_beam.transforms import environments
from google.auth.credentials import AnonymousCredentials

from components.ingestion.__main__ import STEPS
from components.ingestion.decode.beam_pipeline import build, plan_spans
from components.ingestion.sources.detection import detect
from components.ingestion.sources.storage.open import open_place
from components.shared.errors import InputError
from components.shared.labels import taxonomy
from components.shared.preset import IngestionPolicy
from components.shared.step.frame import main
from tests.ingestion.bucket_server import serving
from tests.ingestion.support import as_zip, bench, class_folders

SHARED = "--temp_location=gs://bucket/tmp"
IMAGE = "registry.example/emotion-ingestion:1"
OPTIONS = {
    "DataflowRunner": (
        "--runner=DataflowRunner",
        "--project=project-1",
        "--region=r",
        "--no_auth",
        SHARED,
        f"--sdk_container_image={IMAGE}",
    ),
    "PortableRunner": (
        "--runner=PortableRunner",
        "--job_endpoint=host:8099",
        SHARED,
        f"--environment_config={IMAGE}",
    ),
    "FlinkRunner": (
        "--runner=FlinkRunner",
        "--flink_master=host:8081",
        "--flink_job_server_jar=job.jar",
        SHARED,
        f"--environment_config={IMAGE}",
    ),
    "SparkRunner": (
        "--runner=SparkRunner",
        "--spark_job_server_jar=job.jar",
        SHARED,
        f"--environment_config={IMAGE}",
    ),
}


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Who signs in, and where Dataflow's options look whether the bucket is as they advise."""
    monkeypatch.setattr(google.auth, "default", lambda **_: (AnonymousCredentials(), "project-1"))
    with serving() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        server.put("bucket", "tmp/x", b"x")
        yield
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the client leaves its sockets to the collector
            gc.collect()


@pytest.mark.parametrize("runner", OPTIONS)
def test_the_pipeline_is_built_for_a_runner_on_a_cluster(
    tmp_path: Path, runner: str, buckets: None
) -> None:
    policy = IngestionPolicy(OPTIONS[runner])
    place = open_place(str(as_zip(tmp_path / "faces.zip", class_folders())))
    reading = detect(place, taxonomy("basic-7")).reading(place, tmp_path)
    pipeline = build(
        plan_spans(reading.rows, np.arange(16)),
        reading.reader,
        place,
        policy.shared,
        options=policy.beam,
    )
    assert type(pipeline.runner).__name__ == runner
    docker = environments.DockerEnvironment.from_container_image(IMAGE)
    proto = pipeline.to_runner_api(default_environment=docker).components
    steps = {transform.unique_name: transform for transform in proto.transforms.values()}
    reading_step = steps["read and decode"]
    assert reading_step.spec.urn == common_urns.primitives.PAR_DO.urn
    assert IMAGE.encode() in proto.environments[reading_step.environment_id].payload


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("runner=DataflowRunner",), "--name=value each"),
        (("--project=p",), "--runner=DataflowRunner, PortableRunner"),
        (("--runner=DirectRunner", SHARED), "no --runner at all for this machine"),
        (("--runner=DataflowRunner",), "--temp_location=, a folder or bucket"),
        (
            ("--runner=FlinkRunner", SHARED),
            "--flink_job_server_jar=PATH, since Beam would download one",
        ),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_read(
    options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        IngestionPolicy(options)


@pytest.mark.slow
def test_a_portable_job_server_gives_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = as_zip(
        tmp_path / "faces.zip", {**class_folders(each=20), "train/happy/bad.png": b"bad"}
    )
    here = bench(tmp_path / "here")
    assert here.ingest(source) == 0
    server = local_job_service.LocalJobServicer(str(tmp_path))
    options = (
        "--runner=PortableRunner",
        f"--job_endpoint=localhost:{server.start_grpc_server(0)}",
        "--environment_type=LOOPBACK",
        f"--temp_location={tmp_path / 'shared'}",
    )
    try:
        there = bench(tmp_path / "there")
        there = replace(there, preset=replace(there.preset, ingestion=IngestionPolicy(options)))
        assert there.ingest(source) == 0
        assert there.findings()["runner"] == "PortableRunner"
        # The same by the step's own arguments.
        again = bench(tmp_path / "again")
        assert again.resolve(source) == 0
        frame = [
            "--run-id",
            "r1",
            "--store",
            again.store.uri,
            "--preset",
            f"@{tmp_path / 'preset.json'}",
        ]
        (tmp_path / "preset.json").write_text(again.preset_json)
        assert (
            main(
                "ingestion",
                STEPS,
                [
                    "ingest",
                    *frame,
                    "--plan",
                    again.output("plan"),
                    "--examples",
                    str(again.examples),
                    "--",
                    *options,
                ],
            )
            == 0
        )
        assert again.findings()["runner"] == "PortableRunner"
    finally:
        server.stop()
    expected = {path.name: path.read_bytes() for path in here.examples.iterdir()}
    for night in (there, again):
        assert {path.name: path.read_bytes() for path in night.examples.iterdir()} == expected
    assert list((tmp_path / "shared").iterdir()) == [], (
        "nothing is left where the workers gave back what they read"
    )
