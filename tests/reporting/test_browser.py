"""The pages in a real browser and under the W3C's validator.

Slow tier, skipped where there is none.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reporting import builders

BROWSER = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--dump-dom",
)

# The Nu HTML Checker: npm install --prefix .venvs/nu vnu-jar
CHECKER = (
    Path(__file__).parents[2]
    / ".venvs"
    / "nu"
    / "node_modules"
    / "vnu-jar"
    / "build"
    / "dist"
    / "vnu.jar"
)

pytestmark = pytest.mark.slow


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine")
@pytest.mark.parametrize("name", ["blessed", "killed", "nothing-new"])
def test_opens_without_errors_or_requests(run, tmp_path, name):
    content = run(builders.every_night()[name]).page
    path, log = tmp_path / "report.html", tmp_path / "network.json"
    path.write_text(content)
    done = subprocess.run(
        [
            BROWSER,
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--log-net-log={log}",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    if "<table data-sortable" in content:
        assert '<button type="button">' in done.stdout  # its script ran
    events = json.loads(log.read_text())["events"]
    urls = {event["params"]["url"] for event in events if "url" in event.get("params", {})}
    initiated = {
        event["params"]["url"]
        for event in events
        if event.get("params", {}).get("initiator", "").startswith("file")
    }
    assert {url for url in initiated if url.startswith("http")} == set(), urls


@pytest.mark.skipif(
    not CHECKER.is_file() or shutil.which("java") is None,
    reason="no Nu HTML Checker or no Java on this machine",
)
def test_every_page_is_valid_html(run, tmp_path):
    pages = []
    for name, night in builders.every_night().items():
        pages.append(tmp_path / f"{name}.html")
        pages[-1].write_text(run(night, folder=name).page)
    index = tmp_path / "blessed" / "runs" / "index.html"
    done = subprocess.run(
        ["java", "-jar", CHECKER, "--errors-only", "--format", "text", *pages, index],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "No errors found" in done.stderr
