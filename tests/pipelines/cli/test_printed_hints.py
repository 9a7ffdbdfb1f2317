"""Every hint that a command prints stands in ``hints.golden.txt``, found by running the commands, and the command line takes each.

``EMOTION_WRITE_GOLDEN=1`` writes the file anew.
"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.deployment.registry.approval import ask
from components.deployment.registry.registry import Registry
from components.shared.errors import EmotionError
from components.shared.store.interface import open_store
from pipelines import presets
from pipelines.cli import hints
from pipelines.cluster import publish, rollouts
from pipelines.code_version import ROOT
from pipelines.local import outcome
from pipelines.local import run as local_run
from tests.bucket_server import bucket_process
from tests.deployment.builders import PRESET, signed, verdict_on, write_model
from tests.pipelines.cli.command_line import emotion
from tests.pipelines.cli.test_documented_commands import complaint
from tests.pipelines.cluster.kfp_server import KfpServer, serving

GOLDEN = Path(__file__).parent / "hints.golden.txt"
COMPILED = (Path(__file__).parents[1] / "emotion-retraining.golden.yaml").read_text()
SOURCES = [path for path in sorted((ROOT / "pipelines").rglob("*.py")) if path.name != "hints.py"]
SHOWN = re.compile(
    r"`(emotion [^`\n]+)`|(?:with|approval|by): (emotion [^`\n]+)|· (emotion [^`\n]+)"
)
Call = tuple[str, str]


def calls() -> set[Call]:
    """Module and function of every call of `hint`."""
    found = set()
    for path in SOURCES:
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and any(
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "hint"
                for node in ast.walk(function)
            ):
                found.add((path.stem, function.name))
    return found


class Printed:
    """What commands print, and which functions made a hint meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.console = Console(file=io.StringIO(), width=200)
        self.made: set[Call] = set()
        make = hints.hint

        def recorded(*words: str, **options: Any) -> str:
            frame = sys._getframe(1)
            while frame.f_code.co_name.startswith("<") and frame.f_back:  # a comprehension
                frame = frame.f_back
            self.made.add((Path(frame.f_code.co_filename).stem, frame.f_code.co_name))
            return make(*words, **options)

        for module in [
            module for name, module in sys.modules.items() if name.startswith("pipelines.")
        ]:
            for name in ("console", "errors"):
                if isinstance(getattr(module, name, None), Console):
                    monkeypatch.setattr(module, name, self.console)
            if getattr(module, "hint", None) is make:
                monkeypatch.setattr(module, "hint", recorded)

    def run(self, *arguments: str) -> None:
        """Run a command; an error is printed as `main` prints it."""
        try:
            emotion(*arguments)
        except EmotionError as error:
            self.console.print(hints.complete_all(str(error)), markup=False, soft_wrap=True)

    def hints(self, *unsettled: tuple[str, str]) -> list[str]:
        """Those printed so far, in their order.

        ``unsettled`` are texts that differ from run to run, and their names.
        """
        text = self.console.file.getvalue()  # type: ignore[attr-defined]
        found = [
            next(filter(None, groups))
            for line in text.splitlines()
            for groups in SHOWN.findall(line)
        ]
        split = [part.strip() for one in found for part in one.split(" · ")]
        for value, name in unsettled:
            split = [one.replace(value, name) for one in split]
        return list(dict.fromkeys(split))


@pytest.fixture
def server() -> Iterator[KfpServer]:
    with serving() as state:
        yield state


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], None]:
    """Let Ctrl-C come when a function is called."""

    def pressed(*arguments: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    return lambda module, name: monkeypatch.setattr(module, name, pressed)


def test_every_printed_hint_is_taken_by_the_command_line(
    tmp_path: Path,
    server: KfpServer,
    monkeypatch: pytest.MonkeyPatch,
    interrupt: Callable[[Any, str], None],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setitem(presets.PRESETS, "small", PRESET)
    monkeypatch.setattr(publish, "compiled_for", lambda *arguments, **options: COMPILED)
    printed = Printed(monkeypatch)
    at_desk = ("--store", "my store")
    printed.run("models", *at_desk)
    printed.run("models", *at_desk, "rollback")
    printed.run("predict", "--image", "face.jpg", *at_desk)
    printed.run("schema", "update", "--preset", "ferplus", *at_desk)
    printed.run("sweep", "--set", "batch_size=32", "--preset", "ferplus", *at_desk)
    printed.run("report", "--runs", "my runs")
    printed.run("run", "--resume", "--runs", "my runs")
    _decide(printed, "my store", tmp_path / "desk")
    with bucket_process("emotions") as uri:
        _decide(printed, uri, tmp_path / "bucket")
    cluster = ("--host", server.url, "--registry", "registry.example", "--store", "gs://b/s")
    printed.run("submit", "--data", "gs://b/d", "--run-id", "tonight", *cluster)
    printed.run("status", "nosuch", "--host", server.url)
    interrupt(rollouts, "follow")
    for command in (
        ("start", "--preset", "small"),
        ("resume", "faces", "--namespace", "my-space", "--again"),
        ("abort",),
    ):
        monkeypatch.setattr(KfpServer, "_create_run", _accepted)
        printed.run("rollout", *command, *cluster)
    monkeypatch.setattr(local_run, "preflight", lambda *arguments: None)
    interrupt(local_run, "execute")
    (tmp_path / "faces").mkdir()
    printed.run("run", "--preset", "fer2013-cnn", "--data", "faces", "--runs", "my runs", *at_desk)
    outcome.show_outcome(printed.console, {"outcome": "failed", "wall_seconds": 1.0}, tmp_path)

    found = printed.hints((server.url, "http://localhost:8888"), (str(tmp_path), "/desk"))
    assert printed.made == calls(), "a hint is made somewhere that no command here comes to"
    assert [one for line in found if (one := complaint(line, whole=True))] == []
    text = "".join(f"{line}\n" for line in found)
    if os.environ.get("EMOTION_WRITE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def _decide(printed: Printed, store: str, folder: Path) -> None:
    """A version waits, is approved, and is sent back, on a registry with two champions."""
    registry = Registry(open_store(store), "small")
    for night in range(3):
        version = write_model(folder / str(night), b"weights %d" % night).version
        now = registry.pointers()
        stands = [pointer.version if pointer else None for pointer in (now.champion, now.anchor)]
        if night < 2:
            registry.promote(
                folder / str(night), f"run-{night}", verdict_on(version, *stands), signed("gate")
            )
        else:
            registry.put(folder / str(night), version)
            ask(
                registry,
                f"run-{night}",
                verdict_on(version, *stands, word="needs-approval"),
                signed().at,
            )
    where = ("models", "--store", store)
    printed.run(*where)
    printed.run(*where, "approve", "nosuch", "--why", "yes")
    printed.run(*where, "approve", "run-2", "--why", "yes")
    printed.run(*where, "rollback", "--why", "errors in the shop")
    printed.run(*where, "rollback")


def _accepted(server: KfpServer, given: dict[str, Any]) -> dict[str, Any]:
    """A run that waits for its pod."""
    run = {
        "run_id": f"run-{len(server.runs)}",
        **given,
        "state": "PENDING",
        "created_at": "2026-12-01T00:00:00Z",
    }
    server.runs.append(run)
    return run
