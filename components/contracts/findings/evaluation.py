"""What evaluate and gate found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ClassScore:
    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Scores:
    """How one model did on the test rows.

    Attributes:
        version: registry version, or the challenger's content version.
        confusion: counts, rows are true labels, columns predicted, in label order.
        ece: expected calibration error, 15 equal-width bins (Guo et al. 2017, section 3).
        accuracy_without_twins: without test rows whose content also stands in published training.
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


@dataclass(frozen=True)
class SamplePrediction:
    """One test image with what the challenger and, if there is one, the champion say."""

    example_id: str
    image: str
    label: str
    predicted: str
    probabilities: tuple[float, ...]
    champion_predicted: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Challenger and champion on the same rows.

    Attributes:
        only_challenger_right, only_champion_right: the discordant counts b and c of McNemar's table.
    """

    rows: int
    both_right: int
    only_challenger_right: int
    only_champion_right: int
    both_wrong: int


@dataclass(frozen=True)
class EvaluateFindings:
    """evaluate: scores of challenger, champion and anchor on identical rows."""

    snapshot_id: str
    labels: tuple[str, ...]
    challenger: Scores
    champion: Scores | None
    anchor: Scores | None
    comparison: Comparison | None
    samples: tuple[SamplePrediction, ...]


@dataclass(frozen=True)
class Check:
    """One check of the gate.

    Attributes:
        value: what was measured. bound: what it was held against.
        direction: at-least or at-most. outcome: pass, fail, or ask (a person must decide).
        interval: confidence interval of the value, (lower, upper), where one was computed.
        rows: sample size behind the value, where it has one.
        sentence: the same in words, with the figures.
    """

    name: str
    value: float
    bound: float
    direction: Literal["at-least", "at-most"]
    outcome: Literal["pass", "fail", "ask"]
    sentence: str
    interval: tuple[float, ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class Verdict:
    """gate: the word, and every check behind it.

    Attributes:
        challenger: version that was judged.
        champion: the version it was judged against; promotion compares-and-sets against exactly it.
    """

    word: Literal["blessed", "rejected", "needs-approval"]
    model_name: str
    challenger: str
    champion: str | None
    anchor: str | None
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
