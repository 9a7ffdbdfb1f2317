"""`emotion drift`: what was served, against what the version that served was trained on.

The predictor keeps features and probabilities of a share of its requests (`serving.payload` in the
preset); ingestion measured the same features of every training row, and validation kept their
statistics beside the snapshot. The label that was answered is compared with the labels of the
training rows.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from types import ModuleType

from components.shared.artifacts.contract import FEATURE_COLUMNS
from components.shared.errors import ContractError, InputError
from components.shared.preset import Preset, ValidationPolicy
from components.shared.records import DriftRecord, ServedRow
from components.shared.serialization import from_json, to_pretty_json
from components.shared.store import keys
from components.shared.store.interface import Store, open_store

DRIFTED = 3  # exit code
# Of rows drawn like the training rows themselves, the farthest of four measures came to 0.084 with
# 100 rows, 0.037 with 200.
ENOUGH_ROWS = 200
SIZE_COLUMNS = ("width", "height")
COLUMNS = ("label", *FEATURE_COLUMNS, *SIZE_COLUMNS)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True)
class Distance:
    """Of one column. ``bound``: of the preset.

    None where the column is only told: any size is brought to the model's own.
    """

    column: str
    measure: str
    distance: float
    bound: float | None

    @property
    def drifted(self) -> bool:
        """Whether it is beyond its bound."""
        return self.bound is not None and self.distance > self.bound


def since(text: str, now: datetime) -> datetime:
    """Return the time in UTC that ``7d``, ``12h``, ``30m`` or a date as ``2026-11-14`` means.

    Raises:
        InputError: it is none of these, or in the future.
    """
    found = re.fullmatch(r"(\d{1,4})([dhm])", text)
    try:
        start = (
            now - timedelta(**{_UNITS[found[2]]: int(found[1])})
            if found
            else datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
        )
    except ValueError as error:
        raise InputError(
            f"--since can't be read ({error})",
            expected="7d, 12h, 30m, or a date as 2026-11-14",
            received=text,
        ) from error
    if start >= now:
        raise InputError("--since is in the future", received=text)
    return start


def served_rows(
    store: Store, model_name: str, version: str, start: datetime, end: datetime
) -> Iterator[ServedRow]:
    """Yield what a version answered from ``start`` on.

    Raises ContractError for a line that is no `ServedRow`.
    """
    for day in range((end.date() - start.date()).days + 1):
        for key in store.list(
            keys.served(model_name, (start.date() + timedelta(days=day)).isoformat())
        ):
            for line in (store.read(key) or b"").splitlines():
                row = from_json(ServedRow, line, store.location(key))
                if row.version == version and datetime.fromisoformat(row.at) >= start:
                    yield row


def judged(distances: dict[str, float], policy: ValidationPolicy) -> list[Distance]:
    """Each column that could be measured, with the preset's bound for drift."""
    bounds = {
        "label": policy.max_label_drift,
        **dict.fromkeys(FEATURE_COLUMNS, policy.max_feature_drift),
    }
    return [
        Distance(
            column,
            "L-infinity" if column == "label" else "Jensen-Shannon",
            distances[column],
            bounds.get(column),
        )
        for column in COLUMNS
        if column in distances
    ]


def record_of(
    found: Sequence[Distance], rows: int, version: str, start: datetime, at: datetime
) -> DriftRecord:
    """Return what the next night reads."""
    far = [
        f"{each.column} {each.distance:.3f}, bound {each.bound:g}" for each in found if each.drifted
    ]
    sentence = (
        f"{rows:,} served rows are {'away from' if far else 'close to'} the training"
        f" rows{': ' if far else ''}{'; '.join(far)}"
    )
    return DriftRecord(version, _told(start), _told(at), bool(far), sentence)


def table(found: Iterable[Distance]) -> str:
    """For a terminal."""
    lines = [f"{'column':12} {'measure':16} {'distance':>8} {'bound':>7}"]
    for each in found:
        bound = "-" if each.bound is None else f"{each.bound:g}"
        lines.append(
            f"{each.column:12} {each.measure:16} {each.distance:>8.3f}"
            f" {bound:>7}{'  drifted' if each.drifted else ''}"
        )
    return "\n".join(lines)


def main(argv: Sequence[str], load: Callable[[str], ModuleType], now: datetime) -> int:
    """Compare, print, and leave a `DriftRecord` in the store. Exit code 0: within the bounds.

    3: drifted.

    Args:
        load: imports a module of this package that needs TensorFlow Data Validation.

    Raises:
        InputError: too few rows were served. ContractError: the statistics of the snapshot are
            gone.
    """
    arguments = _arguments(argv)
    store, preset = open_store(arguments.store), from_json(Preset, arguments.preset, "preset")
    start = since(arguments.since, now)
    rows = [
        {name: getattr(row, name) for name in COLUMNS}
        for row in served_rows(store, preset.model_name, arguments.version, start, now)
    ]
    if len(rows) < ENOUGH_ROWS:
        raise InputError(
            f"too few rows of {arguments.version} since {_told(start)} to tell",
            expected=f"{ENOUGH_ROWS} or more",
            received=f"{len(rows)}",
            fix="look further back, or let the predictor keep more: serving.payload in the preset",
        )
    content = store.read(arguments.statistics)
    if content is None:
        raise ContractError(
            "the statistics of the training rows are gone",
            expected=store.location(arguments.statistics),
        )
    distributions, schemas = load("statistics"), load("schema")
    statistics = distributions.from_bytes(content, store.location(arguments.statistics))
    schema = schemas.measuring(schemas.schema_of(preset)[0], SIZE_COLUMNS)
    found = judged(
        distributions.drift(rows, statistics, schema, preset.data.labels), preset.validation
    )
    record = record_of(found, len(rows), arguments.version, start, now)
    store.write(keys.drift(preset.model_name), to_pretty_json(record).encode())
    if arguments.json:
        print(
            json.dumps(
                {
                    **asdict(record),
                    "rows": len(rows),
                    "columns": [{**asdict(each), "drifted": each.drifted} for each in found],
                }
            )
        )
    else:
        print(
            f"{preset.model_name} {record.version}, served since {record.since}: {len(rows):,}"
            f" rows\n\n{table(found)}\n\n{record.sentence}"
        )
    return DRIFTED if record.drifted else 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m components.validation drift", description=main.__doc__
    )
    parser.add_argument("--preset", required=True, help="the preset as JSON: labels and bounds")
    parser.add_argument("--store", required=True, help="folder or URI of the store")
    parser.add_argument("--version", required=True, help="that served")
    parser.add_argument(
        "--statistics",
        required=True,
        help="key of the statistics of the snapshot that it was trained on",
    )
    parser.add_argument(
        "--since", required=True, help="7d, 12h, 30m, or a date as 2026-11-14 (UTC)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser.parse_args(argv)


def _told(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
