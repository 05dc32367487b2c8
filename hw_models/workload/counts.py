"""From kind and loop dimensions to counts: MACs, iterations, bytes, shares, the table of a workload."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_models.workload.op import LOOP_DIMS, OpKind, Precision

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hw_models.workload.graph import Workload


def iterations(dims: NDArray[np.int64]) -> NDArray[np.float64]:
    """(O,) iterations of each loop nest of `dims` (O, 8); float64, exact below 2**53."""
    product: NDArray[np.float64] = dims.astype(np.float64).prod(axis=1)
    return product


def macs(kind: NDArray[np.int8], dims: NDArray[np.int64]) -> NDArray[np.int64]:
    """(O,) multiply-accumulates.

    Convolution and matrix product: the product of all loop dimensions. Attention: batch x heads x lq x lk x
    (d + dv), its two products (Vaswani et al., 2017, eq. 1). Every other kind has none.
    """
    product = dims.prod(axis=1)
    attention = dims[:, :4].prod(axis=1) * (dims[:, 4] + dims[:, 5])
    contraction = (kind == OpKind.CONV) | (kind == OpKind.GEMM)
    return np.where(contraction, product, np.where(kind == OpKind.ATTENTION, attention, 0))


def macs_by_kind(workload: Workload) -> dict[str, int]:
    """Multiply-accumulates by kind of operator, kinds without any left out."""
    total = {kind.label: int(workload.op_macs[workload.op_kind == kind].sum()) for kind in OpKind}
    return {kind: count for kind, count in total.items() if count}


def rescale(workload: Workload, batch: int) -> Workload:
    """The workload at another batch: what depends on the input grows in proportion."""
    dims = workload.op_dims.copy()
    rows = np.flatnonzero(workload.op_batch_dim >= 0)
    columns = workload.op_batch_dim[rows]
    dims[rows, columns] = dims[rows, columns] * batch // workload.batch
    tensor_dims = workload.tensor_dims.copy()
    grown = _batch_axes(workload)
    tensor_dims[grown] = tensor_dims[grown] * batch // workload.batch
    return replace(workload, batch=batch, op_dims=dims, tensor_dims=tensor_dims)


def _batch_axes(workload: Workload) -> NDArray[np.int64]:
    """Positions in `tensor_dims` of the axis that carries the batch, of each tensor that has one.

    It is the first whose size the batch divides (at batch 1 the very first): it may be merged with others
    and stand behind them.
    """
    divides = workload.tensor_dims % workload.batch == 0
    owner = np.repeat(np.arange(workload.n_tensors), np.diff(workload.tensor_ptr))
    positions = np.flatnonzero(divides & workload.tensor_batched[owner])
    _, first = np.unique(owner[positions], return_index=True)
    axes: NDArray[np.int64] = positions[first]
    return axes


def unmodelled_share(workload: Workload) -> dict[str, float]:
    """Share of output elements and of bytes (read plus written) in operators without a rule, each in 0..1."""
    missing = ~workload.op_modelled
    out_op = np.repeat(np.arange(len(workload)), np.diff(workload.out_ptr))
    in_op = np.repeat(np.arange(len(workload)), np.diff(workload.in_ptr))
    elements = np.bincount(out_op, workload.tensor_elements[workload.out_tensor], len(workload))
    size = np.bincount(out_op, workload.tensor_bytes[workload.out_tensor], len(workload))
    size = size + np.bincount(in_op, workload.tensor_bytes[workload.in_tensor], len(workload))
    return {
        "output_elements": _share(elements, missing),
        "bytes": _share(size, missing),
    }


def _share(amount: NDArray[Any], part: NDArray[np.bool_]) -> float:
    total = float(amount.sum())
    return float(amount[part].sum()) / total if total else 0.0


def to_frame(workload: Workload) -> pd.DataFrame:
    """One row per operator: kind, loop dimensions, counts, bytes; units in the column names."""
    import pandas as pd

    rows = []
    for op in workload.ops:
        names = LOOP_DIMS[op.kind]
        rows.append(
            {
                "op": op.index,
                "kind": op.kind.label,
                "target": op.target,
                "module": op.module,
                "loop_dims": " ".join(f"{n}={d}" for n, d in zip(names, op.dims, strict=False)),
                "macs": op.macs if op.modelled else None,
                "ops": 2 * op.macs if op.modelled else None,
                "vector_ops": op.vector_ops if op.modelled else None,
                "read_bytes": sum(float(workload.tensor_bytes[t]) for t in op.inputs),
                "write_bytes": sum(float(workload.tensor_bytes[t]) for t in op.outputs),
                "precision": Precision(int(workload.tensor_precision[op.outputs[0]])).label
                if op.outputs
                else None,
                "modelled": op.modelled,
            }
        )
    return pd.DataFrame(rows)
