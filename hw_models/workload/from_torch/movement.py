"""Rules of operators that only move data: copies, casts, concatenation, padding, gathers."""

from __future__ import annotations

from typing import Final

from hw_models.workload.from_torch.rules import Call, Row, Rule
from hw_models.workload.op import OpKind

_COPIES: Final = (
    "clone contiguous reshape reshape_as flatten view_copy expand_copy permute_copy _reshape_copy alias_copy to _to_copy copy"
    " type_as unflatten float_power_copy lift_fresh detach_copy lift_fresh_copy _unsafe_view"
)
_LAYOUT: Final = {
    "cat": "cat concat concatenate stack hstack vstack dstack column_stack",
    "pad": "pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d"
    " replication_pad3d _pad_circular",
    "roll": "roll",
    "flip": "flip fliplr flipud rot90",
    "pixel_shuffle": "pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle",
    "repeat": "repeat tile",
    "unfold": "im2col",
    "diag": "diag_embed diagonal_copy",
    "complex": "complex",
}
_GATHER: Final = {
    "index": "index index_select gather take take_along_dim embedding repeat_interleave select_scatter slice_scatter",
    "index_put": "index_put _index_put_impl index_copy index_fill scatter masked_scatter",
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
