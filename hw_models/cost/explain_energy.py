"""The lines that explain an energy: its parts, the energy of each action, and where each is from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import ACTIONS
from hw_models.cost.base import show
from hw_models.cost.chips import last_on_chip
from hw_models.cost.energies import access, inner_memories, leaking
from hw_models.cost.energy import MOVES, PARTS, energy_parts
from hw_models.cost.energy_laws import dram_prior, energy_priors
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.base import Cost, Detail
    from hw_models.spec.parts import Memory
    from hw_models.spec.quantities import Sourced

Line = tuple[str, str]

MOVE_NAMES: Final = {
    "dram": "external memory",
    "sram": "the last on-chip memory",
    "local": "memories inside the engine",
    "noc": "the interconnect",
}
DIRECTIONS: Final = {"read": "read from", "write": "written to", "": "over"}


def part_lines(cost: Cost) -> tuple[list[Line], list[Line]]:
    """Parts of the energy with interval and share; per cent by which the energy grows with 1 % of each."""
    d = cost.detail
    t = cost.latency
    seconds = np.array([t.value, t.low or t.value, t.high or t.value], np.float64)[:, None, None]
    found = energy_parts(d.counts, d.energies, seconds)
    parts = {name: found[name][:, 0, 0] for name in PARTS}
    total = sum(float(p[0]) for p in parts.values())
    if np.isnan(d.energies.idle[0, 0]):  # left out of the sum, which must not read as a known zero
        del parts["idle"]
    lines, growth = [], []
    for name, part in parts.items():
        if part[0] == 0:
            continue
        if np.isnan(part[0]):
            lines.append((name, "unknown, and so is the sum"))
            continue
        value, low, high = (show(float(x), "J") for x in part)
        if np.isnan(total):
            lines.append((name, f"{value} [{low} .. {high}]"))
            continue
        lines.append((name, f"{value} [{low} .. {high}], {part[0] / total:.1%}"))
        growth.append((name, f"{part[0] / total:+.3f} %"))
    if "idle" not in parts:
        lines.append(("idle", "unknown: the chip's file states neither idle power nor leakage nor TDP"))
    return lines, growth


def figure_lines(cost: Cost) -> Iterator[Line]:
    """Energy of every action that was counted, with interval and source; power drawn while idle."""
    yield from _op_lines(cost)
    yield from _move_lines(cost)
    yield "idle", _idle_text(cost)


def _op_lines(cost: Cost) -> Iterator[Line]:
    d, chip, priors = cost.detail, cost.detail.accelerator, energy_priors()
    counts, kind = d.counts, chip.main_engine.kind
    for q, p in enumerate(counts.formats):
        label = Precision(int(p)).label
        row = priors["operations"].get(priors["storage_only"].get(label, label))
        own = chip.main_engine.energy_per_op.get(label)
        for fed, energies, overhead in (
            (False, d.energies.op, f"x {priors['delivery'][kind]['value']:g} for operand delivery"),
            (True, d.energies.fed_op, f"x {priors['control']['value']:g} for clock and control"),
        ):
            ops = counts.fed_mac_ops if fed else counts.mac_ops - counts.fed_mac_ops + counts.vector_ops
            if not ops[0, 0, q] > 0:
                continue
            prior = f"{_prior_at(cost)}, {_from(row)}, {overhead}" if row else "no prior"
            name = f"one {label} op, operands counted apart" if fed else f"one {label} op"
            yield name, _text(energies[:, 0, p], cited(own, chip.sources) if own else prior, "J/op")


def _move_lines(cost: Cost) -> Iterator[Line]:
    """One line for each move that was counted; one for both directions where they cost the same."""
    counts = cost.detail.counts
    told = {
        move: _text(cost.detail.energies.of_move(move)[:, 0], _move_source(cost, move), "J/byte")
        for move in MOVES
        if counts.of_move(move)[0, 0] != 0
    }
    for move, text in told.items():
        level, _, direction = move.partition("_")
        other = {"read": "write", "write": "read"}.get(direction, "")
        if direction and told.get(f"{level}_{other}") == text:
            if direction == "read":
                yield f"one byte from or to {MOVE_NAMES[level]}", text
        else:
            yield f"one byte {DIRECTIONS[direction]} {MOVE_NAMES[level]}", text


def _move_source(cost: Cost, move: str) -> str:
    """Where the energy of a move is from."""
    chip, level = cost.detail.accelerator, move.partition("_")[0]
    memories = {"dram": (chip.dram,), "sram": (last_on_chip(chip),), "local": inner_memories(chip)}.get(
        level, ()
    )
    for memory in memories:
        if memory is not None and (figure := access(memory, move)):
            return cited(figure, chip.sources)
    if cost.detail.energies.of_move(move)[0, 0] == 0:
        return "in the stated energy of an op"
    return _prior_text(cost, level, next(iter(memories), None))


def _prior_text(cost: Cost, level: str, memory: Memory | None) -> str:
    priors = energy_priors()
    if level == "dram":
        technology = memory.technology if memory else None
        found = dram_prior(technology)
        if found is None:
            return f"no figure and no prior for {technology or 'an unknown technology'}"
        return f"prior {found[0]}, {_from(found[1])}"
    if level == "noc":
        return f"{_prior_at(cost)}, {_from(priors['noc'])}"
    if memory is None or memory.capacity is None:
        bank = "a register file of 0.5 KiB" if level == "local" else "banks of 1 MiB"
        return f"{_prior_at(cost)} of {bank}, the size being unknown"
    size = memory.capacity.value / (memory.instances.value if memory.instances else 1.0)
    bank = show(min(size, float(priors["banks"][-1]["bytes"])), "byte")
    return f"{_prior_at(cost)} of a bank of {bank}, {_from(priors['bank_spread'])}"


def _prior_at(cost: Cost) -> str:
    node, volts = cost.detail.chips.process_nm[0], cost.detail.accelerator.voltage
    if np.isnan(node):
        return "no prior without process_nm of the chip's file"
    return f"prior at {node:g} nm, {volts.value:g} V" if volts else f"prior at {node:g} nm, usual supply"


def _idle_text(cost: Cost) -> str:
    d, chip = cost.detail, cost.detail.accelerator
    source = str(d.energies.idle_from[0])
    if not source:
        return "unknown: the chip's file states neither idle power nor leakage nor TDP"
    value, low, high = (show(float(x), "W") for x in d.energies.idle[:, 0])
    told = f"{value} [{low} .. {high}]"
    if source == "stated":
        return f"{told}: {cited(chip.idle_power, chip.sources)}"
    if source == "leakage":
        return f"{told}: leakage and DRAM background as far as the chip's file states them"
    row = energy_priors()["idle_of_tdp"]
    return f"{told}: prior, {row['value']:g} of the TDP or the mode's cap, {_from(row)}"


def left_out(detail: Detail) -> Iterator[str]:
    """What the energy does not include, or why it is unknown."""
    parts = energy_parts(detail.counts, detail.energies, np.zeros((3, 1, 1)))
    unknown = [name for name in PARTS if name != "idle" and np.isnan(parts[name][0, 0, 0])]
    if unknown:
        why = "" if np.isfinite(detail.chips.process_nm[0]) else "; process_nm would give a prior"
        yield f"energy: that of {', '.join(unknown)} is not in the chip's file and has no prior{why}"
    source = str(detail.energies.idle_from[0])
    if not source:
        yield "idle power, leakage and background power of external memory: unknown"
    if source == "leakage":
        silent = [part.name for part in leaking(detail.accelerator) if part.leakage is None]
        if silent:
            yield f"leakage and background power of {', '.join(silent)}: not stated"
    noc = detail.actions[:, ACTIONS.index("noc")]
    if detail.counts.fed_mac_ops.any() and np.isnan(noc[detail.kernels.macs > 0]).any():
        yield "energy of the interconnect: its traffic is not counted"


def _from(row: Mapping[str, object]) -> str:
    names = row["source"]
    told = " + ".join(names) if isinstance(names, list) else str(names)
    return f"{told} ({row['note']})" if row.get("note") else told


def _text(joules: FloatArray, source: str, unit: str) -> str:
    if np.isnan(joules[0]):
        return f"unknown: {source}"
    value, low, high = (f"{j * 1e12:.4g}" for j in joules)
    return f"{value} p{unit} [{low} .. {high}]: {source}"


def cited(figure: Sourced | None, sources: Mapping[str, str]) -> str:
    """A figure with its range, note and source spelt out."""
    if figure is None:
        return "unknown"
    note = f"; {figure.note}" if figure.note else ""
    return f"{figure}: {sources.get(figure.source, figure.source)}{note}"
