"""Brows, eyes, nose and mouth: what the facial actions move.

Each function adds outlines to a scene. The numbers next to an action unit are how far it moves a
feature at full strength, in units of half the head's height; they are larger than life, because a
face of 36 pixels has to be read.
"""

from __future__ import annotations

import numpy as np

from pipelines.demo.expressions import Action
from pipelines.demo.people import Person
from pipelines.demo.scene import Colour, Points, Scene, mix

_T = np.linspace(-1.0, 1.0, 11)
_ARC = 1 - _T**2
_ROUND = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_CIRCLE = np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1)
_BEZIER = np.array([((1 - t) ** 2, 2 * t * (1 - t), t**2) for t in np.linspace(0, 1, 8)])
_WHITE: Colour = (244, 242, 238)
_INK: Colour = (26, 18, 18)
_CAVITY: Colour = (58, 16, 20)
_TONGUE: Colour = (190, 84, 88)


def ellipse(x: float, y: float, width: float, height: float) -> Points:
    """Outline of an ellipse with half axes ``width`` and ``height``."""
    outline: Points = _CIRCLE * (width, height) + (x, y)
    return outline


def line(*corners: tuple[float, float]) -> Points:
    """Return a polyline."""
    return np.array(corners, dtype=np.float64)


def curve(
    start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float]
) -> Points:
    """Return a quadratic Bézier curve from ``start`` to ``end`` that is pulled towards ``bend``."""
    points: Points = _BEZIER @ np.array((start, bend, end))
    return points


def along(x: Points, y: Points) -> Points:
    """Return the line through the points ``(x, y)``."""
    return np.array((x, y)).T


def between(x: Points, top: Points, bottom: Points) -> Points:
    """Return the outline of what lies between two lines over the same ``x``."""
    return np.array((np.concatenate((x, x[::-1])), np.concatenate((top, bottom[::-1])))).T


def add_eye(
    scene: Scene, person: Person, act: Action, side: int, gaze: tuple[float, float]
) -> None:
    """Draw an eye with its lids.

    ``side`` is -1 or 1, ``gaze`` the iris' shift as a share of the eye.
    """
    grief = act(1) * act(4)
    upper = person.eye_height * max(
        0.2,
        1
        + 0.75 * act(5)
        - 0.5 * act(7)
        - 0.3 * act(6)
        - 0.35 * act(9)
        - 0.2 * act(4)
        - 0.35 * grief * (1 - act(5)),
    )
    lower = (
        person.eye_height
        * 0.7
        * max(0.1, 1 + 0.25 * act(5) - 0.75 * act(6) - 0.45 * act(7) - 0.4 * act(9))
    )
    slant = person.slant + 0.05 * grief * (1 - act(5)) - 0.02 * act(4)
    x = side * person.eye_x + person.eye_width * _T
    tilt = person.eye_y + slant * side * _T
    top, bottom = tilt - upper * _ARC, tilt + lower * _ARC
    scene.fill(between(x, top, bottom), _WHITE)
    centre_x = side * person.eye_x + gaze[0] * person.eye_width
    centre_y = person.eye_y + gaze[1] * person.eye_height - 0.01
    for radius, colour in ((0.105, person.iris), (0.05, _INK)):
        disc = ellipse(centre_x, centre_y, radius, radius)
        disc[:, 1] = np.clip(
            disc[:, 1], np.interp(disc[:, 0], x, top), np.interp(disc[:, 0], x, bottom)
        )
        scene.fill(disc, colour)
    scene.stroke(along(x, top), 0.055, _INK, taper=0.5)
    scene.stroke(along(x, bottom), 0.028, person.shade)
    if act(6) > 0.25:
        bag = along(x, tilt + 0.06 + (person.eye_height * 0.9) * _ARC)
        scene.stroke(bag, 0.04 * act(6), person.shade)


def add_brow(scene: Scene, person: Person, act: Action, side: int) -> None:
    """Draw a brow: its inner end follows units 1 and 4, its outer end 2."""
    base = person.eye_y + person.brow_y
    inner = base - 0.17 * act(1) + 0.16 * act(4) * (1 - 0.85 * min(1.0, act(1))) + 0.05 * act(9)
    outer = (
        base
        + 0.02
        - 0.15 * act(2)
        - 0.05 * act(4) * (1 - min(1.0, act(1)))
        + 0.09 * act(1) * (1 - act(2)) * act(4)
    )
    middle = (
        base
        - 2 * person.brow_arch
        - 0.12 * (act(1) + act(2))
        + 0.13 * act(4) * (1 - min(1.0, act(1)))
        + 0.03 * act(9)
    )
    near = person.eye_x - person.eye_width * 1.1 - 0.07 * act(4) + 0.01
    far = person.eye_x + person.eye_width * 1.25
    points = curve((side * near, inner), (side * (near + far) / 2, middle), (side * far, outer))
    scene.stroke(points, person.brow_width, person.brow, taper=0.45)
    if act(4) > 0.35 and act(1) < 0.4:
        x = side * max(0.03, near - 0.06)
        scene.stroke(
            line((x, inner - 0.05), (x, inner + 0.02), (x, inner + 0.07)),
            0.035 * act(4),
            person.shade,
        )
    if act(1) > 0.4:
        y = base - 0.36 - 0.04 * act(1)
        scene.stroke(
            curve((side * 0.02, y), (side * 0.2, y - 0.04 * act(2)), (side * 0.36, y + 0.05)),
            0.03 * act(1),
            person.shade,
        )


