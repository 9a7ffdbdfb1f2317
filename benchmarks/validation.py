"""Validation must stay quick on a set like FER2013 and small on a million rows, the label-noise report included.

    make bench NAME=validation

Generates examples artifacts in the layout that ingestion writes (files of 20,000 rows, row groups
of 2,000, 48x48 JPEG pictures as in FER2013), then runs the step as the pipeline does: TensorFlow
Data Validation in one process, Great Expectations and the label-noise report in another. Of the
time, what importing the libraries side by side takes is told apart. Memory is that of both
processes together (proportional set size, so that shared pages count once), ten times a second. The
pictures come from a pool of 3,500, since no rule compares pictures with ids. The bounds stand in
place of a peer's figures. About four minutes and 3 GB of disk on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venvs" / "validation" / "bin" / "python"
LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SECONDS_AT, MOST_SECONDS = 32_298, 25.0
BYTES_AT, MOST_BYTES = 1_000_000, 3 * 2**30
POOL_PER_LABEL, SHARD_ROWS, GROUP_ROWS = 500, 20_000, 2_000
IMPORTS = ("components.validation.distributions.statistics", "components.validation.judge")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=int, help="measure one artifact of this size only, without bars"
    )
    parser.add_argument(
        "--write", type=Path, help=argparse.SUPPRESS
    )  # this file again, in the validation environment
    arguments = parser.parse_args()
    if arguments.write:
        write_examples(arguments.write, arguments.rows)
        return 0
    imports = import_seconds()
    print(f"{'importing the libraries, side by side':48} {imports:8.1f} s", flush=True)
    if arguments.rows:
        measure(arguments.rows, imports)
        return 0
    seconds, _ = measure(SECONDS_AT, imports)
    _, peak = measure(BYTES_AT, imports)
    figures = [
        figure(f"seconds for {SECONDS_AT:,} rows beyond imports", round(seconds, 1), MOST_SECONDS),
        figure(f"bytes at peak for {BYTES_AT:,} rows", peak, MOST_BYTES),
    ]
    print(json.dumps({"name": "validation", "figures": figures}))
    return 0 if all(each["met"] for each in figures) else 1


def figure(what: str, ours: float, bound: float) -> dict[str, object]:
    """One claim; ``ratio`` to the bound is at most 1."""
    return {
        "what": what,
        "ours": ours,
        "peer": bound,
        "ratio": round(ours / bound, 3),
        "bar": 1.0,
        "met": ours <= bound,
    }


def import_seconds() -> float:
    """What importing takes in two processes at once, as the step does it.

    The second time, so that the disk doesn't count.
    """
    for _ in range(2):
        began = time.monotonic()
        processes = [
            subprocess.Popen([PYTHON, "-W", "ignore", "-c", f"import {name}"], **_quiet())
            for name in IMPORTS
        ]
        if any(process.wait() for process in processes):
            raise SystemExit("the libraries of validation can't be imported; try `make install`")
        seconds = time.monotonic() - began
    return seconds


def measure(rows: int, imports: float) -> tuple[float, int]:
    """Seconds of the step beyond imports, and bytes at its peak, on a generated artifact of ``rows`` rows that must pass."""
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        folder = Path(scratch)
        subprocess.run(
            [PYTHON, __file__, "--write", folder / "examples", "--rows", str(rows)],
            check=True,
            cwd=ROOT,
            env=_environment(),
        )
        step = [PYTHON, "-m", "components.validation", "validate", *_arguments(folder)]
        began, peak, used = time.monotonic(), 0, cpu_seconds()
        with (
            open(folder / "log", "w") as log,
            subprocess.Popen(step, cwd=ROOT, env=_environment(), stdout=log, stderr=log) as process,
        ):
            while process.poll() is None:
                peak = max(peak, tree_bytes(process.pid))
                time.sleep(0.1)
        seconds, used = time.monotonic() - began, cpu_seconds() - used
        if process.returncode:
            raise SystemExit((folder / "log").read_text())
        told = next(
            (
                line
                for line in (folder / "log").read_text().splitlines()
                if re.match(r"(go|stop): ", line)
            ),
            "",
        )
        beyond = f"{seconds - imports:.1f} s beyond imports, {used:.1f} s of CPU"
        print(
            f"{f'{rows:,} rows':48} {seconds:8.1f} s, {beyond}; {peak / 2**30:.2f} GiB; {told}",
            flush=True,
        )
    return seconds - imports, peak


def cpu_seconds() -> float:
    """What all processes that this one waited for have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def tree_bytes(pid: int) -> int:
    """Proportional set size of a process and everything below it."""
    total = 0
    try:
        found = re.search(
            r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE
        )
        total = int(found[1]) * 1024 if found else 0
        children = [
            int(word)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for word in (task / "children").read_text().split()
        ]
    except OSError:  # it ended meanwhile
        return total
    return total + sum(tree_bytes(child) for child in children)


