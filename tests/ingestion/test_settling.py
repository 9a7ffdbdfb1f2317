"""The order in which contents take precedence."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest

from components.ingestion.settling import _ascending

IDS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(500)]


@pytest.mark.parametrize("ids", [IDS, IDS + [IDS[7][:16] + other[16:] for other in IDS[:3]]], ids=["distinct heads", "equal heads"])
@pytest.mark.parametrize("first", [0, 3])
def test_contents_are_ordered_by_id(ids: list[str], first: int) -> None:
    found = _ascending(pa.array(ids, pa.string()).slice(first))
    assert [ids[first:][place] for place in found] == sorted(ids[first:])
