"""Near duplicates.

The same photograph again, cropped, scaled, brightened or marked a little differently.

Candidates share one of 16 keys, are near one another in all their 512 bits, and are confirmed on
the pixels. A group has a representative: a picture joins when it is like that one, never because it
is like a member, so groups don't chain.

The bits are signs of random projections (Charikar 2002, "Similarity estimation techniques from
rounding algorithms") of the picture's 63 lowest cosine frequencies (the "pHash" of Zauner 2010),
and each key is 32 of them. Sums of whole numbers below 2^24 are exact in float32, so every machine
finds the same bits.

`MIN_CORRELATION` was chosen by looking. Of FER2013's 1,187 pairs of distinct pictures above it, all
435 nearest to it and a sample of the others were looked at: each shows one photograph; below 0.95
different people begin to appear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from components.shared.images.stacks import shrunk

GRID = 16
KEYS = 16
KEY_BYTES = 4
SKETCH_BYTES = KEYS * KEY_BYTES
MIN_CORRELATION = 0.97
MAX_DIFFERENT_BITS = 40
# Of a key that many pictures share, each is compared with the first so many only.
MAX_COMPARED = 64
COMPARED_AT_ONCE = 5000
_SOME_BITS = (1 << 18) - 1  # of a key

Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


def grid(pixels: Pixels) -> Pixels:
    """Return a picture's gray levels on a grid of `GRID` by `GRID`, each the mean of its cell.

    uint8 ``[256]``.
    """
    image = Image.fromarray(pixels)
    gray = image if image.mode == "L" else image.convert("L")
    return np.asarray(gray.resize((GRID, GRID), Image.Resampling.BOX), dtype=np.uint8).ravel()


def grids(levels: Pixels) -> Pixels:
    """`grid` of every picture of a stack: gray levels ``[n, h, w]`` to uint8 ``[n, 256]``."""
    return shrunk(levels, (GRID, GRID), Image.Resampling.BOX).reshape(len(levels), GRID * GRID)


def sketches(grids: Pixels) -> Pixels:
    """`SKETCH_BYTES` bytes of each grid: uint8 ``[n, 256]`` to uint8 ``[n, 64]``."""
    return np.packbits(grids.astype(np.float32) @ _planes() > 0, axis=1)


def alike(one: Pixels, other: Pixels) -> bool:
    """Whether two grids show one photograph: their correlation is at least `MIN_CORRELATION`."""
    a, b = one.astype(np.int64), other.astype(np.int64)
    n = a.size
    covariance = n * int(a @ b) - int(a.sum()) * int(b.sum())
    spread = (n * int(a @ a) - int(a.sum()) ** 2) * (n * int(b @ b) - int(b.sum()) ** 2)
    return covariance > 0 and covariance**2 >= MIN_CORRELATION**2 * spread


def representatives(
    found: Pixels,
    order: Indices,
    known: Indices,
    confirm: Callable[[int, int], bool],
    ahead: Callable[[Collection[int]], object] = lambda indices: None,
) -> Indices:
    """Which picture stands for each: index ``[n]``, its own where it is like none before it.

    Args:
        found: sketches ``[m, 64]``.
        order: which of them are of distinct pictures ``[n]``, in the order of precedence. An index
            is a place in it.
        known: ``[n]``: a representative settled earlier, or -1. Those never change.
        confirm: whether the pictures at two indices are alike.
        ahead: is told at which indices stand those, up to twice `COMPARED_AT_ONCE`, that may be
            compared next.
    """
    settled = known >= 0
    leader = np.where(settled, known, np.arange(len(known)))
    pairs = _candidates(found, order, settled)
    for start in range(0, len(pairs), COMPARED_AT_ONCE):
        some = pairs[start : start + COMPARED_AT_ONCE]
        ahead(
            {
                index
                for pair in some
                if leader[pair[0]] == pair[0] and leader[pair[1]] == pair[1]
                for index in pair
            }
        )
        for later, earlier in some:
            if leader[later] == later and leader[earlier] == earlier and confirm(later, earlier):
                leader[later] = earlier
    return leader


def _candidates(
    found: Pixels, order: Indices, settled: npt.NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Pairs (later, earlier) in order, none of them settled at the later."""
    words = found.view(np.uint64)
    index = np.full(len(found), -1)
    index[order] = np.arange(len(order))
    pairs: set[tuple[int, int]] = set()
    for number in range(KEYS):
        keys = np.ascontiguousarray(found.view(np.uint32)[:, number])
        # Where few are new, few share these bits with one of them.
        wanted = np.zeros(_SOME_BITS + 1, bool)
        wanted[keys[order[~settled]] & _SOME_BITS] = True
        looked_at = np.sort(index[wanted[keys & _SOME_BITS]])
        looked_at = looked_at[np.searchsorted(looked_at, 0) :]
        later, earlier = (looked_at[places] for places in _sharing(keys[order[looked_at]]))
        fresh = ~settled[later]
        later, earlier = later[fresh], earlier[fresh]
        for start in range(0, len(later), 1 << 18):
            one, other = later[start : start + (1 << 18)], earlier[start : start + (1 << 18)]
            near = (
                np.bitwise_count(words[order[one]] ^ words[order[other]]).sum(
                    axis=1, dtype=np.int64
                )
                <= MAX_DIFFERENT_BITS
            )
            pairs.update(zip(one[near].tolist(), other[near].tolist(), strict=True))
    return sorted(pairs)


