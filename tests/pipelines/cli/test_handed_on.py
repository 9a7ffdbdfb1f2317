"""Commands that a component answers: every option is handed on to it, and it takes them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.cli import drift
from pipelines.cli.kubeflow import rollout
from tests.pipelines.cli.command_line import emotion, options_of

# Where a pod of the cluster is started instead; nothing of it is asked for when the command runs
# here, with --context.
OF_THE_POD = {"--registry", "--service-account", "--host", "--auth", "--profile", "--ca-file"}
HANDED_ON: list[tuple[tuple[str, ...], list[str]]] = [
    (("status",), ["status", "--namespace", "emotion"]),
    (
        ("status", "faces", "--namespace", "n", "--context", "c", "--store", "s"),
        ["status", "faces", "--namespace", "n", "--context", "c", "--store", "s"],
    ),
    (
        ("start", "--preset", "ferplus", "--context", "c", "--store", "s", "--serving-image", "i"),
        ["start", "--preset", "PRESET", "--store", "s", "--context", "c", "--serving-image", "i"],
    ),
    (
        ("resume", "faces", "--namespace", "n", "--context", "c", "--store", "s", "--again"),
        ["resume", "faces", "--namespace", "n", "--context", "c", "--store", "s", "--again"],
    ),
    (
        ("pause", "faces", "--namespace", "n", "--context", "c"),
        ["pause", "faces", "--namespace", "n", "--context", "c"],
    ),
    (
        ("abort", "faces", "--namespace", "n", "--context", "c", "--store", "s"),
        ["abort", "faces", "--namespace", "n", "--context", "c", "--store", "s"],
    ),
]


@pytest.mark.parametrize(
    ("typed", "handed"), HANDED_ON, ids=[" ".join(row[0])[:20] for row in HANDED_ON]
)
def test_a_rollouts_options_are_handed_on(
    monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...], handed: list[str]
) -> None:
    given: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(
        rollout,
        "run_component",
        lambda component, arguments, printers: given.append((component, arguments)) or 7,
    )
    assert emotion("rollout", *typed) == 7
    ((component, (first, *arguments)),) = given
    assert (component, first) == ("deployment", "rollout")
    if typed[0] == "start":
        assert json.loads(arguments[2])["name"] == "ferplus"
        arguments[2] = "PRESET"
    assert arguments == handed
    if len(typed) > 1:
        assert {option for option in typed if option.startswith("--")} == options_of(
            "rollout", typed[0]
        ) - {"model"} - OF_THE_POD


@pytest.mark.slow
@pytest.mark.parametrize(
    "typed", [row[0] for row in HANDED_ON if len(row[0]) > 1], ids=lambda typed: typed[0]
)
def test_the_component_takes_what_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    heard = io.StringIO()
    monkeypatch.setattr(rollout, "errors", Console(file=heard, width=1000))
    ended = emotion("rollout", *typed)
    told = heard.getvalue()
    assert (ended, "no Kubernetes cluster is configured" in told) == (5, True) or (
        ended,
        "has no champion" in told,
    ) == (2, True), told


def test_drifts_options_are_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: list[list[str]] = []

    class Known:
        def __init__(self, store: Any, name: str) -> None:
            self.name = name

        def manifest(self, version: str) -> Any:
            assert (self.name, version) == ("faces", "0123")
            return type("Manifest", (), {"preset": "ferplus", "snapshot_id": "abc"})

    monkeypatch.setattr(
        drift,
        "run_component",
        lambda component, arguments: given.append([component, *arguments]) or 3,
    )
    monkeypatch.setattr(drift, "model_names", lambda store: ["faces", "photos"])
    monkeypatch.setattr(drift, "Registry", Known)
    (tmp_path / "snapshots" / "s" / "abc").mkdir(parents=True)
    (tmp_path / "snapshots" / "s" / "abc" / "statistics.pb").write_bytes(b"")
    typed = (
        "--since",
        "12h",
        "--store",
        str(tmp_path),
        "--model",
        "faces",
        "--version",
        "0123",
        "--json",
    )
    assert {option for option in typed if option.startswith("--")} == options_of("drift")
    assert emotion("drift", *typed) == 3
    ((component, command, preset, name, *rest),) = given
    assert (component, command, preset) == ("validation", "drift", "--preset")
    assert json.loads(name)["name"] == "ferplus"
    assert rest == [
        "--store",
        str(tmp_path),
        "--version",
        "0123",
        "--statistics",
        "snapshots/s/abc/statistics.pb",
        "--since",
        "12h",
        "--json",
    ]
