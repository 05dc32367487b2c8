"""A row of the workload for each operator of a TFLite graph, channels first as everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Final

from hw_models.workload import vector_cost
from hw_models.workload.op import OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from hw_models.workload.graph import WorkloadBuilder
    from hw_models.workload.tflite_reader.schema import TfliteGraph, TfliteOp, TfliteTensor

IMAGE_RANK: Final = 4
ACTIVATIONS: Final = {1: "relu", 2: "clamp", 3: "relu6", 4: "tanh"}
"""`ActivationFunctionType` of operators that have one built in -> function."""

FUSED: Final = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 4,
    "FULLY_CONNECTED": 0,
    "ADD": 0,
    "SUB": 0,
    "MUL": 0,
    "DIV": 0,
    "AVERAGE_POOL_2D": 5,
    "MAX_POOL_2D": 5,
    "CONCATENATION": 1,
    "TRANSPOSE_CONV": 3,
}
"""Number of the option that holds the activation."""

ELEMENTWISE: Final = {
    "ADD": "add",
    "SUB": "sub",
    "MUL": "mul",
    "DIV": "div",
    "LOGISTIC": "sigmoid",
    "TANH": "tanh",
    "RELU": "relu",
    "RELU_N1_TO_1": "clamp",
    "RELU6": "relu6",
    "LEAKY_RELU": "leaky_relu",
    "PRELU": "prelu",
    "HARD_SWISH": "hardswish",
    "EXP": "exp",
    "ABS": "abs",
    "ELU": "elu",
    "GELU": "gelu",
    "RSQRT": "rsqrt",
    "MAXIMUM": "maximum",
    "MINIMUM": "minimum",
}
VIEWS: Final = {
    "RESHAPE": "view",
    "SQUEEZE": "view",
    "EXPAND_DIMS": "view",
    "STRIDED_SLICE": "slice",
    "SLICE": "slice",
    "SPLIT": "split",
    "SPLIT_V": "split",
    "UNPACK": "split",
}
COPIES: Final = {
    "CONCATENATION": "cat",
    "PACK": "cat",
    "PAD": "pad",
    "PADV2": "pad",
    "MIRROR_PAD": "pad",
    "DEPTH_TO_SPACE": "pixel_shuffle",
    "SPACE_TO_DEPTH": "pixel_shuffle",
}
RESCALE: Final = 5.0
"""Vector operations per element of a change of scale: multiply, round, add the zero point, two bounds."""


@dataclass
class TfliteWalk:
    """One pass over a graph: which tensor of the workload each tensor of the file became."""

    graph: TfliteGraph
    builder: WorkloadBuilder
    tensors: dict[int, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def of(self, index: int) -> TfliteTensor:
        """A tensor of the file."""
        return self.graph.tensors[index]

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape, images channels first."""
        return channels_first(self.of(index).shape)

    def tensor(self, index: int, view_of: int | None = None) -> int:
        """The tensor of the workload, made when it is first needed; stored ones keep their own shape."""
        if index not in self.tensors:
            given = self.of(index)
            kind = TensorKind.WEIGHT if given.constant else TensorKind.ACTIVATION
            if index in self.graph.inputs:
                kind = TensorKind.INPUT
            shape = given.shape if given.constant else self.shape(index)
            self.tensors[index] = self.builder.tensor(
                shape, given.precision or Precision.INT8, kind, batched=not given.constant, view_of=view_of
            )
        return self.tensors[index]

    def emit(
        self,
        op: TfliteOp,
        kind: OpKind,
        dims: Sequence[int],
        attrs: dict[str, Any],
        cost: float = 0.0,
        inputs: Sequence[int] | None = None,
    ) -> None:
        """One row, and one more for an activation built in."""
        reads = [i for i in (op.inputs if inputs is None else inputs) if i >= 0]
        weights = [n for n, i in enumerate(reads) if self.of(i).constant]
        ins = [self.tensor(i) for i in reads]
        view = ins[0] if kind == OpKind.VIEW else None
        outs = [self.tensor(o, view) for o in op.outputs]
        fn = ACTIVATIONS.get(op.option(FUSED[op.name], "b")) if op.name in FUSED else None
        direct = outs
        if fn is not None:
            first = self.of(op.outputs[0])
            direct = [
                self.builder.tensor(
                    self.shape(op.outputs[0]),
                    first.precision or Precision.INT8,
                    TensorKind.ACTIVATION,
                    batched=True,
                )
            ]
        attrs = {"rank": len(self.of(op.outputs[0]).shape), "weights": weights, **attrs}
        target, name = op.name, self.of(op.outputs[0]).name
        self.builder.op(
            kind, dims, ins, direct, target=target, module=name, batch_dim=0, vector_cost=cost, attrs=attrs
        )
        if fn is not None:
            self.builder.op(
                OpKind.ELEMENTWISE,
                [prod(self.shape(op.outputs[0]))],
                direct,
                outs,
                target=fn,
                module=name,
                batch_dim=0,
                vector_cost=vector_cost.ELEMENTWISE[fn],
                attrs={"fn": fn, "rank": attrs["rank"], "weights": []},
            )


