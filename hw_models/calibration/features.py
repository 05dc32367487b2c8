"""What a network computes, as few numbers: networks that are near in them err alike.

Time in a kernel weighs it, on a nominal engine of the kind, so that features are the network's and not the
chip's: a residual then moves no chip against another, and a faster chip stays faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import RESOURCES, KernelClass
from hw_models.cost.combine import shares
from hw_models.cost.roofline import DRAM, ISSUE, MAC, VECTOR
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, Kernels

DENSE: Final = (
    KernelClass.CONV,
    KernelClass.POINTWISE,
    KernelClass.GROUPED,
    KernelClass.GEMM,
    KernelClass.BATCHED_GEMM,
)
CONVOLUTIONS: Final = (
    KernelClass.CONV,
    KernelClass.POINTWISE,
    KernelClass.GROUPED,
    KernelClass.DEPTHWISE,
)
CLASSES: Final = tuple(c for c in KernelClass if c is not KernelClass.UNMODELLED)
LEAST_SHARE: Final = 1e-3
"""Share of the time below which the kernels that a mean is over are not there."""

_SHARES: Final = {f"sqrt_time_{c.label}": (0.0, 1.6) for c in CLASSES} | {
    f"time_{r}": (0.0, 2.0) for r in ("mac", "vector", "dram", "issue")
}
_MEANS: Final = {
    "log2_sum": (8.0, 11.0),
    "log2_outputs": (8.0, 12.0),
    "log2_rows": (9.0, 13.0),
    "windows": (0.0, 2.0),
    "log2_window_depthwise": (3.2, 5.0),
    "log2_groups": (4.0, 5.0),
    "log2_group_width": (5.0, 5.5),
    "strided": (0.0, 3.0),
    "large_window": (0.0, 3.2),
    "log2_sequence": (8.0, 7.0),
    "log2_head": (5.0, 3.5),
    "log2_norm_width": (8.0, 15.0),
    "log2_softmax_width": (7.0, 5.0),
    "log2_elementwise_bytes": (16.0, 12.0),
}
_WHOLE: Final = {
    "spread_sum": 3.2,
    "spread_outputs": 4.0,
    "log_kernels": 6.0,
    "log_intensity": 8.0,
    "log2_batch": 4.0,
}

FEATURES: Final = (*_SHARES, *_MEANS, *_WHOLE)
"""Names: square roots of the shares of time by class, shares by resource; means over the time of kernels of a
kind (sums, outputs and rows of products per input, windows, groups, sequences, widths); spread of sums and
outputs; number of kernels, MACs per byte, inputs."""

LENGTHS: Final = np.array(
    [
        *(length for _, length in _SHARES.values()),
        *(length for _, length in _MEANS.values()),
        *_WHOLE.values(),
    ]
)
"""(F,) difference at which two networks are strangers in one feature: eight standard deviations over the
visible timm networks; of the batch four octaves. Source: families left out of RTX 3090, 4090 and i9-10940X
score within 0.3 points of MAPE from three to twelve deviations."""

_FALLBACKS: Final = {name: value for name, (value, _) in _MEANS.items()}


NOMINAL: Final = {
    "gpu": (100e12, 20e12, 1e12, 2.3e-6),
    "cpu": (1e12, 0.3e12, 50e9, 30e-6),
    "npu": (40e12, 1e12, 50e9, 6e-6),
}
"""By kind of engine: op/s of products and of the vector unit, byte/s of the outer memory, s a kernel.
Source: between the public figures of the chips of that kind; only their ratios count. A kind that is not here
is as an NPU."""

OVERLAP: Final = 4.0
"""Exponent of the p-norm over a kernel's resources."""


def network_features(kernels: Kernels, kind: str) -> FloatArray:
    """(W, F) features of every network on engines of a kind, in the order of `FEATURES`."""
    return _features(_sums(kernels, _nominal(kernels, kind)), kernels.batch.astype(np.float64))


def _nominal(kernels: Kernels, kind: str) -> FloatArray:
    """(U, R) s of each kernel that the resources of the nominal engine answer for."""
    products, vector, outer, issue = NOMINAL.get(kind, NOMINAL["npu"])
    on_vector = kernels.cls == KernelClass.DEPTHWISE
    seconds = np.zeros((kernels.n_distinct, 1, len(RESOURCES)))
    seconds[:, 0, MAC] = np.where(on_vector, 0.0, 2.0 * kernels.macs / products)
    seconds[:, 0, VECTOR] = (kernels.vector_ops + np.where(on_vector, 2.0 * kernels.macs, 0.0)) / vector
    seconds[:, 0, DRAM] = kernels.outer_bytes / outer
    seconds[:, 0, ISSUE] = issue
    found: FloatArray = shares(seconds, OVERLAP)[:, 0]
    return found


