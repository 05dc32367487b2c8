"""Flat drawings as distances: half-planes, discs and strokes, painted with smooth edges at any size.

A distance is negative inside. Points are (x, y), x to the right and y down; a sign fills -1 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Field = NDArray[np.float32]
Point = tuple[float, float]
Colour = tuple[float, float, float]

MARGIN: Final = 1.1
"""Half the side of a drawing, so that the edge of a sign is inside it."""


class Figure(Protocol):
    """Anything that has an inside."""

    def distance(self, x: Field, y: Field) -> Field:
        """Signed distance of each point to the edge, negative inside; near the edge exact."""
        ...


@dataclass(frozen=True)
class Disc:
    """A disc around `centre`."""

    centre: Point
    radius: float

    def distance(self, x: Field, y: Field) -> Field:
        """As `Figure` has it."""
        found: Field = np.hypot(x - self.centre[0], y - self.centre[1]) - np.float32(self.radius)
        return found


@dataclass(frozen=True)
class Polygon:
    """A convex polygon, its corners clockwise as seen."""

    corners: tuple[Point, ...]

    def distance(self, x: Field, y: Field) -> Field:
        """As `Figure` has it, the largest of the distances to the edges' lines."""
        found = np.full_like(x, -np.inf)
        for (x0, y0), (x1, y1) in zip(self.corners, self.corners[1:] + self.corners[:1], strict=True):
            length = math.hypot(x1 - x0, y1 - y0)
            nx, ny = (y1 - y0) / length, (x0 - x1) / length
            np.maximum(found, (x - x0) * np.float32(nx) + (y - y0) * np.float32(ny), out=found)
        return found


@dataclass(frozen=True)
class Stroke:
    """A line through `points` with round ends."""

    points: tuple[Point, ...]
    width: float = 0.16

    def distance(self, x: Field, y: Field) -> Field:
        """As `Figure` has it."""
        found = np.full_like(x, np.inf)
        for (x0, y0), (x1, y1) in zip(self.points, self.points[1:], strict=False):
            dx, dy = x1 - x0, y1 - y0
            along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
            np.minimum(found, np.hypot(x - x0 - along * dx, y - y0 - along * dy), out=found)
        return found - np.float32(self.width / 2)


def regular(n: int, first_deg: float, radius: float = 1.0) -> Polygon:
    """A regular polygon; its first corner `first_deg` degrees clockwise of straight right."""
    turns = [math.radians(first_deg + 360 * k / n) for k in range(n)]
    return Polygon(tuple((radius * math.cos(t), radius * math.sin(t)) for t in turns))


@dataclass(frozen=True)
class Layer:
    """Figures painted in one colour (red, green, blue from 0 to 1)."""

    figures: tuple[Figure, ...]
    colour: Colour


def painted(layers: Sequence[Layer], side: int) -> Field:
    """(side, side, 4) red, green, blue and cover from 0 to 1, colours times the cover.

    The first layer is the sign's outline: later ones are cut off at it.
    """
    pixel = 2 * MARGIN / side
    line = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(pixel) - np.float32(MARGIN)
    x, y = np.meshgrid(line, line)
    image = np.zeros((side, side, 4), np.float32)
    for at, layer in enumerate(layers):
        distance = np.minimum.reduce([figure.distance(x, y) for figure in layer.figures])
        cover = np.clip(np.float32(0.5) - distance / np.float32(pixel), 0, 1)[..., None]
        paint = np.array((*layer.colour, 1.0), np.float32)
        whole = image[..., 3:] if at else 1.0
        image = image * (1 - cover) + paint * cover * whole
    return image
