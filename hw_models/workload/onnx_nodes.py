"""Nodes of an ONNX file as they stand, for those who must read them as another tool does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hw_models.errors import FileError

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One node with a first input and a first output.

    Attributes:
        name: its own, or `Op` and its position.
        op: operator type; attributes: by name, as the file has them.
        given, out: shapes of the first input and the first output, 0 for an open size.
        computed: how many of its inputs other nodes compute.
    """

    name: str
    op: str
    attributes: Mapping[str, Any]
    given: tuple[int, ...]
    out: tuple[int, ...]
    computed: int


def onnx_nodes(file: Path | str, operators: frozenset[str]) -> tuple[OnnxNode, ...]:
    """The nodes of these operators, in order; weights that lie outside the file are not read.

    Raises:
        FileError: it is missing, no ONNX file, or its shapes are not inferred.
    """
    import onnx

    try:
        graph = onnx.load(str(file), load_external_data=False).graph
    except OSError as error:
        raise FileError.at(file, f"cannot be read: {error.strerror}") from None
    except Exception as error:  # protobuf's own errors are not exported by onnx
        raise FileError.at(file, f"is no ONNX network: {error}") from None
    shapes = {v.name: _shape(v) for v in (*graph.input, *graph.output, *graph.value_info)}
    shapes |= {t.name: tuple(t.dims) for t in graph.initializer}
    made = {name for node in graph.node for name in node.output}
    found = []
    for i, node in enumerate(graph.node):
        if node.op_type not in operators:
            continue
        name = node.name or f"Op{i}"
        places = (node.input[0], node.output[0])
        if any(place not in shapes for place in places):
            raise FileError.at(
                file, f"node {name} has no shapes; run onnx.shape_inference.infer_shapes first"
            )
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        given, out = (shapes[place] for place in places)
        found.append(
            OnnxNode(name, node.op_type, attributes, given, out, sum(value in made for value in node.input))
        )
    return tuple(found)


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
