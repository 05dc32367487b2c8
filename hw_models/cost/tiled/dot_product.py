"""Adder trees over channels, fed by one convolution buffer: the organisation that NVDLA is an example of.

Each cycle takes `atomic_c` channels of one tap of one output position to `atomic_k` filters. Inputs and
weights share the buffer; what does not fit beside the other is read from outside again. Where a chip has it,
Winograd's F(2x2, 3x3) needs 2.25 times fewer MACs for 16 weights in place of 9.

Source: NVDLA hardware architecture and `perf/NVDLA_OpenSource_Performance.xlsx` (nvdla/doc @31f5740, nvdla/hw
@8e06b1b), whose rows `layer_counts` reproduces; Lavin and Gray, "Fast algorithms for convolutional neural
networks", CVPR 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled.organisation import Parameter, TiledTerms
from hw_models.cost.tiled.problem import FX, FY, OX, OY, C, G, K, N
from hw_models.workload.op import BITS, Precision

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator, Engine

WINOGRAD_GAIN: Final = 2.25
"""MACs of a direct 3x3 convolution over those of F(2x2, 3x3): 36 / 16 for four outputs. Source: CVPR 2016."""

WINOGRAD_TAPS: Final = 16
"""Weights of a 3x3 filter once they are transformed. Source: the same."""

ACCUMULATOR_BYTES: Final = 4.0
"""Of a partial sum where the chip does not say. Source: NVDLA CACC holds 32 bit and more."""

_SHEET: Final = "NVDLA performance sheet, nvdla/hw @8e06b1b"
_UNITS: Final = "NVDLA unit description, nvdla/doc @31f5740"

PARAMETERS: Final[Mapping[str, Parameter]] = {
    "channel_granule": Parameter("1", "channels are padded to a multiple of it", 16.0, _SHEET),
    "kernel_granule": Parameter("1", "filters are padded to a multiple of it", 16.0, _SHEET),
    "winograd": Parameter("1", "1: 3x3 convolutions of stride 1 run by Winograd's algorithm", 0.0, _UNITS),
    "stride_folded": Parameter("1", "1: a stride becomes channels, weights padded with it", 0.0, _SHEET),
    "operand_share": Parameter(
        "1", "share of the buffer that inputs, or weights, may fill; 0.5: two halves", 0.5, "half each"
    ),
    "weights_once": Parameter(
        "1", "1: weights pass once and inputs are read again; else whichever is less", 0.0, _SHEET
    ),
    "stripe": Parameter("1", "output positions for which weights stay in the MAC units", 16.0, _UNITS),
}
"""What `dataflow.parameters` may hold."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One chip of this organisation.

    Attributes:
        macs: bits of an operand -> MACs a cycle at the widest format that takes them.
        atomic_c, atomic_k: channels and filters of one cycle.
        clock: Hz; buffer: bytes of the convolution buffer; bandwidth: of the outer memory in byte/s.
        buffer_bandwidth: of the buffer in byte/s; NaN: unknown.
        accumulator: bytes of a partial sum.
        parameter: name -> figure, see `PARAMETERS`.
    """

    macs: Mapping[int, float]
    atomic_c: float
    atomic_k: float
    clock: float
    buffer: float
    bandwidth: float
    buffer_bandwidth: float
    accumulator: float
    parameter: Mapping[str, float]

    @classmethod
    def of(cls, chip: Accelerator) -> Machine:
        """The machine a chip's main engine is; `DotProduct.missing` must be empty."""
        engine = chip.main_engine
        flow, outer, clock = engine.dataflow, chip.dram, engine.clock
        buffer = engine.memory[-1]
        if not (flow and outer and outer.bandwidth and clock and buffer.capacity):
            raise ValueError(chip.label)
        macs = _macs_by_bits(engine)
        first = max(macs.values(), default=1.0)
        sides = engine.array.dims if engine.array else (math.sqrt(first), math.sqrt(first))
        given = {name: figure.value for name, figure in flow.parameters.items()}
        defaults = {name: p.default for name, p in PARAMETERS.items() if p.default is not None}
        width = engine.accumulator_bits
        return cls(
            macs=macs,
            atomic_c=float(sides[0]),
            atomic_k=float(sides[-1]),
            clock=clock.value,
            buffer=buffer.capacity.value,
            bandwidth=outer.bandwidth.value,
            buffer_bandwidth=buffer.bandwidth.value if buffer.bandwidth else math.nan,
            accumulator=width.value / 8 if width else ACCUMULATOR_BYTES,
            parameter={**defaults, **given},
        )

    def macs_at(self, bits: FloatArray) -> FloatArray:
        """(D,) MACs a cycle for operands of that many bits; NaN where no format is wide enough."""
        rates = np.full(len(bits), np.nan)
        for width in sorted(self.macs, reverse=True):
            rates[bits <= width] = self.macs[width]
        return rates