def add_nose(scene: Scene, person: Person, act: Action) -> None:
    """Draw a nose; unit 9 lifts its wings and wrinkles its bridge."""
    tip = person.eye_y + person.nose_length + 0.02 - 0.05 * act(9)
    width = person.nose_width * (1 + 0.25 * act(9) + 0.12 * act(12))
    scene.fill(ellipse(0, tip - 0.02, width * 0.75, 0.07), mix(person.skin, (255, 240, 225), 0.18))
    scene.stroke(
        curve((-width, tip - 0.03), (0, tip + 0.11), (width, tip - 0.03)),
        0.05,
        person.shade,
        taper=0.5,
    )
    scene.stroke(
        curve((0.05, person.eye_y + 0.02), (0.02, tip - 0.15), (0.06, tip - 0.08)),
        0.03,
        person.shade,
    )
    if act(9) > 0.3:
        for step in range(3):
            y = person.eye_y - 0.03 + 0.075 * step
            scene.stroke(
                curve((-0.12, y + 0.03), (0, y - 0.03), (0.12, y + 0.03)),
                0.045 * act(9),
                person.shade,
            )
    fold = max(act(9), act(10), 0.8 * act(12), 0.45 * person.age)
    if fold > 0.3:
        for side in (-1, 1):
            start = (side * (width + 0.03), tip - 0.06 * act(9))
            reach = person.mouth_width + 0.06 * act(12) + 0.04
            scene.stroke(
                curve(
                    start,
                    (side * (reach + 0.02), tip + 0.04),
                    (side * reach, person.mouth_y - 0.02),
                ),
                0.045 * fold,
                person.shade,
            )


def add_mouth(scene: Scene, person: Person, act: Action) -> None:
    """Draw a mouth: its corners follow units 12, 15 and 20, its lips 10, 16, 17, 23 to 27."""
    tight = min(1.0, 0.5 * act(23) + 0.6 * act(24))
    half = person.mouth_width * (
        1
        + 0.28 * act(12)
        + 0.32 * act(20)
        - 0.28 * act(24)
        - 0.3 * act(26) * (1 - act(12)) * (1 - act(20))
        - 0.38 * act(27)
    )
    corner = -0.17 * act(12) + 0.17 * act(15) + 0.05 * act(20) + 0.06 * act(10)
    open_ = (
        0.16 * act(25) * (1 + 0.3 * act(12))
        + 0.2 * act(26)
        + 0.36 * act(27)
        + 0.08 * act(16)
        - 0.1 * tight
    )
    open_ = max(0.0, open_ - 0.04)
    lift = 0.11 * act(10) + 0.06 * act(17) + 0.3 * open_ * (1 - act(12))
    square = min(1.0, act(20) + 0.7 * act(16))
    x = half * _T
    arc = _ARC + square * (_T**2 - _T**4)
    bow = person.mouth_y + corner * _T**2 + 0.05 * act(12)
    top = bow - lift * arc
    bottom = top + open_ * arc
    lip = person.lip * (1 - 0.75 * tight)
    upper = top - lip * 0.75 * arc**0.6 * (1 - 0.25 * np.exp(-((_T / 0.18) ** 2)))
    under = bottom + (lip * 1.05 + 0.05 * act(17)) * arc**0.6
    ring = between(x, upper, under)
    scene.fill(ring, person.lips)
    if open_ > 0.03:
        _add_cavity(scene, x, top, bottom, arc, open_, act)
    else:
        scene.stroke(
            along(x, (top + bottom) / 2),
            0.05 + 0.02 * tight,
            mix(person.lips, _INK, 0.75),
            taper=0.5,
        )
    if act(17) > 0.3:
        y = person.mouth_y + 0.21
        scene.stroke(
            curve((-0.13, y + 0.05), (0, y - 0.04), (0.13, y + 0.05)), 0.04 * act(17), person.shade
        )


def _add_cavity(
    scene: Scene, x: Points, top: Points, bottom: Points, arc: Points, open_: float, act: Action
) -> None:
    scene.fill(between(x, top, bottom), _CAVITY)
    if act(27) > 0.3 or act(26) > 0.3:
        middle = slice(2, 9)
        low = bottom[middle]
        scene.fill(between(x[middle], low - 0.35 * open_ * arc[middle], low), _TONGUE)
    teeth = min(0.55 * open_, 0.1) * arc
    if max(act(12), act(20), act(10)) > 0.2:
        scene.fill(between(x, top, top + teeth), _WHITE)
    if max(act(16), 0.8 * act(20)) > 0.3:
        scene.fill(between(x, bottom - 0.7 * teeth, bottom), _WHITE)
