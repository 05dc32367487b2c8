"""Where cameras evenly around a vehicle see the cells of a bird's-eye view: what is known before any image.

Pinhole cameras at one place, `HEIGHT_M` above the road, turned by equal angles; the grid is a square of
+-`RANGE_M` around the vehicle (nuScenes: Caesar et al., CVPR 2020; its detection range is 51.2 m). x points
forward, y left, z up.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RANGE_M: Final = 51.2
HEIGHT_M: Final = 1.5
FIELD: Final = np.deg2rad(70.0)
"""Horizontal field of view; nuScenes, five of its six cameras."""

DEPTH_M: Final = (1.0, 60.0)
"""Nearest and farthest bin of depth. Source: Philion and Fidler, Lift, Splat, Shoot, ECCV 2020."""

PILLAR_M: Final = (-5.0, 3.0)
"""Lowest and highest anchor of a pillar. Source: Li et al., BEVFormer, ECCV 2022, `pc_range` of its
configurations."""

Floats = NDArray[np.float32]


def cells(grid: int) -> NDArray[np.float64]:
    """(grid x grid, 2) centres of the cells in metres, row after row."""
    line = (np.arange(grid) + 0.5) / grid * 2 * RANGE_M - RANGE_M
    x, y = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], 1)


def own_places(grid: int) -> Floats:
    """(1, grid x grid, 1, 1, 1, 2) places of the cells in their own map, -1 to 1, (x, y) of `grid_sample`."""
    line = (np.arange(grid) + 0.5) / grid * 2 - 1
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], 1)[None, :, None, None, None].astype(np.float32)


def _projected(cameras: int, grid: int, heights: int, aspect: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Places (cameras, cells, heights, 2) in the images, -1 to 1, and depths (cameras, cells, 1)."""
    ground = cells(grid)
    angle = np.arange(cameras) * 2 * np.pi / cameras
    depth = ground @ np.stack([np.cos(angle), np.sin(angle)])
    left = ground @ np.stack([-np.sin(angle), np.cos(angle)])
    ahead = np.maximum(depth, 1e-3).T[:, :, None]
    wide = np.tan(FIELD / 2)
    u = np.repeat(-left.T[:, :, None] / ahead / wide, heights, 2)
    up = np.linspace(*PILLAR_M, heights) - HEIGHT_M
    v = -up / ahead / (wide / aspect)
    return np.stack([u, v], -1), depth.T[:, :, None]


def anchors(cameras: int, grid: int, heights: int, aspect: float) -> Floats:
    """(1, cameras, cells, 1, heights, 1, 2) places of the pillars' points in the images, -1 to 1."""
    places, _ = _projected(cameras, grid, heights, aspect)
    found: Floats = np.clip(places, -4, 4)[None, :, :, None, :, None].astype(np.float32)
    return found


def seen(cameras: int, grid: int, heights: int, aspect: float) -> Floats:
    """(1, cameras, 1, cells) 1 over the number of cameras that see a pillar; 0 for those that do not."""
    places, depth = _projected(cameras, grid, heights, aspect)
    visible = ((np.abs(places) < 1).all(-1) & (depth > 0)).any(2)
    shares: Floats = (visible / np.maximum(visible.sum(0), 1))[None, :, None].astype(np.float32)
    return shares


def frustum_cells(cameras: int, bins: int, height: int, width: int, grid: int) -> NDArray[np.int64]:
    """(cameras x bins x height x width) cell of each point of the images' rays; grid x grid: outside."""
    depth = np.linspace(*DEPTH_M, bins)[:, None, None]
    u = (np.arange(width) + 0.5) / width * 2 - 1
    left = -depth * np.tan(FIELD / 2) * u
    shape = (bins, height, width)
    ahead, left = np.broadcast_to(depth, shape), np.broadcast_to(left, shape)
    angle = (np.arange(cameras) * 2 * np.pi / cameras)[:, None, None, None]
    x = np.cos(angle) * ahead - np.sin(angle) * left
    y = np.sin(angle) * ahead + np.cos(angle) * left
    row, column = (np.floor((v + RANGE_M) / (2 * RANGE_M) * grid).astype(np.int64) for v in (x, y))
    inside = (row >= 0) & (row < grid) & (column >= 0) & (column < grid)
    return np.where(inside, row * grid + column, grid * grid).ravel()