@dataclass(frozen=True, eq=False)
class Stored:
    """Bytes of operands as they lie in the outer memory: (D,) each, padding and transformed weights included.

    Attributes:
        inputs, weights: of one pass; outputs: written, and read for what is added to them.
    """

    inputs: FloatArray
    weights: FloatArray
    outputs: FloatArray


@dataclass(frozen=True, eq=False)
class LayerCounts:
    """What contractions ask of one machine.

    Attributes:
        mac_cycles: (D,) cycles of the MAC units, a fraction where the sheet leaves one; NaN: no such format.
        executed: (D,) MACs that really run: less by Winograd, without padding.
        stored: bytes of the operands.
        input_passes, weight_passes: (D,) how often they are read from outside.
    """

    mac_cycles: FloatArray
    executed: FloatArray
    stored: Stored
    input_passes: FloatArray
    weight_passes: FloatArray

    @property
    def read_bytes(self) -> FloatArray:
        """(D,) inputs and weights over all passes."""
        stored = self.stored
        read: FloatArray = self.input_passes * stored.inputs + self.weight_passes * stored.weights
        return read

    @property
    def outer_bytes(self) -> FloatArray:
        """(D,) traffic with the outer memory."""
        return self.read_bytes + self.stored.outputs


def layer_counts(problems: Problems, machine: Machine, stored: Stored | None = None) -> LayerCounts:
    """Cycles of the MAC units and traffic with the outer memory, exact.

    Args:
        problems: contractions; grouped ones run group by group.
        machine: what they run on.
        stored: operands as they lie outside, where that differs from padded channels and filters.
    """
    dims, par = problems.dims.astype(np.float64), machine.parameter
    fast = _winograd(problems, machine)
    fold = np.where(par["stride_folded"] > 0, problems.stride.astype(np.float64).prod(axis=1), 1.0)
    depth = _padded(dims[:, C] * fold, par["channel_granule"])
    width = _padded(dims[:, K], par["kernel_granule"])
    positions = dims[:, N] * dims[:, G] * dims[:, OY] * dims[:, OX]
    taps = dims[:, FY] * dims[:, FX] / np.where(fast, WINOGRAD_GAIN, 1.0)
    bits = np.maximum(problems.weight_bits, problems.input_bits)
    kept = _stored(problems, machine, depth, fold) if stored is None else stored
    inputs, weights = _passes(problems, machine, kept, depth)
    return LayerCounts(
        mac_cycles=depth * positions * width * taps / fold / machine.macs_at(bits),
        executed=problems.macs / np.where(fast, WINOGRAD_GAIN, 1.0),
        stored=kept,
        input_passes=inputs,
        weight_passes=weights,
    )


def port_cycles(traffic_bytes: FloatArray, bandwidth: float, clock: float) -> FloatArray:
    """(D,) whole cycles that traffic keeps a port busy; bandwidth in byte/s, clock in Hz."""
    # 255.84375 KiB at 10 GB/s are 25584.375 cycles; rounding keeps a whole number from becoming the next one
    cycles: FloatArray = np.ceil(np.round(traffic_bytes / bandwidth * clock, 6))
    return cycles


