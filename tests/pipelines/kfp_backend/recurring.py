"""Recurring runs, as the API server admits them and the scheduled-workflow controller fires them.

Kubeflow Pipelines 2.17.0: backend/src/apiserver/template/v2_template.go (validatePipelineJobInputs,
ScheduledWorkflow) and template.go (toSWFCRDResourceGeneratedName),
backend/src/apiserver/server/api_converter.go (toModelJob),
backend/src/crd/controller/scheduledworkflow/util/scheduled_workflow.go and cron_schedule.go,
util/const.go (GetLocation), and the cron library that they use, github.com/robfig/cron v1.2.0.

A recurring run of a named version is compiled when it is made, with its parameters: the controller
creates the workflow itself and changes nothing in them (NewWorkflow). So macros such as
``[[ScheduledTime]]`` stay literal there, while the API server fills them in for a run that is
started by hand (RunWorkflow); and the run has no display name of its own: it is called like its
workflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from tests.pipelines.kfp_backend.driver import RunFacts

TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "NUMBER_DOUBLE": ("double or integer", (int, float)),
    "NUMBER_INTEGER": ("double or integer", (int, float)),
    "STRING": ("string", (str,)),
    "BOOLEAN": ("bool", (bool,)),
    "LIST": ("list", (list,)),
    "STRUCT": ("struct", (dict,)),
}
MAX_CONCURRENCY = 10
YEARS = 5  # the cron library looks no further
_FIELDS = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    (
        "month",
        1,
        12,
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ),
    ("weekday", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


class Refused(Exception):
    """The API server answers 400 with this sentence."""


def check_parameters(definitions: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Refuse parameters of a run or a recurring run that the pipeline doesn't take.

    Types aren't converted. Raises Refused.
    """
    for name, definition in definitions.items():
        if name not in parameters:
            if not definition.get("isOptional") and "defaultValue" not in definition:
                raise Refused(
                    f"parameter {name} is not optional, yet has neither default value nor user"
                    " provided value"
                )
            continue
        if definition["parameterType"] not in TYPES:
            raise Refused(
                f"input parameter {name} requires type {definition['parameterType']}, which is"
                " invalid for root component"
            )
        kind, types = TYPES[definition["parameterType"]]
        value = parameters[name]
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "bool"):
            raise Refused(
                f"input parameter {name} requires type {kind}, but the parameter value is not of"
                f" {kind} value type"
            )
        if definition.get("literals") and value not in definition["literals"]:
            raise Refused(f"input parameter {name} must be one of {definition['literals']}")
    extra = sorted(set(parameters) - set(definitions))
    if extra:
        raise Refused(f"parameter(s) provided are not required by pipeline: {', '.join(extra)}")


def check_recurring(cron: str, max_concurrency: int) -> None:
    """Refuse a schedule that the API server won't keep. Raises Refused."""
    if not 1 <= max_concurrency <= MAX_CONCURRENCY:
        raise Refused(
            "Max concurrency of a recurring run must be at least 1 and at most 10. Received"
            f" {max_concurrency}"
        )
    Cron.read(cron)


