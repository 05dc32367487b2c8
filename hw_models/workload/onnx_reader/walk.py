"""The walk over an ONNX graph: sizes of every tensor, constant folding, and the rows that rules emit."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TypeProto, helper, shape_inference

from hw_models.errors import TraceError
from hw_models.workload.graph import WorkloadBuilder
from hw_models.workload.onnx_reader.inputs import Sizes, times
from hw_models.workload.onnx_reader.node import Node, Row, constant, describe
from hw_models.workload.onnx_reader.rules import RULES, SHAPE_RULES, TWINS, twin_of
from hw_models.workload.onnx_reader.values import (
    KNOWN_VALUE_LIMIT,
    Value,
    from_array,
    from_sparse,
    from_tensor,
)
from hw_models.workload.op import OpKind, TensorKind

Scope = MutableMapping[str, Value]
Rule = Callable[["Walk", Node], None]
ShapeRule = Callable[[Node], list[tuple[int, ...]]]
Inferred = tuple[int, tuple[int | None, ...] | None]
"""Element type (0: not inferred) and dimensions (None: not inferred)."""

SHAPE_KEEPING: Final = frozenset(
    "Relu LeakyRelu PRelu Sigmoid Tanh Softmax LogSoftmax Identity Dropout Cast Clip Elu Selu Gelu HardSwish HardSigmoid "
    "Mish Erf Exp Log Sqrt Neg Abs BatchNormalization LayerNormalization InstanceNormalization GroupNormalization".split()
)
"""Operators whose first output has the shape of their first input."""

_RANDOM: Final = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


class Walk:
    """Reads one model into a builder.

    Args:
        builder: takes the rows.
        sizes: what is known of sizes before the walk.
        opsets: operator set versions by domain.
    """

    def __init__(self, builder: WorkloadBuilder, sizes: Sizes, opsets: Mapping[str, int]) -> None:
        self.builder, self.sizes = builder, sizes
        self.opsets = dict(opsets)
        self.notes: list[str] = []
        self._opset_protos = [helper.make_opsetid(d, v) for d, v in self.opsets.items()]
        self._schemas: dict[tuple[str, str], onnx.defs.OpSchema | None] = {}
        self._kept: dict[str, str] = {}
        self._read: set[str] = set()

    def graph(self, graph: GraphProto, outer: Scope | None = None) -> Scope:
        """Walk a graph, inside the scope of an outer one where it is a branch; the tensors by name."""
        scope: Scope = ChainMap({}, outer if outer is not None else {})
        for tensor in graph.initializer:
            scope[tensor.name] = from_tensor(tensor)
        for sparse in graph.sparse_initializer:
            scope[sparse.values.name] = from_sparse(sparse)
        if outer is None:
            scope.update(self.sizes.inputs)
        self._look_ahead(graph)
        for node in graph.node:
            self._step(node, scope)
        return scope

    def sizes_only(self, graph: GraphProto, outer: Scope) -> list[Value] | None:
        """The outputs of a branch that may not run, without its rows; None where it cannot be sized."""
        copies = {name: replace(value, index=None) for name, value in outer.items()}
        aside = Walk(WorkloadBuilder("", self.builder.batch), self.sizes, self.opsets)
        try:
            inner = aside.graph(graph, copies)
        except TraceError:
            return None
        return [inner[o.name] for o in graph.output]

    def _look_ahead(self, graph: GraphProto) -> None:
        """Note which tensors are read at all, and which ones an operator passes on in the same shape."""
        self._read.update(o.name for o in graph.output)
        for node in graph.node:
            self._read.update(node.input)
            if node.op_type in SHAPE_KEEPING and len(node.output) == 1:
                self._kept.setdefault(node.input[0], node.output[0])
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    self._look_ahead(attribute.g)

    def _step(self, proto: NodeProto, scope: Scope) -> None:
        node = Node(proto, [self._lookup(name, proto, scope) for name in proto.input])
        if node.domain == "" and node.op == "Constant":
            scope[proto.output[0]] = constant(node)
            return
        if node.domain == "" and node.op == "If":
            from hw_models.workload.onnx_reader.control import branch

            branch(self, node, scope)
            return
        if self._fold(node, scope):
            return
        self._size_outputs(node)
        for value in node.outputs:
            if value is not None:
                value.batched = any(v.batched for v in node.data_inputs)
                scope[value.name] = value
        rule = RULES.get((node.domain, node.op))
        if rule is None:
            self.unknown(node)
        else:
            rule(self, node)

    def _lookup(self, name: str, proto: NodeProto, scope: Scope) -> Value | None:
        if not name:
            return None
        if name not in scope:
            msg = f"{describe(proto)} reads '{name}', which nothing before it writes; the file is not a valid ONNX model"
            raise TraceError(msg)
        return scope[name]

    # sizes

    def _size_outputs(self, node: Node) -> None:
        """Set `node.outputs`: inferred, else declared by the file, else given by the user.

        Raises:
            TraceError: where a size stays unknown.
        """
        inferred = self.infer(node)
        for position, name in enumerate(node.proto.output):
            if not name:
                node.outputs.append(None)
                continue
            elem_type, shape = inferred.get(name, (0, None))
            shape = self._completed(name, shape)
            if shape is None or None in shape:
                if position > 0 and name not in self._read:
                    node.outputs.append(None)
                    continue
                raise TraceError(self._unsized(node, name, shape))
            elem_type = elem_type or next((v.elem_type for v in node.data_inputs), onnx.TensorProto.FLOAT)
            node.outputs.append(Value(name, tuple(d for d in shape if d is not None), elem_type))
        if not any(node.outputs):
            node.outputs = []

    def infer(self, node: Node) -> dict[str, Inferred]:
        """Element type and dimensions of each output as ONNX, or our own rule, infers them; None: not inferred."""
        own = SHAPE_RULES.get((node.domain, node.op))
        if own is not None:
            names, shapes = node.proto.output, own(node)
            return {n: (node.need(0).elem_type, s) for n, s in zip(names, shapes, strict=False) if n}
        schema = self._schema(node)
        if schema is None:
            return {}
        proto = twin_of(node, frozenset(schema.attributes)) if (node.domain, node.op) in TWINS else node.proto
        values = node.by_name
        types = {n: values[n].type_proto() for n in proto.input if n}
        data = {n: p for n, v in values.items() if (p := v.tensor_proto(n)) is not None}
        try:
            inferred = shape_inference.infer_node_outputs(
                schema, node.proto, types, data, opset_imports=self._opset_protos
            )
        except (shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
            raise TraceError(self._misfit(node, str(error))) from error
        return {name: _shape_of(type_proto) for name, type_proto in inferred.items()}

    def _schema(self, node: Node) -> onnx.defs.OpSchema | None:
        key = (node.domain, node.op)
        if key not in self._schemas:
            try:
                self._schemas[key] = onnx.defs.get_schema(
                    node.op, self.opsets.get(node.domain, 1), node.domain
                )
            except onnx.defs.SchemaError:
                self._schemas[key] = None
        return self._schemas[key]

    def _completed(self, name: str, shape: tuple[int | None, ...] | None) -> tuple[int | None, ...] | None:
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

    def _through_readers(self, name: str) -> tuple[int | None, ...] | None:
        """Size of a tensor from what the file states behind operators that keep the shape."""
        while name in self._kept:
            name = self._kept[name]
            stated = self.sizes.of(name)
            if stated is not None:
                return stated
        return None

    def _unsized(self, node: Node, name: str, shape: tuple[int | None, ...] | None) -> str:
        dims = (
            "<d0>x<d1>x..."
            if shape is None
            else "x".join(f"<d{i}>" if d is None else str(d) for i, d in enumerate(shape))
        )
        why = (
            "ONNX has no shape rule for it"
            if self._schema(node) is None
            else "it depends on data or on another unknown"
        )
        return (
            f"{describe(node.proto)}: the size of its output '{name}' is not known: {why}, and the file does not state it; "
            f"give it: --shape {name}={dims}"
        )

    def _misfit(self, node: Node, reason: str) -> str:
        shapes = ", ".join(f"'{v.name}' {times(v.shape)}" for v in node.data_inputs)
        return (
            f"{describe(node.proto)} does not accept its inputs ({shapes}): {' '.join(reason.split())}; either the shape "
            "given for the network's input does not suit it, or the file is not a valid ONNX model"
        )

    # constants

    def _fold(self, node: Node, scope: Scope) -> bool:
        """Evaluate what does not depend on the network's input; whether that was all the operator does."""
        if node.domain == "" and node.op in {"Shape", "Size"}:
            scope[node.proto.output[0]] = _measured(node)
            return True
        if node.domain != "" or node.op in _RANDOM or not all(v.constant for v in node.data_inputs):
            return False
        if not node.data_inputs and node.op != "Range":
            return False
        inferred = self.infer(node)
        outputs = [name for name in node.proto.output if name]
        results = [self._constant_output(name, *inferred.get(name, (0, None))) for name in outputs]
        small = all(r is None or r.elements <= KNOWN_VALUE_LIMIT for r in results)
        if small and all(v.data is not None for v in node.data_inputs):
            arrays = self._evaluate(node)
            results = [from_array(n, a) for n, a in zip(outputs, arrays, strict=False)] if arrays else results
        if any(r is None for r in results):
            return False
        stored = next((v.stored_as for v in node.data_inputs if v.stored_as), None)
        if node.op == "DequantizeLinear":
            stored = node.need(0).precision
        for name, result in zip(outputs, results, strict=True):
            if result is not None:
                result.stored_as = stored
                scope[name] = result
        return True

    def _constant_output(
        self, name: str, elem_type: int, shape: tuple[int | None, ...] | None
    ) -> Value | None:
        shape = self._completed(name, shape)
        if shape is None or None in shape:
            return None
        return Value(name, tuple(d for d in shape if d is not None), elem_type, constant=True)

    def _evaluate(self, node: Node) -> list[NDArray[np.generic]] | None:
        """The outputs of an operator on known values, by ONNX's reference implementation; None where it has none."""
        from onnx.reference import ReferenceEvaluator

        values = node.by_name
        names = [n for n in node.proto.output if n]
        inputs = [helper.make_value_info(n, v.type_proto()) for n, v in values.items()]
        graph = helper.make_graph(
            [node.proto], "constant", inputs, [onnx.ValueInfoProto(name=n) for n in names]
        )
        model = helper.make_model(graph, opset_imports=self._opset_protos)
        try:
            with np.errstate(all="ignore"):
                found = ReferenceEvaluator(model).run(None, {n: v.data for n, v in values.items()})
        except Exception:  # whatever fails there, it only means that the value stays unknown
            return None
        return [np.asarray(a) for a in found]

    # rows

    def materialise(self, value: Value, role: TensorKind | None = None) -> int:
        """Index of a tensor in the workload; constants enter it when a row first reads them."""
        if value.index is None:
            kind = TensorKind.ACTIVATION
            if value.constant:
                kind = role or (TensorKind.WEIGHT if value.is_weight else TensorKind.CONSTANT)
            value.index = self.builder.tensor(value.shape, value.precision, kind, batched=value.batched)
        return value.index

    def value(self, like: Value, shape: Sequence[int], *, batched: bool | None = None) -> Value:
        """A tensor between two rows of one operator, of the type of another tensor."""
        grows = like.batched if batched is None else batched
        return Value("", tuple(shape), like.elem_type, batched=grows)

    def emit(
        self,
        node: Node,
        row: Row,
        *,
        inputs: Sequence[Value | None] | None = None,
        outputs: Sequence[Value | None] | None = None,
        roles: Mapping[int, TensorKind] | None = None,
    ) -> None:
        """Add one row.

        Args:
            node: the operator of the file.
            row: what its rule found out.
            inputs: tensors that the row reads; all inputs of the node where None.
            outputs: tensors that it writes; all outputs of the node where None.
            roles: what a constant is, by position in `inputs`, where its size and type do not tell.
        """
        reads = node.inputs if inputs is None else inputs
        writes = [v for v in (node.outputs if outputs is None else outputs) if v is not None]
        roles = roles or {}
        ins = [self.materialise(v, roles.get(i)) for i, v in enumerate(reads) if v is not None]
        source = ins[0] if row.kind == OpKind.VIEW and ins else None
        for value in writes:
            value.index = self.builder.tensor(
                value.shape, value.precision, TensorKind.ACTIVATION, batched=value.batched, view_of=source
            )
        grows = any(v.batched for v in (*reads, *writes) if v is not None)
        self.builder.op(
            row.kind,
            row.dims,
            ins,
            [v.index for v in writes if v.index is not None],
            target=node.target,
            module=node.module,
            batch_dim=row.batch_dim if grows else -1,
            vector_cost=row.cost,
            modelled=row.kind != OpKind.UNKNOWN,
            attrs=row.attrs,
        )

    def unknown(self, node: Node, note: str = "") -> None:
        """A row for an operator without a rule: its tensors are counted, its work is not."""
        elements = sum(v.elements for v in node.outputs if v is not None)
        attrs = {"fn": node.op, "note": note} if note else {"fn": node.op}
        self.emit(node, Row(OpKind.UNKNOWN, [elements], attrs))
        if note and note not in self.notes:
            self.notes.append(note)


def _measured(node: Node) -> Value:
    """Value of `Shape` and `Size`, which sized inputs always have."""
    value = node.need(0)
    if node.op == "Size":
        return from_array(node.proto.output[0], np.asarray(value.elements, np.int64))
    start, end = node.attrs.get("start", 0), node.attrs.get("end")
    return from_array(node.proto.output[0], np.asarray(value.shape[start:end], np.int64))


def _shape_of(type_proto: TypeProto) -> Inferred:
    tensor = type_proto.tensor_type
    if not type_proto.HasField("tensor_type"):
        return 0, None
    if not tensor.HasField("shape"):
        return tensor.elem_type, None
    return tensor.elem_type, tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
