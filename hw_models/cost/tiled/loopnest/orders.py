"""Compiled search over orders of temporal loops: allocation of each order, and the best of all orders."""

# ruff: noqa: PLR0913, PLR0917 -- see `kernel`

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_models.cost.tiled.loopnest.compiled import compiled, inlined
from hw_models.cost.tiled.loopnest.kernel import (
    AGAIN,
    COLUMNS,
    CYCLES,
    F_,
    I_,
    LOOPS,
    TILES,
    energy,
    fill_row,
    place,
    tile,
)
from hw_models.cost.tiled.loopnest.kernel_cycles import latency
from hw_models.cost.tiled.loopnest.pack import DIMS, LEVELS, REAL, SAME, STORES, WHOLE

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray

_ROW = LOOPS + 1


@inlined
def _bits_at(a, x, op, level, start, t, i):  # type: ignore[no-untyped-def]
    """Bits of an element in a memory that holds `start` loops before it takes more."""
    if op != 0:
        return x[REAL.bits + op]
    for k in range(a[WHOLE.spread_start + level + 1], a[WHOLE.spread_start + LEVELS]):
        if a[WHOLE.kind + a[WHOLE.spread_dim + k]] == SAME:
            return x[REAL.bits]
    return x[REAL.bits] if t[i[I_.row + start], AGAIN] > 0 else x[REAL.bits + 3]


@inlined
def _slices(a, x, op, store, loops, n, cuts, t, i, f):  # type: ignore[no-untyped-def]
    """Fill `sizes` and `above` of an operand at a memory; choices there are, 0: not even the first fits."""
    level = a[WHOLE.level + store * 3 + op]
    start = cuts[op, level - 1] if level > 0 else 0
    parts, sizes, above = a[WHOLE.parts] == 1, F_.sizes + op * _ROW - start, F_.above + op * _ROW - start
    bits, room = _bits_at(a, x, op, level, start, t, i), x[REAL.store_bits + store]
    total, column = t[i[I_.row + n], CYCLES], TILES + op * LEVELS + level
    if parts:
        _inside(a, x, op, level, loops, cuts, f)
    for k in range(start, n + 1):
        if parts and k > start:
            f[F_.extent + loops[k - 1, 0]] *= loops[k - 1, 1]
        row = i[I_.row + k]
        needed = (tile(a, op, f) if parts else t[row, column]) * bits
        if needed > room:
            i[I_.seen + store] = max(i[I_.seen + store], k)
            return k - start
        f[sizes + k] = needed
        f[above + k] = total / t[row, CYCLES] * needed
    i[I_.seen + store] = n
    return n - start + 1


@compiled
def _inside(a, x, op, level, loops, cuts, f):  # type: ignore[no-untyped-def]
    """Fill `extent` with the loops inside a memory of an operand, in the order in which they were placed."""
    f[F_.extent : F_.extent + DIMS] = 1.0
    start = WHOLE.spread_start + op * (LEVELS + 1)
    for below in range(level + 1):
        if below > 0:
            for k in range(cuts[op, below - 2] if below > 1 else 0, cuts[op, below - 1]):
                f[F_.extent + loops[k, 0]] *= loops[k, 1]
        for k in range(a[start + below], a[start + below + 1]):
            f[F_.extent + a[WHOLE.spread_dim + k]] *= x[REAL.units + k]


@compiled
def _halved(a, x, op, store, loops, n, cuts, count, t, i, f):  # type: ignore[no-untyped-def]
    """Double the choices of a memory that fills one half while it uses the other, unless it holds all."""
    level = a[WHOLE.level + store * 3 + op]
    start = cuts[op, level - 1] if level > 0 else 0
    bits = _bits_at(a, x, op, level, start, t, i)
    if a[WHOLE.parts] == 1:
        _inside(a, x, op, level, loops, cuts, f)
        for k in range(start, n):
            f[F_.extent + loops[k, 0]] *= loops[k, 1]
        everything = tile(a, op, f) * bits
    else:
        everything = t[i[I_.row + n], TILES + op * LEVELS + level] * bits
    for k in range(count):
        if start + k < n and f[F_.sizes + op * _ROW + k] < everything:
            f[F_.sizes + op * _ROW + k] *= 2
            f[F_.above + op * _ROW + k] *= 2
        if f[F_.sizes + op * _ROW + k] > x[REAL.store_bits + store]:
            return k
    return count


