"""What builds the images, as far as it can be told without an engine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from components.shared.preset import Preset
from components.shared.serialization import from_json
from infra.images import engine
from infra.images.build import source_address, write_presets
from infra.images.secrets import debian_mirror, index_lines
from pipelines.code_version import COMPONENTS, ROOT, SHARED
from pipelines.presets import PRESETS


@pytest.mark.parametrize("component", COMPONENTS)
class TestContainerfile:
    def text(self, component: str) -> str:
        return (ROOT / "components" / component / "Containerfile").read_text()

    def test_an_old_builder_understands_it(self, component: str) -> None:
        text = self.text(component)
        assert "# syntax" not in text
        assert "<<" not in text

    def test_dependencies_come_before_code_and_only_own_code_comes(self, component: str) -> None:
        text = self.text(component)
        copied = re.findall(r"^COPY components/(\w+) ", text, re.MULTILINE)
        assert sorted(copied) == sorted([component, *SHARED])
        assert text.index("requirements.lock") < text.index(f"COPY components/{component} ")

    def test_the_last_stage_only_copies(self, component: str) -> None:
        """So no layer holds what a later one hides."""
        last = self.text(component).split("\nFROM ")[-1]
        assert set(re.findall(r"^([A-Z]+) ", last, re.MULTILINE)) == {
            "COPY",
            "ENV",
            "WORKDIR",
            "USER",
            "ARG",
            "LABEL",
            "CMD",
        }

    def test_it_runs_as_nobody(self, component: str) -> None:
        assert re.search(r"^USER 65532:65532$", self.text(component), re.MULTILINE)


def test_the_shipped_presets_are_data_of_the_image_of_resolve(tmp_path: Path) -> None:
    (tmp_path / "gone.json").write_text("{}")
    write_presets(tmp_path)
    assert {
        path.stem: from_json(Preset, path.read_bytes()) for path in tmp_path.iterdir()
    } == PRESETS
    copying = {
        name: (ROOT / "components" / name / "Containerfile")
        .read_text()
        .count("COPY build/presets /app/presets")
        for name in COMPONENTS
    }
    assert copying == {name: int(name == "ingestion") for name in COMPONENTS}


def test_the_machines_index_is_told_to_pip_and_uv(tmp_path: Path) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = https://index.invalid/simple\n")
    lines = index_lines({"https_proxy": "http://proxy.invalid:3128"}, (str(settings),))
    assert "export PIP_INDEX_URL=https://index.invalid/simple\n" in lines
    assert "export UV_DEFAULT_INDEX=https://index.invalid/simple\n" in lines
    assert "export https_proxy=http://proxy.invalid:3128\n" in lines


def test_a_machine_without_settings_tells_nothing(tmp_path: Path) -> None:
    assert index_lines({}, (str(tmp_path / "none"),)) == ""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sources.list", "deb http://mirror.invalid/debian bookworm main\n"),
        (
            "sources.list.d/debian.sources",
            "Types: deb\nURIs: http://mirror.invalid/debian\nSuites: bookworm\n",
        ),
    ],
)
def test_debian_comes_from_where_the_machine_gets_it(
    tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert debian_mirror(tmp_path) == "http://mirror.invalid/debian"


def test_other_repositories_are_no_mirror_of_debian(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb https://packages.invalid/apt cloud main\n")
    assert debian_mirror(tmp_path) == ""


@pytest.mark.parametrize(("version", "builds"), [("20.10.24+dfsg1", True), ("28.2.2", False)])
def test_a_client_without_buildkit_is_passed_over(
    tmp_path: Path, version: str, builds: bool
) -> None:
    client = tmp_path / "docker"
    client.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "Docker version {version}, build 1" || exit 1\n'
    )
    client.chmod(0o755)
    assert bool(engine._clients({"PATH": str(tmp_path)})) is builds


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        ("https://user:token@host.invalid/team/emotion.git", "https://host.invalid/team/emotion"),
        ("git@host.invalid:team/emotion.git", ""),
        ("/srv/git/emotion", ""),
        ("", ""),
    ],
)
def test_the_source_label_is_the_origins_public_address(
    tmp_path: Path, origin: str, source: str
) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    if origin:
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=tmp_path, check=True)
    assert source_address(tmp_path) == source
