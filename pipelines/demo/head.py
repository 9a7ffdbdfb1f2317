"""Everything around the features.

Shoulders, hair, ears, head, beard, glasses, and what gets in the way.
"""

from __future__ import annotations

import random

import numpy as np

from pipelines.demo.expressions import Action
from pipelines.demo.features import curve, ellipse, line
from pipelines.demo.people import Person
from pipelines.demo.scene import Colour, Points, Pose, Scene, luminance, mix

_ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)


def outline(person: Person, drop: float = 0.0) -> Points:
    """Return the head's contour; an open jaw lengthens it by ``drop``."""
    x, y = np.cos(_ANGLES), np.sin(_ANGLES)
    low = np.clip(y, 0, 1)
    width = person.width * (1 - (1 - person.jaw) * low - 0.12 * person.chin * low**3)
    full = np.sign(x) * np.abs(x) ** 0.85  # a superellipse: fuller than an egg
    return np.stack([full * width, y * (1 + drop * low)], axis=1)


def add_behind(scene: Scene, person: Person, act: Action) -> None:
    """Shoulders, neck, the hair behind the head, and ears; then the head itself."""
    drop = 0.06 * act(26) + 0.1 * act(27)
    body = np.concatenate(
        [curve((-1.7, 2.8), (-1.2, 1.2), (-0.2, 1.15)), curve((0.2, 1.15), (1.2, 1.2), (1.7, 2.8))]
    )
    scene.fill(body, person.clothes, -0.3)
    neck = line((-0.36, 0.6), (0.36, 0.6), (0.4, 1.22), (0.0, 1.36), (-0.4, 1.22))
    scene.fill(neck, mix(person.skin, person.shade, 0.55), -0.2)
    if person.haircut == "long":
        left, right = (
            curve((-0.95, 0.95), (-1.15, -1.2), (0, -1.2)),
            curve((0, -1.2), (1.15, -1.2), (0.95, 0.95)),
        )
        scene.fill(
            np.concatenate(
                [
                    left,
                    right,
                    curve((0.95, 0.95), (0.6, 1.08), (0.3, 0.9)),
                    curve((-0.3, 0.9), (-0.6, 1.08), (-0.95, 0.95)),
                ]
            ),
            person.hair,
            -0.2,
        )
    elif person.haircut == "curly":
        for angle in np.linspace(np.pi * 0.92, np.pi * 2.08, 9):
            scene.fill(
                ellipse(np.cos(angle) * person.width * 0.98, np.sin(angle) * 0.95, 0.3, 0.3),
                person.hair,
                -0.1,
            )
    elif person.haircut == "bun":
        scene.fill(ellipse(0, -1.13, 0.32, 0.28), person.hair, -0.2)
    for side in (-1, 1):
        scene.fill(
            ellipse(side * person.width * 1.02, 0.08, person.ear * 0.75, person.ear * 1.25),
            mix(person.skin, person.shade, 0.18),
            -0.05,
        )
    scene.fill(outline(person, drop), person.skin, 0.0)


def add_beard(scene: Scene, person: Person, act: Action) -> None:
    """Draw a beard, before the mouth."""
    drop = 0.06 * act(26) + 0.1 * act(27)
    colour = mix(person.hair, person.skin, 0.62 if person.beard == "stubble" else 0.15)
    if person.beard in ("full", "stubble"):
        jaw = outline(person, drop)
        jaw = jaw[(jaw[:, 1] > 0.22)]
        top = [(-0.5, 0.45), (-0.36, 0.36), (0.0, 0.33), (0.36, 0.36), (0.5, 0.45)]
        scene.fill(np.concatenate([jaw, line(*top)]), colour, 0.1)
    elif person.beard == "goatee":
        scene.fill(ellipse(0, 0.83 + 0.5 * drop, 0.2, 0.16), colour, 0.3)
    if person.beard in ("moustache", "goatee"):
        y = person.mouth_y - 0.1 - 0.05 * act(10)
        scene.stroke(
            curve((-0.32, y + 0.07), (0, y - 0.06), (0.32, y + 0.07)), 0.1, colour, taper=0.35
        )


def add_hair(scene: Scene, person: Person) -> None:
    """Draw the hair over the forehead."""
    w = person.width * 1.04
    over = np.linspace(np.pi, 2 * np.pi, 14)
    crown = np.stack(
        [np.sign(np.cos(over)) * np.abs(np.cos(over)) ** 0.85 * w, np.sin(over) * 1.06 - 0.02],
        axis=1,
    )
    lower = {
        "bald": None,
        "short": [
            (w * 0.96, -0.25),
            (w * 0.8, -0.55),
            (0.3, -0.72),
            (-0.3, -0.72),
            (-w * 0.8, -0.55),
            (-w * 0.96, -0.25),
        ],
        "side-parted": [
            (w, -0.1),
            (w * 0.78, -0.5),
            (0.25, -0.62),
            (-0.35, -0.8),
            (-w * 0.85, -0.45),
            (-w, -0.1),
        ],
        "fringe": [
            (w, 0.0),
            (w * 0.85, -0.45),
            (0.4, -0.52),
            (0, -0.56),
            (-0.4, -0.52),
            (-w * 0.85, -0.45),
            (-w, 0.0),
        ],
        "long": [
            (w, 0.3),
            (w * 0.95, -0.3),
            (0.1, -0.84),
            (-0.05, -0.84),
            (-w * 0.95, -0.3),
            (-w, 0.3),
        ],
        "curly": [
            (w * 0.9, -0.4),
            (0.45, -0.62),
            (0.2, -0.58),
            (0, -0.66),
            (-0.2, -0.58),
            (-0.45, -0.62),
            (-w * 0.9, -0.4),
        ],
        "bun": [
            (w * 0.98, -0.3),
            (w * 0.7, -0.66),
            (0, -0.78),
            (-w * 0.7, -0.66),
            (-w * 0.98, -0.3),
        ],
    }[person.haircut]
    if lower is not None:
        scene.fill(np.concatenate([crown, line(*lower)]), person.hair, 0.12)


