"""Ingestion against a plain loop, at 31,250 and at 250,000 distinct pictures, and with one in a hundred new.

    make bench NAME=ingestion          about 8 minutes on 2 cores and 6 GB of disk
    python3 benchmarks/ingestion.py --images 40000     a quick look

Draws distinct 48x48 gray PNGs into zip archives of class folders. Ours is the step itself with two
worker processes, everything computed: listing, decoding, ids, features, hashes, near-duplicate
groups, splits, files, and the copy into the store. The peer is one process in a plain loop over the
same pictures that reads, decodes, identifies, measures and sketches them one by one, and does
nothing else. Start-up is taken off every run of ours, and measured in that run: the time until the
worker processes have the archive open, and from the last file of pictures until they have ended. An
incremental night starts no processes and nothing is taken off it. Nobody's imports are timed.
Memory is the largest sum of the anonymous memory of the step and its workers, shared pages counted
once; mapped files are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venvs" / "ingestion" / "bin" / "python"
IMAGES = 250_000
PARTS = 8  # the small set is one in eight of the large one
# Of the small set twice and the large one; of a night and a full one: medians count, for a
# machine's speed varies by a fifth.
TURNS, NIGHTS = 3, 3
MIN_SPEEDUP, MAX_TIME_GROWTH, MAX_MEMORY_GROWTH, MAX_INCREMENTAL = 1.4, 1.1 * PARTS, 1.3, 0.1
LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


@dataclass(frozen=True)
class Run:
    """Seconds without start-up, those of start-up, and the peak of memory in bytes."""

    seconds: float
    start_up: float
    memory: float


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=IMAGES)
    for role in ("--draw", "--loop", "--step"):
        parser.add_argument(
            role, nargs="+", help=argparse.SUPPRESS
        )  # this file again, in ingestion's environment
    arguments = parser.parse_args()
    if arguments.draw:
        draw(Path(arguments.draw[0]), int(arguments.draw[1]), int(arguments.draw[2]))
    elif arguments.loop:
        print(json.dumps(plain_loop(Path(arguments.loop[0]))))
    elif arguments.step:
        return step(arguments.step)
    else:
        with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
            return report(measure(Path(scratch), arguments.images), arguments.images)
    return 0


def measure(scratch: Path, images: int) -> dict[str, float]:
    """Seconds without start-up, and bytes."""
    small, new = images // PARTS, images // 100
    archives = {name: scratch / f"{name}.zip" for name in ("small", "large", "grown")}
    counts = {"small": small, "large": images, "grown": images + new}
    with ThreadPoolExecutor(2) as threads:
        list(
            threads.map(
                lambda name: run("--draw", str(archives[name]), "0", str(counts[name])), archives
            )
        )
    found: dict[str, float] = {}
    found["loop"] = json.loads(run("--loop", str(archives["large"])))["seconds"]
    print(f"  {'plain loop':42} {found['loop']:8.1f} s", flush=True)
    runs: dict[str, list[Run]] = {"small": [], "large": []}
    for _ in range(TURNS):
        for name in ("small", "small", "large"):
            folder = scratch / name
            shutil.rmtree(folder, ignore_errors=True)
            runs[name].append(ingest(folder, archives[name]))
    for name, some in runs.items():
        found[name] = statistics.median(one.seconds for one in some)
        found[f"{name} memory"] = statistics.median(one.memory for one in some)
    # The same store a night later, under the same name of the source; then as if nothing could be
    # reused.
    os.replace(archives["grown"], archives["large"])
    nights = [night_and_full(scratch, turn, archives["large"]) for turn in range(NIGHTS)]
    found["incremental"] = statistics.median(night for night, *_ in nights)
    found["full"] = statistics.median(full for _, full, _ in nights)
    found["identical"] = float(all(identical for *_, identical in nights))
    found["start-up"] = statistics.median(one.start_up for some in runs.values() for one in some)
    return found


def night_and_full(scratch: Path, turn: int, archive: Path) -> tuple[float, float, bool]:
    """Seconds of an incremental night and of a full one right after it, and whether their files are the same."""
    night, full = scratch / f"night {turn}", scratch / f"full night {turn}"
    for copy in (night, full):
        shutil.copytree(
            scratch / "large", copy, copy_function=os.link
        )  # files of a store are replaced, never changed
    times = ingest(night, archive, accept=True).seconds, ingest(full, archive, forget=True).seconds
    identical = same(night / "examples", full / "examples")
    shutil.rmtree(night)
    shutil.rmtree(full)
    return *times, identical


def ingest(folder: Path, archive: Path, *, accept: bool = False, forget: bool = False) -> Run:
    """The step ingest, in a process of its own."""
    os.sync()  # the step waits for its files to be on the disk, and needn't wait for those of the runs before
    began = time.monotonic()
    words = [
        str(folder),
        str(archive),
        *(["accept"] if accept else []),
        *(["forget"] if forget else []),
    ]
    process = subprocess.Popen(
        [PYTHON, __file__, "--step", *words],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    peak = [0.0]
    if (
        not accept and not forget
    ):  # looking at memory holds the process up, and of those two only the time is compared
        threading.Thread(target=watch, args=(process.pid, peak), daemon=True).start()
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the step failed:\n{out[-3000:]}")
    done = json.loads(out.splitlines()[-1])
    found = Run(done["seconds"] - done["start_up"], done["start_up"], peak[0])
    told = f"{archive.stem}{', a night later' if accept else ', nothing reused' if forget else ''}"
    memory = f"{found.memory / 1e6:8.0f} MB" if found.memory else " " * 11
    both = f"{found.seconds:8.1f} s and {found.start_up:4.1f} s of start-up"
    print(
        f"  {told:42} {both} {memory}   ({time.monotonic() - began:.1f} s with imports and"
        " resolve)",
        flush=True,
    )
    return found


def watch(process: int, peak: list[float]) -> None:
    """Largest sum of the proportional set sizes of a process and what it started."""
    while True:
        family = [process]
        for parent in family:
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                try:
                    family.extend(int(child) for child in children.read_text().split())
                except OSError:
                    continue
        total = 0.0
        for member in family:
            try:
                rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
            except OSError:
                continue
            # Anonymous memory: pages of mapped files are the disk's cache, which any other process
            # may take.
            total += sum(
                1024.0 * int(line.split()[1])
                for line in rollup.splitlines()
                if line.startswith("Pss_Anon")
            )
        if not total:
            return
        peak[0] = max(peak[0], total)
        time.sleep(0.2)


def step(words: list[str]) -> int:
    """Resolve and ingest as a night does; the seconds of ingest alone."""
    import dataclasses

    from components.ingestion import ingest as module
    from components.ingestion.decode import beam_pipeline
    from components.ingestion.resolve.resolve import resolve
    from components.shared.preset import (
        DataPolicy,
        GatePolicy,
        ImageSpec,
        Preset,
        Stage,
        TrainingPolicy,
    )
    from components.shared.step.executor_output import ExecutorOutput
    from components.shared.step.frame import Context
    from components.shared.store import keys
    from components.shared.store.disk import DiskStore

    folder, archive, *options = words
    store = DiskStore(Path(folder) / "store")
    beam_pipeline.SECONDS_FOR_PROCESSES = (
        -1.0 if "accept" not in options else beam_pipeline.SECONDS_FOR_PROCESSES
    )
    start_up: list[float] = []
    run_flow = module.run_flow
    module.run_flow = lambda *words, **options: start_up.append(
        _start_up(Path(archive), Path(words[3]), partial(run_flow, *words, **options))
    )
    gate = GatePolicy(min_accuracy=0.1, min_macro_f1=0.1, min_gain_over_majority=0.0)
    data, training = (
        DataPolicy("basic-7", ImageSpec(48, 48, 1)),
        TrainingPolicy("small-cnn", (Stage(epochs=1),)),
    )
    preset = Preset("bench", "bench", "for the benchmark", data, training, gate)
    with tempfile.TemporaryDirectory(dir=folder if Path(folder).is_dir() else None) as scratch:
        context = Context("bench", preset, store, Path(scratch), ExecutorOutput(""))
        plan = resolve(context, archive, "bench", force=True)
        listing = plan.plan.listing.source_id
        snapshot = Path(folder) / "snapshot"
        if options:
            store.write(
                keys.accepted_snapshot(listing),
                json.dumps({"snapshot_id": snapshot.read_text()}).encode(),
            )
            if "forget" in options:
                shutil.rmtree(store.root / "snapshots" / listing / "indices")
            plan = resolve(
                dataclasses.replace(context, run_id="second"), archive, "bench", force=True
            )
        began = time.monotonic()
        found = module.ingest(context, plan.plan_digest, Path(folder) / "examples")
        seconds = time.monotonic() - began
    if not options:
        snapshot.write_text(found.snapshot_id)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "start_up": sum(start_up),
                "reused": found.reused,
                "near": found.duplicates.near_contents,
            }
        )
    )
    return 0


def _start_up(archive: Path, parts: Path, reading: Callable[[], None]) -> float:
    """Seconds of the reading during which no worker process reads.

    On average before it begins, and after the last part.
    """
    from components.ingestion.decode.workers import workers

    began, over = time.time(), threading.Event()
    begun: dict[int, float] = {}

    def look() -> None:
        while not over.wait(0.02):
            for process in workers():
                if process not in begun and _has_open(process, archive):
                    begun[process] = time.time()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        reading()
    finally:
        ended = time.time()
        over.set()
        looking.join()
    if not begun:
        return 0.0  # this process read, and was there already
    return (
        statistics.mean(begun.values())
        - began
        + ended
        - max(part.stat().st_mtime for part in parts.glob("accepted-*"))
    )


def _has_open(process: int, path: Path) -> bool:
    try:
        return any(os.readlink(link) == str(path) for link in Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False


def plain_loop(archive: Path) -> dict[str, float]:
    """What a person writes first: one picture after the other, in one process."""
    import zipfile

    import numpy as np
    from PIL import Image

    from components.ingestion.decode.quality import content_id, example_id
    from components.ingestion.snapshot.near_duplicates import grid, sketches
    from components.shared.images.decode import decode

    def measures(pixels: np.ndarray) -> tuple[object, ...]:
        """Those of `components.ingestion.decode.quality`, of one picture.

        Quicker than a stack of one.
        """
        levels = np.arange(256)
        counts = np.bincount(pixels.ravel(), minlength=256)
        mean = float(counts @ levels) / pixels.size
        deviation = (float(counts @ levels**2) / pixels.size - mean**2) ** 0.5
        shares = counts[counts > 0] / pixels.size
        wide = pixels.astype(np.int32)
        middle = wide[1:-1]
        edges = (
            wide[:-2, 1:-1] + wide[2:, 1:-1] + middle[:, :-2] + middle[:, 2:] - 4 * middle[:, 1:-1]
        )
        sharpness = int((edges * edges).sum()) / edges.size - (int(edges.sum()) / edges.size) ** 2
        small = np.asarray(Image.fromarray(pixels).resize((9, 8), Image.Resampling.BILINEAR))
        return (
            mean,
            deviation,
            sharpness,
            -float(shares @ np.log2(shares)),
            np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex(),
        )

    rows = []
    sketches(grid(decode(_one(archive)).pixels)[None])  # what is made once isn't timed
    began = time.monotonic()
    with zipfile.ZipFile(archive) as source:
        for name in source.namelist():
            content = source.read(name)
            pixels = decode(content).pixels
            identity = content_id(pixels)
            sketch = sketches(grid(pixels)[None]).tobytes()
            rows.append(
                (example_id(identity, name), identity, name, pixels.shape, measures(pixels), sketch)
            )
    return {"seconds": time.monotonic() - began, "rows": len(rows)}


def _one(archive: Path) -> bytes:
    import zipfile

    with zipfile.ZipFile(archive) as source:
        return source.read(source.namelist()[0])


def draw(archive: Path, first: int, count: int) -> None:
    """Smooth random pictures with a little noise, none like another: PNG, stored."""
    import io
    import zipfile

    import numpy as np
    from PIL import Image

    with zipfile.ZipFile(archive, "w") as target:
        for number in range(first, first + count):
            rng = np.random.default_rng(number)
            coarse = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).resize(
                (48, 48), Image.Resampling.BICUBIC
            )
            pixels = (
                (np.asarray(coarse, np.int16) + rng.integers(-8, 9, (48, 48)))
                .clip(0, 255)
                .astype(np.uint8)
            )
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
            split = "test" if number % 9 == 0 else "train"
            # As new pictures arrive in a store: anywhere among the others.
            info = zipfile.ZipInfo(
                f"{split}/{LABELS[number % 7]}/{(number * 7919) % 1_000_003:07}.png"
            )
            target.writestr(info, stream.getvalue())


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, byte for byte."""
    names = sorted(path.name for path in one.iterdir())
    return names == sorted(path.name for path in other.iterdir()) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


