"""The gate's error rates, by simulation of the whole decision, beside those of a gate that promotes the higher accuracy.

    make bench NAME=gate_operating_characteristics

FER2013's class shares, 3,589 test and 2,846 held-out rows, the policy of the preset fer2013-cnn.
Two models differ on a share p of the rows, p = (b + c) / N as the gate observes it, so each
simulated table has exactly floor(p * N) discordant rows.

- whole decision: predictions of two models with calibrated probabilities, whose errors and confidences are correlated, through
  `components.evaluation.gate.decide` itself, bootstrap and all; 1,000 tables a point.
- analytic checks: pre-screen, non-inferiority, anchor, and harm by class and slice, from counts; 20,000 tables a point.
- histories: nights in a row on the same test rows, champion and anchor as the gate moves them; pre-screen, non-inferiority, anchor and
  superiority, without the harm tests, which could only stop more. Twice: every retrained model is
  lucky or unlucky on the test rows anew, or it inherits its predecessor's luck. "Anchor unspent" is
  our gate with the anchor's test at 5 % every night.

About ten minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venvs" / "evaluation" / "bin" / "python"
SHARES = (0.10, 0.12, 0.14, 0.16, 0.178)
WHOLE_SHARES = (0.10, 0.14, 0.178)
CLASSES = (467, 56, 496, 895, 607, 653, 415)  # PublicTest
RECALLS = (0.57, 0.50, 0.45, 0.85, 0.63, 0.52, 0.78)
HELD_OUT = 2846
WORSE = 0.005
EQUAL_BARS = {0.10: 0.75, 0.12: 0.75, 0.14: 0.75, 0.16: 0.65, 0.178: 0.65}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=20_000, help="for the analytic checks")
    parser.add_argument("--whole", type=int, default=1_000, help="tables for the whole decision")
    parser.add_argument("--histories", type=int, default=2_000)
    parser.add_argument(
        "--inside", action="store_true", help=argparse.SUPPRESS
    )  # this file again, in the evaluation environment
    arguments = parser.parse_args()
    if not arguments.inside:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(
            [PYTHON, __file__, "--inside", *sys.argv[1:]], env=environment, check=False
        ).returncode
    return measure(arguments.tables, arguments.whole, arguments.histories)


def measure(tables: int, whole: int, histories: int) -> int:
    """Run all parts on all cores, print the tables, and return the exit code."""
    margin = policy().margin
    began, figures = time.monotonic(), []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        points = [(p, difference) for p in WHOLE_SHARES for difference in (0.0, -margin)]
        decided = {point: split(pool, whole_decision, whole, *point) for point in points}
        counted = {
            (p, d): pool.submit(analytic, tables, p, d, 1) for p in SHARES for d in (0.0, -margin)
        }
        drawn = pool.submit(analytic, tables, SHARES[-1], 0.0, 2, fixed=False)
        nights = {
            (p, inherited, count, worse): pool.submit(
                history, histories, p, inherited, count, worse, 3
            )
            for p in WHOLE_SHARES
            for inherited in (False, True)
            for count, worse in ((30, 0.0), (100, WORSE))
        }
        print(
            "whole decision            p      challenger        promoted (95 % bounds)     asks   |"
            " naive `>` promotes"
        )
        for (p, difference), parts in decided.items():
            figures += told(
                "whole decision", p, difference, sum_of(part.result() for part in parts)
            )
        print(
            "\nanalytic checks           p      challenger        promoted (95 % bounds)     asks  "
            " | naive `>` promotes"
        )
        for (p, difference), future in counted.items():
            figures += told("analytic checks", p, difference, future.result())
        loose = drawn.result()
        promoted, asks = (loose[word] / loose["tables"] for word in ("promoted", "asks"))
        print(
            f"\np drawn, not fixed, around {SHARES[-1]}: half of the tables then differ on more"
            f" rows than N resolves, and an equal\nchallenger is promoted in {promoted:.1%} and"
            f" left to a person in {asks:.1%} of them.\n"
        )
        print(
            "histories on one test set              p       luck on the test rows      ours  "
            " anchor unspent   naive `>`   bar"
        )
        for (p, inherited, count, worse), future in nights.items():
            figures.append(told_history(p, inherited, count, worse, future.result()))
    print(f"\n{time.monotonic() - began:.0f} s")
    print(json.dumps({"name": "gate_operating_characteristics", "figures": figures}))
    return 0 if all(each["met"] for each in figures) else 1


def policy() -> Any:
    from pipelines.presets.fer2013_cnn import FER2013_CNN

    return FER2013_CNN.gate


def split(pool: ProcessPoolExecutor, task: Any, trials: int, *arguments: float) -> list[Any]:
    """The trials in parts, each with a seed of its own."""
    parts = 4
    return [pool.submit(task, trials // parts, *arguments, 10 + seed) for seed in range(parts)]


def sum_of(results: Iterator[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for result in results:
        for key, value in result.items():
            total[key] = total.get(key, 0) + value
    return total


# --- one night, whole decision ---


def whole_decision(tables: int, p: float, difference: float, seed: int) -> dict[str, int]:
    """Promotions of ``tables`` simulated challengers by the gate itself."""
    import numpy as np

    from components.evaluation.gate import decide as gate
    from components.evaluation.scoring import bootstrap

    rng = np.random.default_rng(seed)
    # The weights of a resample depend on seed and strata alone, which are the same in every table:
    # made once.
    stratum = np.repeat(np.arange(len(CLASSES)), CLASSES)
    weights = list(bootstrap.resampled(stratum, policy().resamples, bootstrap.SEED))
    cheap = (gate.prescreen, gate.non_inferiority, gate.anchor)
    total = {"tables": tables, "promoted": 0, "asks": 0, "naive": 0}
    for _ in range(tables):
        case = replace(simulated_case(rng, p, difference), resampler=lambda *_: iter(weights))
        pair = case.tested.paired("champion")
        total["naive"] += pair.b > pair.c
        if any(check.outcome == "fail" for family in cheap for check in family(case)):
            continue  # rejected, whatever the bootstrap says
        word = gate.decide(case).word
        total["promoted"] += word == "blessed"
        total["asks"] += word == "needs-approval"
    return total


def simulated_case(rng: Any, p: float, difference: float) -> Any:
    """A challenger truly better by ``difference`` than the champion, who is the anchor too."""
    import numpy as np

    from components.evaluation.gate.case import Answers, Case
    from components.evaluation.scoring.slices import Slice
    from components.shared.findings import ServingFindings, ServingMeasurement

    measured = ServingMeasurement("v", 2.0, 2.0, 4.0, 400.0, 10**8, 10**6)
    serving = ServingFindings(64, 0, 1e-7, measured, measured, "simulated", 1.0, (0.97, 1.03))
    splits = []
    for counts in (np.array(CLASSES) * HELD_OUT // sum(CLASSES), np.array(CLASSES)):
        labels = np.repeat(np.arange(len(counts)), counts)
        ours, theirs = two_models(rng, labels, p, difference)
        bins = [("brightness", (0.08, 0.84, 0.08)), ("contrast", (0.06, 0.60, 0.34))]
        places = [
            (name, rng.choice(len(shares), len(labels), p=shares), len(shares))
            for name, shares in bins
        ]
        slices = tuple(
            Slice(name, f"bin {index}", place == index)
            for name, place, count in places
            for index in range(count)
        )
        given = {"challenger": ours, "champion": theirs, "anchor": theirs}
        splits.append(Answers(labels, np.arange(len(labels)), slices, given))
    names = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    return Case(
        "simulated",
        names,
        {"challenger": "new", "champion": "old", "anchor": "old"},
        *splits,
        serving,
        policy(),
    )


def two_models(rng: Any, labels: Any, p: float, difference: float) -> tuple[Any, Any]:
    """Probabilities ``[n, 7]`` of two models that differ on floor(p * n) rows.

    Calibrated: of rows at confidence c a share c is right.
    """
    import numpy as np

    n = len(labels)
    discordant = np.zeros(n, bool)
    discordant[rng.choice(n, int(p * n), replace=False)] = True
    both = rng.random(n) < (np.array(RECALLS)[labels] - p / 2) / (1 - p)
    first = rng.random(n) < 0.5 + difference / (2 * p)
    right = np.where(discordant, first, both), np.where(discordant, ~first, both)
    hardness = rng.normal(size=n)
    wrong = other_labels(rng, labels), other_labels(rng, labels)
    alike = rng.random(n) < 0.7
    answered = (
        np.where(right[0], labels, wrong[0]),
        np.where(right[1], labels, np.where(alike, wrong[0], wrong[1])),
    )
    sure = [
        confidence(right[who], 0.9 * hardness + np.sqrt(1 - 0.81) * rng.normal(size=n))
        for who in (0, 1)
    ]
    runner = other_labels(rng, labels)
    ours, theirs = (spread(labels, answered[who], sure[who], runner, rng) for who in (0, 1))
    return ours, theirs


def other_labels(rng: Any, labels: Any) -> Any:
    """For each row a label that isn't its own, by the classes' shares."""
    import numpy as np

    shares = np.array(CLASSES) / sum(CLASSES)
    drawn = rng.choice(len(CLASSES), len(labels), p=shares)
    return np.where(
        drawn == labels,
        (drawn + 1 + rng.integers(0, len(CLASSES) - 1, len(labels))) % len(CLASSES),
        drawn,
    )


def confidence(right: Any, normal: Any) -> Any:
    """Confidence from 0.25 to 1 with the rank of ``normal``.

    Density f(c) * c where right, f(c) * (1 - c) where wrong.
    """
    import numpy as np
    from scipy.special import ndtr

    grid = np.linspace(0.25, 1, 2001)[:-1] + 0.75 / 4000
    position = (grid - 0.25) / 0.75
    density = position**0.2 * (1 - position) ** 0.02  # its mean is the accuracy, 0.65
    tables = [np.cumsum(density * weight) for weight in (1 - grid, grid)]
    wrong, correct = (np.interp(ndtr(normal), table / table[-1], grid) for table in tables)
    return np.where(right, correct, wrong)


def spread(labels: Any, answered: Any, sure: Any, runner: Any, rng: Any) -> Any:
    """Rows of probabilities.

    The answer's, a runner-up's (the true label where the answer is wrong), the rest evenly.
    """
    import numpy as np

    n, k = len(labels), len(CLASSES)
    second = np.where(
        answered != labels, labels, np.where(runner == answered, (runner + 1) % k, runner)
    )
    share = np.minimum(rng.uniform(0.2, 0.6, n) * (1 - sure), 0.95 * sure)
    table = np.repeat(((1 - sure - share) / (k - 2))[:, None], k, axis=1)
    table[np.arange(n), answered], table[np.arange(n), second] = sure, share
    return table.astype(np.float32)


# --- one night, from counts ---


def analytic(
    tables: int, p: float, difference: float, seed: int, *, fixed: bool = True
) -> dict[str, int]:
    """Promotions by the checks that need no bootstrap, all tables at once. fixed.

    Whether p is the observed share, or the true one.
    """
    import numpy as np

    from components.evaluation.gate.statistics import paired_interval, sign_test_of_harm, spent

    rules, rng, n = policy(), np.random.default_rng(seed), sum(CLASSES)
    better = 0.5 + difference / (2 * p)
    held = rng.binomial(HELD_OUT, p, tables)
    screened = 2 * rng.binomial(held, better) - held >= -rules.margin * HELD_OUT
    discordant = np.full(tables, int(p * n)) if fixed else rng.binomial(n, p, tables)
    cells = np.outer(
        [0.08, 0.84, 0.08], [0.06, 0.60, 0.34]
    ).ravel()  # slices by slices, within classes
    shares = np.outer(np.array(CLASSES) / n, cells).ravel()
    differ = np.stack([rng.multinomial(count, shares) for count in discordant])
    won = rng.binomial(differ, better)
    b, c = (each.reshape(tables, len(CLASSES), 3, 3) for each in (won, differ - won))
    total = b.sum(axis=(1, 2, 3)), c.sum(axis=(1, 2, 3))
    passed = screened & (paired_interval(*total, n, rules.alpha)[0] > -rules.margin)
    passed &= paired_interval(*total, n, spent(rules.alpha, 1))[0] > -2 * rules.margin
    by_class = np.array(CLASSES) >= rules.min_rows
    pairs = [
        (each.sum(axis=(2, 3))[:, by_class], each.sum(axis=(1, 3)), each.sum(axis=(1, 2)))
        for each in (b, c)
    ]
    p_values = np.concatenate(
        [sign_test_of_harm(ours, theirs) for ours, theirs in zip(*pairs, strict=True)], axis=1
    )
    # Holm rejects something if, and only if, the smallest p-value does at alpha over the family's
    # size; three more are the figures of all rows, which need the bootstrap.
    passed &= p_values.min(axis=1) * (p_values.shape[1] + 3) > rules.alpha
    resolved = resolves(discordant / n, n)
    naive = int((total[0] > total[1]).sum())
    return {
        "tables": tables,
        "promoted": int((passed & resolved).sum()),
        "asks": int((passed & ~resolved).sum()),
        "naive": naive,
    }


def resolves(p: Any, n: int) -> Any:
    from components.evaluation.gate.margins import largest_share

    return p <= largest_share(policy(), n)


# --- many nights ---


def history(
    histories: int, p: float, inherited: bool, nights: int, worse: float, seed: int
) -> dict[str, float]:
    """Shares of histories that went wrong by gate, each challenger truly worse than its champion by ``worse``."""
    return {
        gate: run_nights(histories, p, inherited, nights, worse, seed, gate)
        for gate in ("ours", "naive", "anchor unspent")
    }


def run_nights(
    histories: int, p: float, inherited: bool, nights: int, worse: float, seed: int, gate: str
) -> float:
    """The share of histories with a false "better", where challengers are equal, or with a champion too far below the anchor."""
    import numpy as np

    from components.evaluation.gate.statistics import mcnemar, paired_interval, spent

    rules, rng, wrong = policy(), np.random.default_rng(seed), 0
    for _ in range(0, histories, 500):
        size = min(500, histories)
        test, held = (
            Sample(rng, size, sum(CLASSES), p, inherited),
            Sample(rng, size, HELD_OUT, p, inherited),
        )
        level, anchor_level, failed = np.zeros(size), np.zeros(size), np.zeros(size, bool)
        for night in range(1, nights + 1):
            for sample in (test, held):
                sample.retrain(level - worse, worse)
            b, c = test.against("champion")
            rises = np.zeros(size, bool)
            if gate == "naive":
                promoted = better = b > c
            else:
                vb, vc = held.against("champion")
                ab, ac = test.against("anchor")
                promoted = (vb - vc >= -rules.margin * HELD_OUT) & resolves(
                    (b + c) / test.rows, test.rows
                )
                promoted &= paired_interval(b, c, test.rows, rules.alpha)[0] > -rules.margin
                anchored = spent(rules.alpha, night) if gate == "ours" else rules.alpha
                promoted &= paired_interval(ab, ac, test.rows, anchored)[0] > -2 * rules.margin
                better = (b > c) & (mcnemar(b, c) <= spent(rules.alpha, night))
                rises = (ab > ac) & (mcnemar(ab, ac) <= spent(rules.alpha, night))
                better |= rises
                rises &= promoted
            level = np.where(promoted, level - worse, level)
            anchor_level = np.where(rises, level, anchor_level)
            failed |= anchor_level - level > 2 * rules.margin + 1e-9 if worse else better
            for sample in (test, held):
                sample.move(promoted, rises)
        wrong += int(failed.sum())
    return wrong / (size * len(range(0, histories, 500)))


class Sample:
    """The same rows every night.

    Which of them anchor, champion and challenger get right, ``[histories, rows]``.

    Anew: on 2 p of the rows a model is right by the toss of a coin, its own; on the others all
    agree. Inherited: the challenger is its champion with answers changed on p of the rows.
    """

    def __init__(self, rng: Any, histories: int, rows: int, p: float, inherited: bool) -> None:
        self.rng, self.rows, self.p, self.inherited = rng, rows, p, inherited
        self.accuracy, self.kept = (0.65, rows) if inherited else (0.5, round(2 * p * rows))
        self.right = {"anchor": rng.random((histories, self.kept), dtype="float32") < self.accuracy}
        self.right["champion"] = self.right["anchor"].copy()

    def retrain(self, level: Any, worse: float) -> None:
        """A new challenger whose true accuracy stands at ``level``, relative to the first model's."""
        drawn = self.rng.random(self.right["champion"].shape, dtype="float32")
        if self.inherited:
            accuracy = (self.accuracy + level + worse)[:, None]  # the champion's
            lost, gained = (self.p + worse) / 2 / accuracy, (self.p - worse) / 2 / (1 - accuracy)
            champion = self.right["champion"]
            self.right["challenger"] = (drawn >= lost) & champion | (drawn < gained) & ~champion
        else:
            self.right["challenger"] = drawn < (0.5 + level / (2 * self.p))[:, None].astype(
                "float32"
            )

    def against(self, who: str) -> tuple[Any, Any]:
        """Rows that only the challenger, and only the other, gets right, ``[histories]`` each."""
        ours, theirs = self.right["challenger"], self.right[who]
        return (ours & ~theirs).sum(axis=1), (~ours & theirs).sum(axis=1)

    def move(self, promoted: Any, rises: Any) -> None:
        self.right["champion"][promoted] = self.right["challenger"][promoted]
        self.right["anchor"][rises] = self.right["challenger"][rises]


