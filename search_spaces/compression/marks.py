"""What compression says about the operators of a workload: number formats and sparse weights, layer by layer.

Two marks in `Workload.op_attrs` reach the cost: `precision`, the scheme at which a contraction runs whatever
the network-level precision, and `sparsity`, the pattern of its weights. The tensors that such a layer writes,
and what only moves or rescales them, are stored in its format; `Workload.meta["formats"]` lists tensors whose
format stands whatever the network-level precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from hw_models.spec.accelerator import PRECISIONS
from hw_models.spec.supported import pattern_of
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hw_models.workload.graph import Workload

BASE: Final = "base"
"""As the precision of the network says."""
DENSE: Final = "dense"
WEIGHTS: Final[Mapping[str, tuple[Precision, Precision]]] = {
    "w8a16": (Precision.INT8, Precision.FP16),
    "w4a16": (Precision.INT4, Precision.FP16),
    "tf32": (Precision.FP32, Precision.FP32),
}
"""Formats in which weights and activations are stored, where they are not the scheme's own name."""


def stored(precision: str) -> tuple[Precision, Precision]:
    """Formats in which weights and activations of a scheme are stored.

    Raises:
        UnknownNameError: no such precision.
    """
    if precision not in PRECISIONS:
        raise UnknownNameError(
            "precision", precision, (BASE, *PRECISIONS), f"known: {', '.join((BASE, *PRECISIONS))}"
        )
    own = Precision[precision.upper()]
    return WEIGHTS.get(precision, (own, own))


def marked(workload: Workload, precision: Mapping[str, str], sparsity: Mapping[str, str]) -> Workload:
    """The workload with formats and sparse weights, by module path; what is left out is as it was.

    Args:
        workload: the network.
        precision: scheme of each layer; "base": the network's.
        sparsity: pattern of each layer's weights; "dense": none. A depthwise layer, and one whose input
            channels the pattern does not divide, stays dense.
    """
    schemes = {path: p for path, p in precision.items() if p != BASE}
    patterns = {path: p for path, p in sparsity.items() if p != DENSE}
    if not schemes and not patterns:
        return workload
    formats = workload.tensor_precision.copy()
    fixed: dict[int, None] = {}
    attrs = list(workload.op_attrs)
    for op in workload.ops:
        weighted = op.kind in (OpKind.CONV, OpKind.GEMM) and 1 in op.attrs.get("weights", ())
        more: dict[str, str] = {}
        if weighted and op.module in schemes:
            more["precision"] = schemes[op.module]
            weight, written = stored(more["precision"])
            fixed |= dict.fromkeys((op.inputs[1], *op.outputs))
            formats[op.inputs[1]] = weight
            formats[list(op.outputs)] = written
        elif not weighted and op.kind not in (OpKind.GATHER, OpKind.UNKNOWN):
            _pass_on(workload, op.inputs, op.outputs, formats, fixed)
        if weighted and op.module in patterns and _divides(op.kind, op.dims, patterns[op.module]):
            more["sparsity"] = patterns[op.module]
        if more:
            attrs[op.index] = {**op.attrs, **more}
    meta = {**workload.meta, "formats": sorted(fixed)} if fixed else workload.meta
    return replace(workload, op_attrs=tuple(attrs), tensor_precision=formats, meta=meta)


def _pass_on(
    workload: Workload,
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    formats: NDArray[np.int8],
    fixed: dict[int, None],
) -> None:
    """What is made of tensors of one fixed format is stored in it too; of several, as the network says."""
    acts = [t for t in inputs if workload.tensor_batched[t]]
    found = {int(formats[t]) for t in acts}
    if len(found) == 1 and all(t in fixed for t in acts):
        formats[list(outputs)] = found.pop()
        fixed |= dict.fromkeys(outputs)


def _divides(kind: OpKind, dims: tuple[int, ...], pattern: str) -> bool:
    m = pattern_of(pattern)[1]
    grouped = kind == OpKind.CONV and dims[1] > 1
    return not grouped and dims[3] % m == 0
