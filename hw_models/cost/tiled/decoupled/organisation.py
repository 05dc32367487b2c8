"""Organisation "decoupled_systolic": Gemmini and its like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled.decoupled.layer_cycles import Cycles, Layer, Tile
from hw_models.cost.tiled.decoupled.machine import PARAMETERS, SUM_BYTES, DecoupledMachine, gaps
from hw_models.cost.tiled.decoupled.mapping import TILE_ORDER, parse_mapping, printed_tile
from hw_models.cost.tiled.decoupled.search import best_tile, rows_held
from hw_models.cost.tiled.decoupled.sequence import layer_cycles
from hw_models.cost.tiled.decoupled.tiler import own_tile
from hw_models.cost.tiled.organisation import TiledTerms
from hw_models.cost.tiled.problem import FX, FY, OX, OY, C, G, K, N
from hw_models.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.tiled.organisation import Parameter
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator

MAC, DRAM, SRAM, EXPOSED = (RESOURCES.index(r) for r in ("mac", "dram", "sram", "exposed"))


@dataclass(frozen=True, slots=True)
class Choice:
    """A layer in tiles.

    Attributes:
        tile, cycles: see there.
        before: cycles of the library's search for it.
        gap: by how much another tile could be faster at most; NaN where none was searched.
    """

    tile: Tile
    cycles: Cycles
    before: float = 0.0
    gap: float = np.nan


class DecoupledSystolic:
    """Weights stay in a square array while pixels stream; loads, execution and stores run on their own.

    Groups and images run one after the other. Cycles that the public description leaves open are fitted on
    Gemmini's RTL, see `calibration`.
    """

    kind: ClassVar[str] = "decoupled_systolic"
    parameters: ClassVar[Mapping[str, Parameter]] = PARAMETERS

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """Paths of the fields that this organisation needs and the chip's file leaves open."""
        return gaps(chip)

    def terms(self, problems: Problems, chips: Sequence[Accelerator]) -> TiledTerms:
        """Seconds each resource needs alone and actions counted, each problem on each chip.

        Tiles are the fastest, or the library's own where the chip's `own_tiler` says so.
        """
        known: dict[tuple[Layer, DecoupledMachine], Choice | None] = {}

        def choose(_: int, layer: Layer, machine: DecoupledMachine) -> Choice | None:
            if (layer, machine) not in known:
                known[layer, machine] = _chosen(layer, machine)
            return known[layer, machine]

        return _terms(problems, chips, choose)

    def terms_given(
        self, problems: Problems, chips: Sequence[Accelerator], mappings: Sequence[Any]
    ) -> TiledTerms:
        """As `terms`, for a mapping given for each problem: as tables print it, or read by `parse_mapping`.

        Raises:
            InputError: a mapping that nobody can read or that does not cover its problem.
        """
        if len(mappings) != len(problems):
            text = f"{len(mappings)} mappings for {len(problems)} contractions; expected one each"
            raise InputError(text)
        tiles = []
        for d, text in enumerate(mappings):
            extents = dict(zip(TILE_ORDER, layer_of(problems, d)[:6], strict=True))
            tiles.append(Tile(*(printed_tile(text, extents) or parse_mapping(text, extents).tiles)))
        return _terms(problems, chips, lambda d, layer, machine: _given(tiles[d], layer, machine))


def layer_of(problems: Problems, d: int) -> Layer:
    """One group and one image of a contraction; operands of a product are stored group after group."""
    dims = [int(n) for n in problems.dims[d]]
    (stride_y, stride_x), (spread_y, spread_x) = problems.stride[d].tolist(), problems.dilation[d].tolist()
    stored = (problems.weight_bits[d], problems.input_bits[d], problems.output_bits[d])
    weight, inputs, output = (max(int(np.ceil(bits / 8.0)), 1) for bits in stored)
    loops = (dims[OX], dims[OY], dims[K], dims[C], dims[FX], dims[FY])
    product = dims[OY] == dims[FX] == dims[FY] == 1
    groups = 1 if product else dims[G]
    return Layer(*loops, stride_x, stride_y, spread_x, spread_y, weight, inputs, output, groups)


def _chosen(layer: Layer, machine: DecoupledMachine) -> Choice | None:
    if machine.tiler is None:
        best = best_tile(layer, machine.room(layer), machine.core)
        return None if best is None else Choice(best.tile, best.cycles, gap=best.gap)
    found = own_tile(layer, machine.room(layer))
    if found.looked_at == 0:
        return None
    cycles = layer_cycles(layer, found.tile, machine.core)
    return Choice(found.tile, cycles, before=machine.tiler * found.looked_at)


