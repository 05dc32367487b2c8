"""Scenes to pixels: background, the sign under its pose, what covers it, weather, light, lens and sensor.

Everything is element by element, so an image does not depend on which others are drawn with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from codesign.data.road_signs.drawing import MARGIN, painted
from codesign.data.road_signs.draws import Floats, three_triangular, uniform
from codesign.data.road_signs.signs import layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from codesign.data.road_signs.scene import Scene

F = np.float32
REFERENCE: Final = 32
"""Pixels of the side at which blur and streaks are stated; they grow with the image."""
_GRIDS: Final = ((3, 0.55), (9, 0.28))
"""Cells of the background's noise along a side, and its amplitude."""
_BLOCKS: Final = 4
"""Bars and walls behind the sign."""
_BACKGROUND, _BLOCK, _PIXEL, _FLAKE, _STREAK, _LEAF = 2, 20, 3, 4, 5, 6
"""Salts: uses of random numbers that must not repeat each other."""


@dataclass(frozen=True)
class Atlas:
    """All signs at all sizes, each half the one before.

    Attributes:
        texels: (T, 4) red, green, blue and cover, colours times the cover.
        sides: of the levels, the largest first.
        starts: (levels, classes) where the drawing of a class begins.
    """

    texels: Floats
    sides: NDArray[np.int64]
    starts: NDArray[np.int64]


