"""A machine, a layer and its spatial assignment as two flat arrays, for the compiled evaluation.

Two arrays rather than forty: the compiled code passes them on at every call, and counting references to forty
arrays would take longer than the evaluation itself.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import gcd, prod
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw_models.cost.tiled.loopnest.machine import Way
from hw_models.cost.tiled.loopnest.mapping import OUTPUT
from hw_models.cost.tiled.loopnest.traffic import units_in_use
from hw_models.errors import InputError

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.machine import Machine
    from hw_models.cost.tiled.loopnest.spread import Factors, Spread

OWN, SAME, WINDOW_LOOP = 1, 2, 3
"""How a loop moves an operand: through new elements, not at all, or along a window; 0: a loop of one."""

LEVELS, DIMS, STORES, PORTS, SERVES, SPREADS, WINDOWS = 8, 12, 16, 32, 64, 48, 2
"""Room in the arrays: levels of an operand (the array is one), loops, memories, ports, what they serve, loops
spread, windows."""


class Whole(NamedTuple):
    """Places in the array of integers; a block of several indices is in row order."""

    depth: int = 0
    """(3,) memories of each operand."""
    order: int = 3
    """(3,) operands, as `Layer.order`."""
    dims: int = 6
    stores: int = 7
    ports: int = 8
    windows: int = 9
    windowed: int = 10
    """The operand with windows."""
    rounded: int = 11
    """Whether units rounded down differ from their average."""
    parts: int = 12
    """Whether an average is such a fraction that products depend on the order of their factors."""
    kind: int = 16
    """(3, DIMS) `OWN`, `SAME`, `WINDOW_LOOP`."""
    store: int = 52
    """(3, LEVELS) memory of each level, level 0 being memory 0."""
    held: int = 76
    """(STORES, 3) operands of each memory in order, -1 for none."""
    level: int = 124
    """(STORES, 3) which level of an operand it is."""
    halved: int = 172
    """(STORES,)"""
    shared: int = 188
    """(PORTS,) whether both inputs go through it."""
    serve_start: int = 220
    """(PORTS + 1,)"""
    serves: int = 253
    """(SERVES, 3) operand, level, way."""
    window: int = 445
    """(WINDOWS, 5) outer, tap, their steps without the common divisor, size."""
    spread_start: int = 455
    """(3, LEVELS + 1) into the loops spread below each level."""
    spread_dim: int = 482
    """(SPREADS,)"""
    own: int = 530
    """(3, DIMS) the `OWN` loops of each operand in the order in which they are multiplied, -1 behind them."""
    end: int = 566


class Real(NamedTuple):
    """Places in the array of floats."""

    bits: int = 0
    """(4,) as `Layer.bits`."""
    outputs: int = 4
    macs: int = 5
    """Energy of all MACs [pJ]."""
    drain: int = 6
    """Cycles in which a systolic array drains."""
    store_bits: int = 8
    """(STORES,)"""
    read: int = 24
    """(STORES,) pJ"""
    write: int = 40
    """(STORES,) pJ"""
    port_bits: int = 56
    """(PORTS,)"""
    access: int = 88
    """(3, LEVELS, 4) bits of the port of each way, 0 where there is none."""
    least: int = 184
    """(3, LEVELS, 4) bits of its shortest access."""
    units: int = 280
    """(2, SPREADS) units of the array: busy on average, and rounded down."""
    boost: int = 376
    """(2, 3, LEVELS) different tiles that a level hands down at once."""
    busy: int = 424
    """(3, LEVELS) instances in use."""
    same: int = 448
    """(LEVELS + 1,) units that add to the same output, spread below each of its levels."""
    end: int = 457


WHOLE: Final = Whole()
REAL: Final = Real()


def packed(spread: Spread) -> tuple[IntArray, FloatArray]:
    """Integers and floats of a layer on a machine under one spatial assignment, placed as above.

    Raises:
        InputError: more levels, loops, memories or ports than there is room for.
    """
    machine, layer = spread.machine, spread.layer
    if len(layer.sizes) > DIMS or len(layer.windows) > WINDOWS:
        asked = f"{len(layer.sizes)} loops and {len(layer.windows)} windows"
        raise InputError(f"{asked}; the search has room for {DIMS} and {WINDOWS}")
    whole, real = _packed_machine(machine)
    whole, real = whole.copy(), real.copy()
    units = [[spread.at_levels(op, whole=rounded) for op in range(3)] for rounded in (False, True)]
    _put(whole, WHOLE.order, layer.order)
    whole[WHOLE.dims], whole[WHOLE.windows] = len(layer.sizes), len(layer.windows)
    whole[WHOLE.windowed] = layer.windowed
    whole[WHOLE.rounded], whole[WHOLE.parts] = units[0] != units[1], _inexact(units[0])
    _put_layer(whole, real, layer)
    _put_spread(whole, real, layer, units)
    real[REAL.macs] = machine.mac_pj * layer.macs
    real[REAL.drain] = spread.drain
    return whole, real


@lru_cache(maxsize=16)
def _packed_machine(machine: Machine) -> tuple[IntArray, FloatArray]:
    _check_room(machine)
    whole, real = np.full(WHOLE.end, -1, np.int64), np.zeros(REAL.end)
    _put(whole, WHOLE.depth, [len(levels) for levels in machine.levels])
    whole[WHOLE.stores], whole[WHOLE.ports] = len(machine.stores), sum(len(s.ports) for s in machine.stores)
    _put_memories(whole, real, machine)
    _put_ports(whole, real, machine)
    return whole, real


def _inexact(units: list[Factors]) -> bool:
    return any(factor * 1024 % 1 != 0 for levels in units for level in levels for _, factor in level)


def _put(array: IntArray | FloatArray, at: int, values: object) -> None:
    flat = np.asarray(values).ravel()
    array[at : at + len(flat)] = flat


def _check_room(machine: Machine) -> None:
    ports = [port for store in machine.stores for port in store.ports]
    asked = {
        "levels of an operand": (max(map(len, machine.levels)), LEVELS - 1),
        "memories": (len(machine.stores), STORES),
        "ports": (len(ports), PORTS),
        "ways through ports": (sum(len(port.serves) for port in ports), SERVES),
    }
    for what, (given, room) in asked.items():
        if given > room:
            raise InputError(f"{given} {what}; the search has room for {room}")


def _put_memories(whole: IntArray, real: FloatArray, machine: Machine) -> None:
    store, held, level = np.full((3, LEVELS), -1), np.full((STORES, 3), -1), np.full((STORES, 3), -1)
    access, least = np.zeros((3, LEVELS, 4)), np.zeros((3, LEVELS, 4))
    for op, at in enumerate(machine.levels):
        store[op, : len(at)] = at
        for depth, i in enumerate(at):
            level[i, op] = depth
            for way in Way:
                port = machine.stores[i].port(op, way)
                if port is not None:
                    access[op, depth, way], least[op, depth, way] = port.bits, port.least_bits
    for i, memory in enumerate(machine.stores):
        held[i, : len(memory.operands)] = memory.operands
    _put(whole, WHOLE.store, store)
    _put(whole, WHOLE.held, held)
    _put(whole, WHOLE.level, level)
    _put(whole, WHOLE.halved, [s.halved for s in machine.stores])
    _put(real, REAL.store_bits, [s.bits for s in machine.stores])
    _put(real, REAL.read, [s.read_pj for s in machine.stores])
    _put(real, REAL.write, [s.write_pj for s in machine.stores])
    _put(real, REAL.access, access)
    _put(real, REAL.least, least)


def _put_ports(whole: IntArray, real: FloatArray, machine: Machine) -> None:
    ports = [(i, port) for i, store in enumerate(machine.stores) for port in store.ports]
    serves = [(op, machine.levels[op].index(i), way) for i, port in ports for op, way in port.serves]
    _put(whole, WHOLE.shared, [len({op for op, _ in port.serves if op != OUTPUT}) > 1 for _, port in ports])
    _put(whole, WHOLE.serve_start, np.cumsum([0, *(len(port.serves) for _, port in ports)]))
    _put(whole, WHOLE.serves, serves)
    _put(real, REAL.port_bits, [port.bits for _, port in ports])


def _put_layer(whole: IntArray, real: FloatArray, layer: Layer) -> None:
    names = tuple(layer.sizes)
    shared = {dim for w in layer.windows for dim in (w.outer, w.tap)}
    kind = np.zeros((3, DIMS), np.int64)
    for op in range(3):
        for d, name in enumerate(names):
            along = WINDOW_LOOP if op == layer.windowed and name in shared else 0
            kind[op, d] = (
                OWN if name in layer.relevant[op] else SAME if name in layer.irrelevant[op] else along
            )
    own = np.full((3, DIMS), -1, np.int64)
    for op, walk in enumerate(layer.relevant):
        own[op, : len(walk)] = [names.index(name) for name in walk]
    rows = []
    for w in layer.windows:
        common = gcd(w.outer_step, w.tap_step)
        steps = (w.outer_step // common, w.tap_step // common)
        rows.append((names.index(w.outer), names.index(w.tap), *steps, w.size))
    _put(whole, WHOLE.own, own)
    _put(whole, WHOLE.kind, kind)
    _put(whole, WHOLE.window, rows)
    _put(real, REAL.bits, layer.bits)
    real[REAL.outputs] = layer.elements(OUTPUT)


def _put_spread(whole: IntArray, real: FloatArray, layer: Layer, units: list[list[Factors]]) -> None:
    names = tuple(layer.sizes)
    start = np.zeros((3, LEVELS + 1), np.int64)
    dims: list[int] = []
    factors: list[tuple[float, float]] = []
    for op in range(3):
        for level in range(LEVELS + 1):
            start[op, level] = len(dims)
            if level < len(units[0][op]):
                mean, rounded = units[0][op][level], units[1][op][level]
                dims += [names.index(dim) for dim, _ in mean]
                factors += [(a, b) for (_, a), (_, b) in zip(mean, rounded, strict=True)]
    if len(dims) > SPREADS:
        raise InputError(f"{len(dims)} loops spread over the array; the search has room for {SPREADS}")
    boost, busy, same = np.ones((2, 3, LEVELS)), np.zeros((3, LEVELS)), np.ones(LEVELS + 1)
    for op in range(3):
        for which in (0, 1):
            instances, unique = units_in_use(layer, op, units[which][op])
            boost[which, op, : len(unique) - 1] = [round(a / b) for a, b in pairwise(unique)]
            if which == 0:
                busy[op, : len(instances)] = instances
    for level, loops in enumerate(units[0][OUTPUT]):
        same[level] = prod(f for dim, f in loops if dim in layer.irrelevant[OUTPUT])
    both = np.zeros((2, SPREADS))
    both[:, : len(factors)] = np.array(factors, np.float64).reshape(-1, 2).T
    _put(whole, WHOLE.spread_start, start)
    _put(whole, WHOLE.spread_dim, dims)
    _put(real, REAL.units, both)
    _put(real, REAL.boost, boost)
    _put(real, REAL.busy, busy)
    _put(real, REAL.same, same)
