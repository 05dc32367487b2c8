"""Elementwise functions, norms, softmax and quantisation: the work of the vector unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.workload import vector_cost
from hw_models.workload.onnx_reader.node import Node, Row, product
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.workload.onnx_reader.values import Value
    from hw_models.workload.onnx_reader.walk import Rule, Walk

_SAME_NAME: Final = (
    "Abs Acos Add Asin Atan Ceil Celu Cos Cosh Elu Erf Exp Floor HardSigmoid HardSwish IsInf IsNaN"
    " Log Mish Mul Neg PRelu Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt"
    " Sub Tan Tanh Where"
)
_FUNCTIONS: Final[dict[str, str]] = {
    **{name: name.lower() for name in _SAME_NAME.split()},
    "Acosh": "acos",
    "And": "logical_and",
    "Asinh": "asin",
    "Atanh": "atan",
    "BitShift": "bitwise_left_shift",
    "BitwiseAnd": "bitwise_and",
    "BitwiseNot": "bitwise_not",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "Equal": "eq",
    "Greater": "gt",
    "GreaterOrEqual": "ge",
    "LeakyRelu": "leaky_relu",
    "Less": "lt",
    "LessOrEqual": "le",
    "Max": "maximum",
    "Mean": "add",
    "Min": "minimum",
    "Mod": "remainder",
    "Not": "logical_not",
    "Or": "logical_or",
    "Shrink": "softshrink",
    "Sum": "add",
    "Swish": "silu",
    "ThresholdedRelu": "threshold",
    "Trilu": "tril",
    "Xor": "logical_xor",
}
"""ONNX operator -> function name of `vector_cost.ELEMENTWISE`, which is also torch's."""

_CONTRIB_FUNCTIONS: Final[dict[str, str]] = {
    "QLinearAdd": "add",
    "QLinearLeakyRelu": "leaky_relu",
    "QLinearMul": "mul",
    "QLinearSigmoid": "sigmoid",
    "QuickGelu": "silu",
}
_OF_MANY: Final = frozenset({"add", "maximum", "minimum"})
QUANTISE: Final = 5.0
"""Per element: multiply by 1 / scale, round, add the zero point, and the two bounds."""
DEQUANTISE: Final = 2.0
"""Per element: subtract the zero point, multiply by the scale."""


def elementwise(walk: Walk, node: Node) -> None:
    """One result per output element."""
    names = _CONTRIB_FUNCTIONS if node.domain else _FUNCTIONS
    emit_elementwise(walk, node, names[node.op])


def emit_elementwise(walk: Walk, node: Node, fn: str, cost: float | None = None, **attrs: Any) -> None:
    """One row; one-element constants belong to the function, and a function of n operands is n - 1 of two."""
    operands = [v for v in node.data_inputs if not (v.constant and v.elements == 1)] or node.data_inputs[:1]
    if cost is None:
        cost = vector_cost.ELEMENTWISE[fn]
        if fn in _OF_MANY:
            cost *= max(len(operands) - 1, 1)
    attrs = {"fn": fn, "rank": len(node.out.shape), **attrs}
    walk.emit(node, Row(OpKind.ELEMENTWISE, [node.out.elements], attrs, cost), inputs=operands)


def gelu(walk: Walk, node: Node) -> None:
    """Exact (erf) or tanh form; ORT's forms with a bias add it."""
    tanh = node.attrs.get("approximate", "none") == "tanh" or node.op == "FastGelu"
    cost = vector_cost.GELU_TANH if tanh else vector_cost.ELEMENTWISE["gelu"]
    attrs = {"approximate": "tanh"} if tanh else {}
    emit_elementwise(walk, node, "gelu", cost + (len(node.data_inputs) > 1), **attrs)


def power(walk: Walk, node: Node) -> None:
    """A power; a small whole exponent is repeated multiplication, a half is a square root."""
    exponent = _scalar(node.input(1))
    if exponent is None:
        emit_elementwise(walk, node, "pow")
        return
    cost = vector_cost.POW
    if exponent.is_integer() and 1 <= abs(exponent) <= 4:
        cost = max(abs(exponent) - 1, 1.0) + (vector_cost.SPECIAL if exponent < 0 else 0)
    elif abs(exponent) == 0.5:
        cost = vector_cost.SQRT
    emit_elementwise(walk, node, "pow", cost, exponent=exponent)


def division(walk: Walk, node: Node) -> None:
    """A quotient; by a number known beforehand it is a multiplication."""
    divisor = node.need(1)
    emit_elementwise(walk, node, "div", 1.0 if divisor.constant and divisor.elements == 1 else None)