@dataclass(frozen=True)
class Cron:
    """A cron expression: seconds first; a sixth field, the day of the week, may be missing.

    Five fields are not the five of Unix: ``30 2 * * *`` is second 30 of minute 2 of every hour.
    """

    fields: tuple[frozenset[int], ...]
    any_day: bool

    @classmethod
    def read(cls, text: str) -> Cron:
        """Raises Refused.

        Of the descriptors (``@daily``) the library knows more than this reads.
        """
        parts = ["0", "0", "0", "*", "*", "*"] if text in ("@daily", "@midnight") else text.split()
        if not 5 <= len(parts) <= 6:
            raise Refused(
                "Schedule cron is not a supported format. Error: Expected 5 to 6 fields, found"
                f" {len(parts)}: {text}"
            )
        parts += ["*"] * (6 - len(parts))
        fields = tuple(
            frozenset(_numbers(part, *field)) for part, field in zip(parts, _FIELDS, strict=True)
        )
        return cls(fields, any(part.startswith(("*", "?")) for part in (parts[3], parts[5])))

    def next(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first time later than ``after``, hour by hour as the hours really pass.

        None where five years hold none.

        An hour that the zone skips in spring has no run, one that it repeats in autumn has two.
        Zones that shift by part of an hour aren't covered.
        """
        seconds, minutes, hours, *_ = self.fields
        start = after.astimezone(timezone.utc).replace(microsecond=0) + timedelta(seconds=1)
        hour = start - timedelta(minutes=start.astimezone(zone).minute, seconds=start.second)
        while hour.astimezone(zone).year <= start.astimezone(zone).year + YEARS:
            local = hour.astimezone(zone)
            if not self._on(local):
                hour += timedelta(hours=23 if local.hour == 0 else 1)  # a day has 23 hours at least
                continue
            if local.hour in hours:
                times = (
                    hour + timedelta(minutes=minute, seconds=second)
                    for minute in sorted(minutes)
                    for second in sorted(seconds)
                )
                found = next((time for time in times if time >= start), None)
                if found is not None:
                    return found
            hour += timedelta(hours=1)
        return None

    def _on(self, local: datetime) -> bool:
        _, _, _, days, months, weekdays = self.fields
        day, weekday = local.day in days, local.isoweekday() % 7 in weekdays
        return local.month in months and ((day and weekday) if self.any_day else (day or weekday))


def _numbers(part: str, what: str, low: int, high: int, names: tuple[str, ...]) -> Iterable[int]:
    for item in part.lower().split(","):
        span, _, step = item.partition("/")
        if step == "0" or (step and not step.isdecimal()):
            raise Refused(
                "Schedule cron is not a supported format. Error: Step of range should be a"
                f" positive number: {item}"
            )
        if span in ("*", "?"):
            first, last = low, high
        else:
            ends = [
                low + names.index(end) if end in names else int(end) if end.isdecimal() else -1
                for end in span.split("-")
            ]
            first, last = ends[0], ends[-1] if len(ends) > 1 else high if step else ends[0]
            if not low <= first <= last <= high or len(ends) > 2:
                raise Refused(
                    f"Schedule cron is not a supported format. Error: the {what} {item} is out of"
                    f" range {low} to {high}"
                )
        yield from range(first, last + 1, int(step or 1))


@dataclass
class Schedule:
    """A ScheduledWorkflow object.

    Attributes:
        name: of the Kubernetes object. parameters: of every run, as they were given when it was
            made.
        last, index: time and number of the run that was fired last.
    """

    name: str
    cron: str
    parameters: Mapping[str, Any]
    created_at: datetime
    max_concurrency: int = 1
    no_catchup: bool = True
    enabled: bool = True
    last: datetime | None = None
    index: int = 0

    def fire(self, now: datetime, active: int, zone: ZoneInfo) -> tuple[str, datetime] | None:
        """The workflow that is due now, by name and scheduled time.

        None where none is, or too many of this schedule run.

        The controller makes one at a time and comes again (syncHandler), so several may be due
        where it catches up.
        """
        due = self._due(now, zone)
        if (
            due is None
            or not self.enabled
            or active >= min(max(self.max_concurrency, 1), MAX_CONCURRENCY)
            or due > now
        ):
            return None
        self.last, self.index = due, self.index + 1
        return workflow_name(self.name, self.index), due

    def _due(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        cron = Cron.read(self.cron)
        due = cron.next(self.last or self.created_at, zone)
        while self.no_catchup and due is not None:
            later = cron.next(due, zone)
            if later is None or later > now:
                break
            due = later
        return due


def resource_name(display_name: str, suffix: str) -> str:
    """Name of the ScheduledWorkflow.

    At most 25 characters of the schedule's, and what Kubernetes appends.
    """
    return (re.sub(r"[^a-z0-9-]+", "", display_name.lower()) or "job-")[:25] + suffix


def workflow_name(schedule: str, index: int) -> str:
    """Name of a schedule's workflow, and of its run.

    Number and 32-bit FNV-1a (NextResourceName).
    """
    name, value = f"{schedule}-{index}", 2166136261
    for byte in name.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return f"{name}-{value}"


def facts_of(run_id: str, workflow: str, scheduled_at: datetime, now: datetime) -> RunFacts:
    """What a recurring run's drivers know of it.

    Its display name is empty: the schedule was compiled without one.
    """
    return RunFacts(run_id, workflow, "", _stamp(now), _stamp(scheduled_at))


_MACRO = re.compile(r"\[\[(RunUUID|ScheduledTime|CurrentTime)\]\]")


def fill_macros(parameters: Mapping[str, Any], run_id: str, now: datetime) -> dict[str, Any]:
    """Parameters of a run that is started by hand, with the macros that mean something there (common/util/parameter_formatter.go)."""
    values = {"RunUUID": run_id, "CurrentTime": f"{now:%Y%m%d%H%M%S}"}

    def fill(value: Any) -> Any:
        return (
            _MACRO.sub(lambda match: values.get(match[1], match[0]), value)
            if isinstance(value, str)
            else value
        )

    return {name: fill(value) for name, value in parameters.items()}


def _stamp(time: datetime) -> str:
    return f"{time.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
