"""A preset's source with other values of its training policy is that preset with these values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.shared.errors import InputError
from components.shared.preset import Preset
from pipelines import preset_source
from pipelines.presets import PRESETS

SPELT_OUT = [name for name in PRESETS if name != "ferplus"]


@pytest.mark.parametrize("name", SPELT_OUT)
def test_changed_fields_given_or_not_and_fields_of_a_stage_and_of_augmentation(name: str) -> None:
    preset = PRESETS[name]
    first = replace(preset.training.stages[0], learning_rate=0.0123, weight_decay=0.0045)
    wanted = replace(
        preset.training,
        batch_size=17,
        focal_gamma=1.5,
        stages=(first, *preset.training.stages[1:]),
        augmentation=replace(preset.training.augmentation, mixup=0.35),
    )
    _, source = preset_source.of(name)
    assert made(preset_source.edited(source, preset.training, wanted)) == replace(
        preset, training=wanted
    )


@pytest.mark.parametrize("name", SPELT_OUT)
def test_without_a_change_the_source_stays(name: str) -> None:
    policy = PRESETS[name].training
    _, source = preset_source.of(name)
    assert preset_source.edited(source, policy, policy) == source


def test_a_preset_that_takes_anothers_policy_is_left_to_a_person() -> None:
    policy = PRESETS["ferplus"].training
    _, source = preset_source.of("ferplus")
    with pytest.raises(InputError, match="take the values of best.json by hand"):
        preset_source.edited(source, policy, replace(policy, batch_size=3))


def made(source: str) -> Preset:
    values: dict[str, object] = {}
    exec(compile(source, "preset", "exec"), values)
    (preset,) = (value for value in values.values() if isinstance(value, Preset))
    return preset
