"""Energy of each action on each chip: the figure of its file, else a prior for node, supply, bank or DRAM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

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
    from collections.abc import Callable, Sequence

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
        factor = supply_factor(_ranges(chips.accelerators, lambda c: c.voltage), chips.process_nm)
        arithmetic = at_node(_op_picojoules(), chips.process_nm[:, None])
        op, fed_op = (
            np.where(is_prior, together(arithmetic, together(overhead, factor)[..., None]), own)
            for overhead in (_delivery(chips), _factor("control"))
        )
        move, move_is_prior = _move_energies(chips, factor)
        stated = ~is_prior.all(axis=1) & ~np.array([_states_inner(c) for c in chips.accelerators], np.bool_)
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


def _states_inner(accelerator: Accelerator) -> bool:
    return any(access(m, move) for m in inner_memories(accelerator) for move in INSIDE[:2])


def _ranges(accelerators: Sequence[Accelerator], read: Callable[[Accelerator], Sourced | None]) -> FloatArray:
    """(3, C) value, low and high of a stated figure; NaN where there is none."""
    out = np.full((3, len(accelerators)), np.nan)
    for column, accelerator in enumerate(accelerators):
        figure = read(accelerator)
        if figure is not None:
            out[:, column] = (figure.value, *figure.range)
    return out


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


def _move_energies(chips: Chips, supply: FloatArray) -> tuple[FloatArray, BoolArray]:
    """(3, C, B) J/byte of every move, and where they are priors (C, B)."""
    priors = {
        "dram": _dram_prior(chips),
        "sram": _sram_prior(chips, supply),
        "local": _inner_prior(chips, supply),
        "noc": together(_register_file(chips), _factor("noc"), supply),
    }
    prior = np.stack([priors[name.partition("_")[0]] for name in MOVES], axis=-1)
    own = np.stack([_stated(chips, name) for name in MOVES], axis=-1)
    is_prior = np.isnan(own[0])
    return np.where(is_prior, prior, own), is_prior


def _stated(chips: Chips, move: str) -> FloatArray:
    """(3, C) J/byte of a move as the chips' files state it."""
    where: dict[str, Callable[[Accelerator], Memory | None]] = {
        "dram": lambda c: c.dram,
        "sram": last_on_chip,
        "local": lambda c: next((m for m in inner_memories(c) if access(m, move)), None),
        "noc": lambda _: None,
    }
    pick = where[move.partition("_")[0]]
    return _ranges(chips.accelerators, lambda c: access(m, move) if (m := pick(c)) else None)


def _dram_prior(chips: Chips) -> FloatArray:
    found = [dram_prior(c.dram.technology if c.dram else None) for c in chips.accelerators]
    rows = [ends_of(row[1]) if row else np.full(3, np.nan) for row in found]
    picojoules = np.array(rows, np.float64).reshape(len(chips), 3)
    return np.ascontiguousarray(picojoules.T) * (PJ * BITS_PER_BYTE)


def _sram_prior(chips: Chips, supply: FloatArray) -> FloatArray:
    """Of the last on-chip memory by the size of a bank; banks of 1 MiB where that is unknown."""
    banks = np.array([_bank_bytes(m) if (m := last_on_chip(c)) else np.nan for c in chips.accelerators])
    largest = float(energy_priors()["banks"][-1]["bytes"])
    energy = bank_energy(np.where(np.isnan(banks), largest, banks), chips.process_nm)
    return together(energy, _factor("bank_spread"), supply)


def _inner_prior(chips: Chips, supply: FloatArray) -> FloatArray:
    """Of the memories inside: the innermost of known size, the range over all; else a register file.

    A memory whose number of instances is unknown may be spread over the processing elements: the range then
    reaches down to a register file.
    """
    register = float(energy_priors()["register_file"]["bytes"])
    size = np.full((3, len(chips)), register)
    for column, chip in enumerate(chips.accelerators):
        known = [m for m in inner_memories(chip) if m.capacity]
        banks = [_bank_bytes(m) for m in known]
        if banks:
            ends = [b if m.instances else min(register, b) for m, b in zip(known, banks, strict=True)]
            size[:, column] = (banks[0], min(ends), max(banks))
    value, least, most = (bank_energy(s, chips.process_nm) for s in size)
    levels = np.array([np.ones(len(chips)), least[0] / value[0], most[0] / value[0]])
    return together(value, levels, _factor("register_file"), supply)


def _register_file(chips: Chips) -> FloatArray:
    size = np.full(len(chips), float(energy_priors()["register_file"]["bytes"]))
    return bank_energy(size, chips.process_nm)


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
    stated = _ranges(chips.accelerators, lambda c: c.idle_power)
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
