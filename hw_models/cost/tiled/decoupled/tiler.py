"""Tiles as Gemmini's own library chooses them at run time, and how long it searches for them.

Source: `tiled_conv_auto` and `tiled_matmul_auto` of ucb-bar/gemmini-rocc-tests, include/gemmini.h
(BSD-3-Clause), restated: sizes shrink one at a time, the largest first, until a tile fits into half of each
memory; then each grows by one as long as it still fits. Checked against every tile in `gemmini_rtl.csv`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hw_models.cost.tiled.compiled import compiled
from hw_models.cost.tiled.decoupled.layer_cycles import Layer, Tile, is_product, up

if TYPE_CHECKING:
    from hw_models.cost.arrays import IntArray

ROWS, COLUMNS, FILTERS, TAPS_Y, TAPS_X, CHANNELS = range(6)
"""Order in which the library tries to shrink and to grow sizes; its batch is 1 here."""


class Room(NamedTuple):
    """Half of each memory in rows as wide as the array, and the array's width."""

    scratchpad: int
    accumulator: int
    array: int


class Found(NamedTuple):
    """A tile, and how many candidates the library looked at until it had it."""

    tile: Tile
    looked_at: int


@compiled
def fits(size: IntArray, layer: Layer, room: Room) -> bool:
    """Whether inputs and weights fit into half of the scratchpad, and sums into half of the accumulator."""
    inputs = size[ROWS] * layer.stride_y + (size[TAPS_Y] - 1) * layer.dilation_y
    inputs *= size[COLUMNS] * layer.stride_x + (size[TAPS_X] - 1) * layer.dilation_x
    weights = up(size[FILTERS], room.array) * size[TAPS_X] * size[TAPS_Y] * size[CHANNELS]
    sums = up(size[FILTERS], room.array) * size[ROWS] * size[COLUMNS]
    held = up(size[CHANNELS], room.array) * inputs + weights
    return bool(held <= room.scratchpad and sums <= room.accumulator)


@compiled
def shrink(size: IntArray, room: Room) -> bool:
    """Take a step off the largest size; rows of the array's width are spared while there are several of them.

    False: nothing is left to take.
    """
    largest = -1
    for i in range(6):
        spared = i == COLUMNS and size[i] <= room.array and size[ROWS] > 1
        if not spared and (largest < 0 or size[i] > size[largest]):
            largest = i
    if size[largest] == 1:
        return False
    if largest in (FILTERS, CHANNELS):
        rest = size[largest] % room.array
        size[largest] = max(size[largest] - (rest if rest else room.array), 1)
    else:
        size[largest] -= 1
    return True


@compiled
def grow(i: int, size: IntArray, most: int, layer: Layer, room: Room) -> bool:
    """Add one to a size where the tile still fits."""
    size[i] += 1
    if size[i] <= most and fits(size, layer, room):
        return True
    size[i] -= 1
    return False


@compiled
def tile_convolution(layer: Layer, room: Room) -> Found:
    """Tile of a convolution; `looked_at` is 0 where not even the smallest fits."""
    most = (layer.rows, layer.columns, layer.filters, layer.taps_y, layer.taps_x, layer.channels)
    size = np.empty(6, np.int64)
    for i in range(6):
        size[i] = most[i]
    looked = 1
    while not fits(size, layer, room):
        looked += 1
        if not shrink(size, room):
            return Found(Tile(1, 1, 1, 1, 1, 1), 0)
    grown = True
    while grown and size[COLUMNS] < most[COLUMNS]:
        looked += 1
        grown = grow(COLUMNS, size, most[COLUMNS], layer, room)
    grown = True
    while grown:
        grown = False
        for i in range(6):
            if size[i] < most[i]:
                looked += 1
                grown = grow(i, size, most[i], layer, room) or grown
    tile = Tile(size[COLUMNS], size[ROWS], size[FILTERS], size[CHANNELS], size[TAPS_X], size[TAPS_Y])
    return Found(tile, looked)


@compiled
def tile_product(layer: Layer, room: Room) -> Found:
    """Tile of a matrix product, in blocks of the array's width: near square, then grown while it fits."""
    width = room.array
    most = (up(layer.filters, width), up(layer.columns, width), up(layer.channels, width))
    side = int(math.sqrt(room.accumulator // width))
    if side < 1 or room.scratchpad // 2 // width // side < 1:
        return Found(Tile(1, 1, 1, 1, 1, 1), 0)
    size = np.empty(3, np.int64)
    size[0], size[1] = min(most[0], side), min(most[1], side)
    size[2] = min(most[2], room.scratchpad // 2 // width // side)
    looked, grown = 0, True
    while grown:
        grown = False
        for i in range(3):
            looked += 1
            size[i] += 1
            held = (size[0] + size[1]) * size[2] * width
            sums = size[0] * size[1] * width
            if size[i] <= most[i] and held <= room.scratchpad and sums <= room.accumulator:
                grown = True
            else:
                size[i] -= 1
    return Found(Tile(size[1] * width, 1, size[0] * width, size[2] * width, 1, 1), looked)


@compiled
def own_tile(layer: Layer, room: Room) -> Found:
    """What the library chooses for a layer."""
    return tile_product(layer, room) if is_product(layer) else tile_convolution(layer, room)
