"""Who is in the picture: the traits that stay the same whatever a face shows."""

from __future__ import annotations

import random
from dataclasses import dataclass

from pipelines.demo.scene import Colour, luminance, mix

_SKINS: tuple[Colour, ...] = (
    (250, 224, 200),
    (240, 200, 170),
    (224, 178, 140),
    (200, 150, 112),
    (172, 122, 86),
    (140, 94, 66),
    (108, 72, 52),
    (88, 60, 46),
)
_HAIRS: tuple[Colour, ...] = (
    (28, 22, 20),
    (52, 36, 28),
    (84, 56, 36),
    (122, 82, 46),
    (176, 132, 78),
    (214, 178, 112),
    (164, 72, 40),
    (172, 170, 168),
    (226, 224, 220),
)
_IRISES: tuple[Colour, ...] = (
    (48, 30, 22),
    (72, 46, 28),
    (60, 84, 56),
    (62, 96, 128),
    (40, 40, 44),
)
_CLOTHES: tuple[Colour, ...] = (
    (44, 62, 92),
    (130, 44, 48),
    (58, 98, 74),
    (206, 200, 188),
    (88, 80, 100),
    (34, 34, 38),
    (206, 158, 70),
)
HAIRCUTS = ("bald", "short", "side-parted", "fringe", "long", "curly", "bun")
BEARDS = ("none", "none", "none", "none", "stubble", "full", "moustache", "goatee")


@dataclass(frozen=True)
class Person:
    """Traits; lengths in units of half the head's height.

    Attributes:
        width: half the head's width. jaw: how wide the jaw is against the cheeks. chin: how
            pointed.
        eye_x, eye_y, eye_width, eye_height, slant: of the right eye (the left mirrors it).
        brow_y, brow_width, brow_arch; mouth_y, mouth_width, lip; nose_length, nose_width; ear; age:
        features. haircut, beard: names in HAIRCUTS and BEARDS. glasses: none, round or square.
    """

    width: float
    jaw: float
    chin: float
    eye_x: float
    eye_y: float
    eye_width: float
    eye_height: float
    slant: float
    brow_y: float
    brow_width: float
    brow_arch: float
    mouth_y: float
    mouth_width: float
    lip: float
    nose_length: float
    nose_width: float
    ear: float
    age: float
    skin: Colour
    hair: Colour
    brow: Colour
    iris: Colour
    clothes: Colour
    haircut: str
    beard: str
    glasses: str

    @property
    def shade(self) -> Colour:
        """Of creases: the skin in its own shadow."""
        return mix(self.skin, (40, 20, 14), 0.42)

    @property
    def lips(self) -> Colour:
        """Colour of the lips, from the skin's."""
        return mix(self.skin, (150, 44, 52), 0.5)


def anyone(rng: random.Random) -> Person:
    """Return a person whom nobody knows."""
    skin = mix(rng.choice(_SKINS), rng.choice(_SKINS), rng.uniform(0, 0.5))
    hair = mix(rng.choice(_HAIRS), rng.choice(_HAIRS), rng.uniform(0, 0.3))
    return Person(
        width=rng.uniform(0.70, 0.84),
        jaw=rng.uniform(0.76, 0.96),
        chin=rng.uniform(0.0, 1.0),
        eye_x=rng.uniform(0.31, 0.39),
        eye_y=rng.uniform(-0.16, -0.06),
        eye_width=rng.uniform(0.18, 0.225),
        eye_height=rng.uniform(0.095, 0.13),
        slant=rng.uniform(-0.025, 0.025),
        brow_y=rng.uniform(-0.25, -0.21),
        brow_width=rng.uniform(0.07, 0.115),
        brow_arch=rng.uniform(0.02, 0.07),
        mouth_y=rng.uniform(0.48, 0.56),
        mouth_width=rng.uniform(0.27, 0.34),
        lip=rng.uniform(0.05, 0.085),
        nose_length=rng.uniform(0.26, 0.36),
        nose_width=rng.uniform(0.10, 0.15),
        ear=rng.uniform(0.14, 0.2),
        age=rng.random(),
        skin=skin,
        hair=hair,
        brow=_apart(mix(hair, (20, 14, 12), 0.35), skin),
        iris=rng.choice(_IRISES),
        clothes=rng.choice(_CLOTHES),
        haircut=rng.choice(HAIRCUTS),
        beard=rng.choice(BEARDS),
        glasses=rng.choices(("none", "round", "square"), (0.8, 0.1, 0.1))[0],
    )


def _apart(colour: Colour, skin: Colour, least: int = 60) -> Colour:
    """Return the colour, or a darker or lighter one, so that brows are seen on the skin."""
    if abs(luminance(colour) - luminance(skin)) >= least:
        return colour
    return mix(skin, (12, 8, 8), 0.75) if luminance(skin) > 95 else mix(skin, (235, 225, 215), 0.5)
