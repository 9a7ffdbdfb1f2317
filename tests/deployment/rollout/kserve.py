"""KServe on a cluster, as far as a rollout sees it.

The API's rules, the controllers' doings, and faults.

Strict on purpose: an apply needs its content type, field manager and force; a stale resource
version is 409; unknown fields are 400; the webhook's rules on canaries hold; the generation rises
with the spec alone; annotations of the InferenceService reach the pods unless the predictor's own
win, and changed pods restart. Traffic follows the spec at once, ready or not, as in KServe 0.20:
what goes wrong then counts as a violation. The gateway routes by a route `gateway_lag` seconds
after that was written and accepted: Gateway API's HTTPRoute has no condition that says when proxies
took it. What it still sends to a revision whose pods are gone counts, too.
"""

from __future__ import annotations

import copy
import json
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kserve import V1beta1CanarySpec, V1beta1InferenceServiceSpec, V1beta1PredictorSpec

Json = dict[str, Any]
NAMESPACE = "emotion"
REVISION = "emotion/revision"
ISVC = re.compile(
    rf"/apis/serving\.kserve\.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices(?:/([a-z0-9-]+))?"
)


@dataclass
class Behaviour:
    """Of one version.

    How long until ready, or why never (`failure` is the kubelet's waiting reason, or "silent").
    """

    ready_after: float = 20.0
    failure: str = ""


@dataclass
class Workload:
    revision: str
    version: str
    template: str
    since: float
    replicas: int
    generation: int = 1
    restarts: int = 0


