"""The nightly schedule of a preset, brought to what is wanted by calls that can be repeated, crossed or cut off anywhere.

Kubeflow Pipelines lets recurring runs carry the same name and can't change one. So a schedule is a
name, and of the enabled recurring runs with that name the one created last counts. Whoever changes
the schedule creates the new one first and then disables the others; nobody ever disables the last
one. A call that was killed in between is completed by the next.
"""

from __future__ import annotations

import re
import time
import zoneinfo
from dataclasses import dataclass, field
from typing import Any

from components.shared.errors import ConflictError, InputError
from components.shared.serialization import digest
from pipelines.cluster.client import Kubeflow, called, every

ROUNDS = 6
_SPEC = re.compile(r"\bspec ([0-9a-f]{64})\b")
_FIELDS = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    (
        "month",
        1,
        12,
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ),
    ("day of week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


@dataclass(frozen=True)
class ScheduleSpec:
    """What a schedule is to be.

    Attributes:
        name: of the schedule. version: the pipeline version's name. parameters: of the pipeline.
        cron: six fields, seconds first. time_zone: the one that the cluster's scheduler counts in;
            it can't be set per schedule.
        max_concurrency, no_catchup: one night at a time, and a missed one is left out.
    """

    name: str
    cron: str
    time_zone: str
    version: str
    service_account: str
    parameters: dict[str, Any] = field(default_factory=dict)
    max_concurrency: int = 1
    no_catchup: bool = True

    def __post_init__(self) -> None:
        check_cron(self.cron)
        check_time_zone(self.time_zone)

    @property
    def digest(self) -> str:
        """SHA-256 of all that the schedule runs."""
        return digest(self)

    @property
    def description(self) -> str:
        """Says the schedule to people, and carries the digest that the next call compares."""
        return f"{self.cron} ({self.time_zone}); spec {self.digest}"


def schedule(
    client: Kubeflow, spec: ScheduleSpec, experiment_id: str, pipeline_id: str, version_id: str
) -> tuple[Any, bool]:
    """Make ``spec`` the one enabled schedule of its name.

    Returns it, and whether it was created now.

    Raises:
        ConflictError: somebody else set another schedule of this name at the same time, and theirs
            came last.
    """
    created: str | None = None
    before: set[str] = set()
    for _ in range(ROUNDS):
        enabled = standing(client, spec.name, enabled=True)
        if enabled and spec_of(enabled[0]) == spec.digest:
            if len(enabled) == 1:
                return enabled[0], enabled[0].recurring_run_id == created
            for older in enabled[1:]:
                client.disable_recurring_run(older.recurring_run_id)
            continue
        if created is not None and enabled:
            if enabled[0].recurring_run_id not in before:
                raise ConflictError(
                    f"somebody else set another schedule {spec.name} at the same time",
                    expected=spec.description,
                    received=enabled[0].description or "",
                    fix="look at `emotion status`, then run again",
                )
            time.sleep(
                1
            )  # ours was created in the very second of the one that it replaces: a later one is told apart
        again = None if enabled else _same(standing(client, spec.name, enabled=False), spec)
        if again is not None:
            client.enable_recurring_run(again.recurring_run_id)
        else:
            before = {one.recurring_run_id for one in enabled}
            created = _create(client, spec, experiment_id, pipeline_id, version_id)
    raise ConflictError(
        f"the schedule {spec.name} changed {ROUNDS} times meanwhile", fix="run the command again"
    )


def unschedule(client: Kubeflow, name: str) -> int:
    """Disable every schedule of a name; how many were enabled."""
    enabled = standing(client, name, enabled=True)
    for one in enabled:
        client.disable_recurring_run(one.recurring_run_id)
    return len(enabled)


def standing(client: Kubeflow, name: str, *, enabled: bool | None = None) -> list[Any]:
    """Recurring runs of a name, the one created last first.

    By time, then by id, since times are whole seconds.
    """
    arguments = {"filter": called(name), "namespace": client.get_user_namespace() or None}
    found = [
        one
        for one in every(client.list_recurring_runs, "recurring_runs", **arguments)
        if one.display_name == name
    ]
    chosen = [one for one in found if enabled is None or (one.status == "ENABLED") == enabled]
    return sorted(chosen, key=lambda one: (one.created_at, one.recurring_run_id), reverse=True)


def spec_of(recurring_run: Any) -> str:
    """Return the digest of the spec that a recurring run was made from.

    Empty for one that isn't ours.
    """
    match = _SPEC.search(recurring_run.description or "")
    return match[1] if match else ""


def check_cron(cron: str) -> None:
    """Refuse what Kubeflow's scheduler wouldn't understand. Raises InputError."""
    parts = cron.split()
    if len(parts) != len(_FIELDS):
        fix = f"put the seconds first: '0 {cron}'" if len(parts) == 5 else ""
        raise InputError(
            f"the schedule '{cron}' has {len(parts)} fields",
            expected="six: second minute hour day month weekday, such as '0 30 2 * * *'",
            fix=fix,
        )
    for part, (what, low, high, names) in zip(parts, _FIELDS, strict=True):
        if not all(_fits(item, low, high, names) for item in part.lower().split(",")):
            raise InputError(
                f"the {what} of the schedule '{cron}' can't be {part}",
                expected=f"*, or {low} to {high}, as 1, 1-3, 1,3 or */2",
            )


def check_time_zone(name: str) -> None:
    """Require a zone's name, such as Europe/Berlin. Raises InputError."""
    if name == "UTC":
        return
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"there is no time zone {name}", expected="a name such as UTC or Europe/Berlin"
        ) from error


def _fits(item: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    span, slash, step = item.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        return False
    if span in ("*", "?"):
        return True
    bounds = [
        low + names.index(end) if end in names else int(end) if end.isdecimal() else -1
        for end in span.split("-")
    ]
    return (
        len(bounds) <= 2
        and all(low <= bound <= high for bound in bounds)
        and bounds == sorted(bounds)
    )


def _same(disabled: list[Any], spec: ScheduleSpec) -> Any:
    return next((one for one in disabled if spec_of(one) == spec.digest), None)


def _create(
    client: Kubeflow, spec: ScheduleSpec, experiment_id: str, pipeline_id: str, version_id: str
) -> str:
    made = client.create_recurring_run(
        experiment_id,
        spec.name,
        spec.description,
        cron_expression=spec.cron,
        max_concurrency=spec.max_concurrency,
        no_catchup=spec.no_catchup,
        params=spec.parameters,
        pipeline_id=pipeline_id,
        version_id=version_id,
        service_account=spec.service_account,
    )
    return str(made.recurring_run_id)
