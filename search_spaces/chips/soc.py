"""A family of small systems: a systolic NPU and a vector DSP that share SRAM and DRAM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from search_spaces.chips.family import ChipFamily
from search_spaces.chips.parts import (
    CLOCK_KNOB,
    DATAFLOW_KNOB,
    DRAM_KNOB,
    MHZ,
    SRAM_KNOB,
    Array,
    sram,
    systolic_engine,
    vector_engine,
)
from search_spaces.knobs import Choice, Knob

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate

SUMS_KIB: Final = 32.0
L1_KIB: Final = 64.0
"""Accumulators of the NPU and private memory of the DSP."""

OPERATORS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "cnn": ("conv", "gemm", "elementwise", "pool", "reduce", "resize"),
    "all": None,
}
"""What the NPU runs by itself: what convolutional networks are made of, or everything."""

_KNOBS: Final[Mapping[str, Knob]] = {
    "npu_side": Choice((16, 32, 64, 128), ordered=True),
    "npu_dataflow": DATAFLOW_KNOB,
    "npu_operators": Choice(tuple(OPERATORS)),
    "dsp_lanes": Choice((16, 32, 64, 128), ordered=True),
    "sram_kib": SRAM_KNOB,
    "dram": DRAM_KNOB,
    "clock_mhz": CLOCK_KNOB,
}


@dataclass(frozen=True)
class Soc(ChipFamily):
    """An int8 NPU of one square array, and a DSP (int8, fp16) that takes what the NPU cannot run."""

    name: str = "soc"

    linked: ClassVar[tuple[str, ...]] = ()

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return _KNOBS

    @override
    def titled(self, here: Candidate) -> str:
        npu = f"NPU {here['npu_side']} x {here['npu_side']} ({here['npu_operators']})"
        return f"{npu}, DSP {here['dsp_lanes']} lanes, {here['sram_kib']} KiB, {here['dram']}"

    @override
    def described(self, here: Candidate) -> Mapping[str, Any]:
        clock, side = float(here["clock_mhz"]) * MHZ, int(here["npu_side"])
        operators = OPERATORS[str(here["npu_operators"])]
        array, lanes = (
            Array(side, side, 1, clock, "int8"),
            Array(1, int(here["dsp_lanes"]), 1, clock, "int8_fp16"),
        )
        npu = systolic_engine(array, str(here["npu_dataflow"]), SUMS_KIB)
        dsp = vector_engine("dsp", lanes, L1_KIB)
        edge = array.edge + lanes.lane_edge
        return {
            "engines": [{**npu, "operators": operators, "fallback": "dsp"}, dsp],
            "memory": [sram(float(here["sram_kib"]), clock, edge, str(here["dram"]))],
        }
