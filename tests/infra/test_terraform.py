"""Terraform for Google Cloud.

Well formed, complete, and in line with the pipeline and the cluster's resources.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest

from tests.infra.manifests import golden

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra" / "terraform"
# Attributes and blocks that the provider demands, of every type that is used.
REQUIRED = {
    "google_artifact_registry_repository": ("repository_id", "format"),
    "google_artifact_registry_repository_iam_member": ("repository", "role", "member"),
    "google_billing_budget": ("billing_account", "amount"),
    "google_compute_network": ("name",),
    "google_compute_router": ("name", "network"),
    "google_compute_router_nat": ("name", "router", "source_subnetwork_ip_ranges_to_nat"),
    "google_compute_subnetwork": ("name", "network", "ip_cidr_range"),
    "google_container_cluster": ("name",),
    "google_container_node_pool": ("cluster",),
    "google_project_iam_member": ("project", "role", "member"),
    "google_project_service": ("service",),
    "google_service_account": ("account_id",),
    "google_service_account_iam_member": ("service_account_id", "role", "member"),
    "google_storage_bucket": ("name", "location"),
    "google_storage_bucket_iam_member": ("bucket", "role", "member"),
}


def plain(value: Any) -> Any:
    """The parser's tree without the quotes of strings, its own keys, and the list around a single block."""
    if isinstance(value, dict):
        return {
            plain(key): plain(child) for key, child in value.items() if not key.startswith("__")
        }
    if isinstance(value, list):
        return [plain(child) for child in value]
    return value.strip('"') if isinstance(value, str) else value


@cache
def parsed() -> tuple[dict[str, Any], ...]:
    return tuple(plain(hcl2.loads(path.read_text())) for path in sorted(FOLDER.glob("*.tf")))


def blocks(kind: str) -> Iterator[dict[str, Any]]:
    for file in parsed():
        yield from file.get(kind, [])


def resources(kind: str = "resource") -> dict[str, dict[str, Any]]:
    return {
        f"{type_}.{name}": body
        for block in blocks(kind)
        for type_, named in block.items()
        for name, body in named.items()
    }


def variables() -> dict[str, dict[str, Any]]:
    return {name: body for block in blocks("variable") for name, body in block.items()}


def constant(name: str) -> Any:
    """A literal of pipelines/resources.py, which can't be imported without kfp."""
    for node in ast.parse((ROOT / "pipelines" / "resources.py").read_text()).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == name
        ):
            return ast.literal_eval(node.value)
    raise LookupError(name)


@pytest.fixture(scope="module")
def text() -> str:
    """All files, without comments."""
    return re.sub(r"(?m)#.*$", "", "\n".join(path.read_text() for path in FOLDER.glob("*.tf")))


def test_every_reference_leads_somewhere(text: str) -> None:
    assert set(re.findall(r"\bvar\.(\w+)", text)) == set(variables())
    assert set(re.findall(r"\blocal\.(\w+)", text)) == {
        name for block in blocks("locals") for name in block
    }
    declared, data = resources(), resources("data")
    assert set(re.findall(r"\bdata\.(google_\w+\.\w+)", text)) == set(data)
    referred = set(
        re.findall(r"(?<![\w.\"])(google_\w+\.\w+)", re.sub(r"data\.google_\w+\.\w+", "", text))
    )
    assert referred
    assert referred <= set(declared)


@pytest.mark.parametrize("name", resources())
def test_every_resource_has_what_the_provider_demands(name: str) -> None:
    body = resources()[name]
    assert set(REQUIRED[name.split(".")[0]]) <= set(body)


@pytest.mark.parametrize("name", variables())
def test_every_variable_is_explained_and_checked(name: str) -> None:
    body = variables()[name]
    assert body["description"].endswith(".")
    assert body["type"]
    (check,) = body["validation"]
    assert f"var.{name}" in check["condition"]
    assert check["error_message"].endswith(".")


def test_the_gpu_pool_is_the_one_that_training_asks_for() -> None:
    pool = resources()["google_container_node_pool.gpu"]
    (node,) = pool["node_config"]
    assert node["spot"] is True
    assert tuple(*node["labels"].items()) == constant("GPU_POOL")
    taints = {taint["key"]: taint for taint in node["taint"]}
    assert set(taints) == {constant("GPU_RESOURCE"), constant("SPOT_TAINT")[0]}
    assert taints[constant("SPOT_TAINT")[0]]["value"] == constant("SPOT_TAINT")[1]
    assert {taint["effect"] for taint in taints.values()} == {"NO_SCHEDULE"}
    (scaling,) = pool["autoscaling"]
    assert (pool["initial_node_count"], scaling["min_node_count"]) == (0, 0)
    (gpu,) = node["guest_accelerator"]
    assert gpu["gpu_driver_installation_config"] == [{"gpu_driver_version": "LATEST"}]


def test_the_bucket_is_closed_versioned_and_tidied() -> None:
    bucket = resources()["google_storage_bucket.store"]
    assert bucket["uniform_bucket_level_access"] is True
    assert bucket["public_access_prevention"] == "enforced"
    assert bucket["force_destroy"] is False
    assert bucket["versioning"] == [{"enabled": True}]
    deleted = [
        prefix
        for rule in bucket["lifecycle_rule"]
        for prefix in rule["condition"][0].get("matches_prefix", [])
    ]
    assert deleted
    assert not [prefix for prefix in deleted if prefix.startswith(("models", "snapshots"))]


def test_identities_are_those_of_the_overlay() -> None:
    (stated,) = (block["identities"] for block in blocks("locals"))
    accounts = [
        each
        for each in golden("gke")
        if each["kind"] == "ServiceAccount" and "annotations" in each["metadata"]
    ]
    assert {each["metadata"]["name"]: each["metadata"]["namespace"] for each in accounts} == stated
    for each in accounts:
        google = each["metadata"]["annotations"]["iam.gke.io/gcp-service-account"]
        assert google == f"{each['metadata']['name']}@PROJECT.iam.gserviceaccount.com"


def test_nobody_owns_or_edits_the_project() -> None:
    roles = {body["role"] for name, body in resources().items() if "role" in body}
    assert roles
    assert not roles.intersection({"roles/owner", "roles/editor", "roles/storage.admin"})


def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    return subprocess.run(
        ["terraform", f"-chdir={FOLDER}", *arguments], capture_output=True, text=True
    )


def test_it_is_formatted() -> None:
    done = terraform("fmt", "-check", "-diff")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_provider_finds_it_valid() -> None:
    if not (FOLDER / ".terraform").is_dir():
        pytest.skip(
            "the provider isn't here; `terraform -chdir=infra/terraform init -backend=false`"
            " fetches it"
        )
    done = terraform("validate", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr
