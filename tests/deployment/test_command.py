import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.deployment.__main__ import STEPS
from components.deployment.registry.approval import requests
from components.deployment.registry.lineage import trace
from components.deployment.registry.registry import Registry
from components.shared.artifacts.contract import read_marker
from components.shared.findings import DeployFindings, Evidence, RegisterFindings
from components.shared.serialization import from_plain, to_json
from components.shared.step.frame import main
from components.shared.store.interface import open_store
from tests.deployment.builders import PRESET, tree, write_model, write_verdict
from tests.kfp_output import executor_input, metadata


@pytest.fixture
def deploy(tmp_path):
    def run(run_id="run-1", model="model", step="deploy", options=()):
        output = ["--deployment", str(tmp_path / "deployment")] if step == "deploy" else []
        return main(
            "deployment",
            STEPS,
            [
                step,
                "--preset",
                to_json(PRESET),
                "--store",
                str(tmp_path / "store"),
                "--run-id",
                run_id,
                "--model",
                str(tmp_path / model),
                "--verdict",
                str(tmp_path / "verdict"),
                *output,
                *options,
                "--executor-input",
                executor_input(tmp_path, "deployment"),
            ],
        )

    return run


def test_blessed(tmp_path, deploy):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", version, None)
    assert deploy() == 0
    findings = read_marker(tmp_path / "deployment", "deployment", DeployFindings)
    assert findings.champion.version == findings.anchor.version == findings.version == version
    assert findings.previous is None
    assert metadata(tmp_path)["deployment"] == {"version": version, "champion": version}
    assert Path(findings.storage_uri.removeprefix("file://"), "model.json").is_file()
    rendered = (tmp_path / "deployment" / "inference_service.yaml").read_text()
    assert (
        rendered
        == findings.manifest
        == (tmp_path / "store" / "runs" / "run-1" / "inference_service.yaml").read_text()
    )
    assert yaml.safe_load(rendered)["metadata"]["labels"]["emotion/version"] == version
    evidence = json.loads(
        (tmp_path / "store" / "runs" / "run-1" / "evidence" / "deploy.json").read_text()
    )
    assert from_plain(DeployFindings, from_plain(Evidence, evidence, "").findings, "") == findings

    written = {
        name: content
        for name, content in tree(tmp_path / "store").items()
        if "evidence" not in name
    }
    assert deploy() == 0
    assert {
        name: content
        for name, content in tree(tmp_path / "store").items()
        if "evidence" not in name
    } == written


def test_rejected_leaves_the_registry_untouched(tmp_path, deploy, capsys):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", version, None, word="rejected", reasons=("accuracy fell",))
    assert deploy() == 3
    assert "expected the verdict blessed; received rejected" in capsys.readouterr().err
    assert not (tmp_path / "store" / "models").exists()


def test_a_changed_model_file_is_refused(tmp_path, deploy, capsys):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", version, None)
    (tmp_path / "model" / "model.tflite").write_bytes(b"other")
    assert deploy() == 3
    assert "other content of model.tflite" in capsys.readouterr().err


def test_a_lost_race_is_a_conflict(tmp_path, deploy, capsys):
    first = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", first, None)
    assert deploy() == 0
    second = write_model(tmp_path / "second", b"better").version
    write_verdict(tmp_path / "verdict", second, None)
    assert deploy("run-2", "second") == 4
    assert f"received {first}" in capsys.readouterr().err


def test_a_version_that_needs_approval_waits_in_the_registry(tmp_path, deploy, capsys):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(
        tmp_path / "verdict", version, word="needs-approval", reasons=("no model serves yet",)
    )
    assert deploy() == 3
    assert "expected the verdict blessed; received needs-approval" in capsys.readouterr().err
    assert deploy(step="register") == 0
    evidence = json.loads(
        (tmp_path / "store" / "runs" / "run-1" / "evidence" / "register.json").read_text()
    )
    findings = from_plain(RegisterFindings, from_plain(Evidence, evidence, "").findings, "")
    registry = Registry(open_store(str(tmp_path / "store")), "small")
    assert (findings.version, findings.storage_uri) == (version, registry.location(version))
    assert registry.versions() == [version]
    assert registry.pointers().champion is None
    (asked,) = requests(registry)
    assert (asked.request.run_id, asked.request.verdict.reasons, asked.answer) == (
        "run-1",
        ("no model serves yet",),
        None,
    )
    before = {
        name: content
        for name, content in tree(tmp_path / "store").items()
        if "evidence" not in name
    }
    assert deploy(step="register") == 0
    assert {
        name: content
        for name, content in tree(tmp_path / "store").items()
        if "evidence" not in name
    } == before


@pytest.mark.parametrize(("step", "word"), [("deploy", "blessed"), ("register", "needs-approval")])
def test_a_version_knows_the_image_that_it_was_checked_with(tmp_path, deploy, step, word):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", version, word=word)
    registry = Registry(open_store(str(tmp_path / "store")), "small")
    for image, recorded in (
        ("", ""),
        ("r.example:5000/emotion-serving", ""),
        (f"r/emotion-serving@sha256:{'0' * 64}", f"r/emotion-serving@sha256:{'0' * 64}"),
        ("r/emotion-serving:2", "r/emotion-serving:2"),
        ("emotion-serving", "r/emotion-serving:2"),
    ):
        assert deploy(step=step, options=["--serving-image", image] if image else []) == 0
        assert trace(registry, version).serving_image == recorded


def test_a_rejected_version_is_not_registered(tmp_path, deploy, capsys):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", version, word="rejected", reasons=("accuracy fell",))
    assert deploy(step="register") == 3
    assert (
        "may not be registered for approval; expected the verdict needs-approval; received rejected"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "store" / "models").exists()


def test_the_registry_loads_no_heavy_library():
    program = (
        "import sys; import components.deployment.__main__,"
        " components.deployment.registry.approval;import"
        " components.deployment.registry.lineage;heavy = {'kserve', 'kubernetes', 'numpy',"
        " 'google.cloud.storage', 'boto3', 'kfp'} & set(sys.modules);sys.exit(', '.join(heavy)"
        " or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