@cache
def atlas(names: tuple[str, ...], side: int) -> Atlas:
    """The signs drawn for images of this side."""
    level = np.stack([painted(layers(name), max(128, 1 << (side - 1).bit_length())) for name in names])
    texels, sides, starts, begun = [], [], [], 0
    while True:
        n, s = level.shape[:2]
        texels.append(level.reshape(-1, 4))
        sides.append(s)
        starts.append(begun + np.arange(n) * s * s)
        begun += n * s * s
        if s <= 8:
            return Atlas(np.concatenate(texels), np.array(sides), np.array(starts))
        level = level.reshape(n, s // 2, 2, s // 2, 2, 4).mean(axis=(2, 4), dtype=F)


def render(names: Sequence[str], labels: NDArray[np.int64], s: Scene, side: int) -> NDArray[np.uint8]:
    """(n, 3, side, side) images of these signs in these scenes, 0 to 255."""
    line = (np.arange(side, dtype=F) + F(0.5)) / F(side)
    x, y = line[None, None, :], line[None, :, None]
    image = _background(s, side, x, y)
    u, v = _pose(s, x, y)
    sign = _sign(atlas(tuple(names), side), labels, s, u, v, side)
    bleach = s.fade[:, :1, None, None]
    cover = sign[:, 3:]
    paint = (sign[:, :3] * (1 - bleach) + bleach * F(0.6) * cover) * s.fade[:, 1:, None, None]
    image *= 1 - cover
    image += paint
    _cover(image, s, u, v)
    _weather(image, s, x, y, side)
    _blur(image, s.blur, side)
    image *= (s.gain[:, None] * s.cast)[:, :, None, None]
    image += s.lift[:, None, None, None]
    _light(image, s, x, y)
    image += three_triangular(s.words, (side, side), _PIXEL) * s.noise[:, None, None, None]
    np.clip(image, 0, 1, out=image)
    image *= F(255)
    image += F(0.5)
    return image.astype(np.uint8)


def _background(s: Scene, side: int, x: Floats, y: Floats) -> Floats:
    """(n, 3, side, side) sky, ground and clutter."""
    n = len(s.words)
    image = np.zeros((n, 3, side, side), F)
    for at, (cells, amplitude) in enumerate(_GRIDS):
        grid = uniform(s.words, (3, cells, cells), _BACKGROUND + 10 * at)
        grid = grid * F(0.45) + grid[:, :1] * F(0.55)  # the world is greyer than its signs
        image += _enlarged(grid, side) * F(amplitude)
    blocks = uniform(s.words, (_BLOCKS, 8), _BLOCK)
    for block in blocks.transpose(1, 2, 0):
        cx, cy, wide, high, lean, *colour = (b[:, None, None] for b in block)
        across = np.abs(x - cx + (lean - F(0.5)) * (y - cy)) < wide * wide * F(0.25) + F(0.02)
        inside = (across & (np.abs(y - cy) < high * F(0.6)))[:, None]
        shade = np.stack(colour, axis=1) * F(0.5) + colour[0][:, None] * F(0.5)
        image = np.where(inside, image * F(0.25) + shade * F(0.6), image)
    return image


def _enlarged(grid: Floats, side: int) -> Floats:
    """(..., side, side) by straight lines between the points of (..., g, g)."""
    g = grid.shape[-1]
    place = np.arange(side, dtype=F) * F((g - 1) / max(1, side - 1))
    at = np.minimum(place.astype(np.int64), g - 2)
    part = place - at
    rows = grid[..., at, :] * (1 - part)[:, None] + grid[..., at + 1, :] * part[:, None]
    found: Floats = rows[..., at] * (1 - part) + rows[..., at + 1] * part
    return found


def _pose(s: Scene, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """(n, side, side) twice: where on the sign, from -1 to 1, each pixel lies."""

    def column(a: Floats) -> Floats:
        return a[:, None, None]

    dx, dy = (x - column(s.centre[:, 0])) / column(s.radius), (y - column(s.centre[:, 1])) / column(s.radius)
    cos, sin = column(np.cos(s.turn)), column(np.sin(s.turn))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    depth = 1 + column(s.tilt[:, 0]) * u + column(s.tilt[:, 1]) * v
    depth = 1 / np.maximum(depth, F(0.3))
    return u * column(s.stretch[:, 0]) * depth, v * column(s.stretch[:, 1]) * depth


def _sign(book: Atlas, labels: NDArray[np.int64], s: Scene, u: Floats, v: Floats, side: int) -> Floats:
    """(n, 4, side, side) the drawing at those places, by straight lines between its texels."""
    pixels = s.radius * F(2 * side)
    level = np.floor(np.log2(book.sides[0] / (MARGIN * pixels))).astype(np.int64)
    level = np.clip(level, 0, len(book.sides) - 1)
    sides, starts = book.sides[level], book.starts[level, labels]
    half = (sides * F(0.5 / MARGIN)).astype(F)[:, None, None]
    last = (sides - 1).astype(F)[:, None, None]
    middle = last * F(0.5)
    tx, ty = (np.clip(w * half + middle, 0, last - F(0.001)) for w in (u, v))
    ix, iy = tx.astype(np.int64), ty.astype(np.int64)
    px, py = (tx - ix)[..., None], (ty - iy)[..., None]
    wide = sides[:, None, None]
    at = starts[:, None, None] + iy * wide + ix
    upper = book.texels[at] * (1 - px) + book.texels[at + 1] * px
    lower = book.texels[at + wide] * (1 - px) + book.texels[at + wide + 1] * px
    found: Floats = (upper * (1 - py) + lower * py).transpose(0, 3, 1, 2)
    return found


def _cover(image: Floats, s: Scene, u: Floats, v: Floats) -> None:
    """Something before the sign: from one side, or a bar across it; between a fifth and two fifths of it."""
    at = np.flatnonzero(s.masks["occluded"])
    if not len(at):
        return
    kind, direction, depth, grey = (c[:, None, None] for c in s.cover[at].T)
    turn = direction * F(2 * math.pi)
    reach = u[at] * np.cos(turn) + v[at] * np.sin(turn)
    side_on = reach > F(0.6) - depth * F(0.45)
    bar = np.abs(reach - (depth - F(0.5)) * F(0.8)) < F(0.17) + F(0.15) * depth
    leaf = uniform(s.words[at], (3, 6, 6), _LEAF)
    texture = _enlarged(leaf, image.shape[-1]) * F(0.4) + grey[:, None] * F(0.45)
    image[at] = np.where(np.where(kind < F(0.6), side_on, bar)[:, None], texture, image[at])


def _weather(image: Floats, s: Scene, x: Floats, y: Floats, side: int) -> None:
    for name, change in (("fog", _fog), ("rain", _rain), ("snow", _snow)):
        at = np.flatnonzero(s.masks[name])
        if len(at):
            image[at] = change(image[at], s.words[at], s.weather[at], x, y, side)


def _fog(image: Floats, words: object, w: Floats, x: Floats, y: Floats, side: int) -> Floats:  # noqa: ARG001
    thick = (F(0.45) + F(0.37) * w[:, 0])[:, None, None, None]
    found: Floats = image * (1 - thick) + thick * (F(0.6) + F(0.3) * w[:, 2])[:, None, None, None]
    return found


def _rain(image: Floats, words: NDArray[np.uint64], w: Floats, x: Floats, y: Floats, side: int) -> Floats:  # noqa: ARG001
    """Bright streaks that lean with the wind, and less contrast."""
    lean = (w[:, 1] - F(0.5))[:, None, None] * F(0.9)
    lanes = REFERENCE
    lane = ((x + lean * y) * F(lanes)).astype(np.int64) % lanes
    phase = uniform(words, (2, lanes), _STREAK)
    rows = np.arange(len(image))[:, None, None]
    along = y * F(2.5) + phase[:, 0][rows, lane] * F(7)
    streak = (along - np.floor(along) < F(0.35)) & (
        phase[:, 1][rows, lane] < (F(0.3) + F(0.4) * w[:, 0])[:, None, None]
    )
    veil = (F(0.2) + F(0.25) * w[:, 2])[:, None, None, None]
    dull = image * (1 - veil) + veil * F(0.5)
    found: Floats = dull + streak[:, None] * (F(0.7) - dull) * F(0.6)
    return found


def _snow(image: Floats, words: NDArray[np.uint64], w: Floats, x: Floats, y: Floats, side: int) -> Floats:  # noqa: ARG001
    """White flakes, and a light veil."""
    flakes = uniform(words, (REFERENCE, REFERENCE), _FLAKE) < (F(0.05) + F(0.12) * w[:, 0])[:, None, None]
    at = np.arange(side) * REFERENCE // side
    seen = flakes[:, at[:, None], at[None, :]][:, None]
    veil = (F(0.1) + F(0.3) * w[:, 2])[:, None, None, None]
    found: Floats = np.where(seen, F(0.93), image * (1 - veil) + veil * F(0.85))
    return found


def _blur(image: Floats, passes: NDArray[np.int64], side: int) -> None:
    """One to three passes of (1 2 1) / 4 along both axes, its reach growing with the image."""
    reach = max(1, round(side / REFERENCE))
    for turn in range(1, int(passes.max(initial=0)) + 1):
        at = np.flatnonzero(passes >= turn)
        step = reach
        while step:
            image[at] = _smoothed(_smoothed(image[at], step, 2), step, 3)
            step //= 2


def _smoothed(image: Floats, step: int, axis: int) -> Floats:
    last = image.shape[axis] - 1
    at = np.arange(last + 1)
    before: Floats = np.take(image, np.maximum(at - step, 0), axis)
    before += np.take(image, np.minimum(at + step, last), axis)
    before += image
    before += image
    before *= F(0.25)
    return before


def _light(image: Floats, s: Scene, x: Floats, y: Floats) -> None:
    """A low sun or a lamp in the picture: a bright spot that fades with the distance."""
    at = np.flatnonzero(s.masks["glare"])
    if not len(at):
        return
    cx, cy, size, strength = (c[:, None, None] for c in s.spot[at].T)
    spread = F(0.1) + F(0.25) * size
    far = ((x - cx) ** 2 + (y - cy) ** 2) / (spread * spread)
    image[at] += ((F(0.4) + F(0.8) * strength) / (1 + far))[:, None]
