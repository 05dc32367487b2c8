"""One operator of an ONNX file as rules see it: sized tensors, plain attributes, the module it came from."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import NodeProto, helper

from hw_models.errors import TraceError
from hw_models.workload.onnx_reader.values import Value, from_array, from_sparse, from_tensor

if TYPE_CHECKING:
    from hw_models.workload.op import OpKind


@dataclass(eq=False)
class Node:
    """One operator of the file, with sized inputs and outputs, as rules see it."""

    proto: NodeProto
    inputs: list[Value | None]
    outputs: list[Value | None] = field(default_factory=list)

    @property
    def op(self) -> str:
        """Operator name."""
        return self.proto.op_type

    @property
    def domain(self) -> str:
        """Operator set, "" for ONNX's own."""
        return "" if self.proto.domain == "ai.onnx" else self.proto.domain

    @property
    def target(self) -> str:
        """Operator as tables show it."""
        return f"{self.domain}::{self.op}" if self.domain else self.op

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """Attributes in Python's own types."""
        return {a.name: _plain(helper.get_attribute_value(a)) for a in self.proto.attribute}

    @cached_property
    def module(self) -> str:
        """Path of the module that the operator came from, where the exporter left one."""
        return module_path(self.proto)

    @property
    def by_name(self) -> dict[str, Value]:
        """Inputs by the name under which the operator reads them."""
        return {n: v for n, v in zip(self.proto.input, self.inputs, strict=True) if v is not None}

    def input(self, position: int) -> Value | None:
        """Optional input; None where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def need(self, position: int) -> Value:
        """Input that the operator cannot be without."""
        value = self.input(position)
        if value is None:
            msg = f"{describe(self.proto)} lacks its input {position}; the file is not a valid ONNX model"
            raise TraceError(msg)
        return value

    def ints(self, position: int, attribute: str = "") -> list[int] | None:
        """Integers given as an input or, in older operator sets, as an attribute; None: not known."""
        value = self.input(position)
        if value is not None:
            return None if value.data is None else [int(v) for v in np.asarray(value.data).ravel()]
        found = self.attrs.get(attribute)
        return None if found is None else [int(v) for v in np.atleast_1d(found)]

    @property
    def out(self) -> Value:
        """First output that is used."""
        return next(v for v in self.outputs if v is not None)

    @property
    def data_inputs(self) -> list[Value]:
        """All inputs that are given."""
        return [v for v in self.inputs if v is not None]


@dataclass(frozen=True, slots=True)
class Row:
    """What a rule finds out about one operator.

    Attributes:
        kind: class of operator.
        dims: loop dimensions in the order of `LOOP_DIMS[kind]`.
        attrs: what lowering must know beyond the dimensions.
        cost: vector operations per iteration of the loop nest.
        batch_dim: position of the loop dimension that grows with the batch, if the result does at all.
    """

    kind: OpKind
    dims: Sequence[int]
    attrs: Mapping[str, Any]
    cost: float = 0.0
    batch_dim: int = 0


def constant(node: Node) -> Value:
    """The value of a `Constant` node.

    Raises:
        TraceError: where it carries none of the attributes that hold one.
    """
    name = node.proto.output[0]
    for attribute in node.proto.attribute:
        if attribute.name == "value":
            return from_tensor(attribute.t, name)
        if attribute.name == "sparse_value":
            value = from_sparse(attribute.sparse_tensor)
            value.name = name
            return value
        if attribute.name in {"value_float", "value_floats"}:
            return from_array(name, np.asarray(node.attrs[attribute.name], np.float32))
        if attribute.name in {"value_int", "value_ints"}:
            return from_array(name, np.asarray(node.attrs[attribute.name], np.int64))
        if attribute.name in {"value_string", "value_strings"}:
            return Value(name, np.shape(node.attrs[attribute.name]), onnx.TensorProto.STRING, constant=True)
    msg = f"{describe(node.proto)} holds no value; the file is not a valid ONNX model"
    raise TraceError(msg)


def describe(proto: NodeProto) -> str:
    """An operator in a message: its type, its name, or what it writes."""
    operator = f"{proto.domain}::{proto.op_type}" if proto.domain else proto.op_type
    return f"operator {operator} '{proto.name or next(iter(proto.output), '')}'"


def module_path(proto: NodeProto) -> str:
    """Module path as torch's exporters leave it: in metadata (dynamo) or in the node's name (TorchScript)."""
    for entry in proto.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            try:
                scopes = ast.literal_eval(entry.value)
            except (ValueError, SyntaxError):
                return ""
            return str(scopes[-2]) if isinstance(scopes, list) and len(scopes) > 1 else ""
    if proto.name.startswith("/"):
        return _from_node_name(proto.name)
    return ""


def _from_node_name(name: str) -> str:
    """'/layer1/layer1.0/conv1/Conv' -> 'layer1.0.conv1': a part extends the path so far, or repeats it."""
    path = ""
    for part in name.strip("/").split("/")[:-1]:
        path = part if not path or part.startswith(f"{path}.") else f"{path}.{part}"
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return value


def product(sizes: Sequence[int]) -> int:
    """Product of sizes; 1 for none."""
    return math.prod(sizes)
