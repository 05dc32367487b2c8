"""The best mapping of a layer on a machine: all orders of its loops, each recounted in full where it wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import factorial, prod
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from hw_models.cost.tiled.loopnest.mapping import OPERANDS, LoopNest, Loops
from hw_models.cost.tiled.loopnest.pack import packed
from hw_models.cost.tiled.loopnest.reference import evaluate
from hw_models.cost.tiled.loopnest.spread import spread_over
from hw_models.errors import CodesignError, InputError

if TYPE_CHECKING:
    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.machine import Machine
    from hw_models.cost.tiled.loopnest.reference import Evaluation
    from hw_models.cost.tiled.loopnest.spread import Spread

Objective = Literal["energy", "latency", "edp"]

OBJECTIVES: Final[tuple[Objective, ...]] = ("energy", "latency", "edp")

MOST_ORDERS: Final = 3_628_800
"""Orders of one layer that are still all looked at, those of ten different loops."""


@dataclass(frozen=True)
class Found:
    """The best mapping that a search found.

    Attributes:
        nest: the mapping, levels included.
        evaluation: its full recount.
        orders, fits: orders of loops looked at, and those whose tiles fit the memories.
        seconds: CPU time of the search, the recount left out.
    """

    nest: LoopNest
    evaluation: Evaluation
    orders: int
    fits: int
    seconds: float


def best_mapping(
    machine: Machine,
    layer: Layer,
    spatial: Sequence[Mapping[str, Loops]],
    objective: Objective = "energy",
    *,
    most_loops: int = 6,
    order: Sequence[tuple[str, int | None]] = (),
) -> Found:
    """The best of all orders of a layer's temporal loops, on the best of some spatial assignments.

    Args:
        machine: array and memories.
        layer: the contraction.
        spatial: spatial assignments to try, see `assign.assignments`.
        objective: what is least: energy, latency (cycles), or their product.
        most_loops: into how many loops the temporal passes are split, by prime factors; more finds better
            mappings and takes longer.
        order: loops that must stand innermost, in this order; size None: any part of it.

    Raises:
        InputError: no order fits the memories, or there are more than can be looked at.
        CodesignError: the winner's recount differs, a defect of ours.
    """
    best: Found | None = None
    for assignment in spatial:
        spread = spread_over(machine, layer, assignment)
        found = _best_order(spread, assignment, objective, most_loops, order)
        if found is not None and (best is None or _rank(found, objective) < _rank(best, objective)):
            best = found
    if best is None:
        raise InputError(
            f"no order of the loops of {layer.name} fits the memories of {machine.name}; a larger innermost "
            "memory, a smaller unrolling, or more loops (most_loops) may help"
        )
    return best


def _rank(found: Found, objective: Objective) -> tuple[float, ...]:
    joules, cycles = found.evaluation.total_pj, found.evaluation.cycles
    return {"energy": (joules, cycles), "latency": (cycles, joules), "edp": (joules * cycles,)}[objective]


def _best_order(
    spread: Spread,
    assignment: Mapping[str, Loops],
    objective: Objective,
    most_loops: int,
    order: Sequence[tuple[str, int | None]],
) -> Found | None:
    from hw_models.cost.tiled.loopnest.kernel import LOOPS, scratch
    from hw_models.cost.tiled.loopnest.orders import best_order, fill_table, search_room
    from hw_models.cost.tiled.loopnest.pack import DIMS, LEVELS

    start = process_time()
    machine, layer = spread.machine, spread.layer
    names = tuple(layer.sizes)
    loops = split(spread.passes, most_loops) or ((names[0], 1),)
    if len(loops) > LOOPS or n_orders(loops) > MOST_ORDERS:
        raise InputError(
            f"{layer.name}: {n_orders(loops)} orders; at most {MOST_ORDERS} are looked at; lower most_loops"
        )
    kinds = sorted({(names.index(dim), size) for dim, size in loops})
    codes = np.array(sorted(kinds.index((names.index(dim), size)) for dim, size in loops), np.int64)
    fixed = np.full((len(loops), 2), -1, np.int64)
    for place, (dim, size) in enumerate([o for o in order if o[0] in names][: len(loops)]):
        fixed[place] = names.index(dim), -1 if size is None else size
    whole, real = packed(spread)
    best_loops, best_cuts = np.zeros((len(loops), 2), np.int64), np.zeros((3, LEVELS), np.int64)
    numbers, (i, f) = np.array(kinds, np.int64), scratch()
    table, room = search_room(numbers, codes)
    fill_table(
        whole, real, numbers, np.bincount(codes, minlength=len(kinds)), room[0], np.ones(DIMS), table, f
    )
    joules, cycles, seen, fits = best_order(
        whole,
        real,
        numbers,
        codes,
        fixed,
        OBJECTIVES.index(objective),
        table,
        i,
        f,
        room,
        best_loops,
        best_cuts,
    )
    seconds = process_time() - start
    if joules == np.inf:
        return None
    temporal = tuple((names[dim], int(size)) for dim, size in best_loops)
    levels = {
        name: tuple(int(cut) for cut in best_cuts[op, : len(machine.levels[op])])
        for op, name in enumerate(OPERANDS)
    }
    nest = LoopNest(assignment, temporal, levels)
    evaluation = evaluate(machine, layer, nest)
    if (evaluation.total_pj, evaluation.cycles) != (joules, cycles):
        said = f"{evaluation.total_pj} pJ and {evaluation.cycles} cycles against {joules} and {cycles}"
        raise CodesignError(
            f"{layer.name}: the recount of the winner differs, {said}; please report this mapping: {nest}"
        )
    return Found(nest, evaluation, int(seen), int(fits), seconds)


def prime_factors(number: int) -> list[int]:
    """Prime factors, ascending, each as often as it divides."""
    found, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            found.append(divisor)
            number //= divisor
        divisor += 1
    return [*found, number] if number > 1 else found


def split(passes: Mapping[str, int], most_loops: int) -> Loops:
    """Temporal loops of prime size; where they are too many, the two smallest of the most split loop merge.

    Source: ZigZag 3.9.1, LomaEngine.limit_lpfs.
    """
    parts = {dim: prime_factors(size) for dim, size in passes.items() if size > 1}
    room = max(most_loops, len(parts))
    while sum(map(len, parts.values())) > room:
        longest = max(parts, key=lambda dim: len(parts[dim]))
        first, second, *rest = parts[longest]
        parts[longest] = sorted([first * second, *rest])
    return tuple((dim, size) for dim, sizes in parts.items() for size in sizes)


def n_orders(loops: Loops) -> int:
    """Different orders of these loops."""
    same = [loops.count(loop) for loop in set(loops)]
    return factorial(len(loops)) // prod(map(factorial, same))


def warm_up(machine: Machine, layer: Layer, spatial: Mapping[str, Loops]) -> float:
    """Compile what a search needs; seconds that took."""
    start = perf_counter()
    for objective in OBJECTIVES:
        best_mapping(machine, layer, [spatial], objective, most_loops=1)
    return perf_counter() - start
