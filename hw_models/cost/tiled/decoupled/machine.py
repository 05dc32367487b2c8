"""The public figures of a machine of this organisation, read from a chip's file."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.tiled.calibration import gemmini_calibration
from hw_models.cost.tiled.decoupled.layer_cycles import Layer, Machine
from hw_models.cost.tiled.decoupled.tiler import Room
from hw_models.cost.tiled.organisation import Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Memory

RTL: Final = "ucb-bar/gemmini, defaults of Configs.scala and the code of ExecuteController.scala, DMA.scala"
SUM_BYTES: Final = 4
"""Of a partial sum in the accumulator. Source: Gemmini's default `accType`, SInt(32.W)."""

DATA: Final = "seen in gemmini_rtl: nothing at 256 byte, all of it at 512 byte and beyond"

PUBLIC: Final = {
    "least_rows": Parameter("1", "pixels that a step of the array takes at least", 4, RTL),
    "bus_bytes": Parameter("byte", "that come from the shared cache in a cycle", 16, RTL),
    "line_bytes": Parameter("byte", "a request asks for at most, and a line of the cache holds", 64, RTL),
    "stride_bytes": Parameter("byte", "rows a multiple of this apart find their lines slower", 512, DATA),
    "own_tiler": Parameter(
        "1", "1: tiles as the library chooses them at run time, its search included; 0: the best", 0, RTL
    ),
}
"""Figures that anybody can look up, but for the stride."""


def _fitted() -> dict[str, Parameter]:
    calibration = gemmini_calibration()
    source = f"fitted on {calibration.fitted_on}"
    return {n: Parameter(s.unit, s.meaning, s.value, source) for n, s in calibration.scalars.items()}


PARAMETERS: Final[Mapping[str, Parameter]] = MappingProxyType({**PUBLIC, **_fitted()})
"""What `dataflow.parameters` may hold; fitted scalars are Gemmini's where a chip states none of its own."""


@dataclass(frozen=True)
class DecoupledMachine:
    """One chip.

    Attributes:
        core: what the cycles of a layer depend on.
        tiler: cycles for each candidate tile, where the library's own are used; None: the best are.
        clock: Hz.
        scratchpad, accumulator: byte.
    """

    core: Machine
    tiler: float | None
    clock: float
    scratchpad: float
    accumulator: float

    @classmethod
    def of(cls, chip: Accelerator) -> DecoupledMachine:
        """From a chip whose file states all that `gaps` asks for."""
        engine = chip.main_engine
        given = {k: v.value for k, v in engine.dataflow.parameters.items()} if engine.dataflow else {}
        value = {name: given.get(name, p.default or 0.0) for name, p in PARAMETERS.items()}
        clock = engine.clock.value if engine.clock else np.nan
        width = engine.array.dims[0] if engine.array else 1
        scratchpad, accumulator = (_bytes(m) for m in (_holding(chip, "input"), _holding(chip, "output")))
        cache, dram = _bytes(_cache(chip)), chip.dram
        line, miss = value["line_bytes"], value["miss_cycles"]
        if dram is not None and dram.bandwidth is not None:
            miss = max(miss, line * clock / dram.bandwidth.value)
        core = Machine(
            width,
            width,
            int(value["least_rows"]),
            int(value["bus_bytes"]),
            int(line),
            cache,
            int(value["stride_bytes"]),
            value["pair_cycles"],
            value["request_cycles"],
            miss,
            value["strided_miss_cycles"],
            value["interference"],
            value["same_line_store_cycles"],
        )
        tiler = value["tiler_cycles"] if value["own_tiler"] else None
        return cls(core, tiler, clock, scratchpad, accumulator)

    def room(self, layer: Layer) -> Room:
        """Half of each memory in rows as wide as the array; the other half belongs to the tile before."""
        row = self.core.rows * max(layer.input_bytes, layer.weight_bytes)
        sums = self.core.rows * SUM_BYTES
        return Room(int(self.scratchpad / 2 // row), int(self.accumulator / 2 // sums), self.core.rows)


def gaps(chip: Accelerator) -> tuple[str, ...]:
    """Paths of the fields that this organisation needs and the chip's file leaves open."""
    engine, found = chip.main_engine, []
    if engine.clock is None:
        found.append(f"engines.{engine.name}.clock")
    if engine.array is None or len(engine.array.dims) != 2 or len({*engine.array.dims}) != 1:
        found.append(f"engines.{engine.name}.array: as many rows as columns")
    for operand in ("input", "output"):
        memory = _holding(chip, operand)
        if memory is None:
            found.append(f"engines.{engine.name}.memory: one that holds {operand}s")
        elif memory.capacity is None:
            found.append(f"engines.{engine.name}.memory.{memory.name}.capacity")
    cache_memory = _cache(chip)
    if cache_memory is None or cache_memory.capacity is None:
        found.append("memory: a shared cache and its capacity")
    return tuple(found)


def _holding(chip: Accelerator, operand: str) -> Memory | None:
    """The engine's memory for an operand: one that names it before one that holds all."""
    memories = chip.main_engine.memory
    naming = [m for m in memories if m.holds is not None and operand in m.holds]
    return next(iter([*naming, *(m for m in memories if m.holds is None)]), None)


def _cache(chip: Accelerator) -> Memory | None:
    """The last shared memory that is on the chip."""
    return next((m for m in reversed(chip.memory) if not m.off_chip), None)


def _bytes(memory: Memory | None) -> float:
    return np.nan if memory is None or memory.capacity is None else memory.capacity.value
