"""Which faces a night has: a pure function of the options and the night's number.

Night 0 has ``count`` faces. Each further night against the one before: new faces come (6 % of
``count``), some change (1 %: the same file name, another picture) and some go (3 %). So a
collection grows at first and levels off at twice its first size.

What a face is (its expression, its flaw, its split) follows from its index alone, by an additive
recurrence (Roberts 2018, "The Unreasonable Effectiveness of Quasirandom Sequences"; Kronecker
1884): its shares come out as asked within a face or two, in any stretch of faces, on every night.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from components.shared.errors import InputError, UnknownNameError
from components.shared.labels import taxonomy
from components.shared.serialization import digest
from pipelines.demo import faces

LABELS = taxonomy("basic-7").labels
NEW, CHANGED, GONE = 0.06, 0.01, 0.03
TEST_SHARE = 0.2

# How often each expression is seen, relative to the others.
IMBALANCES: dict[str, dict[str, float]] = {
    "mild": {
        "angry": 14,
        "disgust": 6,
        "fear": 11,
        "happy": 23,
        "neutral": 18,
        "sad": 15,
        "surprise": 13,
    },
    "even": dict.fromkeys(LABELS, 1),
    # The counts of FER2013's training rows (Goodfellow et al. 2013).
    "fer2013": {
        "angry": 3995,
        "disgust": 436,
        "fear": 4097,
        "happy": 7215,
        "neutral": 4965,
        "sad": 4830,
        "surprise": 3171,
    },
}

Flaw = Literal["none", "corrupt", "duplicate", "mislabelled"]
_LABEL, _FLAW, _SPLIT = 0, 1, 2
# Roberts' R2 (1/p and 1/p^2, where p^3 = p + 1) for label and flaw, which must not go together, and
# a third irrational number for the split.
_STEPS = (0.7548776662466927, 0.5698402909980532, 0.41421356237309515)


@dataclass(frozen=True)
class Options:
    """What to draw.

    Attributes:
        seed: of everything. count: faces of night 0. size: pixels a side. channels: 1 gray, 3
            colour.
        weights: how often each expression is seen, relative to the others.
        label_noise, corrupt, duplicates: shares of files under a wrong label, broken, and copied.

    Raises:
        InputError: a value is out of range.
    """

    seed: int
    count: int
    size: int
    channels: int
    weights: Mapping[str, float]
    label_noise: float
    corrupt: float
    duplicates: float

    def __post_init__(self) -> None:
        _require(1 <= self.count <= 1_000_000, "count", "1 to 1,000,000 faces", self.count)
        _require(8 <= self.size <= 1024, "size", "8 to 1024 pixels a side", self.size)
        _require(self.channels in (1, 3), "channels", "1 (gray) or 3 (colour)", self.channels)
        for name in ("label_noise", "corrupt", "duplicates"):
            _require(
                0 <= getattr(self, name) <= 0.3,
                name.replace("_", "-"),
                "a share between 0 and 0.3",
                getattr(self, name),
            )
        for label, weight in self.weights.items():
            if label not in LABELS:
                raise UnknownNameError("expression", label, LABELS)
            _require(
                0 <= weight < float("inf"),
                f"imbalance of {label}",
                "a number that isn't negative",
                weight,
            )
        _require(
            sum(weight > 0 for weight in self.weights.values()) >= 2,
            "imbalance",
            "at least two expressions",
            dict(self.weights),
        )

    @functools.cached_property
    def shares(self) -> tuple[float, ...]:
        """Share of each expression, in the order of LABELS; sums to 1."""
        total = sum(self.weights.values())
        return tuple(self.weights.get(label, 0.0) / total for label in LABELS)

    @functools.cached_property
    def identity(self) -> str:
        """Tells apart options, and versions of the drawing, that draw different pictures."""
        return digest(
            [
                faces.DRAWING_VERSION,
                self.seed,
                self.size,
                self.channels,
                list(self.shares),
                self.label_noise,
                self.corrupt,
                self.duplicates,
            ]
        )[:12]

    @functools.cached_property
    def starts(self) -> tuple[float, ...]:
        """Where the recurrences begin."""
        rng = random.Random(f"{self.seed}/starts")
        return tuple(rng.random() for _ in _STEPS)


@dataclass(frozen=True)
class Face:
    """One file of a night.

    Attributes:
        index: never used again for another face. version: how often it changed.
        expression: what is drawn. label: what the file says. original: the index whose picture a
            duplicate copies.
    """

    index: int
    version: int
    expression: str
    label: str
    flaw: Flaw
    split: Literal["train", "test"]
    original: int | None


def imbalance(text: str) -> dict[str, float]:
    """Weights from a name in IMBALANCES, or from text such as ``happy=3,disgust=0.5`` (others: 1).

    Raises:
        InputError: it is neither.
    """
    if text in IMBALANCES:
        return dict(IMBALANCES[text])
    if "=" not in text:
        raise UnknownNameError("imbalance", text, IMBALANCES)
    weights: dict[str, float] = dict.fromkeys(LABELS, 1.0)
    for part in text.split(","):
        label, _, number = part.partition("=")
        if label.strip() not in LABELS:
            raise UnknownNameError("expression", label.strip(), LABELS)
        try:
            weights[label.strip()] = float(number)
        except ValueError as error:
            raise InputError(
                "can't read the imbalance",
                expected="label=number",
                received=part,
                fix="write e.g. happy=3,disgust=0.5",
            ) from error
    return weights


def night(options: Options, number: int) -> list[Face]:
    """Return the faces of night ``number``, by index.

    Raises InputError where the number is negative.
    """
    _require(0 <= number <= 100_000, "night", "0 to 100,000", number)
    alive = dict.fromkeys(range(options.count), 0)
    coming = max(1, round(NEW * options.count))
    for tonight in range(1, number + 1):
        rng = random.Random(f"{options.seed}/night/{tonight}")
        gone, changed = round(GONE * len(alive)), round(CHANGED * len(alive))
        picked = rng.sample(list(alive), gone + changed)
        for index in picked[:gone]:
            del alive[index]
        for index in picked[gone:]:
            alive[index] += 1
        first = options.count + coming * (tonight - 1)
        alive.update(dict.fromkeys(range(first, first + coming), 0))
    return [_face(options, index, version) for index, version in alive.items()]


def recipe(options: Options, face: Face) -> str:
    """Two files with the same recipe have the same bytes."""
    return f"{options.identity}-{face.index}-{face.version}"


def pixels(options: Options, face: Face) -> faces.Pixels:
    """Return the picture, before any corruption.

    Gray and colour, small and large show the same faces.
    """
    index, version = (face.index, face.version) if face.original is None else (face.original, 0)
    return faces.draw(
        face.expression,
        random.Random(f"{options.seed}/face/{index}/{version}"),
        options.size,
        options.channels,
    )


def content(options: Options, face: Face) -> bytes:
    """Return the file's bytes: a PNG, or what is left of one."""
    if face.flaw != "corrupt":
        return faces.encode(pixels(options, face))
    way = random.Random(f"{options.seed}/corrupt/{face.index}/{face.version}").choice(
        ("truncated", "empty", "text")
    )
    if way == "empty":
        return b""
    if way == "text":
        return f"<html><body>404: face {face.index} not found</body></html>\n".encode()
    whole = faces.encode(pixels(options, face))
    return whole[: len(whole) * 2 // 5]


def _face(options: Options, index: int, version: int) -> Face:
    expression = LABELS[_pick(_spot(options, index, _LABEL), options.shares)]
    flaw = _flaw(options, index)
    label, original = expression, None
    if flaw == "mislabelled":
        others = [label for label in LABELS if label != expression]
        label = random.Random(f"{options.seed}/label/{index}").choice(others)
    elif flaw == "duplicate":
        original = _original(options, index, version)
    return Face(
        index,
        version,
        expression,
        label,
        flaw,
        "test" if _spot(options, index, _SPLIT) < TEST_SHARE else "train",
        original,
    )


def _flaw(options: Options, index: int) -> Flaw:
    kinds: tuple[Flaw, ...] = ("corrupt", "duplicate", "mislabelled", "none")
    shares = (
        options.corrupt,
        options.duplicates,
        options.label_noise,
        1 - options.corrupt - options.duplicates - options.label_noise,
    )
    return kinds[_pick(_spot(options, index, _FLAW), shares)]


def _original(options: Options, index: int, version: int) -> int | None:
    """Return an earlier, flawless face with the same expression.

    The very first faces may have none.
    """
    label = _pick(_spot(options, index, _LABEL), options.shares)
    skip = random.Random(f"{options.seed}/copy/{index}/{version}").randrange(200)
    for earlier in range(max(index - 1 - skip, 0), -1, -1):
        if (
            earlier != index
            and _pick(_spot(options, earlier, _LABEL), options.shares) == label
            and _flaw(options, earlier) == "none"
        ):
            return earlier
    return None


def _spot(options: Options, index: int, dimension: int) -> float:
    return (options.starts[dimension] + (index + 1) * _STEPS[dimension]) % 1.0


def _pick(spot: float, shares: tuple[float, ...]) -> int:
    """Which of the shares, laid end to end over [0, 1), holds the spot."""
    for place, share in enumerate(shares):
        if spot < share:
            return place
        spot -= share
    return max(place for place, share in enumerate(shares) if share > 0)


def _require(condition: bool, what: str, expected: str, received: object) -> None:
    if not condition:
        raise InputError(f"{what} is out of range", expected=expected, received=repr(received))
