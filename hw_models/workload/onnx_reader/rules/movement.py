"""Operators that only move data: views, copies, casts, concatenation, padding, gathers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.workload.onnx_reader.node import Node, Row
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.workload.onnx_reader.walk import Rule, Walk

_VIEWS: Final = {
    "Reshape": "view",
    "Squeeze": "view",
    "Unsqueeze": "view",
    "Flatten": "view",
    "Identity": "alias",
    "Dropout": "alias",
    "Slice": "slice",
    "Split": "split",
    "Expand": "expand",
}
_COPIES: Final = {
    "Concat": "cat",
    "Pad": "pad",
    "CenterCropPad": "pad",
    "Tile": "repeat",
    "DepthToSpace": "pixel_shuffle",
    "SpaceToDepth": "pixel_shuffle",
    "ReverseSequence": "flip",
}
_GATHERS: Final = {
    "Gather": "index",
    "GatherElements": "index",
    "GatherND": "index",
    "Compress": "index",
    "Scatter": "index_put",
    "ScatterElements": "index_put",
    "ScatterND": "index_put",
    "TensorScatter": "index_put",
    "OneHot": "one_hot",
}


def _row(node: Node, kind: OpKind, fn: str, cost: float = 0.0) -> Row:
    return Row(kind, [node.out.elements], {"fn": fn, "rank": len(node.out.shape)}, cost)


def view(walk: Walk, node: Node) -> None:
    """Another shape, or a part, of the same memory."""
    walk.emit(node, _row(node, OpKind.VIEW, _VIEWS[node.op]), inputs=[node.need(0)])


def copy(walk: Walk, node: Node) -> None:
    """Every output element is written once; sizes and fill values are not operands."""
    tensors = node.data_inputs if node.op == "Concat" else [node.need(0)]
    walk.emit(node, _row(node, OpKind.LAYOUT, _COPIES[node.op]), inputs=tensors)


def transpose(walk: Walk, node: Node) -> None:
    """A permutation; one that moves only axes of size 1 is a view."""
    shape = node.need(0).shape
    order = node.attrs.get("perm", list(range(len(shape)))[::-1])
    moved = [axis for axis in order if shape[axis] != 1]
    walk.emit(node, _row(node, OpKind.VIEW if moved == sorted(moved) else OpKind.LAYOUT, "permute"))


def cast(walk: Walk, node: Node) -> None:
    """Into another number format; into the same one it is an alias."""
    x = node.need(0)
    same = x.precision == node.out.precision
    row = _row(node, OpKind.VIEW, "alias") if same else _row(node, OpKind.LAYOUT, "cast", 1.0)
    walk.emit(node, row, inputs=[x])


def gather(walk: Walk, node: Node) -> None:
    """Elements at computed places; one known index selects a part and is a view."""
    index = node.input(1)
    if node.op == "Gather" and index is not None and index.constant and index.elements == 1:
        walk.emit(node, _row(node, OpKind.VIEW, "select"), inputs=[node.need(0)])
    else:
        walk.emit(node, _row(node, OpKind.GATHER, _GATHERS[node.op]))


def fold(walk: Walk, node: Node) -> None:
    """`Col2Im`: columns summed into an image, an addition per column element."""
    x = node.need(0)
    row = Row(OpKind.GATHER, [x.elements], {"fn": "scatter_add", "rank": len(node.out.shape)}, 1.0)
    walk.emit(node, row, inputs=[x])


MOVEMENT_RULES: Final[dict[tuple[str, str], Rule]] = {
    **{("", name): view for name in _VIEWS},
    **{("", name): copy for name in _COPIES},
    **{("", name): gather for name in _GATHERS},
    ("", "Transpose"): transpose,
    **{("", name): cast for name in ("Cast", "CastLike")},
    ("", "Col2Im"): fold,
}
