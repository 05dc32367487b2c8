"""What really runs: many networks to one table of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hw_models.cost.arrays import Kernels
from hw_models.errors import InputError, UnknownNameError
from hw_models.lowering.fusion import fuse, merge_into_producers, separate
from hw_models.lowering.inlining import as_inductor, for_least_traffic, inlined_nodes, plain_nodes
from hw_models.lowering.network import Edges, LoweredNetwork, MemoryRules, lowered_network
from hw_models.lowering.precision import Scheme, scheme_of
from hw_models.lowering.schedule import Expansion, schedule
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LOWERINGS: Final = ("ideal", "eager", "compiled")
"""Choices of what runs a network.

- `ideal`: everything that can merge merges into its producer, batch norm is folded into weights,
  concatenation is placement in memory, one data type throughout. What a compiler for an accelerator aims at.
- `eager`: one kernel per operator, views free, batch norm a kernel, every change of data type a kernel.
  PyTorch without a compiler.
- `compiled`: contractions and attention alone, everything else fused around them. PyTorch with inductor.
"""


@dataclass(frozen=True, slots=True)
class _Priced:
    """Columns of one network at one precision and batch."""

    code: IntArray
    """(K, 11) cls, kind, math, vector_math and dims; whole numbers."""
    amount: FloatArray
    """(K, 7) macs, vector_ops, weight, read, write, reuse bytes, out elements."""
    peak: float
    weights: float


_structures: WeakKeyDictionary[Workload, dict[tuple[str, bool], LoweredNetwork]] = WeakKeyDictionary()
_priced: WeakKeyDictionary[Workload, dict[tuple[str, str, int], _Priced]] = WeakKeyDictionary()


def lower(
    workloads: Sequence[Workload],
    *,
    lowering: str = "compiled",
    precision: str = "fp16",
    batch: int | Sequence[int] | None = None,
) -> Kernels:
    """Kernels of all networks, equal ones only once.

    Args:
        workloads: the networks.
        lowering: one of `LOWERINGS`.
        precision: one of `hw_models.lowering.precision.SCHEMES`.
        batch: images per inference, one for all or one each; None: as each network was read.

    Raises:
        UnknownNameError: no such lowering or precision.
        InputError: a batch below 1, or as many batches as networks are not given.
    """
    if lowering not in LOWERINGS:
        raise UnknownNameError("lowering", lowering, LOWERINGS, f"choose one of {', '.join(LOWERINGS)}")
    scheme = scheme_of(precision)
    batches = _batches(workloads, batch)
    networks = [lowered(w, lowering=lowering, precision=precision) for w in workloads]
    priced = [
        _price_of(w, net, lowering, scheme, n) for w, net, n in zip(workloads, networks, batches, strict=True)
    ]
    return _table(networks, priced, batches, lowering, precision)


def lowered(workload: Workload, *, lowering: str = "compiled", precision: str = "fp16") -> LoweredNetwork:
    """One network under one choice, before batch and precision: kernels and the edges of their traffic.

    Memoised as long as the workload lives.
    """
    mixed = scheme_of(precision).mixed and lowering != "ideal"
    memo = _structures.setdefault(workload, {})
    key = (lowering, mixed)
    if key not in memo:
        memo[key] = _lowered(workload, lowering, mixed)
    return memo[key]


def _lowered(workload: Workload, lowering: str, mixed: bool) -> LoweredNetwork:
    if lowering == "eager":
        plan = schedule(workload, Expansion(mixed, cast_each_use=True, pointwise_norm=False))
        nodes = plain_nodes(plan)
        return lowered_network(
            workload, plan, nodes, separate(nodes), MemoryRules(fold_norms=False, reuse_memory=False)
        )
    if lowering == "compiled":
        plan = schedule(workload, Expansion(mixed, split_cat=True, split_norm=True))
        nodes = inlined_nodes(plan, as_inductor)
        return lowered_network(
            workload, plan, nodes, fuse(plan, nodes), MemoryRules(fold_norms=False, reuse_memory=True)
        )
    plan = schedule(workload, Expansion(mixed, free_cat=True, math_attention=False, split_norm=True))
    rules = MemoryRules(fold_norms=True, reuse_memory=True)
    candidates = []
    for policy in (for_least_traffic, as_inductor):
        nodes = inlined_nodes(plan, policy)
        groups = merge_into_producers(plan, nodes, fuse(plan, nodes))
        candidates.append(lowered_network(workload, plan, nodes, groups, rules))
    return min(
        candidates, key=lambda net: sum(e.elements.sum() for e in (net.reads, net.weights, net.writes))
    )


def _batches(workloads: Sequence[Workload], batch: int | Sequence[int] | None) -> list[int]:
    """One batch for each network."""
    if batch is None:
        return [w.batch for w in workloads]
    batches = [batch] * len(workloads) if isinstance(batch, int | np.integer) else [int(b) for b in batch]
    if len(batches) != len(workloads):
        raise InputError(
            f"{len(batches)} batches given for {len(workloads)} networks; give one for all, or one each"
        )
    if any(b < 1 for b in batches):
        raise InputError(f"batch {min(batches)} given, expected at least 1")
    return [int(b) for b in batches]


def _price_of(workload: Workload, net: LoweredNetwork, lowering: str, scheme: Scheme, batch: int) -> _Priced:
    memo = _priced.setdefault(workload, {})
    key = (lowering, scheme.name, batch)
    if key not in memo:
        memo[key] = _price(net, scheme, batch)
    return memo[key]


def _price(net: LoweredNetwork, scheme: Scheme, batch: int) -> _Priced:
    """Bytes and counts of one network at one precision and batch."""
    n = len(net.cls)
    ratio = batch / net.batch
    scale = np.where(net.batched, ratio, 1.0)
    byte = scheme.bits[net.form] / 8 * scale
    dims = net.dims.copy()
    rows = np.flatnonzero(net.batch_dim >= 0)
    dims[rows, net.batch_dim[rows]] = dims[rows, net.batch_dim[rows]] * batch // net.batch
    read, weight, write = (_sum(e, byte, n) for e in (net.reads, net.weights, net.writes))
    amount = np.stack(
        [
            net.macs * np.where(net.batch_dim >= 0, ratio, 1.0),
            net.vector_fixed + net.vector_batched * ratio,
            weight,
            read,
            write,
            _reuse(net, byte, read + weight + write),
            _sum(net.writes, scale, n),
        ],
        axis=1,
    )
    vector = np.where(net.special, int(scheme.special), int(scheme.vector))
    vector = np.where(net.wide, int(Precision.FP32), vector) if scheme.mixed else vector
    math = np.full(n, int(scheme.math))
    code = np.concatenate([np.stack([net.cls, net.kind, math, vector], axis=1), dims], axis=1, dtype=np.int64)
    weights = float((net.elements[net.weight_values] * byte[net.weight_values]).sum())
    return _Priced(code, amount, net.lifetimes.peak_bytes(net.elements * byte, n), weights)


def _sum(edges: Edges, per_element: FloatArray, n: int) -> FloatArray:
    """(K,) sum over the edges of each kernel."""
    total: FloatArray = np.bincount(edges.kernel, edges.elements * per_element[edges.value], n).astype(
        np.float64
    )
    return total


def _reuse(net: LoweredNetwork, byte: FloatArray, outer: FloatArray) -> FloatArray:
    """(K,) bytes touched since each kernel's inputs were, the inputs included; weighted by what it reads."""
    n = len(outer)
    before = np.concatenate([[0.0], np.cumsum(outer)])
    inside = net.touched >= 0
    kernel, value, touched = net.reads.kernel[inside], net.reads.value[inside], net.touched[inside]
    size = net.reads.elements[inside] * byte[value]
    distance = before[kernel] - before[touched + 1] + net.elements[value] * byte[value]
    amount = np.bincount(kernel, size, n)
    with np.errstate(invalid="ignore"):
        reuse: FloatArray = np.bincount(kernel, size * distance, n) / amount
    return reuse


