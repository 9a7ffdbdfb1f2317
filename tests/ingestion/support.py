"""Small sources for tests.

Images, the files and archives that hold them, and a step run on them.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.ingestion.__main__ import STEPS
from components.ingestion.sources.layouts.layout import Layout, Refusal
from components.ingestion.sources.storage.storage import Place
from components.shared.artifacts.contract import Snapshot, read_marker
from components.shared.preset import Preset
from components.shared.run_plan import NightPlan
from components.shared.serialization import to_json
from components.shared.step.frame import main
from components.shared.store import keys as layout
from components.shared.store.disk import DiskStore
from tests.artifacts import pattern, png, small_preset
from tests.kfp_output import executor_input

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def face(label: str, seed: int) -> bytes:
    """A PNG that no other label and seed give."""
    return png(pattern(LABELS.index(label), np.random.default_rng([LABELS.index(label), seed])))


def class_folders(
    splits: tuple[str, ...] = ("train", "test"),
    labels: tuple[str, ...] = ("happy", "sad"),
    each: int = 4,
) -> dict[str, bytes]:
    """Path to content: ``split/class/image``, or ``class/image`` for the split ''."""
    return {
        f"{split}/{label}/{index}.png".lstrip("/"): face(label, 1000 * number + index)
        for number, split in enumerate(splits)
        for label in labels
        for index in range(each)
    }


def as_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder.mkdir(exist_ok=True)
    return folder


def as_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def csv_row(emotion: object, seed: int, usage: str = "Training", side: int = 16) -> str:
    label = pattern(
        int(str(emotion)) if str(emotion).isdigit() and int(str(emotion)) < 7 else 0,
        np.random.default_rng(seed),
        side,
    )
    return f"{emotion},{' '.join(str(level) for level in label.ravel())},{usage}"


@dataclass(frozen=True)
class Row:
    """A row of a source, read."""

    key: str
    label: str
    published_split: str
    fingerprint: str
    content: Any


def rows_read(layout: Layout, place: Place, scratch: Path) -> list[Row]:
    """Every row of a source, and what stands in it."""
    reading = layout.reading(place, scratch)
    usable = np.flatnonzero([reason == "" for reason in reading.rows["reason"].to_pylist()])
    numbered = reading.rows.append_column(
        "row", pa.array(range(len(reading.rows)), pa.int64())
    ).take(pa.array(usable))
    contents: dict[int, Any] = dict(
        zip(usable.tolist(), reading.reader.contents(place, numbered, 10**9), strict=True)
    )
    said = reading.rows.select(
        ["key", "label", "published_split", "fingerprint", "reason", "detail"]
    ).to_pylist()
    return [
        Row(
            row["key"],
            row["label"],
            row["published_split"],
            row["fingerprint"],
            contents.get(number, Refusal(row["reason"], row["detail"])),
        )
        for number, row in enumerate(said)
    ]


@dataclass
class Bench:
    """A store and a preset; `resolve` and `ingest` run the real steps as a command line does."""

    root: Path
    preset: Preset

    @property
    def preset_json(self) -> str:
        return to_json(self.preset)

    @property
    def store(self) -> DiskStore:
        return DiskStore(self.root / "store")

    def resolve(
        self,
        source: object,
        *,
        run: str = "r1",
        job: str = "",
        code: str = "c1",
        force: str = "False",
        compiled_for: str = "",
    ) -> int:
        return self._step(
            "resolve",
            run,
            "--job-id",
            job,
            "--source",
            str(source),
            "--code-version",
            code,
            "--force",
            force,
            "--compiled-for",
            compiled_for,
            "--preset-output",
            str(self.root / "out" / "preset"),
            "--work-output",
            str(self.root / "out" / "work"),
            "--plan-output",
            str(self.root / "out" / "plan"),
            "--run-output",
            str(self.root / "out" / "run"),
        )

    def ingest(self, source: object, *, run: str = "r1") -> int:
        code = self.resolve(source, run=run)
        given = [
            "--plan",
            self.output("plan"),
            "--examples",
            str(self.examples),
            "--executor-input",
            executor_input(self.root, "examples"),
        ]
        return code or self._step("ingest", run, *given)

    @property
    def examples(self) -> Path:
        return self.root / "examples"

    def output(self, name: str) -> str:
        return (self.root / "out" / name).read_text()

    def plan(self) -> NightPlan:
        from components.shared.serialization import from_json

        return from_json(NightPlan, self.store.read(layout.plan(self.output("plan"))) or b"")

    def findings(self, step: str = "ingest", run: str = "r1") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.store.read(layout.evidence(run, step)) or b"{}")[
            "findings"
        ]
        return found

    def rows(self) -> list[dict[str, Any]]:
        marker = read_marker(self.examples, "examples", Snapshot)
        return pa.concat_tables(
            [pq.read_table(self.examples / shard) for shard in marker.shards]
        ).to_pylist()

    def rejected(self) -> dict[str, str]:
        return {
            row["source_uri"]: row["reason"]
            for row in pq.read_table(self.examples / "rejected.parquet").to_pylist()
        }

    def _step(self, step: str, run: str, *arguments: str) -> int:
        frame = [
            "--run-id",
            run,
            "--store",
            str(self.root / "store"),
            "--preset",
            to_json(self.preset),
        ]
        return main("ingestion", STEPS, [step, *frame, *arguments])


def bench(root: Path, **policy: Any) -> Bench:
    preset = small_preset()
    return Bench(root, replace(preset, data=replace(preset.data, **policy)))