def _given(tile: Tile, layer: Layer, machine: DecoupledMachine) -> Choice | None:
    scratchpad, accumulator = _held(tile, layer, machine)
    room = machine.room(layer)
    if scratchpad > room.scratchpad or accumulator > room.accumulator:
        return None
    return Choice(tile, layer_cycles(layer, tile, machine.core))


def _held(tile: Tile, layer: Layer, machine: DecoupledMachine) -> tuple[int, int]:
    """Rows of scratchpad and accumulator that a tile takes."""
    scratchpad, accumulator = rows_held(layer, np.array([tile], np.int64), machine.core.rows)
    return int(scratchpad[0]), int(accumulator[0])


def _terms(
    problems: Problems,
    chips: Sequence[Accelerator],
    choose: Callable[[int, Layer, DecoupledMachine], Choice | None],
) -> TiledTerms:
    shape = (len(problems), len(chips))
    seconds = np.full((*shape, len(RESOURCES)), np.inf)
    actions = np.full((*shape, len(ACTIONS)), np.nan)
    code = np.full(shape, Feasibility.CAPACITY, np.int8)
    demand, bound, gap = (np.full(shape, np.nan) for _ in range(3))
    mapping = np.full(shape, None, object)
    for c, chip in enumerate(chips):
        machine = DecoupledMachine.of(chip)
        for d in range(len(problems)):
            layer = layer_of(problems, d)
            found = choose(d, layer, machine)
            if found is None:
                demand[d, c], bound[d, c] = _shortfall(layer, machine)
                continue
            code[d, c], gap[d, c], mapping[d, c] = Feasibility.OK, found.gap, _told(found)
            times = float(problems.dims[d, N] * problems.dims[d, G])
            seconds[d, c] = _seconds(found, times / machine.clock)
            actions[d, c] = _actions(found.cycles, layer, machine, times)
            actions[d, c, ACTIONS.index("mac")] = problems.macs[d]
    return TiledTerms(seconds, actions, code, demand, bound, gap, mapping)


def _seconds(found: Choice, scale: float) -> FloatArray:
    """(R,); loads and stores have ports of their own; what units do not hide of each other is exposed."""
    cycles = found.cycles
    out = np.full(len(RESOURCES), np.nan)
    busy = {MAC: cycles.execute, DRAM: cycles.misses, SRAM: max(cycles.hits, cycles.store)}
    for resource, value in busy.items():
        out[resource] = value
    out[EXPOSED] = max(cycles.total - max(busy.values()), 0.0) + found.before
    out[RESOURCES.index("issue")] = 0.0
    seconds: FloatArray = out * scale
    return seconds


def _actions(cycles: Cycles, layer: Layer, machine: DecoupledMachine, times: float) -> FloatArray:
    """(A,) bytes at each memory: external, shared cache, scratchpad and accumulator."""
    width, core = machine.core.rows, machine.core
    outputs = float(layer.columns * layer.rows * layer.filters * layer.output_bytes)
    beats = cycles.hits - cycles.requests * core.request
    fetched, missed = beats * core.bus, cycles.lines * core.line
    weights = cycles.blocks * width * width * layer.weight_bytes
    inputs, sums = cycles.steps * width * layer.input_bytes, cycles.steps * width * SUM_BYTES
    counts = {
        "dram_read": missed,
        "dram_write": outputs,
        "sram_read": fetched + outputs,
        "sram_write": missed + outputs,
        "local_read": weights + inputs + sums + outputs,
        "local_write": fetched + sums,
        "noc": np.nan,
    }
    out = np.full(len(ACTIONS), np.nan)
    for name, count in counts.items():
        out[ACTIONS.index(name)] = count * times
    return out


def _shortfall(layer: Layer, machine: DecoupledMachine) -> tuple[float, float]:
    """Bytes that the smallest tile takes of the memory that is too small for it, and what there is."""
    width = machine.core.rows
    scratchpad, accumulator = _held(Tile(1, 1, 1, 1, 1, 1), layer, machine)
    inner = 2.0 * scratchpad * width * max(layer.input_bytes, layer.weight_bytes)
    sums = 2.0 * accumulator * width * SUM_BYTES
    return (sums, machine.accumulator) if sums > machine.accumulator else (inner, machine.scratchpad)


def _told(found: Choice) -> str:
    t = found.tile
    return (
        f"tile {t.rows}x{t.columns}x{t.filters} (rows x columns x filters), "
        f"{t.channels} channels, {t.taps_y}x{t.taps_x} taps"
    )


__all__ = ["DecoupledSystolic", "layer_of"]