@inlined
def _options(a, x, op, store, loops, n, cuts, t, i, f):  # type: ignore[no-untyped-def]
    """Choices of an operand at a memory, and loops taken by the first; none where it does not fit."""
    level = a[WHOLE.level + store * 3 + op]
    start, top = cuts[op, level - 1] if level > 0 else 0, level == a[WHOLE.depth + op] - 1
    if top and a[WHOLE.parts] == 0 and a[WHOLE.halved + store] == 0:
        i[I_.seen + store] = n
        needed = t[i[I_.row + n], TILES + op * LEVELS + level] * _bits_at(a, x, op, level, start, t, i)
        f[F_.sizes + op * _ROW], f[F_.above + op * _ROW] = needed, 0.0
        return 1 if needed <= x[REAL.store_bits + store] else 0, n
    count = _slices(a, x, op, store, loops, n, cuts, t, i, f)
    if a[WHOLE.halved + store] == 1 and count > 0:
        i[I_.seen + store] = n
        count = _halved(a, x, op, store, loops, n, cuts, count, t, i, f)
    if count > 0 and top:
        if start + count - 1 < n:
            return 0, 0
        f[F_.sizes + op * _ROW] = f[F_.sizes + op * _ROW + count - 1]
        f[F_.above + op * _ROW] = 0.0
        return 1, n
    return count, start


@compiled
def allocate(a, x, loops, n, first, cuts, t, i, f):  # type: ignore[no-untyped-def]
    """Fill `cuts` for an order of loops whose first ones are those of the last call; whether it fits.

    See `hw_models.cost.tiled.loopnest.allocate`. A memory that looked at none of the loops that changed, and
    all memories below it, keep what they took.
    """
    for store in range(a[WHOLE.stores]):
        if i[I_.seen + store] <= first:
            continue
        i[I_.seen + store] = 0
        first = -1
        if not _take(a, x, store, loops, n, cuts, t, i, f):
            i[I_.seen + store : I_.seen + STORES] = n + 1
            return False
    return True


@inlined
def _take(a, x, store, loops, n, cuts, t, i, f):  # type: ignore[no-untyped-def]
    """Fill `cuts` of one memory; whether its operands fit."""
    one, two, three = a[WHOLE.held + store * 3], a[WHOLE.held + store * 3 + 1], a[WHOLE.held + store * 3 + 2]
    n_two, from_two, n_three, from_three = 1, 0, 1, 0
    n_one, from_one = _options(a, x, one, store, loops, n, cuts, t, i, f)
    if two >= 0:
        n_two, from_two = _options(a, x, two, store, loops, n, cuts, t, i, f)
    if three >= 0:
        n_three, from_three = _options(a, x, three, store, loops, n, cuts, t, i, f)
    if n_one == 0 or n_two == 0 or n_three == 0:
        return False
    room = x[REAL.store_bits + store]
    if a[WHOLE.rounded] == 1 or a[WHOLE.halved + store] == 1 or three >= 0:
        p, q, r = _choose(room, one, two, three, n_one, n_two, n_three, f)
    else:
        p, q = _choose_falling(room, one, two, n_one, n_two, f)
        r = 0
    if p < 0:
        return False
    cuts[one, a[WHOLE.level + store * 3 + one]] = from_one + p
    if two >= 0:
        cuts[two, a[WHOLE.level + store * 3 + two]] = from_two + q
    if three >= 0:
        cuts[three, a[WHOLE.level + store * 3 + three]] = from_three + r
    return True


@compiled
def _choose(room, one, two, three, n_one, n_two, n_three, f):  # type: ignore[no-untyped-def]
    """The choices of a memory's operands that fit together, with least traffic above; the last of equals."""
    least, best = np.inf, (-1, -1, -1)
    for p in range(n_one):
        for q in range(n_two):
            for r in range(n_three):
                size, above = f[F_.sizes + one * _ROW + p], f[F_.above + one * _ROW + p]
                if two >= 0:
                    size, above = size + f[F_.sizes + two * _ROW + q], above + f[F_.above + two * _ROW + q]
                if three >= 0:
                    size, above = (
                        size + f[F_.sizes + three * _ROW + r],
                        above + f[F_.above + three * _ROW + r],
                    )
                if size > room:
                    if p == 0 and q == 0 and r == 0:
                        return best
                    continue
                if above <= least:
                    least, best = above, (p, q, r)
    return best


@inlined
def _choose_falling(room, one, two, n_one, n_two, f):  # type: ignore[no-untyped-def]
    """The same for two operands whose traffic never grows with a choice: of each, the most that fits."""
    if two < 0:
        return n_one - 1, 0
    least, best, q = np.inf, (-1, -1), n_two - 1
    for p in range(n_one):
        size, above = f[F_.sizes + one * _ROW + p], f[F_.above + one * _ROW + p]
        while q >= 0 and size + f[F_.sizes + two * _ROW + q] > room:
            q -= 1
        if q < 0:
            break
        if above + f[F_.above + two * _ROW + q] <= least:
            least, best = above + f[F_.above + two * _ROW + q], (p, q)
    return best


@compiled
def next_order(codes, n):  # type: ignore[no-untyped-def]
    """Turn `codes` into the next order of the same loops; first place that changed, -1: it was the last."""
    k = n - 2
    while k >= 0 and codes[k] >= codes[k + 1]:
        k -= 1
    if k < 0:
        return -1
    j = n - 1
    while codes[j] <= codes[k]:
        j -= 1
    codes[k], codes[j] = codes[j], codes[k]
    low, high = k + 1, n - 1
    while low < high:
        codes[low], codes[high] = codes[high], codes[low]
        low, high = low + 1, high - 1
    return k


