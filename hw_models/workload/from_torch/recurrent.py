"""Recurrent layers: one dispatched operator, several rows for each layer and direction.

A layer is three rows: the product of all inputs with the input weights, the products of the state with the recurrent
weights (one a step, so `batch` of that matrix product is the number of steps), and the scan of the cell's elementwise work.
Source: Hochreiter and Schmidhuber, 1997; Cho et al., 2014, in the form of torch.nn.LSTM, GRU and RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from torch import Tensor

from hw_models.workload import vector_cost
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.workload.from_torch.recorder import Recorder


class Cell(NamedTuple):
    """A recurrent cell: its name, gates per state element, and vector operations per state element and step."""

    fn: str
    gates: int
    cost: float


LSTM: Final = Cell("lstm", 4, 3 * vector_cost.SIGMOID + 2 * vector_cost.TANH + 4 + 8)
"""Four gates with two biases each (8 additions), c = f c + i g, h = o tanh(c)."""
GRU: Final = Cell("gru", 3, 2 * vector_cost.SIGMOID + vector_cost.TANH + 5 + 6)
RNN_TANH: Final = Cell("rnn_tanh", 1, vector_cost.TANH + 3)
RNN_RELU: Final = Cell("rnn_relu", 1, 4.0)


def _expand(cell: Cell) -> Callable[..., None]:
    """Writer of the rows of `<cell>.input(input, state, params, has_biases, num_layers, ..., bidirectional, batch_first)`."""

    def write(recorder: Recorder, args: Sequence[Any], outs: Sequence[Tensor]) -> None:
        x, state, params, has_biases, layers = args[:5]
        directions = 2 if args[7] else 1
        # (steps, batch, features), or (batch, steps, features) with batch_first
        steps, batch = (x.shape[1], x.shape[0]) if args[8] else (x.shape[0], x.shape[1])
        per_layer = len(params) // (layers * directions)
        states = [recorder.read(s) for s in (state if isinstance(state, list | tuple) else [state])]
        source, features = recorder.read(x), x.shape[-1]
        for layer in range(layers):
            produced = []
            for direction in range(directions):
                start = (layer * directions + direction) * per_layer
                weights = params[start : start + per_layer]
                produced.append(_layer(recorder, cell, (source, features), weights, states, (steps, batch)))
            source, features = _joined(recorder, produced, (steps, batch))
        recorder.bind_results(cell.fn, source, outs)
        del has_biases

    return write


def _layer(
    recorder: Recorder,
    cell: Cell,
    source: tuple[int, int],
    weights: Sequence[Tensor],
    states: list[int],
    size: tuple[int, int],
) -> tuple[int, int]:
    """The three rows of one layer in one direction; the index and width of its result."""
    (x, features), (steps, batch) = source, size
    w_in, w_state, *biases = weights
    hidden, width = w_state.shape[1], w_state.shape[0]
    reads = [recorder.read(w) for w in (w_in, w_state, *biases)]
    bias = reads[2:]
    gates = recorder.new_activation((steps, batch, width))
    attrs = {"fn": "linear", "rank": 3, "bias": bool(bias), "weights": [1, *range(2, 2 + len(bias[:1]))]}
    recorder.row(
        OpKind.GEMM, (1, steps * batch, width, features), 1, 0.0, attrs, [x, reads[0], *bias[:1]], [gates]
    )
    recurrent = recorder.new_activation((steps, batch, width))
    attrs = {
        "fn": "matmul",
        "rank": 3,
        "bias": len(bias) > 1,
        "weights": [1, *range(2, 2 + len(bias[1:2]))],
        "sequential": True,
    }
    recorder.row(
        OpKind.GEMM,
        (steps, batch, width, hidden),
        1,
        0.0,
        attrs,
        [states[0], reads[1], *bias[1:2]],
        [recurrent],
    )
    out_width = weights[4].shape[0] if cell is LSTM and len(weights) in {3, 5} else hidden
    out = recorder.new_activation((steps, batch, out_width))
    recorder.row(
        OpKind.SCAN,
        (steps, batch * hidden),
        1,
        cell.cost,
        {"fn": cell.fn, "rank": 3},
        [gates, recurrent, *states],
        [out],
    )
    return out, out_width


def _joined(recorder: Recorder, produced: list[tuple[int, int]], size: tuple[int, int]) -> tuple[int, int]:
    """The results of both directions side by side."""
    if len(produced) == 1:
        return produced[0]
    width = sum(w for _, w in produced)
    out = recorder.new_activation((*size, width))
    elements = size[0] * size[1] * width
    recorder.row(
        OpKind.LAYOUT, (elements,), 0, 0.0, {"fn": "cat", "rank": 3}, [p for p, _ in produced], [out]
    )
    return out, width


EXPANSIONS: Final[dict[str, Callable[..., None]]] = {
    "lstm": _expand(LSTM),
    "gru": _expand(GRU),
    "rnn_tanh": _expand(RNN_TANH),
    "rnn_relu": _expand(RNN_RELU),
}
