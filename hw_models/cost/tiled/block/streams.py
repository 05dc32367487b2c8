"""What is not a contraction, on the output unit: activations are free, element-wise work and pooling is not.

A convolution's activation is part of its output; an addition that the network's lowering merged into it is
an operation of its own here, after it. Sources: `npu_performance.py` of ethos-u-vela 5.2.0
(`_estimate_output_cycles_per_element`) and the per-layer reports of its C++ compiler; the operations that a
softmax becomes are those of `softmax.py` of the same release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import RESOURCES
from hw_models.cost.tiled.block.cycles import chosen, counted
from hw_models.cost.tiled.block.layers import Layers, squarest
from hw_models.cost.tiled.block.machine import outer_rate
from hw_models.cost.tiled.block.search import DEPTHWISE
from hw_models.cost.tiled.block.traffic import BRICK
from hw_models.workload.op import OpKind
from hw_models.workload.vector_cost import SOFTMAX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, IntArray, Kernels
    from hw_models.cost.tiled.block.machine import BlockMachine

VECTOR, EXPOSED = RESOURCES.index("vector"), RESOURCES.index("exposed")

LEAST_TAPS: Final = 4.0
"""Steps of a pooling of fewer taps, and of a table look-up, which runs as one."""

WIDE_PASSES: Final = 6.0
"""32-bit passes over every element of a softmax: subtract, exponential, shift, sum, product, shift."""

WIDE_BYTES: Final = 8.0
"""Read and written by such a pass."""

WIDE_ELEMENT: Final = 4.0
"""Bytes of an element between such passes."""

WIDE_BESIDE: Final = 6.0
"""Bytes per element of a softmax beyond its own input and output: it reads and writes 32 bit inside."""

ROW_PASSES: Final = 28.0
"""32-bit operations on one number a row, most of them Newton-Raphson steps of the reciprocal of the sum."""

ROW_LEAST: Final = 16.0
"""Elements that any operation takes as long as."""

BESIDE_SOFTMAX: Final = 3.0
"""Operations per element that may be merged with a softmax and leave it one: a scale, a mask."""

LOOKED_UP: Final = 4.0
"""Operations per element from which on an activation is a table look-up."""

BINARY: Final = 1.5
"""Bytes in over bytes out of an element-wise operation from which on it has two operands."""


def stream_cycles(kernels: Kernels, machine: BlockMachine) -> FloatArray:
    """(U, R) cycles of the output unit, and of merged operations; NaN: no resource of its own.

    What has no rule of its own runs operation by operation at the rate of additions, a norm in 32 bit.
    """
    cycles = np.full((kernels.n_distinct, len(RESOURCES)), np.nan)
    dims, out = kernels.dims.astype(np.float64), kernels.out_elements
    kind, value = kernels.kind, machine.value
    two, gated = kernels.read_bytes > BINARY * kernels.write_bytes, kernels.read_bytes > kernels.write_bytes
    single = max(LEAST_TAPS * value["tap"], value["output"], value["look_up"])
    rules = {
        OpKind.ELEMENTWISE: out * np.where(two, value["add"], np.where(gated, value["multiply"], single)),
        OpKind.POOL: _pooled(dims[:, :4].prod(axis=1), dims[:, 4] * dims[:, 5], dims[:, 2:4], machine),
        OpKind.REDUCE: _mean(kernels.dims[:, 0], _planes(kernels.dims[:, 1]), kind == OpKind.REDUCE, machine),
        OpKind.SOFTMAX: _softmax(dims[:, 0], dims[:, 1], machine),
        OpKind.LAYOUT: np.zeros(len(dims)),
        OpKind.RESIZE: out * single,
        OpKind.NORM: kernels.vector_ops * value["wide"],
    }
    streamed = kernels.macs == 0
    cycles[streamed, VECTOR] = kernels.vector_ops[streamed] * value["add"]
    for named, rule in rules.items():
        rows = (kind == named) & streamed
        cycles[rows, VECTOR] = rule[rows]
    contracts = kernels.macs > 0
    cycles[contracts, VECTOR] = np.where(_looked_up(kernels), out * value["look_up"], 0.0)[contracts]
    after = (
        value["add"] * added_elements(kernels) + _scores(kernels, machine) + _merged_mean(kernels, machine)
    )
    after += _laid_out(kernels, machine)
    cycles[contracts, EXPOSED] = after[contracts]
    return cycles


def _pooled(elements: FloatArray, taps: FloatArray, plane: FloatArray, machine: BlockMachine) -> FloatArray:
    """(U,) cycles; a unit of output takes as long whether it is full or not."""
    unit = machine.depthwise[:2]
    waste = (-(-plane // unit) * unit / np.maximum(plane, 1.0)).prod(axis=1)
    per_element = np.maximum(
        np.maximum(taps, LEAST_TAPS) * machine.value["tap"] * waste, machine.value["output"]
    )
    cycles: FloatArray = elements * per_element
    return cycles


def _planes(taps: IntArray) -> IntArray:
    """(U, 2) rows and columns of what a reduction takes together."""
    rows = np.array([squarest(int(n)) for n in taps], np.int64)
    return np.stack([rows, taps // np.maximum(rows, 1)], axis=1)


def _mean(channels: IntArray, plane: IntArray, where: NDArray[np.bool_], machine: BlockMachine) -> FloatArray:
    """(U,) cycles where it counts: a depthwise layer whose taps are the plane, which leaves one pixel.

    Source: `convert_mean_to_depthwise_conv`, tflite_graph_optimiser.py of ethos-u-vela 5.2.0.
    """
    cycles, one = np.zeros(len(channels)), np.ones((int(where.sum()), 2), np.int64)
    k, taps = channels[where, None], plane[where]
    shape = np.concatenate([one, k, taps, k, taps, one], axis=1)
    how, times = np.full(len(shape), DEPTHWISE, np.int64), np.ones(len(shape))
    layers = Layers(shape, taps, how, times)
    cycles[where] = counted(layers, chosen(layers, machine), machine).total
    return cycles


def _merged_mean(kernels: Kernels, machine: BlockMachine) -> FloatArray:
    """(U,) cycles of a mean over the plane merged behind a convolution: what is written tells it.

    One element a channel, alone or beside the convolution's own output.
    """
    dims = kernels.dims
    channels, plane = dims[:, :3].prod(axis=1), dims[:, 4:6]
    own = channels * plane.prod(axis=1)
    averages = (kernels.out_elements == channels) | (kernels.out_elements == own + channels)
    averages &= (kernels.kind == OpKind.CONV) & (plane.prod(axis=1) > 1)
    return _mean(channels, plane, averages, machine)


def _laid_out(kernels: Kernels, machine: BlockMachine) -> FloatArray:
    """(U,) cycles that operands and results of an attention's products take to be laid out head by head.

    All but the scores, the largest of the three, where the machine states what that moves.
    """
    dims = kernels.dims.astype(np.float64)
    heads, rows, columns, depth = dims[:, 0], dims[:, 1], dims[:, 2], dims[:, 3]
    three = heads * np.stack([rows * depth, columns * depth, rows * columns])
    product = (kernels.kind == OpKind.GEMM) & (kernels.weight_bytes == 0) & (heads > 1)
    elements = np.where(product, three.sum(axis=0) - three.max(axis=0), 0.0)
    fused = dims[:, :2].prod(axis=1) * (dims[:, 2] + dims[:, 3]) * (dims[:, 4] + dims[:, 5])
    elements = np.where(kernels.kind == OpKind.ATTENTION, fused, elements)
    cycles: FloatArray = elements * machine.value["turned"] / machine.sram.per_cycle
    return cycles


def _softmax(rows: FloatArray, width: FloatArray, machine: BlockMachine) -> FloatArray:
    """(U,) cycles; where it is stated, each element takes a constant from the external memory.

    The exponentials are written, read for their sum and read for the product, those that are summed once
    each; whichever of the two does not fit the SRAM beside the other goes through the external memory.
    """
    wide, sram, outer = machine.value["wide"], machine.sram.per_cycle, machine.outer.per_cycle
    constants = machine.value["constants"] / outer if machine.value["constants"] else 0.0
    elements, least = rows * width, np.fmax(wide, WIDE_BYTES / sram)
    crosses = _crosses(elements, machine)
    read = np.where(crosses, WIDE_ELEMENT / outer_rate(machine, "input_flight"), 0.0)
    write = np.where(crosses[0], WIDE_ELEMENT / outer, 0.0)
    through = [write, read[0], read[1], read[0]]
    each = sum((np.fmax(least, t) for t in through), (WIDE_PASSES - len(through)) * least)
    passes = elements * (each + machine.value["turned"] / sram + constants)
    cycles: FloatArray = passes + ROW_PASSES * wide * np.maximum(rows, ROW_LEAST)
    return cycles


def _looked_up(kernels: Kernels) -> NDArray[np.bool_]:
    """(U,) contractions with an activation that is more than one or two comparisons per element."""
    each = kernels.vector_ops / np.maximum(kernels.out_elements, 1.0)
    looked_up: NDArray[np.bool_] = (each >= LOOKED_UP) & ~_softmax_merged(kernels)
    return looked_up


def _softmax_merged(kernels: Kernels) -> NDArray[np.bool_]:
    """(U,) products with a softmax behind them: its work on every element, perhaps with a scale or a mask."""
    each = kernels.vector_ops / np.maximum(kernels.out_elements, 1.0)
    merged: NDArray[np.bool_] = (
        (kernels.kind == OpKind.GEMM) & (each >= SOFTMAX) & (each < SOFTMAX + BESIDE_SOFTMAX)
    )
    return merged


def softmax_elements(kernels: Kernels) -> FloatArray:
    """(U,) elements that a softmax of each kernel works on."""
    dims = kernels.dims.astype(np.float64)
    scores = np.where(kernels.kind == OpKind.ATTENTION, dims[:, :4].prod(axis=1), kernels.out_elements)
    has = (kernels.kind == OpKind.ATTENTION) | (kernels.kind == OpKind.SOFTMAX) | _softmax_merged(kernels)
    elements: FloatArray = np.where(has, scores, 0.0)
    return elements


def softmax_bytes(kernels: Kernels, machine: BlockMachine) -> FloatArray:
    """(U,) bytes of the SRAM that softmaxes take beside their own input and output.

    Where only one of the two wide tensors fits, and where none does, the copy that lays rows out as columns.
    """
    elements = softmax_elements(kernels)
    whole = WIDE_BESIDE * elements
    one = (WIDE_ELEMENT - 1.0) * elements
    none = np.where(machine.value["turned"] > 0, elements, 0.0)
    first, second = _crosses(elements, machine)
    taken: FloatArray = np.where(second, none, np.where(first, one, whole))
    return taken


def _crosses(elements: FloatArray, machine: BlockMachine) -> NDArray[np.bool_]:
    """(2, U) whether the exponentials, and what is summed of them, lie in the external memory."""
    tensor = WIDE_ELEMENT * elements
    outside: NDArray[np.bool_] = np.stack([2.0 * tensor, tensor]) > machine.sram_bytes
    return outside & machine.io_outside


def _scores(kernels: Kernels, machine: BlockMachine) -> FloatArray:
    """(U,) cycles of the softmax of an attention, or of one merged behind a product."""
    dims = kernels.dims.astype(np.float64)
    merged, attention = _softmax_merged(kernels), kernels.kind == OpKind.ATTENTION
    rows = np.where(attention, dims[:, :3].prod(axis=1), kernels.out_elements / np.maximum(dims[:, 2], 1.0))
    width = np.where(attention, dims[:, 3], dims[:, 2])
    cycles: FloatArray = np.where(merged | attention, _softmax(rows, width, machine), 0.0)
    return cycles


def added_elements(kernels: Kernels) -> FloatArray:
    """(U,) elements of additions merged behind a contraction, whose result waits beside the other operand.

    As many as more operands come in, one byte each, in whole bricks of channels.
    """
    more = np.maximum(kernels.read_bytes - _own_input(kernels), 0.0)
    more = np.where(more >= kernels.out_elements, kernels.out_elements, 0.0)
    channels = kernels.dims[:, 1:3].prod(axis=1)
    channels = np.where(kernels.kind == OpKind.CONV, np.maximum(channels, 1), BRICK)
    elements: FloatArray = more * (-(-channels // BRICK) * BRICK / channels)
    return elements


def _own_input(kernels: Kernels) -> FloatArray:
    """(U,) bytes of the contraction's own activations, at one byte an element."""
    dims, size = kernels.dims.astype(np.float64), kernels.geometry[:, 4:6].astype(np.float64)
    conv = dims[:, 0] * dims[:, 1] * dims[:, 3] * size.prod(axis=1)
    gemm = dims[:, 0] * dims[:, 1] * dims[:, 3]
    second = np.where(kernels.weight_bytes > 0, 0.0, dims[:, 0] * dims[:, 2] * dims[:, 3])
    own: FloatArray = np.where(
        kernels.kind == OpKind.CONV, conv, np.where(kernels.kind == OpKind.GEMM, gemm + second, np.inf)
    )
    return own
