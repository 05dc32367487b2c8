"""What every level of every operand moves, and when: the plain count that the fast one must equal.

Source: L. Mei et al., "ZigZag: Enlarging Joint Architecture-Mapping Design Space Exploration for DNN
Accelerators", IEEE TC 2021; rules of rounding, of data that stays on a port and of partial sums as in
zigzag-dse 3.9.1 (MIT), `zigzag/mapping/mapping.py` and `temporal_mapping.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from operator import mul
from typing import TYPE_CHECKING

from hw_models.cost.tiled.loopnest.mapping import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.spread import Factors, TimeLoops

Ways = tuple[int, ...]
"""A figure per `Way`."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Which of the temporal loops lie in which memory of an operand, loops over which it stays moved inward.

    Attributes:
        cuts: loops at or below each memory; first those during which the array itself keeps its element.
        period: cycles covered at or below each of them.
        top_relevant, top_irrelevant: product of the outermost loops of each memory that walk through the
            operand alone, or not at all; first those of the array, 1.
    """

    cuts: tuple[int, ...]
    period: tuple[float, ...]
    top_relevant: tuple[float, ...]
    top_irrelevant: tuple[float, ...]


def stay(layer: Layer, operand: int, loops: TimeLoops, cuts: Sequence[int]) -> Stay:
    """Move the loops over which an operand does not change to the level below, where they cost nothing.

    Source: ZigZag 3.9.1, TemporalMapping.
    """
    same = [dim in layer.irrelevant[operand] for dim in loops.dims]
    alone = [dim in layer.relevant[operand] for dim in loops.dims]
    merged = list(cuts)
    for level in range(len(merged) - 1):
        while merged[level] < len(same) and same[merged[level]]:
            merged[level] += 1
        merged[level + 1] = max(merged[level + 1], merged[level])
    kept = next((i for i, s in enumerate(same[: merged[0]]) if not s), merged[0])
    period = tuple(accumulate(loops.means, mul, initial=1))
    bounds = list(zip((0, *merged), merged, strict=False))
    return Stay(
        (kept, *merged),
        (period[kept] if operand != OUTPUT else 1, *(period[cut] for cut in merged)),
        (1, *(_top(alone, loops.means, low, high) for low, high in bounds)),
        (1, *(_top(same, loops.means, low, high) for low, high in bounds)),
    )


def _top(wanted: list[bool], factors: Sequence[float], low: int, high: int) -> float:
    product: float = 1
    for i in range(high - 1, low - 1, -1):
        if not wanted[i]:
            break
        product *= factors[i]
    return product


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one memory level of an operand moves, each figure per `Way`.

    Attributes:
        elements: moved per period, by one instance.
        bits: of each.
        period, count: cycles from one transfer to the next, and how many there are.
        window: cycles in which it must be done where nothing is double buffered.
        rate: bits per cycle on average.
    """

    elements: Ways
    bits: Ways
    period: Ways
    count: Ways
    window: Ways
    rate: Ways


@dataclass(frozen=True, slots=True)
class Walk:
    """One operand's way through its memories.

    Attributes:
        traffic: per memory, innermost first.
        tile_bits: that each level holds in one instance: the array itself, then the memories.
        live_bits: of them what is needed at once, the outermost relevant loops left out.
        instances: of each level that are in use, the array first.
    """

    traffic: tuple[Traffic, ...]
    tile_bits: tuple[int, ...]
    live_bits: tuple[int, ...]
    instances: tuple[int, ...]


