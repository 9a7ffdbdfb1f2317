"""Which environment on this machine stands for which image."""

from __future__ import annotations

import re
from pathlib import Path

from components.contracts.errors import EnvironmentProblem
from pipelines.code import ROOT

_IMAGE = re.compile(r"(?:^|/)emotion-(?P<component>[a-z]+)(?::|$)")


def environment_python(image: str) -> Path:
    """The interpreter of the environment that stands for an image on this machine."""
    match = _IMAGE.search(image)
    if match is None:
        raise EnvironmentProblem(f"no local environment stands for the image {image}", expected="emotion-<component>:<tag>")
    python = ROOT / ".venvs" / match["component"] / "bin" / "python"
    if not python.exists():
        raise EnvironmentProblem(f"the environment of {match['component']} is missing", expected=str(python), fix="run `make install`")
    return python
