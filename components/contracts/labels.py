"""Taxonomies: ordered label sets, and which names in a source mean which label."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.contracts.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Taxonomy:
    """An ordered label set. The order is the order of a model's outputs.

    Attributes:
        labels: label names, in output order.
        aliases: other names found in sources, to the label that they mean.
        left_out: names found in sources whose images are not used.
    """

    labels: tuple[str, ...]
    aliases: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise InputError("a taxonomy needs at least two different labels", received=", ".join(self.labels))

    def label_of(self, name: str) -> str | None:
        """The label that a source's class name means, or None when its images are left out.

        Raises:
            UnknownNameError: the name is neither a label, an alias nor left out.
        """
        key = name.strip().lower().replace(" ", "-").replace("_", "-")
        if key in self.labels:
            return key
        if key in self.aliases:
            return self.aliases[key]
        if key in self.left_out:
            return None
        raise UnknownNameError("class", name, [*self.labels, *self.aliases, *self.left_out])


_ALIASES = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}

# The emotion column of FER2013's CSV (Goodfellow et al. 2013, "Challenges in Representation Learning").
FER2013_CODES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

TAXONOMIES: dict[str, Taxonomy] = {
    "basic-7": Taxonomy(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"), _ALIASES),
}


def taxonomy(name: str) -> Taxonomy:
    """The taxonomy called ``name``. Raises UnknownNameError with the nearest name."""
    if name not in TAXONOMIES:
        raise UnknownNameError("taxonomy", name, TAXONOMIES)
    return TAXONOMIES[name]
