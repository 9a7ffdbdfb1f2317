from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kfp.dsl.base_component import BaseComponent

from components.shared.steps import STEPS, TITLES
from pipelines.code_version import COMPONENTS, ROOT, code_version, image_digest, image_references
from pipelines.compiler import compile_pipeline, for_a_desk
from pipelines.resources import TASKS, Cluster, tasks_for

GOLDEN = Path(__file__).parent / "emotion-retraining.golden.yaml"
LARGE = Cluster(tasks_for("gpu", gpus=True), "gpu", preset="fer2013")
PLACEHOLDERS = {
    f"emotion-{name}": f"registry.example/emotion-{name}:placeholder" for name in COMPONENTS
}


@pytest.fixture(scope="module")
def text() -> str:
    return compile_pipeline(PLACEHOLDERS, LARGE)


def test_the_compiled_pipeline_is_the_golden_file(text: str) -> None:
    """A wanted change: `make golden` writes the file anew."""
    assert text == GOLDEN.read_text()


def test_two_processes_compile_the_same_bytes(text: str) -> None:
    program = (
        "from tests.pipelines.test_compiler import *; import sys;"
        " sys.stdout.write(compile_pipeline(PLACEHOLDERS, LARGE))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert other.stdout == text


def test_there_are_two_documents_and_every_image_is_replaced(text: str) -> None:
    pipeline, platform = yaml.safe_load_all(text)
    executors = pipeline["deploymentSpec"]["executors"]
    assert {name.removeprefix("exec-") for name in executors} == set(TASKS)
    assert {executor["container"]["image"] for executor in executors.values()} == set(
        PLACEHOLDERS.values()
    )
    for executor in executors.values():
        assert {"name": "EMOTION_IMAGE", "value": executor["container"]["image"]} in executor[
            "container"
        ]["env"]
    assert set(platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]) == set(executors)


def test_a_cluster_without_gpus_runs_it_too() -> None:
    pipeline, platform = yaml.safe_load_all(
        compile_pipeline(PLACEHOLDERS, Cluster(tasks_for("gpu", gpus=False), "gpu"))
    )
    training = pipeline["deploymentSpec"]["executors"]["exec-train"]["container"]
    assert "accelerator" not in training["resources"]
    assert training["resources"]["resourceCpuRequest"] == LARGE.tasks["train"].cpu
    recorded = {variable["name"]: variable["value"] for variable in training["env"]}[
        "EMOTION_RESOURCES"
    ]
    assert json.loads(recorded)["gpus"] == 0
    placed = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train"]
    assert "nodeSelector" not in placed
    assert [one["key"] for one in placed["tolerations"]] == ["cloud.google.com/gke-spot"]


def test_a_form_in_the_ui_can_be_filled_by_hand() -> None:
    cluster = Cluster(
        preset="ferplus", source="gs://bucket/faces", store="gs://bucket/store", code_version="0123"
    )
    pipeline = next(iter(yaml.safe_load_all(compile_pipeline(PLACEHOLDERS, cluster))))
    parameters = pipeline["root"]["inputDefinitions"]["parameters"]
    assert {name: given["defaultValue"] for name, given in parameters.items()} == {
        "preset": "ferplus",
        "source": "gs://bucket/faces",
        "store": "gs://bucket/store",
        "run_id": "",
        "code_version": "0123",
        "force": False,
    }
    assert all(len(given["description"]) > 20 for given in parameters.values())
    assert "a preset that needs more is refused" in parameters["preset"]["description"]


