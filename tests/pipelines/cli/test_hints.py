"""Options of a group hold for its commands, and every hint names the options that hold for it too."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from components.deployment.registry.registry import Registry
from components.shared.errors import EmotionError, UnknownNameError
from components.shared.store.interface import open_store
from pipelines.cli import hints
from pipelines.cli.hints import complete, complete_all, hint
from tests.deployment.builders import signed, verdict_on, write_model
from tests.pipelines.cli.command_line import COMMAND, emotion, groups


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store whose name has a space, with a model of one version."""
    uri = str(tmp_path / "my store")
    version = write_model(tmp_path / "model", b"weights").version
    Registry(open_store(uri), "small").promote(
        tmp_path / "model", "run-1", verdict_on(version), signed("gate")
    )
    return uri


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a command line the present one; nothing runs."""

    def parse(line: str) -> None:
        context, words = COMMAND.make_context("emotion", shlex.split(line)), shlex.split(line)
        while hasattr(context.command, "commands") and words:
            name, command, words = context.command.resolve_command(context, words)
            context = command.make_context(name, list(words), parent=context)
            words = [*context._protected_args, *context.args]

    monkeypatch.setattr(hints, "_present", type(hints._present)("present", default=None))
    return parse


def test_every_group_hands_its_options_down() -> None:
    """Walks all groups: an option of a group that a command of it has too must hold there."""
    assert len(groups()) >= 5
    assert all(isinstance(group, hints.Group) for group in groups())


def test_an_option_of_a_group_holds_for_its_commands(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EmotionError, match=r"nothing in .*my store needs approval; received run-2"):
        emotion("models", "--store", store, "approve", "run-2", "--why", "yes")
    with pytest.raises(UnknownNameError, match="unknown version 'ffff'; expected one of"):
        emotion("models", "--store", store, "show", "ffff")
    with pytest.raises(UnknownNameError, match="unknown version 'ffff': there is none yet"):
        emotion("models", "--store", store, "show", "ffff", "--store", f"{store}/empty")


def test_a_hint_names_what_holds_for_it_too(present: Any) -> None:
    present("models --store 'gs://b/my store' rollback")
    assert (
        hint("models", "approve", "run 1", by="NAME")
        == "emotion models approve 'run 1' --by NAME --store 'gs://b/my store'"
    )
    assert hint("models", "list", store="s3://other") == "emotion models list --store s3://other"
    assert (
        hint("rollout", "start", preset="ferplus")
        == "emotion rollout start --preset ferplus --store 'gs://b/my store'"
    )
    assert hint("doctor") == "emotion doctor"
    present("rollout pause faces --namespace shop --context desk")
    assert (
        complete("emotion rollout status")
        == "emotion rollout status faces --namespace shop --context desk"
    )
    assert (
        complete("emotion rollout status other --namespace x")
        == "emotion rollout status other --namespace x --context desk"
    )
    assert complete("emotion rollout resume") == "emotion rollout resume faces --namespace shop"
    driven = ("rollout", "resume", "other", "--store", "gs://b/s")
    assert (
        complete("emotion rollout abort", driven)
        == "emotion rollout abort faces --store gs://b/s --namespace shop"
    )
    assert complete("emotion status", driven) == "emotion status"
    present("run --preset ferplus --runs 'my runs' --store other")
    assert hint("run", resume=True) == "emotion run --resume --store other --runs 'my runs'"
    present("submit --store gs://b/s --host http://kfp:1 --namespace anna")
    assert (
        hint("status", "night", watch=True)
        == "emotion status night --watch --namespace anna --host http://kfp:1"
    )


def test_an_option_of_the_same_name_that_means_something_else_is_left_out(present: Any) -> None:
    present("status --host http://kfp:1 --namespace anna")
    assert hint("serve") == "emotion serve"
    assert hint("rollout", "status") == "emotion rollout status"


def test_every_command_in_a_sentence_is_completed(present: Any) -> None:
    present("models --store s rollback")
    told = (
        "to fix it: `emotion models list` shows it, `emotion run` makes one. Go on with: emotion"
        " rollout resume · or with: emotion doctor"
    )
    assert (
        complete_all(told)
        == "to fix it: `emotion models list --store s` shows it, `emotion run --store s` makes"
        " one. "
        "Go on with: emotion rollout resume --store s · or with: emotion doctor"
    )
    assert (
        complete_all("`emotion rollout` and `emotion nothing` and `emotion can't`")
        == "`emotion rollout` and `emotion nothing` and `emotion can't`"
    )


def test_without_a_command_there_is_nothing_to_add(present: Any) -> None:
    assert hint("models", "list") == "emotion models list"


def test_usage_errors_stay_what_they_are() -> None:
    with pytest.raises(typer.BadParameter.__base__):  # type: ignore[arg-type]
        emotion("models", "--store", "s", "approve", "run-2", "--what", "x")
