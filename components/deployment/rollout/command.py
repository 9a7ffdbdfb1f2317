"""`emotion rollout`: look at a rollout, start one, continue it, stop it, send it back."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from components.deployment.manifest.inference_service import Served, storage_uri
from components.deployment.registry import signatures
from components.deployment.registry.lineage import serving_image
from components.deployment.registry.promotion import Signed
from components.deployment.registry.registry import Registry
from components.deployment.rollout.cluster import Seen
from components.deployment.rollout.driver import Tools, drive, image_of, names
from components.deployment.rollout.health import Sample
from components.deployment.rollout.kubernetes_cluster import KubernetesCluster, connect
from components.deployment.rollout.machine import requested
from components.deployment.rollout.probes import GoldenProber, golden_of, reachable
from components.deployment.rollout.state import FORWARD, Revision, Rollout
from components.deployment.rollout.step import recorder, wanted
from components.shared.artifacts.contract import MARKERS
from components.shared.errors import EmotionError, EnvironmentProblem, InputError
from components.shared.findings import RolloutFindings
from components.shared.preset import Preset
from components.shared.run_plan import Pointer
from components.shared.serialization import from_json
from components.shared.store import keys
from components.shared.store.interface import open_store
from components.shared.text import percent

NOT_SERVING = 3  # exit code of a resume that ended with the traffic back, or paused


def main(argv: Sequence[str]) -> int:
    """Run one of the commands and return the process's exit code."""
    parser = argparse.ArgumentParser(prog="emotion rollout", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, _) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name == "start":
            command.add_argument(
                "--preset",
                required=True,
                help="the preset as JSON; its serving section says where and how",
            )
            command.add_argument(
                "--serving-image", default="", help="of the predictor; by default the version's own"
            )
        else:
            command.add_argument(
                "model",
                nargs="?",
                default="",
                help="model name; may be left out where there is only one",
            )
            command.add_argument("--namespace", default="emotion", help="of the InferenceService")
        command.add_argument(
            "--context", default="", help="of the kubeconfig; its current one by default"
        )
        if name != "pause":
            optional = name == "status"
            command.add_argument(
                "--store", required=not optional, default="", help="folder or URI of the store"
            )
        if name == "resume":
            command.add_argument(
                "--again", action="store_true", help="try a version once more that was rolled back"
            )
    arguments = parser.parse_args(argv)
    try:
        return COMMANDS[arguments.command][1](arguments)
    except EmotionError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(
            "interrupted; the traffic stays where it is. Continue with: emotion rollout resume",
            file=sys.stderr,
        )
        return 130


def status(arguments: argparse.Namespace) -> int:
    """Show where the traffic is, and every step so far.

    With a store, also what the registry wants.
    """
    rollout, seen = _under_way(_cluster(arguments))
    print(told(rollout, seen))
    if arguments.store:
        registry = Registry(open_store(arguments.store), rollout.model_name)
        champion, serving = registry.pointers().champion, registry.serving()
        print(f"{'registry':12} champion {_version(champion)}, serving {_version(serving)}")
        if rollout.ended and _version(champion) != _version(rollout.serving):
            print(
                f"{'':12} the champion isn't what serves: emotion rollout start brings it to the"
                " traffic"
            )
    return 0


def pause(arguments: argparse.Namespace) -> int:
    """Ask the driver to stop with the traffic as it is."""
    cluster = _cluster(arguments)
    rollout, _ = _under_way(cluster)
    if rollout.phase not in FORWARD:
        raise InputError(
            "there is nothing to pause", received=f"{rollout.new.version} is {rollout.phase}"
        )
    cluster.request(f"pause {rollout.new.name}")
    print(
        f"asked; whoever drives the rollout of {rollout.new.version} stops at its next look. Nobody"
        " watches the new version meanwhile."
    )
    print("Go on with: emotion rollout resume · send the traffic back with: emotion rollout abort")
    return 0


