"""`emotion rollout`: look at a rollout, continue it, stop it, send it back."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from components.contracts import layout
from components.contracts.artifacts import MARKERS
from components.contracts.errors import EmotionError, EnvironmentProblem, InputError
from components.contracts.findings import RolloutFindings
from components.contracts.night import Pointer
from components.deployment.registry import Registry
from components.deployment.rollout.cluster import Seen
from components.deployment.rollout.driver import Tools, drive
from components.deployment.rollout.health import Sample
from components.deployment.rollout.kubernetes_cluster import KubernetesCluster, connect
from components.deployment.rollout.machine import requested
from components.deployment.rollout.probing import GoldenProber, golden_of, reachable
from components.deployment.rollout.state import FORWARD, Rollout
from components.runtime.store import open_store

NOT_SERVING = 3  # exit code of a resume that ended with the traffic back, or paused


def main(argv: Sequence[str]) -> int:
    """Run one of the commands and return the process's exit code."""
    parser = argparse.ArgumentParser(prog="emotion rollout", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, _) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument("model", nargs="?", default="", help="model name; may be left out where there is only one")
        command.add_argument("--namespace", default="emotion", help="of the InferenceService")
        command.add_argument("--context", default="", help="of the kubeconfig; its current one by default")
        if name in ("resume", "abort"):
            command.add_argument("--store", required=True, help="folder or URI of the store, for the registry and the golden images")
        if name == "resume":
            command.add_argument("--again", action="store_true", help="try a version once more that was rolled back")
    arguments = parser.parse_args(argv)
    try:
        cluster = _cluster(arguments)
        return COMMANDS[arguments.command][1](cluster, arguments)
    except EmotionError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the traffic stays where it is. Continue with: emotion rollout resume", file=sys.stderr)
        return 130


def status(cluster: KubernetesCluster, arguments: argparse.Namespace) -> int:
    """Show where the traffic is, and every step so far."""
    print(told(*_under_way(cluster)))
    return 0


def pause(cluster: KubernetesCluster, arguments: argparse.Namespace) -> int:
    """Ask the driver to stop with the traffic as it is."""
    rollout, _ = _forward(cluster)
    cluster.request(f"pause {rollout.new.name}")
    print(f"asked; whoever drives the rollout of {rollout.new.version} stops at its next look. Nobody watches the new version meanwhile.")
    print("Go on with: emotion rollout resume · send the traffic back with: emotion rollout abort")
    return 0


def abort(cluster: KubernetesCluster, arguments: argparse.Namespace) -> int:
    """Send the traffic back to the previous version."""
    rollout, _ = _under_way(cluster)
    if rollout.phase == "serving":
        raise InputError(
            f"{rollout.new.version} serves already", fix="`emotion models rollback` makes the previous version champion; deploy that one"
        )
    cluster.request(f"abort {rollout.new.name}")
    found = drive(Tools(cluster, _NoProber(), _recorder(arguments.store, rollout), tell=print))
    cluster.request("")
    return _ended(found, expected="rolled-back")


def resume(cluster: KubernetesCluster, arguments: argparse.Namespace) -> int:
    """Continue from what the cluster says."""
    rollout, _ = _under_way(cluster)
    wanted = None
    if rollout.phase == "rolled-back":
        if not arguments.again:
            raise InputError(f"{rollout.new.version} was rolled back: {rollout.reason}", fix="add --again to try it once more")
        wanted = replace(rollout, previous=None, phase="starting", percent=0, attempt=0, reason="", steps=())
    if rollout.phase in FORWARD or wanted is not None:
        _require_reach(cluster, rollout)
    cluster.request("")
    store = open_store(arguments.store)
    with tempfile.TemporaryDirectory(prefix="emotion-rollout-") as cache:
        model = store.get_tree(layout.version(rollout.model_name, rollout.new.version), MARKERS["model"], Path(cache))
        prober = GoldenProber(golden_of(model), cluster)
        found = drive(Tools(cluster, prober, _recorder(arguments.store, rollout), tell=print), wanted, again=arguments.again)
    return _ended(found, expected="serving")


COMMANDS: dict[str, tuple[str, Callable[[KubernetesCluster, argparse.Namespace], int]]] = {
    "status": ("show where the traffic is, and every step so far", status),
    "resume": ("continue a rollout from what the cluster says", resume),
    "pause": ("stop a rollout with the traffic as it is", pause),
    "abort": ("send the traffic back to the previous version", abort),
}


