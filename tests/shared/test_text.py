"""Figures and reasons as several components write them."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.shared import text
from components.shared.text import percent, shortened


def test_the_examples() -> None:
    assert doctest.testmod(text) == (0, 2)


@pytest.mark.parametrize(
    ("value", "bound", "digits", "text"),
    [
        (0.054, 0.0001, 1, "5.40%"),
        (0.6, 0.6, 0, "60%"),
        (0.995, 0.995, 0, "99.5%"),
        (0.05, 0.05, 1, "5.0%"),
        (0.05004, 0.05, 1, "5.004%"),
        (0.0, 0.0, 1, "0.0%"),
        (0.00003, 0.0, 1, "0.003%"),
        (1 / 3, 1 / 3, 1, "33.333333%"),
    ],
)
def test_a_share_beside_its_bound(value: float, bound: float, digits: int, text: str) -> None:
    assert percent(value, bound, digits) == text


@given(st.text(alphabet="ab .,\n", max_size=60), st.integers(5, 40))
def test_a_reason_ends_with_a_whole_word(text: str, limit: int) -> None:
    line = " ".join(text.split())
    short = shortened(text, limit)
    assert len(short) <= limit
    if short == line:
        return
    assert short.endswith("…")
    start = short[:-1]
    assert line.startswith(start)
    if " " in line[:limit]:
        assert line[len(start)] in " ,.:;("


def test_one_long_word_is_cut_all_the_same() -> None:
    assert shortened("a" * 30, 10) == "a" * 9 + "…"
