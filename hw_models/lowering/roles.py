"""What each kind of operator is to a scheduler and to a machine."""

from __future__ import annotations

from typing import Final

from hw_models.cost.arrays import KernelClass
from hw_models.lowering.steps import Role
from hw_models.workload.op import OpKind

RUN_AS: Final[dict[int, tuple[int, int]]] = {
    OpKind.CONV: (Role.EXTERN, KernelClass.CONV),
    OpKind.GEMM: (Role.EXTERN, KernelClass.GEMM),
    OpKind.ATTENTION: (Role.EXTERN, KernelClass.ATTENTION),
    OpKind.NORM: (Role.REDUCTION, KernelClass.NORM),
    OpKind.SOFTMAX: (Role.REDUCTION, KernelClass.SOFTMAX),
    OpKind.ELEMENTWISE: (Role.POINTWISE, KernelClass.ELEMENTWISE),
    OpKind.REDUCE: (Role.REDUCTION, KernelClass.REDUCE),
    OpKind.POOL: (Role.WINDOW, KernelClass.POOL),
    OpKind.RESIZE: (Role.WINDOW, KernelClass.GATHER),
    OpKind.GATHER: (Role.WINDOW, KernelClass.GATHER),
    OpKind.LAYOUT: (Role.POINTWISE, KernelClass.COPY),
    OpKind.SCAN: (Role.BARRIER, KernelClass.SCAN),
    OpKind.UNKNOWN: (Role.BARRIER, KernelClass.UNMODELLED),
    # a view that nothing could be resolved to (it has no input): memory that is filled
    OpKind.VIEW: (Role.POINTWISE, KernelClass.COPY),
}
"""Role and class of the kernel that stands for one operator of a kind."""

ALONE: Final = frozenset(
    [
        "sort",
        "argsort",
        "topk",
        "median",
        "kthvalue",
        "mode",
        "msort",
        "index_put",
        "scatter_add",
        "searchsorted",
    ]
)
"""Functions of fusible kinds that frameworks hand to a library."""


def class_of_contraction(kind: int, dims: list[int], batch_dim: int) -> int:
    """What a contraction is to a machine."""
    if kind == OpKind.CONV:
        _, groups, _, c, _, _, fy, fx = dims
        if groups > 1:
            return KernelClass.DEPTHWISE if c == 1 else KernelClass.GROUPED
        return KernelClass.POINTWISE if fy * fx == 1 else KernelClass.CONV
    if kind == OpKind.ATTENTION:
        return KernelClass.ATTENTION
    return KernelClass.BATCHED_GEMM if dims[0] > 1 or batch_dim == 0 else KernelClass.GEMM
