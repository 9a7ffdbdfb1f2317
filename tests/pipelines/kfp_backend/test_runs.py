"""Runs of compiled pipelines, as the backend's drivers and launchers make them."""

# ruff: noqa: UP045 - kfp reads `Optional[str]` only

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional

import pytest
from kfp import compiler, dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from tests.pipelines.kfp_backend import conditions, driver
from tests.pipelines.kfp_backend.compiled import BackendError, Compiled, read
from tests.pipelines.kfp_backend.driver import RunFacts
from tests.pipelines.kfp_backend.runs import Backend, Container, Run

FACTS = RunFacts("uid-1", "toy-x7k2q", "Toy run", "2026-12-01T02:30:05Z", "2026-12-01T02:30:00Z")
COMMAND = ["python", "-m", "toy"]


@dsl.container_component
def first(
    job: str,
    task: str,
    label: str,
    count: int,
    share: float,
    sure: bool,
    items: list,
    word: dsl.OutputPath(str),  # type: ignore[valid-type, type-arg]
    data: Output[Dataset],
    note: str = "a note",
):
    return dsl.ContainerSpec(
        image="toy",
        command=COMMAND,
        args=[
            "first",
            job,
            task,
            label,
            count,
            share,
            sure,
            items,
            note,
            "--id",
            dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            word,
            data.path,
            "--executor-input",
            "{{$}}",
        ],
    )


@dsl.container_component
def second(word: str, data: Input[Dataset], made: Output[Artifact], extra: Optional[str] = None):
    return dsl.ContainerSpec(
        image="toy",
        command=COMMAND,
        args=[
            "second",
            word,
            data.path,
            dsl.IfPresentPlaceholder("extra", ["--extra", extra], ["--none"]),
        ],
    )


@dsl.container_component
def last(status: dsl.PipelineTaskFinalStatus, job: str):
    return dsl.ContainerSpec(image="toy", command=COMMAND, args=["last", job, status])


@dsl.pipeline(name="inner")
def inner(word: str, data: Input[Dataset]):
    with dsl.If(word == "go"):
        second(word=word, data=data)


