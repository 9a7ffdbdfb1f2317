"""The base image.

Python 3.13 on Debian trixie, pulled, or put together from Debian's packages where no registry can
be reached.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.images.engine import Engine, NoEngine
from infra.images.secrets import debian_mirror

PULLED = "python:3.13-slim-trixie"
# pip installs uv in the build stage; the certificates are Debian's own.
PACKAGES = "python3,python3-pip,ca-certificates"
# The mirror, the name server and the name of this machine are its own settings: they reach a build
# as secrets, and no layer holds them.
FORGET = 'for name in apt/sources.list resolv.conf hostname; do : > "$1/etc/$name"; done'
# An assembled base is named by how it was made, so that a change here makes another.
ASSEMBLED = (
    f"localhost/emotion-base:trixie-{hashlib.sha256((PACKAGES + FORGET).encode()).hexdigest()[:8]}"
)
PULL_SECONDS = 120


def base_image(engine: Engine) -> str:
    """Name of a base image that the engine holds.

    Raises:
        NoEngine: it can be neither pulled nor assembled.
    """
    for name in (PULLED, ASSEMBLED):
        if engine.run("images", "--quiet", name):
            return name
    try:
        subprocess.run(
            [engine.client, "pull", "--quiet", PULLED],
            env=engine.environment(),
            check=True,
            capture_output=True,
            timeout=PULL_SECONDS,
        )
        return PULLED
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        _assemble(engine)
        return ASSEMBLED


def _assemble(engine: Engine) -> None:
    mirror = debian_mirror()
    if not mirror or shutil.which("apt-get") is None:
        raise NoEngine(
            f"{PULLED} can't be pulled; expected a reachable registry, or a Debian machine to"
            " assemble a base on"
        )
    print(f"{PULLED} can't be pulled; assembling a base from Debian's packages …", flush=True)
    if shutil.which("mmdebstrap") is None:
        subprocess.run(
            ["apt-get", "-qq", "install", "-y", "--no-install-recommends", "mmdebstrap"],
            check=True,
            capture_output=True,
        )
    with TemporaryDirectory(prefix="emotion-base-") as folder:
        archive = Path(folder) / "base.tar"
        command = [
            "mmdebstrap",
            "--quiet",
            "--variant=apt",
            f"--include={PACKAGES}",
            f"--customize-hook={FORGET}",
        ]
        subprocess.run([*command, "trixie", archive, mirror], check=True)
        engine.run("import", "--change", 'CMD ["python3"]', archive, ASSEMBLED)
