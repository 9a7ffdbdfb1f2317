"""Great Expectations' Data Docs of one validation, as one page that needs no network and runs no script.

What each expectation found, Great Expectations' own renderer says. The page around it and its
tables are ours (templates/): its own pages fetch styles and scripts from public servers, draw their
index with a script, tell times and ids of their own making, so that no two would be alike, and put
values into tables unescaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from great_expectations.render.renderer.content_block import (
    ValidationResultsTableContentBlockRenderer,
)
from great_expectations.render.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, FileSystemLoader

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Documented:
    """A rule with the result that Great Expectations gave for its expectation."""

    name: str
    severity: str
    table: str
    result: Any


def page(rules: Sequence[Documented]) -> str:
    """Return the HTML of the page: one table per rule, in order."""
    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([FileSystemLoader(TEMPLATES), view.env.loader])
    shown = [
        {
            "name": rule.name,
            "severity": rule.severity,
            "table": rule.table,
            "content": (
                ValidationResultsTableContentBlockRenderer.render([rule.result]).to_json_dict()
            ),
        }
        for rule in rules
    ]
    broken = [rule.name for rule in rules if not rule.result.success]
    return str(view.env.get_template("data_docs.j2").render(rules=shown, broken=broken))
