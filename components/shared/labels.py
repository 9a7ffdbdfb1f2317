"""Taxonomies: ordered label sets, and which names in a source mean which label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.shared.errors import InputError, UnknownNameError


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
            raise InputError(
                "a taxonomy needs at least two different labels", received=", ".join(self.labels)
            )

    def label_of(self, name: str) -> str | None:
        """Return the label that a source's class name means, or None when its images are left out.

        Raises:
            UnknownNameError: the name is neither a label, an alias nor left out.
        """
        key = _key(name)
        if key in self.aliases:
            return self.aliases[key]
        if key in self.left_out:
            return None
        if key in self.labels:
            return key
        raise UnknownNameError("class", name, [*self.labels, *self.aliases, *self.left_out])

    def with_classes(self, classes: Mapping[str, str]) -> Taxonomy:
        """Return this taxonomy with the class names of one source.

        Each to a name known here, or to nothing to leave it out.

        Raises:
            UnknownNameError: a name that a class is said to mean isn't known.
        """
        meant = {
            _key(name): self.label_of(meaning) if meaning else None
            for name, meaning in classes.items()
        }
        used = {name: label for name, label in meant.items() if label is not None}
        aliases = {
            name: label
            for name, label in {**self.aliases, **used}.items()
            if name in used or name not in meant
        }
        return replace(
            self,
            aliases=aliases,
            left_out=(*self.left_out, *(name for name in meant if name not in used)),
        )


def _key(name: str) -> str:
    return name.strip().lower().replace(" ", "-").replace("_", "-")


# Other names that public data sets give to the eight emotions: FER+, AffectNet, CK+, KDEF, RAF-DB,
# and misspellings met there.
_NAMES = {
    "angry": ("anger",),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid", "scared"),
    "happy": ("happiness", "joy"),
    "neutral": ("neutrality",),
    "sad": ("sadness",),
    "surprise": ("surprised", "suprise"),
}
# What annotators answer when they name no emotion: FER+, AffectNet.
NO_EMOTION = ("unknown", "uncertain", "none", "not-a-face", "no-face", "nf", "non-face")

# The emotion column of FER2013's CSV (Goodfellow et al. 2013, "Challenges in Representation
# Learning").
FER2013_CODES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def _of_emotions(*labels: str, left_out: Sequence[str] = ()) -> Taxonomy:
    """Return some of the eight emotions as labels; the images of the others aren't used."""
    aliases = {name: label for label in labels for name in _NAMES[label]}
    others = [
        name
        for emotion, names in _NAMES.items()
        if emotion not in labels
        for name in (emotion, *names)
    ]
    return Taxonomy(labels, aliases, (*others, *NO_EMOTION, *left_out))


TAXONOMIES: dict[str, Taxonomy] = {
    "basic-7": _of_emotions("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    "basic-8": _of_emotions(
        "angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"
    ),
    "emotion-6": _of_emotions("angry", "disgust", "fear", "happy", "sad", "surprise"),
    "emotion-5": _of_emotions("happy", "angry", "neutral", "sad", "surprise", left_out=("ahegao",)),
    "happy-binary": Taxonomy(
        ("not-happy", "happy"),
        {
            **{
                name: "not-happy"
                for emotion, names in _NAMES.items()
                if emotion != "happy"
                for name in (emotion, *names)
            },
            **dict.fromkeys(_NAMES["happy"], "happy"),
            **dict.fromkeys(("nothappy", "unhappy", "non-happy", "not-smiling"), "not-happy"),
            "smiling": "happy",
        },
        NO_EMOTION,
    ),
}


def taxonomy(name: str) -> Taxonomy:
    """Return the taxonomy called ``name``. Raises UnknownNameError with the nearest name."""
    if name not in TAXONOMIES:
        raise UnknownNameError("taxonomy", name, TAXONOMIES)
    return TAXONOMIES[name]
