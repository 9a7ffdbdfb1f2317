"""The compiled pipeline is what Kubeflow's readers take.

kfp's own loader, and the protobuf messages that the backend parses it into.

backend/src/apiserver/template/v2_template.go, NewV2SpecTemplate: unknown fields are refused, as
`ParseDict` does here.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import ParseDict, ParseError
from kfp import components
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

GOLDEN = Path(__file__).parent / "emotion-retraining.golden.yaml"
# A name of the API server's pattern; it asks for a match anywhere, so it takes more than this.
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
Documents = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def documents() -> Documents:
    pipeline, platform = yaml.safe_load_all(GOLDEN.read_text())
    return pipeline, platform


def parse(documents: Documents) -> pipeline_spec_pb2.PipelineSpec:
    """All messages of both documents.

    Those that are plain structs in the spec are read as what the backend reads them as.
    """
    pipeline, platform = documents
    spec = ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    deployment = ParseDict(pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
    used = {
        component.executor_label
        for component in spec.components.values()
        if component.executor_label
    }
    assert set(deployment.executors) == used
    kubernetes = ParseDict(platform, pipeline_spec_pb2.PlatformSpec()).platforms["kubernetes"]
    assert set(kubernetes.deployment_spec.executors) <= used
    for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        ParseDict(executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    return spec


def test_the_backend_reads_it_without_a_field_left_over(documents: Documents) -> None:
    spec = parse(documents)
    assert spec.schema_version == "2.1.0"
    assert NAME.fullmatch(spec.pipeline_info.name)
    assert spec.root.dag.tasks


@pytest.mark.parametrize(
    "path",
    [
        (0, "root", "dag"),
        (0, "components", "comp-train", "inputDefinitions"),
        (0, "deploymentSpec", "executors", "exec-train", "container"),
        (1, "platforms", "kubernetes", "deploymentSpec", "executors", "exec-train"),
        (1, "platforms", "kubernetes"),
    ],
)
def test_a_field_that_nobody_knows_is_found(documents: Documents, path: tuple[Any, ...]) -> None:
    changed: Any = copy.deepcopy(documents)
    inner = changed
    for key in path:
        inner = inner[key]
    inner["unheardOf"] = 1
    with pytest.raises(ParseError, match="unheardOf"):
        parse(changed)


def test_kfp_loads_it(documents: Documents) -> None:
    loaded = components.load_component_from_file(str(GOLDEN))
    assert loaded.pipeline_spec == parse(documents)
    assert set(loaded.component_spec.inputs or {}) == set(
        documents[0]["root"]["inputDefinitions"]["parameters"]
    )


def test_each_task_fills_its_components_inputs_and_nothing_else(documents: Documents) -> None:
    """The driver refuses a task that leaves out a value, and one that an argument names even where the component has a default."""
    pipeline = documents[0]
    dags = [
        pipeline["root"],
        *(component for component in pipeline["components"].values() if "dag" in component),
    ]
    for dag in dags:
        for name, task in dag["dag"]["tasks"].items():
            inputs = pipeline["components"][task["componentRef"]["name"]].get(
                "inputDefinitions", {}
            )
            for kind in ("parameters", "artifacts"):
                assert set(task.get("inputs", {}).get(kind, {})) == set(inputs.get(kind, {})), name
                for source in task.get("inputs", {}).get(kind, {}).values():
                    outer = source.get("componentInputParameter") or source.get(
                        "componentInputArtifact"
                    )
                    assert outer is None or outer in dag["inputDefinitions"][kind], name
