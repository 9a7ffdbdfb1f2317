"""A preset that takes an existing model again doesn't train where there is one, and does where it doesn't fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.shared.artifacts import contract
from components.shared.artifacts.contract import ModelManifest
from components.shared.findings import Evidence, TrainFindings
from components.shared.preset import ImageSpec, Stage
from components.shared.records import Pointers
from components.shared.run_plan import Pointer
from components.shared.serialization import from_json, from_plain, to_pretty_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from tests.training.support import write_inputs
from tests.training.test_step import command, finished, preset_of

PRESET = preset_of(Stage(epochs=1))
REUSING = replace(PRESET, training=replace(PRESET.training, reuse_model=True))


@pytest.fixture
def champion(tmp_path) -> ModelManifest:
    """A champion of PRESET's architecture, labels and input in the store at tmp_path/store."""
    folder = contract.start(tmp_path / "made")
    (folder / "model.tflite").write_bytes(b"a served file")
    (folder / "history.json").write_text(
        '{"val_accuracy": [0.5, 0.9, 0.7], "val_loss": [2, 1, 1.5], "loss": [3, 2, 1]}'
    )
    manifest = ModelManifest(
        1,
        "small",
        "small",
        PRESET.data.labels,
        PRESET.data.image,
        "model.tflite",
        "small-cnn",
        9,
        1.5,
        0.9,
        "s",
        "c",
        7,
        contract.checksums(folder, without="model.json"),
    )
    contract.finish(folder, "model", manifest)
    store = open_store(str(tmp_path / "store"))
    store.put_tree(folder, keys.version("small", manifest.version), "model.json")
    pointers = Pointers(champion=Pointer(manifest.version, "r0", "2026-01-01T00:00:00+00:00"))
    store.write(keys.pointers("small"), to_pretty_json(pointers).encode())
    return manifest


def test_the_champion_is_taken_again_in_seconds_and_as_it_is(tmp_path, champion):
    done = finished(command(tmp_path, write_inputs(tmp_path), REUSING))
    assert done.returncode == 0, done.stderr
    assert f"taking the champion {champion.version} again" in done.stdout
    assert contract.verified_model(tmp_path / "r1" / "model") == champion
    evidence = from_json(Evidence, (tmp_path / "store" / keys.evidence("r1", "train")).read_bytes())
    findings = from_plain(TrainFindings, evidence.findings, "findings")
    assert (findings.reused_version, findings.best_epoch) == (champion.version, 2)
    assert findings.file_bytes["model.tflite"] == len(b"a served file")


def test_a_champion_of_another_input_isnt_taken(tmp_path, champion):
    from components.shared.step.executor_output import ExecutorOutput
    from components.shared.step.frame import Context
    from components.training.reuse import champion_of

    def context(preset):
        return Context(
            "r",
            preset,
            open_store(str(tmp_path / "store")),
            tmp_path / "scratch",
            ExecutorOutput(""),
        )

    assert champion_of(context(REUSING)) is not None
    larger = replace(REUSING, data=replace(REUSING.data, image=ImageSpec(32, 32, 1)))
    assert champion_of(context(larger)) is None
    deeper = replace(REUSING, training=replace(REUSING.training, architecture="fer2013-cnn"))
    assert champion_of(context(deeper)) is None
    assert champion_of(context(replace(REUSING, model_name="other"))) is None
