"""What an operator is: its kind, its loop dimensions, the precision of its tensors.

One vocabulary for every reader of networks (torch, ONNX) and every later stage. A contraction has eight loop
dimensions at most; every other kind has a few of its own. Unused positions are 1, so that a product over the
row is always the number of iterations.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

N_DIMS: Final = 8

TRACER_VERSION: Final = 2
"""Raised whenever the torch reader gives a module other rows; traces kept by another one are not used."""


class OpKind(IntEnum):
    """Class of operator; the code is what the arrays hold, the lower-case name is what tables show."""

    CONV = 0
    GEMM = 1
    ATTENTION = 2
    NORM = 3
    SOFTMAX = 4
    ELEMENTWISE = 5
    REDUCE = 6
    POOL = 7
    RESIZE = 8
    GATHER = 9
    LAYOUT = 10
    VIEW = 11
    SCAN = 12
    UNKNOWN = 13

    @property
    def label(self) -> str:
        """Name as it stands in tables."""
        return self.name.lower()


LOOP_DIMS: Final[dict[OpKind, tuple[str, ...]]] = {
    # n images, g groups, k outputs and c inputs per group, oy x ox output (transposed: input) positions,
    # fy x fx taps
    OpKind.CONV: ("n", "g", "k", "c", "oy", "ox", "fy", "fx"),
    # batch independent products of (m x c) by (c x k); a linear layer has batch 1 and m = all its rows
    OpKind.GEMM: ("batch", "m", "k", "c"),
    # batch x heads independent (lq x d)(d x lk) and (lq x lk)(lk x dv); key heads count once per query head
    OpKind.ATTENTION: ("batch", "heads", "lq", "lk", "d", "dv"),
    OpKind.NORM: ("rows", "width"),
    OpKind.SOFTMAX: ("rows", "width"),
    OpKind.ELEMENTWISE: ("elements",),
    OpKind.REDUCE: ("outputs", "reduced"),
    OpKind.POOL: ("n", "c", "oy", "ox", "fy", "fx"),
    OpKind.RESIZE: ("n", "c", "oy", "ox", "taps"),
    OpKind.GATHER: ("elements",),
    OpKind.LAYOUT: ("elements",),
    OpKind.VIEW: ("elements",),
    # a recurrence or cumulative sum that runs `steps` one after the other over `width` elements each
    OpKind.SCAN: ("steps", "width"),
    OpKind.UNKNOWN: ("elements",),
}
"""Names of the leading loop dimensions of each kind; the rest of the eight are 1."""


class Precision(IntEnum):
    """Number format of a tensor or of an arithmetic unit."""

    FP64 = 0
    FP32 = 1
    TF32 = 2
    BF16 = 3
    FP16 = 4
    FP8 = 5
    INT64 = 6
    INT32 = 7
    INT16 = 8
    INT8 = 9
    UINT8 = 10
    INT4 = 11
    BOOL = 12
    FP4 = 13
    COMPLEX64 = 14
    W8A16 = 15
    W4A16 = 16
    COMPLEX128 = 17

    @property
    def label(self) -> str:
        """Name as it stands in specs, tables and knobs."""
        return self.name.lower()


BITS: Final[dict[Precision, int]] = {
    Precision.FP64: 64,
    Precision.FP32: 32,
    Precision.TF32: 32,
    Precision.BF16: 16,
    Precision.FP16: 16,
    Precision.FP8: 8,
    Precision.INT64: 64,
    Precision.INT32: 32,
    Precision.INT16: 16,
    Precision.INT8: 8,
    Precision.UINT8: 8,
    Precision.INT4: 4,
    Precision.BOOL: 8,
    Precision.FP4: 4,
    Precision.COMPLEX64: 64,
    Precision.W8A16: 16,
    Precision.W4A16: 16,
    Precision.COMPLEX128: 128,
}
"""Storage bits of one activation element; in the mixed schemes w8a16 and w4a16 weights have 8 and 4 bits."""


class TensorKind(IntEnum):
    """Where a tensor comes from."""

    INPUT = 0
    WEIGHT = 1
    CONSTANT = 2
    ACTIVATION = 3
