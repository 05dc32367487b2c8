"""Class figures for what a row of devices.csv leaves open: bandwidth, peak, host link; each with a range.

A stand-in is what chips of the class have, no figure of this chip: every cost on one is a prior, and its
range is that of the class. It lies in the chip under the source `CLASS_FIGURE`, and the chip names it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hw_models.spec.quantities import CLASS_FIGURE, OpsPerSecond

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

Range = tuple[float, float, float]
"""Value, low, high."""

PIN_RATES: Final[Mapping[str, Range]] = {
    "DDR2": (800, 400, 1066),
    "DDR3": (1600, 800, 2133),
    "DDR4": (2666, 1600, 3200),
    "DDR5": (4800, 4000, 6400),
    "LPDDR2": (900, 800, 1066),
    "LPDDR3": (1600, 1333, 2133),
    "LPDDR4": (3200, 2133, 4266),
    "LPDDR4X": (4266, 3200, 4266),
    "LPDDR5": (6400, 5500, 6400),
    "LPDDR5X": (8533, 7500, 10667),
    "GDDR5": (8000, 6000, 9000),
    "GDDR5X": (10000, 9000, 12000),
    "GDDR6": (14000, 10000, 18000),
    "GDDR6X": (19500, 19000, 23000),
    "GDDR7": (28000, 24000, 32000),
    "HBM": (1000, 900, 1000),
    "HBM2": (1900, 1400, 2400),
    "HBM2E": (3200, 2800, 3600),
    "HBM3": (5200, 4800, 6400),
    "HBM3E": (8000, 6400, 9600),
}
"""1e6 transfers/s of a pin: usual, slowest, fastest.

Source: JEDEC speed bins (JESD79-2F to -5, JESD209-2F to -5C, JESD212, JESD232, JESD250, JESD235, JESD238);
the usual one is that of the parts on the boards in `devices.csv` where they name it.
"""

WIDTHS: Final[Mapping[str, Range]] = {
    "mobile npu": (64, 32, 64),
    "laptop npu": (128, 64, 128),
    "auto npu": (128, 32, 256),
    "npu": (32, 16, 64),
    "fpga npu": (64, 32, 256),
    "acap npu": (128, 64, 256),
    "cpu": (64, 32, 256),
    "cpu+gpu": (32, 16, 64),
    "gpu": (256, 128, 384),
}
"""Bits of the data bus, by `kind`: usual, least, most. Source: boards of the class in `devices.csv`."""
LPDDR_BOARD: Final[Range] = (32, 16, 64)
"""Bits of LPDDR on boards with a CPU or an FPGA: one or two packages of 16 or 32. Source: as above."""
HBM_WIDTH: Final[Range] = (2048, 1024, 5120)
"""Bits: two stacks of 1024. Source: JESD235; boards of devices.csv have one to five."""
CHANNEL_BITS: Final[Mapping[str, float]] = {"LPDDR": 16, "DDR": 64}
"""Bits of one channel as data sheets count them ("4ch DDR4"). Source: JESD209-4, JESD79-4."""

BANDWIDTHS: Final[Mapping[str, Range]] = {
    "mobile npu": (68e9, 34e9, 85e9),
    "laptop npu": (135e9, 68e9, 137e9),
    "auto npu": (67e9, 34e9, 205e9),
    "npu": (12.8e9, 6.4e9, 68e9),
    "fpga npu": (19.2e9, 8.5e9, 316e9),
    "acap npu": (102e9, 25e9, 102e9),
    "cpu": (25.6e9, 3.6e9, 94e9),
    "cpu+gpu": (10.6e9, 6.4e9, 34e9),
    "gpu": (484e9, 192e9, 2039e9),
}
"""byte/s by `kind`, where not even the technology is told: median, least, most of the rows of devices.csv."""

PEAKS: Final[Mapping[str, tuple[str, Range]]] = {
    "mobile npu": ("int8", (45e12, 12e12, 60e12)),
    "laptop npu": ("int8", (45e12, 10e12, 50e12)),
    "auto npu": ("int8", (27e12, 8e12, 120e12)),
    "npu": ("int8", (8e12, 1e12, 48e12)),
    "fpga npu": ("int8", (2.5e12, 0.46e12, 12e12)),
    "acap npu": ("int8", (45e12, 10e12, 90e12)),
    "cpu": ("fp32", (0.1e12, 0.03e12, 3e12)),
    "cpu+gpu": ("fp32", (0.07e12, 0.03e12, 0.3e12)),
    "gpu": ("fp32", (11.3e12, 5e12, 83e12)),
}
"""op/s by `kind`, where no peak is told: median, least, most of the rows of devices.csv."""

LANE_OPS: Final[Range] = (16, 4, 64)
"""FP32 op per core and clock of a CPU. Source: two 128-bit FMA pipes (Arm Optimization Guide, Cortex-A76);
half of one on a Cortex-A53, two of 512 bits on a server."""

PCIE: Final[Mapping[int, float]] = {1: 0.25e9, 2: 0.5e9, 3: 0.985e9, 4: 1.969e9, 5: 3.938e9}
"""byte/s of one lane and direction by generation. Source: PCI Express Base 5.0, rates and encodings."""
HOST_LINK: Final[Range] = (2 * 0.985e9, 0.5e9, 4 * 0.985e9)
"""byte/s of the link of a module without DRAM: PCIe 3.0 x2. Source: M.2 keys B+M (x2), M (x4), A+E (x1)."""

WIDER: Final[Mapping[tuple[str, str], Range]] = {
    ("npu", "fp16"): (0.5, 0.125, 0.5),
    ("npu", "int16"): (0.5, 0.25, 0.5),
    ("npu", "w8a16"): (0.5, 0.25, 0.5),
    ("gpu", "fp16"): (1.0, 1.0, 8.0),
    ("gpu", "int8"): (2.0, 1.0, 4.0),
    ("cpu", "fp16"): (1.0, 1.0, 2.0),
    ("cpu", "int8"): (2.0, 1.0, 4.0),
}
"""Peak at a format over the peak that is told, by kind of engine, where it was seen to run the format.