def abort(arguments: argparse.Namespace) -> int:
    """Send the traffic back to the previous version."""
    cluster = _cluster(arguments)
    rollout, _ = _under_way(cluster)
    if rollout.phase == "serving":
        raise InputError(
            f"{rollout.new.version} serves already",
            fix=(
                "`emotion models rollback` makes the previous version champion, `emotion rollout"
                " start` brings it to the traffic"
            ),
        )
    registry = Registry(open_store(arguments.store), rollout.model_name)
    cluster.request(f"abort {rollout.new.name}")
    found = drive(Tools(cluster, _NoProber(), recorder(registry), tell=print))
    cluster.request("")
    return _ended(found, expected="rolled-back")


def resume(arguments: argparse.Namespace) -> int:
    """Continue from what the cluster says."""
    cluster = _cluster(arguments)
    rollout, _ = _under_way(cluster)
    registry = Registry(open_store(arguments.store), rollout.model_name)
    again = rollout.phase == "rolled-back" and arguments.again
    if again or rollout.phase in FORWARD:
        _require_reach(cluster, rollout)
        cluster.request("")
    if again:
        registry.reinstate(
            rollout.new.version, Signed(getpass.getuser(), "emotion rollout resume --again", _now())
        )
        return _drive(
            cluster,
            registry,
            rollout,
            replace(
                rollout, previous=None, phase="starting", percent=0, attempt=0, reason="", steps=()
            ),
        )
    if rollout.phase in FORWARD:
        return _drive(cluster, registry, rollout, None)
    found = drive(Tools(cluster, _NoProber(), recorder(registry), tell=print))
    code = _ended(found, expected="serving")
    if code:
        print("Try it once more with: emotion rollout resume --again")
    return code


def start(arguments: argparse.Namespace) -> int:
    """Bring the registry's champion to the traffic.

    After an approval, a promotion or a rollback by hand.
    """
    preset = from_json(Preset, arguments.preset, "preset")
    registry = Registry(open_store(arguments.store), preset.model_name)
    champion = registry.pointers().champion
    if champion is None:
        raise InputError(
            f"{preset.model_name} has no champion",
            fix="`emotion models` says what waits for a person",
        )
    arguments.namespace, arguments.model = preset.serving.namespace, preset.model_name
    cluster = _cluster(arguments)
    cluster.require_claim(arguments.store)
    seen = cluster.look()
    image = arguments.serving_image or serving_image(registry, champion.version)
    image = image or (str(seen.predictor["containers"][0]["image"]) if seen else "")
    if not image:
        raise InputError(
            f"the store doesn't say which image {champion.version} was checked with, and no"
            " predictor serves whose image could be taken",
            fix="name one with --serving-image; the runs of a cluster record theirs",
        )
    uri = storage_uri(registry.location(champion.version))
    signature = _signature(registry, champion.version, preset.serving.public_key)
    served = Served(
        preset.model_name, champion.version, champion.run_id, uri, image, arguments.store, signature
    )
    rollout = wanted(served, preset.serving)
    _require_reach(cluster, rollout)
    if seen:
        cluster.request("")
    return _drive(cluster, registry, rollout, rollout)


def _signature(registry: Registry, version: str, public_key: str) -> str:
    if not public_key:
        return ""
    content = signatures.manifest_of(registry.store, registry.name, version)
    return signatures.require(registry.store, registry.name, version, content, public_key)


COMMANDS: dict[str, tuple[str, Callable[[argparse.Namespace], int]]] = {
    "status": ("show where the traffic is, and every step so far", status),
    "start": ("bring the registry's champion to the traffic", start),
    "resume": ("continue a rollout from what the cluster says", resume),
    "pause": ("stop a rollout with the traffic as it is", pause),
    "abort": ("send the traffic back to the previous version", abort),
}


