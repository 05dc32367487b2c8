"""What a chip's file says, as the figures of a loop nest: array, memories of each operand, ports, DRAM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw_models.errors import InputError, sentence
from hw_models.workload.op import BITS, Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.cost.tiled.organisation import Parameter
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Engine, Memory
    from hw_models.spec.quantities import Sourced

OPERANDS: Final = ("weight", "input", "output")
ACCUMULATOR_BITS: Final = 32.0
"""Width of a partial sum where the chip's file leaves it open. Source: the accumulators of TPU v1 (Jouppi
et al., ISCA 2017) and Gemmini (Genc et al., DAC 2021), both 32 bit for int8 operands."""

SEARCH_ENERGY: Final = {"mac": 1.0, "local": 1.0, "sram": 6.0, "dram": 200.0}
"""Energy of one 16-bit access relative to one MAC, by which mappings of equal latency are told apart where a
chip's file has no energies; never printed. Source: Chen et al., Eyeriss, ISCA 2016, table IV."""


@dataclass(frozen=True, slots=True)
class Port:
    """Seconds that a memory needs for its reads and writes; a bandwidth that is unknown takes no time.

    Attributes:
        read, write: s/byte of a read or write port of its own, 0 where it has none.
        shared: s/byte of the port that serves the others; shares_read, shares_write: whether it serves them.
        known: whether any of it is stated.
    """

    read: float
    write: float
    shared: float
    shares_read: float
    shares_write: float
    known: bool

    @classmethod
    def of(cls, memory: Memory) -> Port:
        """The ports of a memory of a chip's file."""
        read, write, both = (
            1.0 / figure.value if figure else 0.0
            for figure in (memory.read_bandwidth, memory.write_bandwidth, memory.bandwidth)
        )
        known = bool(read or write or both)
        return cls(read, write, both, float(not read), float(not write), known)

    @property
    def row(self) -> tuple[float, ...]:
        """As the search reads it: read, write, shared, shares_read, shares_write."""
        return (self.read, self.write, self.shared, self.shares_read, self.shares_write)


@dataclass(frozen=True, slots=True)
class Buffer:
    """One on-chip memory: capacity in byte, ports, energy in J/byte relative or absolute."""

    name: str
    capacity: float
    port: Port
    energy: tuple[float, float] | None
    """Of reading and of writing one byte; None: not stated."""


@dataclass(frozen=True, slots=True)
class Build:
    """What of a chip enters the counts of a mapping, and so the key of a table: no rate, no capacity.

    Attributes:
        rows, cols, count: of the MAC arrays.
        accumulator: byte of one partial sum.
        burst: byte that one DRAM access moves at least; 0: not modelled.
        double_sram, double_local: whether tiles are filled while others are used.
        local: per operand, whether a memory lies between the last on-chip one and the array.
        single: whether each level is one memory that holds all operands it holds any of.
        overlapped: whether the array loads its next fold while it works on this one.
        unroll: loops over rows and columns as the chip's file says, empty: as the organisation does.
    """

    rows: int
    cols: int
    count: int
    accumulator: float
    burst: float
    double_sram: bool
    double_local: bool
    local: tuple[bool, bool, bool]
    single: bool
    overlapped: bool
    unroll: tuple[tuple[str, ...], ...]

    def partial(self, output_byte: float) -> float:
        """Byte of one partial sum where outputs have so many: none is narrower than what it becomes."""
        return max(self.accumulator, output_byte)


@dataclass(frozen=True, slots=True)
class Machine:
    """One chip of one organisation.

    Attributes:
        label: name of the chip.
        build: what enters the counts.
        buffers: its on-chip memories, innermost first.
        sram, local: per operand the position in `buffers` of the last on-chip memory that holds it, and of
            the one inside that; -1: none.
        dram: port of the external memory; dram_latency: s from a request to its first byte; dram_energy:
            J/byte read and written.
        clock: Hz; rates: (bits of a weight, of an activation, MAC/s) of every peak.
        issue, dma: s per local tile and per DMA descriptor.
        mac_energy: J by the same formats, None: not stated.
    """

    label: str
    build: Build
    buffers: tuple[Buffer, ...]
    sram: tuple[int, int, int]
    local: tuple[int, int, int]
    dram: Port
    dram_latency: float
    dram_energy: tuple[float, float] | None
    clock: float
    rates: tuple[tuple[int, int, float, float], ...]
    issue: float
    dma: float

    def rate(self, weight_bits: float, input_bits: float) -> tuple[float, float] | None:
        """(MAC/s, J/MAC or NaN) of the narrowest format that holds both operands, or None."""
        fits = [r for r in self.rates if r[0] >= weight_bits and r[1] >= input_bits]
        if not fits:
            return None
        best = min(fits, key=lambda r: (r[0] + r[1], -r[2]))
        return best[2], best[3]


@dataclass(frozen=True, slots=True)
class Energies:
    """By what mappings are told apart: all in J where the chip's file has them all, else all relative.

    Attributes:
        mac: of one MAC; dram: per byte read and written; local, sram: the same per on-chip memory, used as
            the one or the other.
    """

    mac: float
    dram: tuple[float, float]
    local: tuple[tuple[float, float], ...]
    sram: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, machine: Machine, mac_energy: float) -> Energies:
        """Of a chip at one number format; NaN: the energy of its MACs is not stated."""
        own = [b.energy for b in machine.buffers]
        if machine.dram_energy and not math.isnan(mac_energy) and all(own):
            stated = tuple(e for e in own if e)
            return cls(mac_energy, machine.dram_energy, stated, stated)
        n, ratio = len(own), SEARCH_ENERGY
        local, sram = (((ratio[level],) * 2,) * n for level in ("local", "sram"))
        return cls(ratio["mac"], (ratio["dram"],) * 2, local, sram)


