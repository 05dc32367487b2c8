"""Int8 networks as TFLite files, with the schema that ethos-u-vela carries; weights are random."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np

from hw_models.validation.truth.int8_networks import Layer, layers

if TYPE_CHECKING:
    from int8_networks import Lines

ACTIVATION = {None: 0, "relu": 1, "relu6": 3}
OPERATOR = {
    "conv": "CONV_2D",
    "dw": "DEPTHWISE_CONV_2D",
    "fc": "FULLY_CONNECTED",
    "add": "ADD",
    "mul": "MUL",
    "mean": "MEAN",
    "resize": "RESIZE_NEAREST_NEIGHBOR",
    "concat": "CONCATENATION",
    "reshape": "RESHAPE",
    "transpose": "TRANSPOSE",
    "matmul": "BATCH_MATMUL",
    "softmax": "SOFTMAX",
    "sigmoid": "LOGISTIC",
    "hardswish": "HARD_SWISH",
    "tanh": "TANH",
}
KEEPS_SCALE = ("reshape", "transpose", "pool", "resize", "mean")


def schema(name: str) -> Any:
    """A module of the generated schema."""
    return importlib.import_module(f"ethosu.vela.tflite.{name}")


@dataclass
class Writer:
    """A file being put together."""

    seed: int
    tensors: list[dict[str, Any]] = field(default_factory=list)
    ops: list[tuple[str, list[int], int, tuple[str, dict[str, int]] | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def tensor(
        self, shape: Any, data: np.ndarray | None = None, scale: Any = 0.05, zero: int = 0, axis: int = 0
    ) -> int:
        """Add a tensor; its number."""
        scales = np.atleast_1d(np.asarray(scale, np.float32))
        self.tensors.append({"shape": shape, "data": data, "scale": scales, "zero": zero, "axis": axis})
        return len(self.tensors) - 1

    def weights(self, shape: tuple[int, ...]) -> np.ndarray:
        """Normal weights, each output channel scaled to its largest, as a converter scales them."""
        values = self.random.standard_normal(shape)
        largest = np.abs(values).max(axis=tuple(range(1, len(shape))), keepdims=True)
        return np.round(values / np.maximum(largest, 1e-9) * 127).astype(np.int8)

    def bias(self, count: int, scale: Any) -> int:
        """Biases of so many channels."""
        return self.tensor([count], self.random.integers(-1000, 1000, count).astype(np.int32), scale)

    def constant(self, values: Any) -> int:
        """Whole numbers that an operator takes as an operand."""
        data = np.asarray(values, np.int32)
        return self.tensor(list(data.shape), data)

    def add(self, layer: Layer, found: list[int], given: list[Layer]) -> int:
        """One layer; the tensor that it leaves."""
        if layer.op == "from":
            return found[layer.inputs[0]]
        ins = [found[i] for i in layer.inputs]
        unit = layer.op in ("softmax", "sigmoid")
        if layer.op == "input":
            return self.tensor(list(layer.shape))
        name, options, more = self._operator(layer, given[layer.inputs[0]])
        before = self.tensors[ins[0]]
        scale, zero = (1 / 256, -128) if unit else (0.06, 0)
        if layer.op in KEEPS_SCALE:
            scale, zero = before["scale"], before["zero"]
        out = self.tensor(list(layer.shape), scale=scale, zero=zero)
        self.ops.append((name, ins + more, out, options))
        return out

    def _operator(
        self, layer: Layer, source: Layer
    ) -> tuple[str, tuple[str, dict[str, int]] | None, list[int]]:
        op, given, shape = layer.op, layer.options, layer.shape
        act = {"FusedActivationFunction": ACTIVATION[given.get("act")]}
        if op in ("conv", "dw", "pool"):
            (y, x), (sy, sx) = given["taps"], given["stride"]
            sides = {"Padding": 0 if given["same"] else 1, "StrideW": sx, "StrideH": sy}
            if op == "pool":
                kind = "MAX_POOL_2D" if given["kind"] == "max" else "AVERAGE_POOL_2D"
                return kind, ("Pool2DOptions", {**sides, "FilterWidth": x, "FilterHeight": y}), []
            return self._convolution(layer, source.shape[3], (y, x), {**sides, **act})
        if op == "fc":
            k, inputs = shape[1], given["inputs"]
            weight = self.tensor([k, inputs], self.weights((k, inputs)), 0.01)
            return OPERATOR[op], ("FullyConnectedOptions", act), [weight, self.bias(k, 0.0005)]
        stored = {
            "mean": [1, 2],
            "resize": list(shape[1:3]),
            "reshape": list(shape),
            "transpose": given.get("order"),
        }
        more = [self.constant(stored[op])] if op in stored else []
        options = {
            "add": ("AddOptions", act),
            "mul": ("MulOptions", act),
            "mean": ("ReducerOptions", {"KeepDims": 1}),
            "concat": ("ConcatenationOptions", {"Axis": len(shape) - 1}),
            "resize": ("ResizeNearestNeighborOptions", {}),
            "matmul": ("BatchMatMulOptions", {}),
            "softmax": ("SoftmaxOptions", {"Beta": 1}),
        }
        return OPERATOR[op], options.get(op), more

    def _convolution(
        self, layer: Layer, channels: int, taps: tuple[int, int], options: dict[str, int]
    ) -> Any:
        k, depthwise = layer.shape[3], layer.op == "dw"
        if depthwise:
            data = np.ascontiguousarray(self.weights((k, *taps)).transpose(1, 2, 0)[None])
            options |= {"DepthMultiplier": 1}
        else:
            data = self.weights((k, *taps, channels))
        weight = self.tensor(list(data.shape), data, np.full(k, 0.01), axis=3 if depthwise else 0)
        kind = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
        return OPERATOR[layer.op], (kind, options), [weight, self.bias(k, np.full(k, 0.0005))]

    def file(self, inputs: list[int], outputs: list[int]) -> bytes:
        """The file's bytes."""
        b = flatbuffers.Builder(1 << 16)
        model, graph, code = schema("Model"), schema("SubGraph"), schema("OperatorCode")
        buffers: list[np.ndarray | None] = [None, *(t["data"] for t in self.tensors if t["data"] is not None)]
        tensors = _offsets(b, graph.StartTensorsVector, self._tensor_tables(b))
        names = list(dict.fromkeys(op[0] for op in self.ops))
        ops = _offsets(b, graph.StartOperatorsVector, [_operator_table(b, op, names) for op in self.ops])
        ins, outs = (b.CreateNumpyVector(np.array(v, np.int32)) for v in (inputs, outputs))
        graph.Start(b)
        for put, value in (
            (graph.AddTensors, tensors),
            (graph.AddInputs, ins),
            (graph.AddOutputs, outs),
            (graph.AddOperators, ops),
        ):
            put(b, value)
        main, codes = graph.End(b), []
        for name in names:
            number = getattr(schema("BuiltinOperator").BuiltinOperator, name)
            code.Start(b)
            code.AddDeprecatedBuiltinCode(b, min(number, 127))
            code.AddBuiltinCode(b, number)
            code.AddVersion(b, 1)
            codes.append(code.End(b))
        lists = (
            (model.AddSubgraphs, _offsets(b, model.StartSubgraphsVector, [main])),
            (model.AddOperatorCodes, _offsets(b, model.StartOperatorCodesVector, codes)),
            (model.AddBuffers, _offsets(b, model.StartBuffersVector, [_buffer(b, d) for d in buffers])),
        )
        model.Start(b)
        model.AddVersion(b, 3)
        for put, value in lists:
            put(b, value)
        b.Finish(model.End(b), file_identifier=b"TFL3")
        return bytes(b.Output())

    def _tensor_tables(self, b: Any) -> list[int]:
        tensor, quantised, types = (
            schema("Tensor"),
            schema("QuantizationParameters"),
            schema("TensorType").TensorType,
        )
        done, buffer = [], 0
        for number, t in enumerate(self.tensors):
            stored = t["data"] is not None
            buffer += stored
            name, shape = b.CreateString(f"t{number}"), b.CreateNumpyVector(np.array(t["shape"], np.int32))
            scale = b.CreateNumpyVector(t["scale"])
            zero = b.CreateNumpyVector(np.full(len(t["scale"]), t["zero"], np.int64))
            quantised.Start(b)
            quantised.AddScale(b, scale)
            quantised.AddZeroPoint(b, zero)
            quantised.AddQuantizedDimension(b, t["axis"])
            q = quantised.End(b)
            wide = stored and t["data"].dtype == np.int32
            tensor.Start(b)
            tensor.AddShape(b, shape)
            tensor.AddType(b, types.INT32 if wide else types.INT8)
            tensor.AddBuffer(b, buffer if stored else 0)
            tensor.AddName(b, name)
            tensor.AddQuantization(b, q)
            done.append(tensor.End(b))
        return done


