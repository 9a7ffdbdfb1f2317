"""What evaluation and the report tell Kubeflow Pipelines, read by kfp's own parser into kfp's own classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp import dsl
from kfp.local import executor_output_utils
from kfp.pipeline_spec import pipeline_spec_pb2

from components.evaluation.component import evaluate
from components.reporting.component import report
from components.shared.step.executor_output import ExecutorOutput

LABELS, MATRIX = ("happy", "sad"), ((7, 1), (2, 5))


def told(tmp_path: Path, component: Any, fill: Any) -> dict[str, Any]:
    """The outputs that kfp reads after a component has written its executor output."""
    spec = next(iter(component.pipeline_spec.components.values()))
    artifacts = {
        name: {
            "artifacts": [
                {
                    "name": name,
                    "type": {"schemaTitle": each.artifact_type.schema_title},
                    "uri": f"/tmp/{name}",
                }
            ]
        }
        for name, each in spec.output_definitions.artifacts.items()
    }
    frame = {
        "outputs": {"artifacts": artifacts, "outputFile": str(tmp_path / "executor_output.json")}
    }
    output = ExecutorOutput(json.dumps(frame))
    fill(output)
    output.write()
    read = executor_output_utils.load_executor_output(frame["outputs"]["outputFile"])
    executor_input = json_format.ParseDict(frame, pipeline_spec_pb2.ExecutorInput())
    found: dict[str, Any] = executor_output_utils.get_outputs_from_executor_output(
        read, executor_input, spec
    )
    return found


def test_scalars_and_the_confusion_matrix_are_native_metrics(tmp_path: Path) -> None:
    def fill(output: ExecutorOutput) -> None:
        output.metadata("metrics", accuracy=0.8, rows=15)
        output.confusion_matrix("confusion_matrix", LABELS, MATRIX)

    found = told(tmp_path, evaluate, fill)
    expected = dsl.ClassificationMetrics(name="confusion_matrix")
    expected.log_confusion_matrix(list(LABELS), [list(row) for row in MATRIX])
    assert type(found["confusion_matrix"]) is dsl.ClassificationMetrics
    assert found["confusion_matrix"].metadata == expected.metadata
    scalars = dsl.Metrics(name="metrics")
    scalars.log_metric("accuracy", 0.8)
    scalars.log_metric("rows", 15)
    assert type(found["metrics"]) is dsl.Metrics
    assert found["metrics"].metadata == scalars.metadata


def test_the_report_is_an_html_artifact(tmp_path: Path) -> None:
    found = told(tmp_path, report, lambda output: None)
    assert [type(artifact) for artifact in found.values()] == [dsl.HTML]
