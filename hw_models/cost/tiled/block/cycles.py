"""Cycles of a contraction in blocks of output: MACs, output unit, commands, and what leads in and out.

Source: `npu_performance.py` of ethos-u-vela 5.2.0 (`_estimate_conv_cycles`) and what the C++ compiler of the
same release, which it runs by default, reports per layer: it counts edge blocks by their share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.tiled.block.search import (
    CONV,
    DEPTHWISE,
    DOT,
    PART_DEPTH,
    PART_KERNEL,
    PART_TAPS,
    SUB_KERNEL,
    best_block,
    traversal,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.tiled.block.layers import Layers
    from hw_models.cost.tiled.block.machine import BlockMachine

STEP: Final = 4
"""Cycles of one unit of output per step: eight products of four inputs each."""

COMMANDS: Final = 4
"""Blocks whose commands are in flight together."""

LATENCY_SHARE: Final = 1.0 / 256.0
"""Share of a read's latency that fetching one byte of a scale record costs."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """What was chosen for D layers: (D, 3) block and unit of output; (D,) order of traversal."""

    block: IntArray
    unit: IntArray
    order: IntArray

    @property
    def found(self) -> NDArray[np.bool_]:
        """(D,) whether any block fits."""
        fits: NDArray[np.bool_] = self.block[:, 0] > 0
        return fits


