"""The seven expressions as facial actions.

A face is not drawn "happy": it pulls its lip corners (12) and raises its cheeks (6). The numbers
are the action units of the Facial Action Coding System (Ekman & Friesen 1978, "Facial Action Coding
System"); which of them make up an emotion follows the prototypes and major variants of Ekman,
Friesen & Hager 2002, "Facial Action Coding System: Investigator's Guide", table 10-1.

      1 inner brow raiser     9 nose wrinkler         17 chin raiser      25 lips part
      2 outer brow raiser    10 upper lip raiser      20 lip stretcher    26 jaw drop
      4 brow lowerer         12 lip corner puller     23 lip tightener    27 mouth stretch
      5 upper lid raiser     15 lip corner depressor  24 lip pressor
      6 cheek raiser         16 lower lip depressor
      7 lid tightener
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from components.shared.errors import UnknownNameError

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 16, 17, 20, 23, 24, 25, 26, 27)

# Per expression, its variants: how often one is seen, and the units at full strength (0 to 1).
PROTOTYPES: dict[str, tuple[tuple[float, dict[int, float]], ...]] = {
    "angry": (
        (0.6, {4: 1.0, 5: 0.35, 7: 0.5, 23: 0.7, 24: 1.0, 17: 0.4}),
        (0.4, {4: 1.0, 5: 0.4, 7: 0.4, 10: 0.35, 16: 0.8, 25: 0.8, 20: 0.15}),
    ),
    "disgust": (
        (0.5, {9: 1.0, 4: 0.55, 7: 0.7, 10: 1.0, 15: 0.4, 17: 0.8}),
        (0.5, {9: 1.0, 4: 0.5, 7: 0.8, 10: 1.0, 16: 0.5, 25: 0.8, 15: 0.5}),
    ),
    "fear": (
        (0.6, {1: 1.0, 2: 0.45, 4: 0.6, 5: 0.9, 20: 1.0, 25: 0.8}),
        (0.4, {1: 1.0, 2: 0.5, 4: 0.55, 5: 1.0, 20: 0.9, 25: 0.6, 26: 0.45}),
    ),
    "happy": (
        (0.4, {6: 0.8, 12: 1.0}),
        (0.6, {6: 1.0, 12: 1.0, 25: 0.8, 26: 0.35}),
    ),
    "neutral": ((1.0, {}),),
    "sad": (
        (0.7, {1: 1.0, 4: 0.6, 15: 1.0, 17: 0.5}),
        (0.3, {1: 0.9, 4: 0.7, 15: 0.9, 7: 0.3, 25: 0.25}),
    ),
    "surprise": (
        (0.5, {1: 1.0, 2: 1.0, 5: 0.9, 25: 0.5, 26: 0.8}),
        (0.5, {1: 0.9, 2: 1.0, 5: 1.0, 25: 0.6, 27: 0.8}),
    ),
}


@dataclass(frozen=True)
class Action:
    """How strongly each unit acts, 0 (rest) to about 1 (full). A unit that isn't named rests."""

    strengths: dict[int, float]

    def __call__(self, unit: int) -> float:
        """Return how strong an action unit is, 0 to 1."""
        return self.strengths.get(unit, 0.0)


def act(label: str, rng: random.Random, weakest: float = 0.55) -> Action:
    """One way to show the expression ``label``.

    A variant, at a strength between ``weakest`` and full.

    Raises:
        UnknownNameError: no such expression.
    """
    if label not in PROTOTYPES:
        raise UnknownNameError("expression", label, PROTOTYPES)
    variants = PROTOTYPES[label]
    (units,) = rng.choices([units for _, units in variants], [share for share, _ in variants])
    whole = rng.uniform(weakest, 1.0)
    # Nobody's face is ever quite at rest: small actions that mean nothing lie under every
    # expression.
    strengths = {unit: rng.uniform(0.0, 0.12) for unit in rng.sample(UNITS[:15], 3)}
    for unit, full in units.items():
        strengths[unit] = full * whole * rng.uniform(0.85, 1.15)
    return Action(strengths)
