"""Row-stationary arrays of PEs with scratchpads: time, traffic and energy of a layer under its one mapping.

Passes take as long as their MACs or their partial sums; DRAM brings the filters of the next pass meanwhile,
but inputs and outputs cross while the array waits: once over the link, compressed, and once through the port
of the global buffer, as they are.

Source: Chen et al., JSSC 52(1), 2017; `row_mapping` for mappings and traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled.organisation import BESIDE, Parameter, TiledTerms
from hw_models.cost.tiled.problem import FX, FY, OX, OY, C, G, K, N
from hw_models.cost.tiled.row_mapping import (
    RowArray,
    RowLayer,
    RowMapping,
    RowTraffic,
    best_mapping,
    cycles,
    foldable,
    least_buffer,
    run_length_share,
    traffic,
)

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Memory

_PAPER: Final = "Chen et al., JSSC 52(1), 2017"

PARAMETERS: Final[Mapping[str, Parameter]] = {
    "port_words": Parameter(
        "1", "words read, and as many written, a cycle by the global buffer", 4.0, _PAPER
    ),
    "buffer_bytes": Parameter("byte", "of the global buffer that inputs and partial sums can have"),
    "filter_bytes": Parameter("byte", "of the buffer in which the filters of the next pass wait"),
    "row_limit": Parameter("1", "outputs of one row that a pass can take", 128.0, "inferred from VGG-16"),
    "link_bandwidth": Parameter("byte/s", "at which inputs and outputs cross while the array waits"),
    "mapping_zeros": Parameter("1", "share of zeros that the choice of a mapping counts on", 0.0, "dense"),
    "word_bytes": Parameter("byte", "of a word in every memory", 2.0, _PAPER),
}
"""What `dataflow.parameters` may hold."""

SPAD_READS: Final = 3.0
SPAD_WRITES: Final = 1.0
"""Scratchpad accesses of a MAC: input, weight and partial sum, and the sum back. Source: ISCA 2016."""

IMAGE_CHANNELS: Final = 4
"""Up to so many channels an input is an image, which has no zeros to speak of."""

OPERANDS: Final = ("input", "weight", "output")


@dataclass(frozen=True, slots=True)
class RowMachine:
    """One chip of this organisation.

    Attributes:
        array: PEs and memories; clock: Hz; port: words a cycle, see `PARAMETERS`.
        link: byte/s of inputs and outputs; mapping_zeros: what the choice of mappings counts on.
        scratchpad: bytes of a PE's smallest scratchpad; peak: op/s of the fastest format, which may lie below
            what the array would reach at its clock.
    """

    array: RowArray
    clock: float
    port: float
    link: float
    mapping_zeros: float
    scratchpad: float
    peak: float

    @classmethod
    def of(cls, chip: Accelerator) -> RowMachine:
        """The machine a chip's main engine is; `RowStationary.missing` must be empty."""
        engine = chip.main_engine
        if not (engine.array and engine.clock and engine.dataflow):
            raise ValueError(chip.label)
        defaults = {name: p.default for name, p in PARAMETERS.items() if p.default is not None}
        given = defaults | {name: x.value for name, x in engine.dataflow.parameters.items()}
        word = given["word_bytes"]
        pes = float(np.prod(engine.array.dims))
        capacities = [_scratchpad(chip, operand).capacity for operand in OPERANDS]
        of_pe = [(capacity.value if capacity else 0.0) / pes for capacity in capacities]
        words = [int(size / word) for size in of_pe]
        array = RowArray(
            rows=engine.array.dims[0],
            cols=engine.array.dims[-1],
            inputs=words[0],
            weights=words[1],
            sums=words[2],
            buffer=given["buffer_bytes"],
            filters=given["filter_bytes"],
            row_limit=max(1, int(given["row_limit"])),
            word=word,
        )
        return cls(
            array,
            engine.clock.value,
            given["port_words"],
            given["link_bandwidth"],
            given["mapping_zeros"],
            scratchpad=min(of_pe),
            peak=max((figure.value for figure in engine.peak.values()), default=np.inf),
        )


