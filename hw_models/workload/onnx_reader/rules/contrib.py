"""Operators that ONNX itself does not size, most of them ONNX Runtime's own (com.microsoft)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from onnx import NodeProto, TensorProto

from hw_models.workload.onnx_reader.node import Node, Row, describe
from hw_models.workload.onnx_reader.rules.attention import ATTENTION_SHAPES
from hw_models.workload.onnx_reader.rules.contractions import matrix_product, numpy_product
from hw_models.workload.onnx_reader.values import Value
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from hw_models.workload.onnx_reader.sizing import ShapeRule
    from hw_models.workload.onnx_reader.walk import Rule, Walk

Shapes = list[tuple[int, ...]]


class Twin(NamedTuple):
    """An operator of ONNX whose first result has the same size.

    Attributes:
        op: its name.
        inputs: which inputs of ours it takes.
        typed_by: input of ours that has the type of the result, where ONNX has the operator for real numbers
            only; None: the types are ONNX's own.
    """

    op: str
    inputs: tuple[int, ...] | slice = slice(None)
    typed_by: int | None = None


TWINS: Final[dict[tuple[str, str], Twin]] = {
    ("com.microsoft", "FusedConv"): Twin("Conv", (0, 1)),
    ("com.microsoft", "QLinearConv"): Twin("QLinearConv"),
    ("com.microsoft", "FusedGemm"): Twin("Gemm"),
    ("com.microsoft", "QGemm"): Twin("Gemm", (0, 3), typed_by=0),
    ("com.microsoft", "QLinearAdd"): Twin("Add", (0, 3), typed_by=0),
    ("com.microsoft", "QLinearMul"): Twin("Mul", (0, 3), typed_by=0),
    ("com.microsoft", "QLinearConcat"): Twin("Concat", slice(2, None, 3), typed_by=2),
    ("com.microsoft", "QLinearAveragePool"): Twin("AveragePool", (0,), typed_by=0),
    ("com.microsoft", "DynamicQuantizeMatMul"): Twin("MatMul", (0, 1), typed_by=0),
    ("com.microsoft", "MatMulIntegerToFloat"): Twin("MatMul", (0, 1), typed_by=2),
    ("com.microsoft", "QLinearSoftmax"): Twin("Softmax", (0,), typed_by=0),
    ("com.microsoft", "QuantizeLinear"): Twin("QuantizeLinear"),
    ("com.microsoft", "DequantizeLinear"): Twin("DequantizeLinear"),
}


def twin_of(node: Node, attributes: frozenset[str]) -> NodeProto:
    """The node as its twin in ONNX, without the attributes that the twin does not have."""
    twin, proto = TWINS[node.domain, node.op], NodeProto()
    proto.op_type, proto.name = twin.op, node.proto.name
    names = list(node.proto.input)
    picked = names[twin.inputs] if isinstance(twin.inputs, slice) else [names[i] for i in twin.inputs]
    proto.input.extend(picked)
    proto.output.extend(node.proto.output[:1])
    proto.attribute.extend(a for a in node.proto.attribute if a.name in attributes)
    return proto


def quantised_gemm(walk: Walk, node: Node) -> None:
    """`QGemm(a, a_scale, a_zero, b, b_scale, b_zero, c, ...)`."""
    a, b = node.need(0), node.need(3)
    m, c = reversed(a.shape) if node.attrs.get("transA") else a.shape
    matrix_product(walk, node, (a, b, node.input(6)), (1, m, node.out.shape[1], c))


def packed_weights_matmul(walk: Walk, node: Node) -> None:
    """`MatMulNBits(a, b, scales, ...)`: b is K x N, its integers packed in blocks."""
    a, b = node.need(0), node.need(1)
    shape = (int(node.attrs["K"]), int(node.attrs["N"]))
    packed = Precision.INT4 if int(node.attrs.get("bits", 4)) == 4 else Precision.INT8
    numpy_product(walk, node, a, Value(b.name, shape, b.elem_type, constant=True, stored_as=packed))


def suppression(walk: Walk, node: Node) -> None:
    """`NonMaxSuppression(boxes, scores, most, ...)`: no rule for its work, but a bound on what it selects."""
    node.out.elem_type = TensorProto.INT64
    walk.unknown(
        node, f"{describe(node.proto)} is sized by the most that it may select: {node.out.shape[0]} boxes"
    )


def quantised_concat(walk: Walk, node: Node) -> None:
    """`QLinearConcat(y_scale, y_zero, x0, scale0, zero0, x1, ...)`."""
    tensors = [v for v in node.inputs[2::3] if v is not None]
    row = Row(OpKind.LAYOUT, [node.out.elements], {"fn": "cat", "rank": len(node.out.shape)})
    walk.emit(node, row, inputs=tensors)


def _most_selected(node: Node) -> Shapes:
    """Of (N, B, 4) boxes and (N, C, B) scores at most `most` for each image and class."""
    n, classes, boxes = node.need(1).shape
    most = (node.ints(2) or [boxes])[0]
    return [(n * classes * min(most, boxes), 3)]


def _same(node: Node) -> Shapes:
    """Of the first input; what only training needs has no size, a fourth output is like the first."""
    shape = node.need(0).shape
    return [shape, (), (), shape]


def _to_one_pixel(node: Node) -> Shapes:
    x = node.need(0)
    return [(*x.shape[:2], *(1,) * (len(x.shape) - 2))]


def _packed_weights_shapes(node: Node) -> Shapes:
    return [(*node.need(0).shape[:-1], int(node.attrs["N"]))]


def _fused_matmul_shapes(node: Node) -> Shapes:
    a, b = node.need(0).shape, node.need(1).shape
    m = a[-1] if node.attrs.get("transA") else a[-2]
    k = b[-2] if node.attrs.get("transB") else b[-1]
    return [(*np.broadcast_shapes(a[:-2], b[:-2]), m, k)]


_SAME_SHAPE: Final = (
    "BiasGelu FastGelu Gelu GroupNorm QLinearLeakyRelu QLinearSigmoid QuickGelu RotaryEmbedding"
    " SimplifiedLayerNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization"
)
_SAME_SHAPE_ONNX: Final = ("GroupNormalization", "MeanVarianceNormalization", "SimplifiedLayerNormalization")

CONTRIB_RULES: Final[dict[tuple[str, str], Rule]] = {
    ("com.microsoft", "MatMulNBits"): packed_weights_matmul,
    ("com.microsoft", "QGemm"): quantised_gemm,
    ("com.microsoft", "QLinearConcat"): quantised_concat,
    ("", "NonMaxSuppression"): suppression,
}
SHAPE_RULES: Final[dict[tuple[str, str], ShapeRule]] = {
    **ATTENTION_SHAPES,
    **{("com.microsoft", name): _same for name in _SAME_SHAPE.split()},
    **{("", name): _same for name in _SAME_SHAPE_ONNX},
    ("", "NonMaxSuppression"): _most_selected,
    ("com.microsoft", "QLinearGlobalAveragePool"): _to_one_pixel,
    ("com.microsoft", "FusedMatMul"): _fused_matmul_shapes,
    ("com.microsoft", "MatMulNBits"): _packed_weights_shapes,
}
