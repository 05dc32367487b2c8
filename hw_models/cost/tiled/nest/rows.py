"""One contraction on many chips of one build: search, recount, price; compiled by numba."""

# ruff: noqa: PLR0913, PLR0917  (numba takes plain arrays and numbers)
from __future__ import annotations

from typing import Any

import numpy as np

from hw_models.cost.tiled.compiled import compiled
from hw_models.cost.tiled.nest.recount import N_COUNTS, excess, latency, price, recount
from hw_models.cost.tiled.nest.search import RESULTS, evaluate, search

FITS, FULL, WRONG = 0, 1, 2
"""What became of a cell: a mapping; none fits; the recount disagrees with the search."""


@compiled
def search_row(
    t: Any,
    roots: Any,
    tiles: Any,
    starts: Any,
    s: Any,
    chips: Any,
    ports: Any,
    place: Any,
    extra: Any,
    objective: int,
    ceiling: Any,
    slack: float,
    limit: int,
    tag: int,
    best: Any,
    mapping: Any,
    proven: Any,
) -> Any:
    """Improve the best mapping of each chip with those of one layout; (C,) boxes looked at.

    `best`: (C, 2); `mapping`: (C, 19) local tile, outer tile, two orders, layout; `proven`: (C, 1) bound of
    what was left unopened; `ceiling`: (C,) latency that no mapping may exceed.
    """
    chosen = np.zeros(9, np.int64)
    seen = np.zeros(len(chips), np.int64)
    for c in range(len(chips)):
        chosen[8] = -1
        seen[c] = search(
            t,
            roots,
            s,
            chips[c],
            ports[c],
            place,
            extra[c],
            objective,
            ceiling[c],
            slack,
            best[c],
            chosen,
            tag,
            proven[c],
            limit,
        )
        if chosen[8] < 0:
            continue
        # trees run over g, n, k, c, y, x; loops over n, g, k, c, oy, ox, fy, fx
        for level in range(2):
            for z in range(6):
                loop = 1 - z if z < 2 else z
                mapping[c, 8 * level + loop] = tiles[starts[z] + chosen[z], level]
            mapping[c, 8 * level + 6] = tiles[starts[4] + chosen[4], 2 + level]
            mapping[c, 8 * level + 7] = tiles[starts[5] + chosen[5], 2 + level]
        mapping[c, 16], mapping[c, 17], mapping[c, 18] = chosen[6], chosen[7], tag
    return seen


@compiled
def price_row(
    dims: Any,
    geometry: Any,
    burst: float,
    sizes: Any,
    widths: Any,
    chips: Any,
    ports: Any,
    place: Any,
    extra: Any,
    best: Any,
    mapping: Any,
    priced: Any,
    demand: Any,
    state: Any,
) -> None:
    """Count every winner again and price it; where none fits, what the least tiles ask for.

    `sizes`: (layouts, S); `widths`: (layouts, 3, 4); `priced`: (C, 12); `demand`: (C, 2); `state`: (C,).
    """
    counts = np.empty(N_COUNTS)
    asked = np.empty(2)
    least = np.ones(8, np.int64)
    for c in range(len(chips)):
        if best[c, 0] < np.inf:
            tag = mapping[c, 18]
            recount(
                dims,
                geometry,
                mapping[c, :8],
                mapping[c, 8:16],
                mapping[c, 16],
                mapping[c, 17],
                sizes[tag],
                widths[tag],
                place,
                burst,
                counts,
            )
            price(counts, sizes[tag], chips[c], ports[c], place, priced[c])
            same = priced[c, 0] == best[c, 0] and priced[c, 1] + extra[c] == best[c, 1]
            state[c] = FITS if same and excess(counts, ports[c], place, asked) <= 0.0 else WRONG
            continue
        state[c] = FULL
        smallest = np.inf
        for attempt in range(3):
            tile = least.copy()
            if attempt == 1:
                tile[:] = dims
            elif attempt == 2:
                tile[3], tile[6], tile[7] = dims[3], dims[6], dims[7]
            recount(dims, geometry, tile, tile, 2, 2, sizes[0], widths[0], place, burst, counts)
            over = excess(counts, ports[c], place, asked)
            if over < smallest:
                smallest = over
                demand[c] = asked


@compiled
def count_rows(
    dims: Any, geometry: Any, burst: float, sizes: Any, widths: Any, place: Any, mappings: Any
) -> Any:
    """(P, 30) counts of mappings (P, 19); of `place` only whether an operand has a local memory matters."""
    counts = np.empty((len(mappings), N_COUNTS))
    for p in range(len(mappings)):
        row = mappings[p]
        tag = row[18]
        recount(
            dims,
            geometry,
            row[:8],
            row[8:16],
            row[16],
            row[17],
            sizes[tag],
            widths[tag],
            place,
            burst,
            counts[p],
        )
    return counts


@compiled
def pick_rows(
    counts: Any, sizes: Any, tags: Any, chips: Any, ports: Any, place: Any, priced: Any, chosen: Any
) -> None:
    """The quickest mapping that fits on each chip, the first of equals: its price, its position or -1."""
    out, asked = np.empty(12), np.empty(2)
    for c in range(len(chips)):
        best = np.inf
        for p in range(len(counts)):
            if excess(counts[p], ports[c], place, asked) > 0.0:
                continue
            latency(counts[p], sizes[tags[p]], chips[c], ports[c], place, out)
            if out[0] < best:
                best, chosen[c] = out[0], p
        if chosen[c] >= 0:
            at = chosen[c]
            price(counts[at], sizes[tags[at]], chips[c], ports[c], place, priced[c])


@compiled
def sweep(
    t: Any, leaves: Any, starts: Any, s: Any, chip: Any, ports: Any, place: Any, first: int, most: int
) -> tuple[int, float]:
    """Evaluate mapping after mapping, none left out, from position `first`: how many, and the least latency.

    `leaves`: rows of the single chains of the six trees one after the other; `starts`: (7,) where each
    begins. The last tree runs fastest, the nine pairs of orders inside it.
    """
    at, digit = np.empty(6, np.int64), np.empty(6, np.int64)
    out = np.zeros(RESULTS)
    rest, seen, least = first, 0, np.inf
    for z in range(5, -1, -1):
        size = starts[z + 1] - starts[z]
        digit[z] = rest % size
        rest //= size
    while seen < most:
        for z in range(6):
            at[z] = leaves[starts[z] + digit[z]]
        for o1 in range(3):
            for o2 in range(3):
                seen += 1
                if evaluate(t, at, o1, o2, s, chip, ports, place, out):
                    least = min(least, out[0])
        z = 5
        while z >= 0:
            digit[z] += 1
            if digit[z] < starts[z + 1] - starts[z]:
                break
            digit[z] = 0
            z -= 1
        if z < 0:
            break
    return seen, least
