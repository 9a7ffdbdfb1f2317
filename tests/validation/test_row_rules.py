"""Each row rule fails alone on data made for it, and its sentence names what broke it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.shared.artifacts.contract import FEATURE_COLUMNS
from components.shared.errors import UnknownNameError
from components.shared.findings import Rule
from components.shared.preset import DataPolicy, ImageSpec, Preset, ValidationPolicy
from components.shared.preset.validation import RULES
from components.validation.rows.rules import judge
from components.validation.verdict import decide
from tests.validation.data import DESCRIBED, LABELS, PRESET, examples, tables_of

Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def failed(
    rows: pd.DataFrame, preset: Preset = PRESET, marked: int | None = None, **how: object
) -> dict[str, Rule]:
    judged = judge(tables_of(rows, preset, **how), preset, len(rows) if marked is None else marked)  # type: ignore[arg-type]
    assert len({rule.name for rule in judged}) == len(judged)
    return {rule.name: rule for rule in judged if not rule.passed}


def put(column: str, value: object, rows: slice = slice(0, 1), split: str = "train") -> Spoil:
    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table.index[table["split"] == split][rows], column] = value
        return table

    return spoil


def twin(split: str, label: str = "") -> Spoil:
    """The first training row stands a second time as content of a row of ``split``."""

    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        source, target = (
            table.index[table["split"] == "train"][0],
            table.index[table["split"] == split][-1],
        )
        table.loc[target, ["content_id", "group_id"]] = table.loc[
            source, ["content_id", "group_id"]
        ].to_numpy()
        table.loc[target, "label"] = label or table.loc[source, "label"]
        return table

    return spoil


def without(split: str, label: str, keep: int) -> Spoil:
    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        mine = table.index[(table["split"] == split) & (table["label"] == label)]
        return table.drop(mine[keep:]).reset_index(drop=True)

    return spoil


def test_every_rule_holds_on_good_data() -> None:
    rules = judge(tables_of(examples()), PRESET, len(examples()))
    assert [rule.name for rule in rules if not rule.passed] == []
    assert {rule.library for rule in rules} == {"great-expectations"}
    assert all(
        rule.value and rule.bound and rule.sentence.endswith(".") and "{" not in rule.sentence
        for rule in rules
    )


@pytest.mark.parametrize(
    ("spoil", "name", "severity", "value", "bound", "words"),
    [
        (
            put("label", "contempt", slice(0, 2)),
            "known labels",
            "critical",
            "2 rows",
            "no other label",
            "doesn't know: 2 rows (contempt)",
        ),
        (put("label", None), "known labels", "critical", "1 row", "no other label", "((missing))"),
        (
            put("split", "holdout"),
            "known splits",
            "critical",
            "1 row",
            "no other split",
            "An unknown split: 1 row (holdout)",
        ),
        (
            put("example_id", "same", slice(0, 2)),
            "unique example ids",
            "critical",
            "2 rows",
            "none twice",
            "more than once: 2 rows (same)",
        ),
        (
            twin("test"),
            "split leakage",
            "critical",
            "1 group",
            "none",
            "both in test and in training",
        ),
        (
            twin("validation"),
            "held-out groups",
            "warning",
            "1 group",
            "none",
            "both in training and in validation",
        ),
        (
            twin("train", "sad"),
            "one label per content",
            "info",
            "1 picture",
            "none",
            "more than one label: 1 picture",
        ),
        (
            without("train", "fear", 19),
            "training rows per class",
            "critical",
            "1 class short",
            "at least 20 each",
            "Fewer than 20 training rows: fear.",
        ),
        (
            without("test", "sad", 4),
            "test rows per class",
            "critical",
            "1 class short",
            "at least 5 each",
            "Fewer than 5 test rows: sad.",
        ),
        (
            without("validation", "happy", 0),
            "held-out rows per class",
            "warning",
            "1 class short",
            "at least 1 each",
            "rows: happy.",
        ),
        (
            put("width", 7, slice(0, 40)),
            "image width",
            "warning",
            "40 rows",
            "8 pixels or more for 95 %",
            "width of 16 pixels: 40 rows (7",
        ),
        (
            put("height", 7, slice(0, 40)),
            "image height",
            "warning",
            "40 rows",
            "8 pixels or more for 95 %",
            "height of 16 pixels",
        ),
        (
            put("brightness", 1.0, slice(0, 9)),
            "brightness",
            "warning",
            "9 rows",
            "5 to 250 of 255 for 99 %",
            "Almost black or almost",
        ),
        (
            put("contrast", 1.0, slice(0, 2)),
            "near-constant images",
            "info",
            "2 rows",
            "contrast 6 or more",
            "below 6 of 255): 2 rows.",
        ),
        (
            put("soft_label_faults", 1.0, slice(0, 3)),
            "soft labels",
            "critical",
            "3 rows",
            "none, or shares of the labels that add up to 1",
            "a distribution over the 7 labels: 3 rows.",
        ),
        (
            put("sharpness", np.nan),
            "measures present",
            "warning",
            "1 measure",
            "none missing",
            "for every picture: sharpness.",
        ),
    ],
)
def test_a_rule_fails_alone_and_says_why(
    spoil: Spoil, name: str, severity: str, value: str, bound: str, words: str
) -> None:
    found = failed(spoil(examples()))
    assert list(found) == [name]
    assert (found[name].severity, found[name].value, found[name].bound) == (severity, value, bound)
    assert words in found[name].sentence


def test_a_missing_column_is_named() -> None:
    found = failed(
        examples(), described=[item for item in DESCRIBED if not item.startswith("note")]
    )
    assert list(found) == ["columns"]
    assert (found["columns"].severity, found["columns"].value) == (
        "critical",
        f"{len(DESCRIBED) - 1} columns",
    )
    assert found["columns"].bound == f"all {len(DESCRIBED)}"
    assert "note: string" in found["columns"].sentence


def test_files_that_hold_fewer_rows_than_marked() -> None:
    rows = examples()
    found = failed(rows, marked=len(rows) + 1)
    assert list(found) == ["rows as marked"]
    assert found["rows as marked"].severity == "critical"
    assert (
        f"{len(rows)} rows but the completion marker counts {len(rows) + 1}"
        in found["rows as marked"].sentence
    )


def test_labels_in_another_order() -> None:
    found = failed(examples(), labels=LABELS[::-1])
    assert list(found) == ["label order"]
    assert (found["label order"].severity, found["label order"].bound) == (
        "critical",
        "the preset's",
    )
    assert "surprise sad" in found["label order"].sentence


def test_a_class_that_holds_too_much_of_training() -> None:
    rows = pd.concat([examples(), examples(2, {"train": 600}, ("happy",))], ignore_index=True)
    found = failed(rows)
    assert list(found) == ["largest class share"]
    rule = found["largest class share"]
    assert (rule.severity, rule.value, rule.bound) == ("critical", "72.7%", "at most 60%")
    assert (
        "holds 72.7% of the training rows; at most 60% is allowed"
        in found["largest class share"].sentence
    )


def test_too_many_rejects() -> None:
    rows = examples()
    found = failed(rows, rejected=len(rows))
    assert list(found) == ["reject rate"]
    rule = found["reject rate"]
    assert (rule.severity, rule.value, rule.bound) == ("critical", "50.0%", "at most 5.0%")


def test_shares_have_the_digits_of_their_bound() -> None:
    rows = examples()
    strict = replace(PRESET, validation=ValidationPolicy(max_reject_rate=0.0001))
    rule = failed(rows, strict, rejected=16)["reject rate"]
    assert (rule.value, rule.bound) == (f"{16 / (len(rows) + 16):.2%}", "at most 0.01%")
    assert rule.sentence.endswith(" were rejected; at most 0.01% is allowed.")


def test_a_missing_class_is_named_wherever_it_is_missed() -> None:
    found = failed(examples(labels=LABELS[1:]))
    names = {"training rows per class", "test rows per class", "held-out rows per class"}
    assert set(found) == {*names, "smallest class share"}
    assert all("angry" in found[name].sentence for name in names)


def test_twins_that_the_preset_keeps_are_told_but_stop_nothing() -> None:
    keeping = replace(PRESET, data=DataPolicy("basic-7", ImageSpec(16, 16, 1), test_twins="keep"))
    found = failed(twin("test")(examples()), keeping)
    assert [(rule.name, rule.severity) for rule in found.values()] == [("split leakage", "info")]


def test_rows_left_out_of_every_split_leak_nothing() -> None:
    rows = twin("test")(examples())
    rows.loc[0, "split"] = "left-out"
    assert failed(rows) == {}


def test_bounds_come_from_the_preset() -> None:
    strict = replace(
        PRESET,
        validation=ValidationPolicy(
            min_train_per_class=41, min_test_per_class=21, max_class_share=0.1
        ),
    )
    assert set(failed(examples(), strict)) == {
        "training rows per class",
        "test rows per class",
        "largest class share",
    }


def test_a_class_that_holds_too_little_of_training() -> None:
    thin = replace(PRESET, validation=ValidationPolicy(min_class_share=0.14, min_train_per_class=1))
    found = failed(without("train", "fear", 30)(examples()), thin)
    assert list(found) == ["smallest class share"]
    rule = found["smallest class share"]
    assert (rule.severity, rule.value, rule.bound) == ("critical", "11.1%", "at least 14.0%")
    assert (
        "holds 11.1% of the training rows; at least 14.0% is asked for"
        in found["smallest class share"].sentence
    )


def test_a_preset_says_what_a_rule_counts_for() -> None:
    lenient = replace(PRESET, validation=ValidationPolicy(severities={"known labels": "warning"}))
    (rule,) = failed(put("label", "contempt")(examples()), lenient).values()
    assert (rule.name, rule.severity) == ("known labels", "warning")
    assert decide([rule]) == "go"
    with pytest.raises(
        UnknownNameError, match="unknown validation rule 'known label'.*did you mean 'known labels'"
    ):
        ValidationPolicy(severities={"known label": "info"})


def test_every_rule_has_a_severity() -> None:
    judged = {rule.name for rule in judge(tables_of(examples()), PRESET, len(examples()))}
    assert judged <= set(RULES)
    others = {name for name in RULES if name not in judged}
    assert others == {
        "schema",
        "curated schema",
        "doubtful labels",
        "drift",
        "drift within classes",
    } | {
        f"{column} {which}" for column in ("label", *FEATURE_COLUMNS) for which in ("drift", "skew")
    }


@pytest.mark.parametrize(
    "rows",
    [
        examples().iloc[:0],
        pd.DataFrame(),
        examples().iloc[:1],
        examples().drop(columns=["label", "brightness"]),
    ],
)
def test_no_rows_or_columns_fail_rules_instead_of_raising(rows: pd.DataFrame) -> None:
    judged = judge(
        tables_of(rows.reset_index(drop=True))
        if "split" in rows and "label" in rows
        else _without_marker(rows),
        PRESET,
        952,
    )
    assert any(rule.severity == "critical" and not rule.passed for rule in judged)


def test_text_where_numbers_should_be_fails_the_rule() -> None:
    rows = examples()
    rows["brightness"] = "bright"
    found = failed(rows)
    assert list(found) == ["brightness"]
    assert "can't be judged" in found["brightness"].sentence


def test_the_data_docs_tell_every_rule_without_network_or_script(tmp_path: Path) -> None:
    rows = put("label", "<script>alert(1)</script>")(examples())
    rows["brightness"] = "bright"  # can't be judged: its traceback names folders of this machine
    pages = [tmp_path / name / "index.html" for name in ("one", "two")]
    for page in pages:
        rules = judge(tables_of(rows), PRESET, len(rows), page)
    text = pages[0].read_text()
    for rule in rules:
        assert f"<h2>{rule.name} <small>{rule.severity}, " in text
    assert "known labels</a>" in text
    assert "&lt;script&gt;alert(1)" in text
    for unwanted in ("<script", "http:", "https:", "src=", "<link", "Traceback", ".venvs"):
        assert unwanted not in text
    assert "default-src 'none'" in text
    assert pages[1].read_bytes() == pages[0].read_bytes(), "a rerun writes the same page"
    assert [path.name for path in pages[0].parent.iterdir()] == ["index.html"]


def _without_marker(rows: pd.DataFrame) -> object:
    from components.validation.rows.tables import derive
    from tests.validation.data import snapshot_of

    return derive(rows, [], snapshot_of(examples()), PRESET)
