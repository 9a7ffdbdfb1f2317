"""What the tests of every environment share: standard library and pytest alone."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # `timeout` and CI ask with SIGTERM. As Ctrl-C it has the fixtures stop their servers and remove
    # their folders.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell starts background jobs with Ctrl-C ignored, and their children inherit it; tests that
    # send one mean it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _temporary_files_beside_pytests_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a step leaves that a test killed stands in pytest's folder, of which it keeps the last three."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield
