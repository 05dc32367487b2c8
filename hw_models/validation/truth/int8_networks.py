"""Small int8 networks as text: a line an operator, channels last, each on the line before it.

    input 96x96x3
    conv 8 3x3 /2 relu       8 outputs; `valid` for no padding
    dw 3x3 /1 relu           depthwise
    conv 16 1x1
    add @3 relu              with line 3, lines counted from 0
    from @2                  go on from an earlier line
    pool avg 6x6 /6 | pool max 3x3 /2 same | mean | resize 2 | concat @4
    fc 10 | reshape 1x10 | transpose 0 2 1 3 | matmul @5 | softmax | sigmoid | hardswish | mul @2

The same lines become a TFLite file for a compiler and a workload for us, so that both see one network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Final

from hw_models.errors import InputError
from hw_models.workload import vector_cost
from hw_models.workload.graph import Workload, WorkloadBuilder
from hw_models.workload.op import OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Shape = tuple[int, ...]
ACTIVATIONS: Final = ("relu", "relu6")
UNARY: Final = ("sigmoid", "hardswish", "tanh")
BINARY: Final = ("add", "mul")


@dataclass(frozen=True)
class Layer:
    """One line: what it does, to which lines, its output shape (channels last), its options."""

    op: str
    inputs: tuple[int, ...]
    shape: Shape
    options: dict[str, Any] = field(default_factory=dict)


def layers(lines: Sequence[str]) -> list[Layer]:
    """The layers of a network.

    Raises:
        InputError: a line that is no operator, or that does not fit what it works on.
    """
    done: list[Layer] = []
    for number, line in enumerate(lines):
        words = line.split()
        if not words or words[0] not in _RULES or (not done and words[0] != "input"):
            known = ", ".join(_RULES)
            raise InputError(f"line {number} of a network, '{line}': expected one of {known}, `input` first")
        try:
            done.append(_RULES[words[0]](words, done))
        except (ValueError, IndexError) as error:
            raise InputError(f"line {number} of a network, '{line}': {error}; see int8_networks") from error
    return done


def _pair(word: str) -> tuple[int, int]:
    y, _, x = word.partition("x")
    return int(y), int(x or y)


def _sides(words: Sequence[str]) -> dict[str, Any]:
    """Taps, stride, padding and activation among the words of a line."""
    taps = next(_pair(w) for w in words if re.fullmatch(r"\d+x\d+", w))
    stride = next((_pair(w[1:]) for w in words if w.startswith("/")), (1, 1))
    act = next((w for w in words if w in ACTIVATIONS), None)
    return {"taps": taps, "stride": stride, "act": act, "same": "valid" not in words}


def _plane(shape: Shape, sides: dict[str, Any]) -> tuple[int, int]:
    y, x = (
        -(-i // s) if sides["same"] else (i - f) // s + 1
        for i, f, s in zip(shape[1:3], sides["taps"], sides["stride"], strict=True)
    )
    return y, x


def _reference(words: Sequence[str]) -> int:
    return next(int(w[1:]) for w in words if w.startswith("@"))


def _input(words: Sequence[str], _: list[Layer]) -> Layer:
    return Layer("input", (), (1, *(int(s) for s in words[1].split("x"))))


def _conv(words: Sequence[str], done: list[Layer]) -> Layer:
    before, sides = len(done) - 1, _sides(words)
    n, channels = done[before].shape[0], done[before].shape[3]
    k = channels if words[0] == "dw" else int(words[1])
    return Layer(words[0], (before,), (n, *_plane(done[before].shape, sides), k), sides)


def _pool(words: Sequence[str], done: list[Layer]) -> Layer:
    before, sides = len(done) - 1, _sides(words)
    sides |= {"same": "same" in words, "kind": words[1]}
    n, channels = done[before].shape[0], done[before].shape[3]
    return Layer("pool", (before,), (n, *_plane(done[before].shape, sides), channels), sides)


def _mean(_: Sequence[str], done: list[Layer]) -> Layer:
    n, channels = done[-1].shape[0], done[-1].shape[-1]
    return Layer("mean", (len(done) - 1,), (n, 1, 1, channels))


def _resize(words: Sequence[str], done: list[Layer]) -> Layer:
    n, y, x, c = done[-1].shape
    factor = int(words[1])
    return Layer("resize", (len(done) - 1,), (n, y * factor, x * factor, c), {"factor": factor})


def _concat(words: Sequence[str], done: list[Layer]) -> Layer:
    other = _reference(words)
    shape = done[-1].shape
    return Layer("concat", (len(done) - 1, other), (*shape[:-1], shape[-1] + done[other].shape[-1]))


def _linear(words: Sequence[str], done: list[Layer]) -> Layer:
    shape, act = done[-1].shape, next((w for w in words if w in ACTIVATIONS), None)
    inputs = prod(shape[1:]) if len(shape) == 4 else shape[-1]
    return Layer(
        "fc", (len(done) - 1,), (prod(shape) // inputs, int(words[1])), {"act": act, "inputs": inputs}
    )


def _reshape(words: Sequence[str], done: list[Layer]) -> Layer:
    shape = tuple(int(s) for s in words[1].split("x"))
    if prod(shape) != prod(done[-1].shape):
        raise ValueError(f"{prod(done[-1].shape)} elements are no {words[1]}")
    return Layer("reshape", (len(done) - 1,), shape)


def _transpose(words: Sequence[str], done: list[Layer]) -> Layer:
    order = tuple(int(w) for w in words[1:])
    return Layer("transpose", (len(done) - 1,), tuple(done[-1].shape[a] for a in order), {"order": order})


def _matmul(words: Sequence[str], done: list[Layer]) -> Layer:
    other, shape = _reference(words), done[-1].shape
    return Layer(
        "matmul", (len(done) - 1, other), (*shape[:-1], done[other].shape[-1]), {"inputs": shape[-1]}
    )


def _binary(words: Sequence[str], done: list[Layer]) -> Layer:
    act = next((w for w in words if w in ACTIVATIONS), None)
    return Layer(words[0], (len(done) - 1, _reference(words)), done[-1].shape, {"act": act})


def _unary(words: Sequence[str], done: list[Layer]) -> Layer:
    return Layer(words[0], (len(done) - 1,), done[-1].shape)


def _from(words: Sequence[str], done: list[Layer]) -> Layer:
    source = _reference(words)
    return Layer("from", (source,), done[source].shape)


_RULES: Final[dict[str, Callable[[Sequence[str], list[Layer]], Layer]]] = {
    "input": _input,
    "conv": _conv,
    "dw": _conv,
    "pool": _pool,
    "mean": _mean,
    "resize": _resize,
    "concat": _concat,
    "fc": _linear,
    "reshape": _reshape,
    "transpose": _transpose,
    "matmul": _matmul,
    "softmax": _unary,
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(UNARY, _unary),
    "from": _from,
}


def workload_of(name: str, lines: Sequence[str]) -> Workload:
    """The network as we read any other, int8, channels first."""
    builder = WorkloadBuilder(name)
    found: list[int] = []
    given = layers(lines)
    for layer in given:
        found.append(
            _emit(builder, layer, [found[i] for i in layer.inputs], [given[i] for i in layer.inputs])
        )
    return builder.finish(found[-1:], {"source": "int8_networks"})


def _first(shape: Shape) -> Shape:
    return (shape[0], shape[3], shape[1], shape[2]) if len(shape) == 4 else shape


def _tensor(builder: WorkloadBuilder, shape: Shape, kind: TensorKind, view_of: int | None = None) -> int:
    precision = Precision.INT32 if kind == TensorKind.CONSTANT else Precision.INT8
    weight = kind in (TensorKind.WEIGHT, TensorKind.CONSTANT)
    made = TensorKind.WEIGHT if weight else kind
    return builder.tensor(shape, precision, made, batched=not weight, view_of=view_of)


def _emit(builder: WorkloadBuilder, layer: Layer, ins: list[int], sources: list[Layer]) -> int:
    """One row, one more for an activation; the tensor that the line leaves."""
    if layer.op == "input":
        return _tensor(builder, _first(layer.shape), TensorKind.INPUT)
    if layer.op == "from":
        return ins[0]
    kind, dims, attrs, cost, weights = _row(layer, sources)
    stored = [_tensor(builder, shape, TensorKind.WEIGHT) for shape in weights[:1]]
    stored += [_tensor(builder, shape, TensorKind.CONSTANT) for shape in weights[1:]]
    view = ins[0] if kind == OpKind.VIEW else None
    out = _tensor(builder, _first(layer.shape), TensorKind.ACTIVATION, view)
    where = list(range(len(ins), len(ins) + len(stored)))
    common = {"rank": len(layer.shape), "weights": where}
    builder.op(
        kind,
        dims,
        [*ins, *stored],
        [out],
        target=layer.op,
        batch_dim=0,
        vector_cost=cost,
        attrs={**common, **attrs},
    )
    act = layer.options.get("act")
    if act is None:
        return out
    after = _tensor(builder, _first(layer.shape), TensorKind.ACTIVATION)
    builder.op(
        OpKind.ELEMENTWISE,
        [prod(layer.shape)],
        [out],
        [after],
        target=act,
        batch_dim=0,
        vector_cost=vector_cost.ELEMENTWISE[act],
        attrs={"fn": act, "rank": len(layer.shape), "weights": []},
    )
    return after


Row = tuple[OpKind, list[int], dict[str, Any], float, list[Shape]]


def _row(layer: Layer, sources: list[Layer]) -> Row:
    """Kind, loop dimensions, attributes, vector operations per iteration, shapes of what is stored."""
    if layer.op in ("conv", "dw"):
        return _conv_row(layer, sources[0].shape[3])
    if layer.op in ("fc", "matmul"):
        return _product_row(layer)
    if layer.op in ("pool", "mean"):
        return _pool_row(layer, sources[0].shape)
    return _plain_row(layer)


def _plain_row(layer: Layer) -> Row:
    """What works element by element, or row by row, or moves."""
    elements, shape = prod(layer.shape), layer.shape
    if layer.op in (*BINARY, *UNARY):
        return OpKind.ELEMENTWISE, [elements], {"fn": layer.op}, vector_cost.ELEMENTWISE[layer.op], []
    if layer.op == "softmax":
        attrs = {"fn": "softmax", "axes": [len(shape) - 1]}
        return OpKind.SOFTMAX, [elements // shape[-1], shape[-1]], attrs, vector_cost.SOFTMAX, []
    if layer.op == "resize":
        return OpKind.RESIZE, [*_first(shape), 1], {"fn": "resize", "mode": "nearest"}, 0.0, []
    fn = {"concat": "cat", "transpose": "permute", "reshape": "view"}[layer.op]
    return OpKind.VIEW if fn == "view" else OpKind.LAYOUT, [elements], {"fn": fn}, 0.0, []


def _product_row(layer: Layer) -> Row:
    shape, inputs = layer.shape, layer.options["inputs"]
    if layer.op == "fc":
        rows, k = shape
        return OpKind.GEMM, [1, rows, k, inputs], {"fn": "linear", "bias": True}, 0.0, [(k, inputs), (k,)]
    dims = [prod(shape[:-2]), shape[-2], shape[-1], inputs]
    return OpKind.GEMM, dims, {"fn": "matmul", "bias": False}, 0.0, []


def _conv_row(layer: Layer, channels: int) -> Row:
    (n, y, x, k), taps = layer.shape, layer.options["taps"]
    groups = channels if layer.op == "dw" else 1
    attrs = {
        "fn": "conv",
        "stride": list(layer.options["stride"]),
        "dilation": [1, 1],
        "padding": "same" if layer.options["same"] else "valid",
        "transposed": False,
        "bias": True,
    }
    dims = [n, groups, k // groups, channels // groups, y, x, *taps]
    return OpKind.CONV, dims, attrs, 0.0, [(k, channels // groups, *taps), (k,)]


def _pool_row(layer: Layer, source: Shape) -> Row:
    n, y, x, channels = layer.shape
    taps = layer.options.get("taps", source[1:3])
    largest = layer.options.get("kind") == "max"
    if layer.op == "mean":
        attrs = {"fn": "amax" if largest else "mean", "axes": [2, 3], "spatial_mean": not largest}
        return OpKind.REDUCE, [n * channels, prod(taps)], attrs, 1.0, []
    attrs = {"fn": "max_pool" if largest else "avg_pool", "stride": list(layer.options["stride"])}
    return OpKind.POOL, [n, channels, y, x, *taps], attrs, 1.0, []
