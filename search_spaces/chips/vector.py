"""A family of vector processors: lanes, cores, private and shared SRAM, DRAM, clock, formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from search_spaces.chips.family import ChipFamily, shrunk
from search_spaces.chips.parts import (
    CLOCK_KNOB,
    DRAM_KNOB,
    FORMATS_KNOB,
    MHZ,
    SRAM_KNOB,
    Array,
    sram,
    vector_engine,
)
from search_spaces.knobs import Choice, Knob

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate

L1_KIB: Final = Choice((16, 32, 64, 128), ordered=True)

_KNOBS: Final[Mapping[str, Knob]] = {
    "lanes": Choice((64, 128, 256, 512), ordered=True),
    "cores": Choice((1, 2, 4, 8), ordered=True),
    "l1_kib": L1_KIB,
    "sram_kib": SRAM_KNOB,
    "dram": DRAM_KNOB,
    "clock_mhz": CLOCK_KNOB,
    "formats": FORMATS_KNOB,
}


@dataclass(frozen=True)
class Vector(ChipFamily):
    """Cores of independent lanes, each with a private memory, that share one SRAM.

    `l1_kib` is of one core. Where those of all cores are larger than the SRAM, it becomes the largest that
    is not.
    """

    name: str = "vector"

    linked: ClassVar[tuple[str, ...]] = ("cores", "l1_kib", "sram_kib")

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return _KNOBS

    @override
    def fitted(self, here: Candidate) -> Candidate:
        return shrunk(here, "l1_kib", L1_KIB)

    @override
    def titled(self, here: Candidate) -> str:
        lanes = f"{here['cores']} x {here['lanes']} lanes, L1 {here['l1_kib']} KiB each"
        return f"{lanes}, {here['sram_kib']} KiB, {here['dram']}, {here['clock_mhz']} MHz, {here['formats']}"

    @override
    def described(self, here: Candidate) -> Mapping[str, Any]:
        clock = float(here["clock_mhz"]) * MHZ
        array = Array(1, int(here["lanes"]), int(here["cores"]), clock, str(here["formats"]))
        engine = vector_engine("vector", array, float(here["l1_kib"]))
        return {
            "engines": [engine],
            "memory": [sram(float(here["sram_kib"]), clock, array.lane_edge, str(here["dram"]))],
        }
