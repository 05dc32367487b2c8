"""Rules of operators that only move data: copies, casts, concatenation, padding, gathers."""

from __future__ import annotations

from typing import Final

from hw_models.workload.from_torch.rules import Call, Row, Rule
from hw_models.workload.op import OpKind

_COPIES: Final = (
    "_reshape_copy _to_copy _unsafe_view alias_copy clone contiguous copy detach_copy expand_copy flatten"
    " lift_fresh lift_fresh_copy permute_copy reshape reshape_as to type_as unflatten view_copy"
)
_LAYOUT: Final = {
    "cat": "cat column_stack concat concatenate dstack hstack stack vstack",
    "pad": "_pad_circular constant_pad_nd pad reflection_pad1d reflection_pad2d reflection_pad3d"
    " replication_pad1d replication_pad2d replication_pad3d",
    "roll": "roll",
    "flip": "flip fliplr flipud rot90",
    "pixel_shuffle": "channel_shuffle native_channel_shuffle pixel_shuffle pixel_unshuffle",
    "repeat": "repeat tile",
    "unfold": "im2col",
    "diag": "diag_embed diagonal_copy",
    "complex": "complex",
}
_GATHER: Final = {
    "index": "embedding gather index index_select repeat_interleave select_scatter slice_scatter take"
    " take_along_dim",
    "index_put": "_index_put_impl index_copy index_fill index_put masked_scatter scatter",
    "one_hot": "one_hot",
    "searchsorted": "searchsorted bucketize",
}
_GATHER_ADD: Final = ("scatter_add", "index_add", "scatter_reduce", "col2im", "index_reduce", "embedding_bag")


def copy(call: Call) -> Row:
    """A copy into new memory; into another number format it is a cast."""
    source, out = call.ins[-1] if call.fn == "copy" else call.ins[0], call.outs[0]
    fn = "copy" if source.dtype == out.dtype else "cast"
    return Row(OpKind.LAYOUT, (out.numel(),), 0, 0.0 if fn == "copy" else 1.0, {"fn": fn, "rank": out.dim()})


def _moves(kind: OpKind, fn: str, cost: float = 0.0) -> Rule:
    """The rule of an operator that moves its output's elements once."""

    def rule(call: Call) -> Row:
        out = call.outs[0]
        return Row(kind, (out.numel(),), 0, cost, {"fn": fn, "rank": out.dim()})

    return rule


def scatter_add(call: Call) -> Row:
    """An addition per source element, at a computed place."""
    elements = max(t.numel() for t in (*call.ins, *call.outs))
    return Row(OpKind.GATHER, (elements,), 0, 1.0, {"fn": "scatter_add", "rank": call.outs[0].dim()})


RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(_COPIES.split(), copy),
    **{name: _moves(OpKind.LAYOUT, fn) for fn, names in _LAYOUT.items() for name in names.split()},
    **{name: _moves(OpKind.GATHER, fn) for fn, names in _GATHER.items() for name in names.split()},
    **dict.fromkeys(_GATHER_ADD, scatter_add),
}
