"""Our pipeline on the backend.

What every container is started with, which tasks run, what a run weighs, what is made again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.shared.serialization import to_json
from pipelines import presets
from pipelines.resources import TASKS
from pipelines.workflow_size import check_size, expected_parameters, workflow_size
from tests.pipelines.kfp_backend.compiled import Compiled, read
from tests.pipelines.kfp_backend.driver import RunFacts
from tests.pipelines.kfp_backend.retries import Attempt, attempts, strategy
from tests.pipelines.kfp_backend.runs import Backend, Container, Run

GOLDEN = (Path(__file__).parents[1] / "emotion-retraining.golden.yaml").read_text()
PARAMETERS = {
    "preset": "synthetic-faces",
    "source": "gs://bucket/faces",
    "store": "gs://bucket/store",
}
BLESSED = {"resolve": {"work": "new"}, "validate": {"decision": "go"}, "gate": {"word": "blessed"}}
RESOLVED = {"plan": "a" * 64, "run": "the-run", "preset_digest": "b" * 64}
BEFORE_GATE = {
    "resolve",
    "ingest",
    "validate",
    "resample",
    "train",
    "evaluate",
    "check-serving",
    "gate",
    "report",
}


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return read(GOLDEN)


def facts(run_id: str) -> RunFacts:
    return RunFacts(run_id, f"nightly-{run_id}", "", "2026-12-01T02:30:05Z", "2026-12-01T02:30:00Z")


def backend(folder: Path, words: Mapping[str, Mapping[str, str]], failing: str = "") -> Backend:
    """Steps leave the given words.

    resolve answers as ours does, with the run's own id as its name.
    """

    def step(container: Container) -> int:
        answer = dict(words.get(container.task, {}))
        if container.task == "resolve":
            answer |= RESOLVED | {"run": argument(container.command, "--job-id")}
        declared = container.executor_input["outputs"]["parameters"]
        container.write_parameters(
            {name: text for name, text in answer.items() if name in declared}
        )
        return int(container.task == failing)

    return Backend(step, folder)


def argument(command: Any, option: str) -> str:
    return str(command[list(command).index(option) + 1])


def steps(run: Run) -> dict[str, str]:
    return run.states(TASKS)


def test_no_placeholder_is_left_in_any_containers_final_arguments(
    compiled: Compiled, tmp_path: Path
) -> None:
    for words in (BLESSED, {**BLESSED, "gate": {"word": "needs-approval"}}):
        run = backend(tmp_path, words).run(compiled, PARAMETERS, facts("uid-1"))
        for task in run.tasks:
            assert not [word for word in task.command if "{{" in word], task.name


def test_resolve_and_report_hear_the_runs_own_id(compiled: Compiled, tmp_path: Path) -> None:
    run = backend(tmp_path, BLESSED).run(compiled, PARAMETERS, facts("uid-1"))
    assert [argument(run.task(name).command, "--job-id") for name in ("resolve", "report")] == [
        "uid-1",
        "uid-1",
    ]
    between = [
        task.command
        for task in run.tasks
        if task.command and task.name not in ("resolve", "report")
    ]
    assert {argument(command, "--run-id") for command in between} == {"uid-1"}


def test_no_step_of_a_firing_comes_from_the_one_before(compiled: Compiled, tmp_path: Path) -> None:
    nights = backend(tmp_path, BLESSED)
    for run_id in ("uid-1", "uid-2", "uid-3"):
        run = nights.run(compiled, PARAMETERS, facts(run_id))
        assert set(steps(run).values()) == {"COMPLETE"}, run_id
    again = nights.run(
        compiled, PARAMETERS, facts("uid-3")
    )  # of the same run, such as one that is retried in the UI
    assert {name for name, state in steps(again).items() if state != "CACHED"} == {
        "resolve",
        "report",
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (BLESSED, BEFORE_GATE | {"deploy"}),
        ({**BLESSED, "gate": {"word": "needs-approval"}}, BEFORE_GATE | {"register"}),
        ({**BLESSED, "gate": {"word": "rejected"}}, BEFORE_GATE),
        (
            {**BLESSED, "validate": {"decision": "stop"}},
            {"resolve", "ingest", "validate", "report"},
        ),
        ({"resolve": {"work": "nothing-new"}}, {"resolve", "report"}),
    ],
)
def test_which_steps_run(
    compiled: Compiled, tmp_path: Path, words: Mapping[str, Mapping[str, str]], expected: set[str]
) -> None:
    run = backend(tmp_path, words).run(compiled, PARAMETERS, facts("uid-1"))
    assert run.state == "SUCCEEDED"
    assert steps(run) == dict.fromkeys(expected, "COMPLETE")
    assert json.loads(argument(run.task("report").command, "--status"))["state"] == "COMPLETE"


@pytest.mark.parametrize("failing", sorted(set(TASKS) - {"register", "report"}))
def test_the_report_is_written_whichever_step_fails(
    compiled: Compiled, tmp_path: Path, failing: str
) -> None:
    run = backend(tmp_path, BLESSED, failing).run(compiled, PARAMETERS, facts("uid-1"))
    assert run.state == "FAILED"
    assert {name for name, state in steps(run).items() if state == "FAILED"} == {failing}
    assert json.loads(argument(run.task("report").command, "--status"))["state"] == "FAILED"


def test_each_placeholder_of_a_container_is_one_that_the_launcher_knows(compiled: Compiled) -> None:
    """All others stay literal, among them the run's own (`dsl.PIPELINE_JOB_ID_PLACEHOLDER`)."""
    for component in compiled.pipeline["components"].values():
        if "executorLabel" not in component:
            continue
        known = {"{{$}}"}
        for side, tail in (("inputs", ""), ("outputs", ".output_file")):
            definitions = component.get(f"{side.removesuffix('s')}Definitions", {})
            known |= {
                f"{{{{$.{side}.parameters['{name}']{tail}}}}}"
                for name in definitions.get("parameters", {})
            }
            known |= {
                f"{{{{$.{side}.artifacts['{name}'].path}}}}"
                for name in definitions.get("artifacts", {})
            }
        container = compiled.container(component)
        words = [
            *container["command"],
            *container["args"],
            *(variable["value"] for variable in container["env"]),
        ]
        assert {
            placeholder for word in words for placeholder in re.findall(r"\{\{.*?\}\}", word)
        } <= known, component["executorLabel"]


