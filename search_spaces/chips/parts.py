"""Parts of the chips of a family, as fields of an `Accelerator`: engines, buffers, external memories."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from search_spaces.knobs import Choice

FAMILY: Final = "derived"
"""Sources of a chip's figures: its knobs, and the priors of silicon."""

KIB: Final = 1024.0
GIB: Final = 2.0**30
MHZ: Final = 1e6

BANK_KIB: Final = 16
BANK_WIDTH: Final = 16.0
"""Of one SRAM bank: its size, and the bytes that its one port moves in a cycle. A common choice, ours."""

SUM_BYTES: Final = 4.0
"""Of a partial sum: 32 bit. Source: Jouppi et al., ISCA 2017."""

BURST_LENGTH: Final = 16
"""Transfers of one access. Source: JESD209-4 and JESD209-5."""

DRAMS: Final[Mapping[str, tuple[str, int, float]]] = {
    "lpddr4_32": ("LPDDR4", 32, 4.266e9),
    "lpddr5_32": ("LPDDR5", 32, 6.4e9),
    "lpddr4_64": ("LPDDR4", 64, 4.266e9),
    "lpddr5_64": ("LPDDR5", 64, 6.4e9),
    "lpddr5_128": ("LPDDR5", 128, 6.4e9),
}
"""Name -> technology, bits of the bus, transfers/s of a pin, from slow to fast. Source: JESD209-4, -5."""

FORMATS: Final[Mapping[str, Mapping[str, float]]] = {
    "int8": {"int8": 1.0},
    "int8_int4": {"int8": 1.0, "int4": 2.0},
    "int8_fp16": {"int8": 1.0, "fp16": 1.0},
}
"""Number formats of the MAC units: name -> MACs of one unit in a cycle, by precision."""

DRAM_KNOB: Final = Choice(tuple(DRAMS), ordered=True)
CLOCK_KNOB: Final = Choice((400, 600, 800, 1000, 1200), ordered=True)
FORMATS_KNOB: Final = Choice(tuple(FORMATS))
DATAFLOW_KNOB: Final = Choice(("weight_stationary", "output_stationary", "input_stationary"))
SRAM_KNOB: Final = Choice((256, 512, 1024, 2048, 4096, 8192, 16384), ordered=True)
"""Knobs that the families share: MHz, KiB."""


@dataclass(frozen=True, slots=True)
class Array:
    """MAC arrays of one engine.

    Attributes:
        rows, cols: of one array; count: how many.
        clock: Hz.
        formats: key of `FORMATS`.
    """

    rows: int
    cols: int
    count: int
    clock: float
    formats: str

    @property
    def units(self) -> int:
        """MAC units of all arrays."""
        return self.rows * self.cols * self.count

    @property
    def edge(self) -> float:
        """Bytes a cycle at the edges of all arrays: a row takes an input, a column a weight and gives one."""
        widest = 2.0 if "fp16" in FORMATS[self.formats] else 1.0
        return widest * self.count * (self.rows + 2 * self.cols)

    @property
    def lane_edge(self) -> float:
        """Bytes a cycle between private memories and shared one: one operand of two bytes a lane."""
        return 2.0 * self.units

    @property
    def rates(self) -> dict[str, Any]:
        """Clock, MACs a cycle and peaks of an `Engine`."""
        each = {p: n * self.units for p, n in FORMATS[self.formats].items()}
        said = f"x {self.units} units x {self.clock / 1e9:g} GHz"
        return {
            "clock": figure(self.clock),
            "macs": {p: figure(n) for p, n in each.items()},
            "peak": {
                p: figure(2 * n * self.clock, note=f"2 x {FORMATS[self.formats][p]:g} {said}")
                for p, n in each.items()
            },
        }


def figure(value: float, *, note: str | None = None) -> dict[str, Any]:
    """A number that follows from the knobs."""
    return {"value": value, "source": FAMILY, "note": note}


