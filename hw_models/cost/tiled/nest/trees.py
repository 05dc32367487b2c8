"""Every pair of tiles of every loop as a tree of boxes, for the bounded search; compiled by numba.

A chain is a pair of tiles of one loop: the local one, and the outer one, which is a whole number of local
tiles. A box of a tree holds the least of each feature over the chains below it, so that what it costs is a
bound of what any of them costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_models.cost.tiled.compiled import compiled

FEATURES = 17
PLAIN, AXIS = 8, 16
"""Features that a loop without and one with a window has."""

LEFT, RIGHT, SPREAD, CHAIN = range(FEATURES, FEATURES + 4)
UNDECIDED = 500.0
"""Spread of a box whose tiles of the level that is cut first still differ."""

WHOLE_TAPS = 32
"""Taps along an axis above which they are cut one by one or not at all."""


@compiled
def lattice(n: int, align: int) -> Any:
    """Tiles of a loop, largest first: ceil(n / j), and the same in blocks of each power of two up to `align`.

    A tile between two ceil(n / j) has the trips of the smaller one and more bytes, so it is never needed but
    for the array, whose folds count in blocks, and for bursts.
    """
    marked = np.zeros(n + 1, np.uint8)
    unit = 1
    while True:
        blocks = -(-n // unit)
        j = 1
        while True:
            size = -(-blocks // j)
            marked[min(size * unit, n)] = 1
            if size == 1:
                break
            j = -(-blocks // (size - 1))
        if unit >= align or unit >= n:
            break
        unit = min(unit * 2, align)
    return np.nonzero(marked)[0][::-1].copy()


@compiled
def chains(n: int, align: int, joined: bool) -> Any:
    """(X, 2) pairs (local, outer) of one loop; `joined`: there is no local memory, both tiles are one."""
    tiles = lattice(n, align)
    total = 0
    for tile in tiles:
        total += 1 if joined else 2 * int(np.sqrt(-(-n // tile))) + 2
    found = np.empty((total, 2), np.int64)
    at = 0
    for tile in tiles:
        if joined:
            found[at, 0] = found[at, 1] = tile
            at += 1
            continue
        trips = -(-n // tile)
        j = 1
        while True:
            size = -(-trips // j)
            found[at, 0], found[at, 1] = tile, min(size * tile, n)
            at += 1
            if size == 1:
                break
            j = -(-trips // (size - 1))
    return found[:at]


@compiled
def cell_sum(n: int, tile: int, width: float, least: float, fill: float) -> Any:
    """Sum over the tiles of a loop of max(ceil(tile / width), least) + fill."""
    full = -(-n // tile) - 1
    last = n - full * tile
    whole = max(np.ceil(tile / width), least) + fill
    return full * whole + max(np.ceil(last / width), least) + fill


@compiled
def run_bytes(n: int, tile: int, unit: float, burst: float) -> Any:
    """Bytes of all tiles of a loop whose every element is `unit` bytes, each tile one run in whole bursts."""
    if burst == 0.0:
        return n * unit
    full = -(-n // tile) - 1
    last = n - full * tile
    return full * np.ceil(tile * unit / burst) * burst + np.ceil(last * unit / burst) * burst


@compiled
def axis_rows(
    extent: int, tile: int, taps: int, tap: int, geometry: Any, unit: float, burst: float
) -> tuple[float, float]:
    """Rows that all tiles along an axis load, and their bytes in bursts at `unit` bytes a row."""
    stride, dilation, size, pad = geometry[0], geometry[1], geometry[2], geometry[3]
    rows, moved = 0.0, 0.0
    if taps == 1 and stride == 1 and pad == 0 and size == extent:
        return float(extent), run_bytes(extent, tile, unit, burst)
    for o in range(0, extent, tile):
        last = min(o + tile, extent)
        for f in range(0, taps, tap):
            end = min(f + tap, taps)
            first = o * stride - pad + f * dilation if o or f else 0
            stop = (last - 1) * stride - pad + (end - 1) * dilation + 1
            if end == taps:
                stop = size if last == extent else max(stop, last * stride - pad)
            span = max(min(stop, size) - max(first, 0), 0)
            rows += span
            moved += np.ceil(span * unit / burst) * burst if burst else span * unit
    whole = np.ceil(size * unit / burst) * burst if burst else size * unit
    return max(rows, float(size)), max(moved, whole)


@compiled
def plain_chains(
    n: int, align: int, joined: bool, width: float, least: float, fill: float, unit: float, burst: float
) -> Any:
    """(X, FEATURES) of a loop without a window: tiles, trips, steps, folds, bytes of its runs, cut."""
    pairs = chains(n, align, joined)
    found = np.zeros((len(pairs), FEATURES))
    for i in range(len(pairs)):
        local, outer = pairs[i]
        found[i, 0], found[i, 1], found[i, 2], found[i, 3] = local, outer, -(-n // local), -(-n // outer)
        found[i, 4] = cell_sum(n, local, width, least, fill)
        found[i, 5] = cell_sum(n, local, width, 0.0, 0.0)
        found[i, 6] = run_bytes(n, outer, unit, burst)
        found[i, 7] = 1.0 if outer < n and burst else 0.0
    return found


@compiled
def axis_chains(
    extent: int,
    taps: int,
    geometry: Any,
    align: int,
    joined: bool,
    in_unit: float,
    out_unit: float,
    burst: float,
) -> Any:
    """(X, FEATURES) of an axis with its taps.

    Output tiles, their trips, windows of both, tap tiles, their trips, rows loaded by all local and all outer
    tiles, bytes of those rows and of the outputs in bursts, whether one tile spans rows and outputs whole.
    """
    pairs, cuts = chains(extent, align, joined), chains(taps, 1, joined)
    if taps > WHOLE_TAPS:
        cuts = np.array([[taps, taps], [1, taps], [1, 1]])
        if joined:
            cuts = cuts[np.array([0, 2])]
    found = np.zeros((len(pairs) * len(cuts), FEATURES))
    at = 0
    for c in range(len(cuts)):
        memo = np.full((2, extent + 1, 2), np.nan)
        for i in range(len(pairs)):
            row = found[at]
            at += 1
            for level in range(2):
                tile, tap = pairs[i, level], cuts[c, level]
                row[level], row[2 + level] = tile, -(-extent // tile)
                row[4 + level] = min((tile - 1) * geometry[0] + (tap - 1) * geometry[1] + 1, geometry[2])
                row[6 + level], row[8 + level] = tap, -(-taps // tap)
                if np.isnan(memo[level, tile, 0]):
                    rows, moved = axis_rows(extent, tile, taps, tap, geometry, in_unit, burst)
                    memo[level, tile, 0], memo[level, tile, 1] = rows, moved
                row[10 + level] = memo[level, tile, 0]
            row[12] = memo[1, pairs[i, 1], 1]
            row[13] = run_bytes(extent, pairs[i, 1], out_unit, burst)
            row[14] = 1.0 if pairs[i, 1] == extent and cuts[c, 1] == taps else 0.0
            row[15] = 1.0 if pairs[i, 1] == extent else 0.0
    return found


@compiled
def tree(rows: Any, flags: Any, first: Any, used: int, start: int) -> Any:
    """Boxes (2 X - 1, FEATURES + 4) over chains: least features, then children (or -1), spread, chain.

    A box is cut in two where the ratio of greatest to least is largest, at the geometric mean, columns
    `first` before all others. Columns `flags` hold 0 or 1, and 2 where the chains below differ. The last
    feature is 1 where all chains of a box have the same local tile and tap. Children count from `start`;
    `used`: features that are not zero throughout.
    """
    n = len(rows)
    boxes = np.zeros((2 * n - 1, FEATURES + 4))
    index = np.arange(n)
    starts, stops = np.zeros(2 * n - 1, np.int64), np.zeros(2 * n - 1, np.int64)
    stops[0], made = n, 1
    for at in range(2 * n - 1):
        a, b = starts[at], stops[at]
        box = boxes[at]
        if b - a == 1:
            box[:FEATURES] = rows[index[a]]
            box[FEATURES - 1], box[LEFT], box[RIGHT], box[SPREAD] = 1.0, -1.0, -1.0, -1.0
            box[CHAIN] = index[a]
            continue
        ratio, column, cut = widest(rows, index[a:b], flags, first, used)
        middle = a
        for i in range(a, b):
            if rows[index[i], column] <= cut:
                index[i], index[middle] = index[middle], index[i]
                middle += 1
        if middle in (a, b):
            middle = (a + b) // 2
        box[SPREAD] = np.log(ratio) * (2.0 * UNDECIDED if first[column] else 1.0)
        box[CHAIN], box[LEFT], box[RIGHT] = -1.0, made, made + 1
        starts[made], stops[made], starts[made + 1], stops[made + 1] = a, middle, middle, b
        made += 2
    for at in range(2 * n - 2, -1, -1):  # children come after their parents
        box = boxes[at]
        if box[LEFT] < 0.0:
            continue
        left, right = boxes[int(box[LEFT])], boxes[int(box[RIGHT])]
        for j in range(used):
            box[j] = min(left[j], right[j])
            if flags[j] and left[j] != right[j]:
                box[j] = 2.0
        same = left[FEATURES - 1] * right[FEATURES - 1]
        box[FEATURES - 1] = same if left[0] == right[0] and (used < AXIS or left[6] == right[6]) else 0.0
        box[LEFT] += start
        box[RIGHT] += start
    return boxes


@compiled
def widest(rows: Any, index: Any, flags: Any, first: Any, used: int) -> Any:
    """Ratio of greatest to least, column and geometric mean of the feature that spreads most."""
    best, column, cut = 1.0, 0, rows[index[0], 0]
    for turn in range(2):
        for j in range(used):
            if flags[j] or first[j] == (turn == 1):
                continue
            low = high = rows[index[0], j]
            for i in index:
                value = rows[i, j]
                low, high = min(low, value), max(high, value)
            if low > 0.0 and high / low > best:
                best, column, cut = high / low, j, np.sqrt(low * high)
        if best > 1.0:
            break
    return best, column, cut