@pytest.mark.parametrize("preset", sorted(presets.PRESETS))
def test_a_run_of_any_shipped_preset_stays_below_the_bounds(preset: str) -> None:
    """The golden file holds the largest sizes; images are named by digests, as they are pushed."""
    pushed = re.sub(
        r"placeholder$", f"0123456789abcdef@sha256:{'0' * 64}", GOLDEN, flags=re.MULTILINE
    )
    size = workflow_size(pushed, expected_parameters(to_json(presets.preset(preset))))
    check_size(size)
    by_digest = [task for task in size.tasks if task.name != "resolve"]
    assert max(task.arguments for task in by_digest) < 1_000


@pytest.mark.parametrize("step", sorted(TASKS))
def test_a_pod_that_is_lost_in_the_last_minute_of_its_time_is_made_again(
    compiled: Compiled, step: str
) -> None:
    """Argo counts a task's longest backoff from the start of its first attempt (see `tests.pipelines.kfp_backend.retries`)."""
    (task,) = (tasks[step] for dag in compiled.dags() if step in (tasks := dag["tasks"]))
    seconds = int(compiled.kubernetes[f"exec-{step}"]["activeDeadlineSeconds"])
    began, message = attempts(
        strategy(task), [Attempt(seconds - 60, "pod deleted"), Attempt(seconds - 60)]
    )
    assert (len(began), message) == (2, "")
