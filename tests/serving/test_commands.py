"""check-serving, serve and predict as processes; none of them leaves one behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from components.shared.artifacts.contract import ModelManifest, read_marker
from components.shared.findings import ServingFindings
from components.shared.images.decode import encode_png
from components.shared.preset import ServingPolicy
from components.shared.serialization import digest, to_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from tests.artifacts import pattern, small_preset
from tests.kfp_output import executor_input, metadata
from tests.models import LABELS, night, stripe_weights, write_model
from tests.serving.conftest import WEIGHTS, processes_about, wait_for
from tests.serving.drawing import photo

POLICY = ServingPolicy(check_requests=20)


@dataclass(frozen=True)
class Desk:
    """A store and a challenger below one folder."""

    root: Path

    def champion(self) -> str:
        manifest = write_model(self.root / "registered", stripe_weights(seed=4, noise=2.0))
        open_store(str(self.root / "store")).put_tree(
            self.root / "registered", keys.version("small", manifest.version), "model.json"
        )
        return manifest.version

    def command(self, champion: str | None = None, policy: ServingPolicy = POLICY) -> list[str]:
        plan = night(champion)
        open_store(str(self.root / "store")).write(keys.plan(digest(plan)), to_json(plan).encode())
        preset = to_json(small_preset(serving=policy))
        command = [
            sys.executable,
            "-m",
            "components.serving",
            "check-serving",
            "--preset",
            preset,
            "--store",
            str(self.root / "store"),
            "--run-id",
            "night-1",
        ]
        command += [
            "--plan",
            digest(plan),
            "--model",
            str(self.root / "model"),
            "--serving-check",
            str(self.root / "check"),
        ]
        given = executor_input(self.root, "serving_check", "metrics")
        return [*command, "--metrics", str(self.root / "metrics.json"), "--executor-input", given]

    def run(
        self, champion: str | None = None, policy: ServingPolicy = POLICY
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(champion, policy), capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    write_model(tmp_path / "model", WEIGHTS, golden=9)
    return Desk(tmp_path)


def test_check_serving_with_a_champion(desk: Desk) -> None:
    champion = desk.champion()
    done = desk.run(champion)
    assert done.returncode == 0, done.stderr
    assert "progress 9/9 images" in done.stdout
    found = read_marker(desk.root / "check", "serving_check", ServingFindings)
    ours = read_marker(desk.root / "model", "model", ModelManifest)
    assert (found.golden_images, found.golden_failures) == (9, 0)
    assert found.golden_max_difference < 1e-5
    assert found.champion is not None
    assert (found.challenger.version, found.champion.version) == (ours.version, champion)
    for measured in (found.challenger, found.champion):
        assert measured.cold_start_seconds > 0.5
        assert 0 < measured.p50_milliseconds <= measured.p95_milliseconds < 1000
        assert measured.requests_per_second > 1
        assert (
            50_000_000 < measured.resident_bytes <= measured.peak_bytes < found.memory_limit_bytes
        )
        assert measured.model_bytes == (desk.root / "model" / "model.tflite").stat().st_size
    assert (found.cpus, found.memory_limit_bytes) == (1.0, 1 << 30)
    evidence = json.loads(
        (desk.root / "store" / keys.evidence("night-1", "check-serving")).read_text()
    )
    assert evidence["findings"] == json.loads(to_json(found))
    told = metadata(desk.root)
    assert told["metrics"]["golden images answered otherwise"] == 0
    assert told["metrics"]["champion p95 latency, ms"] == found.champion.p95_milliseconds
    assert told["metrics"]["model file, MB"] == pytest.approx(
        found.challenger.model_bytes / 1e6, abs=0.001
    )
    assert told["metrics"] == pytest.approx(
        json.loads((desk.root / "metrics.json").read_text()), rel=1e-5
    )
    assert told["serving_check"] == {
        "version": ours.version,
        "champion": champion,
        "golden images answered otherwise": 0,
        "p95 latency, ms": found.challenger.p95_milliseconds,
        "peak memory, MB": told["metrics"]["peak memory, MB"],
    }
    assert processes_about(str(desk.root)) == []


def test_wrong_golden_expectations_are_counted(desk: Desk) -> None:
    write_model(desk.root / "model", WEIGHTS, golden=9, golden_error=0.01)
    done = desk.run()
    assert done.returncode == 0, done.stderr
    found = read_marker(desk.root / "check", "serving_check", ServingFindings)
    assert (found.golden_failures, found.champion) == (9, None)
    assert found.golden_max_difference == pytest.approx(0.01, abs=1e-4)
    assert "differs by 0.01" in done.stdout


def test_the_predictor_of_photos_is_checked_with_its_detector(desk: Desk) -> None:
    done = desk.run(policy=ServingPolicy(check_requests=5, faces=True))
    assert done.returncode == 0, done.stderr
    found = read_marker(desk.root / "check", "serving_check", ServingFindings)
    assert (found.golden_images, found.golden_failures) == (9, 0)
    assert found.golden_max_difference < 1e-5


def test_a_model_that_doesnt_fit_into_its_container_ends_in_one_line_and_code_3(desk: Desk) -> None:
    done = desk.run(policy=ServingPolicy(check_requests=5, memory="64Mi", memory_request="64Mi"))
    assert done.returncode == 3
    assert len(done.stderr.strip().splitlines()) == 1
    assert (
        "the challenger's server doesn't fit into the memory of its container; expected at most 67"
        " MB; received " in done.stderr
    )
    assert "to fix it: raise serving.memory in the preset, or train a smaller model" in done.stderr
    assert not (desk.root / "check" / "serving_check.json").exists()
    assert processes_about(str(desk.root)) == []


def test_a_tampered_model_ends_in_one_line_and_code_3(desk: Desk) -> None:
    with open(desk.root / "model" / "model.tflite", "ab") as stream:
        stream.write(b"\0")
    done = desk.run()
    assert done.returncode == 3
    assert len(done.stderr.strip().splitlines()) == 1
    assert "the challenger's server ended with 3" in done.stderr
    assert "is not what its manifest says" in done.stderr
    assert not (desk.root / "check" / "serving_check.json").exists()
    assert processes_about(str(desk.root)) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_no_server_outlives_the_step(desk: Desk, number: signal.Signals, code: int) -> None:
    served = f"--model-dir\0{desk.root}"
    step = subprocess.Popen(desk.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: processes_about(served))
        step.send_signal(number)
        assert step.wait(30) == code
        assert wait_for(lambda: not processes_about(served))
    finally:
        step.kill()
        step.wait()


def predict(model_folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "components.serving",
        "predict",
        "--model-dir",
        model_folder,
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_predict_prints_a_line_per_image(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(encode_png(pattern(5, np.random.default_rng(1))))
    (tmp_path / "text.png").write_text("no image")
    done = predict(model_folder, "--folder", tmp_path, "--image", tmp_path / "gone.png")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["image", "emotion", "sure", "then"]
    assert "gone.png  unreadable: No such file or directory" in lines[0]
    assert re.search(rf"face.png  {LABELS[5]} +\d+\.\d %  \w+ \d+\.\d %, \w+ \d+\.\d %$", lines[1])
    assert "text.png  not-an-image: " in lines[2]
    assert done.returncode == 2
    done = predict(model_folder, "--image", tmp_path / "face.png", "--json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert (answer["label"], len(answer["probabilities"]), len(answer["model_version"])) == (
        LABELS[5],
        7,
        12,
    )


def test_predict_finds_faces_in_photos_and_draws_them(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "two.png").write_bytes(encode_png(photo(640, 400, (20, 50, 180), (400, 150, 180))))
    (tmp_path / "none.png").write_bytes(encode_png(photo()))
    done = predict(model_folder, "--folder", tmp_path, "--faces", "--annotate", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    none, *two = done.stdout.splitlines()[1:]
    assert none.endswith("none.png  no face found")
    assert [bool(re.search(r" at \d+,\d+ to \d+,\d+$", line)) for line in two] == [True, True]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == [
        "0001-none.png",
        "0002-two.png",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"), [((), "no image was named"), (("--folder", "."), "has no images")]
)
def test_predict_wants_images(
    model_folder: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = predict(model_folder, *(tmp_path if each == "." else each for each in arguments))
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["serve", "predict"])
def test_a_missing_model_is_one_line(command: str, tmp_path: Path) -> None:
    more = ["--image", "x.png"] if command == "predict" else []
    arguments = [
        sys.executable,
        "-m",
        "components.serving",
        command,
        "--model-dir",
        str(tmp_path / "none"),
        *more,
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith(f"{command} failed: the model artifact at ")
    assert len(done.stderr.strip().splitlines()) == 1
