"""A task's driver.

Which values its inputs get, what its command line is, what its cache entry is called.

The rules are those of Kubeflow Pipelines 2.17.0 below backend/src/v2: driver/resolve.go
(resolveInputs, resolveInputParameter), driver/driver.go (provisionOutputs), driver/util.go
(resolveContainerArgs), driver/cache.go (getFingerPrint) and cacheutils/cache.go (GenerateCacheKey,
GenerateFingerPrint).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.pipelines.kfp_backend.compiled import UNSUPPORTED_TASK_FIELDS, BackendError, Json

PIPELINE_ROOT = "minio://mlpipeline/v2/artifacts"
WORKSPACE = "{{$.workspace_path}}"
_INPUT_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['(.+?)']}}")
_KINDS = {
    "NUMBER_DOUBLE": (int, float),
    "NUMBER_INTEGER": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
    "TASK_FINAL_STATUS": (dict,),
}


@dataclass(frozen=True)
class RunFacts:
    """What a run is called.

    Attributes:
        run_id: of the API server; names the workflow's uid. resource_name: of the workflow object.
            display_name: as a person gave it; empty in a recurring run. created_at, scheduled_at:
                RFC 3339, UTC.
    """

    run_id: str
    resource_name: str
    display_name: str
    created_at: str
    scheduled_at: str
    pipeline_root: str = PIPELINE_ROOT


@dataclass
class Dag:
    """A DAG under way.

    Attributes:
        execution_id: in the metadata store. parameters, artifacts: its inputs. tasks: per finished
            task, its state and outputs.
    """

    execution_id: int
    parameters: Json = field(default_factory=dict)
    artifacts: Json = field(default_factory=dict)
    tasks: dict[str, Finished] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """How a task ended: state of its execution in the metadata store, and its outputs."""

    state: str
    parameters: Json = field(default_factory=dict)
    artifacts: Json = field(default_factory=dict)


def resolve_inputs(name: str, task: Json, component: Json, dag: Dag, run: RunFacts) -> Json:
    """The inputs of an executor input: ``parameterValues`` and ``artifacts``.

    Raises BackendError.
    """
    unsupported = [key for key in UNSUPPORTED_TASK_FIELDS if key in task]
    if unsupported:
        raise BackendError(f"{name} has {unsupported[0]}, which isn't covered here")
    definitions = component.get("inputDefinitions", {}).get("parameters", {})
    given = task.get("inputs", {})
    values: Json = {}
    unset: set[str] = set()
    if "dag" in component:
        for key, definition in definitions.items():
            if key not in given.get("parameters", {}) and definition.get("isOptional"):
                values[key] = definition.get("defaultValue")
                unset |= {key} if values[key] is None else set()
    for key, spec in given.get("parameters", {}).items():
        value = _parameter(name, key, spec, task, dag, run)
        if value is None:
            if definitions.get(key, {}).get("isOptional"):
                continue  # the launcher fills in the default
            raise BackendError(f"{name}: the resolved input parameter is null: {key}")
        if "parameterExpressionSelector" in spec:
            raise BackendError(f"{name} selects a part of {key}, which isn't covered here")
        values[key] = value
    for key, definition in definitions.items():
        if key in values:
            values[key] = (
                None if key in unset else _checked(key, values[key], definition["parameterType"])
            )
        elif not definition.get("isOptional") and "defaultValue" not in definition:
            raise BackendError(
                f"neither value nor default value provided for non-optional parameter {key!r}"
            )
    artifacts = {key: _artifact(key, spec, dag) for key, spec in given.get("artifacts", {}).items()}
    return {"parameterValues": values, "artifacts": artifacts}


def _parameter(name: str, key: str, spec: Json, task: Json, dag: Dag, run: RunFacts) -> Any:
    if "componentInputParameter" in spec:
        source = spec["componentInputParameter"]
        if source not in dag.parameters:
            raise BackendError(f"parent DAG does not have input parameter {source}")
        return dag.parameters[source]
    if "taskOutputParameter" in spec:
        producer, output = (
            spec["taskOutputParameter"]["producerTask"],
            spec["taskOutputParameter"]["outputParameterKey"],
        )
        if output not in dag.tasks[producer].parameters:
            raise BackendError(f"{producer} has no output parameter {output}")
        return dag.tasks[producer].parameters[output]
    if "taskFinalStatus" in spec:
        return final_status(task, dag, run)
    if "constant" in spec.get("runtimeValue", {}):
        return _constant(spec["runtimeValue"]["constant"], name, dag, run)
    raise BackendError(
        f"{name}: the parameter {key} has the spec {sorted(spec)}, which isn't covered here"
    )


def _constant(value: Any, task_name: str, dag: Dag, run: RunFacts) -> Any:
    """Replace a placeholder that is the whole of a constant.

    Inside a longer one all but the workspace's stay as they are.
    """
    if isinstance(value, str) and WORKSPACE in value:
        return value.replace(WORKSPACE, "/kfp-workspace")
    return (
        {
            "{{$.pipeline_job_name}}": run.display_name,
            "{{$.pipeline_job_resource_name}}": run.resource_name,
            "{{$.pipeline_job_uuid}}": run.run_id,
            "{{$.pipeline_task_name}}": task_name,
            "{{$.pipeline_task_uuid}}": str(dag.execution_id),
            "{{$.pipeline_job_create_time_utc}}": run.created_at,
            "{{$.pipeline_job_schedule_time_utc}}": run.scheduled_at,
        }.get(value, value)
        if isinstance(value, str)
        else value
    )


def final_status(task: Json, dag: Dag, run: RunFacts) -> Json:
    """What an exit task hears of the task that it waits for.

    Message and code of an error are never filled.
    """
    if not task.get("dependentTasks"):
        raise BackendError("an exit task has no dependent tasks")
    producer = task["dependentTasks"][0]
    return {
        "state": dag.tasks[producer].state,
        "pipelineTaskName": producer,
        "pipelineJobResourceName": run.resource_name,
        "error": {},
    }


def _artifact(key: str, spec: Json, dag: Dag) -> Json:
    if "componentInputArtifact" in spec:
        source = spec["componentInputArtifact"]
        if source not in dag.artifacts:
            raise BackendError(f"parent DAG does not have input artifact {source}")
        return dict(dag.artifacts[source])
    producer, output = (
        spec["taskOutputArtifact"]["producerTask"],
        spec["taskOutputArtifact"]["outputArtifactKey"],
    )
    if output not in dag.tasks[producer].artifacts:
        raise BackendError(f"{producer} has no output artifact {output} for {key}")
    return dict(dag.tasks[producer].artifacts[output])


def _checked(key: str, value: Any, kind: str) -> Any:
    """A value of the declared type.

    Anything becomes text where text is declared, and nothing else is converted.
    """
    if kind == "STRING":
        return value if isinstance(value, str) else as_text(value)
    if kind not in _KINDS:
        raise BackendError(f"the type {kind} of {key} isn't covered here")
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
        raise BackendError(
            f"input parameter {key!r} type mismatch: expect {kind}, got {type(value).__name__}"
        )
    return value


def as_text(value: Any) -> str:
    """A parameter's value as text.

    True and false in lower case, whole numbers without a point, lists and dicts as JSON.

    metadata.PbValueToText, driver/util.go pbValueToString; a JSON number is a double on its way, so
    3.0 is written as 3.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(int(value)) if float(value).is_integer() else _fraction(float(value))
    return value if isinstance(value, str) else go_json(value)


