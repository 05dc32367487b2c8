"""A mapping counted in full, in plain Python: the result every search's winner is checked against."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from hw_models.cost.tiled.loopnest.allocate import misfit
from hw_models.cost.tiled.loopnest.machine import Way
from hw_models.cost.tiled.loopnest.mapping import OPERANDS
from hw_models.cost.tiled.loopnest.spread import spread_over, time_loops
from hw_models.cost.tiled.loopnest.stalls import Latency, double_buffered, latency
from hw_models.cost.tiled.loopnest.traffic import walk
from hw_models.errors import InputError

if TYPE_CHECKING:
    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.machine import Machine, Store
    from hw_models.cost.tiled.loopnest.mapping import LoopNest
    from hw_models.cost.tiled.loopnest.traffic import Traffic, Walk


@dataclass(frozen=True)
class Evaluation:
    """What a mapping costs.

    Attributes:
        accesses: operand -> per memory, innermost first, accesses of a port's full width, per `Way`.
        energy_pj: operand -> energy of each of its memories.
        mac_energy_pj: of the MACs.
        latency: cycles and where they are from.
        double_buffered: operand -> whether each memory loads ahead.
    """

    accesses: dict[str, tuple[tuple[int, ...], ...]]
    energy_pj: dict[str, tuple[float, ...]]
    mac_energy_pj: float
    latency: Latency
    double_buffered: dict[str, tuple[bool, ...]]

    @property
    def total_pj(self) -> float:
        """Energy of MACs and memories."""
        memories: float = 0
        for levels in self.energy_pj.values():
            for level in levels:
                memories += level
        return memories + self.mac_energy_pj

    @property
    def cycles(self) -> float:
        """Cycles from the first load to the last store."""
        return self.latency.cycles


def evaluate(machine: Machine, layer: Layer, nest: LoopNest) -> Evaluation:
    """Count a mapping in full.

    Args:
        machine: array and memories.
        layer: the contraction.
        nest: its mapping, levels included (see `allocate` where they are open).

    Raises:
        InputError: the mapping does not fit the layer, the array or a memory, or a memory lacks a port.
    """
    spread = spread_over(machine, layer, nest.spatial)
    loops = time_loops(spread, nest)
    _check_levels(machine, nest)
    average, whole = [], []
    for op, name in enumerate(OPERANDS):
        cuts = nest.cuts(name)
        average.append(walk(layer, op, spread.at_levels(op), loops, cuts))
        whole.append(walk(layer, op, spread.at_levels(op, whole=True), loops, cuts))
    lacking = misfit(spread, nest)
    if lacking is not None:
        raise InputError(str(lacking))
    flags = double_buffered(machine, layer, average)
    product = 1.0
    for mean in loops.means:
        product *= mean
    counted = {name: _accesses(machine, op, average[op]) for op, name in enumerate(OPERANDS)}
    energy = {
        OPERANDS[op]: tuple(
            _energy(machine.stores[i], access)
            for i, access in zip(machine.levels[op], counted[OPERANDS[op]], strict=True)
        )
        for op in layer.order
    }
    time = latency(machine, whole, flags, product, spread.drain)
    buffered = {name: tuple(flags[op][1:]) for op, name in enumerate(OPERANDS)}
    return Evaluation(counted, energy, machine.mac_pj * layer.macs, time, buffered)


def _check_levels(machine: Machine, nest: LoopNest) -> None:
    for op, name in enumerate(OPERANDS):
        cuts, held = nest.cuts(name), machine.level_names(op)
        if len(cuts) != len(held):
            places = ", ".join(held)
            raise InputError(f"levels.{name} has {len(cuts)} entries; {machine.name} keeps it in {places}")


def _accesses(machine: Machine, op: int, walk: Walk) -> tuple[tuple[int, ...], ...]:
    rows = []
    for level, i in enumerate(machine.levels[op]):
        traffic, store = walk.traffic[level], machine.stores[i]
        rows.append(tuple(_access(store, op, way, traffic, walk.instances[level + 1]) for way in Way))
    return tuple(rows)


def _access(store: Store, op: int, way: Way, traffic: Traffic, instances: int) -> int:
    """Accesses of a port's full width; what is shorter counts by the shortest one.

    Source: ZigZag 3.9.1, CostModelEvaluation._calc_memory_access.
    """
    if traffic.elements[way] == 0 or traffic.bits[way] == 0:
        return 0
    port = store.port(op, way)
    if port is None:
        raise InputError(f"memory {store.name} has no port for {way.name.lower()} of the {OPERANDS[op]}")
    pieces = ceil(traffic.elements[way] * traffic.bits[way] / port.least_bits)
    return int(pieces * (port.least_bits / port.bits) * traffic.count[way] * instances)


def _energy(store: Store, access: tuple[int, ...]) -> float:
    """Energy of one memory's accesses, summed as ZigZag does for costs to be equal to the last bit."""
    read = access[Way.READ_UP] * store.read_pj + access[Way.READ_DOWN] * store.read_pj
    write = access[Way.WRITE_DOWN] * store.write_pj + access[Way.WRITE_UP] * store.write_pj
    return read + write