def chosen(layers: Layers, machine: BlockMachine) -> Blocks:
    """The unit that wastes least of the output, the first of equals, then the block of least traffic."""
    shape, how = layers.shape, layers.how
    out = shape[:, :3].astype(np.float64)
    waste = [(-(-out // u) * u / out).prod(axis=1) for u in machine.units]
    unit = np.where((how == DEPTHWISE)[:, None], machine.depthwise, machine.units[np.argmin(waste, axis=0)])
    block, order = np.zeros((len(shape), 3), np.int64), np.zeros(len(shape), np.int64)
    for d in range(len(shape)):
        block[d] = best_block(shape[d], int(how[d]), unit[d], machine.limits, machine.room)
        taps = int(shape[d, 6] * shape[d, 7])
        order[d] = traversal(int(shape[d, 5]), taps, int(how[d]), machine.limits)
    return Blocks(block, unit, order)


@dataclass(frozen=True, eq=False)
class Cycles:
    """Of D layers, one image and group: (D,) MACs, output unit, all together, share of it that leads in."""

    mac: FloatArray
    output: FloatArray
    total: FloatArray


def counted(layers: Layers, at: Blocks, machine: BlockMachine) -> Cycles:
    """Cycles without any wait for weights."""
    out, block, unit = layers.shape[:, :3], np.maximum(at.block, 1), at.unit.copy()
    flat = (
        (unit[:, 0] == 2)
        & (out[:, 0] == 1)
        & (layers.taps[:, 0] == 1)
        & (out[:, 1] % 2 == 0)
        & (unit[:, 1] == 2)
    )
    unit[flat, 0], unit[flat, 1] = 1, 4
    inside = np.minimum(block, out)
    units = -(-inside // unit)
    plane, deep = units[:, 0] * units[:, 1], units[:, 2]
    steps, repeat = _steps(layers, at, machine)
    least = machine.value["decode"] * unit[:, 2]
    mac = (
        np.maximum(least[:, None] * repeat, STEP * plane[:, None] * steps[:, [1]])
        * steps[:, [0]]
        * deep[:, None]
    )
    mac = mac[:, 0] + _delay(plane, deep, steps[:, 0], repeat[:, 0], machine)
    mac /= machine.cores
    rounded = -(-out // unit) * unit
    count = np.maximum(rounded / np.minimum(-(-block // unit) * unit, rounded), 1.0).prod(axis=1)
    elements = inside.prod(axis=1)
    result = machine.value["output"] * elements
    bias = machine.value["record"] * inside[:, 2] * machine.sram.latency * LATENCY_SHARE
    slower = np.maximum(result, bias)
    first, last = _edges(layers, at, machine, inside)
    commands = (first + last + mac + slower) / COMMANDS
    busy, other = np.maximum(mac, slower), np.minimum(mac, slower)
    total = np.maximum(busy, np.where(count > 1.0, commands, 0.0)) * count + other
    total += first + np.maximum(last, mac / COMMANDS)
    return Cycles(mac * count, result * count, total)


def _steps(layers: Layers, at: Blocks, machine: BlockMachine) -> tuple[FloatArray, FloatArray]:
    """(D, 2) steps over taps, and over input channels; (D, 1) how often weights are decoded for them."""
    taps, depth = _sub_kernels(layers.taps, at.order == PART_KERNEL), layers.shape[:, 5]
    part = (at.order == PART_KERNEL) & (layers.how != DEPTHWISE)
    held = np.minimum(depth, PART_DEPTH)
    groups = -(-held // DOT) * -(-depth // PART_DEPTH)
    hold, step = machine.value["depth"], machine.value["depth_step"]
    blocks = -(-depth // hold)
    deep = blocks * -(-np.minimum(depth, hold) // step) * step / (DOT * STEP) if step < hold else blocks * 1.0
    over = np.where(part, groups, np.where(layers.how == DEPTHWISE, 1.0, deep))
    decoded = np.where(part, groups, np.where(layers.how == DEPTHWISE, 1.0, blocks))
    return np.stack([taps, over], axis=1), decoded[:, None].astype(np.float64)


def _sub_kernels(taps: IntArray, part: IntArray) -> FloatArray:
    """(D,) steps over the taps of all sub-kernels: groups of four in part-kernel order, else each."""
    total = np.zeros(len(taps))
    for d, (fy, fx) in enumerate(taps.tolist()):
        for y in range(0, fy, SUB_KERNEL):
            for x in range(0, fx, SUB_KERNEL):
                inside = min(fy - y, SUB_KERNEL) * min(fx - x, SUB_KERNEL)
                total[d] += -(-inside // PART_TAPS) if part[d] else inside
    return total


def _delay(
    plane: IntArray, deep: IntArray, steps: FloatArray, repeat: FloatArray, machine: BlockMachine
) -> FloatArray:
    """(D,) waits where a block is one unit wide and high, so that each step needs the last one's sum."""
    alone = np.where(deep == 1, steps, (steps - 1) * deep)
    waits: FloatArray = np.where(plane == 1, machine.value["delay"] * alone * repeat, 0.0)
    return waits


def _edges(
    layers: Layers, at: Blocks, machine: BlockMachine, inside: IntArray
) -> tuple[FloatArray, FloatArray]:
    """(D,) cycles to fetch the first block of input, and to write the last one of output."""
    held = input_block(layers, at, machine)
    source = np.minimum(held[:, :2], layers.shape[:, 3:5]).prod(axis=1) * np.minimum(
        held[:, 2], layers.shape[:, 5]
    )
    wide = np.nan_to_num(machine.sram.per_cycle, nan=np.inf)
    return machine.sram.latency + source / wide, machine.sram.latency + inside.prod(axis=1) / wide


def input_block(layers: Layers, at: Blocks, machine: BlockMachine) -> IntArray:
    """(D, 3) rows, columns and channels of input that a block of output is made from, in whole units."""
    reach, stride = np.minimum(layers.shape[:, 6:8], SUB_KERNEL), layers.shape[:, 8:10]
    sides = -(-((at.block[:, :2] - 1) * stride + reach) // at.unit[:, :2]) * at.unit[:, :2]
    hold = np.where(at.order == PART_KERNEL, PART_DEPTH, machine.limits[6])
    depth = np.where(
        layers.how == DEPTHWISE, at.block[:, 2], np.minimum(-(-layers.shape[:, 5] // DOT) * DOT, hold)
    )
    return np.concatenate([sides, depth[:, None]], axis=1)


__all__ = ["CONV", "Blocks", "Cycles", "chosen", "counted", "input_block"]
