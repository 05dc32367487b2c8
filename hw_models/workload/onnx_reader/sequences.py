"""Lists of tensors: their operators only say which tensor is which, apart from splitting and joining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.errors import TraceError
from hw_models.workload.onnx_reader.node import Node, Row, describe
from hw_models.workload.onnx_reader.values import Value, from_array
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw_models.workload.onnx_reader.walk import Walk


def _construct(_walk: Walk, node: Node) -> Value:
    return _list(node, node.data_inputs)


def _length(_walk: Walk, node: Node) -> Value:
    return from_array(node.proto.output[0], np.asarray(len(_items(node)), np.int64))


def _insert(_walk: Walk, node: Node) -> Value:
    items = _items(node)
    items.insert(_place(node, 2, len(items)), node.need(1))
    return _list(node, items)


def _erase(_walk: Walk, node: Node) -> Value:
    items = _items(node)
    del items[_place(node, 1, len(items) - 1)]
    return _list(node, items)


def _at(_walk: Walk, node: Node) -> Value:
    return _items(node)[_place(node, 1, 0)]


def _list(node: Node, items: list[Value]) -> Value:
    return Value(node.proto.output[0], (len(items),), 0, items=list(items))


def _items(node: Node) -> list[Value]:
    items = node.need(0).items
    if items is None:
        msg = f"{describe(node.proto)} reads '{node.need(0).name}', which is not a known list of tensors"
        raise TraceError(msg)
    return list(items)


def _place(node: Node, position: int, default: int) -> int:
    """A place in a list, given as an input; the default where it is left out."""
    if node.input(position) is None:
        return default
    known = node.ints(position)
    if known is None:
        msg = f"{describe(node.proto)}: the place in the list is known only to the running network"
        raise TraceError(msg)
    return known[0]


def _split(walk: Walk, node: Node) -> Value:
    """`SplitToSequence`: parts of one tensor along an axis, which are views of its memory."""
    x, sizes = node.need(0), node.ints(1)
    axis = int(node.attrs.get("axis", 0)) % len(x.shape)
    keep = bool(node.attrs.get("keepdims", 1)) or node.input(1) is not None
    if sizes is None:
        if node.input(1) is not None:
            msg = f"{describe(node.proto)}: the sizes of its parts are known only to the running network"
            raise TraceError(msg)
        sizes = [1] * x.shape[axis]
    elif not node.need(1).shape:  # one size for all but the last
        whole, rest = divmod(x.shape[axis], sizes[0])
        sizes = [sizes[0]] * whole + ([rest] if rest else [])
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    parts = [walk.value(x, (*before, size, *after) if keep else (*before, *after)) for size in sizes]
    row = Row(OpKind.VIEW, [x.elements], {"fn": "split", "rank": len(x.shape)})
    walk.emit(node, row, inputs=[x], outputs=parts)
    return _list(node, parts)


def _joined(walk: Walk, node: Node) -> Value:
    """`ConcatFromSequence`: the tensors of a list, one after the other or stacked."""
    items = _items(node)
    if not items:
        msg = f"{describe(node.proto)} joins a list without tensors"
        raise TraceError(msg)
    first, new = items[0], bool(node.attrs.get("new_axis"))
    axis = int(node.attrs["axis"]) % (len(first.shape) + new)
    length = len(items) if new else sum(v.shape[axis] for v in items)
    shape = (*first.shape[:axis], length, *first.shape[axis + (not new) :])
    result = walk.value(first, shape)
    result.batched = any(v.batched for v in items)
    row = Row(OpKind.LAYOUT, [result.elements], {"fn": "cat", "rank": len(shape)})
    walk.emit(node, row, inputs=items, outputs=[result])
    return result


SEQUENCE_OPS: Final[dict[str, Callable[[Walk, Node], Value]]] = {
    "ConcatFromSequence": _joined,
    "SequenceAt": _at,
    "SequenceConstruct": _construct,
    "SequenceEmpty": _construct,
    "SequenceErase": _erase,
    "SequenceInsert": _insert,
    "SequenceLength": _length,
    "SplitToSequence": _split,
}
"""What each operator writes: a list, a tensor of a list, or a new tensor.

They raise `TraceError` where a list, or a place in it, is known only to the running network.
"""
