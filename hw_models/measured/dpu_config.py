"""The DPU that a row of the Vitis AI zoo ran on: cores, lanes and clock from the words of its configuration.

A board is an FPGA with a host; what runs a network is the core that was loaded into it, and one board runs
several. Its configuration is public: "3 * B4096 @ 281MHz", "DPUCVDX8H-aieDWC running at 6PE@350", "10
DPUCAHX8H kernels running at 275Mhz in Gen3x4", "192 AIEs running at 1250 MHz".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw_models.spec.parts import Dims
from hw_models.spec.quantities import Count, Hertz, OpsPerSecond

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

Lanes = tuple[int, int, int]
"""Pixels, input channels and output channels that a core multiplies in one cycle."""

EDGE: Final[Mapping[int, Lanes]] = {
    512: (4, 8, 8),
    800: (4, 10, 10),
    1024: (8, 8, 8),
    1152: (4, 12, 12),
    1600: (8, 10, 10),
    2304: (8, 12, 12),
    3136: (8, 14, 14),
    4096: (8, 16, 16),
}
"""DPUCZDX8G by its name: B and the operations of a core in one cycle. Source: AMD PG338, architectures."""

HBM: Final[Lanes] = (4, 16, 32)
"""DPUCAHX8H, one engine: 4096 operations a cycle. Source: AMD PG367; how they split is inferred."""

ENGINE_LANES: Final[Mapping[str, Lanes]] = {
    "DPUCAHX8H": HBM,
    "DPUCAHX8L": (8, 32, 32),
    "DPUCADF8H": (8, 32, 32),
    "DPUCADX8G": (8, 16, 96),
}
"""Cores of Alveo boards. Sources: AMD PG366, PG367, PG400; Xilinx WP504 (96 x 16 multipliers at twice the
clock, two 8-bit products each). How the lanes split is inferred; of DPUCADX8G their number is too."""

AI_ENGINE_MACS: Final = 128
"""8-bit MACs of an AI Engine in one cycle. Source: AMD AM009."""
AI_ENGINES_PER_INPUT: Final = 32
"""AI Engines that work on one input. Source: AMD PG389 (DPUCVDX8G C32B1 to C32B6), PG403 (DPUCVDX8H)."""
AI_ENGINE_LANES: Final[Lanes] = (4, 32, 32)
"""Of those together: 4096 MACs. The split is inferred."""
AI_ENGINE_CLOCK_HZ: Final = 1.333e9
"""Of the VC1902 on a VCK5000. Source: AMD UG1428; the clock in a DPUCVDX8H's configuration is that of the
logic."""

IN_STEP: Final = (HBM, AI_ENGINE_LANES)
"""Lanes of cores that all take an input at once. Source: AMD PG367, PG389, PG403: "batch" of the core."""

B_CORES: Final = re.compile(r"(\d+)\s*\*\s*B(\d+)\w?\s*@\s*(\d+(?:\.\d+)?)\s*MHz", re.IGNORECASE)
PROCESSING: Final = re.compile(r"(DPUCV\w+)(?:-\w+)?.*?(\d+)PE\s*@\s*(\d+(?:\.\d+)?)", re.IGNORECASE)
AI_ENGINES: Final = re.compile(r"(\d+)\s*AIEs?\b.*?(\d+(?:\.\d+)?)\s*MHz", re.IGNORECASE)
KERNELS: Final = re.compile(r"(\d+)\s*(DPUC\w+?)(?:-\w+)?\s+kernels?.*?(\d+(?:\.\d+)?)\s*MHz", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dpu:
    """What runs networks on a board.

    Attributes:
        cores: inputs that are worked on at once, one a core.
        lanes: of one core.
        clock_hz: of the multipliers.
        source: where the figures of such a core are from.
    """

    cores: int
    lanes: Lanes
    clock_hz: float
    source: str

    @property
    def inputs_of_a_step(self) -> int:
        """Inputs that one thread hands over together: all cores of some kinds work in step."""
        return self.cores if self.lanes in IN_STEP else 1

    @property
    def peak(self) -> float:
        """8-bit op/s of all cores."""
        return 2.0 * self.cores * math.prod(self.lanes) * self.clock_hz


def dpu_of(config: str, clock_hz: float | None = None) -> Dpu | None:
    """The DPU that a configuration describes; None where it says nothing of one that could run.

    Args:
        config: as the zoo writes it.
        clock_hz: at which it ran, where the row tells another clock than the configuration.
    """
    dpu = _described(config, clock_hz)
    return dpu if dpu is not None and dpu.peak > 0 else None


def _described(config: str, clock_hz: float | None) -> Dpu | None:
    """The words of a configuration as figures, whether or not they can be."""
    if found := B_CORES.search(config):
        operations = int(found[2])
        if operations in EDGE:
            return Dpu(int(found[1]), EDGE[operations], clock_hz or float(found[3]) * 1e6, "AMD PG338")
    if found := PROCESSING.search(config):
        return Dpu(int(found[2]), AI_ENGINE_LANES, AI_ENGINE_CLOCK_HZ, "AMD PG403, AM009")
    if found := AI_ENGINES.search(config):
        inputs = max(1, int(found[1]) // AI_ENGINES_PER_INPUT)
        return Dpu(inputs, AI_ENGINE_LANES, float(found[2]) * 1e6, "AMD PG389, AM009")
    found = KERNELS.search(config)
    if found and found[2].upper() in ENGINE_LANES:
        clock = clock_hz or float(found[3]) * 1e6
        return Dpu(int(found[1]), ENGINE_LANES[found[2].upper()], clock, "AMD PG366, PG367, PG400")
    return None


def with_dpu(chip: Accelerator, config: str, clock_hz: float | None = None) -> Accelerator:
    """A board with the DPU of a configuration in place of what its row says of its engine.

    The board as it is where the configuration says nothing.
    """
    dpu = dpu_of(config, clock_hz)
    if dpu is None:
        return chip
    said = f"configuration '{config}'; {dpu.source}"
    engine = chip.main_engine.model_copy(
        update={
            "peak": {"int8": OpsPerSecond(value=dpu.peak, low=None, high=None, source=SOURCE, note=None)},
            "units": Count(value=dpu.cores, low=None, high=None, source=SOURCE, note=None),
            "clock": Hertz(value=dpu.clock_hz, low=None, high=None, source=SOURCE, note=None),
            "array": Dims(dims=dpu.lanes, count=dpu.cores, source=SOURCE, note=None),
        }
    )
    sources = {**chip.sources, SOURCE: said}
    return chip.model_copy(update={"engines": (engine, *chip.engines[1:]), "sources": sources})


SOURCE: Final = "configuration"
"""Key of a configuration among a chip's sources."""
