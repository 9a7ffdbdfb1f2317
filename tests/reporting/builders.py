"""Evidence of whole nights, built from the findings' own types: one builder per outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

from components.shared.findings import (
    Check,
    ClassSlice,
    DeployFindings,
    DoubtfulLabel,
    Duplicates,
    EvaluateFindings,
    Evidence,
    IngestFindings,
    LabelNoise,
    RegisterFindings,
    RejectedImage,
    ResampleFindings,
    ResolveFindings,
    Rule,
    ServingFindings,
    ServingMeasurement,
    TrainFindings,
    ValidateFindings,
    Verdict,
)
from components.shared.findings.evaluation import Looks, Resolution
from components.shared.preset import (
    DataPolicy,
    GatePolicy,
    ImageSpec,
    Preset,
    Stage,
    TrainingPolicy,
)
from components.shared.run_plan import Listing, NightPlan, Pointer
from components.shared.serialization import digest, to_json, to_pretty_json
from components.shared.step.preset_argument import store_preset
from components.shared.store import keys
from components.shared.store.disk import DiskStore
from tests.kfp_output import executor_input
from tests.reporting.faces import face
from tests.reporting.scored import LABELS, evaluation

RUN = "2026-11-21-night-3"
BEGAN = datetime(2026, 11, 21, 2, 0, tzinfo=timezone.utc)
SECONDS = {
    "resolve": 0.4,
    "ingest": 9.1,
    "validate": 7.8,
    "resample": 1.2,
    "train": 31.5,
    "evaluate": 3.3,
    "check-serving": 6.9,
    "gate": 0.3,
    "register": 0.4,
    "deploy": 0.4,
}
PRESET = Preset(
    name="synthetic-faces",
    model_name="faces",
    summary="Drawn faces, seven expressions, 48x48 gray",
    data=DataPolicy(taxonomy="basic-7", image=ImageSpec(48, 48, 1)),
    training=TrainingPolicy(
        architecture="small-cnn", stages=(Stage(epochs=8), Stage(epochs=4, optimizer="sgd"))
    ),
    gate=GatePolicy(min_accuracy=0.6, min_macro_f1=0.55, first_model="promote"),
)
CHAMPION = Pointer("5d0c1f8a77b2", "2026-11-20-night-2", "2026-11-20T02:01:10.000+00:00")
CHALLENGER = "9e41aa03c6d5"
LABEL_ROWS = tuple((label, 560 - 50 * index) for index, label in enumerate(LABELS))
NOT_INFERIOR = (
    "Not inferior to the champion: the difference lies above −1.75 points with 95% confidence."
)
FEAR = "Recall of fear is 13.0 points below the champion's, more than chance explains (p 0.001)."
ASKS = "No model is champion yet, and the preset asks a person to approve the first one."

Findings = dict[str, Any]


def resolve(
    champion: Pointer | None = CHAMPION, work: str = "new", uri: str = "data/faces.zip"
) -> ResolveFindings:
    reason = (
        "61 images are new, 12 changed and 40 are gone"
        if work == "new"
        else "the listing, the preset and the code are those of run night-2"
    )
    plan = NightPlan(
        work=work,
        reason=reason,
        preset_digest=digest(PRESET),
        code_version="c0de" * 16,
        fingerprint="f" * 64,  # type: ignore[arg-type]
        listing=Listing(uri, "faces-1a2b3c4d", "split/class/image", "1" * 64, 5410, 7_340_032),
        accepted_snapshot="a" * 64 if champion else None,
        champion=champion,
        anchor=champion,
    )
    return ResolveFindings(plan, digest(plan), to_json(PRESET))


@cache
def ingest() -> IngestFindings:
    counts = {
        split: {label: round(scale * (1 - 0.09 * index)) for index, label in enumerate(LABELS)}
        for split, scale in (("train", 560), ("validation", 76), ("test", 200))
    } | {"left-out": {"happy": 12, "neutral": 4, "contempt": 2}}
    accepted = sum(sum(per_label.values()) for per_label in counts.values())
    bad = [
        ("not-an-image", "none of JPEG, PNG, WEBP, BMP, GIF, TIFF, PPM"),
        ("truncated", "OSError: image file is truncated"),
        ("empty", "no bytes"),
    ]
    rejected = tuple(
        RejectedImage(f"train/{LABELS[i % 7]}/{i:05}.png", *bad[i % 3]) for i in range(14)
    )
    return IngestFindings(
        snapshot_id="b" * 64,
        source_id="faces-1a2b3c4d",
        layout="split/class/image",
        labels=LABELS,
        read=accepted + 14,
        accepted=accepted,
        rejected=14,
        left_out=18,
        reject_reasons={"not-an-image": 5, "truncated": 5, "empty": 4},
        left_out_reasons={"twin-in-test": 11, "conflicting-labels": 7},
        rejected_examples=rejected,
        counts=counts,
        published_counts={"train": accepted - 1022, "test": 1022},
        duplicates=Duplicates(accepted - 37, 31, 37, 11, 3),
        images_per_second=1240.0,
        runner="FnApiRunner, in process",
        thumbnails={
            label: tuple(face(i, 10 * i + j) for j in range(6)) for i, label in enumerate(LABELS)
        },
    )


def validate(decision: str = "go", compared: bool = True) -> ValidateFindings:
    beam, frame = "great-expectations", "tensorflow-data-validation"
    share = "61.2 %" if decision == "stop" else "19.4 %"
    rules = (
        Rule(
            "labels_known",
            beam,
            "critical",
            True,
            "7 labels",
            "the 7 of basic-7",
            "Every label is one of the taxonomy's.",
        ),
        Rule(
            "example_ids_unique",
            beam,
            "critical",
            True,
            "0 copies",
            "0",
            "Every row has an id of its own.",
        ),
        Rule(
            "splits_disjoint",
            beam,
            "critical",
            True,
            "0 groups",
            "0",
            "No content stands in training and in test.",
        ),
        Rule(
            "reject_rate",
            beam,
            "critical",
            True,
            "0.3 %",
            "≤ 3.0 %",
            "14 of 5,410 files were rejected.",
        ),
        Rule(
            "largest_class",
            beam,
            "critical",
            decision == "go",
            share,
            "≤ 60.0 %",
            f"Happy, the largest class, has {share} of the rows.",
        ),
        Rule(
            "sharpness_drift",
            frame,
            "warning",
            False,
            "0.118",
            "≤ 0.100",
            "Sharpness moved further from the last snapshot than it may.",
        ),
        Rule("schema", frame, "info", True, "no anomaly", "none", "All columns match the schema."),
    )
    rules += tuple(
        Rule(f"column_{name}", beam, "info", True, "0 rows", "none", f"Every row has a {name}.")
        for name in ("width", "height", "format")
    )
    drift = (
        {
            "label": 0.021,
            "brightness": 0.034,
            "contrast": 0.012,
            "sharpness": 0.118,
            "entropy": 0.009,
        }
        if compared
        else {}
    )
    skew = {
        "label": 0.011,
        "brightness": 0.004,
        "contrast": 0.006,
        "sharpness": 0.003,
        "entropy": 0.005,
    }
    measures = ("brightness", "contrast", "sharpness", "entropy")
    slices = tuple(
        ClassSlice(label, rows, dict.fromkeys(measures, 0.4), dict.fromkeys(measures, 0.1))
        for label, rows in LABEL_ROWS
    )
    doubtful = tuple(
        DoubtfulLabel(
            f"{i:064x}",
            f"train/happy/{i:05}.png",
            face(3, i),
            "train",
            "happy",
            LABELS[i % 7],
            0.02 + i / 200,
            0.93 - i / 100,
        )
        for i in range(12)
    )
    noise = LabelNoise(
        "a logistic regression on small pictures",
        2861,
        2861,
        0.412,
        0.194,
        {"happy": 61, "fear": 40},
        doubtful,
        "doubtful_labels.csv",
    )
    return ValidateFindings(
        decision,
        "b" * 64,
        rules,
        "a" * 64 if compared else None,
        drift,
        skew,
        slices,
        noise,
        "data_docs/index.html",  # type: ignore[arg-type]
    )


def resample() -> ResampleFindings:
    before = ingest().counts["train"]
    return ResampleFindings(
        "oversample",
        before,
        dict.fromkeys(before, max(before.values())),
        dict.fromkeys(before, 1.0),
    )


def train() -> TrainFindings:
    rise = [0.31, 0.55, 0.69, 0.78, 0.83, 0.86, 0.88, 0.89, 0.91, 0.92, 0.925, 0.93]
    held = [0.38, 0.61, 0.74, 0.81, 0.84, 0.87, 0.865, 0.88, 0.90, 0.915, 0.912, 0.91]
    history = {
        "accuracy": tuple(rise),
        "loss": tuple(2 * (1 - x) + 0.1 for x in rise),
        "val_accuracy": tuple(held),
        "val_loss": tuple(1.9 * (1 - x) + 0.12 for x in held),
        "learning_rate": (0.002,) * 12,
        "seconds": (2.6,) * 12,
    }
    return TrainFindings(
        architecture="small-cnn",
        parameters=93_831,
        device="2 CPU cores",
        seed=7,
        train_rows=2861,
        validation_rows=388,
        history=history,
        best_epoch=10,
        stages=(1, 9),
        images_per_second=3120.0,
        temperature=1.31,
        ece_before=0.061,
        ece_after=0.018,
        export_difference=2.4e-6,
        file_bytes={"model.tflite": 381_204, "model.keras": 1_174_330, "saved_model": 498_112},
    )


def evaluate(champion: Pointer | None = CHAMPION, gain: float = 0.03) -> EvaluateFindings:
    return evaluation(CHALLENGER, champion.version if champion else None, gain)


def serving(champion: Pointer | None = CHAMPION) -> ServingFindings:
    mine = ServingMeasurement(CHALLENGER, 1.9, 2.3, 3.8, 402.0, 118_000_000, 381_204)
    theirs = (
        ServingMeasurement(champion.version, 1.9, 2.4, 4.1, 396.0, 118_400_000, 381_204)
        if champion
        else None
    )
    return ServingFindings(
        64,
        0,
        3.1e-7,
        mine,
        theirs,
        "kserve 0.21, ai-edge-litert 2.1",
        *((0.93, (0.88, 1.02)) if champion else ()),
    )


def gate(word: str = "blessed", champion: Pointer | None = CHAMPION) -> Verdict:
    """A verdict with a check of every family; on ``rejected`` the recall of fear fails."""
    found = evaluate(champion)
    accuracy, rows = found.challenger.accuracy, found.challenger.rows
    floors = f"Accuracy is {accuracy:.1%}; at least 60.0% is required."
    checks = [
        Check("accuracy", accuracy, 0.6, "at-least", "pass", floors, (0.76, 0.81), rows, "floors"),
        Check(
            "macro_f1",
            found.challenger.macro_f1,
            0.55,
            "at-least",
            "pass",
            "Macro F1 clears its floor.",
            (),
            rows,
            "floors",
        ),
        Check(
            "model_bytes",
            381_204,
            50_000_000,
            "at-most",
            "pass",
            "The served file has 0.4 MB.",
            family="operations",
        ),
        Check(
            "golden_difference",
            3.1e-7,
            1e-4,
            "at-most",
            "pass",
            "Served as evaluated.",
            (),
            64,
            "operations",
        ),
    ]
    if champion:
        gain, harm = (
            accuracy - (found.champion.accuracy if found.champion else 0),
            "fail" if word == "rejected" else "pass",
        )
        checks += [
            Check(
                "not inferior",
                gain,
                -0.0175,
                "at-least",
                "pass",
                NOT_INFERIOR,
                (gain - 0.02, 1.0),
                rows,
                "non-inferiority",
            ),
            Check(
                "better",
                0.02,
                0.0,
                "at-least",
                "note",
                "Better isn't shown.",
                (),
                rows,
                "superiority",
                0.08,
                0.03,
            ),
            Check(
                "recall of fear",
                -0.13,
                0.0,
                "at-least",
                harm,
                FEAR,
                (-0.19, -0.07),
                168,
                "harm",
                0.001,
                0.007,
            ),  # type: ignore[arg-type]
            Check(
                "recall of disgust",
                -0.02,
                0.0,
                "at-least",
                "insufficient",
                "52 rows are too few to judge.",
                (),
                52,
                "harm",
            ),
        ]
    reasons = {
        "blessed": (NOT_INFERIOR,) if champion else ("First model: all floors are cleared.",),
        "rejected": (FEAR,),
        "needs-approval": (ASKS,),
    }
    version = champion.version if champion else None
    return Verdict(
        word,
        "faces",
        CHALLENGER,
        version,
        version,
        reasons[word],
        tuple(checks),  # type: ignore[arg-type]
        deciding=("recall of fear",) if word == "rejected" else (),
        resolution=Resolution(rows, 0.0175, 0.134, 0.8, 0.0285, 2704) if champion else None,
        looks=(
            Looks(
                "7" * 64,
                12,
                10,
                0.0003,
                "The test rows were looked at 12 times: gather fresh ones.",
            )
            if champion
            else None
        ),
        policy_digest="9" * 64,
    )


def deploy(champion: Pointer | None = CHAMPION) -> DeployFindings:
    now = Pointer(CHALLENGER, RUN, "2026-11-21T02:01:12.000+00:00")
    manifest = "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\n"
    return DeployFindings(
        "faces",
        CHALLENGER,
        now,
        champion,
        champion or now,
        f"gs://bucket/models/faces/versions/{CHALLENGER}",
        manifest,
    )


def blessed(champion: Pointer | None = CHAMPION) -> Findings:
    """Findings of every step of a night that ends with a promotion."""
    return {
        "resolve": resolve(champion),
        "ingest": ingest(),
        "validate": validate(compared=champion is not None),
        "resample": resample(),
        "train": train(),
        "evaluate": evaluate(champion),
        "check-serving": serving(champion),
        "gate": gate("blessed", champion),
        "deploy": deploy(champion),
    }


def judged(word: str) -> Findings:
    night = blessed(None if word == "needs-approval" else CHAMPION)
    del night["deploy"]
    asked: Findings = {
        "register": RegisterFindings("faces", CHALLENGER, "gs://bucket/models/faces/versions/x")
    }
    return (
        night
        | {"gate": gate(word, None if word == "needs-approval" else CHAMPION)}
        | (asked if word == "needs-approval" else {})
    )


def stopped() -> Findings:
    return {"resolve": resolve(), "ingest": ingest(), "validate": validate("stop")}


def nothing_new() -> Findings:
    return {"resolve": resolve(work="nothing-new")}


def evidence(findings: Findings, run_id: str = RUN, began: datetime = BEGAN) -> dict[str, Evidence]:
    """Evidence of steps that succeeded, one after the other."""
    found: dict[str, Evidence] = {}
    at = began
    for step, value in findings.items():
        seconds = SECONDS[step]
        end = at + timedelta(seconds=seconds)
        found[step] = Evidence(
            step,
            run_id,
            "succeeded",
            stamp(at),
            stamp(end),
            seconds,
            findings=to_plain(value),
            environment={"python": "3.11.2", "image": "emotion"},
        )
        at = end + timedelta(seconds=1.4)
    return found


def broken(
    found: dict[str, Evidence], step: str, status: str, error: str = ""
) -> dict[str, Evidence]:
    """The same night, broken off at ``step``."""
    steps = list(found)
    kept = {name: value for name, value in found.items() if steps.index(name) < steps.index(step)}
    changed = replace(found[step], status=status, error=error, findings={})  # type: ignore[arg-type]
    if status == "running":
        changed = replace(changed, finished_at="", seconds=0.0)
    return kept | {step: changed}


def every_night() -> dict[str, dict[str, Evidence]]:
    """One night per way to end, by name."""
    whole = evidence(blessed())
    error = (
        "the source has no images; expected folders of images named like classes; to fix it: check"
        " the path."
    )
    return {
        "blessed": whole,
        "first": evidence(blessed(None)),
        "rejected": evidence(judged("rejected")),
        "needs-approval": evidence(judged("needs-approval")),
        "stopped": evidence(stopped()),
        "nothing-new": evidence(nothing_new()),
        "failed": broken(whole, "ingest", "failed", error),
        "killed": broken(whole, "train", "running"),
    }


def evidence_of(name: str, run_id: str, began: datetime) -> dict[str, Evidence]:
    """One of `every_night`, as another run that began at another time."""
    moved = began - BEGAN
    return {step: _moved(value, run_id, moved) for step, value in every_night()[name].items()}


def _moved(value: Evidence, run_id: str, by: timedelta) -> Evidence:
    times = {name: getattr(value, name) for name in ("started_at", "finished_at")}
    later = {name: stamp(datetime.fromisoformat(text) + by) for name, text in times.items() if text}
    return replace(value, run_id=run_id, **later)


def write(store: DiskStore, night: dict[str, Evidence], run_id: str = RUN) -> None:
    for step, value in night.items():
        store.write(keys.evidence(run_id, step), to_pretty_json(value).encode())
    store_preset(store, run_id, PRESET)


def arguments(store: Path, page: Path, run_id: str = RUN, status: str = "") -> list[str]:
    """The command line that component.py writes."""
    return [
        "report",
        "--store",
        str(store),
        "--run-id",
        run_id,
        "--job-id",
        "job-1",
        "--status",
        status,
        "--page",
        str(page),
        "--executor-input",
        executor_input(page.parent, "page"),
    ]


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def to_plain(value: Any) -> dict[str, Any]:
    import json

    plain: dict[str, Any] = json.loads(to_json(value))
    return plain
