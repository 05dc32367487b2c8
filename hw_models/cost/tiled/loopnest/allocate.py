"""Given the order of the temporal loops, which of them each memory keeps.

Source: A. Symons et al., "LOMA: Fast Auto-Scheduling on DNN Accelerators through Loop-Order-based Memory
Allocation", AICAS 2021; as in zigzag-dse 3.9.1 (MIT), `zigzag/opt/loma/memory_allocator.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import inf, prod
from typing import TYPE_CHECKING

from typing_extensions import override

from hw_models.cost.tiled.loopnest.mapping import OPERANDS, OUTPUT
from hw_models.cost.tiled.loopnest.spread import spread_over, time_loops
from hw_models.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.machine import Machine, Store
    from hw_models.cost.tiled.loopnest.mapping import LoopNest
    from hw_models.cost.tiled.loopnest.spread import Factors, Spread


@dataclass(frozen=True, slots=True)
class TooSmall:
    """Why an order of loops has no allocation: what a memory would have to hold, and what it can."""

    store: str
    demand_bits: float
    bound_bits: int

    @override
    def __str__(self) -> str:
        needs = (
            f"memory {self.store} would have to hold {self.demand_bits:.0f} bits; it has {self.bound_bits}"
        )
        return f"{needs}; a larger memory, a smaller unrolling or other loops inside it would fit"


def allocate(machine: Machine, layer: Layer, nest: LoopNest) -> LoopNest:
    """The mapping with its levels chosen: memory by memory, innermost first, for the least traffic above.

    Raises:
        InputError: it does not fit the layer, the array, or a memory; the message says by how much.
    """
    spread = spread_over(machine, layer, nest.spatial)
    loops = time_loops(spread, nest)
    found = cuts_for(spread, tuple(zip(loops.dims, loops.sizes, strict=True)))
    if isinstance(found, TooSmall):
        raise InputError(str(found))
    return replace(nest, levels={OPERANDS[op]: cuts for op, cuts in enumerate(found)})


def misfit(spread: Spread, nest: LoopNest) -> TooSmall | None:
    """The first memory that cannot hold what a mapping keeps in it; None where all can."""
    machine, loops = spread.machine, nest.temporal
    for i, store in enumerate(machine.stores):
        needed = sum(_held_bits(spread, op, i, nest.cuts(OPERANDS[op]), loops) for op in store.operands)
        if needed > store.bits * (1 + 1e-12):
            return TooSmall(store.name, needed, store.bits)
    return None


def _held_bits(
    spread: Spread, op: int, store: int, cuts: Sequence[int], loops: Sequence[tuple[str, int]]
) -> float:
    """Bits of an operand in a memory, twice where half of it is always being filled."""
    layer, below = spread.layer, spread.at_levels(op)
    level = spread.machine.levels[op].index(store)
    start = cuts[level - 1] if level else 0
    bits = _element_bits(layer, op, below[level + 1 :], loops[start:])
    extents: dict[str, float] = {}
    for dim, factor in (*_inward(below, cuts, loops, level), *loops[start : cuts[level]]):
        extents[dim] = extents.get(dim, 1) * factor
    held = layer.tile(op, extents) * bits
    for dim, size in loops[cuts[level] :]:
        extents[dim] = extents.get(dim, 1) * size
    twice = spread.machine.stores[store].halved and held < layer.tile(op, extents) * bits
    return held * 2 if twice else held


def cuts_for(spread: Spread, loops: Sequence[tuple[str, int]]) -> tuple[tuple[int, ...], ...] | TooSmall:
    """Per operand the temporal loops at or below each of its memories."""
    machine, layer = spread.machine, spread.layer
    below = [spread.at_levels(op) for op in range(3)]
    cuts: list[list[int]] = [[], [], []]
    for i, store in enumerate(machine.stores):
        choices: list[list[tuple[int, float, float]]] = []
        for op in store.operands:
            top = machine.levels[op][-1] == i
            sizes = _slices(layer, op, store, below[op], cuts[op], loops)
            if isinstance(sizes, TooSmall):
                return sizes
            start = cuts[op][-1] if cuts[op] else 0
            if top and start + len(sizes) - 1 < len(loops):
                return TooSmall(store.name, sizes[-1] + store.bits, store.bits)
            choices.append(_options(sizes, start, loops, top))
        best = _best(choices, store.bits)
        if best is None:
            least = sum(options[0][1] for options in choices)
            return TooSmall(store.name, least, store.bits)
        for op, cut in zip(store.operands, best, strict=True):
            cuts[op].append(cut)
    return tuple(map(tuple, cuts))


def _slices(
    layer: Layer, op: int, store: Store, below: Factors, cuts: Sequence[int], loops: Sequence[tuple[str, int]]
) -> list[float] | TooSmall:
    """Bits that the memory needs for each number of further loops, as long as they fit."""
    level, start = len(cuts), cuts[-1] if cuts else 0
    extents: dict[str, float] = {}
    for dim, factor in _inward(below, cuts, loops, level):
        extents[dim] = extents.get(dim, 1) * factor
    bits = _element_bits(layer, op, below[level + 1 :], loops[start:])
    whole = dict(extents)
    for dim, size in loops[start:]:
        whole[dim] = whole.get(dim, 1) * size
    everything = layer.tile(op, whole) * bits
    sizes: list[float] = []
    for n in range(start, len(loops) + 1):
        if n > start:
            dim, size = loops[n - 1]
            extents[dim] = extents.get(dim, 1) * size
        needed = layer.tile(op, extents) * bits
        if store.halved and n < len(loops) and needed < everything:
            needed *= 2
        if needed > store.bits:
            if not sizes:
                return TooSmall(store.name, needed, store.bits)
            break
        sizes.append(needed)
    return sizes


def _inward(
    below: Factors, cuts: Sequence[int], loops: Sequence[tuple[str, int]], level: int
) -> Iterator[tuple[str, float]]:
    """Loops inside a memory in the order in which they were placed, on which rounding depends."""
    for at in range(level + 1):
        if at:
            yield from loops[cuts[at - 2] if at > 1 else 0 : cuts[at - 1]]
        yield from below[at]


def _element_bits(
    layer: Layer, op: int, above: Sequence[Sequence[tuple[str, float]]], left: Sequence[tuple[str, int]]
) -> int:
    """Bits of an element in a memory: those of a partial sum while loops that add to it are still to come."""
    if op != OUTPUT:
        return layer.bits[op]
    still = {dim for loops in above for dim, _ in loops} | {dim for dim, _ in left}
    return layer.bits[OUTPUT if still & layer.irrelevant[OUTPUT] else 3]


def _options(
    sizes: Sequence[float], start: int, loops: Sequence[tuple[str, int]], top: bool
) -> list[tuple[int, float, float]]:
    """(cut, bits, traffic above) of each choice; the outermost memory of an operand must take all loops."""
    if top:
        return [(start + len(sizes) - 1, sizes[-1], 0.0)]
    return [(start + n, size, prod(s for _, s in loops[start + n :]) * size) for n, size in enumerate(sizes)]


def _best(choices: Sequence[Sequence[tuple[int, float, float]]], bits: int) -> tuple[int, ...] | None:
    best, least = None, inf
    for combination in product(*choices):
        if sum(size for _, size, _ in combination) > bits:
            if best is None and all(a is b[0] for a, b in zip(combination, choices, strict=True)):
                return None
            continue
        traffic = sum(above for _, _, above in combination)
        if traffic <= least:
            best, least = tuple(cut for cut, _, _ in combination), traffic
    return best
