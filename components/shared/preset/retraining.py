"""When a night is worth training."""

from __future__ import annotations

from dataclasses import dataclass

from components.shared.preset.checks import require


@dataclass(frozen=True)
class RetrainPolicy:
    """What makes resolve say that there is work.

    Any one of these is enough; a first run and what people decided about single pictures always
    are.

    What is less than these say isn't lost: it counts from the last judged night on, until it is
    enough.

    Attributes:
        changed_objects: so many objects came, changed or went. None: only the share counts.
        changed_share: the same, as a share of the objects that the last judged night met. None:
            only the count counts.
        drift: `emotion drift` found that what is served differs from what the champion was trained
            on.
        champion_age_days: the champion has stood so long, and no night was judged in that time.
            None: age doesn't count.
        code, preset: the code that the steps run, or the preset, isn't that of the last judged
            night.
    """

    changed_objects: int | None = 1
    changed_share: float | None = None
    drift: bool = True
    champion_age_days: float | None = None
    code: bool = True
    preset: bool = True

    def __post_init__(self) -> None:
        counted = self.changed_objects
        require(
            counted is None or counted >= 1,
            "retraining.changed_objects",
            "1 or more, or none",
            counted,
        )
        share = self.changed_share
        require(
            share is None or 0 < share <= 1,
            "retraining.changed_share",
            "above 0, to 1, or none",
            share,
        )
        age = self.champion_age_days
        require(age is None or age > 0, "retraining.champion_age_days", "above 0, or none", age)
