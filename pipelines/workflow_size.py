"""What a run of a compiled pipeline will weigh in Kubernetes, told before it runs.

A run is one object, an Argo workflow, that grows with each step. Above 1 MiB Argo packs its nodes
(MAX_WORKFLOW_SIZE in workflow/packer/packer.go of v4.0.5), and Kubeflow Pipelines, which doesn't
unpack them, loses sight of the run's steps. etcd takes no object above 1.5 MB. Most of the weight
is the pod spec patch that a task's driver makes: it holds the task's arguments twice, and six nodes
repeat it. So an argument of a kilobyte costs a run tens of kilobytes at every task that has it.

Modeled are Kubeflow Pipelines 2.17.0, backend/src/v2/compiler/argocompiler (argo.go, dag.go,
container.go) and backend/src/v2/driver (driver.go initPodSpecPatch, k8s.go extendPodSpecPatch), and
Argo v4.0.5, workflow/controller/operator.go (executeTemplate, initializeExecutableNode). Kubeflow's
template defaults give every template a retry strategy, so each node is a pair: one that retries,
and the attempt. Only attempts that end well are counted: each one more repeats its inputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from components.shared.errors import InputError

# A run of which it is known passed Argo's 1,048,576 bytes at `deploy` and not before; the estimate
# is 945,000 before it and 1,064,000 after. So the estimate is at most a tenth too low, and a run
# below this bound has room for some attempts that are made again.
WORKFLOW_LIMIT = 900_000
# The text of a preset fits. What is longer is handed on by its digest: at every task that takes it,
# six nodes repeat it twice.
ARGUMENTS_LIMIT = 4_000
# What a step hands on as a parameter is a word, a digest or a run's name, of which the last is
# longest.
OUTPUT_BYTES = 100
ADDRESS_BYTES = 100
# The templates that don't depend on the pipeline, as the backend's
# test_data/compiled-workflows/pipeline_with_retry.yaml has them.
SYSTEM_TEMPLATES_BYTES = 9_000
# Labels, annotations, owners, managed fields and conditions of the object.
METADATA_BYTES = 3_000

_NAME = "emotion-retraining-xxxxx"
_UID = "00000000-0000-0000-0000-000000000000"
_TIME = "2026-12-01T02:30:00Z"
_ROOT = f"minio://mlpipeline/v2/artifacts/emotion-retraining/{_UID}"
_SERVICES = {
    "ml_pipeline_server_address": "ml-pipeline.kubeflow.svc.cluster.local",
    "ml_pipeline_server_port": "8887",
    "mlmd_server_address": "metadata-grpc-service.kubeflow.svc.cluster.local",
    "mlmd_server_port": "8080",
    "publish_logs": "true",
}
# How an artifact says in which object store it lies (backend/src/v2/config/env.go,
# getDefaultMinioSessionInfo).
_STORE = {
    "accessKeyKey": "accesskey",
    "disableSSL": "true",
    "endpoint": "seaweedfs.kubeflow:9000",
    "fromEnv": "false",
    "maxRetries": "5",
    "region": "minio",
    "secretKeyKey": "secretkey",
    "secretName": "mlpipeline-minio-artifact",
}
_SESSION = json.dumps({"Provider": "minio", "Params": _STORE}, separators=(",", ":"))
Json = dict[str, Any]


@dataclass(frozen=True)
class TaskSize:
    """One task's share, in bytes.

    Its command's arguments as text, and its pod spec patch as a node holds it once.
    """

    name: str
    arguments: int
    patch: int


@dataclass(frozen=True)
class WorkflowSize:
    """What a run weighs.

    Attributes:
        tasks: in the order in which they run. growth: per task, the whole object in bytes once the
            task has ended.
        patches: bytes of the object that are pod spec patches.
    """

    tasks: tuple[TaskSize, ...]
    growth: tuple[tuple[str, int], ...]
    patches: int

    @property
    def workflow(self) -> int:
        """The whole object in bytes, at its heaviest."""
        return self.growth[-1][1]


def workflow_size(compiled: str, parameters: Mapping[str, Any]) -> WorkflowSize:
    """Estimate what a run weighs at most.

    In which every condition holds that can hold beside the others.

    Args:
        compiled: the two YAML documents. parameters: of the run; those with a default may be left
            out.
    """
    pipeline, platform = yaml.load_all(
        compiled, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    workflow = _Workflow(
        pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    )
    root = pipeline["root"]
    known = root["inputDefinitions"]["parameters"]
    values = {**{name: spec.get("defaultValue", "") for name, spec in known.items()}, **parameters}
    workflow.weigh_spec(values)
    workflow.add("entrypoint", "DAG", {})
    workflow.add(
        "root-driver",
        "Pod",
        {"component": _text(root), "runtime-config": _text({"parameterValues": values})},
        _DAG_OUTPUTS,
    )
    workflow.dag("root", root, values)
    return WorkflowSize(tuple(workflow.tasks), tuple(workflow.growth), workflow.patches)


def check_size(size: WorkflowSize) -> None:
    """Refuse a pipeline whose run would weigh too much. Raises InputError."""
    largest = max(size.tasks, key=lambda task: task.arguments)
    if largest.arguments > ARGUMENTS_LIMIT:
        raise InputError(
            f"the arguments of {largest.name} are too long",
            expected=f"at most {ARGUMENTS_LIMIT:,} bytes",
            received=f"{largest.arguments:,}",
            fix="hand a long value on by its digest: keep it in the store",
        )
    if size.workflow > WORKFLOW_LIMIT:
        raise InputError(
            "a run of this pipeline grows too heavy for one Kubernetes object",
            expected=f"at most {WORKFLOW_LIMIT:,} bytes",
            received=(
                f"{size.workflow:,}, {size.patches / size.workflow:.0%} of it pod spec patches"
            ),
            fix="shorten what many tasks take as an argument",
        )


def expected_parameters(preset: str) -> dict[str, str]:
    """Parameters of a run, of the length that they get in practice.

    The preset's whole text, addresses in buckets, a long name.
    """
    address = "x" * ADDRESS_BYTES
    return {
        "preset": preset,
        "source": address,
        "store": address,
        "run_id": "x" * OUTPUT_BYTES,
        "code_version": "x" * 16,
    }


_DAG_OUTPUTS = {"execution-id": "100", "iteration-count": "0", "condition": "true"}


@dataclass
class _Workflow:
    """The object, node by node."""

    pipeline: Json
    kubernetes: Json
    tasks: list[TaskSize] = field(default_factory=list)
    growth: list[tuple[str, int]] = field(default_factory=list)
    patches: int = 0
    weight: int = SYSTEM_TEMPLATES_BYTES + METADATA_BYTES

    def weigh_spec(self, values: Json) -> None:
        """Arguments and templates.

        Components, containers and platform specs once each, and every task's spec in its DAG's
        template.
        """
        components = self.pipeline["components"]
        texts = [
            _text(self.pipeline["root"]),
            *map(_text, components.values()),
            *map(_text, self.kubernetes.values()),
        ]
        texts += [
            _text(executor["container"])
            for executor in self.pipeline["deploymentSpec"]["executors"].values()
        ]
        texts.append(_text({"parameterValues": values}))
        for component in (self.pipeline["root"], *components.values()):
            texts += [_text(task) for task in component.get("dag", {}).get("tasks", {}).values()]
        # Around each text: an argument's name is a digest; a task's two entries in a template name
        # a dozen parameters.
        self.weight += sum(len(_json(text)) + 120 for text in texts) + 1_000 * len(components)

    def dag(self, path: str, component: Json, values: Json) -> None:
        """Add the nodes of a DAG's template and of its tasks."""
        self.add(path, "DAG", {"parent-dag-id": "100"})
        passed_over = self._passed_over(path, component, values)
        for name, task in _in_order(component["dag"]["tasks"]):
            definition = self.pipeline["components"][task["componentRef"]["name"]]
            inputs = _inputs(task, definition, values)
            driver = {
                "component": _text(definition),
                "task": _text(task),
                "task-name": name,
                "parent-dag-id": "100",
            }
            if "dag" in definition:
                self.add(
                    f"{path}.{name}-driver",
                    "Pod",
                    {**driver, "runtime-config": "", "driver-type": "DAG"},
                    _DAG_OUTPUTS,
                )
                if name in passed_over:
                    self.tasks += passed_over[name].tasks
                else:
                    self.dag(f"{path}.{name}", definition, inputs)
            else:
                self._container(f"{path}.{name}", name, task, definition, inputs, driver)

    def _passed_over(self, path: str, component: Json, values: Json) -> dict[str, _Workflow]:
        """Of conditions that ask one parameter for different words only one holds.

        All but the heaviest, each weighed by itself.
        """
        asked: dict[str, dict[str, _Workflow]] = {}
        for name, task in component["dag"]["tasks"].items():
            subject, _, word = task.get("triggerPolicy", {}).get("condition", "").partition(" == ")
            definition = self.pipeline["components"][task["componentRef"]["name"]]
            if word.startswith("'") and "dag" in definition:
                branch = _Workflow(self.pipeline, self.kubernetes, weight=0)
                branch.dag(f"{path}.{name}", definition, _inputs(task, definition, values))
                asked.setdefault(subject, {})[name] = branch
        branches = [
            sorted(group.items(), key=lambda item: item[1].weight) for group in asked.values()
        ]
        return {name: branch for group in branches for name, branch in group[:-1]}

    def _container(
        self, path: str, name: str, task: Json, definition: Json, inputs: Json, driver: Json
    ) -> None:
        label = definition["executorLabel"]
        container, kubernetes = (
            self.pipeline["deploymentSpec"]["executors"][label]["container"],
            self.kubernetes.get(label, {}),
        )
        words = [
            _filled(word, inputs)
            for word in (*container.get("command", ()), *container.get("args", ()))
        ]
        patch = _text(
            _pod_spec_patch(
                words,
                container,
                kubernetes,
                definition,
                _executor_input(name, task, definition, inputs),
            )
        )
        self.tasks.append(
            TaskSize(name, sum(len(word.encode()) for word in words), len(_json(patch)))
        )
        outputs = {"pod-spec-patch": patch, "cached-decision": "false", "condition": "true"}
        driver |= {
            "container": _text(container),
            "kubernetes-config": _text(kubernetes),
            "iteration-index": "-1",
        }
        self.add(f"{path}-driver", "Pod", driver, outputs)
        retry = task.get("retryPolicy", {})
        given = {
            "pod-spec-patch": patch,
            **{f"retry-{key}": str(value) for key, value in retry.items()},
        }
        for number, item in enumerate(
            kubernetes.get("podMetadata", {}).get("labels", {}).items(), start=1
        ):
            given |= {
                f"pod-metadata-label-key-{number}": item[0],
                f"pod-metadata-label-val-{number}": item[1],
            }
        self.add(path, "DAG", {**given, "cached-decision": "false"})
        self.add(f"{path}.executor", "Pod", given)
        self.patches += 6 * len(
            _json(patch)
        )  # in the driver's outputs, the task's inputs and the executor's, twice each
        self.growth.append((name, self.weight))

    def add(
        self,
        path: str,
        kind: str,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str] | None = None,
    ) -> None:
        """Add the pair of nodes of a template: the one that retries, and its attempt."""
        name = f"{_NAME}(0).{path.replace('.', '(0).')}"
        common: Json = {
            "id": f"{_NAME}-0000000000",
            "displayName": path.rpartition(".")[2],
            "templateName": f"metadata-0-2-retry-system-{path[-20:]}",
            "templateScope": f"local/{_NAME}",
            "phase": "Succeeded",
            "boundaryID": f"{_NAME}-0000000000",
            "startedAt": _TIME,
            "finishedAt": _TIME,
            "progress": "12/12",
            "resourcesDuration": {"cpu": 1000, "memory": 100000},
        }
        if inputs:
            common["inputs"] = {
                "parameters": [
                    {"name": key, "value": value, "default": ""} for key, value in inputs.items()
                ]
            }
        given = [
            {"name": key, "value": text, "valueFrom": {"path": f"/tmp/outputs/{key}"}}  # noqa: S108
            for key, text in (outputs or {}).items()
        ]
        logs = {
            "name": "main-logs",
            "s3": {
                "key": (
                    f"private-artifacts/kubeflow/{_NAME}/2026/12/01/{_NAME}-system-impl-0000000000/main.log"
                )
            },
        }
        made = (
            {"parameters": given, "artifacts": [logs], "exitCode": "0"} if kind == "Pod" else None
        )
        for node in (
            {
                **common,
                "name": name,
                "type": "Retry",
                "outputs": made,
                "children": [common["id"]] * 2,
            },
            {
                **common,
                "name": f"{name}(0)",
                "type": kind,
                "outputs": made,
                "nodeFlag": {"retried": True},
                "hostNodeName": "x" * 40,
                "children": [common["id"]] * 2,
                "outboundNodes": [common["id"]] * 2,
                "taskResultSynced": True,
            },
        ):
            self.weight += len(_json(node)) + len(common["id"]) + 4
        self.weight += 60  # whether the attempt's result is complete