Rule = Callable[[TfliteWalk, "TfliteOp"], None]


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(n, y, x, c) as (n, c, y, x); others as they are."""
    return (shape[0], shape[3], shape[1], shape[2]) if len(shape) == IMAGE_RANK else shape


def walk(given: TfliteWalk) -> None:
    """Rows of all operators, in the file's order."""
    for index in given.graph.inputs:
        given.tensor(index)
    for op in given.graph.ops:
        RULES.get(op.name, _unknown)(given, op)


def _conv(given: TfliteWalk, op: TfliteOp) -> None:
    depthwise = op.name == "DEPTHWISE_CONV_2D"
    weight, (n, _, oy, ox) = given.of(op.inputs[1]).shape, given.shape(op.outputs[0])
    channels = given.shape(op.inputs[0])[1]
    if depthwise:
        groups, outputs, inputs = channels, weight[3] // channels, 1
    else:
        groups = channels // weight[3]
        outputs, inputs = weight[0] // groups, weight[3]
    at = 5 if depthwise else 4
    attrs = {
        "fn": "conv",
        "stride": [op.option(2), op.option(1)],
        "dilation": [op.option(at + 1, default=1), op.option(at, default=1)],
        "padding": "valid" if op.option(0, "b") else "same",
        "transposed": False,
        "bias": len(op.inputs) > 2,
    }
    given.emit(op, OpKind.CONV, [n, groups, outputs, inputs, oy, ox, *weight[1:3]], attrs)


def _transposed(given: TfliteWalk, op: TfliteOp) -> None:
    weight, (n, c, y, x) = given.of(op.inputs[1]).shape, given.shape(op.inputs[2])
    attrs = {
        "fn": "conv",
        "stride": [op.option(2), op.option(1)],
        "dilation": [1, 1],
        "transposed": True,
        "padding": "valid" if op.option(0, "b") else "same",
        "bias": len(op.inputs) > 3,
    }
    reads = [op.inputs[2], op.inputs[1], *op.inputs[3:]]
    given.emit(op, OpKind.CONV, [n, 1, weight[0], c, y, x, *weight[1:3]], attrs, inputs=reads)


def _linear(given: TfliteWalk, op: TfliteOp) -> None:
    k, c = given.of(op.inputs[1]).shape
    rows = prod(given.shape(op.inputs[0])) // c
    given.emit(op, OpKind.GEMM, [1, rows, k, c], {"fn": "linear", "bias": len(op.inputs) > 2})


def _matmul(given: TfliteWalk, op: TfliteOp) -> None:
    a, y = given.of(op.inputs[0]).shape, given.of(op.outputs[0]).shape
    c = a[-2] if op.option(0, "b") else a[-1]
    given.emit(op, OpKind.GEMM, [prod(y[:-2]), y[-2], y[-1], c], {"fn": "matmul", "bias": False})


def _elementwise(given: TfliteWalk, op: TfliteOp) -> None:
    fn = ELEMENTWISE[op.name]
    reads = [i for i in op.inputs if not (given.of(i).constant and prod(given.of(i).shape) == 1)]
    given.emit(
        op,
        OpKind.ELEMENTWISE,
        [prod(given.shape(op.outputs[0]))],
        {"fn": fn},
        vector_cost.ELEMENTWISE[fn],
        reads or op.inputs[:1],
    )


def _rescale(given: TfliteWalk, op: TfliteOp) -> None:
    fn = "dequantize" if op.name == "DEQUANTIZE" else "quantize"
    given.emit(op, OpKind.ELEMENTWISE, [prod(given.shape(op.outputs[0]))], {"fn": fn}, RESCALE)


def _difference(given: TfliteWalk, op: TfliteOp) -> None:
    given.emit(op, OpKind.ELEMENTWISE, [prod(given.shape(op.outputs[0]))], {"fn": "sub"}, 2.0)


def _pool(given: TfliteWalk, op: TfliteOp) -> None:
    (n, c, oy, ox), taps = given.shape(op.outputs[0]), [op.option(4), op.option(3)]
    fn = "max_pool" if op.name == "MAX_POOL_2D" else "avg_pool"
    if (oy, ox) == (1, 1) and tuple(taps) == given.shape(op.inputs[0])[2:]:
        attrs = {
            "fn": "amax" if fn == "max_pool" else "mean",
            "axes": [2, 3],
            "spatial_mean": fn == "avg_pool",
        }
        given.emit(op, OpKind.REDUCE, [n * c, prod(taps)], attrs, 1.0)
        return
    attrs = {"fn": fn, "stride": [op.option(2), op.option(1)]}
    given.emit(op, OpKind.POOL, [n, c, oy, ox, *taps], attrs, 1.0)


