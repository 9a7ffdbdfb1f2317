"""Look, before a run is submitted, whether the cluster has what the run names.

Kubernetes answers that, Kubeflow Pipelines doesn't.

What the present kubeconfig may not read, or doesn't lead to, is told as unchecked; it is never
taken for missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.utils import parse_quantity

from components.shared.errors import InputError

if TYPE_CHECKING:
    from pipelines.resources import Resources

KUBEFLOW = "kubeflow"  # namespace in which Kubeflow Pipelines is installed
SERVICE = "ml-pipeline"  # its API server
TIMEOUT_SECONDS = (3.0, 10.0)  # to connect, to answer


@dataclass
class Checks:
    """What was found.

    Attributes:
        problems: what isn't there, a sentence each. unchecked: what couldn't be looked at, and why.
    """

    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def require_none(self) -> None:
        """Require that nothing is missing. Raises InputError with everything that is."""
        if self.problems:
            raise InputError("; ".join(self.problems))


def connect(context: str = "") -> client.ApiClient | None:
    """Return a client of the cluster around this process, or of the kubeconfig's.

    None where neither is configured.

    Args:
        context: of the kubeconfig; its current one by default.
    """
    settings = client.Configuration()
    logging.getLogger().addHandler(
        logging.NullHandler()
    )  # a login program that fails is logged, and told as unchecked
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and not context:
            config.load_incluster_config(client_configuration=settings)
        else:
            file = os.environ.get("KUBECONFIG") or None
            config.load_kube_config(
                file, context=context or None, client_configuration=settings, persist_config=False
            )
    except (
        config.ConfigException,
        yaml.YAMLError,
        OSError,
        ValueError,
        TypeError,
        AttributeError,
    ):  # the file may hold anything
        return None
    settings.retries = False
    return client.ApiClient(settings)


def check_named(
    namespace: str,
    service_account: str,
    claims: Iterable[str] = (),
    secrets: Iterable[str] = (),
    api: client.ApiClient | None = None,
) -> Checks:
    """Look whether a namespace and what a run names in it exist.

    Args:
        namespace: of the run's pods: the profile, or that of Kubeflow Pipelines where it has one
            user.
        secrets: those that the run can't do without.
        api: the cluster's; by default the one of `connect`.
    """
    api = api or connect()
    if api is None:
        return Checks(
            unchecked=["whether the cluster has what the run names: no kubeconfig leads to it"]
        )
    core, found = client.CoreV1Api(api), Checks()
    kinds: list[tuple[str, Iterable[str], Callable[..., Any], str]] = [
        (
            "service account",
            [service_account],
            core.read_namespaced_service_account,
            "apply infra/kustomize, or name another one",
        ),
        (
            "claim",
            claims,
            core.read_namespaced_persistent_volume_claim,
            "make it there, ReadWriteMany, or name another one",
        ),
        ("secret", secrets, core.read_namespaced_secret, "make it there"),
    ]
    reader = _Reader(found)
    # Who may not read these two may read what is in the namespace.
    if reader.exists("", core.read_namespaced_service, SERVICE, KUBEFLOW) is False:
        where = api.configuration.host
        found.unchecked.append(
            f"whether the cluster has what the run names: the kubeconfig leads to {where}, without"
            " Kubeflow Pipelines"
        )
        return found
    if reader.exists("", core.read_namespace, namespace) is False:
        found.problems.append(f"the cluster has no namespace {namespace}")
        return found
    for kind, names, read, fix in kinds:
        for name in names:
            if reader.exists(f"the {kind} {name}", read, name, namespace) is False:
                found.problems.append(
                    f"the namespace {namespace} has no {kind} {name}; to fix it: {fix}"
                )
    return found


def fits(tasks: Mapping[str, Resources], api: client.ApiClient | None = None) -> Checks:
    """Look which tasks would fit on no node that stands now, were it empty.

    A node pool that grows from zero can't be seen.

    Args:
        tasks: what each step gets. api: the cluster's; by default the one of `connect`.
    """
    api = api or connect()
    if api is None:
        return Checks(
            unchecked=["whether a node is large enough: no kubeconfig leads to the cluster"]
        )
    from pipelines.resources import (
        GPU_RESOURCE,
        SPOT_TAINT,
    )  # with kfp, which takes seconds to import

    found = Checks()
    listed = _Reader(found).read("whether a node is large enough", client.CoreV1Api(api).list_node)
    nodes = [node for node in map(_node, listed.items if listed else ()) if node]
    for step, wants in tasks.items() if nodes else ():
        tolerated = {GPU_RESOURCE} if wants.gpus else set()
        tolerated |= {SPOT_TAINT[0]} if wants.spot else set()
        wanted = _Node("", parse_quantity(wants.cpu), parse_quantity(wants.memory), wants.gpus)
        open_to_it = [node for node in nodes if node.taints <= tolerated]
        if not open_to_it:
            found.problems.append(
                f"{step} fits on no node: all {len(nodes)} are kept for others (taints)"
            )
        elif not any(node.holds(wanted) for node in open_to_it):
            best = max(
                open_to_it, key=lambda node: (min(node.gpus, wants.gpus), node.memory, node.cpus)
            )
            found.problems.append(
                f"{step} fits on no node: it asks for {wanted.said()}; {best.name} offers"
                f" {best.said(gpus=wants.gpus > 0)}"
            )
    return found


@dataclass(frozen=True)
class _Node:
    """What a node offers, or a task asks for.

    Attributes:
        gpus: of the pool that training asks for. taints: keys of those that keep pods away.
    """

    name: str
    cpus: Decimal
    memory: Decimal
    gpus: int
    taints: frozenset[str] = frozenset()

    def said(self, *, gpus: bool = False) -> str:
        shown = (
            f" and {self.gpus} GPU{'' if self.gpus == 1 else 's'} of the pool"
            if gpus or self.gpus
            else ""
        )
        return f"{float(self.cpus):.3g} CPUs, {float(self.memory) / 1e9:.3g} GB{shown}"

    def holds(self, wanted: _Node) -> bool:
        return (
            self.cpus >= wanted.cpus and self.memory >= wanted.memory and self.gpus >= wanted.gpus
        )


def _node(found: Any) -> _Node | None:
    """Return what a node offers; None for one that takes no pods."""
    from pipelines.resources import GPU_POOL, GPU_RESOURCE

    offers, labels = found.status.allocatable or {}, found.metadata.labels or {}
    if found.spec.unschedulable:
        return None
    gpus = int(offers.get(GPU_RESOURCE, "0")) if labels.get(GPU_POOL[0]) == GPU_POOL[1] else 0
    taints = frozenset(
        taint.key
        for taint in found.spec.taints or ()
        if taint.effect in ("NoSchedule", "NoExecute")
    )
    return _Node(
        found.metadata.name,
        parse_quantity(offers.get("cpu", "0")),
        parse_quantity(offers.get("memory", "0")),
        gpus,
        taints,
    )


class _Reader:
    """Reads from Kubernetes.

    What it may not or can't read it notes as unchecked, an unreachable cluster once.
    """

    def __init__(self, found: Checks) -> None:
        self._found = found
        self._unreachable = False

    def exists(self, what: str, read: Callable[..., Any], *arguments: str) -> bool | None:
        """Return true or False.

        None where that can't be seen, which is noted unless ``what`` is empty.
        """
        try:
            return self.read(what, read, *arguments) is not None or None
        except _Missing:
            return False

    def read(self, what: str, read: Callable[..., Any], *arguments: str) -> Any:
        """Return what Kubernetes answers; None where it doesn't."""
        if self._unreachable:
            return None
        try:
            return read(*arguments, _request_timeout=TIMEOUT_SECONDS)
        except ApiException as error:
            if error.status == 404:
                raise _Missing from error
            reason = {
                401: "the kubeconfig's credentials are refused",
                403: "no right to read it",
            }.get(error.status, f"HTTP {error.status}")
            self._found.unchecked += [f"{what}: {reason}"] if what else []
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._unreachable = True
            reason = " ".join(str(getattr(error, "reason", None) or error).split())[:200]
            self._found.unchecked.append(
                f"what the cluster has: Kubernetes can't be reached ({reason})"
            )
        return None


class _Missing(Exception):
    """Kubernetes says that there is no such object."""
