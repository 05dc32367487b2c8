"""Sizes of what an operator writes: inferred by ONNX or our own rule, else stated by file or user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import onnx
from onnx import GraphProto, TypeProto, helper, shape_inference

from hw_models.errors import TraceError
from hw_models.workload.onnx_reader.inputs import Dim, Sizes, times
from hw_models.workload.onnx_reader.node import Node, describe
from hw_models.workload.onnx_reader.rules.contrib import SHAPE_RULES, TWINS, twin_of
from hw_models.workload.onnx_reader.values import Value

ShapeRule = Callable[[Node], list[tuple[int, ...]]]
Partial = tuple[int | None, ...] | None
"""Dimensions as far as they are known; None: not even their number."""

_KEEPS_SHAPE: Final = (
    "Abs BatchNormalization Cast Clip Dropout Elu Erf Exp Gelu GroupNormalization HardSigmoid"
    " HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Log LogSoftmax Mish Neg"
    " PRelu Relu Selu Sigmoid Softmax Sqrt Tanh"
)
"""Operators whose first output has the shape of their first input."""


class MisfitError(TraceError):
    """An operator that the sizes of its inputs contradict."""


class Sizer:
    """Sizes tensors, one operator after the other.

    Args:
        sizes: what is known before the walk.
        opsets: operator set versions by domain.
    """

    def __init__(self, sizes: Sizes, opsets: Mapping[str, int]) -> None:
        self.sizes, self.opsets = sizes, opsets
        self.opset_protos = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        self._schemas: dict[tuple[str, str], onnx.defs.OpSchema | None] = {}
        self._kept: dict[str, str] = {}
        self._read: set[str] = set()

    def look_ahead(self, graph: GraphProto) -> None:
        """Note which tensors are read at all, and which ones an operator passes on in the same shape."""
        self._read.update(o.name for o in graph.output)
        for node in graph.node:
            self._read.update(node.input)
            if node.op_type in _KEEPS_SHAPE.split() and len(node.output) == 1:
                self._kept.setdefault(node.input[0], node.output[0])
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    self.look_ahead(attribute.g)

    def outputs(self, node: Node, outer: Mapping[str, Value] | None = None) -> list[Value | None]:
        """What an operator writes; None for outputs that nobody reads and that nothing sizes.

        Args:
            node: the operator.
            outer: the scope around it, where it has graphs of its own that read from there.

        Raises:
            MisfitError: where the operator does not accept its inputs.
            TraceError: where a size stays unknown.
        """
        inferred = self._infer(node, outer)
        found: list[Value | None] = []
        for position, name in enumerate(node.proto.output):
            elem_type, shape = inferred.get(name, (0, None))
            value = self._value(node, name, elem_type, shape) if name else None
            if name and value is None and (position == 0 or name in self._read):
                raise TraceError(self._unsized(node, name, self._completed(name, shape)))
            found.append(value)
        return found

    def _value(self, node: Node, name: str, elem_type: int, shape: Partial) -> Value | None:
        shape = self._completed(name, shape)
        if shape is None or None in shape:
            return None
        if not elem_type:
            elem_type = next((v.elem_type for v in node.data_inputs), onnx.TensorProto.FLOAT)
        value = Value(name, tuple(d for d in shape if d is not None), elem_type)
        value.constant = all(v.constant for v in node.data_inputs) and bool(node.data_inputs)
        value.batched = any(v.batched for v in node.data_inputs)
        value.sources = frozenset[str]().union(*(v.sources for v in node.data_inputs))
        return value

    def _infer(self, node: Node, outer: Mapping[str, Value] | None) -> dict[str, tuple[int, Partial]]:
        """Element type (0: not inferred) and dimensions of each output, as ONNX or our own rule has them."""
        own = SHAPE_RULES.get((node.domain, node.op))
        if own is not None:
            named = zip(node.proto.output, own(node), strict=False)
            return {name: (node.need(0).elem_type, shape) for name, shape in named}
        schema = self._schema(node)
        if schema is None:
            return {}
        twin = TWINS.get((node.domain, node.op))
        proto = node.proto if twin is None else twin_of(node, frozenset(schema.attributes))
        values = {**(outer or {}), **node.by_name}
        types = {n: values[n].type_proto() for n in (values if outer else proto.input) if n}
        data = {n: p for n, v in node.by_name.items() if (p := v.tensor_proto(n)) is not None}
        if twin is not None and twin.typed_by is not None:
            data = {}
            for type_proto in types.values():
                type_proto.tensor_type.elem_type = onnx.TensorProto.FLOAT
        try:
            inferred = shape_inference.infer_node_outputs(
                schema, proto, types, data, opset_imports=self.opset_protos
            )
        except (shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
            if outer is not None:  # the body is not read, so what it lacks is not held against it
                return {}
            raise MisfitError(_misfit(node, str(error))) from error
        found = {name: _dims_of(type_proto) for name, type_proto in inferred.items()}
        if twin is not None and twin.typed_by is not None:
            elem_type = node.need(twin.typed_by).elem_type
            return {name: (elem_type, shape) for name, (_, shape) in found.items()}
        return found

    def _schema(self, node: Node) -> onnx.defs.OpSchema | None:
        """The operator, or its twin, as the file's operator set defines it; None where none does."""
        key = (node.domain, node.op)
        if key not in self._schemas:
            op, domain = (TWINS[key].op, "") if key in TWINS else (node.op, node.domain)
            try:
                self._schemas[key] = onnx.defs.get_schema(op, self.opsets.get(domain, 1), domain)
            except onnx.defs.SchemaError:
                self._schemas[key] = None
        return self._schemas[key]

    def _completed(self, name: str, shape: Partial) -> Partial:
        """Inferred dimensions, the open ones taken from the user or from the file."""
        if name in self.sizes.given:
            return self.sizes.given[name]
        if shape is not None and None not in shape:
            return shape
        stated = self.sizes.of(name) or self._through_readers(name)
        if stated is None or (shape is not None and len(stated) != len(shape)):
            return shape
        return (
            stated
            if shape is None
            else tuple(b if a is None else a for a, b in zip(shape, stated, strict=True))
        )

    def _through_readers(self, name: str) -> Partial:
        """Size of a tensor from what the file states behind operators that keep the shape."""
        while name in self._kept:
            name = self._kept[name]
            stated = self.sizes.of(name)
            if stated is not None:
                return stated
        return None

    def stated(self, name: str) -> tuple[int, ...] | None:
        """Size that the user or the file states for a tensor; None where it is not complete."""
        sizes = self.sizes.of(name)
        return None if sizes is None or None in sizes else tuple(d for d in sizes if d is not None)

    def _unsized(self, node: Node, name: str, shape: Partial) -> str:
        open_dims: tuple[Dim, ...] = tuple(f"<d{i}>" if d is None else d for i, d in enumerate(shape or ()))
        flag = times(open_dims) if shape is not None else "<d0>x<d1>x..."
        why = "ONNX has no rule for it" if self._schema(node) is None else "it depends on data"
        if node.domain == "com.microsoft.nchwc":
            why = "it is laid out for one CPU; save the network at ORT_ENABLE_EXTENDED or below"
        return (
            f"{describe(node.proto)}: the size of its output '{name}' is not known: {why}, and the file "
            f"does not state it; give it: --shape {name}={flag}"
        )


def _misfit(node: Node, reason: str) -> str:
    shapes = ", ".join(f"'{v.name}' {times(v.shape)}" for v in node.data_inputs)
    return (
        f"{describe(node.proto)} does not accept its inputs ({shapes}): {' '.join(reason.split())}; either "
        "the shape given for the network's input does not suit it, or the file is not a valid ONNX model"
    )


def _dims_of(type_proto: TypeProto) -> tuple[int, Partial]:
    tensor = type_proto.tensor_type
    if not type_proto.HasField("tensor_type") or not tensor.HasField("shape"):
        return tensor.elem_type, None
    return tensor.elem_type, tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
