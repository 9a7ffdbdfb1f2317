"""The end of a run before its time, and its report all the same.

Kubeflow Pipelines ends a run by setting the deadline of its workflow to 0 seconds (KFP 2.17.0:
TerminateWorkflow in backend/src/apiserver/resource/resource_manager.go). Argo then still begins the
exit handler, which writes the report, and doesn't hold its pods to the deadline. But it takes a
node for one of the exit handler by the nodes around it (v4.0.5: IsPartOfExitHandler in
pkg/apis/workflow/v1alpha1/workflow_types.go), and where every template has a retry strategy, as
Kubeflow Pipelines sets it, the one with the exit handler's name isn't among them: a pod of the
report that is still pending when Argo looks fails with "Step exceeded its deadline". So the report
is often lost, and `emotion stop` writes it from here.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import kfp_server_api

from components.shared.errors import EnvironmentProblem, InputError
from components.shared.store import keys
from pipelines.cluster.client import Kubeflow
from pipelines.cluster.status import ENDED, RunStatus, run_id_in_store, store_of
from pipelines.local.environments import run_component

STOPPED = json.dumps({"state": "CANCELED", "error": {"message": "stopped with `emotion stop`"}})


def stop_run(client: Kubeflow, run: Any) -> bool:
    """Have a run end now; False where it is ending already.

    Raises:
        InputError: it has ended.
    """
    if run.state == "CANCELING":
        return False
    if run.state not in ENDED:
        try:
            client.terminate_run(run.run_id)
            return True
        except kfp_server_api.ApiException as error:
            if error.status != 400:
                raise
            run = client.get_run(
                run.run_id
            )  # the server ends no run that has ended, or is ending, meanwhile
            if run.state not in ENDED:
                if run.state == "CANCELING":
                    return False
                raise
    raise InputError(
        f"the run {run.display_name} has ended already: {run.state.lower()}",
        fix=f"`emotion status {run.display_name}` says how",
    )


def ensure_report(status: RunStatus) -> tuple[str, bool]:
    """Where the report of a stopped run stands, and whether its own step wrote it.

    Else it is written now, by reporting's command.

    Raises:
        EmotionError: the store or reporting's environment isn't within reach from here, or the
            report can't be written.
    """
    store = store_of(status.run)
    run_id = run_id_in_store(status.run, store)
    location = store.location(f"{keys.run(run_id)}/report.html")
    if "report" in status.steps and status.steps["report"].state == "succeeded":
        return location, True
    with tempfile.TemporaryDirectory(prefix="emotion-stop-") as folder:
        what = ["report", "--run-id", run_id, "--store", store.uri, "--status", STOPPED]
        code = run_component("reporting", [*what, "--page", Path(folder) / "report.html"])
    if code:
        raise EnvironmentProblem(
            "the report can't be written from here",
            received=f"exit code {code} of reporting's command",
        )
    return location, False
