"""The best tile of a layer among all whose sizes divide the extents into equal parts, up to the last.

Every tile gets a lower bound in closed form; in the order of their bounds they are followed until no other
could be faster by more than `GAP`, or the budget is spent. A larger memory only adds tiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw_models.cost.tiled.compiled import compiled
from hw_models.cost.tiled.decoupled.layer_cycles import (
    Cycles,
    Layer,
    Machine,
    Tile,
    block_cycles,
    is_product,
    lines_of,
    reach,
    store_cycles,
    up,
)
from hw_models.cost.tiled.decoupled.sequence import SAMPLES, layer_cycles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.tiled.decoupled.tiler import Room

GAP: Final = 0.01
"""The search stops once nothing left could be faster by more than this."""

BUDGET: Final = 500_000
"""Tiles that are followed one by one, over all candidates; what is open then is the stated gap."""


class Best(NamedTuple):
    """A tile with its cycles, and by how much another tile of the lattice could be faster at most."""

    tile: Tile
    cycles: Cycles
    gap: float


def parts(extent: int, unit: int = 1) -> IntArray:
    """Sizes, in multiples of `unit`, that cut an extent into 1, 2, 3, ... parts; the last may be smaller."""
    units = up(extent, unit)
    sizes = np.unique(-(-units // np.arange(1, units + 1, dtype=np.int64)))
    return np.minimum(sizes * unit, extent)


def lattice(layer: Layer, room: Room) -> IntArray:
    """(T, 6) tiles that fit: filters and channels in blocks of the array's width, taps all or one by one.

    Single channels too: what they take, any other tile takes.
    """
    axes = [
        parts(layer.columns),
        parts(layer.rows),
        parts(layer.filters, room.array),
        np.union1d([1], parts(layer.channels, room.array)),
        np.unique([1, layer.taps_x]),
        np.unique([1, layer.taps_y]),
    ]
    least = np.array([axis[0] for axis in axes], np.int64)
    for i, axis in enumerate(axes):
        alone = np.tile(least, (len(axis), 1))
        alone[:, i] = axis
        axes[i] = axis[fitting(layer, alone, room)]
    tiles: IntArray = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 6)
    return tiles[fitting(layer, tiles, room)]


def fitting(layer: Layer, tiles: IntArray, room: Room) -> NDArray[np.bool_]:
    """(T,) whether a tile fits into half of each memory."""
    scratchpad, accumulator = rows_held(layer, tiles, room.array)
    fits: NDArray[np.bool_] = (scratchpad <= room.scratchpad) & (accumulator <= room.accumulator)
    return fits


def rows_held(layer: Layer, tiles: IntArray, width: int) -> tuple[IntArray, IntArray]:
    """(T,) rows of the scratchpad and of the accumulator that a tile takes."""
    columns, rows, filters, channels, taps_x, taps_y = tiles.T
    inputs = columns * layer.stride_x + (taps_x - 1) * layer.dilation_x
    inputs *= rows * layer.stride_y + (taps_y - 1) * layer.dilation_y
    if is_product(layer):
        inputs = columns
    blocks = -(-filters // width)
    return -(-channels // width) * inputs + blocks * taps_x * taps_y * channels, blocks * columns * rows


@compiled
def row_cycles(extent: int, size: int, element: int, groups: int, machine: Machine) -> float:
    """Cycles of the requests for one row of an operand, part after part, rows of all groups side by side."""
    cycles = extent * element / machine.bus
    for start in range(0, extent, size):
        piece = min(size, extent - start) * element
        cycles += machine.request * lines_of(start * element, piece, groups * extent * element, machine.line)
    return cycles


@compiled
def aligned_cycles(size: int, element: int, machine: Machine) -> float:
    """Cycles of the requests for a part of a row that starts with a line: what it takes at least."""
    return machine.request * up(size * element, machine.line) + size * element / machine.bus


@compiled
def part(extent: int, size: int, last: int) -> tuple[int, int]:
    """Size of the whole parts of an extent, or of the last one that is smaller, and how many there are."""
    rest = extent % size
    return (rest, int(rest > 0)) if last else (size, extent // size)


@compiled
def pixel_bounds(
    tile: IntArray, pixels: int, n: int, block: float, layer: Layer, machine: Machine
) -> FloatArray:
    """Cycles of loading inputs, of executing, and of both at once getting into each other's way, at least.

    Of all filters, taps and channels over `n` equal tiles of pixels, of `pixels` of input and `block` cycles.
    """
    out = np.zeros(3)
    taps = tile[4] * tile[5]
    passes = n * up(layer.taps_x, tile[4]) * up(layer.taps_y, tile[5])
    out[0] = 1.0 * passes * pixels * up(layer.filters, tile[2])
    out[0] *= row_cycles(layer.channels, tile[3], layer.input_bytes, layer.groups, machine)
    for last_k in range(2):
        filters, n_k = part(layer.filters, tile[2], last_k)
        weights = taps * aligned_cycles(filters, layer.weight_bytes, machine)
        for last_c in range(2):
            channels, n_c = part(layer.channels, tile[3], last_c)
            execute = block * taps * up(filters, machine.columns) * up(channels, machine.rows)
            load = pixels * aligned_cycles(channels, layer.input_bytes, machine) + channels * weights
            out[1] += passes * n_k * n_c * execute
            out[2] += passes * n_k * n_c * machine.interference * min(load, execute)
    return out


@compiled
def bounds(layer: Layer, tiles: IntArray, machine: Machine) -> FloatArray:
    """(T,) cycles that a layer needs at least: each unit's own; half of all, two tiles being in flight."""
    out = np.empty(len(tiles))
    product = is_product(layer)
    rows_of_weights = 1.0 * layer.taps_x * layer.taps_y * layer.channels
    for t in range(len(tiles)):
        tile = tiles[t]
        load = rows_of_weights * up(layer.columns, tile[0]) * up(layer.rows, tile[1])
        load *= row_cycles(layer.filters, tile[2], layer.weight_bytes, 1, machine)
        execute = 0.0
        for last_p in range(2):
            columns, n_p = part(layer.columns, tile[0], last_p)
            for last_q in range(2):
                rows, n_q = part(layer.rows, tile[1], last_q)
                if n_p * n_q:
                    pixels = reach(columns, rows, tile[4], tile[5], layer)
                    block = block_cycles(columns, rows, machine)
                    found = pixel_bounds(tile, pixels, n_p * n_q, block, layer, machine)
                    load += found[0]
                    execute += found[1] + found[2]
        blocks = up(layer.filters % tile[2], machine.columns)
        blocks += layer.filters // tile[2] * up(tile[2], machine.columns)
        store = 1.0 * layer.columns * layer.rows * blocks * store_cycles(layer, machine)
        slots = (max(load, execute) if product else load + execute) + store
        out[t] = max(load, execute, store, slots / 2.0)
    return out