def told(rollout: Rollout, seen: Seen) -> str:
    """Return a rollout as lines for a terminal."""
    asked = requested(seen, rollout)
    share = "unknown" if seen.share is None else f"{seen.share} %"
    new, previous = names(rollout)
    rows = [
        ("model", f"{rollout.model_name} in {rollout.namespace} ({rollout.mode})"),
        ("new version", f"{new}, {'ready' if seen.new.ready else seen.new.failure or 'not ready'}"),
        ("previous", previous),
        ("image", image_of(rollout.new)),
        (
            "phase",
            rollout.phase
            + (f" {rollout.percent} %" if rollout.phase == "shifting" else "")
            + (f", asked to {asked}" if asked else ""),
        ),
        ("traffic", f"{share} to the new version"),
        (
            "since",
            datetime.fromtimestamp(rollout.since, timezone.utc).isoformat(timespec="seconds"),
        ),
        ("reason", rollout.reason or "-"),
    ]
    lines = [f"{name:12} {value}" for name, value in rows]
    if rollout.steps:
        lines += [
            "",
            (
                f"{'traffic':>8} {'seconds':>8} {'requests':>9} {'of users':>9} {'errors':>7}"
                f" {'at most':>8} {'p95 ms':>7} {'before':>7}"
            ),
        ]
    for step in rollout.steps:
        latencies = [
            f"{value:.1f}" if value is not None else "-"
            for value in (step.p95_milliseconds, step.previous_p95_milliseconds)
        ]
        lines.append(
            f"{step.percent:>6} % {step.seconds:>8.0f} {step.requests:>9} {step.live_requests:>9}"
            f" {step.errors:>7}"
            f" {percent(step.error_rate_bound, rollout.policy.max_error_rate, 2):>8}"
            f" {latencies[0]:>7} {latencies[1]:>7}"
        )
    return "\n".join(lines)


class _NoProber:
    """The way back asks nothing of the new version."""

    def smoke(self, rollout: Rollout) -> Sample:
        raise EnvironmentProblem(
            "someone took the request to abort back", fix="look at `emotion rollout status`"
        )

    def probe(self, rollout: Rollout, requests: int) -> Sample:
        return self.smoke(rollout)


def _drive(
    cluster: KubernetesCluster, registry: Registry, rollout: Rollout, begin: Rollout | None
) -> int:
    """Drive a version's rollout to its end, or begin it.

    A person who begins one wants it tried again.
    """
    with tempfile.TemporaryDirectory(prefix="emotion-rollout-") as cache:
        model = registry.store.get_tree(
            keys.version(rollout.model_name, rollout.new.version), MARKERS["model"], Path(cache)
        )
        prober = GoldenProber(golden_of(model), cluster)
        found = drive(
            Tools(cluster, prober, recorder(registry), tell=print), begin, again=begin is not None
        )
    return _ended(found, expected="serving")


def _cluster(arguments: argparse.Namespace) -> KubernetesCluster:
    api = connect(arguments.context)
    if arguments.model:
        return KubernetesCluster(api, arguments.namespace, arguments.model)
    names = KubernetesCluster(api, arguments.namespace, "any").names()
    if len(names) != 1:
        raise InputError(
            "which model?",
            expected=f"one of {', '.join(names)}" if names else "an InferenceService",
            fix="name it",
        )
    return KubernetesCluster(api, arguments.namespace, names[0])


def _under_way(cluster: KubernetesCluster) -> tuple[Rollout, Seen]:
    seen = cluster.look()
    if seen is None or seen.rollout is None:
        raise InputError(
            "nothing was rolled out here",
            fix="a run whose preset names serving.rollout does, or `emotion rollout start`",
        )
    return seen.rollout, seen


def _require_reach(cluster: KubernetesCluster, rollout: Rollout) -> None:
    """Refuse to judge a version from where its address means nothing."""
    revisions = (rollout.new, *([rollout.previous] if rollout.previous else []))
    addresses = [
        address
        for address, _ in (cluster.addresses(rollout, revision) for revision in revisions)
        if address
    ]
    for address in addresses or ["http://kubernetes.default.svc"]:
        if not os.environ.get("KUBERNETES_SERVICE_HOST") and not reachable(address):
            raise EnvironmentProblem(
                f"this machine can't reach {address}",
                fix=(
                    "run it in a pod of the cluster, or run the deploy step again; status, pause"
                    " and abort work from here"
                ),
            )


def _version(named: Pointer | Revision | None) -> str:
    return named.version if named else "none"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _ended(found: RolloutFindings, *, expected: str) -> int:
    serves = found.serving or "nothing"
    if found.outcome != "serving" and found.serving == found.version:
        serves += (
            f" with the image {found.previous_image}"
            if found.previous_image != found.image
            else ", as it was,"
        )
    print(f"{found.version}: {found.outcome}, {found.reason}; {serves} serves")
    return 0 if found.outcome == expected else NOT_SERVING
