"""How a run ends.

On the screen the verdict with its reasons, the main figures, and where the report is; and the exit
code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from pipelines.cli.hints import hint

_LOOKS = {
    "blessed": ("green", "BLESSED: the challenger is the champion now"),
    "rejected": ("red", "REJECTED: the champion stays"),
    "needs-approval": ("yellow", "NEEDS APPROVAL: a person decides; the champion stays"),
    "nothing-new": ("cyan", "NOTHING NEW: no work tonight"),
    "stopped": ("red", "STOPPED: the data was refused before training; the champion stays"),
    "failed": ("red", "FAILED: the champion stays"),
}
_FIGURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "majority_share": "majority share",
}

EXIT_CODES = {
    "blessed": 0,
    "rejected": 0,
    "needs-approval": 0,
    "nothing-new": 0,
    "stopped": 3,
    "failed": 1,
}
SENT_BACK = 3  # as `emotion rollout` ends


def exit_code(summary: dict[str, Any]) -> int:
    """Return what a command ends with.

    0 for a judged run, 3 for refused data or a rollout that went back, else the failed step's own
    code.

    Args:
        summary: of a run; with ``exit_codes`` by step where the run was one of this machine.
    """
    outcome = summary["outcome"]
    if outcome == "failed":
        failed = [
            code
            for step, code in summary.get("exit_codes", {}).items()
            if code != 0 and step != "report"
        ]
        return failed[0] if failed and failed[0] > 0 else EXIT_CODES["failed"]
    if outcome == "rejected" and summary.get("verdict") == "blessed":
        return SENT_BACK
    return EXIT_CODES[outcome]


def show_outcome(console: Console, summary: dict[str, Any], folder: Path) -> None:
    """Print the outcome of a run from its summary."""
    colour, title = _LOOKS[summary["outcome"]]
    lines = list(summary.get("reasons") or [])
    if summary.get("error"):
        lines.append(summary["error"])
    console.print(
        Panel(
            "\n".join(f"• {line}" for line in lines) or "see the report",
            title=f"[bold]{title}[/]",
            border_style=colour,
            title_align="left",
        )
    )
    metrics = summary.get("metrics") or {}
    if metrics.get("challenger"):
        console.print(_figures(metrics["challenger"], metrics.get("champion")))
    for name, label in (("model_version", "model"), ("snapshot_id", "snapshot")):
        if summary.get(name):
            console.print(f"{label:<9}{summary[name][:16]}")
    install = (
        f" (installing before it: {summary['install_seconds']:.0f} s)"
        if summary.get("install_seconds")
        else ""
    )
    training = sum(
        step["seconds"]
        for step in summary.get("steps", [])
        if step["name"] == "train" and not step.get("cached")
    )
    console.print(
        f"time     {summary['wall_seconds']:.0f} s, of which training {training:.0f} s{install}"
    )
    peak = max(summary.get("steps", []), key=lambda step: step["peak_memory_bytes"], default=None)
    if peak:
        console.print(
            f"memory   {peak['peak_memory_bytes'] / 1e9:.2f} GB at most, in {peak['name']}"
        )
    if (summary.get("cost") or {}).get("words"):
        console.print(f"cost     {summary['cost']['words']}")
    console.print(f"report   {folder / 'report.html'}", soft_wrap=True)
    if summary["outcome"] == "failed":
        console.print(
            f"log      {folder / 'log.txt'}\ncontinue with: {hint('run', resume=True)}",
            markup=False,
            soft_wrap=True,
        )


def _figures(challenger: dict[str, float], champion: dict[str, float] | None) -> Table:
    table = Table(
        "",
        "challenger",
        *(["champion", "difference"] if champion else []),
        box=None,
        header_style="bold",
    )
    for key, label in _FIGURES.items():
        row = [label, f"{challenger[key]:.1%}"]
        if champion:
            row += [
                f"{champion[key]:.1%}",
                f"{(challenger[key] - champion[key]) * 100:+.1f} points",
            ]
        table.add_row(*row)
    return table
