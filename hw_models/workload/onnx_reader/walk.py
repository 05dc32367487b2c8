"""The walk over an ONNX graph: each operator is sized, then evaluated, inlined, or turned into rows."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hw_models.errors import TraceError
from hw_models.workload.graph import WorkloadBuilder
from hw_models.workload.onnx_reader.control import control, has_body
from hw_models.workload.onnx_reader.folding import folded, is_constant, measured
from hw_models.workload.onnx_reader.node import Node, Row, constant, describe
from hw_models.workload.onnx_reader.rules import RULES
from hw_models.workload.onnx_reader.sequences import SEQUENCE_OPS
from hw_models.workload.onnx_reader.sizing import MisfitError, Sizer
from hw_models.workload.onnx_reader.values import Value, from_sparse, from_tensor
from hw_models.workload.op import OpKind, TensorKind

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

    from hw_models.workload.onnx_reader.inputs import Sizes

Scope = MutableMapping[str, Value]
Rule = Callable[["Walk", Node], None]


class Walk:
    """Reads one model into a builder.

    Args:
        builder: takes the rows.
        sizes: what is known of sizes before the walk.
        opsets: operator set versions by domain.

    Attributes:
        notes: what a user should know about what was read and what was not.
        parameters: elements of the weights that rows read, without running statistics.
    """

    def __init__(self, builder: WorkloadBuilder, sizes: Sizes, opsets: Mapping[str, int]) -> None:
        self.builder = builder
        self.opsets = dict(opsets)
        self.sizer = Sizer(sizes, self.opsets)
        self.notes: list[str] = []
        self.parameters = 0

    def graph(self, graph: GraphProto, outer: Scope | None = None) -> Scope:
        """Walk a graph, inside the scope of an outer one where it is a branch; the tensors by name."""
        scope: Scope = ChainMap({}, outer if outer is not None else {})
        for tensor in graph.initializer:
            scope[tensor.name] = from_tensor(tensor)
        for sparse in graph.sparse_initializer:
            scope[sparse.values.name] = from_sparse(sparse)
        if outer is None:
            scope.update(self.sizer.sizes.inputs)
        self.sizer.look_ahead(graph)
        for node in graph.node:
            self._step(node, scope)
        return scope

    def sizes_only(self, graph: GraphProto, outer: Scope) -> list[Value] | None:
        """The outputs of a branch that may not run, without its rows; None where it rejects its inputs."""
        copies = {name: replace(value, index=None) for name, value in outer.items()}
        aside = Walk(WorkloadBuilder("", self.builder.batch), self.sizer.sizes, self.opsets)
        try:
            inner = aside.graph(graph, copies)
        except MisfitError:
            return None
        return [inner[o.name] for o in graph.output]

    def _step(self, proto: NodeProto, scope: Scope) -> None:
        try:
            self._read(proto, scope)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            msg = f"{describe(proto)} cannot be read ({type(error).__name__}: {error}); it is not valid ONNX"
            raise TraceError(msg) from error

    def _read(self, proto: NodeProto, scope: Scope) -> None:
        """Size an operator, then evaluate it, inline it, or turn it into rows."""
        node = Node(proto, [_lookup(name, proto, scope) for name in proto.input])
        if node.domain == "" and node.op == "Constant":
            node.outputs = [constant(node)]
        elif node.domain == "" and node.op in {"Shape", "Size"}:
            node.outputs = [measured(node)]
        elif node.domain == "" and node.op in SEQUENCE_OPS:
            scope[proto.output[0]] = SEQUENCE_OPS[node.op](self, node)
        elif has_body(node):
            control(self, node, scope)
        else:
            node.outputs = self.sizer.outputs(node)
            if is_constant(node):
                node.outputs = [*folded(node, node.outputs, self.sizer.opset_protos)]
            else:
                RULES.get((node.domain, node.op), Walk.unknown)(self, node)
        scope.update({v.name: v for v in node.outputs if v is not None})

    def materialise(self, value: Value) -> int:
        """Index of a tensor in the workload; constants enter it when a row first reads them."""
        if value.index is None:
            kind = TensorKind.ACTIVATION
            if value.constant:
                kind = TensorKind.WEIGHT if value.is_weight else TensorKind.CONSTANT
                self.parameters += value.elements if value.is_weight and value.parameter else 0
            value.index = self.builder.tensor(value.shape, value.precision, kind, batched=value.batched)
        return value.index

    def value(self, like: Value, shape: Sequence[int]) -> Value:
        """A tensor between two rows of one operator, of the type of another tensor."""
        return Value("", tuple(shape), like.elem_type, batched=like.batched, sources=like.sources)

    def emit(
        self,
        node: Node,
        row: Row,
        *,
        inputs: Sequence[Value | None] | None = None,
        outputs: Sequence[Value | None] | None = None,
    ) -> None:
        """Add one row.

        Args:
            node: the operator of the file.
            row: what its rule found out.
            inputs: tensors that the row reads; all inputs of the node where None.
            outputs: tensors that it writes; all outputs of the node where None.
        """
        reads = [v for v in (node.inputs if inputs is None else inputs) if v is not None]
        writes = [v for v in (node.outputs if outputs is None else outputs) if v is not None]
        ins = [self.materialise(v) for v in reads]
        source = ins[0] if row.kind == OpKind.VIEW else None
        for value in writes:
            value.constant = False
            value.index = self.builder.tensor(
                value.shape, value.precision, TensorKind.ACTIVATION, batched=value.batched, view_of=source
            )
        weights = [i for i, v in enumerate(reads) if v.is_weight]
        self.builder.op(
            row.kind,
            row.dims,
            ins,
            [v.index for v in writes if v.index is not None],
            target=node.target,
            module=node.module,
            batch_dim=row.batch_dim if any(v.batched for v in (*reads, *writes)) else -1,
            vector_cost=row.cost,
            modelled=row.kind != OpKind.UNKNOWN,
            attrs={**row.attrs, "weights": weights} if weights else row.attrs,
        )

    def unknown(self, node: Node, note: str = "") -> None:
        """A row for an operator without a rule: its tensors are counted, its work is not."""
        elements = sum(v.elements for v in node.outputs if v is not None)
        attrs = {"fn": node.op, "note": note} if note else {"fn": node.op}
        self.emit(node, Row(OpKind.UNKNOWN, [elements], attrs))
        if note and note not in self.notes:
            self.notes.append(note)


def _lookup(name: str, proto: NodeProto, scope: Scope) -> Value | None:
    if not name:
        return None
    if name not in scope:
        msg = f"{describe(proto)} reads '{name}', which nothing before it writes; this is no valid model"
        raise TraceError(msg)
    return scope[name]
