"""Constant expressions: shape arithmetic is evaluated, re-laid weights keep only their size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from onnx import OperatorSetIdProto, ValueInfoProto, helper

from hw_models.workload.onnx_reader.values import KNOWN_VALUE_LIMIT, Value, from_array

if TYPE_CHECKING:
    from hw_models.workload.onnx_reader.node import Node

_RANDOM: Final = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_REAL_LIMIT: Final = 64
"""Elements up to which real numbers are evaluated: on the way to a size there are only a few (scales)."""


def is_constant(node: Node) -> bool:
    """Whether nothing that the network is given reaches the operator, and ONNX defines what it does."""
    return (
        node.domain == ""
        and node.op not in _RANDOM
        and bool(node.data_inputs)
        and all(v.constant for v in node.data_inputs)
    )


def measured(node: Node) -> Value:
    """The value of `Shape` or `Size`, which is known wherever the input is sized."""
    value, name = node.need(0), node.proto.output[0]
    if node.op == "Size":
        return from_array(name, np.asarray(value.elements, np.int64))
    start, end = node.attrs.get("start", 0), node.attrs.get("end")
    return from_array(name, np.asarray(value.shape[start:end], np.int64))


def folded(node: Node, outputs: Sequence[Value | None], opsets: Sequence[OperatorSetIdProto]) -> list[Value]:
    """The outputs of a constant operator, with their values where they are known and small.

    Weights that are stored in a short format and de-quantised keep that format: so they are read.
    """
    results = [v for v in outputs if v is not None]
    if all(v.data is not None for v in node.data_inputs) and all(map(_small, (*node.data_inputs, *results))):
        _evaluate(node, results, opsets)
    stored = next((v.stored_as for v in node.data_inputs if v.stored_as), None)
    if node.op == "DequantizeLinear":
        stored = node.need(0).precision
    for result in results:
        result.stored_as = stored
    return results


def _small(value: Value) -> bool:
    whole = helper.tensor_dtype_to_np_dtype(value.elem_type).kind in "iub"
    return value.elements <= (KNOWN_VALUE_LIMIT if whole else _REAL_LIMIT)


def _evaluate(node: Node, results: Sequence[Value], opsets: Sequence[OperatorSetIdProto]) -> None:
    """Fill in values by ONNX's reference implementation; where it fails they stay unknown."""
    from onnx.reference import ReferenceEvaluator

    inputs = [helper.make_value_info(name, value.type_proto()) for name, value in node.by_name.items()]
    outputs = [ValueInfoProto(name=value.name) for value in results]
    graph = helper.make_graph([node.proto], "constant", inputs, outputs)
    feeds = {name: value.data for name, value in node.by_name.items()}
    try:
        with np.errstate(all="ignore"):
            arrays = ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets)).run(None, feeds)
    except Exception:  # whatever is missing there only means that this value is not known here
        return
    for result, array in zip(results, arrays, strict=True):
        result.data = np.asarray(array)
