"""The gate: every check fails alone on findings made for it, and its sentence names the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.contracts.codec import from_json, to_json
from components.contracts.errors import ContractError
from components.contracts.findings import ClassScore, Comparison, EvaluateFindings, Scores, ServingFindings, ServingMeasurement, Verdict
from components.contracts.preset import GatePolicy
from components.evaluation.gate import judge
from tests.models import night

POLICY = GatePolicy(min_accuracy=0.6, min_macro_f1=0.5, first_model="ask")
ROWS = 890


def scores(version: str = "new", accuracy: float = 0.841, macro_f1: float = 0.8, recalls: tuple[float, float] = (0.8, 0.9)) -> Scores:
    supports = (790, 100)
    per_class = tuple(
        ClassScore(label, 0.8, recall, 0.8, support) for label, recall, support in zip(("happy", "sad"), recalls, supports, strict=True)
    )
    return Scores(version, ROWS, accuracy, 0.8, macro_f1, 0.2, 0.5, 0.3, 0.05, 0.8, 800, per_class, ((700, 90), (10, 90)))


def measured(version: str = "new", model_bytes: int = 1000) -> ServingMeasurement:
    return ServingMeasurement(version, 3.0, 1.0, 2.0, 500.0, 10**8, model_bytes)


EVALUATION = EvaluateFindings(
    "s", ("happy", "sad"), scores(), scores("old", 0.839), scores("first", 0.7), Comparison(ROWS, 700, 50, 48, 92), ()
)
SERVING = ServingFindings(64, 0, 1e-6, measured(), measured("old"), "kserve")


def verdict(evaluation: EvaluateFindings = EVALUATION, serving: ServingFindings = SERVING, policy: GatePolicy = POLICY) -> Verdict:
    plan = night(evaluation.champion.version if evaluation.champion else None, evaluation.anchor.version if evaluation.anchor else None)
    return judge(evaluation, serving, policy, model_name="faces", plan=plan)


def test_a_good_challenger_is_blessed_in_one_sentence() -> None:
    found = verdict()
    assert found.word == "blessed"
    assert found.reasons == (
        "Accuracy 84.1 % against the champion's 83.9 % on the same 890 test images (macro F1 80.0 % against 80.0 %); all 11 checks passed.",
    )
    assert (found.model_name, found.challenger, found.champion, found.anchor) == ("faces", "new", "old", "first")
    assert [check.name for check in found.checks] == [
        "finite-figures", "accuracy", "macro-f1", "gain-over-majority", "accuracy-drop", "macro-f1-drop", "recall-drop-happy",
        "recall-drop-sad", "golden-failures", "golden-difference", "model-bytes",
    ]  # fmt: skip
    assert from_json(Verdict, to_json(found)) == found


def challenger(**changes: object) -> EvaluateFindings:
    return replace(EVALUATION, challenger=replace(EVALUATION.challenger, **changes), champion=replace(scores("old"), **changes))  # type: ignore[arg-type]


ALONE = {
    "accuracy": (challenger(accuracy=0.59), SERVING, "Accuracy is 59.0 % on 890 test images; the floor is 60.0 %."),
    "macro-f1": (challenger(macro_f1=0.49), SERVING, "Macro F1 is 49.0 % on 890 test images; the floor is 50.0 %."),
    "gain-over-majority": (
        challenger(majority_share=0.75),
        SERVING,
        "Accuracy is 9.1 points above always answering the most frequent class (75.0 %) on 890 test images; "
        "at least 10.0 points above is wanted.",
    ),
    "accuracy-drop": (
        replace(EVALUATION, champion=scores("old", accuracy=0.87)),
        SERVING,
        "Accuracy is 84.1 % against the champion's 87.0 % (2.9 points lower) on the same 890 test images; a drop of 2.0 points is allowed.",
    ),
    "macro-f1-drop": (
        replace(EVALUATION, champion=scores("old", macro_f1=0.84)),
        SERVING,
        "Macro F1 is 80.0 % against the champion's 84.0 % (4.0 points lower) on the same 890 test images; a drop of 3.0 points is allowed.",
    ),
    "recall-drop-sad": (
        replace(EVALUATION, challenger=scores(recalls=(0.8, 0.79))),
        SERVING,
        "Recall of sad is 79.0 % against the champion's 90.0 % (11.0 points lower) on the same 100 test images; "
        "a drop of 10.0 points is allowed.",
    ),
    "golden-failures": (
        EVALUATION,
        replace(SERVING, golden_failures=2),
        "2 of 64 golden images got another answer from the server than expected; none may.",
    ),
    "golden-difference": (
        EVALUATION,
        replace(SERVING, golden_max_difference=2e-4),
        "Served and expected probabilities differ by 0.0002 at most; 0.0001 is allowed.",
    ),
    "model-bytes": (
        EVALUATION,
        replace(SERVING, challenger=measured(model_bytes=50_000_001)),
        "The served file has 50,000,001 bytes; 50,000,000 are allowed.",
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_each_check_rejects_alone_and_says_why(name: str) -> None:
    evaluation, serving, sentence = ALONE[name]
    found = verdict(evaluation, serving)
    assert found.word == "rejected"
    assert [check.name for check in found.checks if check.outcome != "pass"] == [name]
    assert found.reasons == (sentence,)


def test_no_golden_images_rejects() -> None:
    found = verdict(serving=replace(SERVING, golden_images=0))
    assert found.word == "rejected"
    assert "No golden image was sent" in found.reasons[0]


def test_small_classes_are_not_judged_on_recall() -> None:
    evaluation = replace(EVALUATION, challenger=scores(recalls=(0.8, 0.1)))
    assert verdict(evaluation).word == "rejected"
    assert verdict(evaluation, policy=replace(POLICY, min_rows_per_class=101)).word == "blessed"


def test_a_drop_of_exactly_the_bound_passes() -> None:
    evaluation = replace(EVALUATION, champion=scores("old", accuracy=0.3 + 0.1), challenger=scores(accuracy=0.1 + 0.2))
    policy = replace(POLICY, min_accuracy=0.3, max_accuracy_drop=0.1)
    assert verdict(evaluation, policy=policy).word == "blessed"


def wound(evaluation: EvaluateFindings, who: str, field: str, value: float) -> EvaluateFindings:
    return replace(evaluation, **{who: replace(getattr(evaluation, who), **{field: value})})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("who", "field"), [("challenger", "accuracy"), ("challenger", "ece"), ("champion", "macro_f1"), ("anchor", "log_loss")]
)
def test_a_figure_that_is_no_number_rejects(who: str, field: str, value: float) -> None:
    found = verdict(wound(EVALUATION, who, field, value))
    assert found.word == "rejected"
    assert f"evaluation.{who}.{field}" in found.reasons[0]
    assert from_json(Verdict, to_json(found)) == found


def test_a_serving_figure_that_is_no_number_rejects() -> None:
    found = verdict(serving=replace(SERVING, golden_max_difference=float("nan")))
    assert found.word == "rejected"
    assert "serving check.golden_max_difference" in found.reasons[0]


FIRST = replace(EVALUATION, champion=None, anchor=None, comparison=None)


def test_a_first_model_asks_or_is_promoted_as_the_policy_says() -> None:
    asked = verdict(FIRST)
    assert (asked.word, asked.champion) == ("needs-approval", None)
    assert asked.reasons == ("No model serves yet, and the policy leaves the first one to a person.",)
    promoted = verdict(FIRST, policy=replace(POLICY, first_model="promote"))
    assert promoted.word == "blessed"
    assert promoted.reasons[0].startswith("First model: accuracy 84.1 %")


@pytest.mark.parametrize("first_model", ["ask", "promote"])
def test_a_first_model_below_a_floor_is_rejected(first_model: str) -> None:
    policy = replace(POLICY, min_accuracy=0.9, first_model=first_model)
    found = verdict(FIRST, policy=policy)
    assert found.word == "rejected"
    assert len(found.reasons) == 1


@pytest.mark.parametrize(
    ("evaluation", "serving", "plan", "message"),
    [
        (EVALUATION, replace(SERVING, challenger=measured("other")), night("old", "first"), "served and evaluated challenger"),
        (EVALUATION, SERVING, night("newer", "first"), "evaluated champion and that of the night plan"),
        (EVALUATION, SERVING, night(None, "first"), "evaluated champion and that of the night plan"),
        (EVALUATION, SERVING, night("old", None), "evaluated anchor and that of the night plan"),
        (
            replace(EVALUATION, champion=replace(scores("old"), per_class=())),
            SERVING,
            night("old", "first"),
            "test rows of challenger and champion",
        ),
        (replace(EVALUATION, comparison=Comparison(1, 1, 0, 0, 0)), SERVING, night("old", "first"), "challenger and comparison"),
    ],
)
def test_findings_about_different_things_are_refused(
    evaluation: EvaluateFindings, serving: ServingFindings, plan: object, message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        judge(evaluation, serving, POLICY, model_name="faces", plan=plan)  # type: ignore[arg-type]
