"""What the loop dimensions of a convolution leave open: strides, dilations, input size, padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import GEOMETRY
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.workload.graph import Workload

NONE: Final = (1, 1, 1, 1, 0, 0, 0, 0, 0)
"""Geometry of a kernel that is no convolution."""


def geometry(workload: Workload, ops: Sequence[int], convolution: Sequence[bool]) -> NDArray[np.int64]:
    """(K, 9) columns of `hw_models.cost.arrays.GEOMETRY` for the main operator of each kernel.

    Args:
        workload: the network.
        ops: its operator that each kernel's main step stands for.
        convolution: whether that step still is the convolution (it may have become something else).
    """
    rows = [
        _of_conv(workload, o) if conv and workload.op_kind[o] == OpKind.CONV else NONE
        for o, conv in zip(ops, convolution, strict=True)
    ]
    return np.array(rows, np.int64).reshape(len(rows), len(GEOMETRY))


def _of_conv(workload: Workload, op: int) -> tuple[int, ...]:
    """Of three spatial axes the first two count as one, as in the loop dimensions."""
    attrs: Mapping[str, Any] = workload.op_attrs[op]
    x, weight = workload.in_tensor[workload.in_ptr[op] : workload.in_ptr[op] + 2]
    axes = max(len(_shape(workload, weight)) - 2, 1)
    size = _planes(_shape(workload, x)[-axes:])
    stride, dilation = (_pair(attrs.get(name, (1, 1))) for name in ("stride", "dilation"))
    taps = workload.op_dims[op, 6:8].tolist()
    out = workload.op_dims[op, 4:6].tolist()
    transposed = bool(attrs.get("transposed", False))
    given = attrs.get("padding", 0)
    if given == "same":
        axis = zip(out, stride, dilation, taps, size, strict=True)
        need = [(o - 1) * s + d * (f - 1) + 1 - i for o, s, d, f, i in axis]
        pad = [max(n, 0) // 2 for n in need]
    elif given == "valid" or not given:
        pad = [0, 0]
    else:
        begins = [int(p) for p in (given if isinstance(given, Sequence) else [given] * axes)][:axes]
        pad = [0, begins[0]] if len(begins) == 1 else begins[-2:]
    return (*stride, *dilation, *size, *pad, int(transposed))


def _shape(workload: Workload, tensor: int) -> list[int]:
    start, stop = workload.tensor_ptr[tensor : tensor + 2]
    shape: list[int] = workload.tensor_dims[start:stop].tolist()
    return shape


def _planes(sizes: Sequence[int]) -> tuple[int, int]:
    """(y, x) of spatial sizes."""
    return prod(sizes[:-1]), sizes[-1]


def _pair(values: Sequence[int]) -> tuple[int, int]:
    return int(values[0]), int(values[-1])
