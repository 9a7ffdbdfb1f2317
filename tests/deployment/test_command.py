import json
from pathlib import Path

import pytest
import yaml

from components.contracts.artifacts import read_marker
from components.contracts.codec import from_plain, to_json
from components.contracts.findings import DeployFindings, Evidence
from components.deployment.__main__ import STEPS
from components.runtime.step import main
from tests.deployment.builders import PRESET, tree, write_model, write_verdict


@pytest.fixture
def deploy(tmp_path):
    def run(run_id="run-1", model="model"):
        return main(
            "deployment",
            STEPS,
            ["deploy", "--preset", to_json(PRESET), "--store", str(tmp_path / "store"), "--run-id", run_id,
             "--model", str(tmp_path / model),
             "--verdict", str(tmp_path / "verdict"), "--deployment", str(tmp_path / "deployment"), "--executor-input", ""],
        )  # fmt: skip

    return run


def test_blessed(tmp_path, deploy):
    version = write_model(tmp_path / "model", b"weights").version
    write_verdict(tmp_path / "verdict", version, None)
    assert deploy() == 0
    findings = read_marker(tmp_path / "deployment", "deployment", DeployFindings)
    assert findings.champion.version == findings.anchor.version == findings.version == version
    assert findings.previous is None
    assert Path(findings.storage_uri.removeprefix("file://"), "model.json").is_file()
    rendered = (tmp_path / "deployment" / "inference_service.yaml").read_text()
    assert rendered == findings.manifest == (tmp_path / "store" / "runs" / "run-1" / "inference_service.yaml").read_text()
    assert yaml.safe_load(rendered)["metadata"]["labels"]["emotion/version"] == version
    evidence = json.loads((tmp_path / "store" / "runs" / "run-1" / "evidence" / "deploy.json").read_text())
    assert from_plain(DeployFindings, from_plain(Evidence, evidence, "").findings, "") == findings

    written = {name: content for name, content in tree(tmp_path / "store").items() if "evidence" not in name}
    assert deploy() == 0
    assert {name: content for name, content in tree(tmp_path / "store").items() if "evidence" not in name} == written


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
