"""What counts as a change of code."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from components.shared.source_digest import source_digest

SOURCE = '''"""A module."""

LIMIT = 3  # at most


class Toy:
    """A toy."""

    def play(self, times: int = 1) -> str:
        """Play it."""
        return f"{times:>3}" "x"
'''
SAME = {
    "comment": SOURCE.replace("# at most", "# never more"),
    "no comment": SOURCE.replace("  # at most", ""),
    "docstring of the module": SOURCE.replace("A module.", "Another sentence."),
    "no docstring of the module": SOURCE.replace('"""A module."""', ""),
    "docstring of a class": SOURCE.replace("A toy.", "Something to play with."),
    "docstring of a function": SOURCE.replace('"""Play it."""', '"""Play it so often."""'),
    "layout": SOURCE.replace("int = 1)", "int = 1,\n    )"),
}
OTHER = {
    "value": SOURCE.replace("LIMIT = 3", "LIMIT = 4"),
    "type of a value": SOURCE.replace("LIMIT = 3", "LIMIT = 3.0"),
    "name": SOURCE.replace("LIMIT", "BOUND"),
    "string": SOURCE.replace('"x"', '"y"'),
    "format": SOURCE.replace(":>3", ":>4"),
    "annotation": SOURCE.replace("times: int", "times: float"),
    "string that is no docstring": SOURCE.replace("LIMIT = 3", 'LIMIT = 3\n"""A string."""'),
    "order": (
        SOURCE.replace('"""A module."""\n\nLIMIT = 3  # at most', '"""A module."""').rstrip()
        + "\n\n\nLIMIT = 3\n"
    ),
}


def digest(folder: Path, content: str) -> bytes:
    path = folder / "module.py"
    path.unlink(missing_ok=True)
    path.write_text(content)
    return source_digest(path)


@pytest.mark.parametrize("change", SAME)
def test_a_better_sentence_is_no_change(tmp_path: Path, change: str) -> None:
    assert SAME[change] != SOURCE
    assert digest(tmp_path, SAME[change]) == digest(tmp_path, SOURCE)


@pytest.mark.parametrize("change", OTHER)
def test_other_code_is(tmp_path: Path, change: str) -> None:
    ast.parse(OTHER[change])
    assert OTHER[change] != SOURCE
    assert digest(tmp_path, OTHER[change]) != digest(tmp_path, SOURCE)


def test_what_is_no_python_goes_by_its_bytes(tmp_path: Path) -> None:
    lock, broken = tmp_path / "requirements.lock", tmp_path / "broken.py"
    lock.write_text("# a comment\n")
    broken.write_text("def (:  # a comment\n")
    before = source_digest(lock), source_digest(broken)
    lock.write_text("# another comment\n")
    broken.write_text("def (:  # another comment\n")
    assert source_digest(lock) != before[0]
    assert source_digest(broken) != before[1]


def test_it_does_not_depend_on_the_process(tmp_path: Path) -> None:
    here = digest(tmp_path, SOURCE)
    program = (
        "import sys; from pathlib import Path; from components.shared.source_digest import"
        " source_digest as of"
    )
    ask = [
        sys.executable,
        "-c",
        f"{program}; print(of(Path(sys.argv[1])).hex())",
        str(tmp_path / "module.py"),
    ]
    other = subprocess.run(ask, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == here.hex()