Source: RK3588 data sheet (1024 int8, 512 int16 or fp16 MACs a core and cycle); multipliers twice as wide.
A 128-bit FMLA does 4 products, SMULL 8 (Arm Architecture Reference Manual); VPMADDUBSW is alike.
"""
DOT_PRODUCT: Final = re.compile(
    r"VNNI|Cascade Lake|Ice Lake|Sapphire Rapids|Zen ?[45]\b|Neoverse|Apple M\d|Cortex-X\d|"
    r"(?:Cortex-)?\bA(?:55|65|75|76|77|78|5[12]0|7[12]\d)\b|Kryo [3-9]\d\d",
    re.IGNORECASE,
)
"""CPU cores whose instructions sum products of 8 bits, by the names that descriptions use.

Source: Arm Technical Reference Manuals (FEAT_DotProd); Intel and AMD instruction set manuals (AVX-VNNI).
"""
NARROW_LANES: Final[Mapping[bool, Range]] = {False: (16, 8, 64), True: (64, 32, 256)}
"""int8 op per core and clock of a CPU without and with dot products; SMULL does 8 products, two SDOT 32.

Source: Arm Cortex-A72 and Cortex-A76 Software Optimization Guides (128-bit forms a cycle); AVX2 does 32.
"""
TOLD: Final[Mapping[str, str]] = {"npu": "int8", "gpu": "fp32", "cpu": "fp32"}
"""Format of the peak that `WIDER` starts from."""

TECHNOLOGY: Final = re.compile(r"(?:(?:LP|G)?DDR\d|HBM)\d?[XE]?", re.IGNORECASE)
LANES: Final = re.compile(r"PCIe\s*(?:Gen)?\s*([1-5])(?:\.0)?\s*x\s*(\d+)", re.IGNORECASE)
BITS: Final = re.compile(r"(?:(\d+)\s*x\s*)?(\d+)-bit|(\d+)x(\d+)\b", re.IGNORECASE)
CHANNELS: Final = re.compile(r"(\d+)\s*ch", re.IGNORECASE)
RATE: Final = re.compile(r"-\s?(\d{3,5})\b(?!-?bit)")
CLOCK_BELOW: Final = 5400.0
"""An LPDDR5X "rate" up to this is the clock of its data strobe, half the transfers (parts start at 7500)."""


@dataclass(frozen=True)
class StandIn:
    """A figure of the class in SI, and why it is that one."""

    value: float
    low: float
    high: float
    why: str

    def figure(self) -> dict[str, Any]:
        """As a chip's description holds it."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "source": CLASS_FIGURE,
            "note": self.why,
        }

    @classmethod
    def of(cls, span: Range, why: str, scale: float = 1.0) -> StandIn:
        """From value, low, high."""
        value, low, high = (x * scale for x in span)
        return cls(value, low, high, why)


def bandwidth(kind: str, memory: str) -> StandIn:
    """byte/s of an external memory from what its description tells: technology, width, rate of a pin.

    Args:
        kind: of the device, a key of `WIDTHS`.
        memory: "LPDDR4X 64-bit", "8x16 LPDDR4X-4186", "4ch DDR4-2933", "HBM2", "".
    """
    found = TECHNOLOGY.search(memory)
    technology = found[0].upper() if found else ""
    while technology and technology not in PIN_RATES:
        technology = technology[:-1]
    if not found or not technology:
        return StandIn.of(BANDWIDTHS[kind], f"bandwidth usual of a {kind}: nothing is told of its memory")
    rate, said_rate = _pin_rate(technology, memory[found.end() :])
    width, said_width = _width(kind, technology, memory)
    value, low, high = (r * w * 1e6 / 8 for r, w in zip(rate, width, strict=True))
    return StandIn(value, low, high, f"{technology}, {said_width}, {said_rate}")


