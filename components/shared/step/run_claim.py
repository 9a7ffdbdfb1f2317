"""Whose run it is: a run's name belongs to the first workflow of Kubeflow Pipelines that claims it.

A run cloned in the UI, or submitted again under the name of one that failed, is another workflow
with the same name. It gets a name of its own, so that it neither takes up the other's plan nor
writes into its report. At a desk there is no workflow, and a resumed run keeps its name and its
plan.
"""

from __future__ import annotations

from components.shared.errors import ConflictError, InputError
from components.shared.run_plan import check_run_id, second_run_id
from components.shared.store import keys
from components.shared.store.interface import Store


def claim_run(store: Store, run_id: str, job_id: str) -> str:
    """Return the name of a workflow's run, claimed for it in the store.

    Claimed again, it is the same.

    Args:
        run_id: as the user named the run; empty: it is called after ``job_id``.
        job_id: of the workflow; empty at a desk, where nothing is claimed.

    Raises:
        InputError: there is neither, or one of them can't name a run.
    """
    name = _name(run_id, job_id)
    if not job_id:
        return name
    try:
        store.compare_and_set(keys.workflow(name), None, job_id.encode())
    except ConflictError:
        return find_run(store, run_id, job_id)
    return name


def find_run(store: Store, run_id: str, job_id: str) -> str:
    """Return the name that `claim_run` gave or will give, without claiming it."""
    name = _name(run_id, job_id)
    owner = store.read(keys.workflow(name)) if job_id else None
    return name if owner in (None, job_id.encode()) else second_run_id(name, job_id)


def _name(run_id: str, job_id: str) -> str:
    if job_id:
        check_run_id(job_id)
    if not (run_id or job_id):
        raise InputError("the run has no name", expected="--run-id NAME")
    return check_run_id(run_id or job_id)