@dataclass
class KServe:
    """The cluster. `faults` maps the number of an API call (from 0) to what befalls it."""

    now: Callable[[], float]
    lag: float = 3.0
    gateway_lag: float = 0.0
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    accepted: Callable[[Json], bool] = lambda body: True
    service: Json | None = None
    claims: dict[str, Json] = field(default_factory=dict)
    workloads: dict[str, Workload] = field(default_factory=dict)
    autoscalers: set[str] = field(default_factory=set)  # by revision: KServe removes none of them
    weights: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    peaks: dict[str, int] = field(
        default_factory=dict
    )  # the most traffic that each version ever had
    calls: int = 0
    applies: list[Json] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    failing_reconciles: int = 0
    # Knative
    revisions: list[str] = field(default_factory=list)
    rolledout: list[str] = field(default_factory=list)
    routed: dict[str, int] = field(default_factory=dict)  # by the gateway
    _on_the_way: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    _seen: str = ""
    _due: float = 0.0
    _applied: set[str] = field(default_factory=set)

    # --- API

    def handle(self, method: str, url: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        """One request; raises ConnectionError where no answer arrives."""
        fault = self.faults.get(self.calls, "")
        self.calls += 1
        self.tick()
        if fault == "lost":
            raise ConnectionError("the request was lost")
        if fault.isdigit():
            return int(fault), {"reason": "fault"}
        address = urllib.parse.urlsplit(url)
        answer = self._route(
            method, address.path, dict(urllib.parse.parse_qsl(address.query)), headers, body
        )
        if fault == "answer-lost":
            raise ConnectionError("the answer was lost")
        return answer

    def _route(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        found = ISVC.fullmatch(path)
        if found and method == "PATCH":
            self.writes.append(self.calls - 1)
            return self._patch(found[1], query, headers.get("Content-Type", ""), body)
        name = path.rsplit("/", 1)[1]
        if method == "DELETE" and "/horizontalpodautoscalers/" in path:
            revision = name.removeprefix(f"{self._name}-").removesuffix("-predictor")
            if revision not in self.autoscalers:
                return 404, {"reason": "NotFound"}
            self.autoscalers.remove(revision)
            return 200, {"kind": "Status", "status": "Success"}
        if method != "GET":
            return 405, {"reason": "MethodNotAllowed"}
        if found and found[1] is None:
            return 200, {"items": [self.service] if self.service else []}
        if found:
            return (
                (200, self.service)
                if self.service and self.service["metadata"]["name"] == found[1]
                else (404, {"reason": "NotFound"})
            )
        if path.endswith("/horizontalpodautoscalers"):
            assert (
                query["labelSelector"]
                == f"serving.kserve.io/inferenceservice={self._name},component=predictor"
            )
            return 200, {
                "kind": "HorizontalPodAutoscalerList",
                "apiVersion": "autoscaling/v2",
                "items": self._autoscalers(),
            }
        if path.endswith("/pods"):
            return 200, {
                "kind": "PodList",
                "apiVersion": "v1",
                "items": self._pods(query["labelSelector"]),
            }
        kinds: dict[str, Callable[[str], Json | None]] = {
            "/deployments/": self._deployment,
            "/httproutes/": self._httproute,
            "/services/": self._service,
            "/revisions/": self._revision,
            "/persistentvolumeclaims/": self.claims.get,
        }
        for part, read in kinds.items():
            if part in path:
                answer = read(name)
                return (200, answer) if answer is not None else (404, {"reason": "NotFound"})
        return 404, {"reason": "NotFound", "message": path}

    def _patch(
        self, name: str, query: dict[str, str], content_type: str, body: Json
    ) -> tuple[int, Any]:
        if content_type == "application/merge-patch+json":
            assert self.service is not None
            for key, value in body["metadata"]["annotations"].items():
                annotations = self.service["metadata"]["annotations"]
                annotations.pop(key, None) if value is None else annotations.update({key: value})
            return 200, self._written(self.service, self.service["spec"])
        if content_type != "application/apply-patch+yaml" or not query.get("fieldManager"):
            return 415, {"reason": "UnsupportedMediaType"}
        if query.get("force") != "true" or query.get("fieldValidation") != "Strict":
            return 422, {"reason": "Invalid", "message": "force and strict validation"}
        expected = body["metadata"].pop("resourceVersion", None)
        if expected is not None and (
            self.service is None or self.service["metadata"]["resourceVersion"] != expected
        ):
            return 409, {"reason": "Conflict", "message": "the object has been modified"}
        refused = self._refused(body)
        if refused or not self.accepted(body):
            return 400, {"reason": "BadRequest", "message": refused or "denied the request"}
        self.applies.append(copy.deepcopy(body))
        made = {**copy.deepcopy(body), "status": (self.service or {}).get("status", {})}
        old = self.service["metadata"]["annotations"] if self.service else {}
        kept = {key: value for key, value in old.items() if key not in self._applied}
        self._applied = set(body["metadata"]["annotations"])
        made["metadata"]["annotations"] = {**kept, **body["metadata"]["annotations"]}
        return 200, self._written(made, (self.service or {}).get("spec"))

    def _written(self, made: Json, old_spec: Json | None) -> Json:
        before = (self.service or {"metadata": {}})["metadata"]
        changed = old_spec != made["spec"]
        made["metadata"]["generation"] = before.get("generation", 0) + changed
        made["metadata"]["resourceVersion"] = str(int(before.get("resourceVersion", "0")) + 1)
        self.service = made
        return made

    def _refused(self, body: Json) -> str:
        """The API server's strict decoding and KServe's webhook."""
        if len(json.dumps(body["metadata"]["annotations"])) > 256 * 1024 or not re.fullmatch(
            r"[a-z]([-a-z0-9]*[a-z0-9])?", body["metadata"]["name"]
        ):
            return "metadata"
        spec, canaries = body["spec"], body["spec"].get("canary") or []
        known = set(V1beta1PredictorSpec.attribute_map.values())
        predictors = [spec["predictor"], *(canary["predictor"] for canary in canaries)]
        unknown = set(spec) - set(V1beta1InferenceServiceSpec.attribute_map.values())
        unknown |= {key for predictor in predictors for key in predictor if key not in known}
        unknown |= {
            key
            for canary in canaries
            for key in canary
            if key not in V1beta1CanarySpec.attribute_map.values()
        }
        if unknown:
            return f"unknown field {unknown}"
        knative = body["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Knative"
        if knative:
            return "canary in Knative mode" if canaries else ""
        names = [canary["predictor"].get("name") for canary in canaries]
        if (
            not all(names)
            or len(set(names)) != len(names)
            or spec["predictor"].get("name") in names
        ):
            return "canary names"
        if any(
            key in canary["predictor"]
            for canary in canaries
            for key in ("maxReplicas", "scaleTarget", "scaleMetric", "autoScaling")
        ):
            return "canary with autoscaling"
        if (
            sum(canary["trafficPercent"] for canary in canaries) > 100
            or "canaryTrafficPercent" in spec["predictor"]
        ):
            return "percentages"
        old = self.service["spec"]["predictor"] if self.service else None
        if (
            old
            and old.get("name") != spec["predictor"].get("name")
            and _uri(old) == _uri(spec["predictor"])
        ):
            return "predictor.name change requires a model change"
        return ""

    # --- controllers

    def tick(self) -> None:
        """Let the controllers do what is due by now."""
        if self.service is not None:
            version = self.service["metadata"]["resourceVersion"]
            if version != self._seen:
                self._seen, self._due = version, self.now() + self.lag
            if self._due and self.now() >= self._due:
                self._due = 0.0
                self._knative() if self.mode == "Knative" else self._standard()
            # What every naive reader would believe:
            self.service["status"].update(
                conditions=[{"type": "Ready", "status": "True"}], observedGeneration=99
            )
            if self.mode == "Knative":
                self._knative_status()
        self._route_traffic()
        self._look_for_violations()

    def _route_traffic(self) -> None:
        """What the gateway does by now."""
        newest = self._on_the_way[-1][1] if self._on_the_way else self.routed
        if newest != self.weights:
            self._on_the_way.append((self.now() + self.gateway_lag, dict(self.weights)))
        while self._on_the_way and self._on_the_way[0][0] <= self.now():
            self.routed = self._on_the_way.pop(0)[1]

    @property
    def mode(self) -> str:
        assert self.service is not None
        return str(self.service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"])

    def ready(self, workload: Workload) -> bool:
        behaviour = self.behaviours.get(workload.version, Behaviour())
        return not behaviour.failure and self.now() >= workload.since + behaviour.ready_after

    def _standard(self) -> None:
        assert self.service is not None
        if self.failing_reconciles:
            self.failing_reconciles -= 1
            return
        if self.service["metadata"]["annotations"].get("serving.kserve.io/stop") == "true":
            self.workloads, self.weights = {}, {}
            return
        stable, canaries = (
            self.service["spec"]["predictor"],
            self.service["spec"].get("canary") or [],
        )
        wanted = {
            stable["name"]: stable,
            **{canary["predictor"]["name"]: canary["predictor"] for canary in canaries},
        }
        for name, predictor in wanted.items():
            merged = (
                stable if predictor is stable else {**stable, **predictor}
            )  # as KServe builds a canary
            self._run(name, merged)
        self.workloads = {name: self.workloads[name] for name in wanted}
        self.autoscalers.add(stable["name"])
        first = not self.weights
        if first and not self.ready(self.workloads[stable["name"]]):
            self._due = self.now() + 1
            return
        shares = {canary["predictor"]["name"]: canary["trafficPercent"] for canary in canaries}
        self.weights = {stable["name"]: 100 - sum(shares.values()), **shares}

    def _run(self, name: str, predictor: Json) -> None:
        assert self.service is not None
        pods = {
            key: value
            for key, value in predictor.items()
            if key
            not in (
                "minReplicas",
                "maxReplicas",
                "scaleTarget",
                "scaleMetric",
                "canaryTrafficPercent",
            )
        }
        pods["annotations"] = {
            **self.service["metadata"]["annotations"],
            **predictor.get("annotations", {}),
        }
        pods["labels"] = {**self.service["metadata"]["labels"], **predictor.get("labels", {})}
        template = json.dumps(pods, sort_keys=True)
        found = self.workloads.get(name)
        if found is None:
            labels = predictor["labels"]
            self.workloads[name] = Workload(
                labels[REVISION],
                labels["emotion/version"],
                template,
                self.now(),
                predictor["minReplicas"],
            )
        elif found.template != template:
            found.template, found.restarts, found.generation = (
                template,
                found.restarts + 1,
                found.generation + 1,
            )

    def _knative(self) -> None:
        assert self.service is not None
        if self.service["metadata"]["annotations"].get("serving.kserve.io/stop") == "true":
            self.workloads, self.weights = {}, {}
            return
        predictor = self.service["spec"]["predictor"]
        name = predictor["labels"][REVISION]
        if not self.revisions or self.revisions[-1] != name:
            self.revisions.append(name)
        self._run(name, predictor)
        percent = predictor.get("canaryTrafficPercent")
        rolledout = self.rolledout[-1] if self.rolledout else ""
        if percent is not None and percent < 100 and rolledout == name and len(self.rolledout) > 1:
            self.rolledout.pop()  # KServe takes the previous one for the rolled-out one again
            rolledout = self.rolledout[-1]
        if percent is None or percent == 100 or not rolledout:
            if not self.ready(self.workloads[name]):
                self._due = self.now() + 1  # Knative moves traffic to a ready revision only
                return
            self.weights = {name: 100}
            if rolledout != name:
                self.rolledout.append(name)
        else:
            self.weights = {rolledout: 100 - percent, name: percent}

    def _knative_status(self) -> None:
        assert self.service is not None
        numbered = {name: f"knative-{index:05}" for index, name in enumerate(self.revisions)}
        status: Json = {
            "traffic": [
                {"revisionName": numbered[name], "percent": weight}
                for name, weight in self.weights.items()
            ]
        }
        if self.revisions:
            status["latestCreatedRevision"] = numbered[self.revisions[-1]]
        if self.rolledout:
            status["latestRolledoutRevision"] = numbered[self.rolledout[-1]]
        if len(self.rolledout) > 1:
            status["previousRolledoutRevision"] = numbered[self.rolledout[-2]]
        self.service["status"]["components"] = {"predictor": status}

    def _look_for_violations(self) -> None:
        for name, weight in self.routed.items():
            workload = self.workloads.get(name)
            if workload is not None:
                self.peaks[workload.version] = max(weight, self.peaks.get(workload.version, 0))
            if weight and (workload is None or not self.ready(workload)):
                self.violations.append(
                    f"{weight} % of the traffic goes to {name}, which isn't ready"
                )

    # --- what the controllers made

    def _deployment(self, name: str) -> Json | None:
        for key, workload in self.workloads.items():
            if name == f"{self._name}-{key}-predictor":
                silent = self.behaviours.get(workload.version, Behaviour()).failure == "deadline"
                stuck = [
                    {
                        "type": "Progressing",
                        "status": "False",
                        "reason": "ProgressDeadlineExceeded",
                        "message": "timed out",
                    }
                ]
                return {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {"name": name, "generation": workload.generation},
                    "spec": {
                        "selector": {},
                        "template": {"metadata": {"labels": {REVISION: workload.revision}}},
                    },
                    "status": {
                        "observedGeneration": workload.generation,
                        "availableReplicas": int(self.ready(workload)),
                        "conditions": stuck if silent else [],
                    },
                }
        return None

    def _autoscalers(self) -> list[Json]:
        names = [f"{self._name}-{revision}-predictor" for revision in sorted(self.autoscalers)]
        target = {"apiVersion": "apps/v1", "kind": "Deployment"}
        return [
            {
                "metadata": {"name": name},
                "spec": {"maxReplicas": 4, "scaleTargetRef": {**target, "name": name}},
            }
            for name in names
        ]

    def _httproute(self, name: str) -> Json | None:
        if not self.weights or self.mode == "Knative":
            return None
        backends = [
            {"name": f"{self._name}-{key}-predictor", "weight": weight}
            for key, weight in self.weights.items()
        ]
        accepted = {"type": "Accepted", "status": "True", "observedGeneration": 1}
        return {
            "metadata": {"name": name, "generation": 1},
            "spec": {"rules": [{"backendRefs": backends}]},
            "status": {"parents": [{"conditions": [accepted]}]},
        }

    def _service(self, name: str) -> Json | None:
        revision = name.removeprefix(f"{self._name}-").removesuffix("-predictor")
        if revision not in self.workloads:
            return None
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]},
        }

    def _revision(self, name: str) -> Json | None:
        index = int(name.rsplit("-", 1)[1])
        workload = self.workloads.get(self.revisions[index])
        if workload is None:
            return None
        status = "True" if self.ready(workload) else "Unknown"
        return {
            "metadata": {"name": name, "labels": {REVISION: workload.revision}},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        }

    def _pods(self, selector: str) -> list[Json]:
        wanted = dict(part.split("=", 1) for part in selector.split(","))[REVISION]
        found = [workload for workload in self.workloads.values() if workload.revision == wanted]
        pods = []
        for workload in found:
            failure = self.behaviours.get(workload.version, Behaviour()).failure
            state = (
                {"waiting": {"reason": failure, "message": "back-off"}}
                if failure and failure not in ("silent", "deadline")
                else {"running": {}}
            )
            container = {
                "name": "kserve-container",
                "image": "i",
                "imageID": "",
                "ready": not failure,
                "restartCount": 0,
                "state": state,
            }
            pods.append(
                {
                    "metadata": {"name": "pod"},
                    "status": {"podIP": "10.1.0.1", "containerStatuses": [container]},
                }
            )
        return pods

    @property
    def _name(self) -> str:
        assert self.service is not None
        return str(self.service["metadata"]["name"])


def _uri(predictor: Json) -> str:
    return next(
        str(entry["value"])
        for entry in predictor["containers"][0]["env"]
        if entry["name"] == "STORAGE_URI"
    )
