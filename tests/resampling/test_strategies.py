"""What each strategy does to repeats and weights."""

import numpy as np
import pytest

from components.resampling import strategies
from components.resampling.strategies import STRATEGIES, Plan
from components.shared.errors import InputError, UnknownNameError
from components.shared.preset import ResamplingPolicy

SIZES = {"angry": 40, "fear": 13, "happy": 6}
LABELS = np.repeat(list(SIZES), list(SIZES.values()))


def draw(
    strategy: str, labels: np.ndarray, max_repeats: int, seed: int, beta: float = 0.9999
) -> Plan:
    return strategies.draw(ResamplingPolicy(strategy, max_repeats, beta), labels, seed)  # type: ignore[arg-type]


def draws_per_label(strategy: str, max_repeats: int = 100, seed: int = 3) -> dict[str, int]:
    repeats = draw(strategy, LABELS, max_repeats, seed).repeats
    return {label: int(repeats[label == LABELS].sum()) for label in SIZES}


def test_none_draws_every_row_once() -> None:
    plan = draw("none", LABELS, 1, 3)
    assert plan.repeats.dtype == np.int32
    assert (plan.repeats == 1).all()
    assert plan.class_weights == dict.fromkeys(SIZES, 1.0)


def test_oversample_levels_every_class_to_the_largest_and_loses_no_row() -> None:
    assert draws_per_label("oversample") == {"angry": 40, "fear": 40, "happy": 40}
    assert draw("oversample", LABELS, 100, 3).repeats.min() == 1


@pytest.mark.parametrize("cap", [1, 2, 4, 7])
def test_oversample_never_repeats_a_row_more_often_than_the_cap(cap: int) -> None:
    plan = draw("oversample", LABELS, cap, 3)
    assert plan.repeats.max() <= cap
    assert draws_per_label("oversample", cap) == {
        label: max(size, min(40, size * cap)) for label, size in SIZES.items()
    }


def test_undersample_levels_every_class_to_the_smallest() -> None:
    assert draws_per_label("undersample") == {"angry": 6, "fear": 6, "happy": 6}
    assert draw("undersample", LABELS, 1, 3).repeats.max() == 1


def test_class_weights_are_inverse_to_frequency_and_1_in_the_mean() -> None:
    plan = draw("class-weights", LABELS, 1, 3)
    weights = np.array([plan.class_weights[label] for label in LABELS])
    assert weights.mean() == pytest.approx(1.0)
    assert plan.class_weights["happy"] / plan.class_weights["angry"] == pytest.approx(40 / 6)
    assert (plan.repeats == 1).all()


def test_effective_numbers_lie_between_even_weights_and_inverse_frequency() -> None:
    def ratio(beta: float) -> float:
        plan = draw("effective-number", LABELS, 1, 3, beta)
        assert np.mean([plan.class_weights[label] for label in LABELS]) == pytest.approx(1.0)
        return plan.class_weights["happy"] / plan.class_weights["angry"]

    assert ratio(0.0) == pytest.approx(1.0)
    assert ratio(0.9) == pytest.approx((1 - 0.9**40) / (1 - 0.9**6))
    assert ratio(0.999999) == pytest.approx(40 / 6, rel=1e-3)


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_one_class_alone_is_left_as_it_is(strategy: str) -> None:
    plan = draw(strategy, np.array(["sad"] * 5), 3, 3)
    assert plan.repeats.tolist() == [1] * 5
    assert plan.class_weights == {"sad": 1.0}


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_the_same_seed_gives_the_same_plan(strategy: str) -> None:
    assert (
        draw(strategy, LABELS, 4, 3).repeats.tolist()
        == draw(strategy, LABELS, 4, 3).repeats.tolist()
    )


@pytest.mark.parametrize("strategy", ["oversample", "undersample"])
def test_another_seed_draws_other_rows(strategy: str) -> None:
    assert (
        draw(strategy, LABELS, 4, 3).repeats.tolist()
        != draw(strategy, LABELS, 4, 4).repeats.tolist()
    )


def test_an_unknown_strategy_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'oversample'"):
        draw("oversampel", LABELS, 4, 3)


def test_a_cap_below_one_is_refused() -> None:
    with pytest.raises(
        InputError, match="max_repeats is out of range; expected at least 1; received 0"
    ):
        draw("oversample", LABELS, 0, 3)
