"""Identity of the code: what a step's image holds, as a digest, and the images named by it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

COMPONENTS = ("ingestion", "validation", "resampling", "training", "evaluation", "serving", "deployment", "reporting")
SHARED = ("contracts", "runtime", "images", "inference")


def component_digest(component: str, root: Path = ROOT) -> str:
    """SHA-256 over a component's code, the shared packages and its lock."""
    return _digest(root, *(root / "components" / package for package in (component, *SHARED)))


def image_digest(component: str, root: Path = ROOT) -> str:
    """SHA-256 over all that a component's image holds: in that of ingestion the shipped presets, too, which are no code of a step."""
    digest = component_digest(component, root)
    return _digest(root, root / "pipelines" / "presets", begin=digest) if component == "ingestion" else digest


def image_references(registry: str, root: Path = ROOT, *, gpu: bool = False) -> dict[str, str]:
    """Symbolic image name, as components declare it, to ``registry/name:content-digest``.

    Args:
        gpu: training's image is the variant with CUDA, ``registry/gpu/emotion-training:content-digest``.
    """
    prefix = f"{registry.rstrip('/')}/" if registry else ""
    names = {name: f"{'gpu/' if gpu and name == 'training' else ''}emotion-{name}" for name in COMPONENTS}
    return {f"emotion-{name}": f"{prefix}{path}:{image_digest(name, root)[:16]}" for name, path in names.items()}


def code_version(root: Path = ROOT) -> str:
    """Digest of all code that can change a model or a decision; the report's looks aren't part of it."""
    digests = [component_digest(name, root) for name in COMPONENTS if name != "reporting"]
    digests.append(hashlib.sha256((root / "pipelines" / "retraining.py").read_bytes()).hexdigest())
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def git_commit(root: Path = ROOT) -> str:
    """The checkout's commit, with ``+changes`` when the tree differs from it; empty outside git."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}+changes" if changed else commit


def _digest(root: Path, *folders: Path, begin: str = "") -> str:
    """SHA-256 over the paths and contents of all files below some folders."""
    hasher = hashlib.sha256(begin.encode())
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                hasher.update(path.relative_to(root).as_posix().encode() + b"\0")
                hasher.update(hashlib.sha256(path.read_bytes()).digest())
    return hasher.hexdigest()
