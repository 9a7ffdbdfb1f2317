"""A lock that no longer satisfies pyproject.toml is stale: `make lock` remakes it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from infra.environments import lock_of
from pipelines.code_version import ROOT

GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]


def pins(path: Path) -> dict[str, set[Version]]:
    found: dict[str, set[Version]] = {}
    for name, version in re.findall(
        r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)", path.read_text(), re.MULTILINE
    ):
        found.setdefault(name, set()).add(Version(version))
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_every_lock_satisfies_its_group(group: str) -> None:
    locked = pins(lock_of(group))
    for requirement in (Requirement(line) for line in GROUPS[group] if isinstance(line, str)):
        versions = locked.get(requirement.name.lower(), set())
        assert any(version in requirement.specifier for version in versions), (
            f"{requirement} isn't in {lock_of(group).name}: run `make lock`"
        )


@pytest.mark.parametrize("group", GROUPS)
def test_locks_are_pinned_by_hash_and_name_no_address(group: str) -> None:
    text = lock_of(group).read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") >= sum(map(len, pins(lock_of(group)).values()))
