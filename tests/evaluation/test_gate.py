"""The gate.

Every check fails alone on predictions made for it, and its sentence names the figures.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.evaluation.gate.decide import decide
from components.evaluation.gate.step import require_same_case
from components.shared.errors import ContractError
from components.shared.findings import EvaluateFindings, Scores, Verdict
from components.shared.preset import GatePolicy
from components.shared.serialization import from_json, to_json
from tests.evaluation.cases import (
    EVEN,
    NAMES,
    POLICY,
    ROWS_OF_CLASS,
    SERVING,
    answers,
    case,
    check,
    judged,
    measured,
)
from tests.models import night


def half(share: float) -> np.ndarray:
    """A slice: the first rows of each class, where gained and lost ones stand."""
    return np.tile(np.arange(ROWS_OF_CLASS) < share * ROWS_OF_CLASS, len(NAMES))


def test_a_challenger_as_good_as_the_champion_is_blessed_in_one_sentence() -> None:
    found = judged()
    assert found.word == "blessed"
    assert found.reasons == (
        (
            "Not worse than the champion: accuracy 78.0%, macro F1 78.0% against 78.0% and 78.0% on"
            " the same 3,000 test images; all 18 checks passed."
        ),
    )
    assert (found.model_name, found.challenger, found.champion, found.anchor) == (
        "faces",
        "new",
        "old",
        "first",
    )
    assert (found.better, found.better_than_anchor, found.deciding) == (False, False, ())
    assert [each.name for each in found.checks] == [
        "finite-figures",
        "pre-screen",
        "accuracy",
        "macro-f1",
        "gain-over-majority",
        "non-inferiority",
        "anchor",
        "better-than-champion",
        "better-than-anchor",
        "harm-recall-happy",
        "harm-recall-sad",
        "harm-recall-angry",
        "harm-macro-f1",
        "harm-log-loss",
        "harm-ece",
        "golden-failures",
        "golden-difference",
        "model-bytes",
        "cold-start",
        "latency-p95",
    ]
    assert all(each.family and each.sentence.endswith(".") for each in found.checks)
    assert all(each.rows for each in found.checks if each.family not in ("integrity", "operations"))
    assert from_json(Verdict, to_json(found)) == found


ALONE = {
    "pre-screen": (
        {"held_out": answers({}, {"happy": 70})},
        (
            "On 3,000 held-out images accuracy is 77.7% against the champion's 80.0%, 2.33 points"
            " lower; 2 points lower would still be let through, so the challenger never met the"
            " test images."
        ),
    ),
    "accuracy": (
        {"policy": replace(POLICY, min_accuracy=0.8)},
        (
            "Accuracy is 78.0% on 3,000 test images, with 95% confidence at most 79.2%; the floor"
            " is 80.0%."
        ),
    ),
    "macro-f1": (
        {"policy": replace(POLICY, min_macro_f1=0.8)},
        "Macro F1 is 78.0% on 3,000 test images",
    ),
    "gain-over-majority": (
        {"policy": replace(POLICY, min_gain_over_majority=0.5)},
        (
            "Accuracy is 44.67 points above always answering the most frequent class (33.3%) on"
            " 3,000 test images"
        ),
    ),
    "non-inferiority": (
        {"test": answers(dict.fromkeys(NAMES, 70), dict.fromkeys(NAMES, 84))},
        (
            "Accuracy is 71.6% against the champion's 73.0% on the same 3,000 test images, 1.4"
            " points lower; with 95% confidence at most 2.58 points lower, where 2 points are"
            " allowed."
        ),
    ),
    "anchor": (
        {"test": answers(EVEN, EVEN, anchor_lost=100)},
        (
            "Accuracy is 74.7% against the anchor's 78.0% on the same 3,000 test images, 3.33"
            " points lower"
        ),
    ),
    "harm-recall-sad": (
        {"test": answers({"happy": 70}, {"sad": 60})},
        (
            "Recall of sad is 74.0% against the champion's 80.0% on 1,000 test images, 6 points"
            " lower: significant harm"
        ),
    ),
    "harm-brightness-dark": (
        {
            "test": answers(
                EVEN,
                dict.fromkeys(NAMES, 24),
                slices={"dark (below 85)": half(0.06) & ~half(0.02), "bright": ~half(0.044)},
            )
        },
        (
            "Accuracy where brightness is dark (below 85) is 0.0% against the champion's 60.0% on"
            " 120 test images, 60 points lower:"
        ),
    ),
    "harm-log-loss": (
        {"test": answers({}, {}, sure=(0.95, 0.8), sure_when_wrong=(0.95, 0.6))},
        (
            "Log loss is 0.779 against the champion's 0.500 on 3,000 test images: significant harm"
            " (adjusted p = 0.003; 0.05 or less would"
        ),
    ),
    "harm-macro-f1": (
        {"test": answers({"happy": 50}, {"angry": 50}, wrong=20, rows_of_angry=95)},
        "Macro F1 is ",
    ),
    "harm-ece": (
        {"test": answers({}, {}, sure=(0.985, 0.80), sure_when_wrong=(0.40, 0.80), wrong=200)},
        "Calibration error (ECE) is",
    ),
    "golden-failures": (
        {"serving": replace(SERVING, golden_failures=2)},
        "2 of 64 golden images got another answer from the server than expected; none may.",
    ),
    "golden-difference": (
        {"serving": replace(SERVING, golden_max_difference=2e-4)},
        "Served and expected probabilities differ by 0.0002 at most; 0.0001 is allowed.",
    ),
    "model-bytes": (
        {"serving": replace(SERVING, challenger=measured(model_bytes=50_000_001))},
        "The served file has 50,000,001 bytes; 50,000,000 are allowed.",
    ),
    "cold-start": (
        {"serving": replace(SERVING, challenger=measured(cold=61.0))},
        "The server was ready after 61.0 s; 60 s are allowed.",
    ),
    "latency-p95": (
        {
            "serving": replace(
                SERVING,
                challenger=measured(p95=2.5),
                p95_ratio=1.25,
                p95_ratio_interval=(1.11, 1.4),
            )
        },
        (
            "Latency's 95th percentile is 2.50 ms against the champion's 2.00 ms, 1.25 times it"
            " (90% interval 1.11 to 1.40); 1.1 times is allowed, which is shown to be exceeded."
        ),
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_each_check_rejects_alone_and_says_why(name: str) -> None:
    changes, sentence = ALONE[name]
    found = judged(**changes)
    assert [
        (each.name, each.sentence)
        for each in found.checks
        if each.outcome not in ("pass", "note", "insufficient")
    ] == [(name, found.reasons[0])], found.reasons
    assert found.word == "rejected"
    assert found.deciding == (name,)
    assert found.reasons[0].startswith(sentence)


def test_a_stopped_challenger_is_judged_without_test_rows() -> None:
    found = judged(held_out=answers({}, {"happy": 70}), test=answers({"happy": 300}, {}))
    assert {each.family for each in found.checks} == {"integrity", "pre-screen", "operations"}
    assert (found.looks, found.resolution, found.better) == (None, None, False)


def test_exactly_the_margin_below_passes_the_pre_screen() -> None:
    assert judged(held_out=answers({}, {"happy": 60})).word == "blessed"


def test_a_margin_that_the_rows_cannot_resolve_asks_a_person() -> None:
    few = judged(
        answers(dict.fromkeys(NAMES, 5), dict.fromkeys(NAMES, 5), rows=50, wrong=10),
        policy=replace(POLICY, min_rows=10),
    )
    assert (few.word, few.deciding) == ("needs-approval", ("non-inferiority", "anchor"))
    assert few.resolution is not None
    assert few.resolution.rows_needed == 3092
    assert few.resolution.smallest_margin == pytest.approx(0.0908, abs=1e-4)
    assert few.reasons[0].endswith(
        "A person must decide: the two differ on 20.0% of the images, so 150 of them resolve 9.08"
        " points at 80% power, and 2 points need 3,092."
    )


@pytest.mark.parametrize(("gained", "lost", "word"), [(20, 0, "blessed"), (0, 20, "rejected")])
def test_a_plain_difference_needs_no_finer_margin(gained: int, lost: int, word: str) -> None:
    small = answers(dict.fromkeys(NAMES, gained), dict.fromkeys(NAMES, lost), rows=50, wrong=10)
    assert (
        judged(small, held_out=answers(EVEN, EVEN), policy=replace(POLICY, min_rows=1000)).word
        == word
    )


def test_small_classes_are_insufficient_evidence() -> None:
    small = answers({}, {"happy": 2}, rows=99, wrong=10)
    policy = replace(POLICY, margin=0.1)
    told = judged(small, policy=policy)
    assert told.word == "blessed"
    assert check(told, "harm-recall-happy").outcome == "insufficient"
    assert check(told, "harm-recall-happy").sentence.endswith(
        "insufficient evidence, 100 images are wanted."
    )
    assert "3 more had too few images to judge" in told.reasons[0]
    asked = judged(small, policy=replace(policy, insufficient_evidence="ask"))
    assert (asked.word, asked.deciding) == (
        "needs-approval",
        ("harm-recall-happy", "harm-recall-sad", "harm-recall-angry"),
    )


def test_superiority_is_claimed_only_where_it_is_shown_and_costs_more_at_later_looks() -> None:
    gains = answers({"happy": 50}, {"happy": 25})  # McNemar's exact p = 0.005
    first, late = judged(gains, look=1), judged(gains, look=4)
    assert (first.word, late.word) == ("blessed", "blessed")
    assert (first.better, first.better_than_anchor) == (True, True)
    assert (late.better, late.better_than_anchor) == (False, False)
    assert first.reasons[0].startswith("Better than the champion")
    assert late.reasons[0].startswith("Not worse than the champion")
    claim = check(first, "better-than-champion")
    assert (claim.outcome, claim.p_value) == ("note", pytest.approx(0.00523, abs=1e-5))
    assert claim.threshold == pytest.approx(6 * 0.05 / np.pi**2)


def test_looks_beyond_a_hundredth_of_the_rows_bring_advice() -> None:
    assert judged(look=30).looks.advice == ""  # type: ignore[union-attr]
    advised = judged(look=31).looks
    assert advised is not None
    assert (advised.number, advised.advised_limit) == (31, 30)
    assert "Bring fresh test images" in advised.advice


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("role", ["challenger", "champion", "anchor"])
@pytest.mark.parametrize("split", ["test", "held_out"])
def test_a_prediction_that_is_no_number_rejects(value: float, role: str, split: str) -> None:
    wounded = answers(EVEN, EVEN)
    wounded.probabilities[role][7, 1] = value
    found = judged(**{split: wounded})
    assert (found.word, found.deciding, found.better) == ("rejected", ("finite-figures",), False)
    assert f"{role}'s probabilities on 1 {split.replace('_', '-')} rows" in found.reasons[0]
    assert from_json(Verdict, to_json(found)) == found


def test_a_serving_figure_that_is_no_number_rejects() -> None:
    found = judged(serving=replace(SERVING, golden_max_difference=float("nan")))
    assert found.word == "rejected"
    assert "serving check.golden_max_difference" in found.reasons[0]


def test_no_golden_images_rejects() -> None:
    found = judged(serving=replace(SERVING, golden_images=0))
    assert found.deciding == ("golden-failures",)
    assert "No golden image was sent" in found.reasons[0]


FIRST = {
    "versions": {"challenger": "new"},
    "serving": replace(SERVING, champion=None, p95_ratio=0.0, p95_ratio_interval=()),
}


def first(policy: GatePolicy = POLICY) -> Verdict:
    return judged(**FIRST, policy=policy)


def test_a_first_model_asks_or_is_promoted_as_the_policy_says() -> None:
    asked = first()
    assert (asked.word, asked.champion) == ("needs-approval", None)
    assert asked.reasons == (
        "No model serves yet, and the policy leaves the first one to a person.",
    )
    promoted = first(replace(POLICY, first_model="promote"))
    assert (promoted.word, promoted.better_than_anchor) == ("blessed", True)
    assert promoted.reasons[0].startswith("First model: accuracy 78.0%")


def test_a_first_model_must_clear_the_floors_with_its_lower_bound() -> None:
    policy = replace(POLICY, min_accuracy=0.775)
    assert (
        judged(policy=policy).word == "blessed"
    )  # against a champion only significant violation fails
    found = first(replace(policy, first_model="promote"))
    assert (found.word, found.deciding) == ("rejected", ("accuracy",))
    assert found.reasons == (
        (
            "Accuracy is 78.0% on 3,000 test images, with 95% confidence at least 76.7%; the floor"
            " is 77.5%."
        ),
    )


def test_without_held_out_rows_the_pre_screen_says_so() -> None:
    found = decide(replace(case(), held_out=None))
    assert (found.word, check(found, "pre-screen").outcome) == ("blessed", "insufficient")


def test_missing_test_rows_are_refused_where_the_pre_screen_passes() -> None:
    with pytest.raises(ContractError, match="test rows weren't scored"):
        decide(replace(case(), test=None))


def test_the_gate_is_a_pure_function() -> None:
    assert judged() == judged()


SCORES = Scores("new", 4, 0.5, 0.5, 0.4, 0.25, 1.2, 0.6, 0.1, 0.5, 4, (), ())
EVALUATION = EvaluateFindings(
    "s", NAMES, SCORES, replace(SCORES, version="old"), replace(SCORES, version="first"), None, ()
)


@pytest.mark.parametrize(
    ("served", "champion", "anchor", "message"),
    [
        ("other", "old", "first", "served and evaluated challenger"),
        ("new", "newer", "first", "evaluated champion and that of the night plan"),
        ("new", None, "first", "evaluated champion and that of the night plan"),
        ("new", "old", None, "evaluated anchor and that of the night plan"),
    ],
)
def test_findings_about_different_things_are_refused(
    served: str, champion: str | None, anchor: str | None, message: str
) -> None:
    require_same_case(EVALUATION, SERVING, night("old", "first"))
    with pytest.raises(ContractError, match=message):
        require_same_case(
            EVALUATION, replace(SERVING, challenger=measured(served)), night(champion, anchor)
        )
