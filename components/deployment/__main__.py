"""Command line of the deployment steps."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts import artifacts, layout
from components.contracts.artifacts import ModelManifest, read_marker, verified_model
from components.contracts.errors import ContractError
from components.contracts.findings import DeployFindings, RegisterFindings, RolloutFindings, Verdict
from components.contracts.night import Pointer
from components.deployment.approval import ask
from components.deployment.promotion import GATE, Signed, require_spared, require_word
from components.deployment.registry import Registry
from components.runtime.step import Context, Step, main

if TYPE_CHECKING:
    from components.deployment.manifest import Served

MANIFEST = "inference_service.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="model artifact")
    parser.add_argument("--verdict", type=Path, required=True, help="verdict artifact")


def add_deploy_arguments(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)
    parser.add_argument("--deployment", type=Path, required=True, help="deployment artifact to write")
    parser.add_argument("--serving-image", default="emotion-serving", help="image of the predictor, with a tag or a digest")


def register(context: Context, arguments: argparse.Namespace) -> RegisterFindings:
    """Bring a version that needs approval to the registry and ask a person."""
    manifest, verdict = _judged("needs-approval", context, arguments)
    registry = Registry(context.store, manifest.model_name)
    registry.put(arguments.model, manifest.version)
    ask(registry, context.run_id, verdict, _now())
    # Garbage collection that started before the request stood may not have seen it.
    require_spared(registry.pointers(), manifest.version)
    return RegisterFindings(manifest.model_name, manifest.version, registry.location(manifest.version))


def deploy(context: Context, arguments: argparse.Namespace) -> DeployFindings:
    """Promote the model if it is blessed, then render what serves it."""
    manifest, verdict = _judged("blessed", context, arguments)
    name = manifest.model_name

    # KServe's SDK takes seconds to import; a refused model shouldn't wait for it.
    from components.deployment.manifest import Served, inference_service, storage_uri

    registry = Registry(context.store, name)
    why = " ".join(verdict.reasons) or "all checks passed"
    now = registry.promote(arguments.model, context.run_id, verdict, Signed(GATE, why, _now()))
    if now.champion is None or now.anchor is None:
        raise ContractError(f"{name} has no champion after its promotion", fix="run the step again")

    uri = storage_uri(registry.location(manifest.version))
    served = Served(name, manifest.version, now.champion.run_id, uri, arguments.serving_image)
    text = inference_service(served, context.preset.serving)
    context.store.write(f"{layout.run(context.run_id)}/{MANIFEST}", text.encode())
    folder = artifacts.start(arguments.deployment)
    artifacts.write_atomically(folder / MANIFEST, text.encode())
    rollout = _roll_out(served, context, arguments.model, registry)
    after = registry.pointers() if rollout else now
    findings = DeployFindings(name, manifest.version, after.champion or now.champion, after.previous, now.anchor, uri, text, rollout)
    artifacts.finish(folder, "deployment", findings)
    return findings


def _roll_out(served: Served, context: Context, model: Path, registry: Registry) -> RolloutFindings | None:
    """Bring the version to the cluster's traffic, where the preset says so; `serving` is recorded last."""
    if context.preset.serving.rollout is None:
        return None
    from components.deployment.rollout.step import roll_out

    def record(version: str) -> None:
        registry.record_serving(Pointer(version, context.run_id, _now()))

    found = roll_out(served, context.preset.serving, model, record)
    if found.outcome == "rolled-back" and registry.pointers().previous is not None:
        # What the cluster sent back isn't the wanted champion any longer.
        registry.rollback(Signed("rollout", found.reason or "the rollout failed", _now()), away=served.version)
    return found


def _judged(word: str, context: Context, arguments: argparse.Namespace) -> tuple[ModelManifest, Verdict]:
    manifest = verified_model(arguments.model)
    verdict = read_marker(arguments.verdict, "verdict", Verdict)
    require_word(word, verdict, manifest, context.preset.model_name)
    return manifest, verdict


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


STEPS = {
    "register": Step("keep a challenger that needs approval in the registry, and ask a person", add_arguments, register),
    "deploy": Step("make the blessed challenger the champion and render what serves it", add_deploy_arguments, deploy),
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["rollout"]:
        from components.deployment.rollout import command

        sys.exit(command.main(sys.argv[2:]))
    sys.exit(main("deployment", STEPS))
