from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from components.shared.step.progress import Progress
from pipelines.local.display import LiveDisplay, PlainDisplay, display_for
from pipelines.local.outcome import show_outcome

SUMMARY = {
    "outcome": "rejected",
    "reasons": ["Accuracy is 40.0 % on 900 test images; the floor is 60.0 %."],
    "error": None,
    "metrics": {
        "challenger": {
            "accuracy": 0.4,
            "balanced_accuracy": 0.3,
            "macro_f1": 0.2,
            "majority_share": 0.25,
        },
        "champion": {
            "accuracy": 0.8,
            "balanced_accuracy": 0.7,
            "macro_f1": 0.6,
            "majority_share": 0.25,
        },
    },
    "steps": [
        {"name": "train", "seconds": 20.0, "cached": False, "peak_memory_bytes": 900_000_000},
        {"name": "gate", "seconds": 0.1, "cached": False, "peak_memory_bytes": 20_000_000},
    ],
    "wall_seconds": 51.0,
    "install_seconds": 30.0,
    "model_version": "0123456789ab",
    "snapshot_id": "f" * 64,
}


def console() -> Console:
    return Console(file=io.StringIO(), width=200, highlight=False)


def said(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_without_a_terminal_each_step_is_a_few_plain_lines() -> None:
    screen = console()
    display = display_for(screen)
    assert isinstance(display, PlainDisplay)
    with display:
        display.started("train")
        for done in range(1, 101):
            display.progressed("train", Progress(done, 100, "images"))
        for done in range(1, 11):
            display.progressed("train", Progress(done, 10, "epochs", f"accuracy 0.{done}"))
        display.finished("train", 12.34, 0)
        display.started("gate")
        display.finished("gate", 0.1, 3)
    lines = said(screen).splitlines()
    assert lines[0] == "train …"
    assert sum("images" in line for line in lines) == 5
    assert sum("epochs" in line for line in lines) == 5
    assert lines[-3:] == ["train done in 12.3 s", "gate …", "gate FAILED with exit code 3 in 0.1 s"]


def test_without_a_terminal_a_long_step_says_something_every_minute() -> None:
    screen, clock = console(), [0.0]
    display = PlainDisplay(screen, now=lambda: clock[0])
    display.started("train")
    for second in range(5, 301, 5):
        clock[0] = float(second)
        display.progressed("train", Progress(0, 25, "epochs", f"epoch 1: {second // 5} %"))
    assert said(screen).splitlines() == [
        "train …",
        *(f"  train 0/25 epochs epoch 1: {12 * minute} %" for minute in range(1, 6)),
    ]


def test_on_a_terminal_a_bar_moves() -> None:
    screen = Console(file=io.StringIO(), width=120, force_terminal=True, highlight=False)
    with display_for(screen) as display:
        assert isinstance(display, LiveDisplay)
        display.started("train")
        display.progressed("train", Progress(3, 12, "epochs", "accuracy 0.61"))
        display.finished("train", 2.0, 0)
    assert "3/12 epochs · accuracy 0.61" in said(screen)


def test_the_outcome_tells_reasons_figures_and_times() -> None:
    screen = console()
    show_outcome(screen, SUMMARY, Path("runs/one"))
    text = said(screen)
    wanted = [
        "REJECTED: the champion stays",
        "the floor is 60.0 %",
        "-40.0 points",
        "51 s, of which training 20 s (installing before it: 30 s)",
        "0.90 GB at most, in train",
        "runs/one/report.html",
    ]
    for words in wanted:
        assert words in text


def test_a_failure_says_how_to_go_on() -> None:
    screen = console()
    show_outcome(
        screen,
        {**SUMMARY, "outcome": "failed", "reasons": [], "error": "Train failed: no space left."},
        Path("runs/one"),
    )
    assert "Train failed: no space left." in said(screen)
    assert "emotion run --resume" in said(screen)


@pytest.mark.parametrize("outcome", ["blessed", "needs-approval", "nothing-new", "stopped"])
def test_every_outcome_has_its_words(outcome: str) -> None:
    screen = console()
    show_outcome(screen, {**SUMMARY, "outcome": outcome, "metrics": None}, Path("runs/one"))
    assert outcome.replace("-", " ").upper() in said(screen)
