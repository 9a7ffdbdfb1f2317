"""Training keeps the processor busy.

Nearly the images/s of the bare step, and well more than Keras's ImageDataGenerator.

    make bench NAME=training_throughput

One model (that of the preset emotion6-cnn: 64x64 colour, six classes, adam, batches of 32), one set
of 3,840 drawn JPEG images in class folders, one augmentation (flips, rotation, zoom, shifts), three
ways to feed it, in turns:

    ours          the training loop on decoded images in memory: a fresh order and fresh changes in every epoch
    one batch     the same compiled step on one batch that never changes: what the processor allows
    Keras         ImageDataGenerator.flow_from_directory feeding fit, as the reference projects do; a process of its
                  own that is asked for one epoch at a time, so that no setting of ours slows it

The first epoch of each isn't counted; figures are medians over rounds. What decoding once costs is
shown as well, and counted over the preset's 25 epochs in the comparison with Keras. About four
minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venvs" / "peers" / "bin" / "python"
CLASSES, SIDE, BATCH, EPOCHS = 6, 64, 32, 25
FLIP, DEGREES, ZOOM, SHIFT = True, 15, 0.1, 0.1
OVER_BARE_STEP, OVER_KERAS = 0.9, 1.5


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=3840, help="images of an epoch")
    parser.add_argument("--rounds", type=int, default=5, help="counted epochs of each way")
    parser.add_argument(
        "--peer", type=Path, help=argparse.SUPPRESS
    )  # this file again: Keras's way over these folders
    parser.add_argument(
        "--inside", action="store_true", help=argparse.SUPPRESS
    )  # this file again, in the environment
    arguments = parser.parse_args()
    if not PYTHON.exists():
        raise SystemExit(
            "the environment of this benchmark is missing; to fix it: make bench"
            " NAME=training_throughput"
        )
    if not arguments.inside:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONWARNINGS": "ignore",
        }
        os.execve(  # noqa: S606
            PYTHON,
            [str(PYTHON), str(Path(__file__).resolve()), "--inside", *sys.argv[1:]],
            environment,
        )
    if arguments.peer:
        return serve_epochs(arguments.peer)
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        rates, decoding = measure(Path(scratch), arguments.images, arguments.rounds)
    return report(rates, decoding, arguments.images)


def draw(folder: Path, count: int) -> None:
    """``count`` JPEG images in class folders.

    Gratings of a class's own direction under noise, as large in bytes as photographs.
    """
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(7)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    for index in range(count):
        label = index % CLASSES
        angle = np.pi * label / CLASSES + rng.normal(0, 0.1)
        wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) / 3 + rng.uniform(0, 6))
        pixels = (
            128
            + 60 * wave[:, :, None] * rng.uniform(0.4, 1, 3)
            + rng.normal(0, 15, (SIDE, SIDE, 3))
        )
        target = folder / f"class{label}"
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
            target / f"{index:05}.jpg", quality=90
        )


def measure(scratch: Path, count: int, rounds: int) -> tuple[dict[str, list[float]], float]:
    """Images/s of each way in each counted round, and the seconds of decoding all images once."""
    faces = scratch / "faces"
    draw(faces, count)
    peer = subprocess.Popen(
        [sys.executable, __file__, "--inside", "--peer", faces],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        epoch, one_batch, decoding = our_ways(faces, scratch)
        ways: dict[str, Callable[[], float]] = {
            "ours": epoch,
            "one batch": one_batch,
            "Keras": lambda: ask(peer),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for index in range(rounds + 1):
            measured = {name: way() for name, way in ways.items()}
            print(
                f"  round {index}: "
                + ", ".join(f"{name} {rate:.0f}/s" for name, rate in measured.items()),
                flush=True,
            )
            for name, rate in measured.items() if index else ():
                rates[name].append(rate)
    finally:
        peer.kill()
        peer.wait()
    return rates, decoding


def our_ways(faces: Path, scratch: Path) -> tuple[Callable[[], float], Callable[[], float], float]:
    """Functions that train one epoch and give its images/s, one of our loop, one of its step alone.

    Seconds of decoding.
    """
    from components.training.native_logs import import_keras

    import_keras(scratch)
    import numpy as np

    from components.shared.preset import Augmentation, ImageSpec, Stage, TrainingPolicy
    from components.training import backend, models
    from components.training.data.augmentation import draw as draw_changes
    from components.training.data.images import Images, decode_images
    from components.training.fit.loop import Data, Watch, fit
    from components.training.fit.loss import Batch
    from components.training.fit.trainer import Trainer

    spec = ImageSpec(SIDE, SIDE, 3)
    files = sorted(faces.rglob("*.jpg"))
    began = time.monotonic()
    ids, pixels = decode_images(
        ((str(file), file.read_bytes()) for file in files),
        len(files),
        spec,
        lambda done, total: None,
    )
    decoding = time.monotonic() - began
    labels = np.array([int(file.parent.name.removeprefix("class")) for file in files], np.int32)
    votes = np.zeros((len(files), CLASSES), np.float32)
    training = Images(ids, pixels, labels, votes, spec)
    held_out = Images(ids[:BATCH], pixels[:BATCH], labels[:BATCH], votes[:BATCH], spec)
    ones = np.ones(len(files))
    rows = Data(training, ones.astype(np.int64), ones.astype(np.float32), held_out)
    policy = TrainingPolicy(
        "emotion6-cnn",
        (Stage(epochs=1),),
        batch_size=BATCH,
        augmentation=Augmentation(flip=FLIP, rotation_degrees=DEGREES, zoom=ZOOM, shift=SHIFT),
        dropout=0.0,
    )
    backend.current().make_deterministic(7)

    def lasting() -> Any:
        return Lasting(
            Trainer(
                models.build(policy.architecture, spec, CLASSES, 0.0, 0.0),
                policy,
                np.zeros(CLASSES, np.float32),
            )
        )

    ours, alone = lasting(), lasting()
    nobody = Watch(
        lambda checkpoint: None,
        lambda standing: None,
        lambda standing, done, batches, loss: None,
        lambda: False,
    )
    changes = draw_changes(policy.augmentation, spec, BATCH, np.random.default_rng(7))
    batch = Batch(
        pixels[:BATCH], np.eye(CLASSES, dtype=np.float32)[labels[:BATCH]], labels[:BATCH], changes
    )
    alone.begin(policy.stages[0])

    def epoch() -> float:
        return float(fit(ours, rows, policy, None, nobody).history["images_per_second"][-1])

    def one_batch() -> float:
        steps, began = len(files) // BATCH, time.monotonic()
        results = [alone.step(batch, policy.stages[0].learning_rate) for _ in range(steps)]
        float(results[-1][0])
        return steps * BATCH / (time.monotonic() - began)

    return epoch, one_batch, decoding


class Lasting:
    """A trainer whose compiled step lasts over calls of `fit`, as it does over the epochs of one call."""

    def __init__(self, trainer: Any) -> None:
        self._trainer, self._begun = trainer, False

    def begin(self, stage: Any) -> None:
        if not self._begun:
            self._trainer.begin(stage)
        self._begun = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trainer, name)


def serve_epochs(faces: Path) -> int:
    """Keras's way: for each line read, train an epoch and answer with its images/s."""
    import keras
    import tensorflow as tf

    from components.shared.preset import ImageSpec
    from components.training import models

    spec = ImageSpec(SIDE, SIDE, 3)
    network = models.build("emotion6-cnn", spec, CLASSES, 0.0, 0.0)
    pixels = keras.Input((SIDE, SIDE, 3))
    # The network takes -1 to 1, the generator gives 0 to 1.
    model = keras.Model(pixels, network(keras.layers.Rescaling(2.0, offset=-1.0)(pixels)))
    model.compile(
        "adam", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        rescale=1 / 255,
        horizontal_flip=FLIP,
        rotation_range=DEGREES,
        zoom_range=ZOOM,
        width_shift_range=SHIFT,
        height_shift_range=SHIFT,
    )
    with contextlib.redirect_stdout(
        sys.stderr
    ):  # Keras tells how many images it found; this process only answers
        flow = generator.flow_from_directory(
            faces, target_size=(SIDE, SIDE), batch_size=BATCH, class_mode="categorical", seed=7
        )
    for _ in sys.stdin:
        began = time.monotonic()
        model.fit(flow, epochs=1, verbose=0)
        print(flow.samples / (time.monotonic() - began), flush=True)
    return 0


