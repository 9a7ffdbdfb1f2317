"""One value of every findings type, for round trips."""

from __future__ import annotations

from components.shared.findings import (
    Check,
    ClassScore,
    Comparison,
    DeployFindings,
    Duplicates,
    EvaluateFindings,
    Evidence,
    IngestFindings,
    RejectedImage,
    ResampleFindings,
    ResolveFindings,
    Rule,
    SamplePrediction,
    Scores,
    ServingFindings,
    ServingMeasurement,
    TrainFindings,
    ValidateFindings,
    Verdict,
)
from components.shared.run_plan import Listing, NightPlan, Pointer


def evidence_of_every_step() -> list[tuple[type, object]]:
    pointer = Pointer("0123456789ab", "run-1", "2026-01-01T00:00:00+00:00")
    plan = NightPlan(
        "new",
        "first night",
        "p",
        "c",
        "f",
        Listing("/data", "data-1", "class-folders", "d", 3, 99),
        None,
        pointer,
        None,
    )
    scores = Scores(
        "v",
        4,
        0.5,
        0.5,
        0.4,
        0.25,
        1.2,
        0.6,
        0.1,
        0.5,
        4,
        (ClassScore("angry", 0.5, 0.5, 0.5, 2),),
        ((1, 1), (0, 2)),
    )
    measurement = ServingMeasurement("v", 2.0, 3.1, 4.2, 300.0, 1000, 2000)
    values: list[object] = [
        ResolveFindings(plan, "digest", "{}"),
        IngestFindings(
            "s",
            "data-1",
            "class-folders",
            ("angry", "happy"),
            3,
            2,
            1,
            0,
            {"truncated": 1},
            {},
            (RejectedImage("a.png", "truncated", "cut"),),
            {"train": {"angry": 2}},
            {"": 2},
            Duplicates(2, 0, 0, 0, 0),
            100.0,
            "FnApiRunner",
            {"angry": ("data:image/png;base64,AA",)},
        ),
        ValidateFindings(
            "go",
            "s",
            (Rule("labels", "great-expectations", "critical", True, "7", "7", "fine"),),
            None,
            {"brightness": 0.01},
            {},
        ),
        ResampleFindings("oversample", {"angry": 1}, {"angry": 2}, {"angry": 1.0}),
        TrainFindings(
            "small-cnn",
            10,
            "CPU",
            7,
            4,
            2,
            {"loss": (1.0, 0.5)},
            2,
            (1,),
            900.0,
            1.1,
            0.1,
            0.05,
            1e-6,
            {"model.tflite": 10},
        ),
        EvaluateFindings(
            "s",
            ("angry", "happy"),
            scores,
            None,
            scores,
            Comparison(4, 1, 1, 1, 1),
            (SamplePrediction("e", "data:", "angry", "happy", (0.4, 0.6)),),
        ),
        ServingFindings(64, 0, 1e-7, measurement, measurement, "kserve 0.21"),
        Verdict(
            "blessed",
            "m",
            "v",
            None,
            None,
            ("good",),
            (Check("accuracy", 0.5, 0.4, "at-least", "pass", "fine", (0.4, 0.6), 100),),
        ),
        DeployFindings(
            "m", "v", pointer, None, pointer, "/store/models/m", "kind: InferenceService"
        ),
        Evidence(
            "train",
            "run-1",
            "failed",
            "2026-01-01T00:00:00+00:00",
            error="broke",
            environment={"python": "3.11"},
        ),
    ]
    return [(type(value), value) for value in values]
