"""Templates to pages.

Every page carries a policy by which the browser itself refuses to load anything.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from components.reporting.page.filters import FILTERS

TEMPLATES = Path(__file__).parent / "templates"


def render_template(name: str, **values: Any) -> str:
    """Return a page with its style sheet and script inside, and a Content-Security-Policy that admits exactly these two."""
    style, script = ((TEMPLATES / file).read_text() for file in ("style.css", "table.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_source(style)}; script-src"
        f" {_source(script)}; base-uri 'none'; form-action 'none'"
    )
    page = _environment().get_template(name)
    return page.render(style=Markup(style), script=Markup(script), policy=policy, **values)  # noqa: S704 - files of ours


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment


def _source(content: str) -> str:
    """Return a hash source as Content Security Policy Level 3 writes it (section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