# --- telling ---


def told(part: str, p: float, difference: float, result: dict[str, int]) -> list[dict[str, Any]]:
    """Print one row; its figures against their bars."""
    from components.shared.statistics import clopper_pearson

    tables, promoted = result["tables"], result["promoted"]
    rate, naive = promoted / tables, result["naive"] / tables
    low, high = clopper_pearson(promoted, tables, 0.05)
    name = "equal" if difference == 0 else f"{-100 * difference:g} points worse"
    bounds, asks = f"({low:5.1%} to {high:5.1%})", result["asks"] / tables
    print(
        f"{tables:>7,} tables           {p:<6.3g} {name:<18}{rate:6.1%} {bounds}   {asks:6.1%}   |"
        f" {naive:.1%}"
    )
    if difference == 0:
        bar = EQUAL_BARS[p]
        return [
            figure(f"{part}: equal challenger promoted, p = {p}", rate, naive, bar, rate >= bar)
        ]
    return [
        figure(
            f"{part}: challenger worse by the margin promoted, 95 % upper bound, p = {p}",
            high,
            naive,
            0.055,
            high <= 0.055,
        )
    ]


def told_history(
    p: float, inherited: bool, nights: int, worse: float, result: dict[str, float]
) -> dict[str, Any]:
    what = (
        f"{nights} equal nights, a false better"
        if not worse
        else f"{nights} nights, each 0.5 points worse"
    )
    luck = "inherited" if inherited else "anew every night"
    print(
        f"{what:<38} {p:<7.3g} {luck:<22} {result['ours']:8.2%} {result['anchor unspent']:14.2%}"
        f" {result['naive']:12.1%}   at most 5 %"
    )
    what = (
        "any false better"
        if not worse
        else "champion below the anchor by more than twice the margin"
    )
    return figure(
        f"{nights} nights, luck {luck}, p = {p}: {what}",
        result["ours"],
        result["naive"],
        0.05,
        result["ours"] <= 0.05,
    )


def figure(what: str, ours: float, peer: float, bar: float, met: bool) -> dict[str, Any]:
    ratio = round(ours / peer, 4) if peer else None
    return {
        "what": what,
        "ours": round(ours, 4),
        "peer": round(peer, 4),
        "ratio": ratio,
        "bar": bar,
        "met": bool(met),
    }


if __name__ == "__main__":
    sys.exit(main())
