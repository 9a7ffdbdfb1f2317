"""What evaluate and gate found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ClassScore:
    """Scores of one label; support: its test rows."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ReliabilityBin:
    """The rows whose confidence lies in (lower, upper]: how sure the model was, and how often it was right."""

    lower: float
    upper: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Curve:
    """One label against the rest, thinned for drawing; the areas are those of the full curves.

    Attributes:
        false_positive_rate, true_positive_rate: of the ROC curve, from (0, 0) to (1, 1).
        recall, precision: of the precision-recall curve, recall falling to 0.
        area: under the ROC curve. average_precision: of the precision-recall curve (mean over the
            ranks of the positives).
    """

    label: str
    positives: int
    area: float
    average_precision: float
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True)
class PartScore:
    """How one model did on part of the rows, such as those without copies of training rows.

    Attributes:
        part: in words, "without exact copies of training rows". The figures are 0 where no row is
            left.
    """

    part: str
    rows: int
    accuracy: float
    macro_f1: float
    log_loss: float
    ece: float


@dataclass(frozen=True)
class SoftScore:
    """How near a model's probabilities are to the votes of several annotators, on the rows that have any.

    Attributes:
        cross_entropy: mean of -sum(votes * log(probabilities)), natural logarithm; the votes' own
            entropy is its least.
        total_variation: mean of half the sum of absolute differences, 0 to 1.
        majority_agreement: share of rows where the model names a label that most annotators named.
    """

    rows: int
    cross_entropy: float
    vote_entropy: float
    total_variation: float
    majority_agreement: float


@dataclass(frozen=True)
class Scores:
    """How one model did on the scored rows.

    Attributes:
        version: registry version, or the challenger's content version.
        confusion: counts, rows are true labels, columns predicted, in label order.
        ece: expected calibration error, 15 equal-width bins (Guo et al. 2017, section 3).
        accuracy_without_twins: without rows whose content also stands in published training.
        accuracy_interval: 95 %, two-sided, Clopper-Pearson.
        reliability: the bins of the ECE that hold rows.
        curves: one per label that has both positives and negatives.
        parts: the same model without copies of training rows.
        soft: against annotators' votes, where the examples carry any.
    """

    version: str
    rows: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    majority_share: float
    log_loss: float
    brier: float
    ece: float
    accuracy_without_twins: float
    rows_without_twins: int
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    accuracy_interval: tuple[float, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()
    curves: tuple[Curve, ...] = ()
    parts: tuple[PartScore, ...] = ()
    soft: SoftScore | None = None


@dataclass(frozen=True)
class SamplePrediction:
    """One image with what the challenger and, if there is one, the champion say."""

    example_id: str
    image: str
    label: str
    predicted: str
    probabilities: tuple[float, ...]
    champion_predicted: str | None = None
    champion_probabilities: tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Challenger and another model on the same rows.

    Attributes:
        only_challenger_right, only_champion_right: the discordant counts b and c of McNemar's
            table.
    """

    rows: int
    both_right: int
    only_challenger_right: int
    only_champion_right: int
    both_wrong: int


@dataclass(frozen=True)
class Change:
    """What changed from champion to challenger on one class or slice, as accuracy on its rows (for a class: recall).

    Attributes:
        kind: class, or the slice's column: brightness, contrast, size, source, or any other.
        name: the label, or the slice in words.
        difference: challenger - champion. interval: of the difference, 95 %, two-sided; empty where
            there is no champion.
        gained, lost: rows that only the challenger, and only the champion, got right.
    """

    kind: str
    name: str
    rows: int
    challenger: float
    champion: float | None
    difference: float = 0.0
    interval: tuple[float, ...] = ()
    gained: int = 0
    lost: int = 0


@dataclass(frozen=True)
class EvaluateFindings:
    """evaluate: scores of challenger, champion and anchor on identical rows.

    Attributes:
        scored_on: test; or validation for a challenger that the pre-screen stopped before the test
            rows.
        test_set: SHA-256 over the test rows' content and labels; the ledger of looks counts per
            such identity.
        comparison, anchor_comparison: with the champion and the anchor, on the scored rows.
        held_out: challenger and champion on the held-out validation rows, which the pre-screen
            judges.
        classes, slices: what changed, challenger against champion.
        gained, lost: images that only the challenger, and only the champion, got right.
    """

    snapshot_id: str
    labels: tuple[str, ...]
    challenger: Scores
    champion: Scores | None
    anchor: Scores | None
    comparison: Comparison | None
    samples: tuple[SamplePrediction, ...]
    scored_on: Literal["test", "validation"] = "test"
    test_set: str = ""
    anchor_comparison: Comparison | None = None
    held_out: Comparison | None = None
    classes: tuple[Change, ...] = ()
    slices: tuple[Change, ...] = ()
    gained: tuple[SamplePrediction, ...] = ()
    lost: tuple[SamplePrediction, ...] = ()


Outcome = Literal["pass", "fail", "ask", "insufficient", "note"]
Direction = Literal["at-least", "at-most"]


@dataclass(frozen=True)
class Check:
    """One check of the gate.

    Attributes:
        value: what was measured. bound: what it was held against.
        direction: at-least or at-most.
        outcome: pass; fail; ask (a person must decide); insufficient (too few rows to judge, by
            policy no reason to ask); note (says something, decides nothing).
        interval: confidence interval of the value, (lower, upper), where one was computed.
        rows: sample size behind the value, where it has one.
        sentence: the same in words, with the figures.
        family: integrity, pre-screen, floors, non-inferiority, anchor, superiority, harm,
            operations or first-model.
        p_value: of the check's test, where it is one. threshold: what the p-value was held against,
            after Holm's adjustment or the spending over looks.
    """

    name: str
    value: float
    bound: float
    direction: Direction
    outcome: Outcome
    sentence: str
    interval: tuple[float, ...] = ()
    rows: int = 0
    family: str = ""
    p_value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Resolution:
    """What the test rows can resolve (Connor 1987, "Sample size for testing differences in proportions for the paired-sample design").

    Attributes:
        margin: the policy's. discordant: observed share p of rows that exactly one of the two
            models gets right.
        smallest_margin: that these rows resolve at the policy's power. rows_needed: for the
            policy's margin.
    """

    rows: int
    margin: float
    discordant: float
    power: float
    smallest_margin: float
    rows_needed: int


@dataclass(frozen=True)
class Looks:
    """How much the test set has been used.

    Attributes:
        number: this look's, 1 for the first. advised_limit: looks after which fresh test data are
            advised (a hundredth of the rows).
        level: significance level that a claim of superiority had at this look.
        advice: what to do about it; empty while nothing has to be done.
    """

    test_set: str
    number: int
    advised_limit: int
    level: float
    advice: str = ""


@dataclass(frozen=True)
class Verdict:
    """gate: the word, and every check behind it.

    Attributes:
        challenger: version that was judged.
        champion: the version it was judged against; promotion compares-and-sets against exactly it.
        reasons: sentences of the checks that decided. deciding: their names; empty when blessed.
        better: shown to be better than the champion.
        better_than_anchor: shown to be better than the anchor, or there is none: then a promotion
            raises the anchor.
        policy_digest: of the gate policy that judged.
    """

    word: Literal["blessed", "rejected", "needs-approval"]
    model_name: str
    challenger: str
    champion: str | None
    anchor: str | None
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    deciding: tuple[str, ...] = ()
    better: bool = False
    better_than_anchor: bool = False
    resolution: Resolution | None = None
    looks: Looks | None = None
    policy_digest: str = ""
