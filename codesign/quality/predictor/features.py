"""What is told of a network without training it, for any space: its knobs, and what can be counted of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from codesign.search.cost_aware.known import Counts
from hw_models.errors import CodesignError
from hw_models.workload.op import OpKind, TensorKind
from search_spaces.features import Featured

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

FloatArray = NDArray[np.float64]

COUNTED_KINDS: Final = (
    OpKind.CONV,
    OpKind.GEMM,
    OpKind.ATTENTION,
    OpKind.NORM,
    OpKind.SOFTMAX,
    OpKind.ELEMENTWISE,
    OpKind.POOL,
)
"""Operators whose number tells networks apart; views and layouts are no part of what is computed."""
CONTRACTIONS: Final = (OpKind.CONV, OpKind.GEMM, OpKind.ATTENTION)


def counted_of(workload: Workload) -> FloatArray:
    """(17,) what a network is made of.

    ln of MACs, parameters, elements of the input and of all tensors that are computed; ln(1 + number) of
    operators by kind; contractions on the longest path; share of MACs in depthwise, other grouped and 1x1
    convolutions, in matrix products and in attention.
    """
    kinds, macs = workload.op_kind, workload.op_macs.astype(np.float64)
    tensors, elements = workload.tensor_kind, workload.tensor_elements.astype(np.float64)
    sizes = [
        macs.sum(),
        workload.params,
        elements[tensors == TensorKind.INPUT].sum(),
        elements[tensors == TensorKind.ACTIVATION].sum(),
    ]
    numbers = [float((kinds == k).sum()) for k in COUNTED_KINDS]
    dims = workload.op_dims
    conv, groups, taps = kinds == OpKind.CONV, dims[:, 1], dims[:, 6] * dims[:, 7]
    depthwise = conv & (groups > 1) & (dims[:, 3] == 1)
    parts = [
        depthwise,
        conv & (groups > 1) & ~depthwise,
        conv & (groups == 1) & (taps == 1),
        kinds == OpKind.GEMM,
        kinds == OpKind.ATTENTION,
    ]
    total = max(float(macs.sum()), 1.0)
    shares = [float(macs[p].sum()) / total for p in parts]
    logs = np.log1p(np.array([*sizes, *numbers, _longest_path(workload)], np.float64))
    return np.concatenate([logs, shares])


def _longest_path(workload: Workload) -> int:
    """Contractions on the path through most of them."""
    depth = np.zeros(workload.n_tensors, np.int64)
    for op in range(len(workload)):
        before = max((int(depth[t]) for t in workload.op_inputs(op)), default=0)
        here = before + int(workload.op_kind[op] in CONTRACTIONS)
        for tensor in workload.op_outputs(op):
            depth[tensor] = here
    return int(depth.max(initial=0))


def counts_of(space: SearchSpace) -> Counts | None:
    """What a space counts of its networks; where it counts nothing, what their workloads tell.

    None where the networks have no workload either, as of a table: then the knobs alone are known.
    """
    if isinstance(space, Featured):
        return space.features
    try:
        space.workload(next(iter(space.candidates())))
    except CodesignError:
        return None

    def counts(candidates: Sequence[Candidate]) -> FloatArray:
        return np.array([counted_of(space.workload(c)) for c in candidates])

    return counts


def joined(*counts: Counts) -> Counts:
    """Several counts side by side, such as those of a space and `ProxyQuality.features`."""

    def every(candidates: Sequence[Candidate]) -> FloatArray:
        return np.concatenate([c(candidates) for c in counts], axis=1)

    return every
