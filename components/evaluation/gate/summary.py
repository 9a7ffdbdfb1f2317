"""What the gate says of the challenger, as one short Markdown document. Pure."""

from __future__ import annotations

import math

from components.shared.findings import Check, Verdict
from components.shared.step.markdown import bullets, document, table

# Those that decide come first.
ORDER = ("fail", "ask", "insufficient", "pass", "note")


def verdict_summary(verdict: Verdict) -> str:
    """Return the word with its reasons, the models that were compared, and every check with value, bound, interval and reason."""
    roles = {
        "challenger": verdict.challenger,
        "champion": verdict.champion,
        "anchor": verdict.anchor,
    }
    return document(
        f"Verdict: {verdict.word}",
        bullets(verdict.reasons),
        table(("model", "version"), ((role, version or "none") for role, version in roles.items())),
        "## Checks",
        table(
            ("check", "outcome", "value", "bound", "interval", "rows", "reason"),
            (
                _row(check)
                for check in sorted(verdict.checks, key=lambda check: ORDER.index(check.outcome))
            ),
        ),
        (
            f"This was look {verdict.looks.number:,} at these test rows. {verdict.looks.advice}".strip()
            if verdict.looks
            else ""
        ),
    )


def _row(check: Check) -> tuple[object, ...]:
    bound = f"{'at least' if check.direction == 'at-least' else 'at most'} {_number(check.bound)}"
    interval = " to ".join(_number(limit) for limit in check.interval)
    return (
        check.name,
        check.outcome,
        _number(check.value),
        bound,
        interval,
        f"{check.rows:,}" if check.rows else "",
        check.sentence,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < math.inf else f"{value:.4g}"
