"""The Markdown that validate and gate show in Kubeflow Pipelines, read by a parser of CommonMark with tables."""

from __future__ import annotations

import random
import string
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml

from components.evaluation.gate.summary import verdict_summary
from components.shared.artifacts.contract import EXAMPLES_VERSION, Snapshot
from components.shared.findings import Check, Looks, Rule, ValidateFindings, Verdict
from components.shared.step.markdown import (
    MOST_CHARACTERS,
    MOST_ROWS,
    bullets,
    document,
    escaped,
    table,
)
from components.validation.data_summary import data_summary

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = [
    "<script>alert(1)</script>",
    "[a](javascript:alert(1))",
    "![a](http://e/x.png)",
    "[x]: http://e",
    "a|b",
    "a\\|b",
    "`code`",
    "**b**",
    "_i_",
    "~~s~~",
    "# head",
    "- item",
    "+ item",
    "1. one",
    "12) two",
    "> quote",
    "<http://evil.example>",
    "me@evil.example",
    "&lt;b&gt;",
    "---",
    "- - -",
    "-0.5",
    "\\",
    "|",
    "a|",
]


def tables(text: str) -> list[list[list[str]]]:
    """The cells of every table, as a reader sees them; fails on markup inside a cell."""
    found: list[list[list[str]]] = []
    cell = False
    for token in PARSER.parse(text):
        cell = token.type in ("th_open", "td_open") or (cell and token.type == "inline")
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and cell:
            assert {child.type for child in token.children or []} <= {
                "text",
                "text_special",
            }, token.content
            found[-1][-1].append("".join(child.content for child in token.children or []))
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_label_is_called_it_stays_text(text: str) -> None:
    assert_plain(text)


def test_drawn_labels_stay_text() -> None:
    drawn = random.Random(7)
    for _ in range(300):
        assert_plain(
            "".join(
                drawn.choice(f"{string.punctuation}ab1 ") for _ in range(drawn.randint(1, 14))
            ).strip()
            or "x"
        )


def assert_plain(text: str) -> None:
    plain = " ".join(text.split())
    assert tables(table(("label", "rows"), [(text, "7")])) == [[["label", "rows"], [plain, "7"]]]
    assert PARSER.render(bullets([text])) == f"<ul>\n<li>{escapeHtml(plain)}</li>\n</ul>\n"


def test_text_stays_on_its_line_and_no_longer_than_can_be_read() -> None:
    assert escaped("a\n\n# b\x00\u202ec") == "a \\# b c"
    assert len(escaped("x" * 10_000)) == MOST_CHARACTERS
    assert "http://" not in escaped("see http://evil.example")  # the viewer would make a link of it
    many = table(("n",), [(number,) for number in range(MOST_ROWS + 5)])
    assert many.endswith("and 5 more")
    assert len(tables(many)[0]) == 1 + MOST_ROWS
    assert (escaped("0.5"), escaped("-0.5"), escaped("1. a")) == ("0.5", "-0.5", "1\\. a")
    assert document("T", "", "a") == "# T\n\na\n"


def rule(name: str, *, passed: bool, severity: str = "critical") -> Rule:
    return Rule(
        name, "great-expectations", severity, passed, "0.4", "at most 0.2", f"The {name} went."
    )  # type: ignore[arg-type]


SNAPSHOT = Snapshot(
    EXAMPLES_VERSION,
    "a" * 64,
    "s",
    ("happy|<b>", "sad"),
    {"train": {"happy|<b>": 1200, "sad": 3}, "test": {"sad": 4}},
    1210,
    3,
    (),
)
STOPPED = ValidateFindings(
    "stop",
    "a" * 64,
    (rule("label drift", passed=False), rule("labels", passed=True)),
    "b" * 64,
    {},
    {},
)


def test_the_data_summary_says_what_was_decided_and_why() -> None:
    text = data_summary(STOPPED, SNAPSHOT, {"truncated": 1, "empty": 2})
    assert text.startswith(
        "# Data summary: stop\n\n1 of 2 rules hold; these stop the run.\n\n- label drift: The label"
        " drift went.\n"
    )
    assert f"Snapshot {'a' * 12}, compared with the accepted snapshot {'b' * 12}." in text
    assert "1,210 read, 1,207 accepted, 3 rejected." in text
    assert tables(text) == [
        [
            ["label", "train", "test"],
            ["all labels", "1,203", "4"],
            ["happy|<b>", "1,200", "0"],
            ["sad", "3", "4"],
        ],
        [["reason for rejecting", "images"], ["empty", "2"], ["truncated", "1"]],
        [
            ["severity", "rule", "value", "bound", "reason"],
            ["critical", "label drift", "0.4", "at most 0.2", "The label drift went."],
        ],
    ]


def test_a_good_summary_has_no_empty_tables() -> None:
    good = replace(STOPPED, decision="go", rules=(rule("labels", passed=True),), compared_with=None)
    text = data_summary(good, replace(SNAPSHOT, read=1207, rejected=0), {})
    assert "1 of 1 rules hold; no critical rule failed." in text
    assert "compared with no earlier one." in text
    assert len(tables(text)) == 1


def test_the_verdict_summary_holds_every_check_and_those_that_decide_first() -> None:
    checks = (
        Check(
            "accuracy",
            0.78123,
            0.5,
            "at-least",
            "pass",
            "Accuracy is 78.1%.",
            (0.77, 0.79),
            3000,
            "floors",
        ),
        Check(
            "model-bytes",
            326_528.0,
            5e7,
            "at-most",
            "pass",
            "The file has 326,528 bytes.",
            family="operations",
        ),
        Check(
            "cold-start",
            31.0,
            30.0,
            "at-most",
            "fail",
            "It takes 31 s to start.",
            family="operations",
        ),
    )
    verdict = Verdict(
        "rejected",
        "faces",
        "new",
        "old",
        None,
        ("It takes 31 s to start.",),
        checks,
        looks=Looks("t", 3, 30, 0.01),
    )
    text = verdict_summary(verdict)
    assert text.startswith("# Verdict: rejected\n\n- It takes 31 s to start.\n")
    assert tables(text) == [
        [["model", "version"], ["challenger", "new"], ["champion", "old"], ["anchor", "none"]],
        [
            ["check", "outcome", "value", "bound", "interval", "rows", "reason"],
            ["cold-start", "fail", "31", "at most 30", "", "", "It takes 31 s to start."],
            [
                "accuracy",
                "pass",
                "0.7812",
                "at least 0.5",
                "0.77 to 0.79",
                "3,000",
                "Accuracy is 78.1%.",
            ],
            [
                "model-bytes",
                "pass",
                "326,528",
                "at most 50,000,000",
                "",
                "",
                "The file has 326,528 bytes.",
            ],
        ],
    ]
    assert "This was look 3 at these test rows." in text