@dataclass(frozen=True, slots=True)
class RowCost:
    """What a layer costs under its mapping.

    Attributes:
        mapping, moved: how it is laid out, and the words that move for it.
        processing_s: while passes run; exposed_s: while the array waits for inputs and outputs.
        dram_read, dram_write: bytes, compressed where that makes them fewer.
    """

    mapping: RowMapping
    moved: RowTraffic
    processing_s: float
    exposed_s: float
    dram_read: float
    dram_write: float

    @property
    def total_s(self) -> float:
        """All of its time."""
        return self.processing_s + self.exposed_s


def row_cost(
    layer: RowLayer, machine: RowMachine, *, zeros_in: float | None = None, zeros_out: float = 0.0
) -> RowCost | None:
    """Cost of a layer; None where nothing fits.

    Args:
        layer: any.
        machine: what it runs on.
        zeros_in: share of the inputs that is zero; None: unknown, so that the mapping is chosen for the
            usual share but nothing that moves is taken to shrink.
        zeros_out: of the outputs, as they are written.
    """
    array, word = machine.array, machine.array.word
    if min(array.inputs, array.weights, array.sums) < 1:
        return None
    folded = foldable(layer, array)
    planned = machine.mapping_zeros if zeros_in is None else min(machine.mapping_zeros, zeros_in)
    mapping = best_mapping(folded, array, planned)
    if mapping is None:
        return None
    moved = traffic(folded, mapping)
    inputs = moved.inputs * run_length_share(zeros_in or 0.0) * word
    outputs = moved.outputs * run_length_share(zeros_out) * word
    through_port = (moved.inputs + moved.outputs) / machine.port / machine.clock
    return RowCost(
        mapping,
        moved,
        processing_s=cycles(folded, mapping, machine.port) / machine.clock,
        exposed_s=through_port + (inputs + outputs) / machine.link,
        dram_read=moved.weights * word + inputs,
        dram_write=outputs,
    )


class RowStationary:
    """Rows of filters stay in the PEs; rows of inputs pass diagonally, partial sums vertically."""

    kind: ClassVar[str] = "row_stationary"
    parameters: ClassVar[Mapping[str, Parameter]] = PARAMETERS

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """Paths of the fields without which nothing can be told: array, clock, a scratchpad per operand."""
        engine, outer = chip.main_engine, chip.dram
        at = f"engines.{engine.name}"
        gaps = {
            f"{at}.array": engine.array and len(engine.array.dims) == 2,
            f"{at}.clock": engine.clock,
            "memory.dram.bandwidth" if outer is None else f"memory.{outer.name}.bandwidth": (
                outer and outer.bandwidth
            ),
        }
        for operand in OPERANDS:
            held = [m for m in engine.memory if m.holds == (operand,) and m.capacity]
            gaps[f"{at}.memory (capacity of one that holds {operand} alone)"] = bool(held)
        return tuple(path for path, found in gaps.items() if not found)

    def terms(self, problems: Problems, chips: Sequence[Accelerator]) -> TiledTerms:
        """Seconds each resource needs alone and actions counted; activations are taken to be dense."""
        return self.terms_beside(problems, chips, np.zeros((len(problems), len(chips), len(BESIDE))))

    def terms_beside(
        self, problems: Problems, chips: Sequence[Accelerator], beside: FloatArray
    ) -> TiledTerms:
        """The same with (D, C, 4) bytes beside, see `hw_models.cost.tiled.organisation.WeighsBeside`.

        The published choice of mappings does not look at them; the time that nothing hides does.
        """
        d, c = len(problems), len(chips)
        seconds, actions = np.full((d, c, len(RESOURCES)), np.nan), np.full((d, c, len(ACTIONS)), np.nan)
        codes = np.full((d, c), Feasibility.OK, np.int8)
        demand, bound = np.full((d, c), np.nan), np.full((d, c), np.nan)
        mapping = np.full((d, c), None, object)
        for at, chip in enumerate(chips):
            if self.missing(chip):
                codes[:, at] = Feasibility.UNKNOWN
                continue
            machine = RowMachine.of(chip)
            for row, layer in enumerate(_layers(problems)):
                image = layer.g * layer.c <= IMAGE_CHANNELS
                cost = row_cost(layer, machine, zeros_in=0.0 if image else None)
                if cost is None:
                    codes[row, at], seconds[row, at] = Feasibility.CAPACITY, np.inf
                    demand[row, at], bound[row, at] = _lacking(layer, machine)
                    continue
                mapping[row, at] = str(cost.mapping)
                _count(actions[row, at], layer, cost, machine, beside[row, at])
                _time(seconds[row, at], actions[row, at], cost, machine, _outer(chip))
        return TiledTerms(seconds, actions, codes, demand, bound, np.full((d, c), np.nan), mapping)