def clip(walk: Walk, node: Node) -> None:
    """A minimum and a maximum; from 0 to 6 it is ReLU6, from 0 on it is ReLU."""
    low = node.attrs.get("min") if node.input(1) is None else _scalar(node.input(1))
    high = node.attrs.get("max") if node.input(2) is None else _scalar(node.input(2))
    if low == 0 and high is None and node.input(2) is None:
        emit_elementwise(walk, node, "relu")
    else:
        emit_elementwise(walk, node, "relu6" if (low, high) == (0, 6) else "clamp")


def _scalar(value: Value | None) -> float | None:
    """A known one-element value."""
    if value is None or value.data is None or value.elements != 1:
        return None
    return float(np.asarray(value.data).ravel()[0])


def quantise(walk: Walk, node: Node) -> None:
    """`QuantizeLinear(x, scale, zero)`, and `DynamicQuantizeLinear(x)`, which finds the range first."""
    dynamic = node.op == "DynamicQuantizeLinear"
    attrs = {"fn": "quantize", "rank": len(node.out.shape), "dynamic": dynamic}
    row = Row(OpKind.ELEMENTWISE, [node.need(0).elements], attrs, QUANTISE + 2 * dynamic)
    walk.emit(node, row, inputs=[node.need(0)])


def dequantise(walk: Walk, node: Node) -> None:
    """`DequantizeLinear(x, scale, zero)` of an activation; of stored weights it is no row."""
    attrs = {"fn": "dequantize", "rank": len(node.out.shape)}
    row = Row(OpKind.ELEMENTWISE, [node.out.elements], attrs, DEQUANTISE)
    walk.emit(node, row, inputs=[node.need(0)])


def batch_norm(walk: Walk, node: Node) -> None:
    """`BatchNormalization(x, scale, bias, mean, var)` with the statistics that the file stores."""
    rows = product(node.need(0).shape[:2])
    for statistic in (node.need(3), node.need(4)):
        statistic.parameter = False
    _norm(walk, node, rows, vector_cost.BATCH_NORM, fn="batch_norm", statistics="running")


def layer_norm(walk: Walk, node: Node) -> None:
    """`LayerNormalization(x, scale, bias)`: statistics over the trailing axes."""
    affine = node.input(1) is not None
    _norm(walk, node, _leading(node), vector_cost.LAYER_NORM, fn="layer_norm", affine=affine)


def rms_norm(walk: Walk, node: Node) -> None:
    """`RMSNormalization(x, scale)`: root mean square over the trailing axes."""
    affine = node.input(1) is not None
    _norm(walk, node, _leading(node), vector_cost.RMS_NORM, fn="rms_norm", affine=affine)


def group_norm(walk: Walk, node: Node) -> None:
    """`GroupNormalization(x, scale, bias)`: statistics per image and group of channels."""
    groups = int(node.attrs.get("num_groups", node.attrs.get("groups", 1)))
    rows = node.need(0).shape[0] * groups
    _norm(walk, node, rows, vector_cost.LAYER_NORM, fn="group_norm", groups=groups, affine=True)


def instance_norm(walk: Walk, node: Node) -> None:
    """`InstanceNormalization(x, scale, bias)`: statistics per image and channel."""
    rows = product(node.need(0).shape[:2])
    _norm(walk, node, rows, vector_cost.LAYER_NORM, fn="instance_norm", affine=True)


def mean_variance_norm(walk: Walk, node: Node) -> None:
    """`MeanVarianceNormalization(x)`: statistics over `axes`."""
    x = node.need(0)
    axes = {a % len(x.shape) for a in node.attrs.get("axes", [0, 2, 3])}
    rows = product([s for i, s in enumerate(x.shape) if i not in axes])
    _norm(walk, node, rows, vector_cost.LAYER_NORM, fn="instance_norm", affine=False)


def lp_norm(walk: Walk, node: Node) -> None:
    """`LpNormalization(x)`: divide by the norm along one axis."""
    x = node.need(0)
    rows = x.elements // max(x.shape[int(node.attrs.get("axis", -1))], 1)
    _norm(walk, node, rows, vector_cost.RMS_NORM, fn="lp_norm", affine=False)


