"""Operators that were measured alone as kernels: one call of a library is one kernel.

Counts follow the conventions of the tracer: bytes of every tensor once, vector operations of
`hw_models.workload.vector_cost`. Operands come from outside, so that `reuse_bytes` is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import GEOMETRY, KernelClass, Kernels
from hw_models.lowering.precision import scheme_of
from hw_models.workload import vector_cost
from hw_models.workload.op import BITS, OpKind, Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray
    from hw_models.measured.operators import Operators

LOWERING: Final = "eager"
"""What runs a library's operators one by one."""

IN_Y, IN_X = GEOMETRY.index("in_y"), GEOMETRY.index("in_x")

CLASSES: Final = {
    OpKind.CONV: KernelClass.CONV,
    OpKind.GEMM: KernelClass.GEMM,
    OpKind.ATTENTION: KernelClass.ATTENTION,
    OpKind.NORM: KernelClass.NORM,
    OpKind.SOFTMAX: KernelClass.SOFTMAX,
    OpKind.ELEMENTWISE: KernelClass.ELEMENTWISE,
    OpKind.REDUCE: KernelClass.REDUCE,
    OpKind.GATHER: KernelClass.GATHER,
    OpKind.LAYOUT: KernelClass.COPY,
}
"""Kinds that have a rule here, and the class of their kernels; contractions are told apart further."""

ACCUMULATORS: Final = {Precision.INT8: 4.0, Precision.UINT8: 4.0, Precision.INT4: 4.0}
"""Bytes of one output of an integer product: libraries hand out 32-bit accumulators."""

ROTARY: Final = 3.0
"""Rotation of pairs by a table of sines and cosines: two products and a sum for each element."""

FUNCTIONS: Final = {
    "addu": "add",
    "mulu": "mul",
    "divu": "div",
    "powu": "pow",
    "subu": "sub",
    "mlp_act": "silu",
}
"""Names in the sets -> names in `vector_cost.ELEMENTWISE`."""


def single_kernels(operators: Operators, precision: str, *, storage: str | None = None) -> Kernels:
    """One kernel, and one network of that kernel alone, for each distinct operator.

    Args:
        operators: what was measured; kinds without a rule become `KernelClass.UNMODELLED` with unknown bytes.
        precision: in which the operators compute.
        storage: in which they keep their operands; None: as they compute.

    Raises:
        UnknownNameError: a precision or storage that there is not.
    """
    scheme, stored = scheme_of(precision), scheme_of(storage or precision)
    read, weight, write, inner = _elements(operators)
    byte = BITS[stored.activation] / 8
    out_byte = ACCUMULATORS.get(scheme.math, byte)
    product = operators.macs > 0
    write_bytes = write * np.where(product, out_byte, byte)
    n = len(operators)
    special = np.isin(operators.kind, (OpKind.NORM, OpKind.SOFTMAX))
    own = np.arange(n, dtype=np.int64)
    return Kernels(
        cls=_classes(operators),
        dims=operators.dims,
        geometry=operators.geometry,
        kind=operators.kind,
        math=np.full(n, scheme.math, np.int8),
        vector_math=np.where(special, scheme.special, scheme.vector).astype(np.int8),
        macs=operators.macs,
        vector_ops=inner * _vector_cost(operators),
        weight_bytes=weight * byte,
        read_bytes=read * byte,
        write_bytes=write_bytes,
        reuse_bytes=np.full(n, np.nan),
        out_elements=write,
        network_ptr=np.arange(n + 1, dtype=np.int64),
        index=own,
        op_ptr=np.arange(n + 1, dtype=np.int64),
        op_index=np.zeros(n, np.int64),
        labels=operators.function,
        network=operators.shape,
        batch=np.ones(n, np.int64),
        peak_activation_bytes=read * byte + write_bytes,
        weights_bytes=weight * byte,
        lowering=(LOWERING,) * n,
        precision=(precision,) * n,
    )


def _classes(operators: Operators) -> NDArray[np.int8]:
    found = np.full(len(operators), KernelClass.UNMODELLED, np.int8)
    for kind, cls in CLASSES.items():
        found[operators.kind == kind] = cls
    conv, gemm = operators.kind == OpKind.CONV, operators.kind == OpKind.GEMM
    batch, groups, _, c, _, _, fy, fx = operators.dims.T
    found[conv & (fy * fx == 1)] = KernelClass.POINTWISE
    found[conv & (groups > 1)] = KernelClass.GROUPED
    found[conv & (groups > 1) & (c == 1)] = KernelClass.DEPTHWISE
    found[gemm & (batch > 1)] = KernelClass.BATCHED_GEMM
    return found


def _elements(operators: Operators) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(U,) elements read, of weights, written, and worked on by the vector unit; NaN without a rule.

    Of a product with batch 1 the second operand counts as the weights; of a batched one both are activations.
    """
    a, b, c, d, e, f, g, h = operators.dims.astype(np.float64).T
    volume = a * b  # rows x width, outputs x reduced; elements of all that have one dimension
    none = np.zeros(len(operators))
    inside = (operators.geometry[:, IN_Y] * operators.geometry[:, IN_X]).astype(np.float64)
    # a convolution that does not state its input: as large as its output
    inside = np.where(inside > 0, inside, e * f)
    rules: dict[OpKind, tuple[FloatArray, FloatArray, FloatArray, FloatArray]] = {
        OpKind.CONV: (a * b * d * inside, b * c * d * g * h, a * b * c * e * f, none),
        OpKind.GEMM: (a * b * d + np.where(a > 1, a * d * c, 0), np.where(a > 1, 0, d * c), a * b * c, none),
        OpKind.ATTENTION: (a * b * (c * e + d * (e + f)), none, a * b * c * f, a * b * c * d),
        OpKind.NORM: (volume, 2 * b, volume, volume),
        OpKind.SOFTMAX: (volume, none, volume, volume),
        OpKind.ELEMENTWISE: (volume * operators.reads, none, volume, volume),
        OpKind.REDUCE: (volume, none, a, volume),
        OpKind.GATHER: (volume, none, volume, none),
        OpKind.LAYOUT: (volume, none, volume, none),
    }
    found = np.full((4, len(operators)), np.nan)
    for kind, figures in rules.items():
        here = operators.kind == kind
        found[:, here] = np.stack(figures)[:, here]
    read, weight, write, inner = found
    return read, weight, write, inner


def _vector_cost(operators: Operators) -> FloatArray:
    """(U,) vector operations of one element; a function that is not known is one operation."""
    by_kind = {
        OpKind.NORM: vector_cost.LAYER_NORM,
        OpKind.SOFTMAX: vector_cost.SOFTMAX,
        OpKind.ATTENTION: vector_cost.SOFTMAX,
    }
    each = {name: _of_function(name) for name in set(operators.function)}
    cost: FloatArray = np.array([each[name] for name in operators.function], np.float64)
    for kind, operations in by_kind.items():
        cost[operators.kind == kind] = operations
    return cost


def _of_function(name: str) -> float:
    if name.endswith("rope"):
        return ROTARY
    known = FUNCTIONS.get(name, name)
    return vector_cost.ELEMENTWISE.get(known, vector_cost.REDUCE.get(known, 1.0))
