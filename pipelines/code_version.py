"""Identity of the code: what a step's image holds, as a digest, and the images named by it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

from components.shared.source_digest import source_digest

ROOT = Path(__file__).resolve().parent.parent

COMPONENTS = (
    "ingestion",
    "validation",
    "resampling",
    "training",
    "evaluation",
    "serving",
    "deployment",
    "reporting",
)
SHARED = ("shared",)


def image_digest(component: str, root: Path = ROOT) -> str:
    """SHA-256 over all that a component's image holds: its code, the shared packages, its lock.

    In that of ingestion the presets.
    """
    folders = [root / "components" / package for package in (component, *SHARED)]
    if component == "ingestion":
        folders.append(root / "pipelines" / "presets")
    return _digest(root, folders, _of_bytes)


def image_references(registry: str, root: Path = ROOT, *, gpu: bool = False) -> dict[str, str]:
    """Symbolic image name, as components declare it, to ``registry/name:content-digest``.

    Args:
        gpu: training's image is the variant with CUDA,
            ``registry/gpu/emotion-training:content-digest``.
    """
    prefix = f"{registry.rstrip('/')}/" if registry else ""
    names = {
        name: f"{'gpu/' if gpu and name == 'training' else ''}emotion-{name}" for name in COMPONENTS
    }
    return {
        f"emotion-{name}": f"{prefix}{path}:{image_digest(name, root)[:16]}"
        for name, path in names.items()
    }


def code_version(root: Path = ROOT) -> str:
    """Digest of all code that can change a model or a decision, and of the locks.

    The report's looks aren't part of it, nor are comments and docstrings.
    """
    folders = [root / "components" / name for name in (*COMPONENTS, *SHARED) if name != "reporting"]
    return _digest(root, [*folders, root / "pipelines" / "retraining.py"], source_digest)[:16]


def git_commit(root: Path = ROOT) -> str:
    """Return the checkout's commit, with ``+changes`` when the tree differs from it.

    Empty outside git.
    """
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}+changes" if changed else commit


def _digest(root: Path, places: list[Path], digest_of: Callable[[Path], bytes]) -> str:
    """SHA-256 over the paths and the digests of some files, and of all below some folders."""
    hasher = hashlib.sha256()
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                hasher.update(path.relative_to(root).as_posix().encode() + b"\0" + digest_of(path))
    return hasher.hexdigest()


def _of_bytes(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