def _offsets(b: Any, start: Any, items: list[int]) -> int:
    start(b, len(items))
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return int(b.EndVector())


def _buffer(b: Any, data: np.ndarray | None) -> int:
    buffer = schema("Buffer")
    stored = None if data is None else b.CreateNumpyVector(np.frombuffer(data.tobytes(), np.uint8))
    buffer.Start(b)
    if stored is not None:
        buffer.AddData(b, stored)
    return int(buffer.End(b))


def _operator_table(b: Any, op: Any, names: list[str]) -> int:
    name, ins, out, options = op
    operator, number = schema("Operator"), None
    if options is not None:
        module = schema(options[0])
        module.Start(b)
        for key, value in options[1].items():
            getattr(module, f"Add{key}")(b, value)
        number = module.End(b)
    reads, writes = (
        b.CreateNumpyVector(np.array(ins, np.int32)),
        b.CreateNumpyVector(np.array([out], np.int32)),
    )
    operator.Start(b)
    operator.AddOpcodeIndex(b, names.index(name))
    operator.AddInputs(b, reads)
    operator.AddOutputs(b, writes)
    if options is not None:
        operator.AddBuiltinOptionsType(b, getattr(schema("BuiltinOptions").BuiltinOptions, options[0]))
        operator.AddBuiltinOptions(b, number)
    return int(operator.End(b))


def tflite(lines: Lines, seed: int = 0) -> bytes:
    """The network as a TFLite file."""
    writer, found, given = Writer(seed), [], layers(lines)
    for layer in given:
        found.append(writer.add(layer, found, given))
    inputs = [t for t, layer in zip(found, given, strict=True) if layer.op == "input"]
    return writer.file(inputs, [found[-1]])
