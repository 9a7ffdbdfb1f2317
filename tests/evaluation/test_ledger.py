"""The ledger of looks: counted once, whoever asks and however often."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.evaluation.gate.ledger import Ledger, Look, overlap, record, sketch, with_look
from components.shared.store.interface import open_store


def contents(first: int, last: int) -> list[str]:
    return [hashlib.sha256(str(index).encode()).hexdigest() for index in range(first, last)]


def look(challenger: str, first: int = 0, last: int = 900) -> Look:
    ids = contents(first, last)
    return Look(
        0, challenger, "run", "2026-01-01T00:00:00+00:00", f"{first}-{last}", len(ids), sketch(ids)
    )


def numbers(*looks: Look) -> list[int]:
    ledger, found = Ledger(), []
    for each in looks:
        ledger, numbered = with_look(ledger, each)
        found.append(numbered.number)
    return found


def test_each_challenger_is_one_look() -> None:
    assert numbers(look("a"), look("b"), look("c")) == [1, 2, 3]


def test_a_repeated_gate_is_no_second_look() -> None:
    assert numbers(look("a"), look("b"), look("a"), look("c"), look("b")) == [1, 2, 1, 3, 2]


def test_fresh_rows_start_anew_and_a_few_new_rows_do_not() -> None:
    assert numbers(look("a"), look("b", 10_000, 10_900), look("c"), look("d", 10_000, 10_900)) == [
        1,
        1,
        2,
        2,
    ]
    grown = [
        look(str(night), 5 * night, 900 + 5 * night) for night in range(6)
    ]  # 5 rows a night leave, 5 come
    assert numbers(*grown) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("shift", [0, 90, 300, 900])
def test_overlap_is_estimated_from_sketches(shift: int) -> None:
    true = (900 - shift) / (900 + shift)
    assert overlap(sketch(contents(0, 900)), sketch(contents(shift, 900 + shift))) == pytest.approx(
        true, abs=0.15
    )


def test_gates_at_once_each_get_a_number_of_their_own(tmp_path: Path) -> None:
    def ask(name: int) -> int:
        return record(open_store(str(tmp_path)), "faces", look(f"v{name % 8}")).number

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(16)))
    assert sorted(found) == sorted([*range(1, 9), *range(1, 9)])
    assert [ask(name) for name in range(8)] == found[:8]
