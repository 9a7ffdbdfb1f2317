"""The cluster's resources as they stand in infra/kustomize and as each overlay renders them.

python -m tests.infra.manifests    write the golden renderings anew
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUSTOMIZE = ROOT / "infra" / "kustomize"
OVERLAYS = ("kind", "minikube", "gke")
GOLDEN = Path(__file__).parent / "golden"


def sources() -> dict[str, dict[str, Any]]:
    """Every whole resource of the sources: place and name to resource.

    Patches of an overlay are none.
    """
    found = {}
    for path in sorted(KUSTOMIZE.rglob("*.yaml")):
        if path.name not in ("kustomization.yaml", "identities.yaml"):
            for resource in yaml.safe_load_all(path.read_text()):
                found[
                    f"{path.relative_to(KUSTOMIZE)}:{resource['kind']}/{resource['metadata']['name']}"
                ] = resource
    return found


def golden(overlay: str) -> list[dict[str, Any]]:
    """The resources of an overlay's golden rendering."""
    return list(yaml.safe_load_all((GOLDEN / f"{overlay}.yaml").read_text()))


def renderer() -> list[str]:
    """A command that renders a folder.

    Empty where neither kustomize 5 nor a kubectl that holds it is found.
    """
    if shutil.which("kustomize"):
        version = (
            subprocess.run(["kustomize", "version"], capture_output=True, text=True)
            .stdout.strip()
            .removeprefix("v")
        )
        if version.startswith("5."):
            return ["kustomize", "build"]
    if shutil.which("kubectl"):
        version = subprocess.run(
            ["kubectl", "version", "--client"], capture_output=True, text=True
        ).stdout
        if "Kustomize Version: v5." in version:
            return ["kubectl", "kustomize"]
    return []


def render(overlay: str) -> str:
    return subprocess.run(
        [*renderer(), KUSTOMIZE / "overlays" / overlay], capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    if not renderer():
        sys.exit("neither kustomize 5 nor a kubectl that holds it is on the path")
    for name in OVERLAYS:
        (GOLDEN / f"{name}.yaml").write_text(render(name))
