"""Kernels without MACs, on the vector unit: bytes by level of memory, passes over the data, gathers.

A chip with explicit memories streams them: operands come from the external memory or are still on the chip,
pass the last on-chip memory, and go through the vector unit once for each pass. Nothing here is searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw_models.cost.arrays import ACTIONS, GEOMETRY, RESOURCES, FloatArray, KernelClass
from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, MAC, SRAM, VECTOR
from hw_models.cost.tiled.kernels import ACTIVATION_BITS, BITS_PER_BYTE
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.cost.arrays import IntArray, Kernels
    from hw_models.cost.chips import Chips

TWO_PASSES: Final = (KernelClass.NORM, KernelClass.SOFTMAX)
"""Classes that need a statistic of a whole row before they can write its first element. Source: Milakov and
Gimelshein, 2018, arXiv:1805.02867: a softmax reads its row twice where maximum and sum are kept together;
a norm's mean and variance come from one pass as well (Welford, Technometrics 1962)."""

WIDTH: Final = 1
RUN: Final = GEOMETRY.index("in_x")


class Streams(NamedTuple):
    """Seconds (U, C, R) and actions (U, C, A) of kernels streamed through the vector unit."""

    seconds: FloatArray
    actions: FloatArray


def streamed(kernels: Kernels, chips: Chips, miss: FloatArray) -> Streams:
    """What each kernel asks of each chip, its MACs left out.

    Args:
        kernels: any; of those with MACs only the vector work and their own bytes are meant.
        chips: as arrays, class figures filled in.
        miss: (U, C) share of the activation bytes that crosses to the external memory.
    """
    again = second_pass(kernels, chips)
    activations = kernels.read_bytes[:, None]
    fetched = activations * miss * run_overhead(kernels, chips)
    dram_read = kernels.weight_bytes[:, None] + fetched + activations * again.outside
    dram_write = kernels.write_bytes[:, None] * miss
    sram_read = kernels.weight_bytes[:, None] + activations * (1.0 + again.inside) + dram_write
    sram_write = kernels.write_bytes[:, None] + dram_read
    local_write = activations * again.kept
    counted = {
        "vector_op": kernels.vector_ops[:, None],
        "dram_read": dram_read,
        "dram_write": dram_write,
        "sram_read": sram_read,
        "sram_write": sram_write,
        "local_read": 2.0 * local_write,
        "local_write": local_write,
    }
    shape = (kernels.n_distinct, len(chips))
    actions, seconds = np.zeros((*shape, len(ACTIONS))), np.full((*shape, len(RESOURCES)), np.nan)
    for name, count in counted.items():
        actions[..., ACTIONS.index(name)] = count
    seconds[..., MAC] = seconds[..., ISSUE] = 0.0
    seconds[..., VECTOR] = _vector_seconds(kernels, chips)
    seconds[..., DRAM] = (dram_read + dram_write) / chips.dram_bandwidth
    seconds[..., SRAM] = port_seconds(sram_read, sram_write, chips)
    touches = (dram_read + dram_write) > 0
    seconds[..., EXPOSED] = np.where(touches, np.nan_to_num(chips.dram_latency), 0.0)
    return Streams(seconds, actions)


class SecondPass(NamedTuple):
    """(U, C) how often the activations are read once more, by where they are then.

    Attributes:
        inside: in the last on-chip memory.
        outside: in the external memory.
        kept: in a memory inside the last on-chip one.
    """

    inside: FloatArray
    outside: FloatArray
    kept: FloatArray


def second_pass(kernels: Kernels, chips: Chips) -> SecondPass:
    """Where norms and softmaxes read a row from the second time.

    From a memory beside the vector unit if it holds the row, else from the last on-chip memory, and where a
    row does not fit there either, from the external memory again.
    """
    twice = np.isin(kernels.cls, TWO_PASSES)[:, None]
    row = kernels.dims[:, WIDTH] * ACTIVATION_BITS[kernels.vector_math] / BITS_PER_BYTE
    kept = twice & (row[:, None] <= np.nan_to_num(chips.local_capacity))
    outside = twice & ~kept & (row[:, None] > np.nan_to_num(chips.sram_capacity, nan=np.inf))
    inside = twice & ~kept
    return SecondPass(inside.astype(np.float64), outside.astype(np.float64), kept.astype(np.float64))


def run_overhead(kernels: Kernels, chips: Chips) -> FloatArray:
    """(U, C) bytes moved over bytes wanted where a gather's runs do not fill bursts; 1 elsewhere.

    A run of b bytes takes ceil(b / burst) bursts; where it starts is not modelled.
    """
    run = kernels.geometry[:, RUN] * ACTIVATION_BITS[kernels.vector_math] / BITS_PER_BYTE
    scattered = (kernels.kind == OpKind.GATHER) & (run > 0)
    run = np.where(scattered, run, 1.0)[:, None]
    moved = np.ceil(run / chips.dram_burst) * chips.dram_burst / run
    return np.where(scattered[:, None] & np.isfinite(moved), moved, 1.0)


def port_seconds(read: FloatArray, write: FloatArray, chips: Chips) -> FloatArray:
    """(U, C) time of the last on-chip memory: of its busier port where they are apart, else of both sums."""
    shared = (read + write) / chips.sram_bandwidth
    alone = np.fmax(read / chips.sram_read_bandwidth, write / chips.sram_write_bandwidth)
    return np.where(np.isnan(alone), shared, alone)


def _vector_seconds(kernels: Kernels, chips: Chips) -> FloatArray:
    """(U, C) time of the vector unit; a recurrence takes at least a cycle for each of its steps."""
    rate = chips.vector_peak.T[kernels.vector_math]
    ops = kernels.vector_ops[:, None]
    seconds = np.where(ops == 0, 0.0, ops / rate)
    steps = _steps(kernels)[:, None] / chips.clock
    return np.where(np.isnan(steps), seconds, np.maximum(seconds, steps))


def _steps(kernels: Kernels) -> IntArray:
    steps: IntArray = np.where(kernels.kind == OpKind.SCAN, kernels.dims[:, 0], 0)
    return steps
