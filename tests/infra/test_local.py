"""The scripts of a cluster on one machine.

Clean shell, the right versions, and what they ask of the tools they drive.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UP, VERSIONS = ROOT / "infra" / "local" / "up.sh", ROOT / "infra" / "local" / "versions.sh"
TOOLS = ("kind", "minikube", "kubectl", "helm", "docker", "curl", "jq", "make")
# Writes down how it was called; answers what the script reads.
FAKE = """#!/bin/bash
tool=$(basename "$0")
echo "$tool $*" >> "$RECORD"
[ -z "${FAILS:-}" ] || [[ "$tool $*" != *$FAILS* ]] || { echo "$tool: no" >&2; exit 1; }
case "$tool $*" in
    *"get configmap inferenceservice-config"*) echo "{\\"enableGatewayApi\\": ${ROUTES:-false}, \\"ingressClassName\\": \\"istio\\"}" ;;
    *"-o jsonpath="*) echo -n a2V5 ;;
    *"apply -f -") cat >> "$RECORD" ;;
    *"get deployment/kserve-controller-manager"*) [ -n "${KSERVE_STANDS:-}" ] ;;
    "curl "*) while [ "$1" != -o ]; do shift; done; echo 'echo "installer of KServe" >> "$RECORD"' > "$2" ;;
    "kind get clusters") echo "${CLUSTERS:-}" ;;
    "minikube status"*) exit 1 ;;
esac
"""


def run(
    tmp_path: Path, *arguments: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """A script on fake tools, and what it asked of them."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    for tool in TOOLS:
        (tools / tool).write_text(FAKE)
        (tools / tool).chmod(0o755)
    record = tmp_path / "record"
    record.write_text("")
    path = f"{tools}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "RECORD": str(record), **environment},
        capture_output=True,
        text=True,
    )
    return done, record.read_text()


def test_versions_are_those_of_the_clients() -> None:
    stated = dict(re.findall(r"^(\w+)=(\S+)", VERSIONS.read_text(), re.MULTILINE))
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert f"kfp[kubernetes]=={stated['PIPELINES_VERSION']}" in groups["pipelines"]
    assert (
        f"kserve=={stated['KSERVE_VERSION'].removeprefix('v').rsplit('.', 1)[0]}.*"
        in groups["deployment"]
    )


def test_every_shell_script_is_checked() -> None:
    """By `make check`, with shellcheck."""
    makefile = (ROOT / "Makefile").read_text()
    assert "SCRIPTS := .ci/run $(wildcard infra/*/*.sh)" in makefile
    listed = {ROOT / ".ci" / "run", *ROOT.glob("infra/*/*.sh")}
    tracked = subprocess.run(
        ["git", "ls-files", "*.sh"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {ROOT / name for name in tracked} <= listed


@pytest.mark.parametrize("arguments", [(), ("k3d",), ("kind", "--gpus"), ("minikube", "--cpus")])
def test_what_it_cannot_do_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done, asked = run(tmp_path, "infra/local/up.sh", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert asked == ""


def test_missing_tools_are_named_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "dirname", "kubectl"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool) or "/bin/true"))
    done = subprocess.run(
        ["bash", ROOT / "infra/local/up.sh", "kind"],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (
        5,
        "up: not installed: kind helm docker curl git jq make python3\n",
    )
    done = subprocess.run(
        ["bash", ROOT / "infra/local/down.sh", "kind"],
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (5, "down: not installed: kind\n")


def test_without_an_engine_nothing_is_made(tmp_path: Path) -> None:
    done, asked = run(tmp_path, "infra/local/up.sh", "kind", FAILS="docker version")
    assert (done.returncode, done.stderr) == (5, "up: docker reaches no engine; start it first\n")
    assert asked == "docker version\n"


@pytest.mark.parametrize(
    ("fails", "doing"),
    [
        ("kind create", "making the cluster"),
        ("make images", "building and loading the images"),
        ("platform-agnostic", "installing Kubeflow Pipelines"),
        ("rollout restart", "installing KServe"),
        ("apply --server-side -k build/kustomize", "applying infra/kustomize"),
        ("get secret", "copying the store's keys"),
    ],
)
def test_a_failure_says_what_failed_and_what_to_do(tmp_path: Path, fails: str, doing: str) -> None:
    done, asked = run(tmp_path, "infra/local/up.sh", "kind", FAILS=fails)
    assert done.returncode == 1
    told = (
        f"up: {doing} failed, see above; what stands is kept: run this again, or"
        " infra/local/down.sh kind"
    )
    assert done.stderr.splitlines()[-1] == told
    assert fails in asked.splitlines()[-1] or doing == "copying the store's keys"


def test_kind_gets_everything_in_order(tmp_path: Path) -> None:
    done, asked = run(tmp_path, "infra/local/up.sh", "kind")
    assert done.returncode == 0, done.stderr
    wanted = [
        "kind create cluster --name emotion",
        "make images",
        "kind load docker-image --name emotion localhost/emotion-ingestion:",
        "cluster-scoped-resources?ref=2.17.0",
        "env/platform-agnostic?ref=2.17.0",
        "installer of KServe",
        (
            '--type merge --patch {"data": {"ingress": "{\\"enableGatewayApi\\": true,'
            ' \\"ingressClassName'
        ),
        "rollout restart deployment/kserve-controller-manager",
        "stripped-down-crds.yaml",
        "apply --server-side -k build/kustomize",
        "create secret generic emotion-object-store",
        "serving.kserve.io/s3-endpoint=seaweedfs.kubeflow:8333",
    ]
    places = [asked.find(words) for words in wanted]
    assert -1 not in places, asked
    assert places == sorted(places)


def test_what_stands_is_left_alone(tmp_path: Path) -> None:
    done, asked = run(
        tmp_path,
        "infra/local/up.sh",
        "kind",
        CLUSTERS="emotion",
        KSERVE_STANDS="yes",
        ROUTES="true",
    )
    assert done.returncode == 0, done.stderr
    assert "create cluster" not in asked
    assert "installer of KServe" not in asked
    assert "rollout restart" not in asked


def test_minikube_gives_its_gpus(tmp_path: Path) -> None:
    done, asked = run(tmp_path, "infra/local/up.sh", "minikube", "--gpus")
    assert done.returncode == 0, done.stderr
    assert re.search(r"minikube start .*--gpus all", asked)
    assert "label nodes --all --overwrite emotion/pool=gpu" in asked
    assert "make images GPU=1" in asked
    assert re.search(r"minikube image load .*localhost/gpu/emotion-training:", asked)


def test_down_removes_the_cluster(tmp_path: Path) -> None:
    for place, words in (
        ("kind", "kind delete cluster --name emotion"),
        ("minikube", "minikube delete --profile emotion"),
    ):
        done, asked = run(tmp_path, "infra/local/down.sh", place)
        assert (done.returncode, asked.strip()) == (0, words)