def _sharing(keys: npt.NDArray[np.uint32]) -> tuple[Indices, Indices]:
    """Pairs (later, earlier) of indices with equal keys.

    Of many equal ones, each with the first `MAX_COMPARED`.
    """
    # Sorting whole numbers takes a tenth of the time that sorting their places does.
    placed = np.sort(
        keys.astype(np.uint64) << np.uint64(32) | np.arange(len(keys), dtype=np.uint64)
    )
    keys, order = (
        (placed >> np.uint64(32)).astype(np.uint32),
        (placed & np.uint64(0xFFFFFFFF)).astype(np.int64),
    )
    starts = np.concatenate([[True], keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, bool)
    # Only what shares its key has a neighbour.
    shared = ~starts | ~np.concatenate([starts[1:], [True]])
    order, starts = order[shared], starts[shared]
    keys = order
    first = (
        np.maximum.accumulate(np.where(starts, np.arange(len(keys)), 0))
        if len(keys)
        else np.zeros(0, np.int64)
    )
    counts = np.minimum(np.arange(len(keys)) - first, MAX_COMPARED)
    later = np.repeat(np.arange(len(keys)), counts)
    offset = np.arange(len(later)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[later], order[first[later] + offset]


@cache
def _planes() -> npt.NDArray[np.float32]:
    """512 hyperplanes through the space of grids, ``[256, 512]``, whole numbers that sum to zero in each column."""
    side = np.arange(GRID)
    waves = np.cos(np.pi * np.outer(side, side + 0.5) / GRID)
    low = sorted(
        ((y, x) for y in side for x in side if y + x),
        key=lambda place: (place[0] + place[1], place),
    )[:63]
    basis = np.stack(
        [
            np.outer(waves[y], waves[x]).ravel() / np.linalg.norm(np.outer(waves[y], waves[x]))
            for y, x in low
        ]
    )
    bits = 8 * SKETCH_BYTES
    drawn = b"".join(
        hashlib.sha256(f"hyperplane {number}".encode()).digest() for number in range(bits // 4)
    )
    signs = np.unpackbits(np.frombuffer(drawn, np.uint8)).reshape(bits, 64)[:, :63] * 2.0 - 1.0
    planes = np.rint((signs @ basis).T * 40)
    for column in planes.T:
        surplus = int(column.sum())
        column[: abs(surplus)] -= np.sign(surplus)
    return planes.astype(np.float32)