def ask(peer: subprocess.Popen[str]) -> float:
    """One epoch of Keras's way: its images/s."""
    assert peer.stdin is not None
    assert peer.stdout is not None
    peer.stdin.write("epoch\n")
    peer.stdin.flush()
    answer = peer.stdout.readline()
    if not answer:
        raise SystemExit(f"the process of ImageDataGenerator ended with {peer.wait()}")
    return float(answer)


def report(rates: dict[str, list[float]], decoding: float, count: int) -> int:
    """Print the table and the figures; 0 when every bar is met."""
    middle = {name: statistics.median(values) for name, values in rates.items()}
    whole = EPOCHS * count / (decoding + EPOCHS * count / middle["ours"])
    print(f"\n{'64x64 colour, batches of 32, 2 cores':58} images/s   lowest to highest")
    for name, values in rates.items():
        print(f"{name:58} {middle[name]:8.0f}   {min(values):.0f} to {max(values):.0f}")
    print(
        f"{f'ours over {EPOCHS} epochs, with decoding once ({decoding:.1f} s)':58} {whole:8.0f}\n"
    )
    figures = [
        figure(
            "images/s of training over the bare step",
            middle["ours"],
            middle["one batch"],
            OVER_BARE_STEP,
        ),
        figure("images/s of training over ImageDataGenerator", whole, middle["Keras"], OVER_KERAS),
    ]
    for each in figures:
        print(
            f"{each['what']:58} {each['ratio']:8.2f}   bar {each['bar']:.2f}  "
            f" {'met' if each['met'] else 'MISSED'}"
        )
    print(json.dumps({"name": "training_throughput", "figures": figures}))
    return 0 if all(each["met"] for each in figures) else 1


def figure(what: str, ours: float, peer: float, bar: float) -> dict[str, Any]:
    """One claim; ``bar`` is the least ratio."""
    return {
        "what": what,
        "ours": round(ours, 1),
        "peer": round(peer, 1),
        "ratio": round(ours / peer, 3),
        "bar": bar,
        "met": ours / peer >= bar,
    }


if __name__ == "__main__":
    sys.exit(main())
