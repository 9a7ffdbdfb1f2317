"""Curated schemas: they fit their presets, widen and never narrow, and refuse what is outside."""

from pathlib import Path

import numpy as np
import pytest

from components.shared.errors import ContractError
from components.shared.preset import Preset
from components.validation.distributions.schema import SCHEMAS, proposed, read, schema_of
from components.validation.distributions.statistics import compare, describe, to_text
from components.validation.verdict import curated_schema_rule
from pipelines.presets import PRESETS
from tests.validation.data import LABELS, PRESET, examples


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_preset_has_a_curated_schema_that_fits_it(preset: Preset) -> None:
    schema, curated = schema_of(preset)
    assert curated
    assert [feature.name for feature in schema.feature] == [
        feature.name for feature in schema_of(PRESET)[0].feature
    ]
    assert {domain.name: tuple(domain.value) for domain in schema.string_domain}[
        "label"
    ] == preset.data.labels


def test_every_curated_schema_is_of_a_preset() -> None:
    assert {path.stem for path in SCHEMAS.iterdir()} == set(PRESETS)


def test_a_preset_without_one_is_told_how_to_make_it() -> None:
    _, curated = schema_of(PRESET)
    rule = curated_schema_rule(PRESET, curated)
    assert (rule.passed, rule.severity) == (False, "warning")
    assert "`emotion schema update --preset small --write`" in rule.sentence


def test_a_proposed_schema_holds_for_its_own_rows_and_refuses_others(tmp_path: Path) -> None:
    statistics = describe(examples(), LABELS)
    (tmp_path / "small.pbtxt").write_bytes(to_text(proposed(PRESET, statistics, tmp_path)))
    schema, curated = schema_of(PRESET, tmp_path)
    assert curated
    assert compare(statistics, schema, None).mismatches == {}
    for column, value in (
        ("width", np.int32(17)),
        ("format", "GIF"),
        ("brightness", np.float32(256)),
    ):
        rows = examples()
        rows.loc[0, column] = value
        rows[column] = rows[column].astype(examples()[column].dtype)
        assert list(compare(describe(rows, LABELS), schema, None).mismatches) == [column]


def test_domains_grow_and_never_narrow(tmp_path: Path) -> None:
    path = tmp_path / "small.pbtxt"
    path.write_bytes(to_text(proposed(PRESET, describe(examples(), LABELS), tmp_path)))
    wide = describe(examples().assign(width=np.int32(64), format="JPEG"), LABELS)
    path.write_bytes(to_text(proposed(PRESET, wide, tmp_path)))
    standing = path.read_bytes()
    features = {feature.name: feature for feature in read(path).feature}
    assert (features["width"].int_domain.min, features["width"].int_domain.max) == (16, 64)
    assert list(features["format"].string_domain.value) == ["JPEG", "PNG"]
    assert to_text(proposed(PRESET, describe(examples(), LABELS), tmp_path)) == standing


def test_a_damaged_schema_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "small.pbtxt").write_text("feature { name: ")
    with pytest.raises(ContractError, match=r"small.pbtxt can't be read .*emotion schema update"):
        schema_of(PRESET, tmp_path)
