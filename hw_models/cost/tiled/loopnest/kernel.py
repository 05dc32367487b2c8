"""The compiled twin of `reference`: same figures to the last bit, about a microsecond each.

Every function works on the two arrays of `packed`, `a` (integers) and `x` (floats), and on two of scratch, `i`
and `f`. A mapping is `loops`, rows (dimension, size) in time, innermost first, `means`, their passes on
average, `n`, how many there are, and `cuts` (3, LEVELS), how many lie at or below each memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numba import njit

from hw_models.cost.tiled.loopnest.pack import DIMS, LEVELS, OWN, REAL, SAME, SPREADS, WHOLE

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray

_READ_DOWN, _WRITE_UP, _READ_UP, _WRITE_DOWN = range(4)
_MOST: Final = 16
"""Transfers through one port."""

LOOPS: Final = 32
"""Temporal loops of one mapping, at most."""

compiled = njit(cache=True, error_model="numpy")

inlined = njit(cache=True, error_model="numpy", forceinline=True)
"""For what a mapping calls often: a call would pass forty words for six arrays."""


class Counts(NamedTuple):
    """Places in the scratch array of integers."""

    merged: int = 0
    """(3, LEVELS) loops during which the array keeps its element, then `cuts` after `traffic.stay`."""
    ahead: int = 24
    """(3, LEVELS) whether the next tile is loaded while this one is used."""
    partial: int = 48
    """(2, LEVELS) where partial sums are, by loops still to run and by count."""
    period: int = 64
    """(3, LEVELS) cycles from one transfer across the lower side of a level to the next."""
    window: int = 88
    """(3, LEVELS) cycles in which it must be done where nothing is loaded ahead."""
    count: int = 112
    """(3, LEVELS) how many of them there are."""
    both: int = 136
    """(3, LEVELS, 4) whether the port of a way is shared by both inputs."""
    first: int = 232
    """(PORTS + 1,) into `duty`."""
    duty: int = 265
    """(SERVES, 5) real, allowed, period, count, rate of each transfer."""
    what: int = 585
    """(SERVES, 3) operand, level, way of each transfer."""
    chain: int = 777
    """(16, 4) period, allowed, hidden and union of `_union`."""
    seen: int = 841
    """(STORES,) loops that the allocation of each memory looked at."""
    end: int = 857


class Sizes(NamedTuple):
    """Places in the scratch array of floats."""

    extent: int = 0
    """(DIMS,) of a tile."""
    elements: int = 12
    """(2, 3, LEVELS) of the tiles, with average units and with units rounded down."""
    period: int = 60
    """(3, LEVELS) cycles."""
    live: int = 84
    """(3, LEVELS) share of each memory that an operand needs at once."""
    share: int = 108
    """(3, LEVELS) the same with all operands there."""
    ends: int = 132
    """(3, LEVELS, 4) cycles of the first or last transfer of each way."""
    sizes: int = 228
    """(3, LOOPS + 1) bits of each choice of an allocation."""
    above: int = 327
    """(3, LOOPS + 1) traffic of each choice."""
    cycles: int = 426
    """(LOOPS + 1,) product of the innermost loops."""
    own: int = 459
    """(3, LOOPS + 1) product of those that walk through an operand alone."""
    along: int = 558
    """(LOOPS + 1, WINDOWS, 2) product of the outer loops and of the taps of each window."""
    count: int = 690
    """(3, LEVELS) transfers across the lower side of a level."""
    end: int = 714


I_: Final = Counts()
F_: Final = Sizes()


def scratch() -> tuple[IntArray, FloatArray]:
    """Room for one evaluation at a time."""
    whole, real = np.zeros(I_.end, np.int64), np.zeros(F_.end)
    real[F_.cycles : F_.count] = 1.0
    return whole, real


@inlined
def prefixes(a, loops, means, start, n, f):  # type: ignore[no-untyped-def]
    """Fill `cycles`, and where all units are whole `own` and `along`, from loop `start` on."""
    for k in range(start, n):
        f[F_.cycles + k + 1] = f[F_.cycles + k] * means[k]
        if a[WHOLE.rounded] == 1:
            continue
        dim = loops[k, 0]
        for op in range(3):
            here = F_.own + op * (LOOPS + 1) + k
            f[here + 1] = f[here] * means[k] if a[WHOLE.kind + op * DIMS + dim] == OWN else f[here]
        for w in range(a[WHOLE.windows]):
            here = F_.along + k * 4 + w * 2
            f[here + 4] = f[here] * means[k] if a[WHOLE.window + w * 5] == dim else f[here]
            f[here + 5] = f[here + 1] * means[k] if a[WHOLE.window + w * 5 + 1] == dim else f[here + 1]


@inlined
def reach(a, x, op, level, k, f):  # type: ignore[no-untyped-def]
    """Elements that `k` loops and the units spread at a level and below touch; for whole units alone."""
    elements = f[F_.own + op * (LOOPS + 1) + k] * x[REAL.own_units + op * LEVELS + level]
    if op == a[WHOLE.windowed]:
        for w in range(a[WHOLE.windows]):
            row = WHOLE.window + w * 5
            outer = int(f[F_.along + k * 4 + w * 2] * x[REAL.window_units + level * 4 + w * 2])
            tap = int(f[F_.along + k * 4 + w * 2 + 1] * x[REAL.window_units + level * 4 + w * 2 + 1])
            span = outer * tap - max(0, tap - a[row + 2]) * (outer - a[row + 3])
            elements *= min(a[row + 4], span)
    return elements


@inlined
def tile(a, op, f):  # type: ignore[no-untyped-def]
    """Elements of an operand that loops of the `extent` touch; see `Layer.tile`."""
    elements = 1.0
    for k in range(WHOLE.own + op * DIMS, WHOLE.own + op * DIMS + DIMS):
        if a[k] < 0:
            break
        elements *= f[F_.extent + a[k]]
    if op == a[WHOLE.windowed]:
        for w in range(WHOLE.window, WHOLE.window + 5 * a[WHOLE.windows], 5):
            outer, tap = int(f[F_.extent + a[w]]), int(f[F_.extent + a[w + 1]])
            span = outer * tap - max(0, tap - a[w + 2]) * (outer - a[w + 3])
            elements *= min(a[w + 4], span)
    return elements


@inlined
def follow(a, op, loops, n, cuts, i, f):  # type: ignore[no-untyped-def]
    """Fill `merged` and `period` of an operand; see `traffic.stay`."""
    depth, kind, merged = a[WHOLE.depth + op], WHOLE.kind + op * DIMS, I_.merged + op * LEVELS
    low = 0
    for level in range(depth):
        low = max(low, cuts[op, level])
        while level < depth - 1 and low < n and a[kind + loops[low, 0]] == SAME:
            low += 1
        i[merged + level + 1] = low
    kept = 0
    while kept < i[merged + 1] and a[kind + loops[kept, 0]] == SAME:
        kept += 1
    i[merged] = kept
    for level in range(depth + 1):
        cycles = f[F_.cycles + i[merged + level]]
        f[F_.period + op * LEVELS + level] = cycles if level > 0 or op != 0 else 1.0


@inlined
def tiles(a, x, op, rounded, loops, means, i, f):  # type: ignore[no-untyped-def]
    """Fill `elements` of an operand; see `traffic._tiles`."""
    elements, merged = F_.elements + (rounded * 3 + op) * LEVELS, I_.merged + op * LEVELS
    f[elements] = 1.0
    if a[WHOLE.rounded] == 0:
        for level in range(a[WHOLE.depth + op]):
            f[elements + level + 1] = reach(a, x, op, level, i[merged + level + 1], f)
        return
    f[F_.extent : F_.extent + DIMS] = 1.0
    at, start = 0, WHOLE.spread_start + op * (LEVELS + 1)
    for level in range(a[WHOLE.depth + op]):
        while at < i[merged + level + 1]:
            f[F_.extent + loops[at, 0]] *= means[at]
            at += 1
        for k in range(a[start + level], a[start + level + 1]):
            f[F_.extent + a[WHOLE.spread_dim + k]] *= x[REAL.units + rounded * SPREADS + k]
        f[elements + level + 1] = np.rint(tile(a, op, f))


@inlined
def _partial_sums(a, x, loops, means, i):  # type: ignore[no-untyped-def]
    """Fill `partial` of the output; see `traffic._precision`."""
    depth = a[WHOLE.depth]
    for level in range(depth + 1):
        by_loop, product = False, 1.0
        for above in range(level + 1, depth + 1):
            again = 1.0
            for k in range(i[I_.merged + above - 1] if above > 1 else 0, i[I_.merged + above]):
                if a[WHOLE.kind + loops[k, 0]] == SAME:
                    again *= means[k]
            again *= x[REAL.same + above]
            by_loop = by_loop or again > 1
            product *= again
        i[I_.partial + level] = 1 if by_loop else 0
        i[I_.partial + LEVELS + level] = 1 if int(x[REAL.outputs] * (product - 1)) != 0 else 0


@inlined
def _held_bits(a, x, op, level, i):  # type: ignore[no-untyped-def]
    """Bits of an element as a level holds it."""
    return x[REAL.bits + (3 if op == 0 and i[I_.partial + level] == 0 else op)]


@inlined
def _bits(a, x, op, level, way, i):  # type: ignore[no-untyped-def]
    """Bits of an element that moves this way at a memory, 0 where none moves; see `traffic._directions`."""
    side = level
    if way >= _READ_UP:
        side = level + 1
        if side >= a[WHOLE.depth + op]:
            return 0.0
    down = way in (_READ_DOWN, _WRITE_DOWN)
    if op != 0:
        return x[REAL.bits + op] if down else 0.0
    by_count = i[I_.partial + LEVELS + side] == 1
    if down:
        return x[REAL.bits] if by_count and i[I_.partial + side] == 1 else 0.0
    return x[REAL.bits] if by_count else x[REAL.bits + 3]


@inlined
def _moves(a, op, level, way, i):  # type: ignore[no-untyped-def]
    """Whether an operand moves this way at a memory at all."""
    side = level + 1 if way >= _READ_UP else level
    if way >= _READ_UP and side >= a[WHOLE.depth + op]:
        return False
    if op != 0:
        return way in (_READ_DOWN, _WRITE_DOWN)
    return way in (_WRITE_UP, _READ_UP) or i[I_.partial + side] == 1


@inlined
def _accesses(x, at, pieces_bits, count, busy):  # type: ignore[no-untyped-def]
    """Accesses of a port's full width, -1 where there is no port; see `reference._access`.

    Args:
        x: floats of `packed`.
        at: operand, level and way.
        pieces_bits: that move each time.
        count: how often.
        busy: instances.
    """
    if pieces_bits == 0:
        return 0.0
    least, full = x[REAL.least + at], x[REAL.access + at]
    if least == 0:
        return -1.0
    return np.floor(np.ceil(pieces_bits / least) * (least / full) * count * busy)


@compiled
def place(a, x, loops, means, n, cuts, i, f):  # type: ignore[no-untyped-def]
    """Fill what `energy` and `latency` of a mapping start from; `prefixes` must have run."""
    total = f[F_.cycles + n]
    for op in range(3):
        follow(a, op, loops, n, cuts, i, f)
        tiles(a, x, op, 0, loops, means, i, f)
        for at in range(op * LEVELS, op * LEVELS + a[WHOLE.depth + op] + 1):
            f[F_.count + at] = np.floor(total / f[F_.period + at])
    _partial_sums(a, x, loops, means, i)


@inlined
def _memory_energy(a, x, op, level, i, f):  # type: ignore[no-untyped-def]
    """Energy of an operand at one memory; negative where a port is missing."""
    at, depth = op * LEVELS + level, a[WHOLE.depth + op]
    store, busy, place_ = a[WHOLE.store + at], x[REAL.busy + at + 1], at * 4
    below, above = f[F_.elements + at] * x[REAL.boost + at], f[F_.elements + at + 1]
    often, seldom, outer = f[F_.count + at], f[F_.count + at + 1], level + 1 < depth
    up, out = 0.0, 0.0
    if op == 0:
        bits = _bits(a, x, op, level, _READ_DOWN, i)
        down = _accesses(x, place_ + _READ_DOWN, below * bits, often, busy)
        up = _accesses(x, place_ + _WRITE_UP, below * _bits(a, x, op, level, _WRITE_UP, i), often, busy)
        out = _accesses(x, place_ + _READ_UP, above * _bits(a, x, op, level, _READ_UP, i), seldom, busy)
        back = _accesses(
            x, place_ + _WRITE_DOWN, above * _bits(a, x, op, level, _WRITE_DOWN, i), seldom, busy
        )
    else:
        bits = x[REAL.bits + op]
        down = _accesses(x, place_ + _READ_DOWN, below * bits, often, busy)
        back = _accesses(x, place_ + _WRITE_DOWN, above * bits, seldom, busy) if outer else 0.0
    if min(min(down, up), min(out, back)) < 0:
        return -1.0
    read, write = x[REAL.read + store], x[REAL.write + store]
    return (out * read + down * read) + (back * write + up * write)


@compiled
def energy(a, x, i, f, bound):  # type: ignore[no-untyped-def]
    """Energy in pJ of what `place` placed; inf where a port is missing, or as soon as it is above `bound`."""
    memories = 0.0
    for k in range(3):
        op = a[WHOLE.order + k]
        for level in range(a[WHOLE.depth + op]):
            spent = _memory_energy(a, x, op, level, i, f)
            if spent < 0:
                return np.inf
            memories += spent
        if memories + x[REAL.macs] > bound:
            return np.inf
    return memories + x[REAL.macs]