@dsl.pipeline(name="toy")
def toy(source: str, note: str = "the default", missing: Optional[str] = None):
    ending = last(job=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
    ending.set_caching_options(False)
    with dsl.ExitHandler(ending):
        begun = first(
            job=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            task=dsl.PIPELINE_TASK_NAME_PLACEHOLDER,
            label=f"of {dsl.PIPELINE_JOB_ID_PLACEHOLDER}",
            count=3,
            share=0.25,
            sure=True,
            items=["a", 1],
            note=source,
        )
        inner(word=begun.outputs["word"], data=begun.outputs["data"])


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compile_(toy, tmp_path_factory.mktemp("toy"))


def compile_(pipeline: Any, folder: Path) -> Compiled:
    path = folder / "pipeline.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    return read(path.read_text())


def answering(
    words: Mapping[str, Mapping[str, str]], failing: str = ""
) -> Callable[[Container], int]:
    """Steps that leave the given output parameters and exit with 0; one may fail."""

    def step(container: Container) -> int:
        container.write_parameters(dict(words.get(container.task, {})))
        return int(container.task == failing)

    return step


def run(
    compiled: Compiled, folder: Path, word: str = "go", failing: str = "", **parameters: Any
) -> Run:
    backend = Backend(answering({"first": {"word": word}}, failing), folder)
    return backend.run(compiled, {"source": "s", **parameters}, FACTS)


def test_a_placeholder_is_replaced_where_it_is_the_whole_value_of_a_task_parameter_and_nowhere_else(
    compiled: Compiled, tmp_path: Path
) -> None:
    command = run(compiled, tmp_path).task("first").command
    assert command[4:7] == ("uid-1", "first", "of {{$.pipeline_job_uuid}}")
    assert command[command.index("--id") + 1] == "{{$.pipeline_job_uuid}}"
    assert f"{tmp_path}/tmp/kfp/outputs/word" in command


@pytest.mark.parametrize(
    ("placeholder", "value"),
    [
        (dsl.PIPELINE_JOB_NAME_PLACEHOLDER, "Toy run"),
        (dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER, "toy-x7k2q"),
        (dsl.PIPELINE_JOB_ID_PLACEHOLDER, "uid-1"),
        (dsl.PIPELINE_TASK_NAME_PLACEHOLDER, "first"),
        (dsl.PIPELINE_TASK_ID_PLACEHOLDER, "7"),
        (dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER, "2026-12-01T02:30:05Z"),
        (dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER, "2026-12-01T02:30:00Z"),
        ("{{$.workspace_path}}/data", "/kfp-workspace/data"),
        ("{{$.pipeline_root}}", "{{$.pipeline_root}}"),
        (" {{$.pipeline_job_uuid}}", " {{$.pipeline_job_uuid}}"),
    ],
)
def test_every_placeholder_of_the_driver(placeholder: str, value: str) -> None:
    task = {"inputs": {"parameters": {"text": {"runtimeValue": {"constant": placeholder}}}}}
    component = {"inputDefinitions": {"parameters": {"text": {"parameterType": "STRING"}}}}
    inputs = driver.resolve_inputs("first", task, component, driver.Dag(7), FACTS)
    assert inputs["parameterValues"] == {"text": value}


def test_values_are_written_as_go_writes_them(compiled: Compiled, tmp_path: Path) -> None:
    assert run(compiled, tmp_path).task("first").command[7:12] == (
        "3",
        "0.25",
        "true",
        '["a",1]',
        "s",
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (3.0, "3"),
        (0.1, "0.1"),
        (1234567.5, "1.2345675e+06"),
        (1e-07, "1e-07"),
        (123456.5, "123456.5"),
        (None, ""),
        ({"b": 1.0, "a": ["<"]}, '{"a":["\\u003c"],"b":1}'),
    ],
)
def test_text_of_a_value(value: object, text: str) -> None:
    assert driver.as_text(value) == text


def test_an_optional_input_may_be_missing_where_the_arguments_ask_whether_it_is_there(
    compiled: Compiled, tmp_path: Path
) -> None:
    done = run(compiled, tmp_path)
    assert "extra" not in done.task("second").inputs["parameterValues"]
    assert done.task("second").command[-1] == "--none"

    @dsl.pipeline(name="optional")
    def optional(extra: Optional[str] = None):
        begun = first(job="", task="", label="", count=1, share=1.0, sure=False, items=[], note="")
        second(word="go", data=begun.outputs["data"], extra=extra)

    spec = compile_(optional, tmp_path)
    backend = Backend(answering({"first": {"word": "go"}}), tmp_path)
    assert backend.run(spec, {}, FACTS).task("second").command[-1] == "--none"
    assert backend.run(spec, {"extra": "more"}, FACTS).task("second").command[-2:] == (
        "--extra",
        "more",
    )


def test_a_missing_input_that_the_arguments_name_ends_the_driver_though_the_component_has_a_default(
    tmp_path: Path,
) -> None:
    """resolveContainerArgs runs in the driver, and the component's defaults are the launcher's."""

    @dsl.pipeline(name="defaults")
    def defaults():
        first(job="", task="", label="", count=1, share=1.0, sure=False, items=[])

    backend = Backend(answering({"first": {"word": "go"}}), tmp_path)
    with pytest.raises(BackendError, match="parameter 'note' not found in executor input"):
        backend.run(compile_(defaults, tmp_path), {}, FACTS)


