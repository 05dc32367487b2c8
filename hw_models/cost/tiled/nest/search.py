"""The bounded search over all mappings of one contraction on one chip; compiled by numba.

A mapping is a chain of each loop and an order at each boundary. Its cost grows with every feature of its
chains, so that boxes of chains, which hold the least of each, bound it from below: a box that cannot better
the best mapping found is left with all that is in it.
"""

# ruff: noqa: PLR0912, PLR0913, PLR0915, PLR0917, PLR1714  (numba takes plain arrays and numbers)
from __future__ import annotations

from typing import Any

import numpy as np

from hw_models.cost.tiled.compiled import bare, compiled, inlined
from hw_models.cost.tiled.nest.trees import CHAIN, LEFT, SPREAD, UNDECIDED

ANY = 3
"""Order of loops that is not decided yet: every operand moves as if it were the stationary one."""

SHARE = 0.7
"""Share of a box's bound that a level must take before the order of loops there is decided."""

EASE = 0.001
"""Weight of a box's traffic beside its bound when the better of two boxes is told."""

RESULTS = 14
"""Length of the results of a box."""

DEPTH = 4096
"""Boxes that wait to be opened at most: two a cut, and a tree is not that deep."""


@inlined
def port_seconds(port: Any, row: int, read: float, write: float) -> float:
    """Time of the busiest port; the columns are read, write, shared, shares_read, shares_write."""
    shared = (read * port[row, 3] + write * port[row, 4]) * port[row, 2]
    busiest: float = max(read * port[row, 0], write * port[row, 1], shared)
    return busiest


@inlined
def dram_seconds(chip: Any, read: float, write: float) -> float:
    """Time of the external memory."""
    shared = (read * chip[7] + write * chip[8]) * chip[6]
    busiest: float = max(read * chip[4], write * chip[5], shared)
    return busiest


@bare
def corner_sum(
    n0: float,
    n1: float,
    n2: float,
    t0: float,
    t1: float,
    t2: float,
    apart: int,
    width: float,
    least: float,
    fill: float,
) -> tuple[float, float]:
    """Steps and folds of three loops that are flattened along the array, over all their local tiles."""
    steps = folds = 0.0
    trips0, trips1, trips2 = np.ceil(n0 / t0), np.ceil(n1 / t1), np.ceil(n2 / t2)
    for a in range(2):
        times0 = 1.0 if a else trips0 - 1
        if times0 == 0.0:
            continue
        e0 = n0 - (trips0 - 1) * t0 if a else t0
        for b in range(2):
            times1 = 1.0 if b else trips1 - 1
            if times1 == 0.0:
                continue
            e1 = n1 - (trips1 - 1) * t1 if b else t1
            for c in range(2):
                times = times0 * times1 * (1.0 if c else trips2 - 1)
                if times == 0.0:
                    continue
                e2 = n2 - (trips2 - 1) * t2 if c else t2
                along = (1.0 if apart & 1 else e0) * (1.0 if apart & 2 else e1) * (1.0 if apart & 4 else e2)
                beside = (e0 if apart & 1 else 1.0) * (e1 if apart & 2 else 1.0) * (e2 if apart & 4 else 1.0)
                once = np.ceil(along / width) * beside
                folds += times * once
                steps += times * (max(once, least) + fill)
    return steps, folds


@inlined
def least_excess(a: float, x: float, b: float, y: float, product: float) -> float:
    """What a u + b v exceeds a x + b y by at least, where u >= x, v >= y and u v >= product."""
    if x * y >= product or a <= 0.0 or b <= 0.0:
        return 0.0
    u = min(max(np.sqrt(product * b / a), x), product / y)
    excess: float = max(a * (u - x) + b * (product / u - y), 0.0)
    return excess


