"""Golden images of a model artifact: test images as received, and what the served file answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components.shared.errors import ContractError

FOLDER = "golden"
EXPECTED = "expected.json"


@dataclass(frozen=True)
class GoldenImage:
    """A test image as received, and the probabilities that the exported file gave for it."""

    name: str
    image: bytes
    expected: tuple[float, ...]


def read_golden(model: Path) -> tuple[GoldenImage, ...]:
    """Return the golden images of a model artifact, by name.

    Raises:
        ContractError: expected.json is missing or damaged, or names an image that isn't there.
    """
    folder = model / FOLDER
    try:
        expected = json.loads((folder / EXPECTED).read_bytes())
        return tuple(
            GoldenImage(name, (folder / Path(name).name).read_bytes(), tuple(map(float, values)))
            for name, values in sorted(expected.items())
        )
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ContractError(
            f"the golden images of {model} can't be read ({error})",
            expected=f"{FOLDER}/{EXPECTED}: {{file name: [probability, ...]}}",
            fix="train again",
        ) from error
