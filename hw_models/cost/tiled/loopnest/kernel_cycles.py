"""The compiled twin of `stalls`: same cycles to the last bit; arrays as in `kernel`."""

# ruff: noqa: PLR0913, PLR0917 -- see `kernel`

from __future__ import annotations

import numpy as np

from hw_models.cost.tiled.loopnest.compiled import compiled, inlined
from hw_models.cost.tiled.loopnest.kernel import (
    _READ_DOWN,
    _READ_UP,
    _WRITE_DOWN,
    _WRITE_UP,
    CYCLES,
    F_,
    I_,
    _bits,
    _held_bits,
    _moves,
    tiles,
)
from hw_models.cost.tiled.loopnest.pack import DIMS, LEVELS, OWN, REAL, SAME, WHOLE


@inlined
def _top(a, op, level, kind, loops, means, i):  # type: ignore[no-untyped-def]
    """Product of the outermost loops of a level that are of one kind; level 0 is the array."""
    merged, product = I_.merged + op * LEVELS, 1.0
    if level == 0:
        return product
    for k in range(i[merged + level] - 1, (i[merged + level - 1] if level > 1 else 0) - 1, -1):
        if a[WHOLE.kind + op * DIMS + loops[k, 0]] != kind:
            break
        product *= means[k]
    return product


@inlined
def _shares(a, x, loops, means, i, f):  # type: ignore[no-untyped-def]
    """Fill `live` and `share`."""
    for op in range(3):
        for level in range(a[WHOLE.depth + op]):
            at = op * LEVELS + level
            bits = f[F_.elements + at + 1] * _held_bits(a, x, op, level + 1, i)
            live = np.floor(bits / _top(a, op, level + 1, OWN, loops, means, i))
            f[F_.live + at] = live / x[REAL.store_bits + a[WHOLE.store + at]]
    for store in range(a[WHOLE.stores]):
        together = 0.0
        for k in range(3):
            op = a[WHOLE.held + store * 3 + k]
            if op >= 0:
                together += f[F_.live + op * LEVELS + a[WHOLE.level + store * 3 + op]]
        for k in range(3):
            op = a[WHOLE.held + store * 3 + k]
            if op >= 0:
                f[F_.share + op * LEVELS + a[WHOLE.level + store * 3 + op]] = together


@inlined
def _buffering(a, x, loops, means, i, f):  # type: ignore[no-untyped-def]
    """Fill `ahead`; see `stalls.double_buffered`."""
    _shares(a, x, loops, means, i, f)
    for k in range(3):
        op = a[WHOLE.order + k]
        i[I_.ahead + op * LEVELS] = 0
        for level in range(a[WHOLE.depth + op]):
            at = op * LEVELS + level
            alone, store = f[F_.live + at], a[WHOLE.store + at]
            ahead = f[F_.share + at] <= 0.5
            if not ahead and alone <= 1 - f[F_.share + at]:
                ahead = True
                for j in range(3):
                    other = a[WHOLE.held + store * 3 + j]
                    if other >= 0 and a[WHOLE.held + store * 3 + 1] >= 0:
                        f[F_.share + other * LEVELS + a[WHOLE.level + store * 3 + other]] += alone
            i[I_.ahead + at + 1] = 1 if ahead else 0


@inlined
def _sides(a, loops, means, i, f):  # type: ignore[no-untyped-def]
    """Fill `period`, `times` and `window` of the lower side of every level."""
    for op in range(3):
        for level in range(a[WHOLE.depth + op] + 1):
            at = op * LEVELS + level
            period = int(f[F_.period + at])
            i[I_.period + at] = period
            i[I_.times + at] = int(f[F_.often + at])
            i[I_.window + at] = period
            if i[I_.ahead + at] == 0:
                i[I_.window + at] = int(period / int(_top(a, op, level, SAME, loops, means, i)))


