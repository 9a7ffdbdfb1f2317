"""The predictor against the bare runtime, Keras, and a KServe model that does nothing, in one run on two cores.

    make bench NAME=serving

Exports the architectures of fer2013-fast, fer2013 and EfficientNetV2B0 with random weights, and
measures for each: in process, from a JPEG's bytes to labels, beside the bare runtime on the tensor;
over HTTP, one JPEG by one client, beside `keras.Model.predict` alone; under load, 32 clients,
beside the smaller of two peaks: the bare runtime (the best of one runtime with two threads, two
with one each, and batches of 8), and a server of KServe's whose model does nothing. Peaks and
server are measured in short turns, since a machine's speed may vary by a fifth within a minute: of
seven turns, the median of each figure, and of the server's share of the peak beside it. About 7
minutes.

Why LiteRT, and when several images at once. Median milliseconds per image, one image / 8 at once,
two threads, the same weights, answers equal to four digits; two cores of an AMD EPYC, 2026-11-21,
other work at a lower priority beside it:

                                fer2013-fast    fer2013 (wide)   EfficientNetV2B0    MB installed
    LiteRT 2.3, XNNPACK          2.1 / 2.1        55 / 48          10.7 / 11.1             58
    ONNX Runtime 1.31            1.5 / 2.0        50 / 47          18.0 / 12.7             63
    OpenVINO 2026.4, float32     2.2 / 1.9        46 / 42          14.6 / 13.7            178
    TensorFlow 2.21              6.0 / 2.3        51 / 42          40.4 / 23.7           1839

None is better than LiteRT for all three, one by one and at once. OpenVINO's own default, bfloat16,
takes half the time and moves probabilities by 0.01, a hundred times what the serving check allows.
8 at once gain LiteRT little by themselves; but two threads of Python with a runtime each answer 10
% more images of fer2013-fast in fours than one by one (476 to 588 per second, and 612 to 651, in
three turns, 2026-11-22), so the server's lanes do that when many wait.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import load_client

ROOT = Path(__file__).resolve().parent.parent
CORES = 2
CLIENTS = 32
TURNS = 7
# name: architecture, height and width, channels, labels, mirror images averaged
MODELS = {
    "fer2013-fast": ("fer2013-fast", 48, 1, 7, True),
    "fer2013": ("fer2013-wide", 48, 1, 7, True),
    "efficientnetv2b0": ("efficientnetv2b0", 224, 3, 5, False),
}
SLACK, SLACK_MILLISECONDS = 0.25, 0.5
FASTER_THAN_KERAS = {"fer2013-fast": 6.0, "efficientnetv2b0": 5.0}
SHARE_OF_PEAK = 0.8
# How the bare runtime may work: one with a thread per core, one for each core, one with 8 images at
# once.
WAYS = ("whole", "halves", "eights")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="of each turn under load; others take half of it"
    )
    parser.add_argument(
        "--models",
        nargs="+",
        choices=MODELS,
        default=list(MODELS),
        help="these alone, for a quick look",
    )
    parser.add_argument(
        "--inside", nargs="+", help=argparse.SUPPRESS
    )  # this file again, in a component's environment
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    if arguments.inside:
        what, *rest = arguments.inside
        {"export": export, "process": in_process, "nothing": serve_nothing}[what](*rest)
        return 0
    with tempfile.TemporaryDirectory(prefix="emotion-bench-") as scratch:
        return report(measure(Path(scratch), arguments.models, arguments.seconds))


def measure(scratch: Path, names: Sequence[str], seconds: float) -> dict[str, dict[str, float]]:
    """Milliseconds and requests per second, by model and figure."""
    keras = json.loads(inside("training", "export", str(scratch), *names).splitlines()[-1])
    found: dict[str, dict[str, float]] = {}
    for name in names:
        image = scratch / f"{name}.jpg"
        request = load_client.post(f"/v1/models/{name}:predict", image.read_bytes(), "image/jpeg")
        turns: list[dict[str, float]] = []
        with (
            runtime(scratch / name, image) as bare,
            predictor(scratch / name, name) as (port, _),
            nothing(name) as idle,
        ):
            for each in (port, idle):
                load(each, request, 4, 1.0)
            for number in range(TURNS):
                turns.append(turn(bare, port, idle, request, seconds))
                peaks = ", ".join(f"{way} {turns[-1][way]:.0f}" for way in (*WAYS, "nothing"))
                print(
                    f"  {name}, turn {number + 1} of {TURNS}: ours {turns[-1]['ours']:.0f} per"
                    f" second; {peaks}",
                    flush=True,
                )
        found[name] = summary(turns) | {"keras": keras[name]}
    return found


def turn(
    bare: Callable[[float], dict[str, float]], port: int, idle: int, request: bytes, seconds: float
) -> dict[str, float]:
    """Every figure once: the bare runtime, our server, and the one whose model does nothing."""
    found = bare(seconds / 2)
    under_load = load(port, request, CLIENTS, seconds)
    nothing_done = load(idle, request, CLIENTS, seconds / 2)["per_second"]
    one = load(port, request, 1, seconds / 4)["p50"]
    return found | {
        "ours": under_load["per_second"],
        "p99": under_load["p99"],
        "errors": under_load["errors"],
        "nothing": nothing_done,
        "http": one,
    }


def summary(turns: Sequence[dict[str, float]]) -> dict[str, float]:
    """Medians.

    The bare runtime's peak is its best way, and the share that of each turn's own peaks.
    """
    found = {figure: statistics.median(each[figure] for each in turns) for figure in turns[0]}
    best = max(WAYS, key=lambda way: found[way])
    share = statistics.median(each["ours"] / min(each[best], each["nothing"]) for each in turns)
    return found | {
        "peak": found[best],
        "share": share,
        "errors": sum(each["errors"] for each in turns),
    }


@contextmanager
def runtime(folder: Path, image: Path) -> Iterator[Callable[[float], dict[str, float]]]:
    """The bare runtime in a process of its own, which measures whenever it is told for how many seconds."""
    command = [str(python("serving")), __file__, "--inside", "process", str(folder), str(image)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    asked, answered = process.stdin, process.stdout
    assert asked is not None
    assert answered is not None

    def measured(seconds: float) -> dict[str, float]:
        print(seconds, file=asked, flush=True)
        line = answered.readline()
        if not line:
            raise SystemExit("the bare runtime ended; its error stands above")
        return dict(json.loads(line))

    try:
        yield measured
    finally:
        process.terminate()
        process.wait(30)


def load(port: int, request: bytes, clients: int, seconds: float) -> dict[str, float]:
    """What the load client saw; it is a process of its own, and this one waits."""
    command = [
        sys.executable,
        "-c",
        "import json, sys, load_client as c; a = sys.stdin.buffer.read(); print(json.dumps(c.load(",
    ]
    command[-1] += f"{port}, a, {clients}, {seconds})))"
    done = subprocess.run(
        command, cwd=ROOT / "benchmarks", input=request, capture_output=True, check=True
    )
    return dict(json.loads(done.stdout))


@contextmanager
def predictor(folder: Path, name: str) -> Iterator[tuple[int, int]]:
    """The real server on a model artifact: its port and process id."""
    arguments = [
        "-m",
        "components.serving",
        "serve",
        "--model-dir",
        str(folder),
        "--model-name",
        name,
        "--host",
        load_client.HOST,
        "--grpc",
        "off",
    ]
    with server(arguments, f"/v2/models/{name}/ready", folder.with_suffix(".log")) as started:
        yield started


@contextmanager
def nothing(name: str) -> Iterator[int]:
    """KServe's own server with a model that does nothing."""
    with server(
        [__file__, "--inside", "nothing", name], f"/v2/models/{name}/ready", Path(os.devnull), ""
    ) as (port, _):
        yield port


