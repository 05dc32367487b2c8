"""Cycles of a mapping: the loops themselves, stalls of shared ports, first fill and last drain.

Source: L. Mei et al., "A Uniform Latency Model for DNN Accelerators with Diverse Architectures and
Dataflows", DATE 2022; rules of rounding and of fills hidden in computation as in zigzag-dse 3.9.1 (MIT),
`zigzag/cost_model/cost_model.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from hw_models.cost.tiled.loopnest.machine import Way
from hw_models.cost.tiled.loopnest.mapping import INPUT, OUTPUT, WEIGHT

if TYPE_CHECKING:
    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.machine import Machine, Port
    from hw_models.cost.tiled.loopnest.traffic import Walk

Fills = Mapping[tuple[int, int, Way], tuple[float, bool]]
"""(operand, level, way) -> cycles of its first or last transfer, whether both inputs share that port."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Cycles of one mapping.

    Attributes:
        ideal: of the temporal loops alone.
        stall: of the port that is worst.
        fill, drain: before the first and after the last computation.
        systolic_drain: in which the last results leave a systolic array.
    """

    ideal: float
    stall: float
    fill: float
    drain: float
    systolic_drain: int

    @property
    def cycles(self) -> float:
        """All of them."""
        return self.ideal + self.stall + self.fill + self.drain + self.systolic_drain


def double_buffered(machine: Machine, layer: Layer, walks: Sequence[Walk]) -> list[list[bool]]:
    """Per operand and level (the array first) whether the next tile can be loaded while this one is used.

    Source: ZigZag 3.9.1, CostModelEvaluation.calc_double_buffer_flag.
    """
    alone = [
        [
            live / machine.stores[i].bits
            for live, i in zip(walk.live_bits[1:], machine.levels[op], strict=True)
        ]
        for op, walk in enumerate(walks)
    ]
    shared = [list(row) for row in alone]
    places = {
        i: [(op, machine.levels[op].index(i)) for op in s.operands] for i, s in enumerate(machine.stores)
    }
    for tenants in places.values():
        together = sum(alone[op][level] for op, level in tenants)
        for op, level in tenants:
            shared[op][level] = together
    flags: list[list[bool]] = [[], [], []]
    for op in layer.order:
        flags[op].append(False)
        for level, i in enumerate(machine.levels[op]):
            if shared[op][level] <= 0.5:
                flags[op].append(True)
            elif alone[op][level] <= 1 - shared[op][level]:
                flags[op].append(True)
                if len(places[i]) > 1:
                    for other, at in places[i]:
                        shared[other][at] += alone[op][level]
            else:
                flags[op].append(False)
    return flags


@dataclass(frozen=True, slots=True)
class Transfer:
    """One way of one operand through a port, once per period.

    Attributes:
        operand, level, way: what moves.
        real, allowed: cycles that a transfer takes, and that it may take without a stall.
        period, count: cycles from one to the next, and how many there are.
        rate: bits per cycle on average.
    """

    operand: int
    level: int
    way: Way
    real: int
    allowed: int
    period: int
    count: int
    rate: int


def transfers(
    machine: Machine, walks: Sequence[Walk], flags: Sequence[Sequence[bool]]
) -> list[tuple[Port, list[Transfer]]]:
    """Per port of every memory what goes through it.

    Args:
        machine: with its ports.
        walks: what each operand moves, with whole units of the array.
        flags: see `double_buffered`.
    """
    found = []
    for i, store in enumerate(machine.stores):
        for port in store.ports:
            here = []
            for op, way in port.serves:
                level = machine.levels[op].index(i)
                traffic = walks[op].traffic[level]
                if traffic.count[way] == 0:
                    continue
                real = ceil(traffic.elements[way] * traffic.bits[way] / port.bits)
                outward = way in {Way.READ_UP, Way.WRITE_DOWN}
                smooth = flags[op][level + 1 if outward else level]
                allowed = traffic.period[way] if smooth else traffic.window[way]
                period, count, rate = traffic.period[way], traffic.count[way], traffic.rate[way]
                here.append(Transfer(op, level, way, real, allowed, period, count, rate))
            found.append((port, here))
    return found


def latency(
    machine: Machine,
    walks: Sequence[Walk],
    flags: Sequence[Sequence[bool]],
    cycles: float,
    systolic_drain: int,
) -> Latency:
    """Cycles of a mapping.

    Args:
        machine: with its ports.
        walks: what each operand moves, with whole units of the array.
        flags: see `double_buffered`.
        cycles: product of the temporal loops.
        systolic_drain: cycles in which the last results leave a systolic array.
    """
    through = transfers(machine, walks, flags)
    stall = max(0.0, *(stall_of(here) for _, here in through if here))
    fills: dict[tuple[int, int, Way], tuple[float, bool]] = {}
    for port, here in through:
        fills |= _first_and_last(port, here, walks, ceil(cycles) + stall)
    depths = [len(levels) for levels in machine.levels]
    return Latency(
        cycles, stall, fill_cycles(fills, depths), drain_cycles(fills, depths[OUTPUT]), systolic_drain
    )


def stall_of(duties: Sequence[Transfer]) -> float:
    """Cycles by which a port falls behind over the whole run; negative where it idles.

    Source: ZigZag 3.9.1, CostModelEvaluation.combine_data_transfer_rate_per_physical_port.
    """
    late = [(d.real - d.allowed) * (d.count - 1) for d in duties]
    if len(duties) == 1:
        return late[0]
    waiting = sum(x for x in late if x > 0)
    slack = sum(x for x in late if x <= 0)
    windows = sum(d.allowed * (d.count - 1) for d in duties)
    return waiting + max(0, slack + windows - window_union(duties))


def window_union(duties: Sequence[Transfer]) -> int:
    """Cycles in which at least one transfer may run, all starting their periods together.

    Periods are products of the same loops, so each divides the next: the union grows from the shortest to the
    longest, and what a longer window hides is counted by recursion instead of by marking cycles.
    """
    for duty in duties:
        if duty.period == duty.allowed:
            return duty.period * duty.count
    widest: dict[int, int] = {}
    for duty in duties:
        widest[duty.period] = max(widest.get(duty.period, 0), duty.allowed)
    chain: list[tuple[int, int, int, int]] = []

    def covered(cycles: int, depth: int) -> int:
        if depth < 0:
            return 0
        period, allowed, hidden, union = chain[depth]
        full, rest = divmod(cycles, period)
        inside = rest if rest <= allowed else allowed + covered(rest, depth - 1) - hidden
        return full * union + inside

    for period in sorted(widest):
        depth, allowed = len(chain) - 1, widest[period]
        hidden = covered(allowed, depth)
        chain.append((period, allowed, hidden, allowed + covered(period, depth) - hidden))
    longest = max(widest)
    return chain[-1][3] * next(d.count for d in duties if d.period == longest)


def lent_cycles(wanted: Sequence[float], least: Sequence[float], spare: float) -> list[float]:
    """What is left of first and last transfers when the longest ones may borrow cycles from computation.

    Source: ZigZag 3.9.1, CostModelEvaluation.reduce_ordered.
    """
    left = list(wanted)
    for i in sorted(range(len(left)), key=lambda i: left[i], reverse=True):
        if spare <= 0:
            break
        taken = min(max(0.0, left[i] - least[i]), spare)
        left[i] -= taken
        spare -= taken
    return left


def fill_cycles(fills: Fills, depths: Sequence[int]) -> float:
    """Cycles before the first computation: both inputs come in, one behind the other where they share a port.

    Source: ZigZag 3.9.1, CostModelEvaluation.calc_onloading_combined.
    """
    shared, half, own = ({WEIGHT: 0.0, INPUT: 0.0} for _ in range(3))
    for op in (WEIGHT, INPUT):
        for level in range(depths[op] - 1):
            inner, inner_shared = fills[op, level, Way.WRITE_DOWN]
            outer, outer_shared = fills[op, level + 1, Way.READ_DOWN]
            longest = max(inner, outer)
            if inner_shared and outer_shared:
                shared[op] += longest
            elif not inner_shared and not outer_shared:
                own[op] += longest
            else:
                half[op] = longest
    return min(
        shared[a] + max(shared[b] + half[b] + own[b], half[a] + own[a])
        for a, b in ((WEIGHT, INPUT), (INPUT, WEIGHT))
    )


def drain_cycles(fills: Fills, depth: int) -> float:
    """Cycles after the last computation: the outputs leave level by level."""
    return sum(
        max(fills[OUTPUT, level, Way.READ_UP][0], fills[OUTPUT, level + 1, Way.WRITE_UP][0])
        for level in range(depth - 1)
    )


def _first_and_last(port: Port, here: Sequence[Transfer], walks: Sequence[Walk], computing: float) -> Fills:
    """Cycles of each first or last transfer through a port; data moved just once may come during computation.

    Source: ZigZag 3.9.1, CostModelEvaluation.calc_loading_single_port.
    """
    inputs = {op for op, _ in port.serves if op != OUTPUT}
    ends = [t for t in here if t.operand != OUTPUT or t.way in {Way.READ_UP, Way.WRITE_UP}]
    once = [t for t in ends if t.count == 1]
    busy = sum(t.rate for t in ends if t.count > 1)
    spare = max(0.0, (port.bits - busy) / port.bits * computing)
    least = [ceil(walks[t.operand].tile_bits[1] / port.bits) for t in once]
    left = dict(zip(map(id, once), lent_cycles([t.real for t in once], least, spare), strict=True))
    return {(t.operand, t.level, t.way): (left.get(id(t), t.real), len(inputs) > 1) for t in ends}
