"""Contractions as the machine runs them: an image of output, an image of input, taps, and how it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.tiled.block.search import CONV, DEPTHWISE, PRODUCT, VECTOR_PRODUCT
from hw_models.cost.tiled.problem import FX, FY, OX, OY, C, G, K, N

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.tiled.problem import Problems

LAYER: Final = ("oy", "ox", "k", "iy", "ix", "c", "fy", "fx", "sy", "sx")
"""Columns of `Layers.shape`."""


@dataclass(frozen=True, eq=False)
class Layers:
    """D contractions.

    Attributes:
        shape: (D, 10) see `LAYER`; taps with the room that dilation leaves between them.
        taps: (D, 2) taps that count.
        how: (D,) CONV, DEPTHWISE, VECTOR_PRODUCT or PRODUCT.
        times: (D,) images and groups, one after the other.
    """

    shape: IntArray
    taps: IntArray
    how: IntArray
    times: FloatArray

    @classmethod
    def of(cls, problems: Problems) -> Layers:
        """Depthwise layers keep their channels together; groups of others and images run one by one.

        The rows of a matrix product are laid out as the squarest image there is, as a fully connected layer's
        batch is (`tflite_graph_optimiser.py` of ethos-u-vela 5.2.0, `convert_batched_fc_shape`).
        """
        d, (n, g, k, c) = problems.dims, problems.dims[:, [N, G, K, C]].T
        depthwise = (c == 1) & (g > 1)
        is_row = (d[:, OY] == 1) & (d[:, FY] == 1) & (d[:, FX] == 1) & (problems.in_size[:, 0] <= 1)
        oy = np.where(is_row, [squarest(int(x)) for x in d[:, OX]], d[:, OY])
        ox = np.where(is_row, d[:, OX] // np.maximum(oy, 1), d[:, OX])
        reach = (d[:, [FY, FX]] - 1) * problems.dilation + 1
        size = np.where(is_row[:, None], np.stack([oy, ox], axis=1), problems.in_size)
        depth = np.where(depthwise, g * k, c)
        shape = np.stack(
            [oy, ox, np.where(depthwise, g * k, k), *size.T, depth, *reach.T, *problems.stride.T], axis=1
        )
        dense = np.where(problems.weight_is_activation, PRODUCT, CONV)
        how = np.where(depthwise, DEPTHWISE, np.where(is_row & (oy * ox == 1), VECTOR_PRODUCT, dense))
        times = (n * np.where(depthwise, 1, g)).astype(np.float64)
        return cls(shape.astype(np.int64), d[:, [FY, FX]], how.astype(np.int64), times)


def squarest(count: int) -> int:
    """The largest divisor up to the square root."""
    return next(d for d in range(int(count**0.5), 0, -1) if count % d == 0)
