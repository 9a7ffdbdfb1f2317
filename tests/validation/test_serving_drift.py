"""What was served against what was trained on, with TFDV's own distances."""

from __future__ import annotations

import importlib
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from components.shared.errors import ContractError, InputError
from components.shared.preset import ValidationPolicy
from components.shared.records import DriftRecord, ServedRow
from components.shared.serialization import from_json, to_json
from components.shared.store import keys
from components.shared.store.disk import DiskStore
from components.validation.distributions import statistics
from components.validation.distributions.serving_drift import judged, main, since
from tests.validation.data import LABELS, PRESET, examples

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
STATISTICS = "snapshots/tests/s1/statistics.pb"


def load(name):
    return importlib.import_module(f"components.validation.distributions.{name}")


@pytest.fixture(scope="module")
def trained() -> bytes:
    return statistics.to_bytes(statistics.describe(examples(), LABELS))


@pytest.fixture
def store(tmp_path: Path, trained: bytes) -> DiskStore:
    store = DiskStore(tmp_path)
    store.write(STATISTICS, trained)
    return store


def serve(
    store: DiskStore,
    rows: int,
    *,
    brighter: float = 0.0,
    labels=LABELS,
    version: str = "v1",
    at: datetime = NOW,
    size: int = 16,
) -> None:
    """Rows as the predictor keeps them, drawn as the training rows were."""
    rng = np.random.default_rng(rows)
    lines = []
    for index in range(rows):
        measures = {"brightness": 110.0, "contrast": 40.0, "sharpness": 300.0, "entropy": 5.0}
        drawn = {
            name: float(rng.normal(mean, mean / 8)) + brighter * (name == "brightness")
            for name, mean in measures.items()
        }
        label = labels[index % len(labels)]
        lines.append(
            to_json(
                ServedRow(
                    (at - timedelta(hours=1)).isoformat(),
                    version,
                    label,
                    {label: 1.0},
                    width=size,
                    height=size,
                    **drawn,
                )
            )
        )
    store.write(
        f"{keys.served(PRESET.model_name, (at - timedelta(hours=1)).date().isoformat())}/{rows}-{version}.jsonl",
        "\n".join(lines).encode(),
    )


def run(store: DiskStore, *more: str) -> int:
    arguments = [
        "--preset",
        to_json(PRESET),
        "--store",
        str(store.root),
        "--version",
        "v1",
        "--statistics",
        STATISTICS,
        "--since",
        "7d",
    ]
    return main([*arguments, *more], load, NOW)


def record(store: DiskStore) -> DriftRecord:
    return from_json(DriftRecord, store.read(keys.drift(PRESET.model_name)) or b"")


def test_the_same_distribution_is_within_the_bounds(store, capsys):
    serve(store, 2100)
    assert run(store) == 0
    told = capsys.readouterr().out
    assert "2,100 rows" in told
    assert "label        L-infinity" in told
    assert "drifted" not in told
    assert (record(store).drifted, record(store).since, record(store).version) == (
        False,
        "2026-11-14T12:00:00+00:00",
        "v1",
    )


@pytest.mark.parametrize(
    ("change", "column"), [({"brighter": 40.0}, "brightness"), ({"labels": LABELS[:2]}, "label")]
)
def test_what_drifts_is_named_and_kept_for_the_next_night(store, capsys, change, column):
    serve(store, 1400, **change)
    assert run(store, "--json") == 3
    told = json.loads(capsys.readouterr().out)
    assert [each["column"] for each in told["columns"] if each["drifted"]] == [column]
    assert told["rows"] == 1400
    found = record(store)
    assert found.drifted
    assert found.sentence.startswith(
        f"1,400 served rows are away from the training rows: {column} "
    )


def test_a_size_is_told_and_never_judged(store, capsys):
    serve(store, 700, size=300)
    assert run(store, "--json") == 0
    columns = {each["column"]: each for each in json.loads(capsys.readouterr().out)["columns"]}
    assert columns["width"]["distance"] == pytest.approx(1.0, abs=0.01)
    assert columns["width"]["bound"] is None


def test_only_rows_of_this_version_and_time_count(store):
    serve(store, 700)
    serve(store, 800, brighter=90.0, version="v0")
    serve(store, 900, brighter=90.0, at=NOW - timedelta(days=8))
    assert run(store) == 0


def test_too_few_rows_say_so_and_keep_nothing(store):
    serve(store, 199)
    with pytest.raises(
        InputError, match=r"too few rows of v1 since 2026-11-14T12:00:00.*received 199"
    ):
        run(store)
    assert store.read(keys.drift(PRESET.model_name)) is None


def test_lost_statistics_and_damaged_rows_are_said(store):
    serve(store, 250)
    store.delete(STATISTICS)
    with pytest.raises(ContractError, match="statistics of the training rows are gone"):
        run(store)
    store.write(f"{keys.served(PRESET.model_name, '2026-11-20')}/damaged.jsonl", b"no JSON\n")
    with pytest.raises(ContractError, match="damaged.jsonl isn't valid JSON"):
        run(store)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("12h", NOW - timedelta(hours=12)),
        ("2026-11-14", datetime(2026, 11, 14, tzinfo=timezone.utc)),
    ],
)
def test_since(text, start):
    assert since(text, NOW) == start


@pytest.mark.parametrize("text", ["", "yesterday", "7w", "2026-13-01", "2027-01-01", "0d"])
def test_what_since_can_not_be(text):
    with pytest.raises(InputError, match="--since"):
        since(text, NOW)


def test_bounds_are_the_presets():
    policy = ValidationPolicy(max_label_drift=0.2, max_feature_drift=0.05)
    found = judged({"label": 0.15, "entropy": 0.06, "width": 0.9}, policy)
    assert [(each.column, each.bound, each.drifted) for each in found] == [
        ("label", 0.2, False),
        ("entropy", 0.05, True),
        ("width", None, False),
    ]
