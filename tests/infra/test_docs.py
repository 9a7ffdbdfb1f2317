"""The checker of README and docs: what it lets pass, and what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import docs


def test_this_repositorys_pages_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main() == 0
    assert capsys.readouterr().err == ""


def test_what_is_wrong_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("x" * 301 + "\n" * 131 + "[gone](docs/gone.md)")
    (tmp_path / "docs" / "lonely.md").write_text(
        "[home](../README.md#top), [web](https://example.org/a.md)"
    )
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    assert docs.main() == 1
    assert capsys.readouterr().err.splitlines() == [
        "README.md: 132 lines; expected at most 130",
        "README.md: 301 characters in its longest line; expected at most 300",
        "README.md: shows no picture",
        f"README.md: links to {tmp_path / 'docs' / 'gone.md'}, which isn't there",
        "docs/lonely.md: no page links to it",
    ]