def _in_order(tasks: Json) -> list[tuple[str, Json]]:
    """Tasks after those whose outputs they take; exit tasks last."""
    done: dict[str, Json] = {}
    while len(done) < len(tasks):
        for name, task in tasks.items():
            inputs = task.get("inputs", {})
            specs = (*inputs.get("parameters", {}).values(), *inputs.get("artifacts", {}).values())
            sources = [
                spec.get("taskOutputParameter") or spec.get("taskOutputArtifact") for spec in specs
            ]
            if {
                *task.get("dependentTasks", ()),
                *(source["producerTask"] for source in sources if source),
            } <= set(done):
                done.setdefault(name, task)
    return list(done.items())


def _inputs(task: Json, definition: Json, values: Json) -> Json:
    """Return what the task's parameters will be, as long as they can get."""
    status = {
        "state": "COMPLETE",
        "pipelineTaskName": [*task.get("dependentTasks", ()), ""][0],
        "pipelineJobResourceName": _NAME,
        "error": {},
    }
    found = {
        key: spec["defaultValue"]
        for key, spec in _definitions(definition).items()
        if "defaultValue" in spec
    }
    for key, spec in task.get("inputs", {}).get("parameters", {}).items():
        if "componentInputParameter" in spec:
            found[key] = values.get(spec["componentInputParameter"], "")
        elif "taskOutputParameter" in spec:
            found[key] = "x" * OUTPUT_BYTES
        elif "taskFinalStatus" in spec:
            found[key] = status
        else:
            constant = spec["runtimeValue"]["constant"]
            found[key] = (
                _UID if isinstance(constant, str) and constant.startswith("{{$.") else constant
            )
    return found


