"""The layout of the code, read off the tree.

Folders stay small, and no line is hidden from the formatter.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("components", "pipelines", "infra")
MOST_MODULES = 12


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", PRODUCT)
def test_a_folder_holds_at_most_twelve_modules(folder: str) -> None:
    modules = Counter(path.parent for path in python_files(folder) if path.name != "__init__.py")
    assert {
        str(path.relative_to(ROOT)): count
        for path, count in modules.items()
        if count > MOST_MODULES
    } == {}


@pytest.mark.parametrize("folder", PRODUCT)
def test_every_folder_is_a_package_that_says_what_is_in_it(folder: str) -> None:
    for inner in {path.parent for path in python_files(folder)} - {ROOT / "infra"}:
        assert (inner / "__init__.py").read_text().startswith('"""'), inner


def test_the_formatter_sees_every_line() -> None:
    hidden = "fmt: " + "skip", "fmt: " + "off"
    files = python_files(*PRODUCT, "tests", "benchmarks")
    assert [str(path) for path in files if any(word in path.read_text() for word in hidden)] == []
