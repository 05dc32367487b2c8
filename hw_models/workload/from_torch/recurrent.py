"""Recurrent layers: one dispatched operator, several rows for each layer and direction.

A layer is three rows: the product of all inputs with the input weights, the products of the state with the
recurrent weights (one a step, so `batch` of that matrix product is the number of steps, and
`attrs["sequential"]` says that they wait for each other), and the scan of the cell's elementwise work.
Source: Hochreiter and Schmidhuber, 1997; Cho et al., 2014, in the form of torch.nn.LSTM, GRU and RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hw_models.workload import vector_cost
from hw_models.workload.from_torch.rules import Row
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hw_models.workload.from_torch.ledger import Ledger


class Cell(NamedTuple):
    """A recurrent cell: its name, and the vector operations of one state element in one step."""

    fn: str
    cost: float


LSTM: Final = Cell("lstm", 3 * vector_cost.SIGMOID + 2 * vector_cost.TANH + 4 + 4)
"""Four sums of two products, three sigmoids, g = tanh, c = f c + i g, h = o tanh(c)."""
GRU: Final = Cell("gru", 2 * vector_cost.SIGMOID + vector_cost.TANH + 1 + 3 + 3)
"""Reset and update gates, n = tanh(a + r b), h = (1 - z) n + z h."""
RNN_TANH: Final = Cell("rnn_tanh", vector_cost.TANH + 1)
RNN_RELU: Final = Cell("rnn_relu", 2.0)


class Sequences(NamedTuple):
    """Size of what a layer reads and writes: steps, sequences at once, data type."""

    steps: int
    batch: int
    dtype: torch.dtype


def _expansion(cell: Cell) -> Callable[[Ledger, Sequence[Any], Sequence[Tensor]], None]:
    """What writes the rows of `<cell>.input(input, state, params, has_biases, num_layers, dropout, ...)`."""

    def write(ledger: Ledger, args: Sequence[Any], outs: Sequence[Tensor]) -> None:
        x, state, params, _, layers = args[:5]
        directions, batch_first = (2 if args[7] else 1), args[8]
        steps, batch = (x.shape[1], x.shape[0]) if batch_first else (x.shape[0], x.shape[1])
        size = Sequences(steps, batch, x.dtype)
        states = [ledger.read(s) for s in (state if isinstance(state, list | tuple) else [state])]
        per_layer = len(params) // (layers * directions)
        weights = [params[i : i + per_layer] for i in range(0, len(params), per_layer)]
        source, features = ledger.read(x), x.shape[-1]
        for layer in range(layers):
            ways = weights[layer * directions : (layer + 1) * directions]
            produced = [_layer(ledger, cell, (source, features), way, states, size) for way in ways]
            source, features = _side_by_side(ledger, produced, size)
        for out in outs:
            ledger.views(source, [out], cell.fn)

    return write


def _layer(
    ledger: Ledger,
    cell: Cell,
    source: tuple[int, int],
    weights: Sequence[Tensor],
    states: list[int],
    size: Sequences,
) -> tuple[int, int]:
    """The rows of one layer in one direction; index and width of its result."""
    (x, features), (steps, batch, dtype) = source, size
    projection = weights[-1] if len(weights) in {3, 5} else None  # LSTM with proj_size
    w_in, w_state, *biases = [ledger.read(w) for w in weights[: len(weights) - (projection is not None)]]
    gates, state_width = weights[1].shape

    from_input = ledger.hidden_result((batch, steps, gates), dtype)
    bias = biases[:1]
    attrs = {"fn": "linear", "rank": 3, "bias": bool(bias), "weights": [1, *[2 for _ in bias]]}
    ledger.emit(
        Row(OpKind.GEMM, (1, steps * batch, gates, features), 1, 0.0, attrs), [x, w_in, *bias], [from_input]
    )

    from_state = ledger.hidden_result((batch, steps, gates), dtype)
    bias = biases[1:]
    attrs = {**attrs, "sequential": True}
    row = Row(OpKind.GEMM, (steps, batch, gates, state_width), 1, 0.0, attrs)
    ledger.emit(row, [states[0], w_state, *bias], [from_state])

    width = weights[0].shape[0] // {"lstm": 4, "gru": 3}.get(cell.fn, 1)
    out = ledger.hidden_result((batch, steps, width), dtype)
    row = Row(OpKind.SCAN, (steps, batch * width), 1, cell.cost, {"fn": cell.fn, "rank": 3})
    ledger.emit(row, [from_input, from_state, *states], [out])
    if projection is None:
        return out, width
    narrow = projection.shape[0]
    projected = ledger.hidden_result((batch, steps, narrow), dtype)
    attrs = {"fn": "matmul", "rank": 3, "bias": False, "weights": [1], "sequential": True}
    row = Row(OpKind.GEMM, (steps, batch, narrow, width), 1, 0.0, attrs)
    ledger.emit(row, [out, ledger.read(projection)], [projected])
    return projected, narrow


def _side_by_side(ledger: Ledger, produced: list[tuple[int, int]], size: Sequences) -> tuple[int, int]:
    """The results of both directions next to each other."""
    if len(produced) == 1:
        return produced[0]
    width = sum(w for _, w in produced)
    out = ledger.hidden_result((size.batch, size.steps, width), size.dtype)
    row = Row(OpKind.LAYOUT, (size.steps * size.batch * width,), 0, 0.0, {"fn": "cat", "rank": 3})
    ledger.emit(row, [p for p, _ in produced], [out])
    return out, width


EXPANSIONS: Final[dict[str, Callable[[Ledger, Sequence[Any], Sequence[Tensor]], None]]] = {
    cell.fn: _expansion(cell) for cell in (LSTM, GRU, RNN_TANH, RNN_RELU)
}
"""By operator name."""
