"""A checkpoint.

All that a training needs to continue after its last finished epoch, in one value of the store.

It is one npz file (arrays and a JSON text, no pickle), replaced as a whole after every epoch.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.shared.errors import ContractError
from components.shared.preset import Preset
from components.shared.serialization import digest, from_json, to_json
from components.shared.store import keys
from components.training.fit.state import Standing

Arrays = list[npt.NDArray[np.generic]]
FILE = "state.npz"
PARTS = ("network", "optimizer", "best")


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on after its last finished epoch.

    Attributes:
        standing: after that epoch. What comes next is seeded by its number, so no random state is
            kept beside it.
        network: all its variables.
        optimizer: all its variables.
        best: the weights of the best epoch.
    """

    standing: Standing
    network: Arrays
    optimizer: Arrays
    best: Arrays


def key_of(snapshot_id: str, preset: Preset, code_version: str) -> str:
    """Key in the store: the same for every attempt of the same training, another for any other."""
    identity = {
        "snapshot_id": snapshot_id,
        "training": preset.training,
        "data": preset.data,
        "resampling": preset.resampling,
        "code_version": code_version,
    }
    return f"{keys.checkpoint(digest(identity))}/{FILE}"


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """Return the file's content."""
    arrays = {
        f"{part}_{index:04}": value
        for part in PARTS
        for index, value in enumerate(getattr(checkpoint, part))
    }
    stream = io.BytesIO()
    np.savez(
        stream, standing=np.frombuffer(to_json(checkpoint.standing).encode(), np.uint8), **arrays
    )
    return stream.getvalue()


def from_bytes(content: bytes) -> Checkpoint:
    """Read `to_bytes`' result. Raises ContractError for anything else."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            names = sorted(file.files)
            parts = [
                [file[name] for name in names if name.startswith(f"{part}_")] for part in PARTS
            ]
            return Checkpoint(from_json(Standing, file["standing"].tobytes(), "checkpoint"), *parts)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ContractError(f"the checkpoint can't be read ({error})") from error
