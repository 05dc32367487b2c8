"""Control flow: a branch whose condition is known is walked in its place; what is not known stays an unmodelled row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import GraphProto

from hw_models.errors import TraceError
from hw_models.workload.onnx_reader.node import Node, describe
from hw_models.workload.onnx_reader.values import Value

if TYPE_CHECKING:
    from hw_models.workload.onnx_reader.walk import Scope, Walk


def branch(walk: Walk, node: Node, scope: Scope) -> None:
    """`If`: the branch that is taken is read as if it stood there; with an open condition the operator is unmodelled."""
    condition = node.need(0)
    graphs: dict[str, GraphProto] = {a.name: a.g for a in node.proto.attribute}
    if condition.data is None:
        _open_branch(walk, node, graphs, scope)
        return
    taken = graphs["then_branch" if bool(np.asarray(condition.data).ravel()[0]) else "else_branch"]
    inner = walk.graph(taken, scope)
    for name, result in zip(node.proto.output, taken.output, strict=True):
        scope[name] = inner[result.name]


def _open_branch(walk: Walk, node: Node, graphs: dict[str, GraphProto], scope: Scope) -> None:
    """One row without a rule, sized by what both branches agree on."""
    both = [walk.sizes_only(graph, scope) for graph in graphs.values()]
    for position, name in enumerate(node.proto.output):
        found = {
            (v.shape, v.elem_type) for outputs in both if outputs is not None and (v := outputs[position])
        }
        stated = walk.sizes.of(name)
        if stated is not None and None not in stated:
            shape, elem_type = tuple(d for d in stated if d is not None), next((e for _, e in found), 1)
        elif len(found) == 1 and None not in both:
            shape, elem_type = next(iter(found))
        else:
            raise TraceError(_undecided(node, name))
        value = Value(name, shape, elem_type, batched=True)
        node.outputs.append(value)
        scope[name] = value
    captured = {n: scope[n] for g in graphs.values() for inner in g.node for n in inner.input if n in scope}
    node.inputs = [node.inputs[0], *(v for n, v in captured.items() if n != node.proto.input[0])]
    walk.unknown(node, _advice(node))


def _advice(node: Node) -> str:
    return (
        f"{describe(node.proto)} chooses its branch by a value that only the running network knows; where an input decides, "
        "give it: --constant NAME=VALUE"
    )


def _undecided(node: Node, name: str) -> str:
    return f"{_advice(node)}; its branches do not agree on the size of '{name}', which --shape {name}=<d0>x<d1>x... would state"
