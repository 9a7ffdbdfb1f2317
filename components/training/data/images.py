"""Decoded rows.

In memory where they fit, otherwise decoded again whenever they are asked for, by several threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from components.shared.errors import ContractError
from components.shared.images.decode import ImageRefused, Pixels, read_input
from components.shared.preset import ImageSpec

DECODED_AT_ONCE = 512
SHOWN_EVERY = 2500
THREADS = len(os.sched_getaffinity(0))

Encoded = Iterable[tuple[str, bytes]]
Show = Callable[[int, int], None]


class PixelRows(Protocol):
    """Rows of uint8 ``[height, width, channels]``: an array, or what answers as one."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any:
        """Pixels of a slice, or of an array of indices."""


@dataclass(frozen=True)
class Images:
    """Rows to train on or to score.

    Attributes:
        pixels: uint8 ``[n, height, width, channels]``. labels: int32 ``[n]``, index into the label
            order.
        distributions: float32 ``[n, labels]``, annotators' votes; zeros where a row has none.
    """

    example_ids: tuple[str, ...]
    pixels: PixelRows
    labels: npt.NDArray[np.int32]
    distributions: npt.NDArray[np.float32]
    spec: ImageSpec


class StreamedPixels:
    """Encoded images in one scratch file, decoded when asked for.

    Remembers places in the file, never pixels.

    Args:
        file: is written here, and must stay. encoded: id and image of each row, in order.
    """

    def __init__(self, file: Path, encoded: Encoded, spec: ImageSpec) -> None:
        self._spec, self._ids = spec, list[str]()
        ends = [0]
        with open(file, "wb") as stream:
            for example_id, content in encoded:
                stream.write(content)
                self._ids.append(example_id)
                ends.append(ends[-1] + len(content))
        self._ends = np.array(ends, np.int64)
        self._file = open(file, "rb")  # noqa: SIM115 - read for as long as the rows are
        self._pool = ThreadPoolExecutor(THREADS)

    @property
    def example_ids(self) -> tuple[str, ...]:
        """Example ids, in the order of the rows."""
        return tuple(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> Pixels:
        wanted = np.arange(len(self))[rows]
        decoded = list(self._pool.map(self._decode, wanted.tolist()))
        return (
            np.stack(decoded)
            if decoded
            else np.empty((0, self._spec.height, self._spec.width, self._spec.channels), np.uint8)
        )

    def close(self) -> None:
        """Let go of the file and the threads."""
        self._pool.shutdown()
        self._file.close()

    def _decode(self, row: int) -> Pixels:
        start, end = int(self._ends[row]), int(self._ends[row + 1])
        return decoded(
            self._ids[row], os.pread(self._file.fileno(), end - start, start), self._spec
        )


def decode_images(
    encoded: Encoded, count: int, spec: ImageSpec, show: Show
) -> tuple[tuple[str, ...], Pixels]:
    """Ids and pixels of all rows, uint8 ``[count, height, width, channels]``, in the order in which they come.

    Raises:
        ContractError: an image can't be decoded, or fewer came than ``count``.
    """
    pixels = np.empty((count, spec.height, spec.width, spec.channels), np.uint8)
    ids: list[str] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for chunk in _chunks(encoded):
            for image in pool.map(lambda row: decoded(row[0], row[1], spec), chunk):
                pixels[len(ids)] = image
                ids.append(chunk[len(ids) % DECODED_AT_ONCE][0])
                if len(ids) % SHOWN_EVERY == 0:
                    show(len(ids), count)
    return require_all(tuple(ids), count), pixels


def require_all(ids: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return these ids. Raises ContractError unless they are ``count``."""
    if len(ids) != count:
        raise ContractError(
            "the examples artifact lacks images",
            expected=f"{count:,}",
            received=f"{len(ids):,}",
            fix="run ingest again",
        )
    return ids


def decoded(example_id: str, content: bytes, spec: ImageSpec) -> Pixels:
    """Pixels of one image. Raises ContractError that names it."""
    try:
        return read_input(content, spec)
    except ImageRefused as error:
        raise ContractError(
            f"the image of example {example_id} can't be decoded ({error})", fix="run ingest again"
        ) from error


def labels_of(ids: tuple[str, ...], labels: Mapping[str, int]) -> npt.NDArray[np.int32]:
    """Label index of each id, int32 ``[n]``."""
    return np.array([labels[example_id] for example_id in ids], np.int32)


def _chunks(encoded: Encoded) -> Iterator[list[tuple[str, bytes]]]:
    rows = iter(encoded)
    while chunk := list(islice(rows, DECODED_AT_ONCE)):
        yield chunk