def _definitions(definition: Json) -> Json:
    return dict(definition.get("inputDefinitions", {}).get("parameters", {}))


def _filled(word: str, inputs: Json) -> str:
    for key, value in inputs.items():
        word = word.replace(
            f"{{{{$.inputs.parameters['{key}']}}}}",
            value if isinstance(value, str) else _text(value),
        )
    return word


def _executor_input(name: str, task: Json, definition: Json, inputs: Json) -> Json:
    outputs = definition.get("outputDefinitions", {})
    parameters = {
        key: {"outputFile": f"/tmp/kfp/outputs/{key}"}  # noqa: S108
        for key in outputs.get("parameters", {})
    }
    written = {
        key: {"artifacts": [_artifact(name, key, spec)]}
        for key, spec in outputs.get("artifacts", {}).items()
    }
    metadata = {"display_name": "sampling_plan", "store_session_info": _SESSION}
    known = definition.get("inputDefinitions", {}).get("artifacts", {})
    taken = {
        key: {"artifacts": [{**_artifact("check-serving", key, known[key]), "metadata": metadata}]}
        for key in task.get("inputs", {}).get("artifacts", {})
    }
    return {
        "inputs": {"parameterValues": inputs, "artifacts": taken},
        "outputs": {
            "parameters": parameters,
            "artifacts": written,
            "outputFile": f"{_ROOT}/{name}/{_UID}/output_metadata.json",
        },
    }