def test_a_value_of_another_type_is_refused_by_the_driver_but_anything_is_text_where_text_is_declared() -> (
    None
):
    task = {"inputs": {"parameters": {"value": {"runtimeValue": {"constant": 1.5}}}}}
    for kind, well in (("STRING", "1.5"), ("NUMBER_DOUBLE", 1.5)):
        component = {"inputDefinitions": {"parameters": {"value": {"parameterType": kind}}}}
        assert driver.resolve_inputs("x", task, component, driver.Dag(1), FACTS)[
            "parameterValues"
        ] == {"value": well}
    component = {"inputDefinitions": {"parameters": {"value": {"parameterType": "BOOLEAN"}}}}
    with pytest.raises(BackendError, match="type mismatch: expect BOOLEAN, got float"):
        driver.resolve_inputs("x", task, component, driver.Dag(1), FACTS)
    missing = {"inputDefinitions": {"parameters": {"other": {"parameterType": "STRING"}}}}
    with pytest.raises(BackendError, match="neither value nor default value"):
        driver.resolve_inputs("x", {}, missing, driver.Dag(1), FACTS)


def test_an_exit_task_hears_how_it_ended(compiled: Compiled, tmp_path: Path) -> None:
    for failing, state, run_state in (
        ("", "COMPLETE", "SUCCEEDED"),
        ("first", "FAILED", "FAILED"),
        ("last", "COMPLETE", "FAILED"),
    ):
        done = run(compiled, tmp_path, failing=failing)
        status = json.loads(done.task("last").command[-1])
        assert status == {
            "state": state,
            "pipelineTaskName": "exit-handler-1",
            "pipelineJobResourceName": "toy-x7k2q",
            "error": {},
        }
        assert done.task("last").command[4] == "uid-1"
        assert done.state == run_state
        assert [task.name for task in done.tasks if task.name == "second"] == (
            [] if failing == "first" else ["second"]
        )


def test_a_condition_that_does_not_hold_skips_its_part(compiled: Compiled, tmp_path: Path) -> None:
    done = run(compiled, tmp_path, word="stop")
    assert done.state == "SUCCEEDED"
    assert done.states(["first", "second", "condition-1", "last"]) == {
        "first": "COMPLETE",
        "condition-1": "CANCELED",
        "last": "COMPLETE",
    }


def test_a_step_that_leaves_out_a_parameter_has_failed(compiled: Compiled, tmp_path: Path) -> None:
    backend = Backend(answering({}), tmp_path)
    assert backend.run(compiled, {"source": "s"}, FACTS).states(["first", "last"]) == {
        "first": "FAILED",
        "last": "COMPLETE",
    }