def _pin_rate(technology: str, after: str) -> tuple[Range, str]:
    told = RATE.search(after)
    if not told:
        return PIN_RATES[technology], f"usual {PIN_RATES[technology][0]:.0f} MT/s"
    rate = float(told[1])
    if technology == "LPDDR5X" and rate <= CLOCK_BELOW:
        rate *= 2
    return (rate, rate, rate), f"{rate:.0f} MT/s as told"


def _width(kind: str, technology: str, memory: str) -> tuple[Range, str]:
    bits = BITS.search(TECHNOLOGY.sub("", memory))  # the 4X of LPDDR4X is no "4 x"
    if bits:
        several, one, of_many, each = bits.groups()
        width = float(one) * float(several or 1) if one else float(of_many) * float(each)
        return (width, width, width), f"{width:.0f} bit as told"
    channels = CHANNELS.search(memory)
    family = "LPDDR" if technology.startswith("LPDDR") else "DDR"
    if channels and technology.startswith(family):
        width = float(channels[1]) * CHANNEL_BITS[family]
        return (width, width, width), f"{channels[1]} channels of {CHANNEL_BITS[family]:.0f} bit"
    span = LPDDR_BOARD if family == "LPDDR" and kind in {"cpu", "fpga npu"} else WIDTHS[kind]
    span = HBM_WIDTH if technology.startswith("HBM") else span
    return span, f"{span[0]:.0f} bit as usual of a {kind}"


def host_link(memory: str) -> StandIn:
    """byte/s between a chip without DRAM and its host, one direction.

    Args:
        memory: "none (PCIe Gen3 x4)", "none".
    """
    told = LANES.search(memory)
    if told:
        rate = PCIE[int(told[1])] * float(told[2])
        return StandIn(rate, rate, rate, f"PCIe {told[1]}.0 x{told[2]} as told")
    return StandIn.of(HOST_LINK, "host link of a module, PCIe 3.0 x2; the board and the slot decide")


def peak(kind: str, units: float | None, clock_hz: float | None) -> tuple[str, StandIn]:
    """Format and op/s of a device whose row tells no peak at all."""
    precision, span = PEAKS[kind]
    if kind.startswith("cpu") and units and clock_hz:
        why = f"{LANE_OPS[0]:.0f} FP32 op per core and clock, as usual of a {kind}"
        return precision, StandIn.of(LANE_OPS, why, units * clock_hz)
    return precision, StandIn.of(span, f"{precision} peak usual of a {kind}")


def running(chip: Accelerator, precision: str) -> Accelerator:
    """The chip with a peak at a format that it was seen to run and whose peak nobody tells.

    The same chip where the peak is known, or where nothing is known of the format.
    """
    engine = chip.main_engine
    known, wider = engine.peak.get(TOLD.get(engine.kind, "")), WIDER.get((engine.kind, precision))
    if (engine.kind, precision) == ("cpu", "int8") and engine.units and engine.clock:
        return _with_peak(chip, precision, narrow_peak(chip, engine.units.value * engine.clock.value))
    if precision in engine.peak or known is None or wider is None:
        return chip
    why = (
        f"{precision} at {wider[0]:g} of the {TOLD[engine.kind]} peak: {wider[1]:g} to {wider[2]:g} is usual"
    )
    low, high = known.range
    stand_in = StandIn(known.value * wider[0], low * wider[1], high * wider[2], why)
    return _with_peak(chip, precision, stand_in)


def narrow_peak(chip: Accelerator, cycles: float) -> StandIn:
    """int8 op/s of a CPU from its core cycles a second and whether its cores sum products of 8 bits."""
    has = bool(DOT_PRODUCT.search(chip.title or ""))
    why = f"int8 at {NARROW_LANES[has][0]:g} op per core and clock, as usual {'with' if has else 'without'}"
    return StandIn.of(NARROW_LANES[has], f"{why} dot products", cycles)


def _with_peak(chip: Accelerator, precision: str, stand_in: StandIn) -> Accelerator:
    engine = chip.main_engine
    peak = {**engine.peak, precision: OpsPerSecond.model_validate(stand_in.figure())}
    engines = (engine.model_copy(update={"peak": peak}), *chip.engines[1:])
    sources = {**chip.sources, CLASS_FIGURE: SOURCE}
    left_out = (*chip.left_out, named([stand_in]))
    return chip.model_copy(update={"engines": engines, "sources": sources, "left_out": left_out})


def named(stand_ins: Sequence[StandIn]) -> str:
    """What a chip's description says of the figures that are not its own."""
    return f"class figures stand in: {'; '.join(s.why for s in stand_ins)}"


SOURCE: Final = "no figure of this chip: what chips of its class have (hw_models.measured.stand_ins)"
"""What a chip's `sources` say of `CLASS_FIGURE`."""