def _scratchpad(chip: Accelerator, operand: str) -> Memory:
    return next(m for m in chip.main_engine.memory if m.holds == (operand,))


def _lacking(layer: RowLayer, machine: RowMachine) -> tuple[float, float]:
    """Bytes without which a layer cannot start, and those there are, of the memory that is too small."""
    array = machine.array
    if machine.scratchpad < array.word:
        return array.word, machine.scratchpad
    folded = foldable(layer, array)
    least = least_buffer(folded, array)
    if least > array.buffer:
        return least, array.buffer
    return folded.ky * folded.kx * array.word, array.filters


def _layers(problems: Problems) -> list[RowLayer]:
    dims, stored = problems.dims, problems.in_size.prod(axis=1)
    span = (dims[:, [FY, FX]] - 1) * problems.dilation + 1
    names = ("n", "g", "c", "k", "oy", "ox", "ky", "kx", "stride_y", "stride_x", "span_y", "span_x")
    figures = np.concatenate([dims[:, [N, G, C, K, OY, OX, FY, FX]], problems.stride, span], axis=1)
    return [
        RowLayer(stored=float(elements), **{name: int(x) for name, x in zip(names, row, strict=True)})
        for elements, row in zip(stored, figures, strict=True)
    ]


def _outer(chip: Accelerator) -> float:
    return chip.dram.bandwidth.value if chip.dram and chip.dram.bandwidth else np.nan


def _time(seconds: FloatArray, actions: FloatArray, cost: RowCost, machine: RowMachine, outer: float) -> None:
    """(R,) seconds of one layer in place: never less than its passes and waits take together."""
    counted = dict(zip(ACTIONS, actions.tolist(), strict=True))
    word, dram_bytes = machine.array.word, counted["dram_read"] + counted["dram_write"]
    mac = max(counted["mac"] / cost.mapping.active / machine.clock, 2.0 * counted["mac"] / machine.peak)
    # inputs are written as they arrive, while the array waits
    port_words = (counted["sram_read"] + counted["sram_write"]) / word - cost.moved.inputs
    port = port_words / 2 / machine.port / machine.clock
    dram = dram_bytes / outer
    # what the external memory brings or takes passes the global buffer, which is not counted for filters
    through = dram_bytes / word / 2 / machine.port / machine.clock
    for name, value in {
        "mac": mac,
        "sram": port,
        "dram": dram,
        "exposed": max(0.0, cost.total_s - max(mac, port, dram, through)),
        "issue": 0.0,
    }.items():
        seconds[RESOURCES.index(name)] = value


def _count(
    actions: FloatArray, layer: RowLayer, cost: RowCost, machine: RowMachine, beside: FloatArray
) -> None:
    """(A,) actions of one layer in place, with the bytes beside it (4,)."""
    word, moved = machine.array.word, cost.moved
    # a psum is read and written; what is read beyond that are inputs
    sums = moved.outputs * -(-layer.c // (cost.mapping.q * cost.mapping.r))
    for name, value in {
        "mac": layer.macs,
        "dram_read": max(cost.dram_read + beside[0], 0.0),
        "dram_write": max(cost.dram_write + beside[1], 0.0),
        "sram_read": (moved.buffer - sums) * word + beside[2],
        "sram_write": (sums + moved.inputs) * word + beside[3],
        "local_read": SPAD_READS * layer.macs * word,
        "local_write": SPAD_WRITES * layer.macs * word,
        "noc": (moved.hops + moved.buffer) * word,
    }.items():
        actions[ACTIONS.index(name)] = value