class TestCache:
    def test_the_same_inputs_come_from_the_cache_with_their_artifacts(
        self, compiled: Compiled, tmp_path: Path
    ) -> None:
        backend = Backend(answering({"first": {"word": "go"}}), tmp_path)
        # The label holds the placeholder in a longer text, so it stays the same in each run; `job`
        # is the run's own id.
        one = backend.run(compiled, {"source": "s"}, FACTS)
        same = backend.run(compiled, {"source": "s"}, FACTS)
        assert same.states(["first", "second", "last"]) == {
            "first": "CACHED",
            "second": "CACHED",
            "last": "COMPLETE",
        }
        assert same.task("first").outputs == one.task("first").outputs
        other = backend.run(compiled, {"source": "s"}, RunFacts("uid-2", "toy-2", "", "", ""))
        assert other.states(["first", "second"]) == {"first": "COMPLETE", "second": "COMPLETE"}

    def test_a_task_whose_arguments_are_those_of_another_run_is_not_run_again(
        self, tmp_path: Path
    ) -> None:
        """An id in a container's arguments stays literal, so it tells no run from another."""

        @dsl.container_component
        def named(word: dsl.OutputPath(str)):  # type: ignore[valid-type]
            return dsl.ContainerSpec(
                image="toy",
                command=COMMAND,
                args=["named", "--job-id", dsl.PIPELINE_JOB_ID_PLACEHOLDER, word],
            )

        @dsl.pipeline(name="stale")
        def stale():
            named()

        spec = compile_(stale, tmp_path)
        backend = Backend(answering({"named": {"word": "new"}}), tmp_path)
        assert backend.run(spec, {}, FACTS).task("named").state == "COMPLETE"
        assert (
            backend.run(spec, {}, RunFacts("uid-2", "toy-2", "", "", "")).task("named").state
            == "CACHED"
        )

    def test_what_failed_is_not_kept(self, compiled: Compiled, tmp_path: Path) -> None:
        backend = Backend(answering({"first": {"word": "go"}}, failing="first"), tmp_path)
        assert [
            backend.run(compiled, {"source": "s"}, FACTS).task("first").state for _ in range(2)
        ] == ["FAILED", "FAILED"]

    @pytest.mark.parametrize("change", ["parameter", "artifact", "image", "argument", "claim"])
    def test_what_the_key_is_made_of(self, change: str) -> None:
        def key(changed: str = "") -> str:
            inputs = {
                "parameterValues": {"text": changed if change == "parameter" else ""},
                "artifacts": {
                    "data": {
                        "artifacts": [
                            {
                                "name": changed if change == "artifact" else "1",
                                "uri": f"s3://{changed}",
                            }
                        ]
                    }
                },
            }
            outputs = {"parameters": {"word": {"outputFile": changed}}, "artifacts": {}}
            component = {"outputDefinitions": {"parameters": {"word": {"parameterType": "STRING"}}}}
            container = {
                "image": changed if change == "image" else "toy",
                "args": [changed if change == "argument" else ""],
                "env": [{"name": "X", "value": changed}],
            }
            claims = [changed] if change == "claim" else []
            return driver.fingerprint(
                component, container, {"inputs": inputs, "outputs": outputs}, claims
            )

        assert key("other") != key("")
        assert key("other") == key("other")

    def test_neither_addresses_nor_variables_are_in_the_key(self) -> None:
        def key(text: str) -> str:
            inputs = {
                "parameterValues": {},
                "artifacts": {"data": {"artifacts": [{"name": "1", "uri": text}]}},
            }
            outputs = {
                "parameters": {},
                "artifacts": {"made": {"artifacts": [{"name": "made", "uri": text, "type": {}}]}},
            }
            container = {"image": "toy", "env": [{"name": "X", "value": text}]}
            return driver.fingerprint({}, container, {"inputs": inputs, "outputs": outputs}, [])

        assert key("a") == key("b")


class TestConditions:
    VALUES = {"word": "go", "count": 3.0, "sure": True}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ("inputs.parameter_values['word'] == 'go'", True),
            ("inputs.parameter_values['word'] != 'go'", False),
            ("!(inputs.parameter_values['word'] == 'go')", False),
            (
                (
                    "!(inputs.parameter_values['word'] == 'go') &&"
                    " inputs.parameter_values['count'] > 1"
                ),
                False,
            ),
            (
                (
                    "inputs.parameter_values['word'] == 'stop' ||"
                    " int(inputs.parameter_values['count']) >= 3"
                ),
                True,
            ),
            ("inputs.parameter_values['sure'] == true", True),
            ("inputs.parameter_values['sure'] == 'true'", False),
            ("inputs.parameter_values['word'] == '&& \\'x\\''", False),
        ],
    )
    def test_what_kfp_writes(self, condition: str, holds: bool) -> None:
        assert conditions.holds(condition, self.VALUES) is holds

    @pytest.mark.parametrize(
        ("condition", "message"),
        [
            ("inputs.parameter_values['other'] == 'go'", "no such key: other"),
            ("inputs.parameter_values['word'] > 1", "no such overload"),
            ("inputs.parameter_values['word']", "is no bool"),
            ("size(inputs.parameter_values['word']) == 2", "can't read"),
            ("inputs.parameter_values['word'] == 'go' 'go'", "can't read"),
        ],
    )
    def test_what_ends_in_an_error(self, condition: str, message: str) -> None:
        with pytest.raises(BackendError, match=message):
            conditions.holds(condition, self.VALUES)