def gaps(chip: Accelerator) -> tuple[str, ...]:
    """Paths of what a loop nest needs and the chip's file leaves open."""
    engine, found = chip.main_engine, []
    at = f"engines.{engine.name}"
    if engine.array is None:
        found.append(f"{at}.array")
    if not engine.peak:
        found.append(f"{at}.peak")
    if chip.dram is None:
        found.append("memory")
    elif chip.dram.bandwidth is None and (
        chip.dram.read_bandwidth is None or chip.dram.write_bandwidth is None
    ):
        found.append(f"memory.{chip.dram.name}.bandwidth")
    for where, memories in ((f"{at}.memory", engine.memory), ("memory", chip.memory)):
        found += [f"{where}.{m.name}.capacity" for m in memories if not m.off_chip and m.capacity is None]
    held = _on_chip(chip)
    for operand in OPERANDS:
        if not any(_holds(m, operand) for m in held):
            found.append(f"{at}.memory (an on-chip memory that holds {operand})")
    return tuple(dict.fromkeys(found))


def machine(chip: Accelerator, parameters: Mapping[str, Parameter]) -> Machine:
    """The chip as a loop nest sees it; `gaps` must be empty.

    Raises:
        InputError: the array has more than two axes.
    """
    engine, dram = chip.main_engine, chip.dram
    if engine.array is None or dram is None:
        raise InputError(
            sentence(
                f"{chip.label} cannot be mapped, it lacks {', '.join(gaps(chip))}", "state them in its file"
            )
        )
    if len(engine.array.dims) > 2:
        raise InputError(
            f"engines.{engine.name}.array.dims of {chip.label} has {len(engine.array.dims)} axes; "
            "expected rows and columns, or the lanes alone"
        )
    memories = _on_chip(chip)
    chains = [[i for i, m in enumerate(memories) if _holds(m, operand)] for operand in OPERANDS]
    sram = tuple(chain[-1] for chain in chains)
    local = tuple(chain[-2] if len(chain) > 1 else -1 for chain in chains)
    given = engine.dataflow.parameters if engine.dataflow else {}
    figure = {name: _value(given.get(name), p.default) for name, p in parameters.items()}
    rows, cols = (*engine.array.dims, 1)[:2]
    units = float(rows * cols * engine.array.count)
    clock = engine.clock.value if engine.clock else max(p.value for p in engine.peak.values()) / (2.0 * units)
    build = Build(
        rows=rows,
        cols=cols,
        count=engine.array.count,
        accumulator=_value(engine.accumulator_bits, ACCUMULATOR_BITS) / 8.0,
        burst=_value(dram.burst, 0.0),
        double_sram=all(memories[i].double_buffered is not False for i in sram),
        double_local=all(memories[i].double_buffered is not False for i in local if i >= 0),
        local=tuple(i >= 0 for i in local),  # type: ignore[arg-type]
        single=len(set(sram)) == len(set(local)) == 1,
        overlapped=figure.get("array_buffers", 2.0) >= 2.0,
        unroll=engine.dataflow.unroll if engine.dataflow else (),
    )
    return Machine(
        label=chip.label,
        build=build,
        buffers=tuple(Buffer(m.name, _value(m.capacity, 0.0), Port.of(m), _energy(m)) for m in memories),
        sram=sram,  # type: ignore[arg-type]
        local=local,  # type: ignore[arg-type]
        dram=Port.of(dram),
        dram_latency=_value(dram.latency, 0.0),
        dram_energy=_energy(dram),
        clock=clock,
        rates=_rates(engine),
        issue=figure.get("issue_cycles", 0.0) / clock,
        dma=figure.get("dma_cycles", 0.0) / clock,
    )


def _on_chip(chip: Accelerator) -> list[Memory]:
    return [m for m in (*chip.main_engine.memory, *chip.memory) if not m.off_chip]


def _holds(memory: Memory, operand: str) -> bool:
    return memory.holds is None or operand in memory.holds


def _value(figure: Sourced | None, default: float | None) -> float:
    return figure.value if figure is not None else float(default or 0.0)


def _energy(memory: Memory) -> tuple[float, float] | None:
    read = memory.read_energy or memory.access_energy
    write = memory.write_energy or memory.access_energy
    return (read.value, write.value) if read and write else None


def _rates(engine: Engine) -> tuple[tuple[int, int, float, float], ...]:
    """(weight bits, activation bits, MAC/s, J/MAC) of every format that the engine has a peak for."""
    rates = []
    for label, peak in engine.peak.items():
        p = Precision[label.upper()]
        bits = BITS[p]
        weight = {Precision.W8A16: 8, Precision.W4A16: 4}.get(p, bits)
        energy = engine.energy_per_op.get(label)
        rates.append((weight, bits, peak.value / 2.0, 2.0 * energy.value if energy else float("nan")))
    return tuple(rates)
