"""What a network's graph tells of it without training: sizes, depth, and what its work is made of.

For any network that can be read, so that a search of any space has more to learn from than the knobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from search_spaces.candidate import Candidate

FloatArray = NDArray[np.float64]


@runtime_checkable
class Featured(Protocol):
    """A space that counts something of its candidates, the same for equal networks."""

    def features(self, candidates: Sequence[Candidate]) -> FloatArray:
        """(n, f) numbers that tell good networks from bad ones: counts, logarithms of sizes."""
        ...


LEVELS: Final = 5
"""Resolutions, each half of the one before, whose shares of the work are told apart."""
FUNCTIONS: Final = (
    "relu",
    "hardswish",
    "silu",
    "gelu",
    "sigmoid",
    "batch_norm",
    "layer_norm",
    "softmax",
    "add",
    "mul",
    "cat",
    "mean",
)
"""Functions that are counted."""
FEATURES: Final = (
    "log_macs",
    "log_params",
    "log_activations",
    "log_positions",
    "log_longest",
    "log_shortest",
    "log_width",
    "log_taps",
    "depthwise_share",
    "gemm_share",
    "attention_share",
    *(f"level_{i}_share" for i in range(LEVELS)),
    *(f"log_{name}" for name in FUNCTIONS),
)
"""What `workload_features` returns, in its order."""


def workload_features(workload: Workload) -> FloatArray:
    """(28,) numbers, named by `FEATURES`.

    Natural logarithms of: MACs; parameters; elements that contractions write, which says more of run time
    and accuracy than MACs do; positions of the finest contraction; contractions on the longest and on the
    shortest path; mean channels and taps of a MAC, 1 added to counts. Shares are of the MACs; level i is
    1 / 2^i of the finest resolution and the last one all below.
    Source: Radosavovic et al.: Designing Network Design Spaces, CVPR 2020, for activations, depth and width.
    """
    does = np.flatnonzero(workload.op_macs > 0)
    kind, d, macs = workload.op_kind[does], workload.op_dims[does], workload.op_macs[does].astype(np.float64)
    conv, gemm, attention = (kind == k for k in (OpKind.CONV, OpKind.GEMM, OpKind.ATTENTION))
    positions = np.select([conv, gemm], [d[:, 4] * d[:, 5], d[:, 1]], d[:, 2])
    width = np.select([conv, gemm], [d[:, 1] * d[:, 2], d[:, 0] * d[:, 2]], d[:, 1] * d[:, 5])
    taps = np.where(conv, d[:, 6] * d[:, 7], 1)
    depthwise = conv & (d[:, 1] > 1) & (d[:, 3] == 1)
    share = macs / max(macs.sum(), 1.0)
    finest = positions.max(initial=1)
    level = np.clip(np.rint(np.log2(finest / positions) / 2), 0, LEVELS - 1).astype(np.intp)
    longest, shortest = _depths(workload)
    called = Counter(str(attrs.get("fn", "")) for attrs in workload.op_attrs)
    sizes = [max(macs.sum(), 1.0), max(workload.params, 1), max(width @ positions, 1), finest]
    return np.array(
        [
            *np.log(sizes),
            *np.log1p([longest, shortest]),
            share @ np.log(width),
            share @ np.log(taps),
            *(float(share[which].sum()) for which in (depthwise, gemm, attention)),
            *np.bincount(level, share, LEVELS),
            *np.log1p([called[name] for name in FUNCTIONS]),
        ],
        np.float64,
    )


def _depths(workload: Workload) -> tuple[int, int]:
    """Most and least contractions on a path from what the network is given to what it returns."""
    work = (workload.op_macs > 0).tolist()
    reads, writes = workload.in_tensor.tolist(), workload.out_tensor.tolist()
    into, out = workload.in_ptr.tolist(), workload.out_ptr.tolist()
    moves = workload.tensor_batched.tolist()
    most, least = [0] * workload.n_tensors, [0] * workload.n_tensors
    for op, here in enumerate(work):
        came = [t for t in reads[into[op] : into[op + 1]] if moves[t]]
        if came:
            for t in writes[out[op] : out[op + 1]]:
                most[t] = max(most[s] for s in came) + here
                least[t] = min(least[s] for s in came) + here
    ends = workload.outputs
    return max((most[t] for t in ends), default=0), min((least[t] for t in ends), default=0)