def write_examples(folder: Path, rows: int) -> None:
    """An examples artifact, and beside it the preset and a store with a plan.

    Runs in the validation environment.
    """
    import hashlib

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from components.shared.artifacts import contract
    from components.shared.artifacts.contract import (
        EXAMPLE_COLUMNS,
        EXAMPLES_VERSION,
        REJECTED_COLUMNS,
        Snapshot,
    )
    from components.shared.run_plan import Listing, NightPlan
    from components.shared.serialization import digest, to_json
    from components.shared.store import keys
    from components.shared.store.interface import open_store
    from pipelines.presets.fer2013_cnn import FER2013_CNN

    rng = np.random.default_rng(7)
    pool = [[_picture(index, rng) for _ in range(POOL_PER_LABEL)] for index in range(len(LABELS))]
    kinds = {"list<float>": pa.list_(pa.float32())}
    schema = pa.schema(
        [
            (name, kinds.get(kind) or pa.type_for_alias(kind))
            for name, kind in EXAMPLE_COLUMNS.items()
        ]
    )
    contract.start(folder)
    shards, counts = [], {}
    names = [
        f"images-{index:05}-of-{-(-rows // SHARD_ROWS):05}.parquet"
        for index in range(-(-rows // SHARD_ROWS))
    ]
    for number, shard in enumerate(names):
        ids = range(number * SHARD_ROWS, min(rows, (number + 1) * SHARD_ROWS))
        labels, splits = (
            rng.integers(0, len(LABELS), len(ids)),
            rng.choice(["train", "validation", "test"], len(ids), p=[0.8, 0.09, 0.11]),
        )
        pictures = rng.integers(0, POOL_PER_LABEL, len(ids))
        content = [hashlib.sha256(f"content {index}".encode()).hexdigest() for index in ids]
        words = {
            "example_id": [
                hashlib.sha256(f"example {index}".encode()).hexdigest() for index in ids
            ],
            "content_id": content,
            "group_id": content,
            "image": [
                pool[label][picture] for label, picture in zip(labels, pictures, strict=True)
            ],
            "label": [LABELS[label] for label in labels],
            "label_distribution": [[]] * len(ids),
            "split": list(splits),
            "published_split": list(splits),
            "source_uri": [
                f"{split}/{LABELS[label]}/picture-{index:08}.png"
                for index, label, split in zip(ids, labels, splits, strict=True)
            ],
            "format": ["JPEG"] * len(ids),
            "perceptual_hash": [text[:16] for text in content],
            **dict.fromkeys(("note", "source"), [""] * len(ids)),
        }
        sizes = {
            name: np.full(len(ids), size, np.int32)
            for name, size in {"width": 48, "height": 48, "channels": 1}.items()
        }
        # Mean and deviation. The entropy of 8-bit levels is at most 8, six deviations away.
        measures = {
            "brightness": (127.0, 10.0),
            "contrast": (50.0, 4.0),
            "sharpness": (1200.0, 100.0),
            "entropy": (6.8, 0.2),
        }
        measured = {
            name: rng.normal(*about, len(ids)).astype(np.float32)
            for name, about in measures.items()
        }
        table = pa.Table.from_pydict(
            {name: {**words, **sizes, **measured}[name] for name in schema.names}, schema=schema
        )
        alike = ["label", "split", "published_split", "note", "source", "format", *sizes]
        pq.write_table(
            table,
            folder / shard,
            version="2.6",
            compression="NONE",
            row_group_size=GROUP_ROWS,
            use_dictionary=alike,
        )
        shards.append(shard)
        for split, label in zip(splits, labels, strict=True):
            counts.setdefault(str(split), {}).setdefault(LABELS[label], 0)
            counts[str(split)][LABELS[label]] += 1
    pq.write_table(
        pa.table({name: pa.array([], pa.string()) for name in REJECTED_COLUMNS}),
        folder / "rejected.parquet",
    )
    identity = hashlib.sha256(str(rows).encode()).hexdigest()
    contract.finish(
        folder,
        "examples",
        Snapshot(EXAMPLES_VERSION, identity, "bench", LABELS, counts, rows, 0, tuple(shards)),
    )
    store = open_store(str(folder.parent / "store"))
    plan = NightPlan(
        "new",
        "for a benchmark",
        "p",
        "c",
        "f",
        Listing("bench", "bench", "class-folders", "d", 1, 1),
    )
    store.write(keys.plan(digest(plan)), to_json(plan).encode())
    (folder.parent / "preset.json").write_text(to_json(FER2013_CNN))
    (folder.parent / "plan").write_text(digest(plan))


def _picture(label: int, rng: np.random.Generator) -> bytes:
    """A noisy JPEG whose bright stripe tells its label."""
    import io

    import numpy as np
    from PIL import Image

    pixels = rng.normal(90, 20, (48, 48))
    pixels[6 * label : 6 * label + 6] += 60
    stream = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def _arguments(folder: Path) -> list[str]:
    frame = [
        "--preset",
        f"@{folder / 'preset.json'}",
        "--store",
        str(folder / "store"),
        "--run-id",
        "bench",
    ]
    taken = ["--plan", (folder / "plan").read_text(), "--examples", str(folder / "examples")]
    return [
        *frame,
        *taken,
        "--decision-output",
        str(folder / "decision"),
        "--validation",
        str(folder / "validation"),
        "--data-summary",
        str(folder / "summary"),
    ]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _quiet() -> dict[str, object]:
    return {
        "cwd": ROOT,
        "env": _environment(),
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }


if __name__ == "__main__":
    sys.exit(main())
