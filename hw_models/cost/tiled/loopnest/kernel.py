"""The compiled twin of `reference`: same figures to the last bit, about a microsecond each.

Every function works on the two arrays of `packed`, `a` (integers) and `x` (floats), and on two of scratch,
`i` and `f`. A mapping is `loops`, rows (dimension, size) in time, innermost first, `means`, their passes on
average, `n`, how many there are, and `cuts` (3, LEVELS), how many lie at or below each memory.
"""

# ruff: noqa: PLR0913, PLR0917, ARG001 -- arrays are passed one by one, which compiles to plain words

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw_models.cost.tiled.loopnest.compiled import compiled, inlined
from hw_models.cost.tiled.loopnest.pack import DIMS, LEVELS, REAL, SAME, SPREADS, WHOLE

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray

_READ_DOWN, _WRITE_UP, _READ_UP, _WRITE_DOWN = range(4)
LOOPS: Final = 32
"""Temporal loops of one mapping, at most."""


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
    """(3, LEVELS) cycles in which it must be done: all of them where the next tile is loaded ahead."""
    times: int = 112
    """(3, LEVELS) how many of them there are."""
    both: int = 136
    """(3, LEVELS, 4) whether the port of a way is shared by both inputs."""
    last: int = 232
    """(PORTS,) end of each port's rows in `duty`, which start as in `Whole.serve_start`."""
    duty: int = 265
    """(SERVES, 4) real, allowed, period, count of each transfer."""
    what: int = 521
    """(SERVES, 3) operand, level, way of each transfer."""
    chain: int = 713
    """(16, 4) period, allowed, hidden and union of `_union`."""
    seen: int = 777
    """(STORES,) loops that the allocation of each memory looked at."""
    row: int = 793
    """(LOOPS + 1,) row of the table that stands for so many innermost loops."""
    end: int = 826


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
    often: int = 426
    """(3, LEVELS) transfers across the lower side of a level."""
    end: int = 450


I_: Final = Counts()
F_: Final = Sizes()


CYCLES, AGAIN, TILES = 0, 1, 2
"""Columns of the table: cycles of some innermost loops, whether loops that add to the same output are still
outside of them, and from the last on (2, 3, LEVELS) elements of the tiles that they and the units spread at a
level and below touch, with average units and with units rounded down. A row stands for a set of loops: it is
filled once, and every order that starts with that set shares it."""

COLUMNS: Final = 2 + 2 * 3 * LEVELS


def scratch() -> tuple[IntArray, FloatArray]:
    """Room for one evaluation at a time."""
    return np.zeros(I_.end, np.int64), np.zeros(F_.end)


@compiled
def fill_row(a, x, t, row, time, again, f):  # type: ignore[no-untyped-def]
    """Fill a row of the table for loops that cover `time` (DIMS,) of each dimension."""
    t[row, AGAIN] = 1.0 if again else 0.0
    t[row, CYCLES] = 1.0
    for d in range(a[WHOLE.dims]):
        t[row, CYCLES] *= time[d]
    for side in range(6):
        rounded, op = side // 3, side % 3
        for d in range(a[WHOLE.dims]):
            f[F_.extent + d] = time[d]
        start = WHOLE.spread_start + op * (LEVELS + 1)
        for level in range(a[WHOLE.depth + op]):
            for k in range(a[start + level], a[start + level + 1]):
                f[F_.extent + a[WHOLE.spread_dim + k]] *= x[REAL.units + rounded * SPREADS + k]
            t[row, TILES + side * LEVELS + level] = tile(a, op, f)


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
def follow(a, op, loops, n, cuts, t, i, f):  # type: ignore[no-untyped-def]
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
        cycles = t[i[I_.row + i[merged + level]], CYCLES]
        f[F_.period + op * LEVELS + level] = cycles if level > 0 or op != 0 else 1.0


@inlined
def tiles(a, x, op, rounded, loops, means, t, i, f):  # type: ignore[no-untyped-def]
    """Fill `elements` of an operand; see `traffic._tiles`."""
    elements, merged = F_.elements + (rounded * 3 + op) * LEVELS, I_.merged + op * LEVELS
    f[elements] = 1.0
    if a[WHOLE.parts] == 0:
        column = TILES + (rounded * 3 + op) * LEVELS
        for level in range(a[WHOLE.depth + op]):
            f[elements + level + 1] = np.rint(t[i[I_.row + i[merged + level + 1]], column + level])
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
def place(a, x, loops, means, n, cuts, t, i, f):  # type: ignore[no-untyped-def]
    """Fill what `energy` and `latency` of a mapping start from."""
    total = t[i[I_.row + n], CYCLES]
    for op in range(3):
        follow(a, op, loops, n, cuts, t, i, f)
        tiles(a, x, op, 0, loops, means, t, i, f)
        for at in range(op * LEVELS, op * LEVELS + a[WHOLE.depth + op] + 1):
            f[F_.often + at] = np.floor(total / f[F_.period + at])
    _partial_sums(a, x, loops, means, i)


@inlined
def _memory_energy(a, x, op, level, i, f):  # type: ignore[no-untyped-def]
    """Energy of an operand at one memory; negative where a port is missing."""
    at, depth = op * LEVELS + level, a[WHOLE.depth + op]
    store, busy, place_ = a[WHOLE.store + at], x[REAL.busy + at + 1], at * 4
    below, above = f[F_.elements + at] * x[REAL.boost + at], f[F_.elements + at + 1]
    often, seldom, outer = f[F_.often + at], f[F_.often + at + 1], level + 1 < depth
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
    if down < 0 or up < 0 or out < 0 or back < 0:
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