def add_glasses(scene: Scene, person: Person) -> None:
    """Thin frames; the eyes stay visible."""
    if person.glasses == "none":
        return
    frame = (36, 32, 34) if person.age < 0.7 else (150, 120, 70)
    for side in (-1, 1):
        if person.glasses == "round":
            rim = ellipse(side * person.eye_x, person.eye_y + 0.02, 0.27, 0.23)
        else:
            x, y = side * person.eye_x, person.eye_y + 0.02
            rim = line(
                (x - 0.26, y - 0.18), (x + 0.26, y - 0.18), (x + 0.24, y + 0.2), (x - 0.24, y + 0.2)
            )
        scene.stroke(np.concatenate([rim, rim[:1]]), 0.045, frame, taper=1.0)
        scene.stroke(
            line(
                (side * (person.eye_x + 0.26), person.eye_y),
                (side * person.width, person.eye_y - 0.02),
            ),
            0.045,
            frame,
            taper=1.0,
        )
    scene.stroke(
        line((-person.eye_x + 0.26, person.eye_y), (person.eye_x - 0.26, person.eye_y)),
        0.045,
        frame,
        taper=1.0,
    )


def add_occlusion(scene: Scene, person: Person, rng: random.Random, share: float) -> None:
    """Something in front of the face in ``share`` of the pictures.

    A hand, a scarf or a lock of hair.
    """
    if rng.random() >= share:
        return
    side = rng.choice((-1, 1))
    kind = rng.choice(("hand", "scarf", "lock"))
    if kind == "hand":
        x, y = side * rng.uniform(0.5, 0.75), rng.uniform(0.3, 0.8)
        scene.fill(ellipse(x, y + 0.2, 0.27, 0.3), mix(person.skin, person.shade, 0.2), 0.6)
        for finger in range(4):
            start = (x - 0.2 + 0.13 * finger, y + 0.1)
            scene.stroke(
                line(start, (start[0], y - 0.2), (start[0] - side * 0.03, y - 0.34)),
                0.13,
                mix(person.skin, person.shade, 0.12 * finger),
                taper=0.8,
                depth=0.6,
            )
    elif kind == "scarf":
        y = rng.uniform(0.74, 0.9)
        wrap = np.concatenate(
            [
                curve((-0.9, y), (0, y + 0.2), (0.9, y)),
                curve((0.9, y), (1.15, y + 0.4), (0.7, y + 0.5)),
                curve((0.7, y + 0.5), (0, y + 0.7), (-0.7, y + 0.5)),
                curve((-0.7, y + 0.5), (-1.15, y + 0.4), (-0.9, y)),
            ]
        )
        scene.fill(wrap, mix(person.clothes, (250, 240, 230), 0.25), 0.1)
    else:
        scene.stroke(
            curve(
                (side * 0.1, -1.05),
                (side * 0.75, -0.6),
                (side * rng.uniform(0.55, 0.7), rng.uniform(0.1, 0.5)),
            ),
            0.22,
            person.hair,
            depth=0.5,
        )


def add_backdrop(scene: Scene, pose: Pose, person: Person, rng: random.Random) -> None:
    """Draw a wall in two tones, wherever the head is turned; its gray differs from the skin's."""
    x, y = (0.5 - pose.x) / pose.scale, (0.5 - pose.y) / pose.scale
    skin = luminance(person.skin)
    gray = (
        rng.uniform(40, skin - 30)
        if skin > 100 and rng.random() < skin / 255
        else rng.uniform(min(skin + 35, 225), 235)
    )
    first = _wall(gray, rng)
    second = mix(first, _wall(rng.uniform(30, 240), rng), 0.35)
    far = 6.0
    scene.fill(
        line((x - far, y - far), (x + far, y - far), (x + far, y + far), (x - far, y + far)),
        first,
        0.0,
    )
    left, right = x + rng.uniform(-1.5, 1.5), x + rng.uniform(-1.5, 1.5)
    scene.fill(
        line((left, y - far), (x + far, y - far), (x + far, y + far), (right, y + far)), second, 0.0
    )


def _wall(gray: float, rng: random.Random) -> Colour:
    """Return a quiet colour of about that gray."""
    red, green, blue = (min(255, max(0, round(gray + rng.uniform(-40, 40)))) for _ in range(3))
    return red, green, blue
