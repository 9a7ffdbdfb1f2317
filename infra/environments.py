"""Make the components' environments, and their locks.

Standard library only: it runs before anything is installed.

python3 infra/environments.py ingestion training     make or update .venvs/ingestion, .venvs/training
python3 infra/environments.py --lock ingestion ...   resolve again and write components/*/requirements.lock
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venvs"
UV = VENVS / "uv" / "bin" / "uv"
PYTHONS = ((3, 11), (3, 14))
# TensorFlow Data Validation for Python 3.12 and newer is built against it.
TFDV_GLIBC = (2, 39)
# Where a group's lock stands when it isn't a component's.
LOCKS = {
    "pipelines": ROOT / "pipelines" / "requirements.lock",
    "test": ROOT / "tests" / "requirements.lock",
    "emulator": ROOT / "tests" / "emulator.lock",
    "oracle": ROOT / "tests" / "oracle.lock",
    "gpu": ROOT / "components" / "training" / "gpu.lock",
    "infra": ROOT / "tests" / "infra.lock",
    "sbom": ROOT / "infra" / "images" / "sbom.lock",
    "jax": ROOT / "components" / "training" / "jax.lock",
    "peers": ROOT / "benchmarks" / "peers.lock",
    "check": ROOT / "infra" / "check.lock",
}


def main() -> int:
    """Make or lock the environments that the command line names; an exit code."""
    arguments = _arguments()
    problem = unsupported(sys.version_info[:2], platform.libc_ver()[1])
    if problem:
        return _fail(problem)
    began = time.monotonic()
    try:
        _bootstrap_uv(arguments.uv_version)
        if arguments.lock:
            _lock(arguments.environments)
            return 0
        made = [name for name in arguments.environments if _make(name)]
        _test_tools()
    except subprocess.CalledProcessError as error:
        return _fail(
            f"`{' '.join(map(str, error.cmd))[:200]}` ended with {error.returncode}; see its"
            " message above"
        )
    if made:
        seconds = time.monotonic() - began
        (VENVS / "install.json").write_text(
            json.dumps({"seconds": round(seconds, 1), "made": made})
        )
        print(f"installed {', '.join(made)} in {seconds:.0f} s", flush=True)
    return 0


def unsupported(python: tuple[int, int], glibc: str) -> str:
    """Why this Python can't hold the environments, with what to do; empty when it can."""
    version = f"this is Python {python[0]}.{python[1]}"
    if not PYTHONS[0] <= python < PYTHONS[1]:
        return f"{version}; expected 3.11, 3.12 or 3.13; to fix it: make PYTHON=python3.11 …"
    if python >= (3, 12) and glibc and tuple(map(int, glibc.split(".")[:2])) < TFDV_GLIBC:
        wanted = ".".join(map(str, TFDV_GLIBC))
        return (
            f"{version} with glibc {glibc}; data validation expects glibc {wanted} from Python 3.12"
            " on; to fix it: make PYTHON=python3.11 …"
        )
    return ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "environments", nargs="+", metavar="NAME", help="dependency groups of pyproject.toml"
    )
    parser.add_argument(
        "--uv-version", required=True, help="version of uv to install where it is missing"
    )
    parser.add_argument("--lock", action="store_true", help="write locks instead of environments")
    return parser.parse_args()


def _bootstrap_uv(version: str) -> None:
    if (
        UV.exists()
        and f"uv {version}"
        in subprocess.run([UV, "--version"], capture_output=True, text=True, check=False).stdout
    ):
        return
    shutil.rmtree(VENVS / "uv", ignore_errors=True)
    # --target needs neither a virtual environment nor a writable system Python.
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
            "--target",
            VENVS / "uv",
            f"uv=={version}",
        ]
    )


def _make(name: str) -> bool:
    """Make one environment unless it is what its lock says. True when something was installed."""
    folder, lock, stamp = VENVS / name, lock_of(name), VENVS / name / ".lock.sha256"
    content = lock.read_bytes() + sys.version.encode() + str(ROOT).encode()
    if name == "pipelines":
        content += repr(_scripts()).encode()
    wanted = hashlib.sha256(content).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    print(f"installing {name} …", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([UV, "venv", "--quiet", "--python", sys.executable, folder])
    install: list[str | Path] = [
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        folder / "bin" / "python",
        "--no-deps",
    ]
    _run([*install, "--require-hashes", "-r", lock])
    if name == "pipelines":
        _run([*install, "--editable", ROOT])
    stamp.write_text(wanted)
    return True


def _scripts() -> object:
    """Return the commands that installing this project makes."""
    import tomllib  # older Pythons lack it; what they are told comes before

    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def _test_tools() -> None:
    """pytest, once, beside the environments.

    `tests/run.py` puts it on the path, the locks stay what they are.
    """
    folder, lock = VENVS / "test", lock_of("test")
    stamp, wanted = folder / ".lock.sha256", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _run(
            [
                UV,
                "pip",
                "install",
                "--quiet",
                "--python",
                sys.executable,
                "--no-deps",
                "--require-hashes",
                "--target",
                folder,
                "-r",
                lock,
            ]
        )
        stamp.write_text(wanted)


def _lock(names: list[str]) -> None:
    _run([UV, "lock", "--quiet"])
    for name in [*names, *LOCKS.keys() - {"pipelines"}]:
        command: list[str | Path] = [
            UV,
            "export",
            "--quiet",
            "--frozen",
            "--group",
            name,
            "--no-emit-project",
            "--no-header",
            "--format",
            "requirements-txt",
        ]
        text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        lock_of(name).write_text(
            f"# Made by `make lock` from the group {name!r} of pyproject.toml.\n{text}"
        )
        print(lock_of(name).relative_to(ROOT))


def lock_of(name: str) -> Path:
    """Return the lock file of a dependency group."""
    return LOCKS.get(name, ROOT / "components" / name / "requirements.lock")


def _run(command: Sequence[str | Path]) -> None:
    subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(VENVS / "none")},
    )


def _fail(message: str) -> int:
    print(f"environments: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
