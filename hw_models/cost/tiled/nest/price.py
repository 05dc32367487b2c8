"""What counts cost a chip: seconds of each resource, latency of the double-buffered pipeline, actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hw_models.cost.arrays import ACTIONS, RESOURCES
from hw_models.cost.tiled.nest.count import COUNTS
from hw_models.cost.tiled.nest.machine import OPERANDS, Energies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.tiled.nest.machine import Machine, Port
    from hw_models.cost.tiled.nest.spatial import Layout

I = {name: column for column, name in enumerate(COUNTS)}  # noqa: E741  (index of a count)


@dataclass(frozen=True, eq=False)
class Priced:
    """P mappings on one chip.

    Attributes:
        latency: (P,) s, inf where a tile does not fit; energy: (P,) of one search unit, J where the chip's
            file has energies.
        seconds: (P, R) by resource, NaN where not modelled; actions: (P, A).
        excess: (P,) largest demand over a memory beyond its capacity in byte, 0 where all fits.
    """

    latency: FloatArray
    energy: FloatArray
    seconds: FloatArray
    actions: FloatArray
    excess: FloatArray


def port_seconds(port: Port, read: FloatArray, write: FloatArray) -> FloatArray:
    """Time of the busiest port."""
    shared = (read * port.shares_read + write * port.shares_write) * port.shared
    busiest: FloatArray = np.maximum(np.maximum(read * port.read, write * port.write), shared)
    return busiest


def demands(counts: FloatArray, machine: Machine) -> FloatArray:
    """(P, B) bytes that the tiles of each mapping take in each on-chip memory."""
    held = np.zeros((len(counts), len(machine.buffers)))
    for place, operand in enumerate(OPERANDS):
        if machine.local[place] >= 0:
            held[:, machine.local[place]] += counts[:, I[f"local_{operand}"]]
        held[:, machine.sram[place]] += counts[:, I[f"sram_{operand}"]]
    return held


def price(
    counts: FloatArray,
    machine: Machine,
    layout: Layout,
    mac_rate: float,
    mac_energy: float,
    beside: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
) -> Priced:
    """Seconds and actions of counts (P, `COUNTS`) on one chip, and of the bytes beside them (`BESIDE`).

    Two boundaries, each a pipeline of moving and working: where tiles are double buffered its makespan is
    max(all moves + work of one tile, all work + moves of one tile), else their sum. Source: two-stage flow
    shop with equal jobs (Johnson, Nav. Res. Logist. Q. 1954).
    """
    c = {name: counts[:, column] for name, column in I.items()}
    build = machine.build
    cycle = float(build.rows * build.cols * build.count) / mac_rate
    mac = c["mac_cycles"] * cycle
    local, local_known = _level(machine, machine.local, _local_traffic(c, machine), build.local)
    both = (c["drain"] * 0.0 + beside[2], c["drain"] * 0.0 + beside[3])
    sram, sram_known = _level(machine, machine.sram, _sram_traffic(c), (True, True, True), both)
    dram = port_seconds(machine.dram, *_dram_traffic(c, beside))
    first = port_seconds(machine.dram, c["first_weight"] + c["first_input"], c["last_output"])
    work = np.maximum(mac, local)
    if not any(build.local):
        busy = np.maximum(work, sram)
    elif build.double_local:
        first_local, _ = _level(machine, machine.sram, _first_local(c), (True, True, True))
        busy = np.maximum(sram + work * c["local_share"], work + first_local)
    else:
        busy = sram + work
    if build.double_sram:
        latency = np.maximum(dram + busy * c["outer_share"], busy + first) + machine.dram_latency
    else:
        latency = dram + busy + machine.dram_latency * c["outer_tiles"]
    latency = (
        latency + machine.issue * c["local_tiles"] + machine.dma * c["descriptors"] + layout.skew * cycle
    )
    excess = np.maximum(demands(counts, machine) - [b.capacity for b in machine.buffers], 0.0).max(axis=1)
    seconds = np.full((len(counts), len(RESOURCES)), np.nan)
    hidden = np.maximum(np.maximum(mac, local), np.maximum(sram, dram))
    for name, value in (("mac", mac), ("dram", dram), ("exposed", latency - hidden), ("vector", 0.0 * mac)):
        seconds[:, RESOURCES.index(name)] = value
    seconds[:, RESOURCES.index("issue")] = 0.0
    if sram_known:
        seconds[:, RESOURCES.index("sram")] = sram
    if local_known:
        seconds[:, RESOURCES.index("local")] = local
    actions = _actions(c, machine, beside)
    energy = _energy(c, machine, mac_energy)
    return Priced(np.where(excess > 0, np.inf, latency), energy, seconds, actions, excess)


Traffic = tuple[tuple["FloatArray", "FloatArray"], ...]


def _local_traffic(c: dict[str, FloatArray], machine: Machine) -> Traffic:
    """Per operand, bytes read from and written to its local memory; nothing where it has none."""
    nothing = 0.0 * c["drain"]
    full = (
        (c["array_weight"], c["fill_weight"]),
        (c["array_input"], c["fill_input"]),
        (c["array_sum_read"] + c["drain"], c["array_sum_write"] + c["fill_sum"]),
    )
    return tuple(
        traffic if there else (nothing, nothing)
        for traffic, there in zip(full, machine.build.local, strict=True)
    )


def _sram_traffic(c: dict[str, FloatArray]) -> Traffic:
    """Per operand, bytes read from and written to the last on-chip memory, on both of its sides."""
    return (
        (c["fill_weight"], c["dram_weight"]),
        (c["fill_input"], c["dram_input"]),
        (c["fill_sum"] + c["dram_output"], c["drain"] + c["dram_sum"]),
    )


def _dram_traffic(c: dict[str, FloatArray], beside: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    """Bytes read and written outside; what is spared can be no more than there is."""
    read = c["dram_weight"] + c["dram_input"] + c["dram_sum"]
    return np.maximum(read + beside[0], 0.0), np.maximum(c["dram_output"] + beside[1], 0.0)


def _first_local(c: dict[str, FloatArray]) -> Traffic:
    nothing = 0.0 * c["drain"]
    return (
        (c["first_local_weight"], nothing),
        (c["first_local_input"], nothing),
        (nothing, c["last_local_output"]),
    )


def _level(
    machine: Machine,
    place: tuple[int, ...],
    traffic: Traffic,
    there: tuple[bool, ...],
    beside: tuple[FloatArray, FloatArray] | None = None,
) -> tuple[FloatArray, bool]:
    """Seconds of the busiest memory of a level, and whether any of its bandwidths is known.

    What moves `beside` goes through the memory of the inputs.
    """
    slowest, known = 0.0 * traffic[0][0], False
    for buffer in sorted({p for p, t in zip(place, there, strict=True) if t}):
        served = [t for t, p in zip(traffic, place, strict=True) if p == buffer]
        served += [beside] if beside is not None and buffer == place[1] else []
        read, write = (np.sum([t[side] for t in served], axis=0) for side in (0, 1))
        port = machine.buffers[buffer].port
        known = known or port.known
        slowest = np.maximum(slowest, port_seconds(port, read, write))
    return slowest, known


def _actions(c: dict[str, FloatArray], machine: Machine, beside: Sequence[float]) -> FloatArray:
    """(P, A) bytes by level; MACs are the caller's, the interconnect is not modelled."""
    actions = np.full((len(c["drain"]), len(ACTIONS)), np.nan)
    sram, local = _sram_traffic(c), _local_traffic(c, machine)
    dram_read, dram_write = _dram_traffic(c, beside)
    sums = {
        "vector_op": 0.0 * c["drain"],
        "dram_read": dram_read,
        "dram_write": dram_write,
        "sram_read": beside[2] + sram[0][0] + sram[1][0] + sram[2][0],
        "sram_write": beside[3] + sram[0][1] + sram[1][1] + sram[2][1],
        "local_read": local[0][0] + local[1][0] + local[2][0],
        "local_write": local[0][1] + local[1][1] + local[2][1],
    }
    for name, value in sums.items():
        actions[:, ACTIONS.index(name)] = value
    return actions


def _energy(c: dict[str, FloatArray], machine: Machine, mac_energy: float) -> FloatArray:
    """(P,) energy of all traffic by which mappings are told apart; the MACs are the same for all of them."""
    energies = Energies.of(machine, mac_energy)
    read, write = energies.dram
    total = (c["dram_weight"] + c["dram_input"] + c["dram_sum"]) * read + c["dram_output"] * write
    for level, places, traffic in (
        (energies.local, machine.local, _local_traffic(c, machine)),
        (energies.sram, machine.sram, _sram_traffic(c)),
    ):
        for place, (moved_in, moved_out) in zip(places, traffic, strict=True):
            if place >= 0:
                read, write = level[place]
                total = total + moved_in * read + moved_out * write
    return total
