"""Pushing, signing and listing images, with scripts in the place of docker and cosign."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from infra.environments import lock_of
from infra.images import build, signing
from infra.images.engine import Engine, NoEngine
from infra.images.sbom import debian_component, write_bill
from pipelines.code_version import image_references

DIGEST = "sha256:" + "a" * 64
# Writes down its arguments; has no image yet, knows a registry, and a package or two when an image
# is asked.
DOCKER = f"""#!/bin/sh
echo "$@" >> "$RECORD"
case "$*" in
    push*) echo "tag: digest: {DIGEST} size: 1" ;;
    *dpkg-query*) echo "base-files 13.8+deb13u1 amd64" ;;
    run*) echo '{{"metadata": {{}}, "components": [{{"name": "numpy", "purl": "pkg:pypi/numpy@2.3.0"}}]}}' ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    for name in ("docker", "cosign"):
        (tmp_path / name).write_text(DOCKER)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Engine(str(tmp_path / "docker"))


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "record").read_text().splitlines()


def test_a_registry_gets_every_image_and_its_digest_is_kept(docker: Engine, tmp_path: Path) -> None:
    tag = image_references("")["emotion-serving"]
    assert build.push(docker, {"serving": f"localhost/{tag}"}, "registry.example/team/") == {
        "serving": f"registry.example/team/{tag}@{DIGEST}"
    }
    assert asked(tmp_path) == [
        f"tag localhost/{tag} registry.example/team/{tag}",
        f"push registry.example/team/{tag}",
    ]


def test_training_for_gpus_is_built_from_its_own_lock(docker: Engine, tmp_path: Path) -> None:
    tag = image_references("")["emotion-training"]
    built = build.build(docker, ("training", "reporting"), "base", gpu=True)
    assert built == {
        "training": f"localhost/gpu/{tag}",
        "reporting": image_references("localhost")["emotion-reporting"],
    }
    training, reporting = (line for line in asked(tmp_path) if line.startswith("build"))
    assert "--build-arg LOCK=gpu.lock" in training
    assert "--build-arg LOCK=requirements.lock" in reporting


def test_the_gpu_lock_is_trainings_with_cuda() -> None:
    def pins(group: str) -> set[str]:
        return {
            line.split(" ")[0] for line in lock_of(group).read_text().splitlines() if "==" in line
        }

    more = {pin.split("==")[0] for pin in pins("gpu") - pins("training")}
    assert pins("training") - pins("gpu") <= {
        pin for pin in pins("training") if pin.startswith("tensorflow==")
    }
    assert {name for name in more if not name.startswith("nvidia-")} <= {"tensorflow[and-cuda]"}
    assert {"nvidia-cudnn-cu12", "nvidia-nccl-cu12"} <= more


def test_a_bill_lists_python_and_debian_and_is_written_once(docker: Engine, tmp_path: Path) -> None:
    path = write_bill(docker, "localhost/emotion-serving:0123", tmp_path / "build")
    bill = json.loads(path.read_text())
    assert path.name == "emotion-serving-0123.cdx.json"
    assert bill["metadata"]["component"]["version"] == "0123"
    assert [part["purl"] for part in bill["components"]] == [
        "pkg:pypi/numpy@2.3.0",
        "pkg:deb/debian/base-files@13.8%2Bdeb13u1?arch=amd64&distro=trixie",
    ]
    before = asked(tmp_path)
    write_bill(docker, "localhost/emotion-serving:0123", tmp_path / "build")
    assert asked(tmp_path) == before


def test_a_version_keeps_its_epoch() -> None:
    assert (
        debian_component("libc6 2:2.41-12 amd64")["purl"]
        == "pkg:deb/debian/libc6@2%3A2.41-12?arch=amd64&distro=trixie"
    )


def test_each_image_is_signed_by_digest_and_its_bill_attested(
    docker: Engine, tmp_path: Path
) -> None:
    reference, bill = f"registry.example/emotion-serving:0123@{DIGEST}", tmp_path / "bill.json"
    signing.sign({"serving": reference}, {"serving": bill}, "cosign.key")
    assert asked(tmp_path) == [
        f"sign --yes --key cosign.key {reference}",
        f"attest --yes --key cosign.key --type cyclonedx --predicate {bill} {reference}",
    ]


def test_what_cannot_sign_is_said_before_anything_is_built(
    docker: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoEngine, match=r"there is no key at .*cosign generate-key-pair"):
        signing.require_cosign(str(tmp_path / "none.key"))
    signing.require_cosign("gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(NoEngine, match="cosign is not on the path"):
        signing.require_cosign("cosign.key")
