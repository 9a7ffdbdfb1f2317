"""Names of runs. A name becomes part of keys in the store, of folders and of commands to copy."""

from __future__ import annotations

import re

from components.contracts.errors import InputError

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
RUN_ID_FORM = "up to 100 letters, digits, dots, dashes and underscores, the first a letter or digit"


def check_run_id(run_id: str) -> str:
    """Return ``run_id`` if a run may be called so.

    Raises:
        InputError: it holds something else, such as a placeholder of Kubeflow Pipelines that nobody replaced.
    """
    if _RUN_ID.fullmatch(run_id) is None:
        placeholder = "{{" in run_id
        raise InputError(
            f"a run can't be called {run_id!r}",
            expected=RUN_ID_FORM,
            fix="compile and submit the pipeline again: Kubeflow Pipelines left a placeholder as it was" if placeholder else "",
        )
    return run_id


def second_run_id(run_id: str, job_id: str) -> str:
    """Name of a workflow's run where ``run_id`` is another workflow's: with the first 8 letters of its own id."""
    return check_run_id(f"{run_id[:91]}-{job_id[:8]}")
