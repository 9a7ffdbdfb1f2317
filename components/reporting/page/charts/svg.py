"""SVG elements as markup, and a plot area with two linear axes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

Point = tuple[float, float]


def element(tag: str, *children: str, **attributes: str | float) -> Markup:
    """Return an SVG element; text and attributes are escaped.

    ``class_`` means class, ``stroke_width`` stroke-width.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(name.strip("_").replace("_", "-"), _plain(v))
        for name, v in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(tag, written, Markup("").join(children))


def text(x: float, y: float, content: str, class_: str = "") -> Markup:
    """Text at a baseline. Classes: middle and end anchor it there, strong and small set it so."""
    return (
        element("text", content, x=x, y=y, class_=class_)
        if class_
        else element("text", content, x=x, y=y)
    )


def line(start: Point, end: Point, class_: str) -> Markup:
    """Return a straight line."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=class_)


def mark(x: float, y: float, class_: str, tip: str, radius: float = 4) -> Markup:
    """Return a dot, or a diamond for the champion, so that colour alone never tells them apart.

    Hovering shows ``tip``.
    """
    if "champion" in class_.split():
        size = radius * 1.25
        corners = (x, y - size), (x + size, y), (x, y + size), (x - size, y)
        return element("polygon", element("title", tip), points=_points(corners), class_=class_)
    return element("circle", element("title", tip), cx=x, cy=y, r=radius, class_=class_)


def figure(width: float, height: float, title: str, shapes: Iterable[Markup]) -> Markup:
    """One ``<svg>`` element that shrinks with the page and is read out as ``title``."""
    return element(
        "svg",
        *shapes,
        class_="figure",
        role="img",
        aria_label=title,
        width=width,
        height=height,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
    )


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes:
        ticks: values with their texts.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    label: str = ""


@dataclass(frozen=True)
class Plot:
    """A plot area inside a figure; margins in pixels leave room for tick texts and labels."""

    title: str
    width: float
    height: float
    x: Axis
    y: Axis
    left: float = 46
    right: float = 10
    top: float = 10
    bottom: float = 44

    def at(self, x: float, y: float) -> Point:
        """Pixels of a value pair; what lies outside is drawn at the edge."""
        return (
            self.left + _share(self.x, x) * (self.width - self.left - self.right),
            self.height - self.bottom - _share(self.y, y) * (self.height - self.top - self.bottom),
        )

    def curve(self, points: Iterable[Point], class_: str) -> Markup:
        """Return a curve through values of both axes."""
        return element(
            "polyline",
            points=_points(self.at(*point) for point in points),
            class_=f"curve {class_}",
        )

    def mark(self, x: float, y: float, class_: str, tip: str, radius: float = 4) -> Markup:
        """Return a mark at values of both axes."""
        return mark(*self.at(x, y), class_, tip, radius)

    @cached_property
    def _edges(self) -> tuple[float, float, float, float]:
        return self.left, self.width - self.right, self.top, self.height - self.bottom

    def drawn(self, *shapes: Markup) -> Markup:
        """Return the figure: grid, tick texts and labels under ``shapes``."""
        left, right, top, bottom = self._edges
        ground: list[Markup] = []
        for value, words in self.y.ticks:
            _, y = self.at(self.x.low, value)
            ground += [line((left, y), (right, y), "grid"), text(left - 8, y + 4, words, "end")]
        for value, words in self.x.ticks:
            x, _ = self.at(value, self.y.low)
            ground.append(text(x, bottom + 18, words, "middle"))
        if self.x.label:
            ground.append(text((left + right) / 2, self.height - 6, self.x.label, "middle label"))
        if self.y.label:
            ground.append(text(0, top - 12, self.y.label, "label"))
        return figure(self.width, self.height, self.title, [*ground, *shapes])


def ticks(low: float, high: float, count: int = 5) -> tuple[float, ...]:
    """Round values from ``low`` to ``high``, about ``count`` of them, a step of 1, 2, 2.5 or 5 times a power of ten apart."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return (low,) if math.isfinite(low) else ()
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return tuple(
        round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)
    )


def percent_ticks(low: float, high: float, count: int = 5) -> tuple[tuple[float, str], ...]:
    """Ticks of shares, as percentages with as many decimals as their step needs."""
    values = ticks(low, high, count)
    decimals = 0 if all(abs(100 * value - round(100 * value)) < 1e-6 for value in values) else 1
    return tuple((value, f"{100 * value:.{decimals}f}%".replace("-", "−")) for value in values)


def number_ticks(low: float, high: float, count: int = 5) -> tuple[tuple[float, str], ...]:
    """Return ticks with their values as text."""
    return tuple((value, f"{value:,.6g}".replace("-", "−")) for value in ticks(low, high, count))


def _share(axis: Axis, value: float) -> float:
    span = axis.high - axis.low
    return min(1.0, max(0.0, (value - axis.low) / span)) if span > 0 else 0.5


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{_plain(x)},{_plain(y)}" for x, y in points)


def _plain(value: str | float) -> str:
    """Return a coordinate to a tenth of a pixel."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