def run(*words: str) -> str:
    done = subprocess.run(
        [PYTHON, __file__, *words], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{words[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def report(found: dict[str, float], images: int) -> int:
    """Print the table and the figures; 0 when every bar is met."""
    large, small, full, incremental = (
        found[name] for name in ("large", "small", "full", "incremental")
    )
    print(f"\nstart-up: {found['start-up']:.1f} s with two processes")
    print(
        f"ours {images / large:,.0f} images per second, plain loop {images / found['loop']:,.0f}\n"
    )
    figures = [
        figure(
            "speed-up over a plain loop",
            large,
            found["loop"],
            found["loop"] / large,
            MIN_SPEEDUP,
            at_least=True,
        ),
        figure(f"time of {PARTS} times the images", large, small, large / small, MAX_TIME_GROWTH),
        figure(
            f"memory of {PARTS} times the images",
            found["large memory"],
            found["small memory"],
            found["large memory"] / found["small memory"],
            MAX_MEMORY_GROWTH,
        ),
        figure(
            "one in a hundred new, over a full night",
            incremental,
            full,
            incremental / full,
            MAX_INCREMENTAL,
        ),
        figure(
            "incremental files are those of a full night",
            found["identical"],
            1.0,
            found["identical"],
            1.0,
            at_least=True,
        ),
    ]
    for each in figures:
        print(
            f"{each['what']:46} {each['ratio']:8.3f}   bar {each['bar']:6.3f}  "
            f" {'met' if each['met'] else 'MISSED'}"
        )
    print(json.dumps({"name": "ingestion", "figures": figures}))
    return 0 if all(each["met"] for each in figures) else 1


def figure(
    what: str, ours: float, peer: float, ratio: float, bar: float, *, at_least: bool = False
) -> dict[str, object]:
    met = ratio >= bar if at_least else ratio <= bar
    return {
        "what": what,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(ratio, 3),
        "bar": bar,
        "met": met,
    }


if __name__ == "__main__":
    sys.exit(main())
