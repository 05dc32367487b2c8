"""One block of memory for all activations: where each lies in it, and how large it must be.

Lifetimes give what is alive at a time; an allocator that never moves a value needs more, since free space may
lie in pieces. Values that overwrite each other in place are one buffer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import override

from hw_models.errors import InputError

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.memory import Lifetimes


ROUNDS: Final = 40
"""How often what sticks out is placed anew."""


@dataclass(frozen=True, eq=False)
class Arena:
    """Places of N buffers.

    Attributes:
        buffer: (N,) position of the first value of each in the lifetimes; first, last: (N,) kernels between
            which it is taken, both included; size, offset: (N,) bytes.
        total: bytes from the first to the end of the last.
        bound: bytes below which no allocator can stay: most that is alive at once, sizes rounded up.
    """

    buffer: IntArray
    first: IntArray
    last: IntArray
    size: IntArray
    offset: IntArray
    total: int
    bound: int

    @override
    def __repr__(self) -> str:
        return f"Arena({len(self.buffer)} buffers, {self.total:,} bytes, at least {self.bound:,})"


def arena(lifetimes: Lifetimes, value_bytes: FloatArray, alignment: int = 16) -> Arena:
    """The smaller of two greedy assignments: largest buffer first, and kernel by kernel, fullest first.

    Each buffer goes to the lowest gap that is free for as long as it lives; where that leaves more than the
    bound, the buffers at the top are placed first and all others again, a few times.

    Args:
        lifetimes: of the values.
        value_bytes: bytes of each value.
        alignment: offsets and sizes are multiples of it.

    Raises:
        InputError: an alignment below 1.

    Source: Pisarchyk and Lee, Efficient memory management for deep neural net inference, MLSys workshop 2020
        (greedy by size, as TensorFlow Lite plans its arena, and greedy by breadth). The second thoughts are
        in the manner of the hill climbing allocator of ethos-u-vela.
    """
    if alignment < 1:
        raise InputError(f"an alignment of {alignment} byte was given; expected at least 1, usually 16")
    buffer, place = np.unique(lifetimes.buffer, return_inverse=True)
    n = len(buffer)
    first, last, size = np.full(n, np.iinfo(np.int64).max), np.full(n, -1, np.int64), np.zeros(n)
    exists = lifetimes.dies >= lifetimes.born
    np.minimum.at(first, place[exists], lifetimes.born[exists])
    np.maximum.at(last, place[exists], lifetimes.dies[exists])
    np.maximum.at(size, place, value_bytes[lifetimes.value])
    kept = (last >= first) & (size > 0)
    buffer, first, last = buffer[kept], first[kept], last[kept]
    whole = (-(-np.ceil(size[kept]).astype(np.int64) // alignment) * alignment).astype(np.int64)
    alive = _alive(first, last, whole)
    by_size = sorted(range(len(buffer)), key=lambda i: (-whole[i], first[i]))
    bound = int(alive.max(initial=0))
    starts = (by_size, _by_breadth(first, last, by_size, alive))
    tried = [_settle(order, first, last, whole, bound) for order in starts]
    offset = min(tried, key=lambda offset: _total(offset, whole))
    return Arena(buffer, first, last, whole, offset, _total(offset, whole), bound)


def arena_bytes(lifetimes: Lifetimes, value_bytes: FloatArray, alignment: int = 16) -> int:
    """Bytes of the block that `arena` finds.

    Raises:
        InputError: an alignment below 1.
    """
    return arena(lifetimes, value_bytes, alignment).total


def _alive(first: IntArray, last: IntArray, size: IntArray) -> IntArray:
    """(K,) bytes taken while each kernel runs."""
    end = int(last.max(initial=-1)) + 2
    change = np.zeros(end, np.int64)
    np.add.at(change, first, size)
    np.add.at(change, last + 1, -size)
    return np.cumsum(change)


def _by_breadth(first: IntArray, last: IntArray, by_size: list[int], alive: IntArray) -> list[int]:
    """Buffers of the fullest kernel first, the largest of them first, then of the next fullest."""
    order: dict[int, None] = {}
    for kernel in np.argsort(-alive, kind="stable"):
        if len(order) == len(by_size):
            break
        order.update(dict.fromkeys(i for i in by_size if first[i] <= kernel <= last[i]))
    return list(order)


def _settle(order: list[int], first: IntArray, last: IntArray, size: IntArray, bound: int) -> IntArray:
    """(N,) offsets of that order, or of a better one: what sticks out at the top is placed first."""
    best = offset = _place(order, first, last, size)
    for _ in range(ROUNDS):
        if _total(best, size) <= bound:
            break
        top = [i for i in order if offset[i] + size[i] == _total(offset, size)]
        order = [*top, *(i for i in order if i not in top)]
        offset = _place(order, first, last, size)
        best = min(best, offset, key=lambda o: _total(o, size))
    return best


def _total(offset: IntArray, size: IntArray) -> int:
    return int((offset + size).max(initial=0))


def _place(order: Iterable[int], first: IntArray, last: IntArray, size: IntArray) -> IntArray:
    """(N,) offsets: each buffer in turn at the lowest gap among those placed that live at the same time."""
    offset = np.zeros(len(size), np.int64)
    placed = np.zeros(len(size), np.bool_)
    for i in order:
        beside = np.flatnonzero(placed & (first <= last[i]) & (last >= first[i]))
        beside = beside[np.argsort(offset[beside], kind="stable")]
        end = np.maximum.accumulate(np.concatenate([[0], offset[beside] + size[beside]]))
        gap = np.flatnonzero(offset[beside] - end[:-1] >= size[i])
        offset[i] = end[gap[0]] if len(gap) else end[-1]
        placed[i] = True
    return offset
