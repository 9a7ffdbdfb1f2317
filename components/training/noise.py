"""TensorFlow, imported and called without its native log lines. Standard library only."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


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


def import_tensorflow(settings: Path) -> None:
    """Import Keras on TensorFlow, with Keras's own defaults: a user's ``~/.keras`` is neither read nor written.

    Args:
        settings: an empty folder of ours.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["KERAS_HOME"] = str(settings)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with hushed():
        import keras  # noqa: F401
        import tensorflow

        tensorflow.config.list_physical_devices()  # looks for GPUs now, and notes here that it found none