def dram(name: str, gib: float) -> dict[str, Any]:
    """An external memory of `DRAMS`: bus, rate, the bandwidth and the burst that follow."""
    technology, bits, rate = DRAMS[name]
    return {
        "name": "dram",
        "technology": technology,
        "capacity": figure(gib * GIB),
        "bus_bits": figure(bits),
        "rate": figure(rate),
        "bandwidth": figure(bits / 8 * rate, note="bus x rate"),
        "burst": figure(bits / 8 * BURST_LENGTH, note=f"bus x {BURST_LENGTH} transfers"),
    }


def sram(kib: float, clock: float, edge: float, outer: str) -> dict[str, Any]:
    """A memory of banks with one port each: its bandwidth is banks that can work at once x width x clock.

    At once work no more banks than there are, and no more than serve the engines and the DMA.

    Args:
        kib: its size.
        clock: Hz.
        edge: bytes that the engines take and give in a cycle.
        outer: key of `DRAMS`, which the DMA keeps up with.
    """
    _, bits, rate = DRAMS[outer]
    wanted = math.ceil(edge / BANK_WIDTH) + math.ceil(bits / 8 * rate / clock / BANK_WIDTH)
    banks = max(kib / BANK_KIB, 1.0)
    busy = min(banks, wanted)
    return {
        "name": "sram",
        "capacity": figure(kib * KIB),
        "instances": figure(banks, note=f"banks of {BANK_KIB} KiB"),
        "bandwidth": figure(busy * BANK_WIDTH * clock, note=f"{busy:g} banks x {BANK_WIDTH:g} byte x clock"),
        "double_buffered": True,
    }


def systolic_engine(array: Array, dataflow: str, sums_kib: float) -> dict[str, Any]:
    """A systolic NPU: its arrays, accumulators below them, and a vector lane for each column.

    The accumulators read and write one partial sum a column and cycle; operands come from the memory outside.

    Args:
        array: the MAC arrays.
        dataflow: kind of organisation.
        sums_kib: accumulators of one array.
    """
    lanes = array.cols * array.count
    rate = figure(lanes * SUM_BYTES * array.clock, note="columns x 4 byte x clock")
    accumulators = {
        "name": "accumulators",
        "kind": "sram",
        "capacity": figure(sums_kib * KIB * array.count),
        "instances": figure(array.count),
        "read_bandwidth": rate,
        "write_bandwidth": rate,
        "holds": ["output"],
        "double_buffered": True,
    }
    return {
        "name": "npu",
        **array.rates,
        "units": figure(array.count),
        "vector_peak": {"fp16": figure(2 * lanes * array.clock, note="a lane for each column")},
        "array": {"dims": [array.rows, array.cols], "count": array.count, "source": FAMILY},
        "accumulator_bits": figure(8 * SUM_BYTES),
        "memory": [accumulators],
        "dataflow": {"kind": dataflow, "source": FAMILY},
    }


def vector_engine(name: str, array: Array, l1_kib: float) -> dict[str, Any]:
    """A vector processor: independent lanes and a private memory for each core, as wide as its lanes.

    Every lane takes two operands of two bytes and gives one in a cycle.

    Args:
        name: of the engine.
        array: one row of lanes for each core.
        l1_kib: private memory of one core.
    """
    results = array.units * 2 * array.clock
    l1 = {
        "name": "l1",
        "kind": "sram",
        "capacity": figure(l1_kib * KIB * array.count),
        "instances": figure(array.count),
        "read_bandwidth": figure(2 * results, note="lanes x 2 operands x 2 byte x clock"),
        "write_bandwidth": figure(results, note="lanes x 2 byte x clock"),
        "double_buffered": True,
    }
    rates = array.rates
    return {
        "name": name,
        "kind": "dsp",
        **rates,
        "units": figure(array.count),
        "vector_peak": rates["peak"],
        "array": {"dims": [array.cols], "count": array.count, "source": FAMILY},
        "accumulator_bits": figure(8 * SUM_BYTES),
        "memory": [l1],
        "dataflow": {"kind": "vector", "source": FAMILY},
    }
