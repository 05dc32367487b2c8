"""Energy of each action on each chip: the figure of its file, else a prior for node, supply, bank or DRAM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw_models.cost.arrays import ACTIONS
from hw_models.cost.chips import ENGINE_KINDS, last_on_chip
from hw_models.cost.energy_laws import (
    EDGES,
    PJ,
    at_node,
    bank_energy,
    dram_prior,
    ends_of,
    energy_priors,
    supply_factor,
    together,
)
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Engine, Memory
    from hw_models.spec.quantities import Sourced

    BoolArray = NDArray[np.bool_]

MOVES: Final = ACTIONS[2:]
"""Actions that move bytes: axis B."""

INSIDE: Final = ("local_read", "local_write", "noc")
"""Moves inside the engine, which the energy of an op includes where nobody counts them."""

BITS_PER_BYTE: Final = 8.0
UNKNOWN: Final = (np.nan, np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class Energies:
    """Energies of the actions on C chips; axis 0 is (value, low, high); NaN: neither figure nor prior.

    Attributes:
        op: (3, C, P) J for one op of the MAC units or the vector unit (1 MAC = 2 ops), with what brings its
            operands there.
        fed_op: (3, C, P) J for one op of MAC units whose operands' bytes are counted on their own.
        move: (3, C, B) J/byte of `MOVES`; 0 for those `INSIDE` where the file states the energy of an op and
            of no inner memory: its figure then includes them.
        idle: (3, C) W drawn whatever runs: the stated idle power, else stated leakage and DRAM background,
            else a share of the TDP or of the mode's cap; NaN: none of them.
        op_is_prior: (C, P); move_is_prior: (C, B).
        idle_from: (C,) "stated", "leakage", "prior" or "".
    """

    op: FloatArray
    fed_op: FloatArray
    move: FloatArray
    idle: FloatArray
    op_is_prior: BoolArray
    move_is_prior: BoolArray
    idle_from: NDArray[np.str_]

    @classmethod
    def of(cls, chips: Chips) -> Energies:
        """The chips' own figures, else priors for their process node, supply and memory technology."""
        own = np.array([c.mac_energy for c in (chips, *chips.ends)])
        is_prior = np.isnan(own[0])
        factor = supply_factor(_ranges(c.voltage for c in chips.accelerators), chips.process_nm)
        arithmetic = at_node(_op_picojoules(), chips.process_nm[:, None])
        op, fed_op = (
            np.where(is_prior, together(arithmetic, together(overhead, factor)[..., None]), own)
            for overhead in (_delivery(chips), _factor("control"))
        )
        levels = [_Levels.of(c) for c in chips.accelerators]
        move, move_is_prior = _move_energies(chips, levels, factor)
        stated = ~is_prior.all(axis=1) & ~np.array([level.states_inner for level in levels], np.bool_)
        inside = [MOVES.index(name) for name in INSIDE]
        rows, columns = np.ix_(stated, inside)
        move[:, rows, columns], move_is_prior[rows, columns] = 0.0, False
        idle, idle_from = _idle(chips)
        return cls(op, fed_op, move, idle, is_prior, move_is_prior, idle_from)

    def of_move(self, name: str) -> FloatArray:
        """(3, C) J/byte of one of `MOVES`."""
        energy: FloatArray = self.move[..., MOVES.index(name)]
        return energy


def inner_memories(accelerator: Accelerator) -> tuple[Memory, ...]:
    """On-chip memories of the main engine inside the last one, innermost first: local bytes lie in them."""
    last = last_on_chip(accelerator)
    levels = (*accelerator.main_engine.memory, *accelerator.memory)
    return tuple(m for m in levels if not m.off_chip and m is not last)


def leaking(accelerator: Accelerator) -> tuple[Engine | Memory, ...]:
    """Every part that may state its leakage: engines, their memories, the shared memories."""
    own = (m for e in accelerator.engines for m in e.memory)
    return (*accelerator.engines, *own, *accelerator.memory)


def access(memory: Memory, move: str) -> Sourced | None:
    """The stated energy of reading ("..._read") or writing a byte of a memory."""
    own = memory.read_energy if move.endswith("_read") else memory.write_energy
    return own or memory.access_energy


class _Levels(NamedTuple):
    """Memories of a chip by where the actions are counted."""

    dram: Memory | None
    sram: Memory | None
    local: tuple[Memory, ...]

    @classmethod
    def of(cls, accelerator: Accelerator) -> _Levels:
        return cls(accelerator.dram, last_on_chip(accelerator), inner_memories(accelerator))

    @property
    def states_inner(self) -> bool:
        """Whether the file states the energy of an inner memory."""
        return any(access(m, move) for m in self.local for move in INSIDE[:2])

    def stated(self, move: str) -> Sourced | None:
        """Energy of a byte of a move as the file states it, of the innermost memory that has one."""
        level = move.partition("_")[0]
        memories = {"dram": (self.dram,), "sram": (self.sram,), "local": self.local}.get(level, ())
        return next((figure for m in memories if m is not None and (figure := access(m, move))), None)


