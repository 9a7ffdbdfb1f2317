"""The deploy step's part: bring the promoted version to the cluster's traffic, within the step's own time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.contracts.errors import InputError
from components.contracts.findings import RolloutFindings
from components.contracts.preset import ServingPolicy
from components.deployment.manifest import REVISION_LABEL, Served, predictor
from components.deployment.rollout.driver import Tools, drive
from components.deployment.rollout.kubernetes_cluster import KubernetesCluster, connect
from components.deployment.rollout.probing import GoldenProber, golden_of
from components.deployment.rollout.state import Revision, Rollout


def roll_out(served: Served, policy: ServingPolicy, model: Path, record: Callable[[str], None]) -> RolloutFindings:
    """Drive the rollout that the policy describes; doing it again continues from what the cluster says.

    Args:
        model: the artifact, for its golden images.
        record: sets the registry's pointer to what serves; called last.

    Raises:
        EnvironmentProblem: no cluster is configured, or it can't be reached until the deadline.
    """
    if "://" not in served.storage_uri or served.storage_uri.startswith("file://"):
        raise InputError(
            "a cluster can't read this store", expected="gs:// or s3://", received=served.storage_uri, fix="give --store a bucket"
        )
    golden = golden_of(model)
    cluster = KubernetesCluster(connect(), policy.namespace, served.model_name)
    return drive(Tools(cluster, GoldenProber(golden, cluster), record, tell=_tell), wanted(served, policy))


def wanted(served: Served, policy: ServingPolicy) -> Rollout:
    """The rollout of a version as if nothing served."""
    if policy.rollout is None:
        raise InputError("the preset names no rollout", expected="serving.rollout")
    made = predictor(served, policy)
    new = Revision(made["labels"][REVISION_LABEL], served.version, made)
    return Rollout(
        served.model_name, policy.namespace, policy.mode, served.run_id, new, None, policy.rollout, "starting", 0, since=0.0, started=0.0
    )


def _tell(line: str) -> None:
    print(f"rollout: {line}", flush=True)
