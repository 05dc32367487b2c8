"""Contractions as integer arrays: what has to be computed, before anyone says where and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from hw_models.workload.op import LOOP_DIMS, OpKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, IntArray

LOOPS: Final = LOOP_DIMS[OpKind.CONV]
"""Names of the eight loops, in the order of the columns: n, g, k, c, oy, ox, fy, fx (k and c per group)."""

N, G, K, C, OY, OX, FY, FX = range(8)


@dataclass(frozen=True, eq=False)
class Problems:
    """D contractions; each is a convolution, of which a matrix product is the case of one tap.

    A product of (m x c) by (c x k) has ox = m; `batch` independent ones have g = batch. Attention is two of
    them. A depthwise convolution has k = c = 1 and g = channels.

    Attributes:
        dims: (D, 8) extents of the loops `LOOPS`.
        stride, dilation: (D, 2) along y and x.
        in_size: (D, 2) rows and columns of the input as stored, without padding; pad: (D, 2) before
            the first.
        weight_bits, input_bits, output_bits: (D,) bits of one element as stored in the outer memory.
        weight_is_activation: (D,) the second operand was computed by the network (attention).
        kernel: (D,) row of `Kernels` that it is part of; where it comes from elsewhere, its own position.
    """

    dims: IntArray
    stride: IntArray
    dilation: IntArray
    in_size: IntArray
    pad: IntArray
    weight_bits: FloatArray
    input_bits: FloatArray
    output_bits: FloatArray
    weight_is_activation: NDArray[np.bool_]
    kernel: IntArray

    def __len__(self) -> int:
        return len(self.dims)

    @classmethod
    def of(
        cls,
        dims: Sequence[Sequence[int]] | IntArray,
        *,
        stride: Any = 1,
        dilation: Any = 1,
        in_size: Any = None,
        pad: Any = 0,
        bits: tuple[float, float, float] = (8.0, 8.0, 8.0),
    ) -> Self:
        """Problems from plain numbers, each broadcast to all of them.

        Args:
            dims: (D, 8) extents in the order of `LOOPS`.
            stride: along y and x, one number or (D, 2).
            dilation: the same.
            in_size: (D, 2); None: the least input, without padding, that gives the output.
            pad: before the first row and column.
            bits: of one weight, input and output as stored.
        """
        extent = np.asarray(dims, np.int64).reshape(-1, 8)
        d = len(extent)

        def pair(value: Any) -> IntArray:
            given = np.asarray(value, np.int64)
            return np.broadcast_to(given if given.ndim == 2 else given.reshape(1, -1), (d, 2)).copy()

        steps, spread = pair(stride), pair(dilation)
        least = (extent[:, [OY, OX]] - 1) * steps + (extent[:, [FY, FX]] - 1) * spread + 1
        size = least - 2 * pair(pad) if in_size is None else pair(in_size)
        each = [np.full(d, float(b)) for b in bits]
        is_activation, row = np.zeros(d, np.bool_), np.arange(d)
        weight, inputs, output = each
        return cls(extent, steps, spread, size, pair(pad), weight, inputs, output, is_activation, row)

    @classmethod
    def gemm(cls, m: int, k: int, c: int, *, batch: int = 1, **options: Any) -> Self:
        """`batch` products of (m x c) by (c x k), input by weights."""
        return cls.of([[1, batch, k, c, 1, m, 1, 1]], **options)

    def take(self, rows: Any) -> Self:
        """The problems at these positions."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @property
    def macs(self) -> FloatArray:
        """(D,) multiply-accumulates: the product of all loops."""
        product: FloatArray = self.dims.astype(np.float64).prod(axis=1)
        return product

    @property
    def weight_elements(self) -> FloatArray:
        """(D,) elements of the weights, g k c fy fx."""
        product: FloatArray = self.dims[:, [G, K, C, FY, FX]].astype(np.float64).prod(axis=1)
        return product

    @property
    def input_elements(self) -> FloatArray:
        """(D,) elements of the input as stored, n g c in_y in_x."""
        product: FloatArray = self.dims[:, [N, G, C]].astype(np.float64).prod(axis=1)
        product *= self.in_size.astype(np.float64).prod(axis=1)
        return product

    @property
    def output_elements(self) -> FloatArray:
        """(D,) elements of the output, n g k oy ox."""
        product: FloatArray = self.dims[:, [N, G, K, OY, OX]].astype(np.float64).prod(axis=1)
        return product
