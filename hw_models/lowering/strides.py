"""In which order the elements of every tensor lie in memory, where views are kept: PyTorch's strides.

A view costs nothing until an operator cannot read it: then it is copied, or read out of order. Channels that
lie innermost once ("channels last") stay so from one convolution to the next. Strides are worked out at two
images, so that the batch is not taken for an axis of size 1. Where the trace leaves open which axes a view
exchanged, the fewest exchanges that give its shape are assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise, permutations
from math import prod
from typing import TYPE_CHECKING, Final

from hw_models.workload.op import OpKind, TensorKind

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

Shape = tuple[int, ...]

_PERMUTED: Final = frozenset(["permute", "transpose", "movedim", "moveaxis", "swapaxes", "t", "mT"])
_REMOVED: Final = frozenset(["select", "unbind"])
_LIKE_INPUT: Final = frozenset([OpKind.ELEMENTWISE, OpKind.POOL, OpKind.RESIZE])
_IMAGE_RANK: Final = 4


@dataclass(slots=True)
class Orders:
    """What the order of elements makes of each operator.

    Attributes:
        channels_last: convolutions that run with their channels innermost.
        copied: operators -> positions of operands that are copied before they can be read, and whether the
            copy changes the order of their axes.
        apart: linear layers whose bias is a kernel of its own, because their input is no dense matrix.
        batched: linear layers whose rows do not lie at one stride: a product for each leading index.
        reordered: operators that read some operand in another order than they write.
    """

    channels_last: set[int] = field(default_factory=set)
    copied: dict[int, dict[int, bool]] = field(default_factory=dict)
    apart: set[int] = field(default_factory=set)
    batched: set[int] = field(default_factory=set)
    reordered: set[int] = field(default_factory=set)


def as_written(workload: Workload) -> Orders:
    """Images as they are handed over, (N, C, H, W), and weights likewise."""
    return _Tracker(workload, channels_last=False).run()


def as_channels_last(workload: Workload) -> Orders:
    """Images and weights with channels innermost; every convolution of such weights runs so."""
    return _Tracker(workload, channels_last=True).run()


def as_voted(workload: Workload) -> Orders:
    """Inductor's vote: all convolutions with channels innermost, unless grouped ones outweigh the rest.

    Source: PyTorch 2.9, torch/_inductor/graph.py, `decide_layout_opt`.
    """
    convs = [o for o in range(len(workload)) if workload.op_kind[o] == OpKind.CONV]
    total = weighted = 0.0
    for o in convs:
        _, groups, k, c, _, _, fy, _ = workload.op_dims[o].tolist()
        flops = float(workload.op_macs[o])
        total += flops
        weighted += flops * _vote(groups, k * groups, c, fy)
    few = len(workload) >= _NODES_PER_CONV * len(convs)
    return Orders() if few or weighted > total else Orders(channels_last=set(convs))


_NODES_PER_CONV: Final = 300
_GROUPED, _DEFAULT, _NARROWING, _SMALL = 1.358, 0.823, 0.725, 0.783
_SMALL_CHANNELS: Final = 64


def _vote(groups: int, k: int, c: int, fy: int) -> float:
    """Time with channels innermost over time without, by kind of convolution; `c` inputs of a group."""
    if groups > 1 and c > 1:
        return _GROUPED
    if k <= _SMALL_CHANNELS and c <= _SMALL_CHANNELS:
        return _SMALL
    return _NARROWING if 2 * k <= c and fy > 1 else _DEFAULT


class _Tracker:
    """Walks the operators once; strides by tensor, in elements."""

    def __init__(self, workload: Workload, *, channels_last: bool) -> None:
        w = self.w = workload
        self.everywhere = channels_last
        self.found = Orders()
        self.axis: list[int] = [0 if b else -1 for b in w.tensor_batched.tolist()]
        self.one: list[Shape] = [tuple(w.shape(t)) for t in range(w.n_tensors)]
        self.stride: list[Shape] = [()] * w.n_tensors
        for t in range(w.n_tensors):
            image = channels_last and w.tensor_kind[t] == TensorKind.INPUT and len(self.one[t]) == _IMAGE_RANK
            self._lay(t, _LAST if image else None)

    def run(self) -> Orders:
        w = self.w
        kinds: list[int] = w.op_kind.tolist()
        for o, kind in enumerate(kinds):
            ins = w.in_tensor[w.in_ptr[o] : w.in_ptr[o + 1]].tolist()
            outs = w.out_tensor[w.out_ptr[o] : w.out_ptr[o + 1]].tolist()
            if not ins or not outs:
                continue
            for t in outs:
                self.axis[t] = self._axis_like(ins, t)
            if kind == OpKind.VIEW:
                self._view(w.op_attrs[o].get("fn", ""), ins[0], outs)
            else:
                self._operator(o, kind, ins, outs)
        return self.found

    def _operator(self, o: int, kind: int, ins: list[int], outs: list[int]) -> None:
        fn = self.w.op_attrs[o].get("fn", "")
        order: Shape | None = None
        if kind == OpKind.CONV:
            order = self._conv(o, ins[0])
        elif kind == OpKind.GEMM:
            self._product(o, fn, ins)
        elif kind == OpKind.ATTENTION:
            order = _HEADS_INSIDE if len(self.one[outs[0]]) == _IMAGE_RANK else None
        elif fn == "batch_norm" or kind in _LIKE_INPUT or fn in {"cast", "pad"}:
            order = self._like(o, ins, outs[0])
        elif kind in {OpKind.NORM, OpKind.SOFTMAX}:
            order = _LAST if fn == "group_norm" and self._is_last(ins[0]) else None
            if not self._is_dense(ins[0], order):
                self.found.copied[o] = {0: self._is_moved(ins[0], order)}
        elif fn == "cat":
            order = _LAST if all(self._is_last(t) for t in ins) else None
        elif fn == "copy" and self._is_moved(ins[0], None):
            self.found.reordered.add(o)
        for t in outs:
            self._lay(t, order if order and len(order) == len(self.one[t]) else None)

    def _conv(self, o: int, x: int) -> Shape | None:
        """A convolution keeps its input's order; an input with gaps is copied."""
        if len(self.one[x]) != _IMAGE_RANK:
            return None
        last = self.everywhere or self._is_last(x)
        if last:
            self.found.channels_last.add(o)
        order = _LAST if last else None
        if not self._is_dense(x, order):
            self.found.copied[o] = {0: self._is_moved(x, order)}
        return order

    def _product(self, o: int, fn: str, ins: list[int]) -> None:
        """Linear layers want one stride over all rows, batched products one over all that is batched.

        Source: PyTorch 2.9, ATen/native: Linear.cpp, `linear`; LinearAlgebra.cpp, `should_fold`,
            `_matmul_impl`.
        """
        if fn == "linear":
            x = ins[0]
            if not self._is_dense(x, None):
                if len(ins) > 2:
                    self.found.apart.add(o)
                if not self._collapses(x, 1):
                    self.found.batched.add(o)
        elif fn == "matmul":
            sides = enumerate(ins[-2:], len(ins) - 2)
            copied = {k: False for k, t in sides if len(self.one[t]) > 2 and not self._is_batch(t)}
            if copied:
                self.found.copied[o] = copied

    def _is_batch(self, t: int) -> bool:
        """Whether a library takes it as a batch of matrices: one stride over them, rows or columns dense."""
        return self._collapses(t, 2) and 1 in self.stride[t][-2:]

    def _like(self, o: int, ins: list[int], out: int) -> Shape | None:
        """An iterator writes in the order of its first whole operand."""
        whole = [t for t in ins if self.one[t] == self.one[out]]
        if not whole:
            return None
        first = self._order(whole[0])
        if any(self._order(t) != first for t in whole[1:]):
            self.found.reordered.add(o)
        return tuple(sorted(range(len(self.one[out])), key=lambda d: -self.stride[whole[0]][d]))

    def _view(self, fn: str, source: int, outs: list[int]) -> None:
        shape, stride = self._two(source), self.stride[source]
        for t in outs:
            if fn in _PERMUTED:
                p = _exchange(self.one[source], self.one[t])
                if p:
                    self.axis[t] = p.index(self.axis[source]) if self.axis[source] >= 0 else -1
                    self.stride[t] = tuple(stride[d] for d in p)
                    continue
            elif fn in _REMOVED:
                gone = _removed(self.one[source], self.one[t], len(outs) if fn == "unbind" else 0)
                if gone is not None:
                    self.axis[t] = self.axis[source] - (self.axis[source] > gone)
                    self.stride[t] = stride[:gone] + stride[gone + 1 :]
                    continue
            elif len(shape) == len(self.one[t]) and fn not in _RESHAPED:
                spread = zip(self.one[source], self.one[t], stride, strict=True)
                self.axis[t] = self.axis[source]
                self.stride[t] = tuple(0 if a == 1 < b else s for a, b, s in spread)
                continue
            self.stride[t] = _viewed(shape, stride, self._two(t)) or _dense(self._two(t), None)

    def _axis_like(self, ins: list[int], out: int) -> int:
        """Where the batch stands in a result: where it does in the first operand that has one."""
        if not self.w.tensor_batched[out]:
            return -1
        for t in ins:
            axis = self.axis[t]
            if axis < 0:
                continue
            if len(self.one[t]) == len(self.one[out]):
                return axis
            before, n = prod(self.one[t][:axis]), 1
            for j, size in enumerate(self.one[out]):
                if n == before or n * size > before:
                    return j
                n *= size
        return 0

    def _lay(self, t: int, order: Shape | None) -> None:
        self.stride[t] = _dense(self._two(t), order)

    def _two(self, t: int) -> Shape:
        """The shape of a tensor at two images."""
        axis, one = self.axis[t], self.one[t]
        return one if axis < 0 else (*one[:axis], 2 * one[axis], *one[axis + 1 :])

    def _order(self, t: int) -> list[int]:
        """Axes longer than 1 from the outermost in memory inwards."""
        shape, stride = self._two(t), self.stride[t]
        return sorted((d for d in range(len(shape)) if shape[d] > 1), key=lambda d: -stride[d])

    def _is_last(self, t: int) -> bool:
        """Whether an image's channels lie innermost, and not for lack of pixels."""
        one = self.one[t]
        if len(one) != _IMAGE_RANK or one[1] == 1 or one[2] * one[3] == 1:
            return False
        return self.stride[t][1] == 1

    def _is_dense(self, t: int, order: Shape | None) -> bool:
        shape = self._two(t)
        pairs = zip(shape, self.stride[t], _dense(shape, order), strict=True)
        return all(a == b for n, a, b in pairs if n > 1)

    def _is_moved(self, t: int, order: Shape | None) -> bool:
        """Whether its axes lie in another order than that one."""
        place = order or range(len(self.one[t]))
        wanted = [d for d in place if self._two(t)[d] > 1]
        return self._order(t) != wanted

    def _collapses(self, t: int, kept: int) -> bool:
        """Whether all but the last `kept` axes lie at one stride."""
        shape, stride = self._two(t), self.stride[t]
        lead = [d for d in range(len(shape) - kept) if shape[d] > 1]
        return all(stride[a] == stride[b] * shape[b] for a, b in pairwise(lead))


