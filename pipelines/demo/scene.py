"""A scene of filled outlines in the head's own coordinates, seen from a pose and painted with Pillow.

Coordinates: the head's centre is (0, 0), x to the right, y down, half the head's height is 1.
Points are projected, not pixels, so a turned face is as sharp as a straight one.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Points = npt.NDArray[np.float64]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Pose:
    """Where and how the head is seen.

    Attributes:
        roll, yaw, pitch: rotations in radians. scale: half the head's height as a share of the
            picture.
        x, y: the head's centre as a share of the picture. perspective: how much nearer parts grow.
    """

    roll: float
    yaw: float
    pitch: float
    scale: float
    x: float
    y: float
    perspective: float


@dataclass
class Scene:
    """Outlines to fill, in painting order. A depth is towards the viewer.

    NaN is on the face's surface.
    """

    outlines: list[Points] = field(default_factory=list)
    colours: list[Colour] = field(default_factory=list)
    depths: list[float] = field(default_factory=list)

    def fill(self, outline: Points, colour: Colour, depth: float = math.nan) -> None:
        """Add an outline ``[n, 2]``; without a ``depth`` it lies on the face's curved surface."""
        self.outlines.append(outline)
        self.colours.append(colour)
        self.depths.append(depth)

    def stroke(
        self,
        line: Points,
        width: float,
        colour: Colour,
        *,
        taper: float = 0.3,
        depth: float = math.nan,
    ) -> None:
        """Add a brush stroke along ``line``.

        ``taper`` is the width of its ends as a share of its middle.
        """
        along = np.empty_like(line)
        along[1:-1] = line[2:] - line[:-2]
        along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
        half = (
            0.5
            * width
            * _taper(len(line), taper)
            / np.sqrt(along[:, 0] ** 2 + along[:, 1] ** 2 + 1e-12)
        )
        aside = np.empty_like(line)
        aside[:, 0], aside[:, 1] = -along[:, 1] * half, along[:, 0] * half
        self.fill(np.concatenate([line + aside, (line - aside)[::-1]]), colour, depth)

    def paint(self, pose: Pose, canvas: Image.Image) -> None:
        """Paint everything on a square canvas of mode L or RGB."""
        points = np.concatenate(self.outlines)
        depths = np.repeat(self.depths, [len(outline) for outline in self.outlines])
        seen = (
            project(points, np.where(np.isnan(depths), surface(points), depths), pose)
            * canvas.width
        )
        draw = ImageDraw.Draw(canvas)
        gray = canvas.mode == "L"
        flat = seen.ravel().tolist()
        start = 0
        for outline, colour in zip(self.outlines, self.colours, strict=True):
            end = start + outline.size
            draw.polygon(flat[start:end], fill=luminance(colour) if gray else colour)
            start = end


@functools.lru_cache(maxsize=64)
def _taper(count: int, ends: float) -> Points:
    profile: Points = ends + (1 - ends) * np.sin(np.linspace(0, math.pi, count))
    return profile


def luminance(colour: Colour) -> int:
    """Gray of a colour, 0 to 255 (ITU-R BT.601, as in Pillow's own conversion)."""
    return round(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """``share`` of ``other`` in ``one``."""
    return (
        round(one[0] + (other[0] - one[0]) * share),
        round(one[1] + (other[1] - one[1]) * share),
        round(one[2] + (other[2] - one[2]) * share),
    )


def surface(points: Points) -> Points:
    """How far each point ``[n, 2]`` of the face stands out.

    An ellipsoid of half axes 0.9, 1.1 and 0.7.
    """
    height: Points = 0.7 * np.sqrt(
        np.maximum(0.0, 1 - (points[:, 0] / 0.9) ** 2 - (points[:, 1] / 1.1) ** 2)
    )
    return height


def project(points: Points, depth: Points, pose: Pose) -> Points:
    """Points ``[n, 2]`` of the head to points of the picture, as shares of its side."""
    x = points[:, 0] * math.cos(pose.yaw) + depth * math.sin(pose.yaw)
    z = depth * math.cos(pose.yaw) - points[:, 0] * math.sin(pose.yaw)
    y = points[:, 1] * math.cos(pose.pitch) - z * math.sin(pose.pitch)
    near = pose.scale / (1 - pose.perspective * z)
    cosine, sine = math.cos(pose.roll), math.sin(pose.roll)
    return np.stack(
        [pose.x + near * (x * cosine - y * sine), pose.y + near * (x * sine + y * cosine)], axis=1
    )


def any_pose(rng: random.Random) -> Pose:
    """Return a pose as in a snapshot: tilted, turned, nearer or farther, rarely in the middle."""
    scale = rng.uniform(0.36, 0.47)
    return Pose(
        roll=math.radians(rng.uniform(-17, 17)),
        yaw=math.radians(rng.uniform(-20, 20)),
        pitch=math.radians(rng.uniform(-9, 9)),
        scale=scale,
        x=0.5 + rng.uniform(-0.1, 0.1),
        y=0.51 + rng.uniform(-0.08, 0.08),
        perspective=rng.uniform(0.0, 0.15),
    )