@bare
def evaluate(t: Any, at: Any, o1: int, o2: int, s: Any, chip: Any, ports: Any, place: Any, out: Any) -> bool:
    """Latency in out[0], search energy in out[1] of six boxes `at` of `t`; False where nothing in them fits.

    Seconds of DRAM and SRAM are in out[2] and out[3]; the rest of `out` (zeros at first) remembers the last
    steps along the array. Every sum is in the order of `hw_models.cost.tiled.nest.price.price`, so that both
    give the same bits.
    """
    g, n, k, c, y, x = t[at[0]], t[at[1]], t[at[2]], t[at[3]], t[at[4]], t[at[5]]
    acc, weight_byte, input_byte, output_byte = s[4], s[6], s[7], s[5]
    family = s[11]
    local_w, local_i, local_o = place[0] >= 0, place[1] >= 0, place[2] >= 0
    pn1, pn2 = n[2] * y[2] * x[2], n[3] * y[3] * x[3]
    rn1, rn2 = c[2] * y[8] * x[8], c[3] * y[9] * x[9]
    kn1, kn2, gn1, gn2 = k[2], k[3], g[2], g[3]
    if c[16] == 1.0 and y[16] == 1.0 and x[16] == 1.0:
        if out[4] != c[0] or out[5] != y[6] or out[6] != x[6]:
            steps, folds = corner_sum(s[20], s[21], s[22], c[0], y[6], x[6], int(s[26]), s[28], s[29], s[30])
            out[4], out[5], out[6], out[7], out[8] = c[0], y[6], x[6], steps, folds
        steps_r, folds_r = out[7], out[8]
    else:
        folds_r = max(np.ceil(s[20] * s[21] * s[22] / s[28]), rn1)
        steps_r = max(folds_r, s[29] * rn1) + s[30] * rn1
    passes = rn1 if family == 1 else folds_r
    visits = (rn2 if o1 >= 2 else rn1) if local_o else passes

    # footprints first: most mappings end here
    r1, r2 = c[0] * y[6] * x[6], c[1] * y[7] * x[7]
    p1, p2 = n[0] * y[0] * x[0], n[1] * y[1] * x[1]
    first_w = g[1] * k[1] * r2 * weight_byte
    first_i = n[1] * g[1] * c[1] * y[5] * x[5] * input_byte
    tile_o = g[1] * k[1] * p2
    local1_w = g[0] * k[0] * r1 * weight_byte
    local1_i = n[0] * g[0] * c[0] * y[4] * x[4] * input_byte
    tile1_o = g[0] * k[0] * p1
    held1_w = local1_w * (s[15] if gn1 * kn1 * rn1 > 1 else 1.0)
    held2_w = first_w * (s[16] if gn2 * kn2 * rn2 > 1 else 1.0)
    held1_i = local1_i * (s[15] if gn1 * pn1 * rn1 > 1 else 1.0)
    held2_i = first_i * (s[16] if gn2 * pn2 * rn2 > 1 else 1.0)
    held1_o = tile1_o * acc * (s[15] if gn1 * pn1 * kn1 > 1 else 1.0)
    held2_o = tile_o * (acc if visits > 1 else output_byte) * (s[16] if gn2 * pn2 * kn2 > 1 else 1.0)
    if s[18] == 1.0:
        if held2_w + held2_i + held2_o > ports[place[3], 5]:
            return False
        if place[0] >= 0 and held1_w + held1_i + held1_o > ports[place[0], 5]:
            return False
    else:
        for b in range(len(ports)):
            demand = (held1_w if place[0] == b else 0.0) + (held2_w if place[3] == b else 0.0)
            demand += (held1_i if place[1] == b else 0.0) + (held2_i if place[4] == b else 0.0)
            demand += (held1_o if place[2] == b else 0.0) + (held2_o if place[5] == b else 0.0)
            if demand > ports[b, 5]:
                return False

    if n[16] == 1.0 and y[16] == 1.0 and x[16] == 1.0:
        if out[9] != n[0] or out[10] != y[0] or out[11] != x[0]:
            steps, folds = corner_sum(s[23], s[24], s[25], n[0], y[0], x[0], int(s[27]), s[31], s[32], s[33])
            out[9], out[10], out[11], out[12], out[13] = n[0], y[0], x[0], steps, folds
        steps_p, folds_p = out[12], out[13]
    else:
        folds_p = max(np.ceil(s[23] * s[24] * s[25] / s[31]), pn1)
        steps_p = max(folds_p, s[32] * pn1) + s[33] * pn1
    outputs, weight, inputs = s[3], s[0], s[2]
    array_w = weight * (pn1 if family == 0 else folds_p)
    array_i = inputs * (kn1 if family == 2 else k[5])
    out_width = acc if local_o else output_byte
    array_read, array_write = outputs * (passes - 1) * acc, outputs * ((passes - 1) * acc + out_width)
    fill_w = weight * (pn2 if o1 == 0 or o1 == ANY else pn1) if local_w else array_w
    fill_i = s[9] * y[10] * x[10] * (kn2 if o1 == 1 or o1 == ANY else kn1) if local_i else array_i
    fill_sum, drain = outputs * (visits - 1) * acc, outputs * ((visits - 1) * acc + output_byte)
    dram_w = s[1] * (1.0 if o2 == 0 or o2 == ANY else pn2)
    once_i = np.inf
    if c[7] > 0.0:
        once_i = s[8] * c[6] * y[11] * x[11]
    if c[7] != 1.0:
        if x[14] > 0.0:
            once_i = min(once_i, s[8] * y[12])
        if x[14] != 1.0:
            once_i = min(once_i, s[8] * y[11] * x[12])
    dram_i = once_i * (1.0 if o2 == 1 or o2 == ANY else kn2)
    spills = (1.0 if o2 >= 2 else rn2) - 1.0
    dram_sum = outputs * spills * acc
    once_o = np.inf
    if k[7] > 0.0:
        once_o = s[10] * k[6]
    if k[7] != 1.0:
        if x[15] > 0.0:
            once_o = min(once_o, s[8] * y[13])
        if x[15] != 1.0:
            once_o = min(once_o, s[8] * x[13] * s[24])
    dram_o = once_o + dram_sum

    mac = g[4] * steps_r * k[4] * steps_p * chip[0]
    local_rd = (array_w, array_i, array_read + drain)
    local_wr = (fill_w, fill_i, array_write + fill_sum)
    sram_rd = (fill_w, fill_i, fill_sum + dram_o)
    sram_wr = (dram_w, dram_i, drain + dram_sum)
    if s[18] == 1.0:  # one memory a level
        near, far = place[0], place[3]
        local = first_local = 0.0
        if near >= 0:
            read, write = local_rd[0] + local_rd[1] + local_rd[2], local_wr[0] + local_wr[1] + local_wr[2]
            local = port_seconds(ports, near, read, write)
            first_local = port_seconds(ports, far, local1_w + local1_i, tile1_o * output_byte)
        read = sram_rd[0] + sram_rd[1] + sram_rd[2] + chip[13]
        write = sram_wr[0] + sram_wr[1] + sram_wr[2] + chip[14]
        sram = port_seconds(ports, far, read, write)
    else:
        local = sram = first_local = 0.0
        for b in range(len(ports)):
            read = write = 0.0
            there = False
            for z in range(3):
                if place[z] == b:
                    read, write, there = read + local_rd[z], write + local_wr[z], True
            if there:
                local = max(local, port_seconds(ports, b, read, write))
            read = write = read1 = write1 = 0.0
            there = False
            for z in range(3):
                if place[3 + z] == b:
                    read, write, there = read + sram_rd[z], write + sram_wr[z], True
            if there:
                if place[3] == b and local_w:
                    read1 += local1_w
                if place[4] == b and local_i:
                    read1 += local1_i
                if place[5] == b and local_o:
                    write1 += tile1_o * output_byte
                if place[4] == b:
                    read, write = read + chip[13], write + chip[14]
                sram = max(sram, port_seconds(ports, b, read, write))
                first_local = max(first_local, port_seconds(ports, b, read1, write1))
    more = 0.0
    if min(g[CHAIN], n[CHAIN], k[CHAIN], c[CHAIN], y[CHAIN], x[CHAIN]) < 0.0 and chip[7] * chip[8] > 0.0:
        # the stationary tile must fit, whatever it is, which takes so many trips of the other two loops
        pixels, more = s[23] * s[24] * s[25], np.inf
        if o2 >= 2:
            held = g[1] * (acc if visits > 1 else output_byte) * (s[16] if gn2 * pn2 * kn2 > 1 else 1.0)
            more = least_excess(s[1], pn2, once_i, kn2, pixels * s[17] * held / ports[place[5], 5])
        if o2 == 0 or o2 == ANY:
            held = g[1] * s[20] * s[21] * s[22] * weight_byte * (s[16] if gn2 * kn2 * rn2 > 1 else 1.0)
            fewer = least_excess(once_i, kn2, 2.0 * acc * outputs, rn2, s[17] * held / ports[place[3], 5])
            more = min(more, fewer)
        if o2 == 1 or o2 == ANY:
            held = g[1] * s[20] * input_byte * (s[16] if gn2 * pn2 * rn2 > 1 else 1.0)
            fewer = least_excess(s[1], pn2, 2.0 * acc * outputs, rn2, pixels * held / ports[place[4], 5])
            more = min(more, fewer)
    # bytes beside the contraction, which the kernel moves or is spared
    dram_read, dram_write = (
        max(dram_w + dram_i + dram_sum + more + chip[11], 0.0),
        max(dram_o + chip[12], 0.0),
    )
    dram = dram_seconds(chip, dram_read, dram_write)
    first = dram_seconds(chip, first_w + first_i, tile_o * output_byte)
    work = max(mac, local)
    if s[13] == 0.0:
        busy = max(work, sram)
    elif s[15] == 2.0:
        busy = max(sram + work * (g[0] * k[0] * r1 * p1 / s[12]), work + first_local)
    else:
        busy = sram + work
    if s[16] == 2.0:
        latency = max(dram + busy * (g[1] * k[1] * r2 * p2 / s[12]), busy + first) + chip[3]
    else:
        latency = dram + busy + chip[3] * (gn2 * kn2 * rn2 * pn2)
    transfers = (
        gn2 * kn2 * rn2 * (1.0 if o2 == 0 or o2 == ANY else pn2)
        + gn2 * pn2 * rn2 * (1.0 if o2 == 1 or o2 == ANY else kn2)
        + gn2 * pn2 * kn2 * (2.0 * spills + 1.0)
    )
    latency = latency + chip[1] * (gn1 * kn1 * rn1 * pn1) + chip[2] * transfers + s[14] * chip[0]
    energy = (dram_w + dram_i + dram_sum) * chip[9] + dram_o * chip[10]
    for z in range(3):
        if place[z] >= 0:
            energy = energy + local_rd[z] * ports[place[z], 6] + local_wr[z] * ports[place[z], 7]
    for z in range(3):
        energy = energy + sram_rd[z] * ports[place[3 + z], 8] + sram_wr[z] * ports[place[3 + z], 9]
    out[0], out[1], out[2], out[3] = latency, energy, dram, sram
    return True


