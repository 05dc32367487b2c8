"""The torch module of a network that was written with `GraphWriter`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import fx, nn
from torch.nn import functional

from search_spaces.graph_writer import GraphWriter, Ref

if TYPE_CHECKING:
    from search_spaces.graph_writer import Step

FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "attention": functional.scaled_dot_product_attention,
    "embedding": functional.embedding,
    "grid_sample": functional.grid_sample,
    "interpolate": functional.interpolate,
    "linear": functional.linear,
    "max_pool2d": functional.max_pool2d,
    "silu": functional.silu,
    "hardswish": functional.hardswish,
    "relu6": functional.relu6,
    "add": operator.add,
    "mul": operator.mul,
    "sub": operator.sub,
    "div": operator.truediv,
}
"""Where a function is not found in `torch` under its own name."""


def graph_module(written: GraphWriter, outputs: Sequence[int]) -> fx.GraphModule:
    """The network as a module with its layers at their paths; `.code` shows its forward pass."""
    root, graph = nn.Module(), fx.Graph()
    nodes: dict[int, fx.Node] = {}
    for step in written.steps:
        if step.op == "same":
            nodes[step.outs[0]] = nodes[step.args[0]]
            continue
        node = _node(graph, root, step, nodes)
        if len(step.outs) == 1:
            nodes[step.outs[0]] = node
            continue
        for at, out in enumerate(step.outs):
            nodes[out] = graph.call_function(operator.getitem, (node, at))
    results = tuple(nodes[o] for o in outputs)
    graph.output(results[0] if len(results) == 1 else results)
    made = fx.GraphModule(root, graph, class_name=written.builder.name.partition("-")[0].title())
    for step in written.steps:
        if step.op == "constant":  # what is computed is not kept with the weights; fx forgets that
            owner, name = _owner(made, step.target)
            owner.register_buffer(name, getattr(owner, name), persistent=False)
    return made


def _node(graph: fx.Graph, root: nn.Module, step: Step, nodes: Mapping[int, fx.Node]) -> fx.Node:
    args = tuple(_argument(a, nodes) for a in step.args)
    if step.op == "input":
        return graph.placeholder(step.target)
    if step.op == "parameter":
        owner, name = _owner(root, step.target)
        if not hasattr(owner, name):
            owner.register_parameter(name, nn.Parameter(nn.init.normal_(torch.empty(step.make), std=0.02)))
        return graph.get_attr(step.target)
    if step.op == "constant":
        owner, name = _owner(root, step.target)
        value, *given = step.make
        owner.register_buffer(name, torch.as_tensor(value(*given)), persistent=False)
        return graph.get_attr(step.target)
    if step.op == "layer":
        owner, name = _owner(root, step.target)
        if not hasattr(owner, name):
            kind, *given = step.make
            owner.add_module(name, getattr(nn, kind)(*given, **step.kwargs))
        return graph.call_module(step.target, args)
    if step.op == "method":
        return graph.call_method(step.target, args, dict(step.kwargs))
    function = FUNCTIONS.get(step.target) or getattr(torch, step.target)
    return graph.call_function(function, args, dict(step.kwargs))


def _argument(value: Any, nodes: Mapping[int, fx.Node]) -> Any:
    if isinstance(value, Ref):
        return nodes[value]
    return tuple(_argument(v, nodes) for v in value) if isinstance(value, tuple) else value


def _owner(root: nn.Module, path: str) -> tuple[nn.Module, str]:
    """The module that holds a path's last name; those on the way are made."""
    *way, name = path.split(".")
    for step in way:
        if not hasattr(root, step):
            root.add_module(step, nn.Module())
        root = getattr(root, step)
    return root, name
