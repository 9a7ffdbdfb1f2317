"""The cluster over the Kubernetes API, with the Kubernetes project's own client.

The rollout owns the whole spec, so it always applies with force, as Kubernetes asks of controllers
("Server-Side Apply", section Conflicts): who changed a field by hand loses it with the next step.
What guards against crossing writers is the resource version that each apply carries. Unknown fields
are refused (`fieldValidation=Strict`), so that a KServe without ``spec.canary`` says so instead of
dropping it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from components.deployment.manifest.inference_service import PORT, REQUEST, REVISION_LABEL, ROLLOUT
from components.deployment.manifest.names import service_name, workload_name
from components.deployment.rollout import objects
from components.deployment.rollout.cluster import ClusterUnreachable, Overtaken, Seen
from components.deployment.rollout.render import render
from components.deployment.rollout.state import Revision, Rollout, read
from components.shared.errors import ContractError, EnvironmentProblem
from components.shared.store.interface import claim_of
from components.shared.text import shortened

FIELD_MANAGER = "emotion-rollout"
REQUEST_MANAGER = "emotion-rollout-request"
SERVICES = ("serving.kserve.io", "v1beta1", "inferenceservices")
ROUTES = ("gateway.networking.k8s.io", "v1", "httproutes")
REVISIONS = ("serving.knative.dev", "v1", "revisions")
SERVICE_LABEL = "serving.kserve.io/inferenceservice"
PASSING = (429, 500, 502, 503, 504)
TIMEOUT_SECONDS = (5.0, 20.0)  # to connect, to answer
ATTEMPTS = 5
FIRST_DELAY_SECONDS = 0.5

Json = dict[str, Any]


def connect(context: str = "") -> client.ApiClient:
    """Return a client of the cluster that this process runs in, or of the kubeconfig's.

    Args:
        context: of the kubeconfig; "" takes the cluster around this process, else the current
            context.

    Raises:
        EnvironmentProblem: neither is configured.
    """
    settings = client.Configuration()
    try:
        if not context:
            try:
                config.load_incluster_config(client_configuration=settings)
            except config.ConfigException:
                config.load_kube_config(client_configuration=settings)
        else:
            config.load_kube_config(context=context, client_configuration=settings)
    except (config.ConfigException, OSError) as error:
        raise EnvironmentProblem(
            "no Kubernetes cluster is configured",
            received=" ".join(str(error).split()),
            fix=(
                "run it in the cluster, or set KUBECONFIG; without a cluster leave serving.rollout"
                " out of the preset"
            ),
        ) from error
    settings.retries = False  # this module retries, and knows what may be done again
    return client.ApiClient(settings)


class KubernetesCluster:
    """See `components.deployment.rollout.cluster.Cluster`.

    Args:
        api: to the API server. sleep: between attempts.
    """

    def __init__(
        self,
        api: client.ApiClient,
        namespace: str,
        model_name: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._objects = client.CustomObjectsApi(api)
        self._core = client.CoreV1Api(api)
        self._apps = client.AppsV1Api(api)
        self._scaling = client.AutoscalingV2Api(api)
        self._api = api
        self._namespace = namespace
        self._model_name = model_name
        self._name = service_name(model_name)
        self._sleep = sleep

    def look(self) -> Seen | None:
        """See `Cluster.look`."""
        service = self._object(SERVICES, self._name)
        if service is None:
            return None
        annotations = service["metadata"].get("annotations") or {}
        rollout = read(annotations[ROLLOUT], self._name) if ROLLOUT in annotations else None
        seen = Seen(
            resource_version=service["metadata"]["resourceVersion"],
            mode=objects.mode_of(service),
            predictor=service["spec"]["predictor"],
            rollout=rollout,
            request=annotations.get(REQUEST, ""),
        )
        if rollout is None:
            return seen
        return (
            self._knative(seen, rollout, service)
            if seen.mode == "Knative"
            else self._standard(seen, rollout)
        )

    def apply(self, rollout: Rollout, resource_version: str | None) -> None:
        """See `Cluster.apply`."""
        body = render(rollout)
        if resource_version is not None:
            body["metadata"]["resourceVersion"] = resource_version
        self._call(
            f"apply {self._name}",
            self._objects.patch_namespaced_custom_object,
            *self._place(SERVICES),
            self._name,
            body,
            field_manager=FIELD_MANAGER,
            force=True,
            field_validation="Strict",
            _content_type="application/apply-patch+yaml",
        )

    def request(self, text: str) -> None:
        """See `Cluster.request`."""
        body = {"metadata": {"annotations": {REQUEST: text or None}}}
        self._call(
            f"annotate {self._name}",
            self._objects.patch_namespaced_custom_object,
            *self._place(SERVICES),
            self._name,
            body,
            field_manager=REQUEST_MANAGER,
            _content_type="application/merge-patch+json",
        )

    def remove_leftovers(self, rollout: Rollout) -> int:
        """See `Cluster.remove_leftovers`."""
        if rollout.mode == "Knative":  # which has an autoscaler of its own
            return 0
        stays = workload_name(self._name, rollout.serving.name) if rollout.serving else ""
        selector = f"{SERVICE_LABEL}={self._name},component=predictor"
        found = self._call(
            "list autoscalers",
            self._scaling.list_namespaced_horizontal_pod_autoscaler,
            self._namespace,
            label_selector=selector,
        )
        left = [
            each.metadata.name for each in found.items if each.spec.scale_target_ref.name != stays
        ]
        for name in left:
            delete = self._scaling.delete_namespaced_horizontal_pod_autoscaler
            self._call(f"remove autoscaler {name}", delete, name, self._namespace, missing=True)
        return len(left)

    def addresses(self, rollout: Rollout, revision: Revision) -> tuple[str, tuple[str, ...]]:
        """See `Cluster.addresses`."""
        pods = tuple(
            f"http://{pod['status']['podIP']}:{PORT}"
            for pod in self._pods(revision)
            if pod["status"].get("podIP")
        )
        if rollout.mode == "Knative":
            tag = "latest" if revision.name == rollout.new.name else "prev"
            tagged = tag == "latest" or (rollout.previous is not None and rollout.percent < 100)
            return (
                f"http://{tag}-{workload_name(self._name, '')}.{self._namespace}.svc"
                if tagged
                else ""
            ), pods
        workload = workload_name(self._name, revision.name)
        service = self._call(
            f"read service {workload}",
            self._core.read_namespaced_service,
            workload,
            self._namespace,
            missing=True,
        )
        if service is None:
            return "", pods
        headless = (
            service.spec.cluster_ip == "None"
        )  # its name leads to the pods themselves, and to their port
        return (
            (
                f"http://{workload}.{self._namespace}.svc:{PORT if headless else service.spec.ports[0].port}"
            ),
            pods,
        )

    def names(self) -> list[str]:
        """Model names of every InferenceService of this project in the namespace."""
        selector = "app.kubernetes.io/part-of=emotion-retraining"
        found = self._call(
            "list InferenceServices",
            self._objects.list_namespaced_custom_object,
            *self._place(SERVICES),
            label_selector=selector,
        )
        return sorted(
            item["metadata"]["labels"]["app.kubernetes.io/name"] for item in found["items"]
        )

    def require_claim(self, store: str) -> None:
        """See `Cluster.require_claim`."""
        claim, read = claim_of(store), self._core.read_namespaced_persistent_volume_claim
        if (
            claim
            and self._call(f"read claim {claim}", read, claim, self._namespace, missing=True)
            is None
        ):
            raise EnvironmentProblem(
                f"the InferenceService's namespace {self._namespace} has no claim {claim}",
                received=store,
                fix=(
                    "serve in the run's own namespace (serving.namespace), or make a claim of that"
                    " name there on the same volume"
                ),
            )

    def _standard(self, seen: Seen, rollout: Rollout) -> Seen:
        routes = [
            self._object(ROUTES, name) for name in (self._name, workload_name(self._name, ""))
        ]
        share = objects.route_share(
            [route for route in routes if route is not None],
            workload_name(self._name, rollout.new.name),
        )
        new = self._deployment(rollout.new)
        previous = self._deployment(rollout.previous) if rollout.previous else seen.previous
        return Seen(
            seen.resource_version,
            seen.mode,
            seen.predictor,
            rollout,
            seen.request,
            new,
            previous,
            share,
        )

    def _knative(self, seen: Seen, rollout: Rollout, service: Json) -> Seen:
        status = objects.predictor_status(service)
        names = [
            status.get(key, "")
            for key in (
                "latestCreatedRevision",
                "latestRolledoutRevision",
                "previousRolledoutRevision",
            )
        ]
        found = {name: self._object(REVISIONS, name) for name in dict.fromkeys(names) if name}

        def carrying(revision: Revision) -> Json | None:
            for made in found.values():
                if (
                    made is not None
                    and (made["metadata"].get("labels") or {}).get(REVISION_LABEL) == revision.name
                ):
                    return made
            return None

        made = carrying(rollout.new)
        new = objects.knative_workload(made, self._pods(rollout.new), rollout.new.name)
        previous = seen.previous
        if rollout.previous:
            previous = objects.knative_workload(
                carrying(rollout.previous), self._pods(rollout.previous), rollout.previous.name
            )
        share = objects.knative_share(service, made["metadata"]["name"] if made else "")
        return Seen(
            seen.resource_version,
            seen.mode,
            seen.predictor,
            rollout,
            seen.request,
            new,
            previous,
            share,
        )

    def _deployment(self, revision: Revision) -> Any:
        name = workload_name(self._name, revision.name)
        found = self._call(
            f"read deployment {name}",
            self._apps.read_namespaced_deployment,
            name,
            self._namespace,
            missing=True,
        )
        plain = self._api.sanitize_for_serialization(found) if found is not None else None
        return objects.deployment_workload(plain, self._pods(revision), revision.name)

    def _pods(self, revision: Revision) -> list[Json]:
        selector = f"{SERVICE_LABEL}={self._name},{REVISION_LABEL}={revision.name}"
        found = self._call(
            "list pods", self._core.list_namespaced_pod, self._namespace, label_selector=selector
        )
        return [
            self._api.sanitize_for_serialization(pod)
            for pod in found.items
            if pod.metadata.deletion_timestamp is None
        ]

    def _object(self, kind: tuple[str, str, str], name: str) -> Json | None:
        place = self._place(kind)
        found: Json | None = self._call(
            f"read {place[3]}/{name}",
            self._objects.get_namespaced_custom_object,
            *place,
            name,
            missing=True,
        )
        return found

    def _place(self, kind: tuple[str, str, str]) -> tuple[str, str, str, str]:
        group, version, plural = kind
        return group, version, self._namespace, plural

    def _call(
        self,
        what: str,
        function: Callable[..., Any],
        *arguments: Any,
        missing: bool = False,
        **options: Any,
    ) -> Any:
        """Call the API, again after a passing error. ``missing``: 404 is the answer None.

        An apply may be repeated: had the first one been done, its resource version would be old by
            now.
        """
        delay, last = FIRST_DELAY_SECONDS, ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(delay)
                delay *= 2
            try:
                return function(*arguments, _request_timeout=TIMEOUT_SECONDS, **options)
            except ApiException as error:
                if error.status == 404 and missing:
                    return None
                if error.status not in PASSING:
                    raise _explained(what, error) from error
                last = f"HTTP {error.status}"
            except (urllib3.exceptions.HTTPError, OSError) as error:
                last = f"{type(error).__name__}: {shortened(error, 200)}"
        raise ClusterUnreachable(
            f"could not {what}, tried {ATTEMPTS} times",
            received=last,
            fix="look after the cluster's API, then run again",
        )


def _explained(what: str, error: ApiException) -> Exception:
    told = shortened(error.body or error.reason or "", 500)
    if error.status == 409:
        return Overtaken(f"could not {what}: somebody changed it in between", received=told)
    if error.status in (401, 403):
        return EnvironmentProblem(
            f"no right to {what}",
            received=told,
            fix="give the service account the role that infra/ defines for it",
        )
    if error.status in (400, 422):
        return ContractError(
            f"could not {what}: the cluster refuses it",
            received=told,
            fix="KServe 0.21 or newer knows every field that is written",
        )
    return EnvironmentProblem(
        f"could not {what}: HTTP {error.status}",
        received=told,
        fix="is KServe installed, with the mode that the preset names?",
    )
