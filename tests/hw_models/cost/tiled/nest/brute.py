"""Every mapping of a small contraction, by the NumPy reference."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_models.cost.tiled.nest.count import Mappings, count
from hw_models.cost.tiled.nest.machine import Machine, machine
from hw_models.cost.tiled.nest.price import price

if TYPE_CHECKING:
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator


def tiles(n: int, align: int) -> list[int]:
    """ceil(n / j) in units of one and of every power of two up to the array's width."""
    units, unit = [1], 1
    while unit < align and unit < n:
        unit = min(unit * 2, align)
        units.append(unit)
    return sorted(
        {min(-(-blocks // j) * u, n) for u in units for blocks in [-(-n // u)] for j in range(1, n + 1)}
    )


def pairs(n: int, align: int, *, joined: bool) -> list[tuple[int, int]]:
    """Local tile and outer tile, a whole number of local ones."""
    if joined:
        return [(t, t) for t in tiles(n, align)]
    found = set()
    for t in tiles(n, align):
        trips = -(-n // t)
        found |= {(t, min(t * -(-trips // j), n)) for j in range(1, trips + 1)}
    return sorted(found)


def all_mappings(dims: list[int], align: dict[int, int], *, joined: bool) -> Mappings:
    """The whole space; `align`: units by loop."""
    each = [pairs(n, align.get(loop, 1), joined=joined) for loop, n in enumerate(dims)]
    grid = np.array(list(product(*each)))
    order = np.array(list(product((2,) if joined else range(3), range(3))))
    inner, outer = grid[:, :, 0], grid[:, :, 1]
    n, m = len(grid), len(order)
    return Mappings(
        np.tile(inner, (m, 1)), np.tile(outer, (m, 1)), np.repeat(order[:, 0], n), np.repeat(order[:, 1], n)
    )


def best_of_all(problems: Problems, chip: Accelerator, organisation: Any, row: int = 0) -> float:
    """Least latency over the whole space by the NumPy reference."""
    built: Machine = machine(chip, organisation.parameters)
    found = np.inf
    rate = built.rate(float(problems.weight_bits[row]), float(problems.input_bits[row]))
    assert rate is not None
    for layout in organisation.layouts(built.build):
        group, reduction, filters, pixels = layout.width
        burst = int(built.build.burst / (problems.output_bits[row] / 8))
        burst_in = int(built.build.burst / (problems.input_bits[row] / 8))
        align = {1: group, 2: max(filters, burst), 3: max(reduction, burst_in), 5: pixels}
        mappings = all_mappings(problems.dims[row].tolist(), align, joined=not any(built.build.local))
        counts = count(problems, row, built.build, layout, mappings)
        found = min(found, float(price(counts, built, layout, *rate).latency.min()))
    return found
