"""Multiply-accumulates as the counters behind published tables count them.

A table that states MACs tells which network was measured only to those who count as its author did: counters
that look at modules alone leave out products of two activations, take a transposed convolution for one over
its output, or add two operations for each element of a norm.

Source: thop and ptflops count so (hooks of modules; `count_convNd`, `count_normalization`), paddle.flops too.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.workload.graph import Workload

NORM_OPERATIONS: Final = 2
"""Scale and shift of an element."""


def counted_macs(workload: Workload) -> tuple[int, ...]:
    """Multiply-accumulates of one inference by every convention, this project's own first."""
    own = workload.op_macs
    corrections = (_between_activations(workload), _of_transposed(workload), _of_norms(workload))
    totals = [
        int(own.sum() + sum(c.sum() for c, taken in zip(corrections, chosen, strict=True) if taken))
        for chosen in product((False, True), repeat=len(corrections))
    ]
    return tuple(dict.fromkeys(totals))


def nearest_count(workload: Workload, stated: float) -> int:
    """The count, by whichever convention, that is nearest to a stated number of multiply-accumulates."""
    return min(counted_macs(workload), key=lambda count: abs(count - stated))


def _between_activations(workload: Workload) -> NDArray[np.int64]:
    """(O,) what leaving out products of two activations takes off: negative there, else 0."""
    without = np.array([not attrs.get("weights") for attrs in workload.op_attrs], np.bool_)
    products = (workload.op_kind == OpKind.GEMM) & without
    counted: NDArray[np.int64] = workload.op_macs * ((workload.op_kind == OpKind.ATTENTION) | products)
    return -counted


def _of_transposed(workload: Workload) -> NDArray[np.int64]:
    """(O,) what counting a transposed convolution for each position of its output adds."""
    factor = [
        int(np.prod(attrs["stride"])) - 1 if attrs.get("transposed") else 0 for attrs in workload.op_attrs
    ]
    added: NDArray[np.int64] = workload.op_macs * np.array(factor, np.int64)
    return added


def _of_norms(workload: Workload) -> NDArray[np.int64]:
    """(O,) operations of norms."""
    elements: NDArray[np.int64] = workload.op_dims.prod(axis=1) * (workload.op_kind == OpKind.NORM)
    return NORM_OPERATIONS * elements
