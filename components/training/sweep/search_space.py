"""What a sweep varies: ranges of the training policy's fields, in words and as values.

Needs neither Keras nor Optuna.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

from components.shared.errors import EmotionError, InputError, UnknownNameError
from components.shared.preset import Preset, Stage, TrainingPolicy
from components.shared.serialization import from_plain, plain

Value = str | int | float | bool
# A range over at least so many times its smallest value is drawn on a logarithmic scale.
LOGARITHMIC_FROM = 10


@dataclass(frozen=True)
class Range:
    """One field of the training policy and what it may be.

    Attributes:
        name: as it was given. path: where it stands in the policy's JSON.
        choices: these values alone; empty where low and high bound it.
        whole: whole numbers only.
    """

    name: str
    path: tuple[str | int, ...]
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False

    @property
    def logarithmic(self) -> bool:
        """Whether values are drawn evenly on a logarithmic scale."""
        return not self.choices and self.low > 0 and self.high / self.low >= LOGARITHMIC_FROM


def range_of(text: str, preset: Preset) -> Range:
    """Read ``field=0.01..0.3`` or ``field=32,64,128``.

    A field is one of the policy (batch_size), of its first stage (learning_rate), or a dotted name:
    stages.1.learning_rate, augmentation.mixup.

    Raises:
        UnknownNameError: no such field. InputError: the values can't be read, or the preset refuses
            them.
    """
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise InputError(
            "a range of the sweep can't be read",
            expected="FIELD=LOW..HIGH or FIELD=VALUE,VALUE",
            received=text,
        )
    path = _path(name, preset)
    low, dots, high = values.partition("..")
    if not dots:
        found = Range(name, path, tuple(dict.fromkeys(_value(part) for part in values.split(","))))
    else:
        ends = [
            end
            for end in (_value(low), _value(high))
            if isinstance(end, (int, float)) and not isinstance(end, bool)
        ]
        if len(ends) < 2 or not ends[0] < ends[1]:
            raise InputError(
                f"the range of {name} can't be read",
                expected="two rising numbers, such as 0.01..0.3",
                received=values,
            )
        found = Range(
            name,
            path,
            (),
            float(ends[0]),
            float(ends[1]),
            all(isinstance(end, int) for end in ends),
        )
    for value in found.choices or (
        (int(found.low), int(found.high)) if found.whole else (found.low, found.high)
    ):
        varied(preset, {found: value})
    return found


def varied(preset: Preset, values: dict[Range, Value]) -> Preset:
    """Return the preset with these values in its training policy.

    Raises InputError where it refuses one.
    """
    policy = copy.deepcopy(plain(preset.training))
    for each, value in values.items():
        place = policy
        for step in each.path[:-1]:
            place = place[step]
        # JSON tells 1 from 1.0: a whole number may stand where a fraction is meant.
        place[each.path[-1]] = (
            float(value)
            if isinstance(place[each.path[-1]], float) and isinstance(value, int)
            else value
        )
    try:
        return replace(preset, training=from_plain(TrainingPolicy, policy, "training"))
    except EmotionError as error:
        words = ", ".join(f"{each.name}={value}" for each, value in values.items())
        raise InputError(f"the preset {preset.name} can't have {words}: {error}") from error


def _path(name: str, preset: Preset) -> tuple[str | int, ...]:
    policy = plain(preset.training)
    shorthand = [("stages", 0, name), (name,)]
    dotted = tuple(int(part) if part.isdigit() else part for part in name.split("."))
    for path in (*shorthand, dotted):
        if _holds_value(policy, path):
            return path
    fields = [
        *plain(Stage(1)),
        *(key for key, value in policy.items() if not isinstance(value, (dict, list))),
    ]
    raise UnknownNameError("field to vary", name, fields)


def _holds_value(place: Any, path: tuple[str | int, ...]) -> bool:
    for step in path:
        try:
            place = place[step]
        except (KeyError, IndexError, TypeError):
            return False
    return place is not None and not isinstance(place, (dict, list))


def _value(text: str) -> Value:
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return text