def _winograd(problems: Problems, machine: Machine) -> FloatArray:
    dims = problems.dims
    square = (dims[:, [FY, FX]] == 3).all(axis=1) & (dims[:, G] == 1)
    plain = (problems.stride == 1).all(axis=1) & (problems.dilation == 1).all(axis=1)
    chosen: FloatArray = square & plain & (machine.parameter["winograd"] > 0)
    return chosen


def _padded(extent: FloatArray, granule: float) -> FloatArray:
    return np.asarray(np.ceil(extent / granule) * granule)


def _stored(problems: Problems, machine: Machine, depth: FloatArray, fold: FloatArray) -> Stored:
    """Operands as laid out outside: weights padded in channels, and over a folded stride in taps."""
    dims, stride = problems.dims.astype(np.float64), problems.stride.astype(np.float64)
    steps = np.where((fold > 1)[:, None], stride, 1.0)
    taps = np.ceil(dims[:, [FY, FX]] / steps).prod(axis=1)
    taps = np.where(_winograd(problems, machine), WINOGRAD_TAPS, taps)
    weights = dims[:, G] * dims[:, K] * depth * taps * problems.weight_bits / 8
    inputs = problems.input_elements * problems.input_bits / 8
    outputs = problems.output_elements * problems.output_bits / 8
    # the second operand of a product of two activations lies as the network wrote it
    weights = np.where(
        problems.weight_is_activation, problems.weight_elements * problems.weight_bits / 8, weights
    )
    return Stored(inputs, weights, outputs)


