"""What `emotion doctor` looks at."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.environments import unsupported
from pipelines import code_version

# The libraries that do each component's work, as their installed metadata spells them.
_MAIN_PACKAGES = {
    "ingestion": ("apache_beam",),
    "validation": ("tensorflow_data_validation", "great_expectations"),
    "resampling": ("imbalanced_learn", "scikit_learn"),
    "training": ("tensorflow", "keras"),
    "evaluation": ("ai_edge_litert", "scikit_learn"),
    "serving": ("kserve", "ai_edge_litert"),
    "deployment": ("kserve",),
    "reporting": ("jinja2",),
}


@dataclass(frozen=True)
class Finding:
    """One line of the examination; ``missing`` keeps the pipeline from running."""

    state: Literal["ok", "missing", "note"]
    what: str
    found: str
    fix: str = ""


def examine(root: Path = code_version.ROOT) -> list[Finding]:
    """Everything that a run on this machine needs, and what would be good to have."""
    findings = [_python(), _disk(root), _cpus()]
    findings += [_environment(root, name) for name in code_version.COMPONENTS]
    findings += [
        _tool("docker", "runs the steps as containers"),
        _tool("kubectl", "talks to a cluster"),
    ]
    return findings


def _python() -> Finding:
    problem = unsupported(sys.version_info[:2], platform.libc_ver()[1])
    return Finding(
        "missing" if problem else "ok",
        "Python",
        f"Python {platform.python_version()}, glibc {platform.libc_ver()[1]}",
        problem,
    )


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    return Finding(
        "ok" if free > 2 else "missing",
        "free disk",
        f"{free:.1f} GB",
        "" if free > 2 else "free some space: a run needs about 1 GB, an installation 6 GB",
    )


def _cpus() -> Finding:
    count = len(os.sched_getaffinity(0))
    return Finding(
        "ok" if count > 1 else "note",
        "processors",
        str(count),
        "" if count > 1 else "works, but slowly: two are better",
    )


def _environment(root: Path, name: str) -> Finding:
    folder = root / ".venvs" / name
    stamp = folder / ".lock.sha256"
    lock = root / "components" / name / "requirements.lock"
    if not (folder / "bin" / "python").exists() or not stamp.exists():
        return Finding("missing", f"environment {name}", "not installed", "make install")
    wanted = hashlib.sha256(
        lock.read_bytes() + sys.version.encode() + str(root).encode()
    ).hexdigest()
    if stamp.read_text() != wanted:
        return Finding("note", f"environment {name}", "installed from another lock", "make install")
    versions = ", ".join(
        f"{package} {_version(folder, package)}" for package in _MAIN_PACKAGES[name]
    )
    count = sum(line[:1].isalpha() for line in lock.read_text().splitlines())
    return Finding("ok", f"environment {name}", f"{versions}; {count} packages")


def _version(folder: Path, package: str) -> str:
    found = sorted(folder.glob(f"lib/python*/site-packages/{package}-*.dist-info"))
    return found[0].name.removesuffix(".dist-info").rpartition("-")[2] if found else "missing"


def _tool(name: str, use: str) -> Finding:
    path = shutil.which(name)
    return (
        Finding("ok", name, path)
        if path
        else Finding("note", name, "not found", f"optional: {use}")
    )
