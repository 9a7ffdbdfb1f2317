"""Noise of third-party imports that is not ours to fix."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "ignore::DeprecationWarning:apache_beam.*",
        "ignore::FutureWarning:apache_beam.*",
        "ignore::DeprecationWarning:google.*",
        "ignore::FutureWarning:google.*",
    ):
        config.addinivalue_line("filterwarnings", line)