@inlined
def _gather(a, x, port, i, f):  # type: ignore[no-untyped-def]
    """Fill `duty` and `what` with what goes through a port; see `stalls.transfers`."""
    row, rounded = a[WHOLE.serve_start + port], a[WHOLE.rounded] * 3 * LEVELS
    for served in range(a[WHOLE.serve_start + port], a[WHOLE.serve_start + port + 1]):
        place = WHOLE.serves + served * 3
        op, level, way = a[place], a[place + 1], a[place + 2]
        if not _moves(a, op, level, way, i):
            continue
        side = level + 1 if way >= _READ_UP else level
        at = op * LEVELS + side
        if i[I_.times + at] == 0:
            continue
        elements = f[F_.elements + rounded + at]
        boost = x[REAL.boost + rounded + at] if way < _READ_UP else 1.0
        duty, what = I_.duty + row * 4, I_.what + row * 3
        i[duty] = int(np.ceil(elements * boost * _bits(a, x, op, level, way, i) / x[REAL.port_bits + port]))
        i[duty + 1], i[duty + 2], i[duty + 3] = i[I_.window + at], i[I_.period + at], i[I_.times + at]
        i[what], i[what + 1], i[what + 2] = op, level, way
        row += 1
    i[I_.last + port] = row


@inlined
def _covered(i, depth, cycles):  # type: ignore[no-untyped-def]
    """Cycles among the first `cycles` in which one of the shortest `depth` + 1 windows is open."""
    total = 0
    for k in range(depth, -1, -1):
        row = I_.chain + k * 4
        total += cycles // i[row] * i[row + 3]
        cycles = cycles % i[row]
        if cycles <= i[row + 1]:
            return total + cycles
        total += i[row + 1] - i[row + 2]
    return total


@compiled
def _union(low, high, i):  # type: ignore[no-untyped-def]
    """Cycles in which at least one of the transfers in these rows may run; see `stalls.window_union`."""
    for row in range(low, high, 4):
        if i[row + 2] == i[row + 1]:
            return i[row + 2] * i[row + 3]
    length, last, times = 0, 0, 0
    while True:
        period, allowed = 0, 0
        for row in range(low, high, 4):
            if i[row + 2] > last and (period == 0 or i[row + 2] < period):
                period = i[row + 2]
        if period == 0:
            return i[I_.chain + (length - 1) * 4 + 3] * times
        for row in range(high - 4, low - 1, -4):
            if i[row + 2] == period:
                allowed, times = max(allowed, i[row + 1]), i[row + 3]
        hidden = _covered(i, length - 1, allowed)
        row = I_.chain + length * 4
        i[row + 3] = allowed + _covered(i, length - 1, period) - hidden
        i[row], i[row + 1], i[row + 2] = period, allowed, hidden
        length += 1
        last = period


@inlined
def _stall(a, port, i):  # type: ignore[no-untyped-def]
    """Cycles by which a port falls behind; see `stalls.stall_of`."""
    low, high = I_.duty + a[WHOLE.serve_start + port] * 4, I_.duty + i[I_.last + port] * 4
    waiting, slack, windows = 0, 0, 0
    for row in range(low, high, 4):
        late = (i[row] - i[row + 1]) * (i[row + 3] - 1)
        if high - low == 4:
            return late
        if late > 0:
            waiting += late
        else:
            slack += late
        windows += i[row + 1] * (i[row + 3] - 1)
    if high == low or slack + windows <= 0:
        return waiting
    return waiting + max(0, slack + windows - _union(low, high, i))


@inlined
def _at_an_end(row, i):  # type: ignore[no-untyped-def]
    """Whether a transfer is also a first or a last one; partial sums that come back are not."""
    way = i[I_.what + row * 3 + 2]
    return i[I_.what + row * 3] != 0 or way in (_WRITE_UP, _READ_UP)


@inlined
def _rate(a, x, row, i, f):  # type: ignore[no-untyped-def]
    """Bits per cycle that a transfer needs on average."""
    op, level, way = i[I_.what + row * 3], i[I_.what + row * 3 + 1], i[I_.what + row * 3 + 2]
    side = level + 1 if way >= _READ_UP else level
    at, rounded = op * LEVELS + side, a[WHOLE.rounded] * 3 * LEVELS
    boost = x[REAL.boost + rounded + at] if way < _READ_UP else 1.0
    bits = f[F_.elements + rounded + at] * _held_bits(a, x, op, side, i)
    return int(bits / f[F_.period + at] * boost)


