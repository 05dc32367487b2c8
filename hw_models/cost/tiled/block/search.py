"""The output block that a compiler for such a machine picks: every block that fits is weighed by its fetches.

Sources: `architecture_allocator.py` of ethos-u-vela 5.2.0 (Apache-2.0), `find_block_config`, whose rule this
is; compiled, because a layer has thousands of blocks.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hw_models.cost.tiled.compiled import compiled

IntArray = NDArray[np.int64]

CONV, DEPTHWISE, VECTOR_PRODUCT, PRODUCT = range(4)
"""How a contraction is run: over input channels, channel by channel, as a product with one row, or as a
product of activations."""

DEPTH_FIRST, PART_KERNEL = range(2)
"""Order of the products: taps outside input channels, or groups of taps inside few channels."""

NO_BLOCK: Final = 0
ACCUMULATORS: Final = 2
"""Copies of the accumulators and of the input: one is filled while the other is read."""
DOT: Final = 8
"""Products that one MAC unit adds in a cycle."""
SUB_KERNEL: Final = 8
"""Taps a side that one pass takes. Source: `sub_kernel_limits` in architecture_features.py."""
PART_TAPS: Final = 4
PART_DEPTH: Final = 16
SMALL: Final = 4
"""A tie goes to the block that covers more of the input only up to this size a side."""


@compiled
def up(value: int, step: int) -> int:
    """The next multiple of `step`."""
    return -(-value // step) * step


@compiled
def traversal(depth: int, taps: int, how: int, limits: IntArray) -> int:
    """The order that wastes fewer products, part kernel where both waste as many; see `BlockMachine.limits`.

    Sources: `_choose_kernel_method`; which of equals: the C++ compiler's reports.
    """
    granule, shallow, most_taps = limits[4], limits[7], limits[8]
    if how == DEPTHWISE:
        return PART_KERNEL
    if how == PRODUCT:
        return DEPTH_FIRST
    if how == VECTOR_PRODUCT and most_taps == 0:
        return DEPTH_FIRST
    if depth <= shallow:
        return PART_KERNEL
    if most_taps > 0:
        return DEPTH_FIRST if taps <= most_taps else PART_KERNEL
    deep = up(depth, granule) * taps
    part = up(depth, DOT) * up(taps, PART_TAPS)
    return PART_KERNEL if part <= deep else DEPTH_FIRST


@compiled
def input_side(out: int, stride: int, taps: int, unit: int) -> int:
    """Rows of input behind `out` rows of output, rounded up to the array's unit."""
    return up((out - 1) * stride + min(taps, SUB_KERNEL), unit)


@compiled
def fits(block: IntArray, source: IntArray, room: IntArray, more: int) -> bool:
    """Whether accumulators of an output block and its input fit on the chip.

    Args:
        block: rows, columns, channels of the output; channels in multiples of the unit.
        source: the same of the input.
        room: see `BlockMachine.room`.
        more: times the room of memories of their own that a layer gets.
    """
    outputs, inputs = block[0] * block[1] * up(block[2], DOT), source[0] * source[1] * up(source[2], DOT)
    if room[0] > 0:
        return bool(outputs <= room[0] * more and inputs <= room[1] * more)
    bank, banks, granule, acc_granule = room[2], room[3], room[4], room[5]
    held = up(-(-inputs // bank) * ACCUMULATORS, granule)
    summed = up(-(-outputs * 4 // bank) * ACCUMULATORS, acc_granule)
    return bool(held + summed <= banks)


@compiled
def best_block(layer: IntArray, how: int, unit: IntArray, limits: IntArray, room: IntArray) -> IntArray:
    """Rows, columns and channels of the output block with the least traffic; zeros where none fits.

    Args:
        layer: output rows, columns, channels; input rows, columns, channels; taps y, x (with dilation);
            strides y, x.
        how: CONV, DEPTHWISE or VECTOR_PRODUCT.
        unit: rows, columns, channels of the array's unit of output.
        limits: see `BlockMachine`.
        room: see `BlockMachine`.
    """
    oy, ox, k, iy, ix, c, fy, fx, sy, sx = layer
    space = np.array(
        [up(min(oy, limits[0]), unit[0]), up(min(ox, limits[1]), unit[1]), up(min(k, limits[2]), unit[2])]
    )
    split, more = limits[3], room[6] if how == DEPTHWISE else 1
    space[2] = max(space[2], limits[9])
    order = traversal(c, fy * fx, how, limits)
    held = limits[5] if order == PART_KERNEL else limits[6]
    held = up(min(c, held), DOT)
    repeats = -(-fx // SUB_KERNEL) * -(-fy // SUB_KERNEL)
    weights = 0 if how == VECTOR_PRODUCT else fy * fx
    depth = max(unit[2], min(space[2], split))
    if depth < k:
        depth = up(depth, split)
    best, coverage = math.inf, math.inf
    out, block, source = np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(3, np.int64)
    while depth <= space[2]:
        for height in range(unit[0], space[0] + 1, unit[0]):
            wide_enough = space[1]
            for width in range(unit[1], wide_enough + 1, unit[1]):
                block[:] = height, width, depth
                source[0] = input_side(height, sy, fy, unit[0])
                source[1] = input_side(width, sx, fx, unit[1])
                source[2] = depth if how == DEPTHWISE else held
                if unit[0] == 2 and oy == 1 and fy == 1:
                    block[0] = 1
                if not fits(block, source, room, more):
                    break
                cost = _fetches(layer, how, block, source, repeats, weights)
                if cost > best:
                    continue
                if cost == best:
                    covered = iy * ix / (min(iy, source[0]) * min(ix, source[1]))
                    if covered > coverage or height > SMALL or width > SMALL:
                        continue
                    coverage = covered
                else:
                    coverage = math.inf
                best = cost
                out[:] = height, width, depth
        depth += unit[2]
        if depth < k:
            depth = up(depth, split)
    return out


@compiled
def _fetches(
    layer: IntArray, how: int, block: IntArray, source: IntArray, repeats: int, weights: int
) -> float:
    """Elements fetched per element of output."""
    oy, ox, k, iy, ix, c = layer[:6]
    across = -(-oy // block[0]) * -(-ox // block[1])
    weight = weights * c * across
    held = source[0] * source[1] * c * repeats * (oy / block[0]) * (ox / block[1])
    if how != DEPTHWISE:
        weight *= k
        held *= -(-k // block[2])
    cost = (held + weight) / (oy * ox * k)
    if iy * ix * c < source[0] * source[1] * source[2] * ACCUMULATORS:
        cost /= 2
    return float(cost)
