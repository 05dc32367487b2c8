"""The public figures of one GPU that decide how fast a library's kernel runs on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.spec.quantities import CLASS_FIGURE
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.chips import Chips

    BoolArray = NDArray[np.bool_]

VECTOR, MATRIX, INTEGER = "vector", "matrix", "integer"

MATRIX_OVER_VECTOR: Final = 1.5
"""A peak that much above that of the FP32 lanes is one of matrix units."""

DOT_PRODUCTS: Final = 4.0
"""INT8 multiply-accumulates of one FP32 lane and clock. Source: NVIDIA, CUDA C++ Programming Guide, `__dp4a`;
integer products of plainly stored matrices ran on it (deepbench_gemm: T4 24 TOPS of 130 on matrix units)."""

GENERATIONS: Final = ((14.5, "maxwell"), (10.5, "volta"), (0.0, "ampere"))
"""Least process node in nm -> the generation that NVIDIA's kernels were cut for. Source: their names in
neusight_gemm (`maxwell_sgemm_128x64_nn` on Pascal, `volta_` on Turing, `ampere_`)."""

BEFORE_MATRIX_UNITS: Final = "maxwell"
"""The generation without matrix units."""

AMD: Final = "rocm"

WIDE_LANES: Final = 96.0
"""Between the 64 and the 128 FP32 lanes that multiprocessors have."""


@dataclass(frozen=True)
class Gpu:
    """One GPU; what is unknown takes the value that limits nothing.

    Attributes:
        units: multiprocessors; clock: Hz; lanes: op/s of all FP32 lanes.
        bandwidth: bytes/s of the outer memory; cache: bytes of the last shared level.
        tdp: W; node: nm.
        library: a generation of `GENERATIONS`, or `AMD`.
        memory: "hbm" or "gddr", what its sustained bandwidth goes by.
        peaks: (Precision,) dense op/s of its MAC units; integers: of INT8 dot products on its lanes.
    """

    units: float
    clock: float
    lanes: float
    bandwidth: float
    cache: float
    tdp: float
    node: float
    library: str
    memory: str
    peaks: FloatArray
    integers: float

    @classmethod
    def of(cls, chips: Chips, i: int) -> Gpu:
        """The chip at position `i`."""
        chip, node = chips.accelerators[i], float(chips.process_nm[i])
        nvidia = next((name for least, name in GENERATIONS if node >= least), GENERATIONS[-1][1])
        stacked = "HBM" in str(chip.dram.technology if chip.dram else None)
        cache = float(chips.sram_capacity[i])
        found = cls(
            units=_known(chips.units[i], 1.0),
            clock=_known(chips.clock[i], np.inf),
            lanes=float(chips.vector_peak[i, Precision.FP32]),
            bandwidth=float(chips.dram_bandwidth[i]),
            cache=_known(cache, 0.0),
            tdp=_known(chips.tdp[i], np.inf),
            node=_known(node, 0.0),
            library=AMD if (chip.vendor or "").upper() == "AMD" else nvidia,
            memory="hbm" if stacked and nvidia != BEFORE_MATRIX_UNITS else "gddr",
            peaks=chips.mac_peak[i],
            integers=float(chips.mac_peak[i, Precision.INT8]),
        )
        if found.library == BEFORE_MATRIX_UNITS and not found.wide:
            return found
        told = chip.main_engine.peak.get(Precision.INT8.label)
        limit = told.value if told is not None and told.source != CLASS_FIGURE else np.inf
        return replace(found, integers=min(DOT_PRODUCTS * found.lanes, limit))

    def rate(self, kernels: Kernels) -> FloatArray:
        """(U,) op/s of the units that a library takes for the kernel's products."""
        peak: FloatArray = self.peaks[kernels.math]
        return np.where(self._on_lanes(kernels), self.integers, peak)

    def on_matrix_units(self, kernels: Kernels) -> BoolArray:
        """(U,) whether those are matrix units; not where the lanes' own rate is unknown."""
        with np.errstate(invalid="ignore"):
            on: BoolArray = self.rate(kernels) > MATRIX_OVER_VECTOR * self.lanes
        return on & ~self._on_lanes(kernels)

    def _on_lanes(self, kernels: Kernels) -> BoolArray:
        """(U,) integer contractions that lanes run: products of plainly stored matrices, all on old chips."""
        old = np.full(len(kernels.cls), self.library == BEFORE_MATRIX_UNITS)
        found: BoolArray = (kernels.math == Precision.INT8) & ((kernels.kind == OpKind.GEMM) | old)
        return found

    @property
    def wide(self) -> bool:
        """Whether a multiprocessor has 128 lanes and not half of them; known figures alone say so."""
        return bool(self.lanes / (2.0 * self.units * self.clock) > WIDE_LANES)

    def cap(self, rate: FloatArray, matrix: BoolArray, energy: Mapping[str, float]) -> FloatArray:
        """(U,) sustained over rated clock, at most 1: board power over that of all units at work.

        Args:
            rate: (U,) op/s at the rated clock.
            matrix: (U,) whether of matrix units.
            energy: J of one multiply-accumulate of a unit, on lanes of one lane and clock, for each nm of the
                process node, the board's share included.
        """
        integer = ~matrix & (rate > MATRIX_OVER_VECTOR * self.lanes)
        each = np.select([matrix, integer], [energy[MATRIX], energy[INTEGER]], energy[VECTOR])
        full = np.where(matrix, rate, np.fmin(rate, self.lanes)) / 2.0 * each * self.node
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.tdp / full
        return np.where(ratio < 1.0, ratio, 1.0)


def warmed(seconds: FloatArray, cap: FloatArray, warm_s: float) -> FloatArray:
    """(U,) time of work of `seconds` at the rated clock, which falls to `cap` of it as the board heats.

    Short calls end before power is regulated. Source: rates of equal tiles in neusight_gemm, T4: 0.82 of the
    peak below 1 ms, 0.54 to 3 ms, 0.44 beyond 30 ms.
    """
    sustained: FloatArray = seconds / (cap + (1.0 - cap) / (1.0 + seconds / warm_s))
    return sustained


def _known(value: float, otherwise: float) -> float:
    return float(value) if np.isfinite(value) else otherwise