def local_response_norm(walk: Walk, node: Node) -> None:
    """`LRN`: a square, a window of sums, scale and shift, a power, a division.

    Source: Krizhevsky et al., 2012, section 3.3.
    """
    x = node.need(0)
    window = int(node.attrs.get("size", 1))
    cost = 1 + (window - 1) + 2 + vector_cost.POW + vector_cost.DIV
    rows = x.elements // max(x.shape[1], 1)
    _norm(walk, node, rows, cost, fn="local_response_norm", size=window)


def _leading(node: Node) -> int:
    """Elements of the axes before `axis`."""
    shape = node.need(0).shape
    return product(shape[: int(node.attrs.get("axis", -1)) % max(len(shape), 1)])


def _norm(walk: Walk, node: Node, rows: int, cost: float, **attrs: Any) -> None:
    x = node.need(0)
    dims = [rows, x.elements // max(rows, 1)]
    row = Row(OpKind.NORM, dims, {"rank": len(x.shape), **attrs}, cost)
    walk.emit(node, row, outputs=node.outputs[:1])


def softmax(walk: Walk, node: Node) -> None:
    """Softmax along one axis; before operator set 13, along it and all that follow."""
    x = node.need(0)
    rank, old = max(len(x.shape), 1), walk.opsets.get("", 1) < 13
    axis = int(node.attrs.get("axis", 1 if old else -1)) % rank
    width = product(x.shape[axis:]) if old else x.shape[axis]
    fn = "log_softmax" if node.op == "LogSoftmax" else "softmax"
    attrs = {"fn": fn, "axes": [axis], "rank": rank}
    dims = [x.elements // max(width, 1), width]
    walk.emit(node, Row(OpKind.SOFTMAX, dims, attrs, vector_cost.SOFTMAX), inputs=[x])


def skip_norm(walk: Walk, node: Node) -> None:
    """ORT's `SkipLayerNormalization(x, skip, scale, bias, offset)`: an addition, then the norm."""
    x, skip = node.need(0), node.need(1)
    rank, total = len(x.shape), walk.value(x, x.shape)
    row = Row(OpKind.ELEMENTWISE, [x.elements], {"fn": "add", "rank": rank}, 1.0)
    walk.emit(node, row, inputs=[x, skip], outputs=[total])
    simplified = node.op.startswith("SkipSimplified")
    fn, cost = ("rms_norm", vector_cost.RMS_NORM) if simplified else ("layer_norm", vector_cost.LAYER_NORM)
    dims = [x.elements // x.shape[-1], x.shape[-1]]
    row = Row(OpKind.NORM, dims, {"fn": fn, "rank": rank, "affine": True}, cost)
    walk.emit(node, row, inputs=[total, *node.inputs[2:]], outputs=node.outputs[:1])
    for also in node.outputs[1:]:  # the sum itself, for the next residual connection
        if also is not None and also.shape == x.shape:
            row = Row(OpKind.VIEW, [x.elements], {"fn": "alias", "rank": rank})
            walk.emit(node, row, inputs=[total], outputs=[also])


VECTOR_RULES: Final[dict[tuple[str, str], Rule]] = {
    **{("", name): elementwise for name in _FUNCTIONS},
    **{("com.microsoft", name): elementwise for name in _CONTRIB_FUNCTIONS},
    ("", "Gelu"): gelu,
    **{("com.microsoft", name): gelu for name in ("Gelu", "BiasGelu", "FastGelu")},
    ("", "Pow"): power,
    ("", "Div"): division,
    ("", "Clip"): clip,
    **{(domain, "QuantizeLinear"): quantise for domain in ("", "com.microsoft")},
    **{(domain, "DequantizeLinear"): dequantise for domain in ("", "com.microsoft")},
    ("", "DynamicQuantizeLinear"): quantise,
    ("", "BatchNormalization"): batch_norm,
    ("", "LayerNormalization"): layer_norm,
    **{(domain, "SimplifiedLayerNormalization"): rms_norm for domain in ("", "com.microsoft")},
    ("", "RMSNormalization"): rms_norm,
    ("", "GroupNormalization"): group_norm,
    ("com.microsoft", "GroupNorm"): group_norm,
    ("", "InstanceNormalization"): instance_norm,
    ("", "MeanVarianceNormalization"): mean_variance_norm,
    ("", "LpNormalization"): lp_norm,
    ("", "LRN"): local_response_norm,
    ("", "Softmax"): softmax,
    ("", "LogSoftmax"): softmax,
    ("com.microsoft", "QLinearSoftmax"): softmax,
    **{("com.microsoft", f"Skip{kind}LayerNormalization"): skip_norm for kind in ("", "Simplified")},
}