def test_the_id_of_the_workflow_is_the_whole_value_of_a_task_parameter_and_stands_nowhere_else(
    text: str,
) -> None:
    """The driver replaces it there alone (backend/src/v2/driver/resolve.go)."""
    given = {name: task["inputs"]["parameters"].get("job_id") for name, task in tasks(text).items()}
    constant = {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
    assert {name: value for name, value in given.items() if value} == {
        "resolve": constant,
        "report": constant,
    }
    assert text.count("{{$.pipeline_job") == 2


def test_people_read_titles(text: str) -> None:
    pipeline = next(iter(yaml.safe_load_all(text)))
    dags = [
        pipeline["root"]["dag"],
        *(part["dag"] for part in pipeline["components"].values() if "dag" in part),
    ]
    titles = {name: task["taskInfo"]["name"] for dag in dags for name, task in dag["tasks"].items()}
    assert {name: title for name, title in titles.items() if name in TASKS} == TITLES
    assert tuple(TASKS) == STEPS
    groups = {
        "Retrain",
        "Read new data",
        "New data, code or preset",
        "Train and judge a challenger",
        "Valid data",
        "Promote",
    }
    assert groups | {"Blessed", "Needs approval"} == {
        title for name, title in titles.items() if name not in TASKS
    }


def described(text: str) -> Iterator[tuple[str, str, str]]:
    """Component, input or output, and description.

    Of a condition's inputs, which kfp names and describes itself, none.
    """
    pipeline = next(iter(yaml.safe_load_all(text)))
    for component, definition in {**pipeline["components"], "pipeline": pipeline["root"]}.items():
        for direction in ("inputDefinitions", "outputDefinitions"):
            for kind in ("artifacts", "parameters"):
                for name, value in definition.get(direction, {}).get(kind, {}).items():
                    if not name.startswith("pipelinechannel--"):
                        yield (
                            component.removeprefix("comp-"),
                            f"{direction.removesuffix('Definitions')} {name}",
                            value.get("description", ""),
                        )


def test_every_input_and_output_is_described_in_one_short_sentence(text: str) -> None:
    descriptions = list(described(text))
    assert {component for component, _, _ in descriptions} == {
        *TASKS,
        "night",
        "retrain",
        "promote",
        "pipeline",
    }
    for component, name, description in descriptions:
        about = f"{component}, {name}: {description!r}"
        assert description.endswith("."), about
        assert len(description.split()) >= 5, about
        assert len(description) <= (170 if component == "pipeline" else 110), (
            about
        )  # the workflow holds each of them several times
        assert description.lower().strip(".") != name.split()[-1].replace("_", " "), about


def test_what_stands_in_several_steps_is_described_in_the_same_words(text: str) -> None:
    """Resolve, report and the pipeline take values that aren't decided yet, so theirs differ."""
    words: dict[str, set[str]] = {}
    for component, name, description in described(text):
        if component not in ("resolve", "report", "pipeline"):
            words.setdefault(name, set()).add(description)
    assert {name for name, each in words.items() if len(each) > 1} == {"output metrics"}


def test_every_component_is_described_in_one_sentence(text: str) -> None:
    """kfp 2.17's compiled pipeline has a field for the pipeline's own description alone.

    A component compiled by itself has one.
    """
    assert len(next(iter(yaml.safe_load_all(text)))["pipelineInfo"]["description"].split()) > 5
    modules = [importlib.import_module(f"components.{name}.component") for name in COMPONENTS]
    steps = {
        each.name: each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, BaseComponent)
    }
    assert set(steps) == set(TASKS)
    for name, step in steps.items():
        assert (step.description or "").endswith("."), name
        assert len(step.description.split()) > 5, name
        assert "\n" not in step.description, name


def tasks(text: str) -> dict[str, dict[str, object]]:
    pipeline = next(iter(yaml.safe_load_all(text)))
    dags = [
        pipeline["root"]["dag"],
        *(component["dag"] for component in pipeline["components"].values() if "dag" in component),
    ]
    return {name: task for dag in dags for name, task in dag["tasks"].items() if name in TASKS}


def test_a_desk_run_fails_at_once_and_has_no_variables_of_a_pod(text: str) -> None:
    assert all("retryPolicy" in task for task in tasks(text).values())
    at_a_desk = for_a_desk(text)
    assert not any("retryPolicy" in task for task in tasks(at_a_desk).values())
    assert "pipeline_job" not in at_a_desk
    pipeline = next(iter(yaml.safe_load_all(at_a_desk)))
    assert not any(
        "env" in executor["container"]
        for executor in pipeline["deploymentSpec"]["executors"].values()
    )


def test_an_image_is_named_by_its_content(tmp_path: Path) -> None:
    for name in ("training", "shared"):
        (tmp_path / "components" / name / "__pycache__").mkdir(parents=True)
    module = tmp_path / "components" / "training" / "loop.py"
    module.write_text("one = 1\n")
    before = image_digest("training", tmp_path)
    (tmp_path / "components" / "training" / "__pycache__" / "loop.pyc").write_bytes(b"noise")
    assert image_digest("training", tmp_path) == before
    module.write_text("one = 1  # the first\n")
    assert image_digest("training", tmp_path) != before
    assert image_references("registry.example", tmp_path)["emotion-training"].startswith(
        "registry.example/emotion-training:"
    )


def test_shipped_presets_are_part_of_the_image_that_holds_them_and_no_code(tmp_path: Path) -> None:
    (tmp_path / "pipelines" / "presets").mkdir(parents=True)
    (tmp_path / "components" / "ingestion").mkdir(parents=True)
    (tmp_path / "pipelines" / "retraining.py").write_text("")
    before, version = image_references("", tmp_path), code_version(tmp_path)
    (tmp_path / "pipelines" / "presets" / "mine.py").write_text("MINE = 1\n")
    assert {
        name
        for name, reference in image_references("", tmp_path).items()
        if reference != before[name]
    } == {"emotion-ingestion"}
    assert code_version(tmp_path) == version


def test_a_better_sentence_is_no_other_code(tmp_path: Path) -> None:
    """Of this checkout: comments and docstrings don't count, code and locks do."""
    for name in ("components", "pipelines"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    assert code_version(tmp_path) == code_version()
    assert len(code_version()) == 16
    module = tmp_path / "components" / "training" / "fit" / "calibration.py"
    source = module.read_text()
    module.write_text("# A better sentence.\n" + source.replace('"""', '"""Better: ', 1))
    assert code_version(tmp_path) == code_version()
    module.write_text(f"{source}\nADDED = 1\n")
    assert code_version(tmp_path) != code_version()
    module.write_text(source)
    lock = tmp_path / "components" / "training" / "requirements.lock"
    lock.write_text(lock.read_text() + "\n")
    assert code_version(tmp_path) != code_version()


if __name__ == "__main__":
    GOLDEN.write_text(compile_pipeline(PLACEHOLDERS, LARGE))