def walk(layer: Layer, operand: int, spread: Factors, loops: TimeLoops, cuts: Sequence[int]) -> Walk:
    """Count one operand.

    Args:
        layer: the contraction.
        operand: which of the three.
        spread: loops spread below each of its levels.
        loops: temporal loops.
        cuts: how many of them lie at or below each memory.
    """
    held = stay(layer, operand, loops, cuts)
    pairs = tuple(zip(loops.dims, loops.means, strict=True))
    in_memory = [pairs[low:high] for low, high in zip((0, *held.cuts[1:-1]), held.cuts[1:], strict=True)]
    elements = _tiles(layer, operand, in_memory, spread)
    bits, partial = _precision(layer, operand, in_memory, spread)
    busy, unique = units_in_use(layer, operand, spread)
    boost = [*(round(a / b) for a, b in pairwise(unique)), 1]
    tile = tuple(e * b for e, b in zip(elements, bits, strict=True))
    live = tuple(int(t // top) for t, top in zip(tile, held.top_relevant, strict=True))
    data = _Data(layer, operand, len(cuts), elements, boost, bits, partial)
    return Walk(tuple(_moves(memory, data, held) for memory in range(len(cuts))), tile, live, busy)


def _tiles(
    layer: Layer, operand: int, in_memory: Sequence[Sequence[tuple[str, float]]], spread: Factors
) -> list[int]:
    """Elements that one instance of each level holds, the array first; it feeds all units spread below it.

    Source: ZigZag 3.9.1, Mapping.calc_data_size.
    """
    extents: dict[str, float] = {}
    found = [1]
    for here, below in zip(in_memory, spread, strict=False):
        for dim, factor in (*here, *below):
            extents[dim] = extents.get(dim, 1) * factor
        found.append(round(layer.tile(operand, extents)))
    return found


def units_in_use(layer: Layer, operand: int, spread: Factors) -> tuple[tuple[int, ...], list[float]]:
    """Per level the instances in use, and how many of them hold different data.

    Source: ZigZag 3.9.1, SpatialMappingInternal.calc_unit_count.
    """
    extents: dict[str, float] = {}
    before, grown, total = 1.0, [], []
    for level in spread:
        for dim, factor in level:
            extents[dim] = extents.get(dim, 1) * factor
        tile = layer.tile(operand, extents)
        grown.append(tile / before)
        total.append(prod(factor for _, factor in level))
        before = tile
    places = range(len(spread))
    busy = tuple(round(round(prod(total[level:]), 3)) for level in places)
    return busy, [prod(grown[level:]) for level in places]


def _precision(
    layer: Layer, operand: int, in_memory: Sequence[Sequence[tuple[str, float]]], spread: Factors
) -> tuple[list[int], tuple[list[bool], list[bool]]]:
    """Bits of an element at each level, and where partial sums are: by loops still to run, and by count.

    Source: ZigZag 3.9.1, Mapping.get_psum_flags and Mapping.calc_data_access.
    """
    levels = len(spread)
    if operand != OUTPUT:
        never = [False] * levels
        return [layer.bits[operand]] * levels, (never, never)
    again = [
        prod(factor for dim, factor in (*here, *below) if dim in layer.irrelevant[OUTPUT])
        for here, below in zip([(), *in_memory], spread, strict=True)
    ]
    by_loop = [any(ir > 1 for ir in again[level + 1 :]) for level in range(levels)]
    outputs = layer.elements(OUTPUT)
    by_count = [int(outputs * (prod(again[level + 1 :]) - 1)) != 0 for level in range(levels)]
    return [layer.bits[OUTPUT] if partial else layer.bits[3] for partial in by_loop], (by_loop, by_count)


@dataclass(frozen=True, slots=True)
class _Data:
    layer: Layer
    operand: int
    depth: int
    elements: list[int]
    boost: list[int]
    bits: list[int]
    partial: tuple[list[bool], list[bool]]


def _moves(memory: int, data: _Data, held: Stay) -> Traffic:
    """Figures of one memory: between it and the level below, and the level above, if there is one.

    Source: ZigZag 3.9.1, Mapping.calc_req_mem_bw_and_data_transfer_rate.
    """
    below, above, outer = memory, memory + 1, memory + 1 < data.depth
    figures = []
    for side, boost in ((below, data.boost[below]), (above, 1)):
        cycles = held.period[side]
        figures.append(
            (
                data.elements[side] * boost,
                int(cycles),
                int(held.period[-1] // cycles),
                int(int(cycles) / int(held.top_irrelevant[side])),
                int(data.elements[side] * data.bits[side] / cycles * boost),
            )
        )
    uses, element_bits = _directions(data, below, above, outer)
    elements, period, count, window, rate = (
        tuple(figures[side][i] if use else 0 for side, use in zip((0, 0, 1, 1), uses, strict=True))
        for i in range(5)
    )
    return Traffic(elements, element_bits, period, count, window, rate)


def _directions(data: _Data, below: int, above: int, outer: bool) -> tuple[tuple[bool, ...], Ways]:
    """Which ways an operand moves at one memory, and the bits of an element on each."""
    if data.operand != OUTPUT:
        bits = data.layer.bits[data.operand]
        return (True, False, False, outer), (bits, 0, 0, bits if outer else 0)
    by_loop, by_count = data.partial
    partial_bits, final_bits = data.layer.bits[OUTPUT], data.layer.bits[3]
    down, up = (partial_bits if by_count[side] else 0 for side in (below, above))
    uses = (by_loop[below], True, outer, by_loop[above] and outer)
    return uses, (down, down or final_bits, (up or final_bits) if outer else 0, up if outer else 0)