_LAST: Final[Shape] = (0, 2, 3, 1)
_HEADS_INSIDE: Final[Shape] = (0, 2, 1, 3)
"""Attention kernels write (batch, length, heads, width), seen as (batch, heads, length, width)."""

_RESHAPED: Final = frozenset(["view", "reshape", "flatten", "unflatten", "reshape_as", "view_as", "lstm"])


def _dense(shape: Shape, order: Shape | None) -> Shape:
    """Strides without gaps, axes from the outermost inwards in that order."""
    stride, n = [0] * len(shape), 1
    for d in reversed(order or range(len(shape))):
        stride[d] = n
        n *= shape[d]
    return tuple(stride)


@lru_cache(maxsize=4096)
def _exchange(source: Shape, result: Shape) -> Shape | None:
    """The permutation with the fewest inversions that gives a shape and is not the identity, if any."""
    rank = len(source)
    if rank != len(result) or rank > _MOST_AXES:
        return None
    fits = [
        p for p in permutations(range(rank)) if all(source[d] == n for d, n in zip(p, result, strict=True))
    ]
    moved = [p for p in fits if p != tuple(range(rank))]
    return min(moved, key=lambda p: (_inversions(p), p), default=None)


_MOST_AXES: Final = 7


def _inversions(p: Sequence[int]) -> int:
    return sum(p[i] > p[j] for i in range(len(p)) for j in range(i + 1, len(p)))


def _removed(source: Shape, result: Shape, size: int) -> int | None:
    """The axis that was left out; of `size`, if that is not 0."""
    for d in range(len(source)):
        if source[:d] + source[d + 1 :] == result and size in (0, source[d]):
            return d
    return None


def _viewed(shape: Shape, stride: Shape, result: Shape) -> Shape | None:
    """Strides of a view of another shape; None: there is none.

    Source: PyTorch, ATen/TensorUtils.cpp, `computeStride`.
    """
    out: list[int] = [1] * len(result)
    view = len(result) - 1
    base = stride[-1] if stride else 1
    n_in = n_out = 1
    for d in range(len(shape) - 1, -1, -1):
        n_in *= shape[d]
        is_last = d == 0 or (shape[d - 1] != 1 and stride[d - 1] != n_in * base)
        if not is_last:
            continue
        while view >= 0 and (n_out < n_in or result[view] == 1):
            out[view] = n_out * base
            n_out *= result[view]
            view -= 1
        if n_out != n_in:
            return None
        if d > 0:
            base, n_in, n_out = stride[d - 1], 1, 1
    return tuple(out) if view < 0 else None


Order = Callable[["Workload"], Orders]
"""How a framework lays out the tensors of a network."""
