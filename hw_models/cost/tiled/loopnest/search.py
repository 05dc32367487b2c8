"""The best mapping of a layer on a machine: all orders of its loops, each recounted in full where it wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import factorial, prod
from time import perf_counter
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from hw_models.cost.tiled.loopnest.mapping import OPERANDS, LoopNest, Loops
from hw_models.cost.tiled.loopnest.pack import packed
from hw_models.cost.tiled.loopnest.reference import evaluate
from hw_models.cost.tiled.loopnest.spread import spread_over
from hw_models.errors import CodesignError, InputError

if TYPE_CHECKING:
    from hw_models.cost.arrays import IntArray
    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.machine import Machine
    from hw_models.cost.tiled.loopnest.reference import Evaluation

Objective = Literal["energy", "latency", "edp"]

OBJECTIVES: Final[tuple[Objective, ...]] = ("energy", "latency", "edp")

MOST_ORDERS: Final = 3_628_800
"""Orders of one layer that are still all looked at, those of ten different loops."""


@dataclass(frozen=True)
class Winner:
    """The best order of a search, with the figures of the compiled count.

    Attributes:
        nest: the mapping, levels included.
        energy_pj, cycles: its cost.
        orders, fits: orders of loops looked at, and those whose tiles fit the memories.
    """

    nest: LoopNest
    energy_pj: float
    cycles: float
    orders: int
    fits: int

    def rank(self, objective: Objective) -> tuple[float, ...]:
        """By this the least is best; of equal ones ZigZag, too, takes the one that is less of the other."""
        energy, cycles = self.energy_pj, self.cycles
        return {"energy": (energy, cycles), "latency": (cycles, energy), "edp": (energy * cycles,)}[objective]


@dataclass(frozen=True)
class Found:
    """The best mapping that a search found.

    Attributes:
        nest: the mapping, levels included.
        evaluation: its full recount.
        orders, fits: orders of loops looked at, and those whose tiles fit the memories.
    """

    nest: LoopNest
    evaluation: Evaluation
    orders: int
    fits: int


def best_mapping(
    machine: Machine,
    layer: Layer,
    spatial: Sequence[Mapping[str, Loops]],
    objective: Objective = "energy",
    *,
    most_loops: int = 6,
    order: Sequence[tuple[str, int | None]] = (),
) -> Found:
    """The best of all orders of a layer's temporal loops, on the best of some spatial assignments, recounted.

    Args:
        machine: array and memories.
        layer: the contraction.
        spatial: spatial assignments to try, see `assign.assignments`.
        objective: what is least: energy, latency (cycles), or their product.
        most_loops: into how many loops the temporal passes are split, by prime factors. More take longer and
            mostly find better mappings, not always: memories are filled loop by loop, see `allocate`.
        order: loops that must stand innermost, in this order; size None: any part of it.

    Raises:
        InputError: no order fits the memories, or there are more than can be looked at.
        CodesignError: the winner's recount differs, a defect of ours.
    """
    won = [winner(machine, layer, s, objective, most_loops=most_loops, order=order) for s in spatial]
    best = min((w for w in won if w is not None), key=lambda w: w.rank(objective), default=None)
    if best is None:
        raise InputError(
            f"no order of the loops of {layer.name} fits the memories of {machine.name}; a larger innermost "
            "memory, a smaller unrolling, or more loops (most_loops) may help"
        )
    evaluation = evaluate(machine, layer, best.nest)
    if (evaluation.total_pj, evaluation.cycles) != (best.energy_pj, best.cycles):
        said = f"{evaluation.total_pj} pJ, {evaluation.cycles} cycles; not {best.energy_pj}, {best.cycles}"
        raise CodesignError(
            f"{layer.name}: the recount of a winner differs, {said}; please report {best.nest}"
        )
    return Found(best.nest, evaluation, sum(w.orders for w in won if w), sum(w.fits for w in won if w))


def winner(
    machine: Machine,
    layer: Layer,
    assignment: Mapping[str, Loops],
    objective: Objective = "energy",
    *,
    most_loops: int = 6,
    order: Sequence[tuple[str, int | None]] = (),
) -> Winner | None:
    """The search of `best_mapping` on one spatial assignment, without the recount; None: nothing fits."""
    from hw_models.cost.tiled.loopnest.kernel import LOOPS, scratch
    from hw_models.cost.tiled.loopnest.orders import best_order, fill_table, search_room
    from hw_models.cost.tiled.loopnest.pack import DIMS, LEVELS

    spread = spread_over(machine, layer, assignment)
    names = tuple(layer.sizes)
    loops = split(spread.passes, most_loops) or ((names[0], 1),)
    if n_orders(loops) > MOST_ORDERS or len(loops) > LOOPS:
        expected = f"at most {MOST_ORDERS} are looked at; lower most_loops"
        raise InputError(f"{layer.name}: its loops have {n_orders(loops)} orders; {expected}")
    kinds, codes = _coded(loops, names)
    fixed = np.full((len(loops), 2), -1, np.int64)
    for place, (dim, size) in enumerate([o for o in order if o[0] in names][: len(loops)]):
        fixed[place] = names.index(dim), -1 if size is None else size
    arrays, (i, f) = packed(spread), scratch()
    best_loops, best_cuts = np.zeros((len(loops), 2), np.int64), np.zeros((3, LEVELS), np.int64)
    t, room = search_room(kinds, codes)
    fill_table(*arrays, kinds, np.bincount(codes, minlength=len(kinds)), room[0], np.ones(DIMS), t, f)
    number = OBJECTIVES.index(objective)
    energy_pj, cycles, orders, fits = best_order(
        *arrays, kinds, codes, fixed, number, t, i, f, room, best_loops, best_cuts
    )
    if energy_pj == np.inf:
        return None
    temporal = tuple((names[dim], int(size)) for dim, size in best_loops)
    levels = {
        name: tuple(int(cut) for cut in best_cuts[op, : len(machine.levels[op])])
        for op, name in enumerate(OPERANDS)
    }
    return Winner(LoopNest(assignment, temporal, levels), energy_pj, cycles, int(orders), int(fits))


def _coded(loops: Loops, names: tuple[str, ...]) -> tuple[IntArray, IntArray]:
    """Different loops as rows (dimension, size), and which of them each loop is, ascending."""
    pairs = [(names.index(dim), size) for dim, size in loops]
    kinds = sorted(set(pairs))
    return np.array(kinds, np.int64), np.array(sorted(map(kinds.index, pairs)), np.int64)


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


def warm_up(machine: Machine, layer: Layer, assignment: Mapping[str, Loops]) -> float:
    """Compile what a search needs, or load what was compiled before; seconds that took."""
    start = perf_counter()
    for objective in OBJECTIVES:
        winner(machine, layer, assignment, objective, most_loops=1)
    return perf_counter() - start
