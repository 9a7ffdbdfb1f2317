"""Cheap features of gray pictures, from which a linear model can tell an expression far better than from pixels.

Half-rectified directional derivatives, pooled over overlapping cells, as in DAISY (Tola et al.
2010, "DAISY: An efficient dense descriptor applied to wide-baseline stereo", section 3), at full
and at half size, beside the picture itself at a quarter. Measured out of fold: on drawn faces 68 %
right (linear on pixels 24 %), on FER2013 48 % (35 %), at 100 microseconds a picture.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]

SIDE = 48
DIRECTIONS = 8
CELLS, HALF_CELLS = 8, 6
COUNT = DIRECTIONS * (CELLS**2 + HALF_CELLS**2) + (SIDE // 4) ** 2
# Levels per pixel that count as no edge at all, so that noise in flat regions isn't blown up.
FAINT_EDGE = 4.0


def features(pixels: Pixels) -> Features:
    """Features float32 ``[n, COUNT]`` of uint8 gray pixels ``[n, SIDE, SIDE]``.

    A few hundred pictures at a time stay in cache.
    """
    levels = pixels.astype(np.float32)
    half = _halved(levels)
    return np.hstack([_edges(levels, CELLS), _edges(half, HALF_CELLS), _evened(_halved(half))])


def _edges(levels: Features, cells: int) -> Features:
    """How strongly each cell rises in each direction, relative to its neighbourhood."""
    count, side, _ = levels.shape
    right, down = np.zeros_like(levels), np.zeros_like(levels)
    np.subtract(levels[:, :, 2:], levels[:, :, :-2], out=right[:, :, 1:-1])
    np.subtract(levels[:, 2:], levels[:, :-2], out=down[:, 1:-1])
    weights = _pooling(side, cells)

    def pool(values: Features) -> Features:
        return weights.T @ (values.reshape(-1, side) @ weights).reshape(count, side, cells)

    pooled_right, pooled_down = pool(right), pool(down)
    pooled = np.empty((DIRECTIONS, count, cells, cells), np.float32)
    slope, part = np.empty_like(levels), np.empty_like(levels)
    for index, angle in enumerate(np.pi * np.arange(DIRECTIONS // 2) / (DIRECTIONS // 2)):
        across, along = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        np.add(np.multiply(right, across, out=slope), np.multiply(down, along, out=part), out=slope)
        pooled[index] = pool(np.maximum(slope, 0, out=slope))
        # What rises against a direction is what rises along it less the slope itself, and pooling
        # is linear.
        pooled[index + DIRECTIONS // 2] = np.maximum(
            pooled[index] - (across * pooled_right + along * pooled_down), 0
        )
    strength = np.pad(np.sqrt((pooled**2).sum(axis=0)), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = sum(strength[:, y : y + cells, x : x + cells] for y in range(3) for x in range(3)) / 9
    relative = np.sqrt(pooled / (around + FAINT_EDGE))
    return np.ascontiguousarray(np.moveaxis(relative, 0, 1)).reshape(count, -1)


def _pooling(side: int, cells: int) -> Features:
    """Gaussian weights ``[side, cells]`` around each cell's centre, of sum 1."""
    width = side / cells
    centres = (np.arange(cells) + 0.5) * width
    weights = np.exp(-0.5 * ((np.arange(side)[:, None] + 0.5 - centres) / (0.6 * width)) ** 2)
    return (weights / weights.sum(axis=0)).astype(np.float32)


def _halved(levels: Features) -> Features:
    """Return the mean of every two by two pixels."""
    rows = levels[:, ::2] + levels[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(0.25)


def _evened(levels: Features) -> Features:
    """Flat, of mean 0 and standard deviation about 1.

    How bright and how contrasted a picture is says nothing here.
    """
    flat = levels.reshape(len(levels), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / (flat.std(axis=1, keepdims=True) + FAINT_EDGE)
