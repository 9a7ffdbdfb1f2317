"""The page's figures as SVG elements that take their colours from the page.

Drawn with matplotlib without pyplot. Text stays text. Colours are placeholders that become CSS
variables, so that one drawing serves light, dark and print. One unit is one CSS pixel.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

INK, MUTED, LINE, CARD = "#010101", "#020202", "#030303", "#070707"
CHALLENGER, CHAMPION, ON_CHALLENGER = "#040404", "#050505", "#060606"
VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    CARD: "card",
    CHALLENGER: "challenger",
    CHAMPION: "champion",
    ON_CHALLENGER: "on-challenger",
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "emotion",
    "text.parse_math": False,
    "font.size": 13,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 12.5,
    "ytick.labelsize": 12.5,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 12.5,
    "axes.axisbelow": True,
}
DOTS_PER_INCH = 72

P = ParamSpec("P")


def _styled(draw: Callable[P, str]) -> Callable[P, str]:
    """Draw in the page's style, and leave matplotlib's settings as they were."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> str:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


@_styled
def class_balance(labels: Sequence[str], before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """Training rows per class, and draws per epoch after resampling."""
    figure, axes = _canvas(450, 62 + 40 * len(labels), left=76, right=44, bottom=30, top=32)
    places = range(len(labels))
    widest = max([*before.values(), *after.values(), 1])
    for shift, counts, colour, name in ((-0.2, before, MUTED, "rows in training"), (0.2, after, CHALLENGER, "seen per epoch")):
        values = [counts.get(label, 0) for label in labels]
        axes.barh([place + shift for place in places], values, height=0.36, color=colour, label=name)
        for place, value in zip(places, values, strict=True):
            axes.text(value + widest * 0.012, place + shift, f"{value:,}", va="center", fontsize=12, color=MUTED)
    axes.set_yticks(list(places), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, widest * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.grid(axis="x")
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    _legend(axes)
    return _svg(figure, "balance", "Class balance before and after resampling")


@_styled
def learning_curve(key: str, history: Mapping[str, Sequence[float]], best_epoch: int, stages: Sequence[int]) -> str:
    """``accuracy`` or ``loss`` per epoch on training and held-out rows, with the stages' first epochs and the best one."""
    training, held_out = history[key], history[f"val_{key}"]
    figure, axes = _canvas(450, 280, left=48, right=8, bottom=42, top=28)
    axes.plot(range(1, len(training) + 1), training, color=MUTED, linewidth=1.6, linestyle=(0, (4, 2)), label="training")
    axes.plot(range(1, len(held_out) + 1), held_out, color=CHALLENGER, linewidth=2.4, marker="o", markersize=3.5, label="held-out rows")
    for first in stages[1:]:
        axes.axvline(first - 0.5, color=CHAMPION, linewidth=1, linestyle=(0, (2, 3)))
        axes.text(first - 0.4, 0.02, f"stage {stages.index(first) + 1}", transform=axes.get_xaxis_transform(), fontsize=11, color=CHAMPION)
    if 1 <= best_epoch <= len(held_out):
        _mark_best(axes, best_epoch, held_out, key)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlim(0.6, len(training) + 0.4)
    low, high = min([*training, *held_out]), max([*training, *held_out])
    if key == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_ylim(max(0.0, low - 0.12 * (1 - low)), min(1.01, high + 0.06))
    else:
        axes.set_ylim(0, high * 1.06)
    axes.grid(axis="y")
    axes.tick_params(length=0, pad=5)
    axes.spines["left"].set_visible(False)
    _legend(axes)
    return _svg(figure, key, f"Learning curve: {key}")


def _mark_best(axes: Axes, best_epoch: int, held_out: Sequence[float], key: str) -> None:
    """A ring around the epoch whose weights were kept, and its value on the side where the curve isn't."""
    best, upwards = held_out[best_epoch - 1], key == "accuracy"
    late = best_epoch > len(held_out) / 2
    text = f"epoch {best_epoch}: {best:.1%}" if upwards else f"epoch {best_epoch}: {best:.3f}"
    axes.plot([best_epoch], [best], marker="o", markersize=11, fillstyle="none", color=CHAMPION, markeredgewidth=2)
    axes.annotate(
        text,
        (best_epoch, best),
        xytext=(10 if late else -6, -34 if upwards else 24),
        textcoords="offset points",
        ha="right" if late else "left",
        fontweight="bold",
        bbox={"boxstyle": "round,pad=0.25", "facecolor": CARD, "edgecolor": "none", "alpha": 0.85},
    )


@_styled
def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Rows are true labels, columns predicted; shade and the second figure are shares of the row."""
    size = len(labels)
    figure, axes = _canvas(104 + 50 * size, 60 + 44 * size, left=96, right=4, bottom=4, top=56)
    for row, line in enumerate(counts):
        total = sum(line)
        for column, count in enumerate(line):
            share = count / total if total else 0.0
            cell = Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, facecolor=CHALLENGER, alpha=0.04 + 0.9 * share, linewidth=0)
            axes.add_patch(cell)
            ink = ON_CHALLENGER if share > 0.55 else INK if count else LINE
            weight = "bold" if row == column else "normal"
            axes.text(column + 0.5, row + 0.5, f"{count:,}", ha="center", va="bottom", fontsize=13, color=ink, fontweight=weight)
            note = f"{share:.0%}" if count else ""
            axes.text(column + 0.5, row + 0.58, note, ha="center", va="top", fontsize=11, color=ink if share > 0.55 else MUTED)
    axes.set_xlim(0, size)
    axes.set_ylim(size, 0)
    centres = [index + 0.5 for index in range(size)]
    axes.set_xticks(centres, labels)
    axes.set_yticks(centres, labels)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("predicted", labelpad=8)
    axes.set_ylabel("true", labelpad=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return _svg(figure, "confusion", "Confusion matrix on the test rows")


@_styled
def recalls(labels: Sequence[str], challenger: Sequence[float], champion: Sequence[float] | None) -> str:
    """Recall per class, the challenger's beside the champion's."""
    figure, axes = _canvas(450, 62 + 42 * len(labels), left=76, right=24, bottom=30, top=32)
    places = range(len(labels))
    if champion is not None:
        for place, new, old in zip(places, challenger, champion, strict=True):
            axes.plot([old, new], [place, place], color=MUTED, linewidth=2, alpha=0.5, solid_capstyle="round", zorder=2)
        axes.plot(champion, places, "D", color=CHAMPION, markersize=7, label="champion", zorder=3)
    axes.plot(challenger, places, "o", color=CHALLENGER, markersize=9, label="challenger", zorder=4)
    axes.set_yticks(list(places), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    lowest = min([*challenger, *(champion or ())])
    axes.set_xlim(max(0.0, math.floor(10 * lowest - 0.5) / 10) - 0.01, 1.015)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="both")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _legend(axes)
    return _svg(figure, "recalls", "Recall per class")


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, handlelength=1.6, borderpad=0.2, borderaxespad=0.2, columnspacing=1.4
    )


def _canvas(width: int, height: int, *, left: int, right: int, bottom: int, top: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    return figure, figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height))


def _svg(figure: Figure, name: str, title: str) -> str:
    """One ``<svg>`` element: no prolog, no comments, its ids prefixed with ``name``, colours as CSS variables."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    width, height = (round(float(value)) for value in re.findall(r'(?:width|height)="([\d.]+)pt"', text)[:2])
    opening = f'<svg class="figure" role="img" aria-label="{title}" viewBox="0 0 {width} {height}" style="max-width:{width}px">'
    text = re.sub(r"<svg[^>]*>", opening, text, count=1)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(?:xlink:)?href="#([^"]*)"', rf'href="#{name}-\1"', text)
    text = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'(?:\s*xmlns(?::\w+)?="[^"]*")', "", text)
    text = re.sub(r'font-family: [^;"]*; ?', "", text)  # the page's own family
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return re.sub(r"\n\s*", "\n", text)
