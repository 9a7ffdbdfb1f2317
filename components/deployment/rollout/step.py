"""The deploy step's part.

Bring the promoted version to the cluster's traffic, within the step's own time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from components.deployment.manifest.inference_service import REVISION_LABEL, Served, predictor
from components.deployment.registry.promotion import ROLLOUT, Signed
from components.deployment.registry.registry import Registry
from components.deployment.rollout.driver import Tools, drive
from components.deployment.rollout.kubernetes_cluster import KubernetesCluster, connect
from components.deployment.rollout.probes import GoldenProber, golden_of
from components.deployment.rollout.state import Revision, Rollout
from components.shared.errors import ConflictError, InputError
from components.shared.findings import RolloutFindings
from components.shared.preset import ServingPolicy
from components.shared.run_plan import Pointer


def tools_of(policy: ServingPolicy, registry: Registry, model: Path) -> Tools:
    """Return what drives rollouts on the cluster that this process belongs to, or its kubeconfig names.

    Args:
        model: the artifact, for its golden images.

    Raises:
        EnvironmentProblem: no cluster is configured. ContractError: the artifact has no golden
            images.
    """
    golden = golden_of(model)
    cluster = KubernetesCluster(connect(), policy.namespace, registry.name)
    return Tools(cluster, GoldenProber(golden, cluster), recorder(registry), tell=_tell)


def wanted(served: Served, policy: ServingPolicy) -> Rollout:
    """Return the rollout of a version as if nothing served.

    Raises:
        InputError: the preset names no rollout, or a cluster can't read the version where it lies.
    """
    if policy.rollout is None:
        raise InputError("the preset names no rollout", expected="serving.rollout")
    if "://" not in served.storage_uri or served.storage_uri.startswith("file://"):
        raise InputError(
            "a cluster can't read this store",
            expected="gs://, s3:// or pvc://",
            received=served.storage_uri,
            fix="give --store a bucket or a claim",
        )
    made = predictor(served, policy)
    new = Revision(made["labels"][REVISION_LABEL], served.version, made)
    return Rollout(
        served.model_name,
        policy.namespace,
        policy.mode,
        served.run_id,
        new,
        None,
        policy.rollout,
        "starting",
        0,
        since=0.0,
        started=0.0,
    )


def roll_out(tools: Tools, wanted: Rollout, *, withdrawn: bool) -> RolloutFindings:
    """Drive a version's rollout to its end; a second time continues from what the cluster says.

    Args:
        withdrawn: whether the registry was told already that the version was sent back. Then
            nothing begins anew.

    Raises:
        ConflictError: it was sent back, and another version came since. As `drive` says.
    """
    if withdrawn:
        seen = tools.cluster.look()
        if seen is None or seen.rollout is None or seen.rollout.new.name != wanted.new.name:
            raise ConflictError(
                f"{wanted.new.version} was sent back, and another version came since",
                fix=(
                    f"`emotion models promote {wanted.new.version} --why ...`, then `emotion"
                    " rollout start` try it again"
                ),
            )
    return drive(tools, wanted)


def recorder(registry: Registry) -> Callable[[Rollout], None]:
    """Tells the registry how a rollout ended.

    What was sent back isn't the wanted champion any longer; `serving` comes last.
    """

    def record(rollout: Rollout) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        revision = rollout.serving
        serving = _pointer(registry, revision.version, rollout, now) if revision else None
        if rollout.phase == "rolled-back" and (
            serving is None or serving.version != rollout.new.version
        ):
            registry.withdraw(
                rollout.new.version,
                serving,
                Signed(ROLLOUT, rollout.reason or "the rollout failed", now),
            )
        registry.record_serving(serving, Signed(ROLLOUT, "it has all of the traffic", now))

    return record


def _pointer(registry: Registry, version: str, rollout: Rollout, now: str) -> Pointer:
    """Return what serves, with the run that the registry knows for it."""
    known = (registry.serving(), registry.pointers().previous)
    run_id = next(
        (pointer.run_id for pointer in known if pointer and pointer.version == version),
        rollout.run_id,
    )
    return Pointer(version, run_id, now)


def _tell(line: str) -> None:
    print(f"rollout: {line}", flush=True)
