"""Command line of the deployment steps."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from components.deployment.registry.approval import ask
from components.deployment.registry.lineage import record_serving_image
from components.deployment.registry.promotion import GATE, Signed, require_spared, require_word
from components.deployment.registry.registry import Registry
from components.deployment.registry.signatures import sealed
from components.shared.artifacts import contract
from components.shared.artifacts.contract import MARKERS, ModelManifest, read_marker, verified_model
from components.shared.findings import DeployFindings, RegisterFindings, RolloutFindings, Verdict
from components.shared.preset import ServingPolicy
from components.shared.step.frame import Context, Step, main
from components.shared.store import keys

if TYPE_CHECKING:
    from components.deployment.manifest.inference_service import Served
    from components.deployment.rollout.driver import Tools

ToolsOf = Callable[[ServingPolicy, Registry, Path], "Tools"]

MANIFEST = "inference_service.yaml"
# Where a cluster mounts the key.
SIGNING_KEY_FILE = "/var/run/secrets/emotion/signing/private.pem"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what both steps take."""
    parser.add_argument("--model", type=Path, required=True, help="model artifact")
    parser.add_argument("--verdict", type=Path, required=True, help="verdict artifact")
    parser.add_argument(
        "--signing-key",
        type=Path,
        default=Path(SIGNING_KEY_FILE),
        help="signs the version, where it is; Ed25519, PEM",
    )


def add_register_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what register takes."""
    add_arguments(parser)
    parser.add_argument(
        "--serving-image",
        default="",
        help="image of the predictor that the version was checked with",
    )


def add_deploy_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what deploy takes."""
    add_arguments(parser)
    parser.add_argument(
        "--deployment", type=Path, required=True, help="deployment artifact to write"
    )
    parser.add_argument(
        "--serving-image",
        default="emotion-serving",
        help="image of the predictor, with a tag or a digest",
    )


def register(context: Context, arguments: argparse.Namespace) -> RegisterFindings:
    """Bring a version that needs approval to the registry and ask a person."""
    manifest, verdict = _judged("needs-approval", context, arguments)
    registry = Registry(context.store, manifest.model_name)
    _signature(context, arguments, manifest)
    registry.put(arguments.model, manifest.version)
    record_serving_image(registry, manifest.version, arguments.serving_image)
    ask(registry, context.run_id, verdict, _now())
    # Garbage collection that started before the request stood may not have seen it.
    require_spared(registry.pointers(), manifest.version)
    return RegisterFindings(
        manifest.model_name, manifest.version, registry.location(manifest.version)
    )


def deploy(
    context: Context, arguments: argparse.Namespace, tools_of: ToolsOf | None = None
) -> DeployFindings:
    """Promote the model if it is blessed, render what serves it, and roll it out where the preset says so.

    Args:
        tools_of: what drives the rollout; that of the cluster around this process when None.
    """
    manifest, verdict = _judged("blessed", context, arguments)
    name, policy = manifest.model_name, context.preset.serving

    # KServe's SDK takes seconds to import; a refused model shouldn't wait for it.
    from components.deployment.manifest.inference_service import (
        Served,
        inference_service,
        storage_uri,
    )

    registry = Registry(context.store, name)
    uri = storage_uri(registry.location(manifest.version))
    signature = _signature(context, arguments, manifest)
    served = Served(
        name,
        manifest.version,
        context.run_id,
        uri,
        arguments.serving_image,
        context.store.uri,
        signature,
    )
    text = inference_service(served, policy)
    roll_out = _prepared(
        served, policy, arguments.model, registry, tools_of
    )  # what can't be rolled out isn't promoted
    withdrawn = registry.was_withdrawn(
        manifest.version, context.run_id
    )  # by this step, before it was killed
    if not withdrawn:
        signed = Signed(GATE, " ".join(verdict.reasons) or "all checks passed", _now())
        registry.promote(
            arguments.model,
            context.run_id,
            verdict,
            signed,
            awaits_rollout=policy.rollout is not None,
        )
    context.store.write(f"{keys.run(context.run_id)}/{MANIFEST}", text.encode())
    folder = contract.start(arguments.deployment)
    record_serving_image(registry, manifest.version, arguments.serving_image)
    contract.write_atomically(folder / MANIFEST, text.encode())
    rollout = roll_out(withdrawn=withdrawn) if roll_out else None
    now = registry.pointers()
    findings = DeployFindings(
        name, manifest.version, now.champion, now.previous, now.anchor, uri, text, rollout
    )
    contract.finish(folder, "deployment", findings)
    pointers = {
        "champion": now.champion and now.champion.version,
        "previous champion": now.previous and now.previous.version,
    }
    traffic = {
        "rollout": rollout and rollout.outcome,
        "traffic percent": rollout and rollout.percent,
    }
    context.executor_output.metadata("deployment", version=manifest.version, **pointers, **traffic)
    return findings


def _prepared(
    served: Served, policy: ServingPolicy, model: Path, registry: Registry, tools_of: ToolsOf | None
) -> Callable[..., RolloutFindings] | None:
    """Return what brings the version to the cluster's traffic, where the preset says so.

    A second time it continues.
    """
    if policy.rollout is None:
        return None
    from components.deployment.rollout import step

    wanted = step.wanted(served, policy)
    tools = (tools_of or step.tools_of)(policy, registry, model)
    tools.cluster.require_claim(registry.store.uri)
    return partial(step.roll_out, tools, wanted)


def _signature(context: Context, arguments: argparse.Namespace, manifest: ModelManifest) -> str:
    """Return the version's signature, made here where the key is.

    Refuses an unsigned version where the preset names a public key.
    """
    content, policy = (arguments.model / MARKERS["model"]).read_bytes(), context.preset.serving
    return sealed(
        context.store,
        manifest.model_name,
        manifest.version,
        content,
        arguments.signing_key,
        policy.public_key,
    )


def _judged(
    word: str, context: Context, arguments: argparse.Namespace
) -> tuple[ModelManifest, Verdict]:
    manifest = verified_model(arguments.model)
    verdict = read_marker(arguments.verdict, "verdict", Verdict)
    require_word(word, verdict, manifest, context.preset.model_name)
    return manifest, verdict


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


STEPS = {
    "register": Step(
        "keep a challenger that needs approval in the registry, and ask a person",
        add_register_arguments,
        register,
    ),
    "deploy": Step(
        "make the blessed challenger the champion and render what serves it",
        add_deploy_arguments,
        deploy,
    ),
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["rollout"]:
        from components.deployment.rollout import command

        sys.exit(command.main(sys.argv[2:]))
    sys.exit(main("deployment", STEPS))
