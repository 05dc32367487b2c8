"""Control flow: a branch that can be decided is walked in its place, the rest stays without a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_models.errors import TraceError
from hw_models.workload.onnx_reader.node import Node, constant, describe
from hw_models.workload.onnx_reader.values import Value, from_tensor

if TYPE_CHECKING:
    from onnx import GraphProto

    from hw_models.workload.onnx_reader.walk import Scope, Walk


def has_body(node: Node) -> bool:
    """Whether an operator runs graphs of its own."""
    return any(a.HasField("g") or a.graphs for a in node.proto.attribute)


def control(walk: Walk, node: Node, scope: Scope) -> None:
    """`If`, `Loop`, `Scan` and their like, in the scope around them."""
    if node.op == "If":
        _branch(walk, node, scope)
        return
    node.outputs = walk.sizer.outputs(node, scope)
    _without_rule(walk, node, scope, f"{describe(node.proto)} runs a body a number of times that is not read")


def _branch(walk: Walk, node: Node, scope: Scope) -> None:
    """`If`: the branch that is taken is read as if it stood there.

    Where the condition is not known but only one branch accepts the sizes that were given, that one is taken,
    with a note; where both do, nothing tells them apart and the operator stays without a rule.
    """
    condition = node.need(0)
    graphs = {a.name: a.g for a in node.proto.attribute}
    if condition.data is not None:
        _inline(
            walk,
            node,
            graphs["then_branch" if np.asarray(condition.data).ravel()[0] else "else_branch"],
            scope,
        )
        return
    outputs = {name: walk.sizes_only(graph, scope) for name, graph in graphs.items()}
    fitting = [name for name, found in outputs.items() if found is not None]
    if len(fitting) == 1:
        walk.notes.append(
            f"{_undecided(node)}: only its {fitting[0]} accepts these sizes, so that one is read"
        )
        _inline(walk, node, graphs[fitting[0]], scope)
        return
    if not fitting:
        msg = f"{_undecided(node)}, and none of its branches accepts the sizes that the inputs were given"
        raise TraceError(msg)
    for position, name in enumerate(node.proto.output):
        found = {(v.shape, v.elem_type) for values in outputs.values() if values and (v := values[position])}
        stated = walk.sizer.stated(name)
        if stated is None and len(found) != 1:
            raise TraceError(
                f"{_undecided(node)}, and its branches disagree on the size of '{name}': {_advice(node)}, "
                f"or state the size: --shape {name}=<d0>x<d1>x..."
            )
        shape, elem_type = next(iter(found), ((), 1))
        value = Value(name, stated or shape, elem_type, batched=True, sources=condition.sources)
        node.outputs.append(value)
        scope[name] = value
    _without_rule(walk, node, scope, f"{_undecided(node)}: {_advice(node)}")


def _inline(walk: Walk, node: Node, graph: GraphProto, scope: Scope) -> None:
    inner = walk.graph(graph, scope)
    for name, result in zip(node.proto.output, graph.output, strict=True):
        scope[name] = inner[result.name]


def _without_rule(walk: Walk, node: Node, scope: Scope, note: str) -> None:
    """One row of kind UNKNOWN that reads what its bodies read from around them and the weights they hold."""
    bodies = [a.g for a in node.proto.attribute if a.HasField("g")]
    captured = [n for body in bodies for inner in body.node for n in inner.input]
    known = {v.name for v in node.data_inputs}
    node.inputs += [scope[n] for n in dict.fromkeys(captured) if n in scope and n not in known]
    node.inputs += [v for body in bodies for v in _weights(body)]
    walk.unknown(node, note)


def _weights(graph: GraphProto) -> list[Value]:
    """Parameters that a body and the bodies inside it hold, as initializers or as constants."""
    held = [from_tensor(tensor) for tensor in graph.initializer]
    for proto in graph.node:
        if proto.op_type == "Constant" and proto.domain in {"", "ai.onnx"}:
            held.append(constant(Node(proto, [])))
        held += [v for a in proto.attribute if a.HasField("g") for v in _weights(a.g)]
    return [v for v in held if v.is_weight]


def _undecided(node: Node) -> str:
    return f"{describe(node.proto)} chooses its branch at run time"


def _advice(node: Node) -> str:
    """How to decide the condition, by the inputs that it depends on."""
    inputs = sorted(node.need(0).sources)
    flags = " ".join(f"--constant {name}=<value>" for name in inputs)
    return f"give the value that decides it ({flags})" if inputs else "no input of the network decides it"