def _table(
    networks: Sequence[LoweredNetwork],
    priced: Sequence[_Priced],
    batches: Sequence[int],
    lowering: str,
    precision: str,
) -> Kernels:
    """One table for all networks; equal rows once, in the order of their first appearance."""
    code = np.concatenate([p.code for p in priced]) if priced else np.zeros((0, 12), np.int64)
    amount = np.concatenate([p.amount for p in priced]) if priced else np.zeros((0, 7))
    first, index = _distinct(np.concatenate([code, amount.view(np.int64)], axis=1))
    code, amount = code[first], amount[first]
    counts = [len(net.cls) for net in networks]
    op_counts = [np.diff(net.op_ptr) for net in networks]
    return Kernels(
        cls=code[:, 0].astype(np.int8),
        dims=code[:, 4:],
        kind=code[:, 1].astype(np.int8),
        math=code[:, 2].astype(np.int8),
        vector_math=code[:, 3].astype(np.int8),
        macs=amount[:, 0].copy(),
        vector_ops=amount[:, 1].copy(),
        weight_bytes=amount[:, 2].copy(),
        read_bytes=amount[:, 3].copy(),
        write_bytes=amount[:, 4].copy(),
        reuse_bytes=amount[:, 5].copy(),
        out_elements=amount[:, 6].copy(),
        network_ptr=np.cumsum([0, *counts]),
        index=index,
        op_ptr=np.concatenate([[0], np.cumsum(np.concatenate(op_counts))])
        if networks
        else np.zeros(1, np.int64),
        op_index=np.concatenate([net.op_index for net in networks]) if networks else np.zeros(0, np.int64),
        labels=tuple(label for net in networks for label in net.labels),
        network=tuple(net.name for net in networks),
        batch=np.array(batches, np.int64),
        peak_activation_bytes=np.array([p.peak for p in priced]),
        weights_bytes=np.array([p.weights for p in priced]),
        lowering=(lowering,) * len(networks),
        precision=(precision,) * len(networks),
    )


_MIX: Final = 0x9E3779B97F4A7C15
"""Odd multiplier of a 64-bit multiplicative hash. Source: Knuth, TAOCP vol. 3, section 6.4 (golden ratio)."""


def _distinct(rows: IntArray) -> tuple[IntArray, IntArray]:
    """Rows that differ, by position of their first appearance, and for every row which of them it is.

    Rows are told apart by a 64-bit hash, which is much faster than sorting rows; a collision is found and
    answered by sorting.
    """
    key = np.zeros(len(rows), np.uint64)
    for column in rows.T:
        key = (key ^ column.view(np.uint64)) * np.uint64(_MIX)
        key ^= key >> np.uint64(29)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    if not np.array_equal(rows[first][inverse], rows):
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse.reshape(-1)]
