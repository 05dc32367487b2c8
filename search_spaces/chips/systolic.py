"""A family of systolic accelerators: arrays, dataflow, accumulators, SRAM, DRAM, clock, formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from search_spaces.chips.family import ChipFamily, shrunk
from search_spaces.chips.parts import (
    CLOCK_KNOB,
    DATAFLOW_KNOB,
    DRAM_KNOB,
    FORMATS_KNOB,
    MHZ,
    SRAM_KNOB,
    Array,
    sram,
    systolic_engine,
)
from search_spaces.knobs import Choice, Knob

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate

SIDES: Final = Choice((8, 16, 32, 64, 128), ordered=True)
SUMS_KIB: Final = Choice((8, 16, 32, 64, 128, 256), ordered=True)

_KNOBS: Final[Mapping[str, Knob]] = {
    "rows": SIDES,
    "cols": SIDES,
    "cores": Choice((1, 2, 4), ordered=True),
    "dataflow": DATAFLOW_KNOB,
    "accumulator_kib": SUMS_KIB,
    "sram_kib": SRAM_KNOB,
    "dram": DRAM_KNOB,
    "clock_mhz": CLOCK_KNOB,
    "formats": FORMATS_KNOB,
}


@dataclass(frozen=True)
class Systolic(ChipFamily):
    """Systolic arrays that share one SRAM; each has accumulators and a vector lane for every column.

    `accumulator_kib` is of one array. Where those of all arrays are larger than the SRAM, it becomes the
    largest that is not.
    """

    name: str = "systolic"

    linked: ClassVar[tuple[str, ...]] = ("cores", "accumulator_kib", "sram_kib")

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return _KNOBS

    @override
    def fitted(self, here: Candidate) -> Candidate:
        return shrunk(here, "accumulator_kib", SUMS_KIB)

    @override
    def titled(self, here: Candidate) -> str:
        array = (
            f"{here['cores']} x ({here['rows']} x {here['cols']}), {str(here['dataflow']).replace('_', ' ')}"
        )
        return f"{array}, {here['sram_kib']} KiB, {here['dram']}, {here['clock_mhz']} MHz, {here['formats']}"

    @override
    def described(self, here: Candidate) -> Mapping[str, Any]:
        clock = float(here["clock_mhz"]) * MHZ
        array = Array(int(here["rows"]), int(here["cols"]), int(here["cores"]), clock, str(here["formats"]))
        engine = systolic_engine(array, str(here["dataflow"]), float(here["accumulator_kib"]))
        return {
            "engines": [engine],
            "memory": [sram(float(here["sram_kib"]), clock, array.edge, str(here["dram"]))],
        }
