"""The estimate of what a run weighs, held against a run that was weighed."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from components.shared.errors import InputError
from pipelines.workflow_size import (
    ARGUMENTS_LIMIT,
    WORKFLOW_LIMIT,
    TaskSize,
    WorkflowSize,
    check_size,
    workflow_size,
)
from tests.pipelines.kfp_backend import driver
from tests.pipelines.kfp_backend.compiled import read
from tests.pipelines.kfp_backend.runs import Backend, Container

ARGO_LIMIT = 1024 * 1024  # workflow/packer/packer.go, getMaxWorkflowSize
# The pipeline of commit 6d3c098 with its preset synthetic-faces. On Kubeflow Pipelines 2.17.0 its
# workflow passed Argo's limit at `deploy`, and not before; pod spec patches were 60 % of it.
TOO_HEAVY = json.loads(
    gzip.decompress((Path(__file__).parent / "kfp_backend" / "too_heavy.json.gz").read_bytes())
)
PUSHED = f"3f2a9c1d4b5e@sha256:{'0123456789abcdef' * 4}"


@pytest.fixture(scope="module")
def compiled() -> str:
    return re.sub(r"placeholder$", PUSHED, TOO_HEAVY["compiled"], flags=re.MULTILINE)


@pytest.fixture(scope="module")
def size(compiled: str) -> WorkflowSize:
    return workflow_size(compiled, TOO_HEAVY["parameters"])


def test_the_run_that_was_weighed_passes_argos_limit_at_deploy_and_not_before(
    size: WorkflowSize,
) -> None:
    names = [name for name, _ in size.growth]
    first = next(name for name, weight in size.growth if weight > ARGO_LIMIT)
    assert (first, names[names.index(first) - 1]) == ("deploy", "gate")
    assert 0.5 <= size.patches / size.workflow <= 0.7
    # Its last weight below the limit bounds how much too low the estimate can be: a run below our
    # bound is below Argo's, too.
    assert WORKFLOW_LIMIT * ARGO_LIMIT / dict(size.growth)["gate"] < ARGO_LIMIT


def test_it_is_refused_with_figures(size: WorkflowSize) -> None:
    with pytest.raises(
        InputError,
        match=(
            r"too heavy.*at most 900,000 bytes; received 1,\d{3},\d{3}, [67]\d% of it pod spec"
            r" patches"
        ),
    ):
        check_size(size)


def test_long_arguments_are_refused_by_name() -> None:
    tasks = (TaskSize("train", ARGUMENTS_LIMIT, 1), TaskSize("gate", ARGUMENTS_LIMIT + 1, 1))
    with pytest.raises(
        InputError,
        match="the arguments of gate are too long; expected at most 4,000 bytes; received 4,001",
    ):
        check_size(WorkflowSize(tasks, (("gate", 1),), 1))
    check_size(WorkflowSize(tasks[:1], (("train", WORKFLOW_LIMIT),), 1))


def test_a_kilobyte_in_one_argument_costs_a_run_more_than_a_kilobyte_at_every_node(
    compiled: str,
) -> None:
    def weight(preset: str) -> int:
        return workflow_size(compiled, {**TOO_HEAVY["parameters"], "preset": preset}).workflow

    tasks = 10  # of which all ran
    assert weight("x" * 1000) - weight("") > tasks * 6 * 2 * 1000


@pytest.mark.parametrize("change", ["secret", "claim", "variable"])
def test_what_every_task_gets_counts_in_six_nodes_each(compiled: str, change: str) -> None:
    before = read(compiled)
    platform = {name: dict(spec) for name, spec in before.kubernetes.items()}
    label, text = "exec-train", "x" * 500
    if change == "secret":
        platform[label]["secretAsVolume"] = [
            *platform[label]["secretAsVolume"],
            {"secretName": text, "mountPath": ""},
        ]
    elif change == "claim":
        platform[label]["pvcMount"] = [{"constant": text, "mountPath": ""}]
    else:
        before.pipeline["deploymentSpec"]["executors"][label]["container"]["env"].append(
            {"name": "X", "value": text}
        )
    document = json.dumps(
        {"platforms": {"kubernetes": {"deploymentSpec": {"executors": platform}}}}
    )
    after = workflow_size(
        f"{json.dumps(before.pipeline)}\n---\n{document}", TOO_HEAVY["parameters"]
    )
    assert after.workflow - workflow_size(compiled, TOO_HEAVY["parameters"]).workflow > 6 * 500


def test_the_arguments_are_those_of_the_run(
    compiled: str, size: WorkflowSize, tmp_path: Path
) -> None:
    """What the backend's driver makes of them, for outputs of the length that a run has."""
    run_id, digest = "20261201-050000-synthetic-faces-abcd", "0" * 64
    answers = {
        "resolve": {"work": "new", "plan": digest, "run": run_id},
        "validate": {"decision": "go"},
        "gate": {"word": "blessed"},
    }

    def step(container: Container) -> int:
        container.write_parameters(answers.get(container.task, {}))
        return 0

    spec = read(compiled)
    facts = driver.RunFacts("uid", "emotion-retraining-x", "", "", "")
    run = Backend(step, tmp_path).run(spec, TOO_HEAVY["parameters"], facts)
    estimated = {task.name: task.arguments for task in size.tasks}
    for task in run.tasks:
        if task.command:
            executor_input: Any = {
                "inputs": task.inputs,
                "outputs": {"parameters": {}, "artifacts": {}},
            }
            words = driver.container_command(
                spec.container(spec.pipeline["components"][f"comp-{task.name}"]), executor_input
            )
            real = sum(len(word.encode()) for word in words)
            assert real <= estimated[task.name] <= real + 200