def _sums(kernels: Kernels, spent: FloatArray) -> FloatArray:
    """(W, Q) sums over the kernels of every network that features are made from; `spent` is (U, R) s."""
    seconds = spent.sum(axis=1)
    columns = [
        *(seconds * (kernels.cls == c) for c in CLASSES),
        *(spent[:, r] for r in (MAC, VECTOR, DRAM, ISSUE)),
    ]
    for mask, value in _described(kernels).values():
        columns += [seconds * mask, seconds * mask * value]
    dense = np.isin(kernels.cls, DENSE)
    for value in _product(kernels)[:2]:
        columns += [seconds * dense * value**2]
    columns += [np.ones(kernels.n_distinct), kernels.macs, kernels.outer_bytes, seconds]
    found: FloatArray = kernels.counts @ np.column_stack(columns)
    return found


def _features(total: FloatArray, batch: FloatArray) -> FloatArray:
    """(W, F) features from `_sums` (W, Q) and inputs of one step (W,)."""
    n_shares = len(_SHARES)
    time = np.maximum(total[:, -1:], 1e-30)
    share = total[:, :n_shares] / time
    share[:, : len(CLASSES)] = np.sqrt(np.maximum(share[:, : len(CLASSES)], 0.0))
    means = {}
    log_batch = np.log2(batch)
    for place, name in enumerate(_MEANS):
        weight, value = total[:, n_shares + 2 * place], total[:, n_shares + 2 * place + 1]
        there = weight > LEAST_SHARE * time[:, 0]
        mean = value / np.maximum(weight, 1e-30)
        if name in {"log2_rows", "log2_elementwise_bytes"}:
            mean = mean - log_batch
        means[name] = np.where(there, mean, _FALLBACKS[name])
    squares = total[:, n_shares + 2 * len(_MEANS) :]
    weight = np.maximum(total[:, n_shares], 1e-30)
    spread = [
        np.sqrt(np.maximum(squares[:, i] / weight - (total[:, n_shares + 2 * i + 1] / weight) ** 2, 0.0))
        for i in range(2)
    ]
    n, macs, moved = squares[:, 2], squares[:, 3], squares[:, 4]
    whole = [*spread, np.log(np.maximum(n, 1.0)), np.log((macs + 1.0) / np.maximum(moved, 1.0)), log_batch]
    return np.column_stack([share, *means.values(), *whole])


def _product(kernels: Kernels) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(U,) log2 of the length of the sum, of the outputs and of the rows of a product; 0 of other kernels."""
    d = kernels.dims.astype(np.float64)
    conv, gemm, attention = (kernels.kind == k for k in (OpKind.CONV, OpKind.GEMM, OpKind.ATTENTION))
    pick = (conv, gemm, attention)
    summed = np.select(pick, (d[:, 3] * d[:, 6] * d[:, 7], d[:, 3], d[:, 4]), 1.0)
    outputs = np.select(pick, (d[:, 2], d[:, 2], d[:, 3]), 1.0)
    rows = np.select(pick, (d[:, 0] * d[:, 4] * d[:, 5], d[:, 1], d[:, 2]), 1.0)
    return np.log2(summed), np.log2(outputs), np.log2(rows)


def _described(kernels: Kernels) -> dict[str, tuple[FloatArray, FloatArray]]:
    """By name of a mean, the kernels it is over and the value of each, (U,)."""
    d, cls = kernels.dims.astype(np.float64), kernels.cls
    summed, outputs, rows = _product(kernels)
    window = np.where(kernels.kind == OpKind.CONV, d[:, 6] * d[:, 7], 1.0)
    wide = np.isin(kernels.kind, (OpKind.NORM, OpKind.SOFTMAX))
    width = np.log2(np.where(wide, np.maximum(d[:, 1], 1.0), 1.0))
    groups = np.log2(np.where(kernels.kind == OpKind.CONV, d[:, 1], 1.0))
    dense, conv = np.isin(cls, DENSE), np.isin(cls, CONVOLUTIONS)
    grouped, attention = cls == KernelClass.GROUPED, cls == KernelClass.ATTENTION
    moved = np.log2(np.maximum(kernels.outer_bytes, 1.0))
    found = {
        "log2_sum": (dense, summed),
        "log2_outputs": (dense, outputs),
        "log2_rows": (dense, rows),
        "windows": (dense, (window > 1).astype(np.float64)),
        "log2_window_depthwise": (cls == KernelClass.DEPTHWISE, np.log2(window)),
        "log2_groups": (grouped, groups),
        "log2_group_width": (grouped, outputs),
        "strided": (conv, (kernels.geometry[:, 0] > 1).astype(np.float64)),
        "large_window": (conv, (window > 12).astype(np.float64)),
        "log2_sequence": (attention, rows),
        "log2_head": (attention, summed),
        "log2_norm_width": (cls == KernelClass.NORM, width),
        "log2_softmax_width": (cls == KernelClass.SOFTMAX, width),
        "log2_elementwise_bytes": (cls == KernelClass.ELEMENTWISE, moved),
    }
    return {name: (mask.astype(np.float64), value) for name, (mask, value) in found.items()}
