"""A preset: everything that makes one retraining what it is, in one frozen value.

It travels as JSON through one pipeline parameter. Each step reads its own section and the data
section; nothing downstream declares again what stands here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.shared.preset.checks import require
from components.shared.preset.data import DataPolicy, ImageSpec
from components.shared.preset.gate import GatePolicy
from components.shared.preset.ingestion import IngestionPolicy
from components.shared.preset.retraining import RetrainPolicy
from components.shared.preset.serving import (
    PayloadPolicy,
    RolloutPolicy,
    ServingPolicy,
    ShadowPolicy,
)
from components.shared.preset.sources import Source, VotesPolicy
from components.shared.preset.training import (
    Augmentation,
    PretrainedWeights,
    ResamplingPolicy,
    Stage,
    TrainingPolicy,
)
from components.shared.preset.validation import ValidationPolicy

__all__ = [
    "Augmentation",
    "DataPolicy",
    "GatePolicy",
    "ImageSpec",
    "IngestionPolicy",
    "PayloadPolicy",
    "Preset",
    "PretrainedWeights",
    "ResamplingPolicy",
    "RetrainPolicy",
    "RolloutPolicy",
    "ServingPolicy",
    "ShadowPolicy",
    "Source",
    "Stage",
    "TrainingPolicy",
    "ValidationPolicy",
    "VotesPolicy",
]


@dataclass(frozen=True)
class Preset:
    """One retraining: data, rules, model, gate, serving.

    Attributes:
        name: of the preset.
        model_name: registry entry that its models compete for; presets with other labels or inputs
            never share one.
        summary: one line for people.
    """

    name: str
    model_name: str
    summary: str
    data: DataPolicy
    training: TrainingPolicy
    gate: GatePolicy
    validation: ValidationPolicy = ValidationPolicy()
    resampling: ResamplingPolicy = ResamplingPolicy()
    serving: ServingPolicy = ServingPolicy()
    retraining: RetrainPolicy = RetrainPolicy()
    ingestion: IngestionPolicy = IngestionPolicy()

    def __post_init__(self) -> None:
        for name in (self.name, self.model_name):
            require(
                re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", name) is not None,
                "name",
                "lower-case letters, digits and dashes",
                name,
            )
