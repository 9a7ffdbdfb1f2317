"""Keras and its backend, imported and called without their native log lines.

Standard library only.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.shared.errors import EnvironmentProblem, UnknownNameError

BACKENDS = ("tensorflow", "jax")


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what native code writes to standard error; if the block fails, show it after all.

    TensorFlow's C++ parts write notes there before any log level applies, and LiteRT knows none.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def import_keras(settings: Path) -> None:
    """Import Keras on the backend that KERAS_BACKEND names (tensorflow unless set), with its own defaults otherwise.

    A user's ``~/.keras`` is neither read nor written.

    Args:
        settings: an empty folder of ours.

    Raises:
        InputError: a backend that training doesn't know. EnvironmentProblem: one that isn't
            installed.
    """
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend not in BACKENDS:
        raise UnknownNameError("KERAS_BACKEND", backend, BACKENDS)
    os.environ["KERAS_HOME"] = str(settings)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if importlib.util.find_spec(backend) is None:
        raise EnvironmentProblem(
            f"the backend {backend} isn't installed here",
            fix=f"use another KERAS_BACKEND or install {backend}",
        )
    with hushed():
        importlib.import_module("keras")
        if backend == "tensorflow":
            # Looks for GPUs now, and notes here that it found none.
            importlib.import_module("tensorflow").config.list_physical_devices()