def _reduce(given: TfliteWalk, op: TfliteOp) -> None:
    fn = {"MEAN": "mean", "SUM": "sum", "REDUCE_MAX": "amax", "ARG_MAX": "argmax"}[op.name]
    size = prod(given.shape(op.inputs[0]))
    rank = len(given.of(op.inputs[0]).shape)
    stored = sorted(a % rank for a in given.of(op.inputs[1]).values)
    axes = sorted([0, 2, 3, 1][a] for a in stored) if rank == IMAGE_RANK else stored
    outputs = max(prod(given.of(op.outputs[0]).shape), 1)
    attrs = {"fn": fn, "axes": axes, "spatial_mean": fn == "mean" and rank == IMAGE_RANK and axes == [2, 3]}
    given.emit(op, OpKind.REDUCE, [outputs, size // outputs], attrs, vector_cost.REDUCE[fn], op.inputs[:1])


def _softmax(given: TfliteWalk, op: TfliteOp) -> None:
    shape = given.of(op.inputs[0]).shape
    attrs = {"fn": "softmax", "axes": [len(shape) - 1]}
    given.emit(op, OpKind.SOFTMAX, [prod(shape[:-1]), shape[-1]], attrs, vector_cost.SOFTMAX)


def _view(given: TfliteWalk, op: TfliteOp) -> None:
    source = op.inputs[1] if op.name == "SPLIT" else op.inputs[0]
    given.emit(op, OpKind.VIEW, [prod(given.shape(op.outputs[0]))], {"fn": VIEWS[op.name]}, inputs=[source])


def _copy(given: TfliteWalk, op: TfliteOp) -> None:
    reads = op.inputs if COPIES[op.name] == "cat" else op.inputs[:1]
    given.emit(op, OpKind.LAYOUT, [prod(given.shape(op.outputs[0]))], {"fn": COPIES[op.name]}, inputs=reads)


def _transpose(given: TfliteWalk, op: TfliteOp) -> None:
    shape, order = given.of(op.inputs[0]).shape, given.of(op.inputs[1]).values
    moved = [axis for axis in order if shape[axis] != 1]
    kind = OpKind.VIEW if moved == sorted(moved) else OpKind.LAYOUT
    given.emit(op, kind, [prod(shape)], {"fn": "permute"}, inputs=op.inputs[:1])


def _resize(given: TfliteWalk, op: TfliteOp) -> None:
    linear = op.name == "RESIZE_BILINEAR"
    attrs = {"fn": "resize", "mode": "bilinear" if linear else "nearest"}
    dims = [*given.shape(op.outputs[0]), 4 if linear else 1]
    given.emit(op, OpKind.RESIZE, dims, attrs, 2.0 if linear else 0.0, op.inputs[:1])


def _gather(given: TfliteWalk, op: TfliteOp) -> None:
    given.emit(op, OpKind.GATHER, [prod(given.shape(op.outputs[0]))], {"fn": "index"}, inputs=op.inputs[:1])


def _cast(given: TfliteWalk, op: TfliteOp) -> None:
    given.emit(op, OpKind.LAYOUT, [prod(given.shape(op.outputs[0]))], {"fn": "cast"}, 1.0)


def _unknown(given: TfliteWalk, op: TfliteOp) -> None:
    """A row without a rule: counted by its bytes and shown as not modelled."""
    given.unknown.append(op.name)
    ins = [given.tensor(i) for i in op.inputs if i >= 0]
    outs = [given.tensor(o) for o in op.outputs]
    elements = sum(prod(given.shape(o)) for o in op.outputs)
    given.builder.op(
        OpKind.UNKNOWN,
        [elements],
        ins,
        outs,
        target=op.name,
        batch_dim=0,
        modelled=False,
        attrs={"fn": op.name.lower()},
    )


RULES: Final[dict[str, Rule]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _linear,
    "BATCH_MATMUL": _matmul,
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    "SQUARED_DIFFERENCE": _difference,
    "QUANTIZE": _rescale,
    "DEQUANTIZE": _rescale,
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _pool),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "ARG_MAX"), _reduce),
    "SOFTMAX": _softmax,
    **dict.fromkeys(VIEWS, _view),
    **dict.fromkeys(COPIES, _copy),
    "TRANSPOSE": _transpose,
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), _resize),
    "GATHER": _gather,
    "CAST": _cast,
}
"""What each operator becomes."""