def _fraction(value: float) -> str:
    """Go's %g: an exponent below 1e-4 and from 1e6 on."""
    number = Decimal(repr(value))
    if -4 <= number.adjusted() < 6:
        return format(number, "f")
    digits = str(number.scaleb(-number.adjusted()).normalize())
    return f"{digits}e{number.adjusted():+03d}"


def provision_outputs(task_name: str, component: Json, run: RunFacts, salt: str) -> Json:
    """Where the task is to leave its outputs.

    Every attempt of a run's task under a folder that no other has.
    """
    outputs = component.get("outputDefinitions", {})
    folder = f"{run.pipeline_root}/{task_name}/{salt}"

    def artifact(key: str, spec: Json) -> Json:
        return {
            "name": key,
            "uri": f"{folder}/{key}",
            "type": spec["artifactType"],
            "metadata": spec.get("metadata", {}),
        }

    return {
        "parameters": {
            key: {"outputFile": f"/tmp/kfp/outputs/{key}"} for key in outputs.get("parameters", {})
        },
        "artifacts": {
            key: {"artifacts": [artifact(key, spec)]}
            for key, spec in outputs.get("artifacts", {}).items()
        },
        "outputFile": f"{local_path(folder)}/output_metadata.json",
    }


def local_path(uri: str) -> str:
    """Where a pod sees an artifact (component/launcher_v2.go, LocalPathForURI)."""
    for scheme, mount in (("gs://", "/gcs/"), ("minio://", "/minio/"), ("s3://", "/s3/")):
        if uri.startswith(scheme):
            return mount + uri.removeprefix(scheme)
    raise BackendError(f"failed to generate local path for URI {uri}: unsupported storage scheme")