def _artifact(task: str, key: str, spec: Json) -> Json:
    return {"name": key, "type": spec["artifactType"], "uri": f"{_ROOT}/{task}/{_UID}/{key}"}


def _resources(container: Json) -> Json:
    wants = container.get("resources", {})
    gpus = wants.get("accelerator", {})
    return {
        "limits": {
            "cpu": wants.get("resourceCpuLimit", ""),
            "memory": wants.get("resourceMemoryLimit", ""),
            **({gpus["resourceType"]: gpus["resourceCount"]} if gpus else {}),
        },
        "requests": {
            "cpu": wants.get("resourceCpuRequest", ""),
            "memory": wants.get("resourceMemoryRequest", ""),
        },
    }


def _pod_spec_patch(
    words: list[str], container: Json, kubernetes: Json, definition: Json, executor_input: Json
) -> Json:
    """Return what the driver lays over the executor's pod."""
    launcher = [
        "/kfp-launcher/launch",
        "--pipeline_name",
        "emotion-retraining",
        "--run_id",
        _UID,
        "--execution_id",
        "100",
    ]
    launcher += ["--executor_input", _text(executor_input), "--component_spec", _text(definition)]
    launcher += ["--pod_name", "$(KFP_POD_NAME)", "--pod_uid", "$(KFP_POD_UID)"]
    launcher += [word for key, value in _SERVICES.items() for word in (f"--{key}", value)]
    secrets = kubernetes.get("secretAsVolume", [])
    claims = [mount["constant"] for mount in kubernetes.get("pvcMount", [])]
    folders = [mount["volumeName"] for mount in kubernetes.get("emptyDirMounts", [])]
    volumes = [
        {
            "name": secret["secretName"],
            "secret": {"secretName": secret["secretName"], "optional": True},
        }
        for secret in secrets
    ]
    volumes += [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    volumes += [
        {"name": folder, "emptyDir": {"medium": "Memory", "sizeLimit": "4G"}} for folder in folders
    ]
    mounts = [
        {
            "name": mount.get("secretName") or mount.get("constant") or mount.get("volumeName"),
            "mountPath": mount["mountPath"],
        }
        for mount in (
            *secrets,
            *kubernetes.get("pvcMount", []),
            *kubernetes.get("emptyDirMounts", []),
        )
    ]
    fields = [
        {"name": value["name"], "valueFrom": {"fieldRef": value["fieldPath"]}}
        for value in kubernetes.get("fieldPathAsEnv", [])
    ]
    main = {
        "name": "main",
        "image": container["image"],
        "command": [*launcher, "--"],
        "args": words,
        "env": [*container.get("env", []), *fields],
        "resources": _resources(container),
        "volumeMounts": mounts,
        "imagePullPolicy": kubernetes.get("imagePullPolicy", ""),
        "securityContext": {
            **kubernetes.get("securityContext", {}),
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "volumes": volumes,
        "containers": [main],
        "nodeSelector": kubernetes.get("nodeSelector", {}),
        "tolerations": kubernetes.get("tolerations", []),
        "activeDeadlineSeconds": kubernetes.get("activeDeadlineSeconds", 0),
        "imagePullSecrets": [
            {"name": secret["secretName"]} for secret in kubernetes.get("imagePullSecret", [])
        ],
    }


def _text(value: object) -> str:
    """JSON as Go writes it."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _json(value: object) -> bytes:
    return _text(value).encode()