@inlined
def _first_and_last(a, x, port, computing, i, f):  # type: ignore[no-untyped-def]
    """Fill `ends` for what goes through a port; see `stalls._first_and_last`."""
    low, high = a[WHOLE.serve_start + port], i[I_.last + port]
    busy, once = 0, 0
    for row in range(low, high):
        duty, what = I_.duty + row * 4, I_.what + row * 3
        at = (i[what] * LEVELS + i[what + 1]) * 4 + i[what + 2]
        f[F_.ends + at], i[I_.both + at] = i[duty], a[WHOLE.shared + port]
        if _at_an_end(row, i):
            if i[duty + 3] > 1:
                busy += _rate(a, x, row, i, f)
            else:
                once |= 1 << (row - low)
    bits = x[REAL.port_bits + port]
    spare = max(0.0, (bits - busy) / bits * computing)
    while spare > 0 and once:
        longest = -1
        for row in range(low, high):
            if once >> (row - low) & 1 and (longest < 0 or i[I_.duty + row * 4] > i[I_.duty + longest * 4]):
                longest = row
        once &= ~(1 << (longest - low))
        what = I_.what + longest * 3
        op = i[what]
        held = f[F_.elements + (a[WHOLE.rounded] * 3 + op) * LEVELS + 1] * _held_bits(a, x, op, 1, i)
        at = F_.ends + (op * LEVELS + i[what + 1]) * 4 + i[what + 2]
        taken = min(max(0.0, f[at] - np.ceil(held / bits)), spare)
        f[at] -= taken
        spare -= taken


@inlined
def _input_fill(a, op, i, f):  # type: ignore[no-untyped-def]
    """Cycles of one input's way in: through ports of both inputs, half so, of its own."""
    shared, half, own = 0.0, 0.0, 0.0
    for level in range(a[WHOLE.depth + op] - 1):
        inner = (op * LEVELS + level) * 4 + _WRITE_DOWN
        outer = (op * LEVELS + level + 1) * 4 + _READ_DOWN
        longest = max(f[F_.ends + inner], f[F_.ends + outer])
        both = i[I_.both + inner] + i[I_.both + outer]
        if both == 2:
            shared += longest
        elif both == 0:
            own += longest
        else:
            half = longest
    return shared, half, own


@compiled
def latency(a, x, loops, means, n, t, i, f, bound):  # type: ignore[no-untyped-def]
    """Cycles of what `place` placed; inf as soon as they are above `bound`; see `stalls.latency`."""
    total = t[i[I_.row + n], CYCLES]
    if a[WHOLE.rounded] == 1:
        for op in range(3):
            tiles(a, x, op, 1, loops, means, t, i, f)
    _buffering(a, x, loops, means, i, f)
    _sides(a, loops, means, i, f)
    stall, ports = 0, a[WHOLE.ports]
    for port in range(ports - 1, -1, -1):
        _gather(a, x, port, i, f)
        stall = max(stall, _stall(a, port, i))
        if total + stall > bound:
            return np.inf
    computing = np.ceil(total) + stall
    for port in range(ports):
        _first_and_last(a, x, port, computing, i, f)
    drain = 0.0
    for level in range(a[WHOLE.depth] - 1):
        drain += max(f[F_.ends + level * 4 + _READ_UP], f[F_.ends + (level + 1) * 4 + _WRITE_UP])
    shared_w, half_w, own_w = _input_fill(a, 1, i, f)
    shared_i, half_i, own_i = _input_fill(a, 2, i, f)
    weights_first = shared_w + max(shared_i + half_i + own_i, half_w + own_w)
    inputs_first = shared_i + max(shared_w + half_w + own_w, half_i + own_i)
    return total + stall + min(weights_first, inputs_first) + drain + x[REAL.drain]
