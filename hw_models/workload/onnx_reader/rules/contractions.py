"""Convolutions and matrix products: loop dimensions from the shapes of operands and result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.workload.onnx_reader.node import Node, Row, product
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.workload.onnx_reader.values import Value
    from hw_models.workload.onnx_reader.walk import Rule, Walk


def planes(sizes: Sequence[int]) -> tuple[int, int]:
    """Spatial sizes as (y, x): one axis becomes (1, x), three become (z y, x)."""
    return product(sizes[:-1]), sizes[-1] if sizes else 1


def conv(walk: Walk, node: Node) -> None:
    """`Conv(x, w, b)`; x (N, C, ...), w (K, C/g, ...)."""
    _convolution(walk, node, node.inputs[:3])


def quantised_conv(walk: Walk, node: Node) -> None:
    """`QLinearConv(x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, b)`."""
    _convolution(walk, node, [node.input(i) for i in (0, 3, 8)])


def integer_conv(walk: Walk, node: Node) -> None:
    """`ConvInteger(x, w, x_zero, w_zero)`."""
    _convolution(walk, node, node.inputs[:2])


def deformable_conv(walk: Walk, node: Node) -> None:
    """`DeformConv(x, w, offset, b, mask)`; the search for its samples counts as bytes, not as work."""
    _convolution(walk, node, [node.input(i) for i in (0, 1, 3, 2, 4)], "deform_conv")


def transposed_conv(walk: Walk, node: Node) -> None:
    """`ConvTranspose(x, w, b)`; w (C, K/g, ...); every input position meets every tap."""
    x, w, groups = node.need(0), node.need(1), int(node.attrs.get("group", 1))
    dims = [x.shape[0], groups, w.shape[1], w.shape[0] // groups, *planes(x.shape[2:]), *planes(w.shape[2:])]
    walk.emit(node, Row(OpKind.CONV, dims, _conv_attrs(node, w, "conv", bias=node.input(2) is not None)))


def _convolution(walk: Walk, node: Node, reads: Sequence[Value | None], fn: str = "conv") -> None:
    """One row; `reads` are input, weights, bias and what else there is."""
    w, y, groups = reads[1], node.out, int(node.attrs.get("group", 1))
    if w is None:
        w = node.need(1)
    dims = [y.shape[0], groups, w.shape[0] // groups, w.shape[1], *planes(y.shape[2:]), *planes(w.shape[2:])]
    attrs = _conv_attrs(node, w, fn, bias=len(reads) > 2 and reads[2] is not None)
    walk.emit(node, Row(OpKind.CONV, dims, attrs), inputs=reads)


def _conv_attrs(node: Node, w: Value, fn: str, *, bias: bool) -> dict[str, Any]:
    ones = [1] * (len(w.shape) - 2)
    return {
        "fn": fn,
        "stride": list(planes(node.attrs.get("strides", ones))),
        "dilation": list(planes(node.attrs.get("dilations", ones))),
        "padding": _padding(node, len(ones)),
        "transposed": node.op == "ConvTranspose",
        "bias": bias,
        "rank": len(w.shape),
    }


def _padding(node: Node, axes: int) -> str | list[int]:
    """Padding as torch states it: "same", "valid", one number an axis; begins and ends where they differ."""
    auto = str(node.attrs.get("auto_pad", "NOTSET"))
    if auto != "NOTSET":
        return "valid" if auto == "VALID" else "same"
    pads = list(node.attrs.get("pads", [0] * 2 * axes))
    return pads[:axes] if pads[:axes] == pads[axes:] else pads


def gemm(walk: Walk, node: Node) -> None:
    """`Gemm(a, b, c)`; a (M, C) and b (C, K), each possibly transposed."""
    a, b = node.need(0), node.need(1)
    m, c = reversed(a.shape) if node.attrs.get("transA") else a.shape
    k = b.shape[0] if node.attrs.get("transB") else b.shape[1]
    matrix_product(walk, node, (a, b, node.input(2)), (1, m, k, c))


def matmul(walk: Walk, node: Node) -> None:
    """`MatMul(a, b)` after numpy's rules."""
    numpy_product(walk, node, node.need(0), node.need(1))


def quantised_matmul(walk: Walk, node: Node) -> None:
    """`QLinearMatMul(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero)`."""
    numpy_product(walk, node, node.need(0), node.need(3))


def fused_matmul(walk: Walk, node: Node) -> None:
    """ORT's `FusedMatMul`: its operands may be transposed in the last two dimensions."""
    a, b, y = node.need(0), node.need(1), node.out
    c = a.shape[-2] if node.attrs.get("transA") else a.shape[-1]
    batch, m, k = product(y.shape[:-2]), y.shape[-2], y.shape[-1]
    if product(b.shape[:-2]) == 1:
        batch, m = 1, m * batch
    matrix_product(walk, node, (a, b, None), (batch, m, k, c))


