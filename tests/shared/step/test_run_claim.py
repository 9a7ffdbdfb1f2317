"""Names of runs: who may have one, and what can't be one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from components.shared.errors import InputError
from components.shared.run_plan import check_run_id
from components.shared.step.run_claim import claim_run, find_run
from components.shared.store import keys
from components.shared.store.disk import DiskStore

JOB, OTHER = "0b5f8a3e-5d43-4c1f-9a55-1e2d3c4b5a69", "77aa8a3e-5d43-4c1f-9a55-1e2d3c4b5a69"


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "store")


def test_a_run_without_a_name_is_called_after_its_workflow(store: DiskStore) -> None:
    assert find_run(store, "", JOB) == JOB
    assert [claim_run(store, "", JOB) for _ in range(2)] == [JOB, JOB]
    assert find_run(store, "", JOB) == JOB


def test_a_second_workflow_of_a_name_gets_a_name_of_its_own(store: DiskStore) -> None:
    assert claim_run(store, "tonight", JOB) == "tonight"
    assert (
        find_run(store, "tonight", OTHER)
        == claim_run(store, "tonight", OTHER)
        == "tonight-77aa8a3e"
    )
    assert claim_run(store, "tonight", JOB) == find_run(store, "tonight", JOB) == "tonight"
    assert store.read(keys.workflow("tonight")) == JOB.encode()


def test_of_two_at_once_one_has_the_name(store: DiskStore) -> None:
    jobs = [f"{number:08x}-job" for number in range(8)]
    both = threading.Barrier(len(jobs))
    names: dict[str, str] = {}

    def claim(job: str) -> None:
        both.wait()
        names[job] = claim_run(store, "tonight", job)

    threads = [threading.Thread(target=claim, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names.values())[0] == "tonight"
    assert len(set(names.values())) == len(jobs)


def test_at_a_desk_nothing_is_claimed(store: DiskStore) -> None:
    assert [claim_run(store, "tonight", "") for _ in range(2)] == ["tonight", "tonight"]
    assert list(store.list("runs")) == []


def test_the_second_name_of_the_longest_one_is_a_name_too(store: DiskStore) -> None:
    longest = "n" * 100
    claim_run(store, longest, JOB)
    assert check_run_id(claim_run(store, longest, OTHER)).endswith("-77aa8a3e")


@pytest.mark.parametrize(
    "name",
    [
        "{{$.pipeline_job_uuid}}",
        "../night",
        "a/b",
        "",
        " ",
        "-night",
        ".night",
        "n" * 101,
        "night\n",
        "nächtlich",
    ],
)
def test_what_cannot_be_a_name_is_refused_before_anything_is_written(
    store: DiskStore, name: str
) -> None:
    for run_id, job in ((name, "") if name else ("", ""), (name, JOB) if name else ("", "..")):
        with pytest.raises(InputError, match="can't be called|has no name"):
            claim_run(store, run_id, job)
    assert not store.root.exists() or list(store.list("runs")) == []


def test_a_placeholder_says_where_it_comes_from(store: DiskStore) -> None:
    with pytest.raises(
        InputError, match="can't be called '{{.*Kubeflow Pipelines left a placeholder as it was"
    ):
        claim_run(store, "", "{{$.pipeline_job_uuid}}")
