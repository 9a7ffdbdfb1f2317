"""A confusion matrix as a heat map."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from components.reporting.page.charts.svg import element, figure, text

CELL_WIDTH, CELL_HEIGHT = 48.0, 40.0
LEFT, TOP = 78.0, 44.0


def confusion_matrix(who: str, labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Markup:
    """Rows are true labels, columns what ``who`` said.

    Shade and the second figure are shares of the row.
    """
    if len(counts) != len(labels) or any(len(row) != len(labels) for row in counts):
        raise ValueError(f"{len(labels)} labels, but a matrix of {len(counts)} rows")
    shapes = [text(LEFT + CELL_WIDTH * len(labels) / 2, 12, f"{who} said", "middle label")]
    for index, label in enumerate(labels):
        shapes.append(text(LEFT + CELL_WIDTH * (index + 0.5), TOP - 10, label, "middle small"))
        shapes.append(text(LEFT - 8, TOP + CELL_HEIGHT * (index + 0.5) + 4, label, "end name"))
    for row, (true, line) in enumerate(zip(labels, counts, strict=True)):
        total = sum(line)
        for column, (said, count) in enumerate(zip(labels, line, strict=True)):
            share = count / total if total else 0.0
            shapes.append(
                _cell(
                    row,
                    column,
                    count,
                    share,
                    f"{count:,} of {total:,} labelled {true}: {who} said {said}",
                    who,
                )
            )
    return figure(
        LEFT + CELL_WIDTH * len(labels),
        TOP + CELL_HEIGHT * len(labels),
        f"Confusion matrix of the {who}",
        shapes,
    )


def _cell(row: int, column: int, count: int, share: float, tip: str, who: str) -> Markup:
    x, y = LEFT + CELL_WIDTH * column, TOP + CELL_HEIGHT * row
    shade = element(
        "rect",
        x=x + 1,
        y=y + 1,
        width=CELL_WIDTH - 2,
        height=CELL_HEIGHT - 2,
        rx=4.0,
        fill_opacity=f"{0.04 + 0.9 * share:.2f}",
        class_=f"fill {who}",
    )
    ink = "dark" if share > 0.55 else "strong" if row == column else "plain" if count else "faint"
    words = [shade, text(x + CELL_WIDTH / 2, y + 18, f"{count:,}", f"middle {ink}")]
    if count:
        words.append(
            text(
                x + CELL_WIDTH / 2,
                y + 32,
                f"{share:.0%}",
                f"middle small {'dark' if share > 0.55 else ''}".strip(),
            )
        )
    return element("g", element("title", tip), *words)