def numpy_product(walk: Walk, node: Node, a: Value, b: Value) -> None:
    """A matrix product by numpy's broadcasting; with one right operand for all, it is one product."""
    a_shape = a.shape if len(a.shape) > 1 else (1, *a.shape)
    b_shape = b.shape if len(b.shape) > 1 else (*b.shape, 1)
    m, c, k = a_shape[-2], a_shape[-1], b_shape[-1]
    batch = product(np.broadcast_shapes(a_shape[:-2], b_shape[:-2]))
    if product(b_shape[:-2]) == 1 and not (b.batched and len(b.shape) > 2):
        batch, m = 1, m * batch
    matrix_product(walk, node, (a, b, None), (batch, m, k, c))


def matrix_product(
    walk: Walk, node: Node, operands: tuple[Value, Value, Value | None], dims: tuple[int, int, int, int]
) -> None:
    """One matrix product row; `dims` are batch, m, k, c."""
    a, b, bias = operands
    attrs = {
        "fn": "linear" if b.constant else "matmul",
        "rank": max(len(a.shape), len(b.shape)),
        "bias": bias is not None,
    }
    row = Row(OpKind.GEMM, dims, attrs, batch_dim=_growing(a, b, dims))
    walk.emit(node, row, inputs=[a, b, bias])


def _growing(a: Value, b: Value, dims: tuple[int, int, int, int]) -> int:
    """Loop dimension that grows with the batch: rows of one product, or the number of products."""
    if a.batched and b.batched:
        return 0 if max(len(a.shape), len(b.shape)) > 2 else 1
    if a.batched:
        return 1 if dims[0] == 1 else 0
    return 2 if dims[0] == 1 else 0


_SPARE: Final = "αβγδεζηθικλμνξοπ"
"""Letters for the axes that an ellipsis stands for; no exporter writes them itself."""


def einsum(walk: Walk, node: Node) -> None:
    """`Einsum`: of two operands a matrix product, of one a permutation or a sum; else no rule."""
    terms = _einsum_terms(node)
    if terms is None:
        walk.unknown(
            node, f"{node.target} '{node.attrs.get('equation', '')}' is not a product of two tensors"
        )
        return
    operands, result, sizes = terms
    if len(operands) == 1:
        _one_operand(walk, node, sizes, result)
        return
    left, right, out = set(operands[0]), set(operands[1]), set(result)
    groups = (left & right & out, (left - right) & out, (right - left) & out, (left & right) - out)
    batch, m, k, c = (product([sizes[label] for label in group]) for group in groups)
    matrix_product(walk, node, (node.need(0), node.need(1), None), (batch, m, k, c))


def _one_operand(walk: Walk, node: Node, sizes: dict[str, int], result: str) -> None:
    summed = product([size for label, size in sizes.items() if label not in result])
    elements = node.out.elements
    if summed == 1:
        walk.emit(node, Row(OpKind.LAYOUT, [elements], {"fn": "permute", "rank": len(result)}))
    else:
        walk.emit(node, Row(OpKind.REDUCE, [elements, summed], {"fn": "sum", "rank": len(sizes)}, 1.0))


def _einsum_terms(node: Node) -> tuple[list[str], str, dict[str, int]] | None:
    """Index letters of operands and result, and their sizes; None where it is more than one product."""
    equation = str(node.attrs.get("equation", "")).replace(" ", "")
    left, arrow, result = equation.partition("->")
    operands = left.split(",")
    if len(operands) != len(node.data_inputs) or len(operands) > 2:
        return None
    sizes: dict[str, int] = {}
    for i, value in enumerate(node.data_inputs):
        hidden = len(value.shape) - len(operands[i].replace("...", ""))
        operands[i] = operands[i].replace("...", _SPARE[len(_SPARE) - hidden :])
        if not len(operands[i]) == len(set(operands[i])) == len(value.shape):
            return None
        for label, size in zip(operands[i], value.shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    ellipsis = "".join(sorted({c for t in operands for c in t if c in _SPARE}, key=_SPARE.index))
    if not arrow:
        joined = "".join(operands)
        result = "..." + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in _SPARE))
    result = result.replace("...", ellipsis)
    alone = [
        set(t) - set(result) - set(operands[1 - i]) for i, t in enumerate(operands) if len(operands) == 2
    ]
    return None if any(alone) else (operands, result, sizes)


CONTRACTION_RULES: Final[dict[tuple[str, str], Rule]] = {
    ("", "Conv"): conv,
    ("", "ConvTranspose"): transposed_conv,
    ("", "DeformConv"): deformable_conv,
    ("", "QLinearConv"): quantised_conv,
    ("", "ConvInteger"): integer_conv,
    ("", "Gemm"): gemm,
    ("", "MatMul"): matmul,
    ("", "MatMulInteger"): matmul,
    ("", "QLinearMatMul"): quantised_matmul,
    ("", "Einsum"): einsum,
    ("com.microsoft", "FusedConv"): conv,
    ("com.microsoft", "QLinearConv"): quantised_conv,
    ("com.microsoft", "FusedGemm"): gemm,
    ("com.microsoft", "FusedMatMul"): fused_matmul,
    **{("com.microsoft", name): matmul for name in ("DynamicQuantizeMatMul", "MatMulIntegerToFloat")},
}
