"""The block of SRAM that activations and buffered weights share.

Source: `scheduler.py` of ethos-u-vela 5.2.0 (`propose_weight_buffering`): weights that are read more than
once are copied to the SRAM, as much of them ahead as the operation before leaves time for; what does not fit
that time follows in two buffers that take turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.tiled.block.traffic import BRICK
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray
    from hw_models.lowering.network import LoweredNetwork

ALIGNMENT: Final = 16.0
"""Bytes in whose multiples tensors lie. Source: `Tensor.alignment`, tensor.py of ethos-u-vela 5.2.0."""


def arena_bytes(
    live: FloatArray, weights: FloatArray, cycles: FloatArray, buffered: NDArray[np.bool_], per_cycle: float
) -> float:
    """Most that is taken at once, over K kernels in the order they run; no fragmentation is assumed.

    Args:
        live: (K,) bytes of activations that exist while each kernel runs.
        weights: (K,) bytes of its weights.
        cycles: (K,) it takes.
        buffered: (K,) whether its weights are copied to the SRAM.
        per_cycle: bytes per cycle at which they arrive; NaN: they lie in the SRAM anyway.
    """
    if not len(live) or np.isnan(per_cycle):
        return float(live.max(initial=0.0))
    before = np.append(cycles[:1], cycles[:-1])
    ahead = np.where(buffered, np.minimum(weights, before * per_cycle), 0.0)
    held = np.where(buffered, np.minimum(weights, 2.0 * ahead), 0.0)
    following = np.append(ahead[1:], 0.0)
    taken = np.ceil(live / ALIGNMENT) * ALIGNMENT + held + following
    return float(taken.max())


def bricks(net: LoweredNetwork) -> FloatArray:
    """(V,) elements of each value as it lies in memory: activations of images in bricks of 16 channels.

    What comes from outside or goes there lies as the network's file says. Source: `TensorFormat.NHCWB16`,
    tensor.py of ethos-u-vela 5.2.0.
    """
    channels, stored = np.ones(len(net.elements)), net.elements.astype(np.float64)
    outside = np.zeros(len(stored), np.bool_)
    outside[net.inputs] = outside[net.outputs] = True
    for kernel, kind in enumerate(net.kind):
        read, written = (e.value[e.kernel == kernel] for e in (net.reads, net.writes))
        groups, k = net.dims[kernel, 1:3]
        match kind:
            case OpKind.CONV:
                width = groups * k
            case OpKind.POOL | OpKind.RESIZE:
                width = net.dims[kernel, 1]
            case OpKind.ELEMENTWISE | OpKind.LAYOUT if len(read):
                width = channels[read[net.elements[read].argmax()]]
            case _:
                width = 1
        channels[written] = width
    wide = (channels > 1) & ~outside
    stored[wide] *= -(-channels[wide] // BRICK) * BRICK / channels[wide]
    return stored
