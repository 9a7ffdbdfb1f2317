from __future__ import annotations

import pytest

from infra.environments import unsupported


@pytest.mark.parametrize(("python", "glibc"), [((3, 11), "2.36"), ((3, 12), "2.39"), ((3, 13), "2.41"), ((3, 12), "")])
def test_machines_that_can(python: tuple[int, int], glibc: str) -> None:
    assert unsupported(python, glibc) == ""


@pytest.mark.parametrize(
    ("python", "glibc", "words"),
    [
        ((3, 10), "2.36", "expected 3.11, 3.12 or 3.13"),
        ((3, 14), "2.41", "expected 3.11"),
        ((3, 13), "2.36", "expects glibc 2.39 from Python 3.12 on"),
    ],
)
def test_machines_that_cannot_are_told_what_to_do(python: tuple[int, int], glibc: str, words: str) -> None:
    problem = unsupported(python, glibc)
    assert words in problem
    assert "make PYTHON=python3.11" in problem