@compiled
def steps_of(layer: Layer, tile: Tile) -> int:
    """Tiles that are followed one by one: of pixels only the first few of each size."""
    pixels = min(up(layer.columns, tile.columns) * up(layer.rows, tile.rows), 4 * SAMPLES)
    taps = up(layer.taps_x, tile.taps_x) * up(layer.taps_y, tile.taps_y)
    return pixels * taps * up(layer.filters, tile.filters) * up(layer.channels, tile.channels)


@compiled
def follow(layer: Layer, tiles: IntArray, least: FloatArray, machine: Machine) -> tuple[int, int, float]:
    """Position of the fastest of the tiles looked at, how many those were, and its cycles."""
    best, found, spent = 0, np.inf, 0
    for t in range(len(tiles)):
        if least[t] * (1.0 + GAP) >= found or spent > BUDGET:
            return best, t, found
        size = tiles[t]
        tile = Tile(size[0], size[1], size[2], size[3], size[4], size[5])
        spent += steps_of(layer, tile)
        total = layer_cycles(layer, tile, machine).total
        if total < found:
            best, found = t, total
    return best, len(tiles), found


def best_tile(layer: Layer, room: Room, machine: Machine) -> Best | None:
    """The fastest tile that fits, within the gap it states; None: not even the smallest fits."""
    tiles = lattice(layer, room)
    if len(tiles) == 0:
        return None
    found = bounds(layer, tiles, machine)
    order = np.argsort(found, kind="stable")
    at, looked_at, total = follow(layer, tiles[order], found[order], machine)
    tile = Tile(*(int(n) for n in tiles[order[at]]))
    gap = total / float(found[order[looked_at]]) - 1.0 if looked_at < len(tiles) else 0.0
    return Best(tile, layer_cycles(layer, tile, machine), max(gap, 0.0))
