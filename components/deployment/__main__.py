"""Command line of the deployment step."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

from components.contracts import artifacts, layout
from components.contracts.artifacts import read_marker, verified_model
from components.contracts.errors import ContractError
from components.contracts.findings import DeployFindings, Verdict
from components.contracts.night import Pointer
from components.deployment.promotion import require_blessing
from components.deployment.registry import Registry
from components.runtime.step import Context, Step, main

MANIFEST = "inference_service.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="model artifact")
    parser.add_argument("--verdict", type=Path, required=True, help="verdict artifact")
    parser.add_argument("--deployment", type=Path, required=True, help="deployment artifact to write")


def deploy(context: Context, arguments: argparse.Namespace) -> DeployFindings:
    """Promote the model if it is blessed, then render what serves it."""
    manifest = verified_model(arguments.model)
    verdict = read_marker(arguments.verdict, "verdict", Verdict)
    name = context.preset.model_name
    require_blessing(verdict, manifest, name)

    # KServe's SDK takes seconds to import; a refused model shouldn't wait for it.
    from components.deployment.manifest import Served, inference_service, storage_uri

    registry = Registry(context.store, name)
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    champion = registry.promote(arguments.model, Pointer(manifest.version, context.run_id, now), verdict.champion)
    anchor = registry.pointer("anchor")
    if anchor is None:
        raise ContractError(f"the anchor of {name} is gone", fix="run the step again")

    uri = storage_uri(registry.location(manifest.version))
    text = inference_service(Served(name, manifest.version, champion.run_id, uri), context.preset.serving)
    context.store.write(f"{layout.run(context.run_id)}/{MANIFEST}", text.encode())
    folder = artifacts.start(arguments.deployment)
    artifacts.write_atomically(folder / MANIFEST, text.encode())
    findings = DeployFindings(name, manifest.version, champion, registry.pointer("previous"), anchor, uri, text)
    artifacts.finish(folder, "deployment", findings)
    return findings


STEPS = {"deploy": Step("make the blessed challenger the champion and render what serves it", add_arguments, deploy)}

if __name__ == "__main__":
    sys.exit(main("deployment", STEPS))
