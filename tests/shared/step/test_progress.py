from __future__ import annotations

import pytest

from components.shared.step import progress


def test_what_is_shown_is_what_is_parsed(capsys: pytest.CaptureFixture[str]) -> None:
    progress.show(3, 12, "epochs", "accuracy 0.61, 2.4 s")
    assert progress.parse(capsys.readouterr().out) == progress.Progress(
        3, 12, "epochs", "accuracy 0.61, 2.4 s"
    )
    progress.show(10, 10, "images")
    assert progress.parse(capsys.readouterr().out) == progress.Progress(10, 10, "images")


@pytest.mark.parametrize(
    "line", ["", "progress", "progress 1/x rows", "in progress 1/2 rows", "Epoch 1/2"]
)
def test_other_lines_tell_no_progress(line: str) -> None:
    assert progress.parse(line) is None