@compiled
def best_order(a, x, kinds, codes, fixed, objective, t, i, f, room, best_loops, best_cuts):  # type: ignore[no-untyped-def]
    """The best of all orders of the loops `kinds[codes]`.

    `codes` (N,) are rows of `kinds` (-1, 2), the different loops, and used up. `fixed` (N, 2): dimension and
    size that must stand at a place, -1 where any may. `objective` is 0 for energy, 1 for latency, 2 for their
    product. `t` is filled by `fill_table`, `room` by `search_room`. `best_loops` (N, 2) and `best_cuts` (3,
    LEVELS) are filled with the winner.

    Returns:
        energy [pJ], cycles, orders looked at, orders that fit.
    """
    n, (radix, loops, means, cuts) = codes.shape[0], room
    best_energy, best_cycles, seen, fits, first = np.inf, np.inf, 0, 0, 0
    i[I_.seen : I_.seen + STORES] = n + 1
    i[I_.row] = 0
    while first >= 0:
        seen += 1
        good = True
        for k in range(first, n):
            loops[k, 0], loops[k, 1] = kinds[codes[k], 0], kinds[codes[k], 1]
            means[k] = loops[k, 1]
            i[I_.row + k + 1] = i[I_.row + k] + radix[codes[k]]
        for k in range(n):
            good = good and (fixed[k, 0] < 0 or fixed[k, 0] == loops[k, 0])
            good = good and (fixed[k, 1] < 0 or fixed[k, 1] == loops[k, 1])
        if good and allocate(a, x, loops, n, first, cuts, t, i, f):
            fits += 1
            place(a, x, loops, means, n, cuts, t, i, f)
            joules, cycles = _costs(a, x, loops, means, n, objective, best_energy, best_cycles, t, i, f)
            if joules < np.inf and cycles < np.inf:
                best_energy, best_cycles = joules, cycles
                _keep(loops, cuts, n, best_loops, best_cuts)
        elif not good:
            i[I_.seen : I_.seen + STORES] = n + 1
        first = next_order(codes, n)
    return best_energy, best_cycles, seen, fits


@compiled
def _keep(loops, cuts, n, best_loops, best_cuts):  # type: ignore[no-untyped-def]
    for k in range(n):
        best_loops[k, 0], best_loops[k, 1] = loops[k, 0], loops[k, 1]
    for op in range(3):
        for level in range(LEVELS):
            best_cuts[op, level] = cuts[op, level]


def search_room(
    kinds: IntArray, codes: IntArray
) -> tuple[FloatArray, tuple[IntArray, IntArray, FloatArray, IntArray]]:
    """Room for a search: the table; what a loop adds to a row's number, loops, means, cuts."""
    counts = np.bincount(codes, minlength=len(kinds))
    radix = np.concatenate([[1], np.cumprod(counts + 1)]).astype(np.int64)
    loops = np.zeros((len(codes), 2), np.int64)
    table = np.zeros((int(radix[-1]), COLUMNS))
    return table, (radix[:-1].copy(), loops, np.zeros(len(codes)), np.zeros((3, LEVELS), np.int64))


@compiled
def fill_table(a, x, kinds, counts, radix, time, t, f):  # type: ignore[no-untyped-def]
    """A row of the table for every set of loops, `counts` of each kind at most; `time` (DIMS,) is scratch."""
    for row in range(t.shape[0]):
        again = False
        time[:] = 1.0
        for j in range(kinds.shape[0]):
            taken = row // radix[j] % (counts[j] + 1)
            again = again or (taken < counts[j] and a[WHOLE.kind + kinds[j, 0]] == SAME)
            for _ in range(taken):
                time[kinds[j, 0]] *= kinds[j, 1]
        fill_row(a, x, t, row, time, again, f)


@compiled
def _costs(a, x, loops, means, n, objective, best_energy, best_cycles, t, i, f):  # type: ignore[no-untyped-def]
    """Energy and cycles of what `place` placed where they are better than the best, else inf."""
    if objective == 1:
        cycles = latency(a, x, loops, means, n, t, i, f, best_cycles)
        if cycles > best_cycles:
            return np.inf, np.inf
        joules = energy(a, x, i, f, best_energy if cycles == best_cycles else np.inf)
        return joules, cycles if cycles < best_cycles or joules < best_energy else np.inf
    joules = energy(a, x, i, f, best_energy if objective == 0 else np.inf)
    if joules == np.inf:
        return np.inf, np.inf
    if objective == 0:
        cycles = latency(a, x, loops, means, n, t, i, f, best_cycles if joules == best_energy else np.inf)
        return joules, cycles if joules < best_energy or cycles < best_cycles else np.inf
    most = best_energy * best_cycles / joules if best_energy < np.inf else np.inf
    cycles = latency(a, x, loops, means, n, t, i, f, most)
    return joules, cycles if joules * cycles < best_energy * best_cycles else np.inf
