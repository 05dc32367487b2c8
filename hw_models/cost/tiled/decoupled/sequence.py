"""A layer's tiles one after the other: when each is loaded, executed and stored, two of them in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_models.cost.tiled.compiled import compiled
from hw_models.cost.tiled.decoupled.layer_cycles import (
    Cycles,
    Layer,
    Machine,
    Reuse,
    Tile,
    block_cycles,
    is_product,
    load_inputs,
    load_weights,
    reach,
    reuse_of,
    store_cycles,
    up,
)

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray

LOADED, EXECUTED, STORED, FREE, NEXT_FREE = range(5)
"""Times at which the units are done with the tile before, and slots for this tile and the next are free."""

EXECUTE, HITS, MISSES, STORE, STEPS, BLOCKS, REQUESTS, LINES = range(8)
"""Sums over tiles, in the order of `Cycles`."""

SAMPLES = 3
"""Tiles of pixels of one size that are followed; each further one takes as long as the last of them."""


@compiled
def advance(
    clock: FloatArray, load: float, execute: float, store: float, product: bool, clash: float
) -> None:
    """Let the next tile pass; `clash` is what loading and executing at once cost together."""
    start = max(clock[LOADED], clock[FREE])
    loaded = start + load
    executed = max(clock[EXECUTED], loaded) + execute
    if product:
        executed = max(max(clock[EXECUTED], start) + execute, loaded)
    executed += clash
    stored = max(clock[STORED], executed) + store
    clock[LOADED], clock[EXECUTED], clock[STORED] = loaded, executed, stored
    clock[FREE], clock[NEXT_FREE] = clock[NEXT_FREE], stored


@compiled
def pass_tile(
    clock: FloatArray,
    sums: FloatArray,
    at: Tile,
    size: Tile,
    block: float,
    reuse: Reuse,
    layer: Layer,
    machine: Machine,
) -> None:
    """One tile that starts at `at` and is `size` large; counts go to `sums`."""
    first_pixels = at.columns == 0 and at.rows == 0
    again = reuse.filters if at.filters > 0 else reuse.taps if at.taps_x > 0 or at.taps_y > 0 else 1.0
    pixels = reach(size.columns, size.rows, size.taps_x, size.taps_y, layer)
    inputs = load_inputs(pixels, at.channels, size.channels, again, reuse.filters, layer, machine)
    rows = size.taps_x * size.taps_y * size.channels
    fresh = 1.0 if first_pixels else reuse.pixels
    weights = load_weights(rows, at.filters, size.filters, fresh, reuse.neighbours, layer, machine)
    load = max(inputs[2], inputs[3]) + max(weights[2], weights[3])
    columns = up(size.filters, machine.columns)
    blocks = 1.0 * size.taps_x * size.taps_y * up(size.channels, machine.rows) * columns
    done = (
        at.channels + size.channels == layer.channels
        and at.taps_x + size.taps_x == layer.taps_x
        and at.taps_y + size.taps_y == layer.taps_y
    )
    pieces = 1.0 * size.columns * size.rows * columns if done else 0.0
    execute, store = blocks * block, pieces * store_cycles(layer, machine)
    advance(clock, load, execute, store, is_product(layer), machine.interference * min(load, execute))
    sums[EXECUTE] += execute
    sums[HITS] += inputs[2] + weights[2]
    sums[MISSES] += inputs[3] + weights[3]
    sums[STORE] += store
    sums[STEPS] += blocks * size.columns * size.rows
    sums[BLOCKS] += blocks
    sums[REQUESTS] += inputs[0] + weights[0]
    sums[LINES] += inputs[1] + weights[1]


@compiled
def pass_pixels(
    clock: FloatArray,
    sums: FloatArray,
    at: Tile,
    size: Tile,
    tile: Tile,
    reuse: Reuse,
    layer: Layer,
    machine: Machine,
) -> None:
    """All filters, taps and channels of one tile of pixels."""
    block = block_cycles(size.columns, size.rows, machine)
    for k in range(0, layer.filters, tile.filters):
        filters = min(tile.filters, layer.filters - k)
        for x in range(0, layer.taps_x, tile.taps_x):
            taps_x = min(tile.taps_x, layer.taps_x - x)
            for y in range(0, layer.taps_y, tile.taps_y):
                taps_y = min(tile.taps_y, layer.taps_y - y)
                for c in range(0, layer.channels, tile.channels):
                    here = Tile(at.columns, at.rows, k, c, x, y)
                    channels = min(tile.channels, layer.channels - c)
                    inner = Tile(size.columns, size.rows, filters, channels, taps_x, taps_y)
                    pass_tile(clock, sums, here, inner, block, reuse, layer, machine)


@compiled
def repeat(clock: FloatArray, sums: FloatArray, took: FloatArray) -> None:
    """Let a tile of pixels pass as the last one of its size did: its time first, then its counts."""
    for i in range(len(clock)):
        clock[i] += took[0]
    for i in range(len(sums)):
        sums[i] += took[1 + i]


@compiled
def layer_cycles(layer: Layer, tile: Tile, machine: Machine) -> Cycles:
    """Cycles of a layer in tiles of one size, those at the edges smaller; and what they load."""
    reuse = reuse_of(layer, tile, machine)
    clock, sums = np.zeros(5), np.zeros(8)
    seen, took = np.zeros(4), np.zeros((4, 9))
    for p in range(0, layer.columns, tile.columns):
        columns = min(tile.columns, layer.columns - p)
        for q in range(0, layer.rows, tile.rows):
            rows = min(tile.rows, layer.rows - q)
            kind = 2 * (columns < tile.columns) + (rows < tile.rows)
            if seen[kind] >= SAMPLES:
                repeat(clock, sums, took[kind])
                continue
            took[kind, 0] = -clock[STORED]
            for i in range(8):
                took[kind, 1 + i] = -sums[i]
            at, size = Tile(p, q, 0, 0, 0, 0), Tile(columns, rows, 0, 0, 0, 0)
            pass_pixels(clock, sums, at, size, tile, reuse, layer, machine)
            seen[kind] += 1
            took[kind, 0] += clock[STORED]
            for i in range(8):
                took[kind, 1 + i] += sums[i]
    return Cycles(clock[STORED], sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7])
