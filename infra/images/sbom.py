"""What an image holds, as a CycloneDX bill of materials.

Its Python packages and Debian's, listed from inside the image.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components.shared.artifacts.contract import write_atomically
from infra.environments import VENVS
from infra.images.engine import Engine

# The tool isn't in the image: its packages, all it needs of them plain Python, are mounted for this
# one command.
TOOL = """import runpy, sys
sys.path.append("/sbom")
options = ["environment", "--no-validate", "--output-reproducible", "--output-format", "JSON", "--output-file", "-"]
sys.argv = ["cyclonedx-py", *options, "/opt/venv/bin/python"]
runpy.run_module("cyclonedx_py", run_name="__main__")
"""
PACKAGES = "dpkg-query --show --showformat '${Package} ${Version} ${Architecture}\\n'"


def write_bill(engine: Engine, reference: str, folder: Path) -> Path:
    """Return the bill of an image; written once, since a tag says what is in it.

    Raises:
        CalledProcessError: the image couldn't be asked.
    """
    name, _, tag = reference.removeprefix("localhost/").rpartition(":")
    path = folder / f"{name.replace('/', '-')}-{tag}.cdx.json"
    if not path.exists():
        write_atomically(
            path, (json.dumps(_bill(engine, reference, name, tag), indent=1) + "\n").encode()
        )
    return path


def _bill(engine: Engine, reference: str, name: str, tag: str) -> dict[str, Any]:
    packages = (
        VENVS
        / "sbom"
        / "lib"
        / f"python{sys.version_info[0]}.{sys.version_info[1]}"
        / "site-packages"
    )
    run = (
        "run",
        "--rm",
        "--read-only",
        "--tmpfs",
        "/tmp",  # noqa: S108 - the container's own
        "--network",
        "none",
    )
    bill: dict[str, Any] = json.loads(
        engine.run(
            *run,
            "--volume",
            f"{packages}:/sbom:ro",
            reference,
            "env",
            "--unset=PYTHONPATH",
            "python",
            "-c",
            TOOL,
        )
    )
    bill["metadata"]["component"] = {
        "type": "container",
        "bom-ref": reference,
        "name": name,
        "version": tag,
    }
    bill["components"] += [
        debian_component(line)
        for line in engine.run(*run, reference, "sh", "-c", PACKAGES).splitlines()
    ]
    return bill


def debian_component(line: str) -> dict[str, str]:
    """Return a line of dpkg-query (name, version, architecture) as a component."""
    name, version, architecture = line.split()
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='.~-')}?arch={architecture}&distro=trixie"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