@inlined
def better(objective: int, latency: float, energy: float, best: Any) -> Any:
    """Whether a mapping, or a bound, is below the best so far; ties go to the other quantity."""
    if objective == 0:
        return latency < best[0] or (latency == best[0] and energy < best[1])
    if objective == 1:
        return energy < best[1] or (energy == best[1] and latency < best[0])
    return latency * energy < best[0] * best[1]


@compiled
def search(
    t: Any,
    roots: Any,
    s: Any,
    chip: Any,
    ports: Any,
    place: Any,
    extra: float,
    objective: int,
    ceiling: float,
    slack: float,
    best: Any,
    chosen: Any,
    tag: int,
    pruned: Any,
    limit: int,
) -> int:
    """Improve `best` (latency, energy) and `chosen` (six chains, two orders, tag); boxes looked at.

    Depth first, the better box first. A box is cut along the tree that spreads most. With `slack`, or where
    `limit` boxes have been looked at, `pruned` keeps the least bound of what was left unopened. Mappings that
    take longer than `ceiling` do not count.
    """
    seen = 0
    no_local = place[0] < 0 and place[1] < 0 and place[2] < 0
    stack = np.empty((DEPTH, 8), np.int64)
    bounds = np.empty((DEPTH, 4))
    out = np.zeros(RESULTS)
    at = np.empty(6, np.int64)
    pair = np.empty((3, 4))
    ok = np.zeros(3, np.bool_)
    top = 0
    at[:] = roots
    seen += 1
    if evaluate(t, at, 2 if no_local else ANY, ANY, s, chip, ports, place, out):
        stack[0, :6], stack[0, 6], stack[0, 7] = roots, 2 if no_local else ANY, ANY
        bounds[0] = out[:4]
        bounds[0, 1] += extra
        top = 1
    while top and (seen < limit or best[0] == np.inf):
        top -= 1
        low, low_energy = bounds[top, 0] * (1.0 + slack), bounds[top, 1] * (1.0 + slack)
        if bounds[top, 0] > ceiling:
            continue
        if not better(objective, low, low_energy, best):
            if slack and better(objective, bounds[top, 0], bounds[top, 1], best):
                pruned[0] = min(pruned[0], bounds[top, 0])
            continue
        box = stack[top].copy()
        widest, z = -1.0, -1
        for i in range(6):
            if t[box[i], SPREAD] > widest:
                widest, z = t[box[i], SPREAD], i
        if box[6] == ANY and (bounds[top, 3] > SHARE * bounds[top, 0] or widest < UNDECIDED):
            z = 6
        elif box[7] == ANY and (bounds[top, 2] > SHARE * bounds[top, 0] or widest < UNDECIDED):
            z = 7
        if z < 0:
            best[0], best[1] = bounds[top, 0], bounds[top, 1]
            for i in range(6):
                chosen[i] = int(t[box[i], CHAIN])
            chosen[6], chosen[7], chosen[8] = box[6], box[7], tag
            continue
        ways = 3 if z >= 6 else 2
        for side in range(ways):
            at[:] = box[:6]
            o1, o2 = box[6], box[7]
            if z == 6:
                o1 = side
            elif z == 7:
                o2 = side
            else:
                at[z] = int(t[box[z], LEFT + side])
            seen += 1
            ok[side] = evaluate(t, at, o1, o2, s, chip, ports, place, out)
            pair[side] = out[:4]
            pair[side, 1] += extra
        for _ in range(ways):
            side, worst = -1, -1.0
            for i in range(ways):
                ease = pair[i, 0] + EASE * (pair[i, 2] + pair[i, 3])
                if ok[i] and ease > worst:
                    side, worst = i, ease
            if side < 0:
                break
            ok[side] = False
            stack[top] = box
            stack[top, z] = side if z >= 6 else int(t[box[z], LEFT + side])
            bounds[top] = pair[side]
            top += 1
    for i in range(top):
        if bounds[i, 0] < best[0]:
            pruned[0] = min(pruned[0], bounds[i, 0])
    return seen
