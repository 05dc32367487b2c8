"""What the loop dimensions leave open: strides, dilations, input size, padding; the runs of a gather."""

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
    rows = []
    for o, conv in zip(ops, convolution, strict=True):
        kind = workload.op_kind[o]
        if conv and kind == OpKind.CONV:
            rows.append(_of_conv(workload, o))
        else:
            rows.append(_of_gather(workload, o) if kind == OpKind.GATHER else NONE)
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


def _of_gather(workload: Workload, op: int) -> tuple[int, ...]:
    """Of a gather the elements in one piece: as far as source and result agree in their last dimensions.

    An embedding of (words, width) gives (..., width): runs of `width`. Where they agree throughout, nothing
    was picked out and all is one run.
    """
    start, stop = workload.in_ptr[op : op + 2]
    if stop == start:
        return NONE
    source = _shape(workload, workload.in_tensor[start])
    result = _shape(workload, workload.out_tensor[workload.out_ptr[op]])
    run = 1
    for a, b in zip(reversed(source), reversed(result), strict=False):
        if a != b:
            break
        run *= a
    return (*NONE[:5], run, *NONE[6:])


def _shape(workload: Workload, tensor: int) -> list[int]:
    start, stop = workload.tensor_ptr[tensor : tensor + 2]
    shape: list[int] = workload.tensor_dims[start:stop].tolist()
    return shape


def _planes(sizes: Sequence[int]) -> tuple[int, int]:
    """(y, x) of spatial sizes."""
    return prod(sizes[:-1]), sizes[-1]


def _pair(values: Sequence[int]) -> tuple[int, int]:
    return int(values[0]), int(values[-1])
