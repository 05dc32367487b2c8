"""Cycles of one layer on an array with decoupled load, execute and store, tile after tile in program order.

The loops outside a tile run, from the outermost: output columns, rows, filters, taps, input channels. Two
tiles are in flight: the loads of a tile wait until the one before the last has been stored, its execution for
its own loads, its stores for its execution. In a convolution no operand of a tile is used before all of it
has come; in a matrix product (one row, one tap) the array works while it comes.

Cycles are doubles, sizes counts of elements; a row of a memory of the array is as wide as the array.

Source: behaviour of Gemmini's loop unrollers and DMA (ucb-bar/gemmini, BSD-3-Clause: LoopConv.scala,
LoopMatmul.scala, DMA.scala, ExecuteController.scala), restated; what the text does not give is fitted, see
`calibration`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from hw_models.cost.tiled.compiled import compiled

ROUNDS = 60
"""Steps of the fixed point of `lost`; beyond them it moves by less than 1 %."""


class Layer(NamedTuple):
    """One convolution; with one row and one tap the product of (columns x channels) by (channels x filters).

    Extents of the loops, steps and spread of the taps along columns and rows, and bytes of one element. A
    pixel holds the channels, or filters, of all `groups` side by side; the layer is one of them.
    """

    columns: int
    rows: int
    filters: int
    channels: int
    taps_x: int
    taps_y: int
    stride_x: int
    stride_y: int
    dilation_x: int
    dilation_y: int
    weight_bytes: int
    input_bytes: int
    output_bytes: int
    groups: int = 1


class Tile(NamedTuple):
    """Extents of a tile in the order of the loops of a `Layer`."""

    columns: int
    rows: int
    filters: int
    channels: int
    taps_x: int
    taps_y: int


class Machine(NamedTuple):
    """Array and memory system.

    Attributes:
        rows, columns: of the array: channels and filters of a block of weights.
        least_rows: pixels that a step of the array takes at least.
        bus, line: bytes that come in a cycle, that one request asks for at most.
        cache: byte of the shared cache.
        span: byte; strides that are multiples of it find their lines slower.
        pair: cycles between two commands to preload and compute, on average.
        request: cycles of a request that hits, beside its beats on the bus.
        miss, strided_miss: cycles of a line that misses, and what a stride of `span` adds.
        interference: share of the shorter of loading and executing that their overlap costs.
        same_line_store: cycles that a store of a row waits for one to the same line.
    """

    rows: int
    columns: int
    least_rows: int
    bus: int
    line: int
    cache: float
    span: int
    pair: float
    request: float
    miss: float
    strided_miss: float
    interference: float
    same_line_store: float


class Cycles(NamedTuple):
    """Of a layer: total, then what each unit is busy, and what moved.

    Attributes:
        total: from the first request to the last store.
        execute, hits, misses, store: sums over tiles; hits: requests and beats, misses: lines that come from
            the external memory.
        steps: rows that stream through the array, one for each block of weights; blocks: of weights loaded.
        requests, lines: of loads; lines that miss.
    """

    total: float
    execute: float
    hits: float
    misses: float
    store: float
    steps: float
    blocks: float
    requests: float
    lines: float


class Reuse(NamedTuple):
    """Chance that a line is gone when it is wanted again.

    Inputs by the next filters and by the next taps, a line of weights by the neighbouring filters, and all
    weights by the next pixels.
    """

    filters: float
    taps: float
    neighbours: float
    pixels: float


@compiled
def up(a: int, b: int) -> int:
    """Smallest whole number that is at least a / b."""
    return -(-a // b)


@compiled
def common(a: int, b: int) -> int:
    """Greatest common divisor."""
    while b:
        a, b = b, a % b
    return a


@compiled
def lines_of(start: int, length: int, stride: int, line: int) -> float:
    """Lines that a row of `length` bytes touches, on the mean over rows `stride` apart from `start`.

    A row comes in pieces of a line's length from its own start, so a misaligned piece touches two lines.
    """
    step = common(stride, line)
    total = 0.0
    for shift in range(start % step, line, step):
        for piece in range(0, length, line):
            total += up((shift + piece) % line + min(line, length - piece), line)
    mean: float = total * step / line
    return mean


@compiled
def lost(distance: float, cache: float) -> float:
    """Chance that a line is gone when `distance` bytes come round again and again.

    With random replacement in W ways each miss pushes out a line with chance 1 / W; of x = distance / cache
    lines a way, x (1 - p) miss in a round, so that p = exp(-x (1 - p)) of the lines stay. The cache of
    Chipyard replaces at random (sifive/block-inclusivecache-sifive, Directory.scala).
    """
    ways = distance / cache
    if ways <= 1.0:
        return 0.0
    stay = 0.0
    for _ in range(ROUNDS):
        stay = math.exp(-ways * (1.0 - stay))
    return 1.0 - stay


@compiled
def is_product(layer: Layer) -> bool:
    """Whether it runs as a matrix product."""
    return layer.rows == 1 and layer.taps_x == 1 and layer.taps_y == 1


@compiled
def reach(columns: int, rows: int, taps_x: int, taps_y: int, layer: Layer) -> int:
    """Input pixels that are loaded: all between the steps, also where the taps leave some out."""
    x = columns * layer.stride_x + (taps_x - 1) * layer.dilation_x
    y = rows * layer.stride_y + (taps_y - 1) * layer.dilation_y
    pixels: int = columns if is_product(layer) else x * y
    return pixels


@compiled
def reuse_of(layer: Layer, tile: Tile, machine: Machine) -> Reuse:
    """From the bytes touched between two uses of a line.

    Rows of weights a power of two apart share few sets of the cache, so that they push out each other.
    """
    row, line = layer.filters * layer.weight_bytes, machine.line
    taps = layer.taps_x * layer.taps_y * layer.channels
    columns, rows = min(tile.columns, layer.columns), min(tile.rows, layer.rows)
    pixel = layer.channels * layer.input_bytes
    image = 1.0 * (pixel if layer.groups == 1 else max(line, pixel))
    image *= reach(columns, rows, tile.taps_x, tile.taps_y, layer)
    piece = max(line, tile.filters * layer.weight_bytes)
    outputs = columns * rows * layer.output_bytes
    sets = (
        min(1.0, up(piece, line) * line / max(common(row, 65536), line))
        if tile.filters < layer.filters
        else 1.0
    )
    return Reuse(
        lost(image + 1.0 * taps * piece + 2.0 * outputs * tile.filters, machine.cache),
        lost(image + 1.0 * layer.channels * piece, machine.cache),
        lost(image + 1.0 * taps * up(piece, line) * line / sets, machine.cache),
        lost(image + 1.0 * taps * row + 1.0 * outputs * layer.filters, machine.cache),
    )


@compiled
def block_cycles(columns: int, rows: int, machine: Machine) -> float:
    """Cycles of one block of weights: its pixels, in groups along a row of the image, or their commands.

    The first group takes at least as long as the next block's weights need to come in.
    """
    whole, rest = columns // machine.rows, columns % machine.rows
    group = whole * machine.rows + (max(rest, machine.least_rows) if rest else 0)
    first = machine.rows - max(min(columns, machine.rows), machine.least_rows)
    return max(1.0 * rows * group + max(first, 0), machine.pair * rows * up(columns, machine.rows))


@compiled
def miss_cycles(stride: int, layer: Layer, machine: Machine) -> float:
    """Cycles of a line that misses, rows `stride` bytes apart."""
    slow = stride % machine.span == 0 and not is_product(layer)
    return machine.miss + (machine.strided_miss if slow else 0.0)


@compiled
def load_inputs(
    pixels: int, first: int, channels: int, again: float, beside: float, layer: Layer, machine: Machine
) -> tuple[float, float, float, float]:
    """Requests, lines that miss, cycles of both, of the pixels of a tile.

    Each pixel with `channels` from the channel `first` on. `again`: chance that they have to come from the
    external memory; `beside`: the same of a line that holds other channels too.
    """
    row, piece = layer.groups * layer.channels * layer.input_bytes, channels * layer.input_bytes
    touched = lines_of(first * layer.input_bytes, piece, row, machine.line)
    fresh = piece / machine.line
    lines = pixels * min(touched, fresh + max(touched - fresh, 0.0) * beside) * again
    hits = pixels * (touched * machine.request + piece / machine.bus)
    return pixels * touched, lines, hits, lines * miss_cycles(row, layer, machine)


@compiled
def load_weights(
    rows: int, first: int, filters: int, again: float, beside: float, layer: Layer, machine: Machine
) -> tuple[float, float, float, float]:
    """As `load_inputs`, of `rows` rows of weights, one for each tap and channel."""
    row, piece = layer.filters * layer.weight_bytes, filters * layer.weight_bytes
    touched = lines_of(first * layer.weight_bytes, piece, row, machine.line)
    fresh = piece / machine.line
    lines = rows * (fresh + (touched - fresh) * beside) * again
    hits = rows * (touched * machine.request + piece / machine.bus)
    return rows * touched, lines, hits, lines * miss_cycles(row, layer, machine)


@compiled
def store_cycles(layer: Layer, machine: Machine) -> float:
    """Cycles to store one pixel of a block: request, beats, and the wait for its neighbour's line."""
    shared = max(0.0, 1.0 - layer.groups * layer.filters * layer.output_bytes / machine.line)
    beats = machine.columns * layer.output_bytes / machine.bus
    return machine.request + beats + machine.same_line_store * shared