def _ranges(figures: Iterable[Sourced | None]) -> FloatArray:
    """(3, C) value, low and high of stated figures; NaN where there is none."""
    rows = [UNKNOWN if f is None else (f.value, *f.range) for f in figures]
    return np.array(rows, np.float64).reshape(len(rows), 3).T


def _delivery(chips: Chips) -> FloatArray:
    """(3, C) factor by kind of engine on the arithmetic for bringing operands and instructions to it."""
    rows = energy_priors()["delivery"]
    by_kind = np.array([[rows[kind][edge] for kind in ENGINE_KINDS] for edge in EDGES])
    table: FloatArray = by_kind[:, chips.kind]
    return table


@cache
def _op_picojoules() -> FloatArray:
    """(2, P) pJ of the arithmetic of one op at the reference nodes; NaN: no prior for that format."""
    priors = energy_priors()
    rows = dict(priors["operations"])
    rows |= {scheme: rows[base] for scheme, base in priors["storage_only"].items()}
    known = (rows.get(p.label, {"pj": (np.nan, np.nan)})["pj"] for p in Precision)
    return np.array(list(known), np.float64).T


def _move_energies(
    chips: Chips, levels: Sequence[_Levels], supply: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """(3, C, B) J/byte of every move, and where they are priors (C, B)."""
    nodes = chips.process_nm
    register = np.full(len(chips), float(energy_priors()["register_file"]["bytes"]))
    priors = {
        "dram": _dram_prior(levels),
        "sram": together(_sram_prior(levels, nodes), _factor("bank_spread"), supply),
        "local": together(_inner_prior(levels, nodes), _factor("register_file"), supply),
        "noc": together(bank_energy(register, nodes), _factor("noc"), supply),
    }
    prior = np.stack([priors[name.partition("_")[0]] for name in MOVES], axis=-1)
    own = np.stack([_ranges(level.stated(name) for level in levels) for name in MOVES], axis=-1)
    is_prior = np.isnan(own[0])
    return np.where(is_prior, prior, own), is_prior


def _dram_prior(levels: Sequence[_Levels]) -> FloatArray:
    """By technology."""
    names = [level.dram.technology if level.dram else None for level in levels]
    rows = {name: found[1] if (found := dram_prior(name)) else None for name in dict.fromkeys(names)}
    figures = {
        name: UNKNOWN if row is None else tuple(row[edge] for edge in EDGES) for name, row in rows.items()
    }
    picojoules = np.array([figures[name] for name in names], np.float64).reshape(len(levels), 3)
    return picojoules.T * (PJ * BITS_PER_BYTE)


def _sram_prior(levels: Sequence[_Levels], process_nm: FloatArray) -> FloatArray:
    """Of the last on-chip memory by the size of a bank; banks of 1 MiB where that is unknown."""
    banks = np.array([_bank_bytes(level.sram) if level.sram else np.nan for level in levels], np.float64)
    largest = float(energy_priors()["banks"][-1]["bytes"])
    return bank_energy(np.where(np.isnan(banks), largest, banks), process_nm)


def _inner_prior(levels: Sequence[_Levels], process_nm: FloatArray) -> FloatArray:
    """Of the memories inside: the innermost of known size, the range over all; else a register file.

    A memory whose number of instances is unknown may be spread over the processing elements: the range then
    reaches down to a register file.
    """
    register = float(energy_priors()["register_file"]["bytes"])
    size = np.full((3, len(levels)), register)
    for column, level in enumerate(levels):
        known = [m for m in level.local if m.capacity]
        banks = [_bank_bytes(m) for m in known]
        if banks:
            ends = [b if m.instances else min(register, b) for m, b in zip(known, banks, strict=True)]
            size[:, column] = (banks[0], min(ends), max(banks))
    value, least, most = (bank_energy(s, process_nm) for s in size)
    return together(value, np.array([np.ones(len(levels)), least[0] / value[0], most[0] / value[0]]))


def _bank_bytes(memory: Memory) -> float:
    """Bytes of one bank: the capacity over the instances; NaN where unknown."""
    if memory.capacity is None:
        return np.nan
    return memory.capacity.value / (memory.instances.value if memory.instances else 1.0)


def _factor(name: str) -> FloatArray:
    """(3, 1) value, low and high of a factor among the priors."""
    return ends_of(energy_priors()[name])[:, None]


def _idle(chips: Chips) -> tuple[FloatArray, NDArray[np.str_]]:
    """(3, C) W while on, and where they are from."""
    stated = _ranges(c.idle_power for c in chips.accelerators)
    leakage = np.array([_leakage(c) for c in chips.accelerators], np.float64).reshape(len(chips), 3).T
    prior = _factor("idle_of_tdp") * np.fmin(chips.cap, chips.tdp)
    known = [~np.isnan(figure[0]) for figure in (stated, leakage, prior)]
    source = np.select(known, ["stated", "leakage", "prior"], "")
    return np.where(known[0], stated, np.where(known[1], leakage, prior)), source


def _leakage(accelerator: Accelerator) -> FloatArray:
    """(3,) W that logic and memories lose as far as the file states it; NaN where it states none."""
    parts = leaking(accelerator)
    figures = [(p.leakage.value, *p.leakage.range) for p in parts if p.leakage]
    return np.sum(figures, axis=0) if figures else np.full(3, np.nan)
