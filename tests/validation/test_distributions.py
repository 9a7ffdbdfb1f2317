"""Statistics, schema, drift and skew as TFDV measures them."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv

from components.shared.artifacts.contract import FEATURE_COLUMNS
from components.shared.errors import ContractError
from components.shared.findings import Rule
from components.validation.distributions import statistics as distributions
from components.validation.distributions.schema import schema_of
from components.validation.distributions.statistics import (
    Comparison,
    Statistics,
    class_drift,
    compare,
    describe,
    from_bytes,
    rows_of,
    slices,
    to_bytes,
    to_text,
)
from components.validation.verdict import (
    class_drift_rule,
    decide,
    drift_rules,
    schema_rule,
    skew_rules,
)
from tests.validation.data import LABELS, PRESET, SIZES, examples

SCHEMA, _ = schema_of(PRESET)


def compared(rows: pd.DataFrame) -> Comparison:
    return compare(describe(rows, LABELS), SCHEMA, None)


@cache
def before() -> Statistics:
    """What every drift is measured against."""
    return describe(examples(2), LABELS)


def drifted(rows: pd.DataFrame) -> Comparison:
    return compare(describe(rows, LABELS), SCHEMA, before())


def moved(rows: pd.DataFrame, column: str, deviations: float, split: str = "") -> pd.DataFrame:
    """A measure moved up by so many of its standard deviations, in one split or in all."""
    mine = rows["split"] == split if split else rows["split"] != split
    rows.loc[mine, column] += np.float32(deviations * rows[column].std())
    return rows


def failed(rules: tuple[Rule, ...]) -> Rule:
    (broken,) = [rule for rule in rules if not rule.passed]
    return broken


def test_statistics_count_every_split() -> None:
    statistics = describe(examples(), LABELS)
    assert {name: rows_of(statistics, name) for name in ("train", "validation", "test")} == {
        name: 7 * size for name, size in SIZES.items()
    }
    assert rows_of(statistics, "all") == 7 * sum(SIZES.values())


def test_images_and_ids_are_not_described() -> None:
    (dataset,) = (
        dataset
        for dataset in describe(examples().assign(image=b"x"), LABELS).datasets
        if dataset.name == "all"
    )
    names = {feature.path.step[0] for feature in dataset.features}
    assert {"label", "split", "width", *FEATURE_COLUMNS} <= names
    assert not {"image", "example_id", "content_id", "group_id"} & names


def test_good_data_fit_the_schema_and_split_alike() -> None:
    found = compared(examples())
    assert found.mismatches == {}
    assert found.drift == {}
    assert list(found.skew) == ["label", *FEATURE_COLUMNS]
    assert found.skew["label"] == pytest.approx(0, abs=1e-6)
    assert all(value < 0.1 for value in found.skew.values())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("label", "contempt"),
        ("label", None),
        ("split", "holdout"),
        ("width", "wide"),
        ("contrast", np.nan),
    ],
)
def test_a_column_unlike_the_schema_is_named(column: str, value: object) -> None:
    rows = examples()
    if column in ("width", "contrast"):
        rows[column] = value
    else:
        rows.loc[0, column] = value
    found = compared(rows)
    assert list(found.mismatches) == [column]
    rule = schema_rule(found.mismatches, PRESET.validation)
    assert (rule.name, rule.passed, rule.severity) == ("schema", False, "critical")
    assert (rule.value, rule.bound) == ("1 anomaly", "no anomaly")
    assert column in rule.sentence


def test_a_missing_column_is_an_anomaly() -> None:
    assert list(compared(examples().drop(columns=["height"])).mismatches) == ["height"]


def test_a_label_that_only_test_rows_carry_is_seen() -> None:
    rows = examples()
    rows.loc[rows.index[rows["split"] == "test"][0], "label"] = "contempt"
    assert "label" in compared(rows).mismatches


def test_the_same_distribution_does_not_drift() -> None:
    found = drifted(examples(1))
    assert list(found.drift) == ["label", *FEATURE_COLUMNS]
    assert all(rule.passed for rule in drift_rules(found.drift, PRESET.validation, 280, "s0"))


@pytest.mark.parametrize("column", FEATURE_COLUMNS)
def test_a_moved_measure_drifts_alone_and_says_by_how_much(column: str) -> None:
    found = drifted(moved(examples(1), column, 3))
    rule = failed(drift_rules(found.drift, PRESET.validation, 280, "s0" * 10))
    assert (rule.name, rule.severity, rule.bound) == (f"{column} drift", "critical", "at most 0.1")
    assert rule.value == f"{found.drift[column]:.3f}"
    assert 0.2 < found.drift[column] <= 1
    assert (
        f"{column} moved away from that of the accepted snapshot s0s0s0s0s0s0: Jensen-Shannon"
        f" divergence {rule.value}" in rule.sentence
    )


def test_a_slight_move_only_warns() -> None:
    rule = failed(
        drift_rules(
            drifted(moved(examples(1), "brightness", 1)).drift, PRESET.validation, 280, "s0"
        )
    )
    assert (rule.name, rule.severity) == ("brightness drift", "warning")


def test_other_shares_of_the_labels_drift_by_exactly_their_largest_difference() -> None:
    rows = pd.concat([examples(1), examples(3, {"train": 120}, ("happy",))], ignore_index=True)
    found = drifted(rows)
    assert found.drift["label"] == pytest.approx(160 / 400 - 1 / 7, abs=1e-5)
    rule = failed(drift_rules(found.drift, PRESET.validation, 280, "s0"))
    assert (rule.name, rule.severity, rule.value, rule.bound) == (
        "label drift",
        "critical",
        "0.257",
        "at most 0.1",
    )
    assert "L-infinity distance" in rule.sentence


@pytest.mark.parametrize("column", FEATURE_COLUMNS)
def test_test_rows_unlike_training_are_skewed(column: str) -> None:
    found = compared(moved(examples(), column, 3, "test"))
    rule = failed(skew_rules(found.skew, PRESET.validation, 140))
    assert (rule.name, rule.severity, rule.bound) == (f"{column} skew", "critical", "at most 0.1")
    assert rule.value == f"{found.skew[column]:.3f}"
    assert f"{column} differs between training and test" in rule.sentence


def test_other_shares_of_the_labels_in_test_are_skew() -> None:
    found = compared(
        pd.concat([examples(), examples(3, {"test": 60}, ("happy",))], ignore_index=True)
    )
    assert found.skew["label"] == pytest.approx(80 / 200 - 1 / 7, abs=1e-5)
    rule = failed(skew_rules(found.skew, PRESET.validation, 140))
    assert (rule.name, rule.severity, rule.value, rule.bound) == (
        "label skew",
        "critical",
        "0.257",
        "at most 0.1",
    )


def test_few_rows_warn_but_do_not_stop() -> None:
    (rule,) = skew_rules({"label": 0.5}, PRESET.validation, 99)
    assert (rule.passed, rule.severity) == (False, "warning")
    assert "on only 99 rows" in rule.sentence
    assert decide([rule]) == "go"
    assert decide(skew_rules({"label": 0.5}, PRESET.validation, 100)) == "stop"


@pytest.mark.parametrize("sizes", [{"train": 1}, {"test": 1}, {"left-out": 3}])
def test_hardly_any_rows_are_no_error(sizes: dict[str, int]) -> None:
    found = drifted(examples(1, sizes))
    assert all(np.isfinite(value) for value in [*found.drift.values(), *found.skew.values()])


def test_nan_in_a_measure_is_no_error() -> None:
    rows = examples()
    rows.loc[::3, "brightness"] = np.nan
    rows["entropy"] = np.float32(np.nan)
    found = drifted(rows)
    assert list(found.mismatches) == ["entropy"]
    assert np.isfinite(found.drift["brightness"])


def test_statistics_survive_the_store_and_open_in_tfdv(tmp_path: pytest.TempPathFactory) -> None:
    statistics = describe(examples(), LABELS)
    content = to_bytes(statistics)
    assert content == to_bytes(describe(examples(), LABELS))
    assert from_bytes(content, "here") == statistics
    (tmp_path / "statistics.pb").write_bytes(content)  # type: ignore[operator]
    assert tfdv.load_stats_binary(str(tmp_path / "statistics.pb")) == statistics  # type: ignore[operator]
    (tmp_path / "schema.pbtxt").write_bytes(to_text(SCHEMA))  # type: ignore[operator]
    assert tfdv.load_schema_text(str(tmp_path / "schema.pbtxt")) == SCHEMA  # type: ignore[operator]


@pytest.mark.parametrize("content", [b"not a protobuf", b""])
def test_unreadable_statistics_are_one_clear_error(content: bytes) -> None:
    with pytest.raises(ContractError, match="the statistics at here can't be read"):
        from_bytes(content, "here")


def test_anomalies_are_kept_with_the_measured_distances() -> None:
    text = to_text(drifted(moved(examples(), "brightness", 3)).anomalies).decode()
    assert "drift_skew_info" in text
    assert distributions.EVERY_ROW == "all"


def test_the_slice_of_each_class_is_described() -> None:
    rows = examples()
    found = slices(describe(rows, LABELS), LABELS)
    assert [(each.label, each.rows) for each in found] == [
        (label, SIZES["train"]) for label in LABELS
    ]
    mine = rows[(rows["split"] == "train") & (rows["label"] == "happy")]["brightness"]
    (happy,) = [each for each in found if each.label == "happy"]
    assert happy.means["brightness"] == pytest.approx(mine.mean(), rel=1e-4)
    assert happy.deviations["brightness"] == pytest.approx(mine.std(ddof=0), rel=1e-3)


def test_a_class_that_moved_while_the_whole_stood_still_is_named() -> None:
    sizes = {"train": 120, "test": 20}
    rows = examples(1, sizes)
    rows.loc[(rows["label"] == "sad") & (rows["split"] == "train"), "brightness"] += np.float32(30)
    before = describe(examples(2, sizes), LABELS)
    drift = class_drift(describe(rows, LABELS), before, SCHEMA, LABELS, 100)
    assert set(drift) == set(LABELS)
    rule = class_drift_rule(drift, PRESET.validation, "s0")
    assert (rule.name, rule.passed, rule.severity) == ("drift within classes", False, "warning")
    assert (rule.value, rule.bound) == (f"{drift['sad']['brightness']:.3f}", "at most 0.1")
    assert "within a class: brightness of sad (" in rule.sentence
    same = class_drift_rule(
        class_drift(describe(examples(3, sizes), LABELS), before, SCHEMA, LABELS, 100),
        PRESET.validation,
        "s0",
    )
    assert same.passed, same.sentence


def test_small_classes_and_older_statistics_are_not_compared_by_class() -> None:
    statistics, older = describe(examples(), LABELS), describe(examples(2), LABELS)
    assert class_drift(statistics, older, SCHEMA, LABELS, 100) == {}
    del older.datasets[4:]
    assert class_drift(statistics, older, SCHEMA, LABELS, 1) == {}
