"""The images as built: what they hold, what they don't, and that their component runs. `make test-containers` builds first."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from infra.images.engine import Engine, find_engine
from infra.images.secrets import BUNDLES
from pipelines.code import COMPONENTS, image_references

pytestmark = pytest.mark.docker

# Where trixie keeps certificates; the building machine's own bundle must not be among them.
FORBIDDEN_FILES = "/etc/pip.conf /root/.config/pip/pip.conf /root/.pip/pip.conf /run/secrets/ca /run/secrets/index /etc/uv/uv.toml"


@pytest.fixture(scope="module")
def found() -> Engine:
    engine = find_engine()
    if engine is None:
        pytest.skip("no container engine answers; `make engine-up` starts one")
    return engine


@pytest.fixture(params=COMPONENTS)
def image(request: pytest.FixtureRequest, found: Engine) -> tuple[str, str]:
    reference = image_references("localhost")[f"emotion-{request.param}"]
    if not found.run("images", "--quiet", reference):
        pytest.fail(f"{reference} isn't built; run `make images`")
    return request.param, reference


def inspected(engine: Engine, reference: str) -> dict[str, Any]:
    (value,) = json.loads(engine.run("image", "inspect", reference))
    return dict(value)


def run(engine: Engine, reference: str, *command: str) -> str:
    options = ("--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    return engine.run("run", *options, reference, *command)


def test_it_runs_its_component_read_only_as_nobody(found: Engine, image: tuple[str, str]) -> None:
    component, reference = image
    assert f"python -m components.{component}" in run(found, reference, "python", "-m", f"components.{component}", "--help")
    assert run(found, reference, "id", "-u").strip() == "65532"
    assert inspected(found, reference)["Config"]["User"] == "65532:65532"


def test_it_holds_no_code_but_its_own(found: Engine, image: tuple[str, str]) -> None:
    component, reference = image
    folders = run(found, reference, "ls", "/app/components").split()
    assert sorted(folders) == sorted([component, "contracts", "runtime", "images", "inference"])
    assert "component.py" not in run(found, reference, "ls", f"/app/components/{component}").split()


def test_it_holds_no_kfp_and_no_compiler(found: Engine, image: tuple[str, str]) -> None:
    _, reference = image
    script = "import importlib.util, shutil; print(importlib.util.find_spec('kfp'), [c for c in ('gcc', 'cc', 'g++') if shutil.which(c)])"
    assert run(found, reference, "python", "-c", script).strip() == "None []"


def test_it_holds_nothing_of_the_building_machine(found: Engine, image: tuple[str, str]) -> None:
    _, reference = image
    assert run(found, reference, "sh", "-c", f"ls {FORBIDDEN_FILES} 2>/dev/null || true").strip() == ""
    settings = inspected(found, reference)["Config"]["Env"]
    assert not [line for line in settings if line.split("=")[0] in (*BUNDLES, "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "https_proxy")]
    told = found.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", reference)
    for value in {os.environ[name] for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX") if name in os.environ}:
        assert value not in told


def test_labels_say_where_it_comes_from(found: Engine, image: tuple[str, str]) -> None:
    _, reference = image
    labels = inspected(found, reference)["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"]
    assert len(labels["emotion.lock.sha256"]) == 64
