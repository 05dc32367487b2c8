"""Recurrent layers, as the torch reader has them: three rows a direction.

The product of all inputs with the input weights, the products of the state with the recurrent weights (one a
step, so `batch` of that matrix product is the number of steps), and the scan of the cell's elementwise work.
Source: Hochreiter and Schmidhuber, 1997; Cho et al., 2014.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.workload import vector_cost
from hw_models.workload.onnx_reader.node import Node, Row
from hw_models.workload.onnx_reader.values import Value
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.workload.onnx_reader.walk import Rule, Walk

_CELL_COST: Final = {
    "LSTM": 3 * vector_cost.SIGMOID + 2 * vector_cost.TANH + 4 + 8,
    "GRU": 2 * vector_cost.SIGMOID + vector_cost.TANH + 5 + 6,
    "RNN": vector_cost.TANH + 3,
}
"""Vector operations per state element and step: gate functions, new state, biases of both products."""


def recurrent(walk: Walk, node: Node) -> None:
    """`LSTM`, `GRU`, `RNN`: x (steps, batch, c), w (directions, gates h, c), r (directions, gates h, h)."""
    x, directions = node.need(0), node.need(2).shape[0]
    # layout 1 is (batch, steps, c)
    steps, batch = (x.shape[1], x.shape[0]) if node.attrs.get("layout") else x.shape[:2]
    parts = [_direction(walk, node, i, (steps, batch)) for i in range(directions)]
    result = parts[0]
    if directions > 1:
        result = walk.value(x, (*result.shape[:2], directions * result.shape[2]))
        row = Row(OpKind.LAYOUT, [result.elements], {"fn": "cat", "rank": 3})
        walk.emit(node, row, inputs=parts, outputs=[result])
    for out in node.outputs:
        if out is not None:
            row = Row(OpKind.VIEW, [out.elements], {"fn": node.op.lower(), "rank": len(out.shape)})
            walk.emit(node, row, inputs=[result], outputs=[out])


def _direction(walk: Walk, node: Node, direction: int, size: tuple[int, int]) -> Value:
    """The three rows of one direction; its result (steps, batch, h)."""
    x, (steps, batch) = node.need(0), size
    w, r, bias = (_slice(node.input(i), direction) for i in (1, 2, 3))
    width, hidden = node.need(2).shape[1:]
    gates, recurrent = (walk.value(x, (steps, batch, width)) for _ in range(2))
    attrs = {"fn": "linear", "rank": 3, "bias": bias is not None}
    row = Row(OpKind.GEMM, (1, steps * batch, width, x.shape[2]), attrs, batch_dim=1)
    walk.emit(node, row, inputs=[x, w, bias], outputs=[gates])
    states = [_slice(v, direction) for v in (node.input(5), node.input(6)) if v is not None]
    if not states:
        states = [Value("", (batch, hidden), x.elem_type, constant=True, stored=False)]
    attrs = {"fn": "matmul", "rank": 3, "bias": False, "sequential": True}
    row = Row(OpKind.GEMM, (steps, batch, width, hidden), attrs, batch_dim=1)
    walk.emit(node, row, inputs=[states[0], r], outputs=[recurrent])
    result = walk.value(x, (steps, batch, hidden))
    row = Row(
        OpKind.SCAN, (steps, batch * hidden), {"fn": node.op.lower(), "rank": 3}, _CELL_COST[node.op], 1
    )
    walk.emit(node, row, inputs=[gates, recurrent, *states], outputs=[result])
    return result


def _slice(value: Value | None, direction: int) -> Value | None:
    """The part of a stored tensor that belongs to one direction; a computed one is read as it is."""
    if value is None or not value.constant:
        return value
    return Value(
        f"{value.name}[{direction}]",
        value.shape[1:],
        value.elem_type,
        constant=True,
        stored_as=value.stored_as,
    )


RECURRENT_RULES: Final[dict[tuple[str, str], Rule]] = {("", name): recurrent for name in _CELL_COST}