def told(rollout: Rollout, seen: Seen) -> str:
    """A rollout as lines for a terminal."""
    asked = requested(seen, rollout)
    share = "unknown" if seen.share is None else f"{seen.share} %"
    rows = [
        ("model", f"{rollout.model_name} in {rollout.namespace} ({rollout.mode})"),
        ("new version", f"{rollout.new.version}, {'ready' if seen.new.ready else seen.new.failure or 'not ready'}"),
        ("previous", rollout.previous.version if rollout.previous else "none"),
        (
            "phase",
            rollout.phase + (f" {rollout.percent} %" if rollout.phase == "shifting" else "") + (f", asked to {asked}" if asked else ""),
        ),
        ("traffic", f"{share} to the new version"),
        ("since", datetime.fromtimestamp(rollout.since, timezone.utc).isoformat(timespec="seconds")),
        ("reason", rollout.reason or "-"),
    ]
    lines = [f"{name:12} {value}" for name, value in rows]
    if rollout.steps:
        lines += [
            "",
            f"{'traffic':>8} {'seconds':>8} {'requests':>9} {'of users':>9} {'errors':>7} {'at most':>8} {'p95 ms':>7} {'before':>7}",
        ]
    for step in rollout.steps:
        latencies = [f"{value:.1f}" if value is not None else "-" for value in (step.p95_milliseconds, step.previous_p95_milliseconds)]
        lines.append(
            f"{step.percent:>6} % {step.seconds:>8.0f} {step.requests:>9} {step.live_requests:>9} {step.errors:>7} "
            f"{step.error_rate_bound:>8.2%} {latencies[0]:>7} {latencies[1]:>7}"
        )
    return "\n".join(lines)


class _NoProber:
    """The way back asks nothing of the new version."""

    def smoke(self, rollout: Rollout) -> Sample:
        raise EnvironmentProblem("someone took the request to abort back", fix="look at `emotion rollout status`")

    def probe(self, rollout: Rollout, requests: int) -> Sample:
        return self.smoke(rollout)


def _cluster(arguments: argparse.Namespace) -> KubernetesCluster:
    api = connect(arguments.context)
    if arguments.model:
        return KubernetesCluster(api, arguments.namespace, arguments.model)
    names = KubernetesCluster(api, arguments.namespace, "any").names()
    if len(names) != 1:
        raise InputError("which model?", expected=f"one of {', '.join(names)}" if names else "an InferenceService", fix="name it")
    return KubernetesCluster(api, arguments.namespace, names[0])


def _under_way(cluster: KubernetesCluster) -> tuple[Rollout, Seen]:
    seen = cluster.look()
    if seen is None or seen.rollout is None:
        raise InputError("nothing was rolled out here", fix="a run whose preset names serving.rollout does")
    return seen.rollout, seen


def _forward(cluster: KubernetesCluster) -> tuple[Rollout, Seen]:
    rollout, seen = _under_way(cluster)
    if rollout.phase not in FORWARD:
        raise InputError("there is nothing to pause", received=f"{rollout.new.version} is {rollout.phase}")
    return rollout, seen


def _require_reach(cluster: KubernetesCluster, rollout: Rollout) -> None:
    """Refuse to judge a version from where its address means nothing."""
    for revision in (rollout.new, *([rollout.previous] if rollout.previous else [])):
        address, _ = cluster.addresses(rollout, revision)
        if address and not os.environ.get("KUBERNETES_SERVICE_HOST") and not reachable(address):
            raise EnvironmentProblem(
                f"this machine can't reach {address}",
                fix="run it in a pod of the cluster, or run the deploy step again; status, pause and abort work from here",
            )


def _recorder(store: str, rollout: Rollout) -> Callable[[str], None]:
    registry = Registry(open_store(store), rollout.model_name)

    def record(version: str) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        registry.record_serving(Pointer(version, rollout.run_id, now))

    return record


def _ended(found: RolloutFindings, *, expected: str) -> int:
    print(f"{found.version}: {found.outcome}, {found.reason}; {found.serving or 'nothing'} serves")
    return 0 if found.outcome == expected else NOT_SERVING
