"""Commands check-serving (a step of the pipeline), serve and predict."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from components.serving.check import check
from components.serving.predictor import process
from components.serving.predictor.process import Server
from components.shared.artifacts import contract
from components.shared.artifacts.contract import ModelManifest, read_marker, write_atomically
from components.shared.artifacts.golden import GoldenImage, read_golden
from components.shared.errors import EmotionError
from components.shared.findings import ServingFindings, ServingMeasurement
from components.shared.inference.versions import night_plan, version_folder
from components.shared.predictor_client import Client, Reply, predict_url
from components.shared.serialization import to_pretty_json
from components.shared.step import progress
from components.shared.step.frame import Context, Step, main


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plan", required=True, help="digest of the night plan, which names the champion"
    )
    parser.add_argument(
        "--model", required=True, type=Path, help="model artifact of the challenger"
    )
    parser.add_argument(
        "--serving-check", required=True, type=Path, help="folder for the serving_check artifact"
    )
    parser.add_argument("--metrics", type=Path, help="file for scalar metrics as JSON")


def _check(context: Context, arguments: argparse.Namespace) -> ServingFindings:
    folders = {"challenger": arguments.model}
    plan = night_plan(context.store, arguments.plan)
    if plan.champion is not None:
        folders["champion"] = version_folder(
            context.store,
            context.preset.model_name,
            plan.champion.version,
            context.scratch / "models",
        )
    manifests = {
        who: read_marker(folder, "model", ModelManifest) for who, folder in folders.items()
    }
    golden = read_golden(arguments.model)
    policy = context.preset.serving
    timed = policy.check_requests if golden else 0
    with ExitStack() as stack:
        servers: list[Server] = []
        ready: dict[str, float] = {}
        for (
            who,
            folder,
        ) in (
            folders.items()
        ):  # one after the other: they share their CPUs, so that neither has the better ones
            progress.show(0, len(golden), "images", f"starting the {who}'s server")
            servers.append(
                stack.enter_context(
                    process.running(who, context.preset.model_name, folder, context.scratch, policy)
                )
            )
            ready[who] = process.wait_until_ready(servers[-1])
        clients = [
            stack.enter_context(
                Client(predict_url(f"http://{process.HOST}:{server.port}", server.name))
            )
            for server in servers
        ]
        replies = _send(clients[0], golden)
        process.require_alive(servers[0])
        result = check.compare(
            golden,
            replies,
            manifests["challenger"].labels,
            context.preset.gate.max_golden_difference,
        )
        try:
            seconds = check.time_requests(clients, [image.image for image in golden], timed)
        finally:  # where a server ended, its own words say why
            for server in servers:
                process.require_alive(server)
        measured = {
            server.who: _measurement(
                server,
                manifests[server.who],
                folders[server.who],
                ready[server.who],
                seconds[index],
            )
            for index, server in enumerate(servers)
        }
    for problem in result.problems[:5]:
        print(f"golden image {problem}", flush=True)
    about = f"kserve {version('kserve')}, {len(servers)} at once on {process.HOST}"
    ratio, interval = check.p95_ratio(seconds[0], seconds[1] if len(seconds) > 1 else ())
    findings = ServingFindings(
        result.images,
        result.failures,
        result.max_difference,
        measured["challenger"],
        measured.get("champion"),
        about,
        ratio,
        interval,
        policy.cpus,
        policy.memory_bytes,
    )
    _publish(context, arguments, findings)
    contract.finish(contract.start(arguments.serving_check), "serving_check", findings)
    return findings


def _send(client: Client, golden: Sequence[GoldenImage]) -> list[Reply]:
    replies = []
    for index, image in enumerate(golden):
        replies.append(client.predict(image.image))
        if (index + 1) % 32 == 0 or index + 1 == len(golden):
            progress.show(index + 1, len(golden), "images", "golden images answered")
    return replies


def _measurement(
    server: Server,
    manifest: ModelManifest,
    folder: Path,
    cold_start: float,
    seconds: Sequence[float],
) -> ServingMeasurement:
    latencies = check.summarise(seconds)
    return ServingMeasurement(
        version=manifest.version,
        cold_start_seconds=round(cold_start, 3),
        p50_milliseconds=round(latencies.p50, 3),
        p95_milliseconds=round(latencies.p95, 3),
        requests_per_second=round(latencies.per_second, 1),
        resident_bytes=server.memory.resident,
        model_bytes=(folder / manifest.served_file).stat().st_size,
        peak_bytes=server.memory.peak,
    )


def _publish(context: Context, arguments: argparse.Namespace, findings: ServingFindings) -> None:
    ours, theirs = findings.challenger, findings.champion
    values: dict[str, float] = {
        "golden images": findings.golden_images,
        "golden images answered otherwise": findings.golden_failures,
        "largest golden difference": findings.golden_max_difference,
        "cold start, s": ours.cold_start_seconds,
        "p50 latency, ms": ours.p50_milliseconds,
        "p95 latency, ms": ours.p95_milliseconds,
        "requests per second": ours.requests_per_second,
        "resident memory, MB": _megabytes(ours.resident_bytes),
        "peak memory, MB": _megabytes(ours.peak_bytes),
        "memory limit, MB": _megabytes(findings.memory_limit_bytes),
        "model file, MB": _megabytes(ours.model_bytes),
    }
    if theirs:
        values |= {
            "champion p95 latency, ms": theirs.p95_milliseconds,
            "p95 latency over the champion's": findings.p95_ratio,
        }
    context.executor_output.metadata("metrics", **values)
    decisive = ("golden images answered otherwise", "p95 latency, ms", "peak memory, MB")
    context.executor_output.metadata(
        "serving_check",
        version=ours.version,
        champion=theirs and theirs.version,
        **{name: values[name] for name in decisive},
    )
    if arguments.metrics:
        write_atomically(arguments.metrics, to_pretty_json(values).encode())


def _megabytes(count: int) -> float:
    return round(count / 1e6, 3)


def _serve(argv: Sequence[str]) -> int:
    from components.serving import server  # the check's own process needs no server in it

    parser = argparse.ArgumentParser(
        prog="python -m components.serving serve",
        description="Serve a model artifact with KServe's predictor.",
    )
    server.add_arguments(parser)
    return server.serve(parser.parse_args(argv))


def _predict(argv: Sequence[str]) -> int:
    from components.serving.predictor import offline

    parser = argparse.ArgumentParser(
        prog="python -m components.serving predict",
        description="Predict image files without a server.",
    )
    offline.add_arguments(parser)
    return offline.predict(parser.parse_args(argv))


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"serve": _serve, "predict": _predict}
STEPS = {
    "check-serving": Step(
        "Start the real predictor, send it the golden images, and measure it.",
        _check_arguments,
        _check,
    )
}


def run(argv: Sequence[str]) -> int:
    """Run a command or a step, and return the process's exit code."""
    if not argv or argv[0] not in COMMANDS:
        return main("serving", STEPS, argv)
    try:
        return COMMANDS[argv[0]](argv[1:])
    except EmotionError as error:
        print(f"{argv[0]} failed: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
