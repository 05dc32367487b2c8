"""Public figures of NPUs over those of the class's typical chip, and what stands where nobody states one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.shipped import shipped_yaml
from hw_models.spec.quantities import CLASS_FIGURE
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Memory
    from hw_models.spec.quantities import Sourced

BUS_BITS: Final = 64.0
"""Width of memory that an NPU of a phone can use; a wider bus serves the CPUs and the GPU beside it."""
SPAN: Final = (0.1, 2.0)
"""Range of a figure over the class's typical one in which the class says something; beyond, its end holds."""


@dataclass(frozen=True)
class ClassFigures:
    """The class's typical chip.

    Attributes:
        int8: op/s; bandwidth: byte/s of 64 bits of its memory; technology: the same by kind of memory.
        ratio: peak by format over the 8-bit peak.
        source: where they are from.
    """

    int8: float
    bandwidth: float
    technology: Mapping[str, float]
    ratio: Mapping[str, float]
    source: str

    def int8_peak(self, chips: Chips) -> FloatArray:
        """(C,) op/s at 8 bits, from another format's peak where that is not stated; NaN: no peak at all."""
        peak: FloatArray = chips.mac_peak[:, Precision.INT8]
        for name, ratio in self.ratio.items():
            other = chips.mac_peak[:, Precision[name.upper()]] / ratio
            peak = np.where(np.isnan(peak), other, peak)
        return peak

    def int8_told(self, chips: Chips) -> FloatArray:
        """(C,) op/s at 8 bits; the typical peak where the chip tells none at any format."""
        stands_in = np.array([_all_stand_in(c.main_engine.peak) for c in chips.accelerators], np.bool_)
        peak = np.where(stands_in, self.int8, self.int8_peak(chips))
        return np.where(np.isnan(peak), self.int8, peak)

    def relative_peak(self, chips: Chips) -> FloatArray:
        """(C,) 8-bit peak over the typical one."""
        return np.clip(self.int8_told(chips) / self.int8, *SPAN)

    def relative_bandwidth(self, chips: Chips) -> FloatArray:
        """(C,) bandwidth of 64 bits of the outer memory over the typical one; if not told, by its kind."""
        pairs = zip(chips.accelerators, chips.dram_bandwidth, strict=True)
        told = np.array([self._bandwidth(chip.dram, float(b)) for chip, b in pairs])
        return np.clip(told / self.bandwidth, *SPAN)

    def _bandwidth(self, dram: Memory | None, bandwidth: float) -> float:
        if dram is None or np.isnan(bandwidth) or dram.bandwidth is None:
            return self.bandwidth
        if dram.bandwidth.source == CLASS_FIGURE:
            return self.technology.get(dram.technology or "", self.bandwidth)
        bits = dram.bus_bits.value if dram.bus_bits else BUS_BITS
        return bandwidth * min(1.0, BUS_BITS / bits)


def _all_stand_in(peak: Mapping[str, Sourced]) -> bool:
    return all(figure.source == CLASS_FIGURE for figure in peak.values())


@cache
def class_figures() -> ClassFigures:
    """The figures that ship (`npu.yaml`, `typical`)."""
    return ClassFigures(**shipped_yaml("hw_models.cost.laws", "npu.yaml")["typical"])
