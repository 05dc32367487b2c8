"""The winner of a search counted again from its tiles alone, and priced; compiled by numba.

Nothing here reads the boxes of the search. The same counts as `hw_models.cost.tiled.nest.count` in plain
NumPy, bit for bit.
"""

# ruff: noqa: PLR0912, PLR0913, PLR0915, PLR0917  (numba takes plain arrays and numbers)
from __future__ import annotations

from typing import Any

import numpy as np

from hw_models.cost.tiled.compiled import bare, compiled
from hw_models.cost.tiled.nest.search import corner_sum, dram_seconds, port_seconds
from hw_models.cost.tiled.nest.trees import axis_rows, cell_sum, run_bytes

N_COUNTS = 30


@compiled
def recount(
    dims: Any,
    geometry: Any,
    inner: Any,
    outer: Any,
    o1: int,
    o2: int,
    s: Any,
    widths: Any,
    place: Any,
    burst: float,
    counts: Any,
) -> None:
    """`COUNTS` of one mapping into `counts`; `widths`: (3, 4) width, least, fill of the layout's groups."""
    n, g, k, c, oy, ox, fy, fx = dims
    acc, weight_byte, input_byte, output_byte = s[4], s[6], s[7], s[5]
    trips = np.empty((2, 8))
    tile = np.empty((2, 8))
    for i in range(8):
        tile[0, i], tile[1, i] = inner[i], outer[i]
        trips[0, i], trips[1, i] = -(-dims[i] // inner[i]), -(-dims[i] // outer[i])
    steps_g = cell_sum(g, inner[1], widths[0, 0], widths[1, 0], widths[2, 0])
    steps_k = cell_sum(k, inner[2], widths[0, 2], widths[1, 2], widths[2, 2])
    folds_k = cell_sum(k, inner[2], widths[0, 2], 0.0, 0.0)
    steps_r, folds_r = corner_sum(
        c, fy, fx, tile[0, 3], tile[0, 6], tile[0, 7], int(s[26]), widths[0, 1], widths[1, 1], widths[2, 1]
    )
    steps_p, folds_p = corner_sum(
        n, oy, ox, tile[0, 0], tile[0, 4], tile[0, 5], int(s[27]), widths[0, 3], widths[1, 3], widths[2, 3]
    )
    group_trips = np.empty((2, 4))
    for level in range(2):
        t = trips[level]
        group_trips[level, 0], group_trips[level, 1] = t[1], t[3] * t[6] * t[7]
        group_trips[level, 2], group_trips[level, 3] = t[2], t[0] * t[4] * t[5]
    _, rn1, kn1, pn1 = group_trips[0]
    gn2, rn2, kn2, pn2 = group_trips[1]
    outputs = float(g) * k * n * oy * ox
    weight = float(g) * k * c * fy * fx * weight_byte
    inputs = float(g) * n * oy * ox * c * fy * fx * input_byte
    family = s[11]
    local_w, local_i, local_o = place[0] >= 0, place[1] >= 0, place[2] >= 0
    passes = rn1 if family == 1 else folds_r
    counts[0] = steps_g * steps_r * steps_k * steps_p
    counts[1] = weight * (pn1 if family == 0 else folds_p)
    counts[2] = inputs * (kn1 if family == 2 else folds_k)
    counts[3] = outputs * (passes - 1) * acc
    counts[4] = outputs * ((passes - 1) * acc + (acc if local_o else output_byte))
    counts[5] = weight * (pn2 if o1 == 0 else pn1) if local_w else counts[1]
    rows, cols = np.empty(2), np.empty(2)
    for level in range(2):
        rows[level] = axis_rows(oy, int(tile[level, 4]), fy, int(tile[level, 6]), geometry[0], 0.0, 0.0)[0]
        cols[level] = axis_rows(ox, int(tile[level, 5]), fx, int(tile[level, 7]), geometry[1], 0.0, 0.0)[0]
    halo = float(n) * g * c * input_byte * rows[0] * cols[0]
    counts[6] = halo * (kn2 if o1 == 1 else kn1) if local_i else counts[2]
    visits = (rn2 if o1 == 2 else rn1) if local_o else passes
    counts[7] = outputs * (visits - 1) * acc
    counts[8] = outputs * ((visits - 1) * acc + output_byte)
    counts[9] = (np.ceil(weight / burst) * burst if burst else weight) * (1.0 if o2 == 0 else pn2)
    unit = c * input_byte
    if burst and outer[3] < c:
        once = run_bytes(c, outer[3], input_byte, burst) * rows[1] * cols[1]
    elif outer[5] >= ox and outer[7] >= fx:
        width = geometry[1, 2] * unit
        once = axis_rows(oy, outer[4], fy, outer[6], geometry[0], width, burst)[1]
    else:
        once = rows[1] * axis_rows(ox, outer[5], fx, outer[7], geometry[1], unit, burst)[1]
    counts[10] = float(n) * g * once * (1.0 if o2 == 1 else kn2)
    spills = (1.0 if o2 == 2 else rn2) - 1.0
    counts[11] = outputs * spills * acc
    unit = k * output_byte
    if burst and outer[2] < k:
        once = float(oy) * ox * run_bytes(k, outer[2], output_byte, burst)
    elif outer[5] >= ox:
        once = run_bytes(oy, outer[4], ox * unit, burst)
    else:
        once = run_bytes(ox, outer[5], unit, burst) * oy
    counts[12] = float(n) * g * once + counts[11]
    for level in range(2):
        t = tile[level]
        spans = np.empty(2)
        for axis in range(2):
            span = (t[4 + axis] - 1) * geometry[axis, 0] + (t[6 + axis] - 1) * geometry[axis, 1] + 1
            spans[axis] = min(span, geometry[axis, 2])
        size_w = t[1] * t[2] * t[3] * t[6] * t[7] * weight_byte
        size_i = t[0] * t[1] * t[3] * spans[0] * spans[1] * input_byte
        size_o = t[0] * t[1] * t[2] * t[4] * t[5]
        gn, rn, kn, pn = group_trips[level]
        twice = s[15 + level]
        wide = acc if level == 0 or visits > 1 else output_byte
        here = level == 1
        counts[13 + 3 * level] = size_w * (twice if gn * kn * rn > 1 else 1.0) if here or local_w else 0.0
        counts[14 + 3 * level] = size_i * (twice if gn * pn * rn > 1 else 1.0) if here or local_i else 0.0
        counts[15 + 3 * level] = (
            size_o * wide * (twice if gn * pn * kn > 1 else 1.0) if here or local_o else 0.0
        )
        counts[22 - 3 * level] = size_w if here or local_w else 0.0
        counts[23 - 3 * level] = size_i if here or local_i else 0.0
        counts[24 - 3 * level] = size_o * output_byte if here or local_o else 0.0
        counts[25 + level] = trips[level].prod()
        counts[27 + level] = t.prod() / s[12]
    counts[29] = (
        gn2 * kn2 * rn2 * (1.0 if o2 == 0 else pn2)
        + gn2 * pn2 * rn2 * (1.0 if o2 == 1 else kn2)
        + gn2 * pn2 * kn2 * (2.0 * spills + 1.0)
    )


@bare
def latency(counts: Any, s: Any, chip: Any, ports: Any, place: Any, out: Any) -> None:
    """Latency into out[0], seconds of MACs, DRAM, last on-chip and local memory into out[2:6].

    Source: `hw_models.cost.tiled.nest.price`, in the same order of sums.
    """
    mac = counts[0] * chip[0]
    local = sram = first_local = 0.0
    for b in range(len(ports)):
        read1 = write1 = read2 = write2 = first_read = first_write = 0.0
        if place[0] == b:
            read1, write1 = read1 + counts[1], write1 + counts[5]
        if place[1] == b:
            read1, write1 = read1 + counts[2], write1 + counts[6]
        if place[2] == b:
            read1, write1 = read1 + (counts[3] + counts[8]), write1 + (counts[4] + counts[7])
        if place[3] == b:
            read2, write2, first_read = read2 + counts[5], write2 + counts[9], first_read + counts[22]
        if place[4] == b:
            read2, write2, first_read = read2 + counts[6], write2 + counts[10], first_read + counts[23]
        if place[5] == b:
            read2, write2 = read2 + (counts[7] + counts[12]), write2 + (counts[8] + counts[11])
            first_write += counts[24]
        if place[4] == b:
            read2, write2 = read2 + chip[13], write2 + chip[14]
        local = max(local, port_seconds(ports, b, read1, write1))
        sram = max(sram, port_seconds(ports, b, read2, write2))
        first_local = max(first_local, port_seconds(ports, b, first_read, first_write))
    dram_read = counts[9] + counts[10] + counts[11]
    dram = dram_seconds(chip, max(dram_read + chip[11], 0.0), max(counts[12] + chip[12], 0.0))
    first = dram_seconds(chip, counts[19] + counts[20], counts[21])
    work = max(mac, local)
    if s[13] == 0.0:
        busy = max(work, sram)
    elif s[15] == 2.0:
        busy = max(sram + work * counts[27], work + first_local)
    else:
        busy = sram + work
    if s[16] == 2.0:
        total = max(dram + busy * counts[28], busy + first) + chip[3]
    else:
        total = dram + busy + chip[3] * counts[26]
    out[0] = total + chip[1] * counts[25] + chip[2] * counts[29] + s[14] * chip[0]
    out[2], out[3], out[4], out[5] = mac, dram, sram, local


@bare
def price(counts: Any, s: Any, chip: Any, ports: Any, place: Any, out: Any) -> None:
    """All of `latency`, search energy into out[1], bytes read and written by level into out[6:12]."""
    latency(counts, s, chip, ports, place, out)
    local_rd = (counts[1], counts[2], counts[3] + counts[8])
    local_wr = (counts[5], counts[6], counts[4] + counts[7])
    sram_rd = (counts[5], counts[6], counts[7] + counts[12])
    sram_wr = (counts[9], counts[10], counts[8] + counts[11])
    dram_read = counts[9] + counts[10] + counts[11]
    energy = dram_read * chip[9] + counts[12] * chip[10]
    out[6], out[7] = max(dram_read + chip[11], 0.0), max(counts[12] + chip[12], 0.0)
    out[8], out[9], out[10], out[11] = chip[13], chip[14], 0.0, 0.0
    for z in range(3):
        if place[z] >= 0:
            energy = energy + local_rd[z] * ports[place[z], 6] + local_wr[z] * ports[place[z], 7]
            out[10] += local_rd[z]
            out[11] += local_wr[z]
    for z in range(3):
        energy = energy + sram_rd[z] * ports[place[3 + z], 8] + sram_wr[z] * ports[place[3 + z], 9]
        out[8] += sram_rd[z]
        out[9] += sram_wr[z]
    out[1] = energy


@bare
def excess(counts: Any, ports: Any, place: Any, demand: Any) -> float:
    """Bytes beyond the fullest memory, with its demand and capacity in `demand`."""
    worst = -np.inf
    for b in range(len(ports)):
        held = 0.0
        for z in range(3):
            if place[z] == b:
                held += counts[13 + z]
            if place[3 + z] == b:
                held += counts[16 + z]
        if held - ports[b, 5] > worst:
            worst = held - ports[b, 5]
            demand[0], demand[1] = held, ports[b, 5]
    return worst
