"""The preset of a step, in each form that it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.errors import ContractError, UnknownNameError
from components.shared.preset import Preset
from components.shared.serialization import digest, from_json, to_json
from components.shared.step.preset_argument import preset_of_run, read_preset, store_preset
from components.shared.store import keys
from components.shared.store.disk import DiskStore

FILE = Path(__file__).resolve().parent / "preset.json"
PRESET = from_json(Preset, FILE.read_bytes())


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "store")


def test_text_file_digest_and_name_mean_the_same(store: DiskStore, tmp_path: Path) -> None:
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "toy.json").write_text(to_json(PRESET))
    stored = store_preset(store, "r1", PRESET)
    assert stored == digest(PRESET)
    for text in (to_json(PRESET), f"\n {to_json(PRESET)}", f"@{FILE}", stored, "toy"):
        assert read_preset(text, store, tmp_path / "shipped") == PRESET
    assert preset_of_run(store, "r1") == PRESET
    assert preset_of_run(store, "r2") is None


def test_an_unknown_name_says_which_there_are(store: DiskStore, tmp_path: Path) -> None:
    (tmp_path / "fer2013.json").write_text("{}")
    with pytest.raises(UnknownNameError, match="unknown preset 'fer2031'.*did you mean 'fer2013'"):
        read_preset("fer2031", store, tmp_path)
    with pytest.raises(UnknownNameError, match="unknown preset 'fer2013'.*JSON text of a preset"):
        read_preset(
            "fer2013", store, tmp_path / "none"
        )  # at a desk and in other images there are none
    with pytest.raises(UnknownNameError):
        read_preset(f"../{tmp_path.name}/fer2013", store, tmp_path)


def test_what_the_store_lacks_or_somebody_changed_is_refused(store: DiskStore) -> None:
    with pytest.raises(ContractError, match="the store has no preset 0000.*run resolve again"):
        read_preset("0" * 64, store)
    stored = store_preset(store, "r1", PRESET)
    store.write(keys.preset(stored), to_json(replace(PRESET, summary="another")).encode())
    with pytest.raises(ContractError, match="was changed"):
        read_preset(stored, store)