def container_command(container: Json, executor_input: Json) -> list[str]:
    """Command and arguments as they stand in the pod.

    Inputs' values are filled in, the rest is left to the launcher.

    An argument that holds an output's placeholder is passed on whole. No other placeholder is known
    here, so one of the run's, such as its id, stays literal.
    """
    values = executor_input["inputs"]["parameterValues"]
    words: list[str] = []
    for word in (*container.get("command", ()), *container.get("args", ())):
        if "$.outputs" in word:
            words.append(word)
        elif word.strip().startswith('{"IfPresent":'):
            words += _if_present(json.loads(word)["IfPresent"], values)
        else:
            words.append(_filled(word, values))
    return words


def _if_present(condition: Json, values: Json) -> list[str]:
    chosen = (
        condition.get("Then" if values.get(condition["InputName"]) is not None else "Else") or []
    )
    return [_filled(word, values) for word in ([chosen] if isinstance(chosen, str) else chosen)]


def _filled(word: str, values: Json) -> str:
    def value_of(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise BackendError(f"parameter {match[1]!r} not found in executor input")
        return as_text(values[match[1]])

    return _INPUT_PARAMETER.sub(value_of, word)


def fingerprint(component: Json, container: Json, executor_input: Json, claims: list[str]) -> str:
    """The name of the task's cache entry.

    Its inputs' values, ids of artifacts, outputs' names and types, command, image and claims.

    Neither the run's id nor anything else of the run is in it, unless it is an input. Container
    variables aren't, either.
    """
    kinds = component.get("outputDefinitions", {}).get("parameters", {})
    inputs, outputs = executor_input["inputs"], executor_input["outputs"]
    key = {
        "inputArtifactNames": {
            name: {"artifactNames": [artifact["name"] for artifact in value["artifacts"]]}
            for name, value in inputs["artifacts"].items()
        },
        "inputParameterValues": inputs["parameterValues"],
        "outputArtifactsSpec": {
            name: {
                field: content for field, content in value["artifacts"][0].items() if field != "uri"
            }
            for name, value in outputs["artifacts"].items()
        },
        "outputParametersSpec": {
            name: kinds[name]["parameterType"] for name in outputs["parameters"]
        },
        "containerSpec": {
            "image": container["image"],
            "cmdArgs": [*container.get("command", ()), *container.get("args", ())],
            "pvcNames": sorted(set(claims)),
        },
    }
    return hashlib.sha256(go_json(key).encode()).hexdigest()


def go_json(value: Any) -> str:
    """JSON as Go's encoding/json writes it.

    Keys in order, no spaces, ``<>&`` escaped, whole doubles without a point.
    """
    text = json.dumps(_whole(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