@contextmanager
def server(
    arguments: list[str], ready: str, log: Path, port_option: str = "--port"
) -> Iterator[tuple[int, int]]:
    """A server of the serving environment, until the end of the block."""
    port = free_port()
    command = [
        str(python("serving")),
        *arguments,
        *([port_option] if port_option else []),
        str(port),
    ]
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 120
        while not answers(f"http://{load_client.HOST}:{port}{ready}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(
                    f"the server didn't start:\n{log.read_text()[-2000:] if log.is_file() else ''}"
                )
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own server
            return bool(response.status == 200)
    except OSError:
        return False


def free_port() -> int:
    import socket

    with socket.create_server((load_client.HOST, 0)) as held:
        return int(held.getsockname()[1])


def python(name: str) -> Path:
    return ROOT / ".venvs" / name / "bin" / "python"


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
    }


def inside(name: str, *arguments: str) -> str:
    """Run a function of this file in a component's environment.

    What it printed, or the end of this program.
    """
    command = [python(name), __file__, "--inside", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def export(scratch: str, *names: str) -> None:
    """In the training environment: a model artifact and a JPEG for each.

    Prints the median milliseconds of `keras.Model.predict`.
    """
    import keras
    import numpy as np
    from PIL import Image

    from components.shared.artifacts import contract
    from components.shared.preset import ImageSpec
    from components.training.export.files import served_network, write_files
    from components.training.models import build

    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    milliseconds = {}
    for name in names:
        architecture, side, channels, labels, flip = MODELS[name]
        spec = ImageSpec(side, side, channels)
        network = build(architecture, spec, labels, 0.3, 0.0)
        served = served_network(network, spec, 1.5, flip)
        folder = contract.start(Path(scratch) / name)
        write_files(served, folder)
        (folder / "golden").mkdir()
        (folder / "golden" / "expected.json").write_text("{}")
        manifest = contract.ModelManifest(
            contract.LAYOUT_VERSION,
            name,
            name,
            tuple(f"label {index}" for index in range(labels)),
            spec,
            "model.tflite",
            architecture,
            network.count_params(),
            1.5,
            0.0,
            "none",
            "benchmark",
            7,
            contract.checksums(folder, without="model.json"),
        )
        contract.finish(folder, "model", manifest)
        noise = rng.integers(0, 256, (12, 12, channels), dtype=np.uint8)
        picture = Image.fromarray(noise.squeeze()).resize((side, side), Image.Resampling.BICUBIC)
        picture.save(Path(scratch) / f"{name}.jpg", quality=90)
        pixels = np.asarray(picture).reshape(1, side, side, channels)
        milliseconds[name] = median_milliseconds(
            lambda served=served, pixels=pixels: served.predict(pixels, verbose=0), 40
        )
    print(json.dumps(milliseconds))


def in_process(folder: str, image: str) -> None:
    """In the serving environment.

    For each line of seconds, medians of bare call and classifier in turn, and `WAYS`, as JSON.
    """
    import threading

    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from components.serving.predictor.classifier import Classifier
    from components.shared.images.decode import read_input

    classifier = Classifier(Path(folder), CORES)
    content = Path(image).read_bytes()
    pixels = read_input(content, classifier.image)[np.newaxis]

    def bare(runtime: Any, batch: int = 1) -> Any:
        into, out = (
            runtime.get_input_details()[0]["index"],
            runtime.get_output_details()[0]["index"],
        )
        tensor = np.repeat(pixels, batch, axis=0)
        runtime.resize_tensor_input(into, tensor.shape)
        runtime.allocate_tensors()

        def call() -> None:
            runtime.set_tensor(into, tensor)
            runtime.invoke()
            runtime.get_tensor(out)

        return call

    def another(threads: int) -> Any:
        return Interpreter(model_path=str(Path(folder) / "model.tflite"), num_threads=threads)

    # The classifier's own runtime: of two side by side, the threads of one keep the other's
    # waiting.
    classifier.answer(content)
    whole = bare(classifier._model._interpreter)

    def pairs(seconds: float) -> tuple[float, float]:
        found: list[tuple[float, float]] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(found) < 20:
            began = time.perf_counter()
            whole()
            between = time.perf_counter()
            classifier.answer(content)
            found.append((between - began, time.perf_counter() - between))
        bare_, ours = (1000 * statistics.median(each) for each in zip(*found[5:], strict=True))
        return bare_, ours

    def per_second(seconds: float, calls: list[Any], batch: int) -> float:
        counts = [0] * len(calls)
        began = time.perf_counter()
        stop = began + seconds

        def work(index: int) -> None:
            while time.perf_counter() < stop:
                calls[index]()
                counts[index] += batch

        threads = [threading.Thread(target=work, args=(index,)) for index in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - began)

    ways = {
        "whole": ([whole], 1),
        "halves": ([bare(another(1)), bare(another(1))], 1),
        "eights": ([bare(another(CORES), 8)], 8),
    }
    for line in sys.stdin:
        seconds = float(line)
        one, ours = pairs(seconds)
        peaks = {name: per_second(seconds, *way) for name, way in ways.items()}
        print(json.dumps({"bare": one, "classifier": ours, **peaks}), flush=True)


def serve_nothing(name: str, port: str) -> None:
    """In the serving environment.

    KServe's server, as quiet as ours, with a model that does nothing.
    """
    import logging

    sys.argv = sys.argv[:1]
    import kserve

    class Nothing(kserve.Model):  # type: ignore[misc]
        async def predict(
            self, payload: Any, headers: Any = None, response_headers: Any = None
        ) -> dict[str, Any]:
            return {"predictions": []}

    model = Nothing(name)
    model.load()
    started = kserve.ModelServer(
        http_port=int(port), enable_grpc=False, enable_latency_logging=False
    )
    for quiet in ("kserve", "kserve.trace", "uvicorn"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    started.start([model])


def median_milliseconds(call: Any, times: int) -> float:
    for _ in range(5):
        call()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def report(found: dict[str, dict[str, float]]) -> int:
    """Print the table and the figures; 0 when every bar is met."""
    figures = []
    print(f"\n{'milliseconds, one image':28} bare runtime   classifier   over HTTP   keras predict")
    for name, each in found.items():
        print(
            f"{name:28} {each['bare']:12.2f} {each['classifier']:12.2f} {each['http']:11.2f}"
            f" {each['keras']:15.1f}"
        )
        allowed = each["bare"] + max(SLACK * each["bare"], SLACK_MILLISECONDS)
        figures.append(
            figure(
                f"{name}: bytes to labels in process, ms",
                each["classifier"],
                each["bare"],
                allowed,
                each["classifier"] <= allowed,
            )
        )
        if name in FASTER_THAN_KERAS:
            bar = FASTER_THAN_KERAS[name]
            what = f"{name}: one JPEG over HTTP, ms, times faster than keras predict"
            figures.append(
                figure(what, each["http"], each["keras"], bar, each["keras"] / each["http"] >= bar)
            )
    print(
        f"\n{f'requests per second, {CLIENTS} clients':28} bare runtime   kserve, nothing  "
        " predictor   share   p99 ms   errors"
    )
    for name, each in found.items():
        speeds = (
            f"{each['peak']:12.1f} {each['nothing']:17.1f} {each['ours']:11.1f}"
            f" {each['share']:7.2f}"
        )
        print(f"{name:28} {speeds} {each['p99']:8.0f} {each['errors']:8.0f}")
        met = each["share"] >= SHARE_OF_PEAK and not each["errors"]
        what = f"{name}: requests per second, share of the smaller peak"
        figures.append(
            figure(what, each["ours"], min(each["peak"], each["nothing"]), SHARE_OF_PEAK, met)
            | {"ratio": round(each["share"], 3)}
        )
    print()
    for each in figures:
        print(
            f"{each['what']:75} {each['ours']:9} beside {each['peer']:9}   bar {each['bar']:6}  "
            f" {'met' if each['met'] else 'MISSED'}"
        )
    p99 = {name: round(each["p99"], 1) for name, each in found.items()}
    print(json.dumps({"name": "serving", "figures": figures, "p99_milliseconds": p99}))
    return 0 if all(each["met"] for each in figures) else 1


def figure(what: str, ours: float, peer: float, bar: float, met: bool) -> dict[str, Any]:
    """One claim."""
    return {
        "what": what,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(ours / peer, 3),
        "bar": round(bar, 3),
        "met": met,
    }


if __name__ == "__main__":
    sys.exit(main())
