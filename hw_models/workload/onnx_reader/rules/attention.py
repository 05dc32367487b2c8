"""Attention as one operator, in ONNX's own form and in those of ONNX Runtime's optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hw_models.workload import vector_cost
from hw_models.workload.onnx_reader.node import Node, Row
from hw_models.workload.onnx_reader.rules.contractions import matrix_product
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.workload.onnx_reader.sizing import ShapeRule
    from hw_models.workload.onnx_reader.values import Value
    from hw_models.workload.onnx_reader.walk import Rule, Walk

Shapes = list[tuple[int, ...]]


class Sizes(NamedTuple):
    """Loop dimensions of one attention: images, query heads, queries, keys, width of keys and of values."""

    batch: int
    heads: int
    lq: int
    lk: int
    d: int
    dv: int


def _emit(
    walk: Walk,
    node: Node,
    sizes: Sizes,
    inputs: Sequence[Value | None],
    *,
    mask: bool,
    causal: bool,
    kv_heads: int,
) -> None:
    """One row; the softmax is spread over the loop nest."""
    attrs = {"fn": "attention", "mask": mask, "causal": causal, "rank": 4, "kv_heads": kv_heads}
    cost = (vector_cost.SOFTMAX + mask) / max(sizes.d * sizes.dv, 1)
    walk.emit(node, Row(OpKind.ATTENTION, sizes, attrs, cost), inputs=inputs)


def _length(past: Value | None, axis: int = 2) -> int:
    """Keys that a cache already holds."""
    return past.shape[axis] if past is not None else 0


def attention(walk: Walk, node: Node) -> None:
    """`Attention(q, k, v, mask, past_k, past_v)`; (N, H, L, D), or (N, L, H D) with H as attribute."""
    q, k, v, past = node.need(0), node.need(1), node.need(2), node.input(4)
    if len(q.shape) == 4:
        (n, heads, lq, d), kv_heads, lk, dv = q.shape, k.shape[1], k.shape[2], v.shape[3]
    else:
        heads, kv_heads = int(node.attrs["q_num_heads"]), int(node.attrs["kv_num_heads"])
        n, lq, lk, d, dv = *q.shape[:2], k.shape[1], q.shape[2] // heads, v.shape[2] // kv_heads
    sizes = Sizes(n, heads, lq, lk + _length(past), d, dv)
    mask, causal = node.input(3) is not None, bool(node.attrs.get("is_causal"))
    _emit(walk, node, sizes, node.inputs, mask=mask, causal=causal, kv_heads=kv_heads)


def _multi_head_sizes(node: Node) -> Sizes:
    q, k, v, past = node.need(0), node.input(1), node.input(2), node.input(6)
    heads, (n, lq) = int(node.attrs["num_heads"]), q.shape[:2]
    if k is None:  # all packed in q: (N, L, H, 3, D)
        lk, d, dv = lq, q.shape[-1], q.shape[-1]
    elif v is None:  # keys and values packed: (N, Lk, H, 2, D)
        lk, d, dv = k.shape[1], k.shape[-1], k.shape[-1]
    else:  # (N, L, H D), or keys and values as (N, H, Lk, D)
        lk = k.shape[2] if len(k.shape) == 4 else k.shape[1]
        d, dv = q.shape[2] // heads, v.shape[3] if len(v.shape) == 4 else v.shape[2] // heads
    return Sizes(n, heads, lq, lk + _length(past), d, dv)


def multi_head(walk: Walk, node: Node) -> None:
    """ORT's `MultiHeadAttention(q, k, v, bias, padding, attention_bias, past_k, past_v)`."""
    sizes = _multi_head_sizes(node)
    mask = node.input(4) is not None or node.input(5) is not None
    causal = bool(node.attrs.get("unidirectional"))
    _emit(walk, node, sizes, node.inputs, mask=mask, causal=causal, kv_heads=sizes.heads)


def _multi_head_shapes(node: Node) -> Shapes:
    n, heads, lq, lk, d, dv = _multi_head_sizes(node)
    return [(n, lq, heads * dv), (n, heads, lk, d), (n, heads, lk, dv)]


def _grouped_sizes(node: Node) -> tuple[Sizes, int]:
    q, past = node.need(0), node.input(3)
    heads, kv_heads = int(node.attrs["num_heads"]), int(node.attrs["kv_num_heads"])
    d = q.shape[2] // (heads + 2 * kv_heads if node.input(1) is None else heads)  # q may pack all three
    return Sizes(q.shape[0], heads, q.shape[1], q.shape[1] + _length(past), d, d), kv_heads


def grouped_query(walk: Walk, node: Node) -> None:
    """ORT's `GroupQueryAttention(q, k, v, past_k, past_v, ...)`: causal, with a cache of keys and values."""
    sizes, kv_heads = _grouped_sizes(node)
    _emit(walk, node, sizes, node.inputs[:5], mask=False, causal=True, kv_heads=kv_heads)


def _grouped_shapes(node: Node) -> Shapes:
    (n, heads, lq, lk, d, _), kv_heads = _grouped_sizes(node)
    return [(n, lq, heads * d), (n, kv_heads, lk, d), (n, kv_heads, lk, d)]


def _projected_sizes(node: Node) -> Sizes:
    x, w = node.need(0), node.need(1)
    widths = node.attrs.get("qkv_hidden_sizes") or [w.shape[1] // 3] * 3
    heads, (n, length) = int(node.attrs["num_heads"]), x.shape[:2]
    return Sizes(n, heads, length, length + _length(node.input(4), 3), widths[0] // heads, widths[2] // heads)


def projected(walk: Walk, node: Node) -> None:
    """ORT's `Attention(x, w, bias, mask, past, bias2)`: the projection to q, k, v, then attention."""
    x, w, sizes = node.need(0), node.need(1), _projected_sizes(node)
    qkv = walk.value(x, (*x.shape[:2], w.shape[1]))
    projection = Node(node.proto, node.inputs, [qkv])
    matrix_product(
        walk, projection, (x, w, node.input(2)), (1, x.shape[0] * x.shape[1], w.shape[1], x.shape[2])
    )
    mask = node.input(3) is not None or node.input(5) is not None
    causal = bool(node.attrs.get("unidirectional"))
    _emit(walk, node, sizes, [qkv, *node.inputs[3:6]], mask=mask, causal=causal, kv_heads=sizes.heads)


def _projected_shapes(node: Node) -> Shapes:
    n, heads, lq, lk, d, dv = _projected_sizes(node)
    return [(n, lq, heads * dv), (2, n, heads, lk, d)]


def rotary(walk: Walk, node: Node) -> None:
    """`RotaryEmbedding`: two multiplications and an addition per element. Source: Su et al., 2021, eq. 34."""
    x = node.need(0)
    walk.emit(node, Row(OpKind.ELEMENTWISE, [x.elements], {"fn": "rotary", "rank": len(x.shape)}, 3.0))


ATTENTION_RULES: Final[dict[tuple[str, str], Rule]] = {
    ("", "Attention"): attention,
    **{(domain, "RotaryEmbedding"): rotary for domain in ("", "com.microsoft")},
    ("com.microsoft", "MultiHeadAttention"): multi_head,
    ("com.microsoft", "GroupQueryAttention"): grouped_query,
    ("com.microsoft", "Attention"): projected,
}
ATTENTION_SHAPES: Final[dict[tuple[str, str], ShapeRule]] = {
    ("com.microsoft", "MultiHeadAttention"): _multi_head_shapes,
    ("com.microsoft", "GroupQueryAttention"): _grouped_shapes,
    ("com.microsoft", "Attention"): _projected_shapes,
}
