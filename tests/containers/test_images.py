"""The images as built: what they hold, what they don't, and that their component runs.

`make test-containers` builds first.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import certifi
import pytest

from infra.environments import lock_of
from infra.images.build import RECORD
from infra.images.engine import Engine, find_engine
from infra.images.secrets import build_secrets
from pipelines import presets
from pipelines.code_version import COMPONENTS, image_references

pytestmark = pytest.mark.docker

# What the search for the machine's settings does find.
IN_EVERY_IMAGE = "Debian GNU/Linux 13 (trixie)"
# The authorities that Debian ships.
PUBLIC_CERTIFICATES = Path("/usr/share/ca-certificates")


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
    options = (
        "--rm",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--network",
        "none",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
    )
    return engine.run("run", *options, reference, *command)


def test_it_runs_its_component_read_only_as_nobody(found: Engine, image: tuple[str, str]) -> None:
    component, reference = image
    assert f"python -m components.{component}" in run(
        found, reference, "python", "-m", f"components.{component}", "--help"
    )
    assert run(found, reference, "id", "-u").strip() == "65532"
    assert inspected(found, reference)["Config"]["User"] == "65532:65532"


def test_it_holds_no_code_but_its_own(found: Engine, image: tuple[str, str]) -> None:
    component, reference = image
    folders = run(found, reference, "ls", "/app/components").split()
    assert sorted(folders) == sorted([component, "shared"])
    assert "component.py" not in run(found, reference, "ls", f"/app/components/{component}").split()


def test_the_image_of_resolve_knows_the_shipped_presets_by_name(
    found: Engine, image: tuple[str, str]
) -> None:
    component, reference = image
    listed = run(found, reference, "sh", "-c", "cd /app && ls presets 2>/dev/null || true").split()
    assert listed == (
        sorted(f"{name}.json" for name in presets.PRESETS) if component == "ingestion" else []
    )
    if component == "ingestion":
        script = (
            "from components.shared.step.preset_argument import read_preset;"
            " print(read_preset('fer2013-cnn', None).name)"
        )
        assert run(found, reference, "python", "-c", script).strip() == "fer2013-cnn"


def test_it_holds_no_kfp_and_no_compiler(found: Engine, image: tuple[str, str]) -> None:
    _, reference = image
    script = (
        "import importlib.util, shutil; print(importlib.util.find_spec('kfp'), [c for c in ('gcc',"
        " 'cc', 'g++') if shutil.which(c)])"
    )
    assert run(found, reference, "python", "-c", script).strip() == "None []"


def test_it_holds_nothing_of_the_building_machine(
    found: Engine, image: tuple[str, str], tmp_path: Path
) -> None:
    """Its last stage only copies (tests/infra), so what the image shows is all that its layers hold."""
    _, reference = image
    needles = tmp_path / "needles"
    needles.write_text("\n".join([IN_EVERY_IMAGE, *machines_settings()]))
    holder = found.run("create", reference).strip()
    try:
        with subprocess.Popen(
            [found.client, "export", holder], env=found.environment(), stdout=subprocess.PIPE
        ) as exported:
            command = ["grep", "--text", "--fixed-strings", "--only-matching", f"--file={needles}"]
            hits = subprocess.run(
                command,
                stdin=exported.stdout,
                env={**os.environ, "LC_ALL": "C"},
                capture_output=True,
                text=True,
            )
    finally:
        found.run("rm", holder)
    assert set(hits.stdout.splitlines()) == {IN_EVERY_IMAGE}
    for told in (
        json.dumps(inspected(found, reference)["Config"]),
        found.run("history", "--no-trunc", reference),
    ):
        assert not [setting for setting in machines_settings() if setting in told]


def machines_settings() -> list[str]:
    """Lines that only this machine's own settings hold.

    Its package sources, proxies, name servers and certificates.
    """
    with build_secrets() as arguments:
        found = dict(re.findall(r"id=(\w+),src=(\S+)", " ".join(arguments)))
        texts = {name: Path(path).read_text() for name, path in found.items()}
    settings = [line.partition("=")[2].strip("'\"") for line in texts.get("index", "").splitlines()]
    settings += texts.get("apt", "").splitlines()
    settings += [
        line
        for line in Path("/etc/resolv.conf").read_text().splitlines()
        if line.startswith("nameserver")
    ]
    public = (
        "".join(path.read_text() for path in PUBLIC_CERTIFICATES.rglob("*.crt"))
        + Path(certifi.where()).read_text()
    )
    certificates = re.findall(
        r"-----BEGIN CERTIFICATE-----\n(.+?)\n-----END", texts.get("ca", ""), re.DOTALL
    )
    # A line from the middle of a certificate is its own; the first ones may be shared by all of one
    # issuer.
    settings += [
        own
        for own in (body.splitlines()[len(body.splitlines()) // 2] for body in certificates)
        if own not in public
    ]
    return [setting for setting in settings if setting]


def normal(requirement: str) -> str:
    """``name@version`` with the name as PEP 503 spells it."""
    name, _, version = requirement.partition("@")
    return f"{re.sub(r'[-_.]+', '-', name).lower()}@{version}"


def test_its_bill_lists_what_its_lock_pins_and_debian_too(image: tuple[str, str]) -> None:
    component, reference = image
    bill = json.loads(
        (
            RECORD.parent / f"{reference.removeprefix('localhost/').replace(':', '-')}.cdx.json"
        ).read_text()
    )
    purls = {part.get("purl", "") for part in bill["components"]}
    python = {
        normal(purl.removeprefix("pkg:pypi/")) for purl in purls if purl.startswith("pkg:pypi/")
    }
    pins = re.findall(
        r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", lock_of(component).read_text(), re.MULTILINE
    )
    assert python
    assert python <= {normal(f"{name}@{version}") for name, version in pins}
    assert len(python) >= 0.9 * len({name for name, _ in pins})
    assert any(purl.startswith("pkg:deb/debian/base-files@13") for purl in purls)


def test_labels_say_where_it_comes_from(found: Engine, image: tuple[str, str]) -> None:
    _, reference = image
    labels = inspected(found, reference)["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"]
    assert len(labels["emotion.lock.sha256"]) == 64
