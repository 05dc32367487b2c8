"""Terms of the roofline: the time each resource of a chip needs for a whole kernel, as if it were alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from hw_models.cost.arrays import (
    ACTIONS,
    RESOURCES,
    Feasibility,
    Fidelity,
    FloatArray,
    KernelClass,
    Kernels,
    Terms,
)
from hw_models.cost.chips import ENGINE_KINDS, OUTER_KINDS, Chips
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.spec.accelerator import Accelerator

GPU: Final = ENGINE_KINDS.index("gpu")
FLASH, HOST = OUTER_KINDS.index("flash"), OUTER_KINDS.index("host")
CACHE_SPAN: Final = 0.59
CACHE_SHARE: Final = 0.8
MAC, VECTOR, DRAM, SRAM, LOCAL, NOC, EXPOSED, ISSUE = range(len(RESOURCES))


def smooth_miss(reuse_bytes: FloatArray, capacity: FloatArray) -> FloatArray:
    """(U, C) share of a kernel's activation bytes that goes to DRAM; 1 where a figure is unknown.

    1 - 0.8 x^2 / (1 + x^2) with x = 0.59 capacity / reuse distance. Source: fitted on timm throughput of RTX
    3090 and 4090 (L2 of 6 and 72 MB); it drops no more than 80 % of the bytes.
    """
    square = np.square(CACHE_SPAN * capacity[None, :] / np.maximum(reuse_bytes, 1.0)[:, None])
    miss: FloatArray = 1.0 - CACHE_SHARE * square / (1.0 + square)
    return np.where(np.isnan(miss), 1.0, miss)


def least_miss(reuse_bytes: FloatArray, capacity: FloatArray) -> FloatArray:
    """(U, C) least such share of any policy: of `reuse_bytes` touched meanwhile at most `capacity` stay.

    Source: a memory that holds S of the D bytes between two uses saves at most S / D of them (Belady, IBM
        Syst. J. 1966).
    """
    ratio = np.nan_to_num(capacity, nan=np.inf)[None, :] / np.maximum(reuse_bytes, 1.0)[:, None]
    return np.where(np.isnan(ratio), 1.0, np.clip(1.0 - ratio, 0.0, 1.0))


def fewer_macs(kernels: Kernels, chips: Chips) -> FloatArray:
    """(U, C) by how much fewer MACs an algorithm in a chip's hardware takes than the definition: Winograd's.

    Source: Lavin and Gray, CVPR 2016: F(2x2, 3x3) takes 16 products for 36.
    """
    from hw_models.cost.tiled.dot_product import WINOGRAD_GAIN

    dims, steps = kernels.dims, kernels.geometry[:, :4]
    fit = (kernels.kind == OpKind.CONV) & (dims[:, 6] == 3) & (dims[:, 7] == 3) & (steps == 1).all(axis=1)
    flows = [chip.main_engine.dataflow for chip in chips.accelerators]
    has = np.array([flow is not None and "winograd" in flow.parameters for flow in flows], np.bool_)
    return np.where(fit[:, None] & has[None, :], WINOGRAD_GAIN, 1.0)


@dataclass(frozen=True)
class Roofline:
    """Bounds a kernel by arithmetic and by traffic after fusion (Williams, Waterman, Patterson, CACM 2009).

    MACs over the peak of the MAC units, vector operations over the vector rate, bytes over the bandwidth of
    the outer and of the last on-chip memory; a chip's own time to start a kernel. Padding and tiling are not
    here. Depthwise MACs of a GPU go to its vector unit: its matrix units multiply by blocks across channels,
    which a depthwise layer does not sum over.

    Args:
        tight: count only the traffic that no cache policy can save, and the MACs of the leanest algorithm in
            the hardware, for a bound below physics, rather than the smooth law.
    """

    tight: bool = False
    contract: ClassVar[int] = 1
    name: ClassVar[str] = "roofline"

    def supports(self, chip: Accelerator) -> bool:
        """Whether a peak and a bandwidth are known."""
        return chip.costable

    def crossing(self, reuse_bytes: FloatArray, chips: Chips) -> FloatArray:
        """(U, C) share of a kernel's activation bytes that crosses to the outer memory.

        To DRAM as the cache law says. To a host only the network's own inputs, and to flash nothing: what the
        network makes stays on the chip, whose capacity is checked for it.
        """
        miss = (least_miss if self.tight else smooth_miss)(reuse_bytes, chips.sram_capacity)
        miss[:, chips.outer_kind == FLASH] = 0.0
        miss[:, chips.outer_kind == HOST] = np.isnan(reuse_bytes)[:, None]
        return miss

    def terms(self, kernels: Kernels, chips: Chips) -> Terms:
        """Seconds each resource needs alone (U, C, R) and actions (U, C, A)."""
        shape = (kernels.n_distinct, len(chips))
        seconds = np.zeros((len(RESOURCES), *shape))
        actions = np.empty((len(ACTIONS), *shape))
        miss = self.crossing(kernels.reuse_bytes, chips)
        dram_read = kernels.weight_bytes[:, None] + kernels.read_bytes[:, None] * miss
        dram_write = kernels.write_bytes[:, None] * miss
        on_vector = (kernels.cls == KernelClass.DEPTHWISE)[:, None] & (chips.kind == GPU)[None, :]
        mac_ops = 2.0 * kernels.macs[:, None]
        peak = chips.mac_peak.T[kernels.math]
        with np.errstate(invalid="ignore"):
            seconds[MAC] = np.where((mac_ops == 0) | on_vector, 0.0, mac_ops / peak)
            if self.tight:
                seconds[MAC] /= fewer_macs(kernels, chips)
            vector_ops = kernels.vector_ops[:, None] + np.where(on_vector, mac_ops, 0.0)
            seconds[VECTOR] = np.where(
                vector_ops == 0, 0.0, vector_ops / chips.vector_peak.T[kernels.vector_math]
            )
            seconds[DRAM] = (dram_read + dram_write) / chips.dram_bandwidth[None, :]
            seconds[SRAM] = kernels.outer_bytes[:, None] / chips.sram_bandwidth[None, :]
        seconds[[LOCAL, NOC]] = np.nan
        seconds[ISSUE] = np.where(np.isnan(chips.issue), 0.0, chips.issue)[None, :]
        counted = {
            "mac": kernels.macs[:, None],
            "vector_op": kernels.vector_ops[:, None],
            "dram_read": dram_read,
            "dram_write": dram_write,
            "sram_read": (kernels.weight_bytes + kernels.read_bytes)[:, None],
            "sram_write": kernels.write_bytes[:, None],
        }
        for row, name in enumerate(ACTIONS):
            actions[row] = counted.get(name, np.nan)
        feasibility, demand, bound = _feasibility(kernels, chips, peak, on_vector)
        seconds[:, (feasibility == Feasibility.PRECISION) | (feasibility == Feasibility.OPERATOR)] = np.inf
        return Terms(
            seconds=np.moveaxis(seconds, 0, -1),
            actions=np.moveaxis(actions, 0, -1),
            feasibility=feasibility,
            demand=demand,
            bound=bound,
            provider=self.name,
            fidelity=Fidelity.ROOFLINE,
        )


def _feasibility(
    kernels: Kernels, chips: Chips, peak: FloatArray, on_vector: NDArray[np.bool_]
) -> tuple[NDArray[np.int8], FloatArray, FloatArray]:
    """(U, C) codes; demand and bound of a missing precision are the precision's code and NaN."""
    no_peak = np.isnan(peak) & (kernels.macs > 0)[:, None] & ~on_vector
    refused = ~chips.runs.T[kernels.kind]
    code = np.full(peak.shape, Feasibility.OK, np.int8)
    code[no_peak] = Feasibility.PRECISION
    code[refused] = Feasibility.OPERATOR
    code[:, ~chips.costable] = Feasibility.UNKNOWN
    demand = np.full(peak.shape, np.nan)
    return code, np.where(code == Feasibility.PRECISION, kernels.math[:, None], demand), demand
