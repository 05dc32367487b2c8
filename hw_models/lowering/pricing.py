"""From lowered networks to the table of kernels: formats and batch become bytes, equal rows become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hw_models.cost.arrays import GEOMETRY, Kernels
from hw_models.lowering.precision import scheme_of
from hw_models.workload.op import N_DIMS, Precision

if TYPE_CHECKING:
    from hw_models.lowering.network import Edges, LoweredNetwork
    from hw_models.lowering.precision import Scheme

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


DIMS: Final = 6
"""Column of `PricedNetwork.code` at which the loop dimensions begin."""


@dataclass(frozen=True, eq=False, slots=True)
class PricedNetwork:
    """One lowered network at one precision and batch.

    Attributes:
        net: the kernels and their traffic edges.
        scheme, batch: what the numbers hold for.
        code: (K, 23) class, kind, math, vector_math, layout, sparsity, loop dimensions and geometry.
        amount: (K, 7) macs, vector_ops, weight, read, write and reuse bytes, elements written.
        peak_bytes, weights_bytes: live activations at their peak; all weights as stored.
    """

    net: LoweredNetwork
    scheme: Scheme
    batch: int
    code: IntArray
    amount: FloatArray
    peak_bytes: float
    weights_bytes: float


def price(net: LoweredNetwork, scheme: Scheme, batch: int) -> PricedNetwork:
    """Bytes and counts of one network at one precision and batch."""
    n = len(net.cls)
    ratio = batch / net.batch
    scale = np.where(net.batched, ratio, 1.0)
    byte = element_bytes(net, scheme, batch)
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
    for own in np.unique(net.own_math[net.own_math >= 0]).tolist():
        here, its = net.own_math == own, scheme_of(Precision(own).label)
        math[here] = own
        vector[here] = np.where(net.special[here], int(its.special), int(its.vector))
    code = np.concatenate(
        [np.stack([net.cls, net.kind, math, vector, net.layout, net.sparse], axis=1), dims, net.geometry],
        axis=1,
        dtype=np.int64,
    )
    weights = float((net.elements[net.weight_values] * byte[net.weight_values]).sum())
    peak = net.lifetimes.peak_bytes(net.elements * byte, n)
    return PricedNetwork(net, scheme, batch, code, amount, peak, weights)


def element_bytes(net: LoweredNetwork, scheme: Scheme, batch: int) -> FloatArray:
    """(V,) bytes of one element of each value as the network was read, at this precision and batch."""
    byte: FloatArray = scheme.bits[net.form] / 8 * np.where(net.batched, batch / net.batch, 1.0)
    return byte


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


def kernel_table(priced: Sequence[PricedNetwork], lowering: str) -> Kernels:
    """One table for all networks; equal rows once, in the order of their first appearance."""
    networks = [p.net for p in priced]
    code = np.concatenate([np.zeros((0, DIMS + N_DIMS + len(GEOMETRY)), np.int64), *(p.code for p in priced)])
    amount = np.concatenate([np.zeros((0, 7)), *(p.amount for p in priced)])
    first, index = _distinct(np.concatenate([code, amount.view(np.int64)], axis=1))
    code, amount = code[first], amount[first].T.copy()
    ops_per_kernel = np.concatenate([np.zeros(1, np.int64), *(np.diff(net.op_ptr) for net in networks)])
    return Kernels(
        cls=code[:, 0].astype(np.int8),
        dims=code[:, DIMS : DIMS + N_DIMS],
        geometry=code[:, DIMS + N_DIMS :],
        layout=code[:, 4].astype(np.int8),
        kind=code[:, 1].astype(np.int8),
        math=code[:, 2].astype(np.int8),
        vector_math=code[:, 3].astype(np.int8),
        macs=amount[0],
        vector_ops=amount[1],
        weight_bytes=amount[2],
        read_bytes=amount[3],
        write_bytes=amount[4],
        reuse_bytes=amount[5],
        out_elements=amount[6],
        network_ptr=np.cumsum([0, *(len(net.cls) for net in networks)]),
        index=index,
        op_ptr=np.cumsum(ops_per_kernel),
        op_index=np.concatenate([np.zeros(0, np.int64), *(net.op_index for net in networks)]),
        labels=tuple(label for net in networks for label in net.labels),
        network=tuple(net.name for net in networks),
        batch=np.array([p.batch for p in priced], np.int64),
        peak_activation_bytes=np.array([p.peak_bytes for p in priced]),
        weights_bytes=np.array([p.weights_bytes for p in priced]),
        lowering=(lowering,) * len(priced),
        precision=tuple(p.scheme.name for p in priced),
        sparsity=code[:, 5] if code[:, 5].any() else None,
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
