"""Keras is imported once, quietly, before any test module asks for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from components.training.native_logs import import_keras

_SETTINGS = tempfile.TemporaryDirectory(prefix="keras-home-")
import_keras(Path(_SETTINGS.name))


def pytest_configure(config: pytest.Config) -> None:
    # Keras's variables and NumPy 2 disagree about a keyword; both are pinned and neither is ours.
    config.addinivalue_line(
        "filterwarnings",
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    )


@pytest.fixture(autouse=True)
def _seeded() -> None:
    from components.training import backend

    backend.current().make_deterministic(3)