def _passes(
    problems: Problems, machine: Machine, stored: Stored, depth: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """How often inputs and weights are read: one operand stays as far as its share of the buffer goes."""
    share, par = machine.parameter["operand_share"] * machine.buffer, machine.parameter
    dims, size = problems.dims.astype(np.float64), problems.in_size.astype(np.float64)
    rows = dims[:, C] * size[:, 1] * dims[:, FY] * problems.input_bits / 8
    set_of_filters = depth * par["kernel_granule"] * dims[:, FY] * dims[:, FX] * problems.weight_bits / 8

    def room(beside: FloatArray, whole: FloatArray) -> FloatArray:
        least = np.minimum(np.minimum(beside, whole), machine.buffer / 2)
        return np.minimum(share, machine.buffer - least)

    for_weights, for_inputs = room(rows, stored.inputs), room(set_of_filters, stored.weights)
    fits = (stored.inputs <= share) | (stored.weights <= for_weights)
    input_passes = np.where(fits, 1.0, np.ceil(stored.weights / for_weights))
    weight_passes = np.where(fits, 1.0, np.ceil(stored.inputs / for_inputs))
    again = stored.inputs * (input_passes - 1) <= stored.weights * (weight_passes - 1)
    again |= par["weights_once"] > 0
    return np.where(again, input_passes, 1.0), np.where(again, 1.0, weight_passes)


class DotProduct:
    """Adder trees over channels with a convolution buffer between them and the outer memory."""

    kind: ClassVar[str] = "dot_product"
    parameters: ClassVar[Mapping[str, Parameter]] = PARAMETERS

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """Paths of the fields without which nothing can be told: MACs, clock, buffer, outer bandwidth."""
        engine, outer = chip.main_engine, chip.dram
        at = f"engines.{engine.name}"
        gaps = {
            f"{at}.macs": _macs_by_bits(engine),
            f"{at}.clock": engine.clock,
            f"{at}.memory": engine.memory and engine.memory[-1].capacity,
            "memory.dram.bandwidth" if outer is None else f"memory.{outer.name}.bandwidth": (
                outer and outer.bandwidth
            ),
        }
        return tuple(path for path, found in gaps.items() if not found)

    def terms(self, problems: Problems, chips: Sequence[Accelerator]) -> TiledTerms:
        """Seconds each resource needs alone and actions counted, each problem on each chip.

        The time per kernel, first fill and last drain are not modelled, as in the vendor's sheet.
        """
        d, c = len(problems), len(chips)
        seconds = np.full((d, c, len(RESOURCES)), np.nan)
        actions = np.full((d, c, len(ACTIONS)), np.nan)
        codes = np.full((d, c), Feasibility.OK, np.int8)
        demand, bound = np.full((d, c), np.nan), np.full((d, c), np.nan)
        for at, chip in enumerate(chips):
            if self.missing(chip):
                codes[:, at] = Feasibility.UNKNOWN
                continue
            machine = Machine.of(chip)
            counts = layer_counts(problems, machine)
            _fill_actions(actions[:, at], counts, problems, machine)
            _fill_seconds(seconds[:, at], actions[:, at], counts, machine)
            least = _least_buffer(problems, machine)
            for bad, code in (
                (least > machine.buffer, Feasibility.CAPACITY),
                (np.isnan(counts.mac_cycles), Feasibility.PRECISION),
            ):
                codes[bad, at] = code
                seconds[bad, at] = np.inf
                actions[bad, at] = np.nan
            small = codes[:, at] == Feasibility.CAPACITY
            demand[small, at], bound[small, at] = least[small], machine.buffer
        return TiledTerms(seconds, actions, codes, demand, bound, np.zeros((d, c)))


def _fill_seconds(seconds: FloatArray, actions: FloatArray, counts: LayerCounts, machine: Machine) -> None:
    through = actions[:, [ACTIONS.index("sram_read"), ACTIONS.index("sram_write")]].sum(axis=1)
    seconds[:, RESOURCES.index("mac")] = counts.mac_cycles / machine.clock
    seconds[:, RESOURCES.index("dram")] = counts.outer_bytes / machine.bandwidth
    seconds[:, RESOURCES.index("sram")] = through / machine.buffer_bandwidth


def _fill_actions(actions: FloatArray, counts: LayerCounts, problems: Problems, machine: Machine) -> None:
    """Inputs leave the buffer once for all filters of a cycle, weights once a stripe; sums lie apart."""
    stripe = machine.parameter["stripe"]
    once = counts.executed * problems.input_bits / 8 / machine.atomic_k
    held = counts.executed * problems.weight_bits / 8 / stripe
    sums = counts.executed / machine.atomic_c * machine.accumulator
    found = {
        "mac": counts.executed,
        "dram_read": counts.read_bytes,
        "dram_write": counts.stored.outputs,
        "sram_read": once + held,
        "sram_write": counts.read_bytes,
        "local_read": sums,
        "local_write": sums,
    }
    for name, value in found.items():
        actions[:, ACTIONS.index(name)] = value


def _least_buffer(problems: Problems, machine: Machine) -> FloatArray:
    """(D,) bytes without which nothing can start: one window and one set of filters, a granule deep."""
    dims, par = problems.dims.astype(np.float64), machine.parameter
    taps = dims[:, FY] * dims[:, FX]
    deep = np.minimum(dims[:, C], par["channel_granule"])
    wide = np.minimum(dims[:, K], par["kernel_granule"])
    window, filters = taps * deep * problems.input_bits / 8, taps * deep * wide * problems.weight_bits / 8
    return np.asarray(window + filters)


def _macs_by_bits(engine: Engine) -> dict[int, float]:
    """Bits of an operand -> MACs a cycle, from the table of MACs, else from peak over clock."""
    rates = {name: figure.value for name, figure in engine.macs.items()}
    if engine.clock is not None:
        per_cycle = {name: figure.value / (2 * engine.clock.value) for name, figure in engine.peak.items()}
        rates = {**per_cycle, **rates}
    best: dict[int, float] = {}
    for name, rate in rates.items():
        bits = BITS[Precision[name.upper()]]
        best[bits] = max(rate, best.get(bits, 0.0))
    return best
