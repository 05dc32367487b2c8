"""How small NPUs of embedded SoCs run a network, one input after the other on one core; see `edge_npu.yaml`.

Per kernel: products with channels in whole blocks, depthwise products, other operations, weights and
feature maps over the external memory, and a fixed time; once an inference its start. All rates are shares
of the chip's public peak and bandwidth. In a stream the host's part of one inference is hidden behind the
engine's of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import FloatArray, KernelClass, Kernels
from hw_models.cost.laws.reading import constants_of
from hw_models.cost.roofline import DRAM, ISSUE, MAC, SRAM, VECTOR

if TYPE_CHECKING:
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator

KIND: Final = "npu"
RUNTIMES: Final = ("rknn", "hobot_dnn", "tidl")

VENDORS: Final = ("Rockchip", "D-Robotics", "TI", "Texas Instruments")
"""Whose embedded SoCs have NPUs of this kind: one MAC array, a small vector unit, an SoC's memory."""

CONVOLUTIONS: Final = (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED)
PRODUCTS: Final = (KernelClass.GEMM, KernelClass.BATCHED_GEMM, KernelClass.ATTENTION)


@dataclass(frozen=True)
class EdgeNpuConstants:
    """Constants tied over the class.

    Attributes:
        overlap: p of the p-norm over a kernel's resources.
        block: channels that the MAC array takes and gives at once; fewer cost as many.
        conv, gemm, depthwise, vector: share of the MAC peak, one lane an operation of the last.
        bandwidth: share of the external memory's; maps: times that feature maps cross it.
        port: bytes of the engine's own port for each MAC lane and cycle.
        issue: s of a kernel; start: s of an inference.
        low, high: the 90 % interval of latency, as factors of the value.
    """

    overlap: float
    block: float
    conv: float
    gemm: float
    depthwise: float
    vector: float
    bandwidth: float
    maps: float
    port: float
    issue: float
    start: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> EdgeNpuConstants:
        """From a mapping of `edge_npu.yaml`."""
        figures = {f.name: row[f.name] for f in fields(cls) if f.name not in {"low", "high"}}
        return cls(**figures, low=row["interval"]["low"], high=row["interval"]["high"])


@dataclass(frozen=True)
class EdgeNpuLaw:
    """Terms of the roofline as NPUs of this kind run them."""

    constants: EdgeNpuConstants
    source: str

    @property
    def overlap(self) -> float:
        """P of the p-norm over a kernel's resources."""
        return self.constants.overlap

    def apply(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds; an unknown MAC time stays unknown."""
        c, out = self.constants, np.zeros_like(seconds)
        lanes = np.fmax.reduce(chips.mac_peak, axis=1, initial=np.nan)[None, :] / 2.0
        out[..., MAC] = seconds[..., MAC] * (padding(kernels, c.block) / mac_share(kernels, c))[:, None]
        out[..., VECTOR] = kernels.vector_ops[:, None] / (lanes * c.vector)
        moved = kernels.weight_bytes + c.maps * (kernels.read_bytes + kernels.write_bytes)
        out[..., DRAM] = moved[:, None] / (chips.dram_bandwidth[None, :] * c.bandwidth)
        out[..., SRAM] = kernels.outer_bytes[:, None] / (lanes * c.port)
        out[..., ISSUE] = c.issue
        out[np.isinf(seconds).any(axis=-1)] = np.inf
        return out

    def start(self, chips: Chips) -> FloatArray:
        """(C,) s before the first and after the last kernel."""
        return np.full(len(chips), self.constants.start)

    def interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of latency."""
        return np.repeat([[self.constants.low], [self.constants.high]], len(chips), axis=1)


def padding(kernels: Kernels, block: float) -> FloatArray:
    """(U,) MACs over those needed, input and output channels in whole blocks; at least 1."""
    outputs, inputs = np.maximum(kernels.dims[:, 2:4], 1).T.astype(np.float64)
    # a window's row of an input with few channels lies side by side in the block
    beside = np.clip(np.floor(block / inputs), 1.0, np.maximum(kernels.dims[:, 7], 1))
    whole = np.ceil(outputs / block) * block / outputs * np.ceil(inputs / block) * block / inputs / beside
    return np.where(np.isin(kernels.cls, CONVOLUTIONS), np.maximum(whole, 1.0), 1.0)


def mac_share(kernels: Kernels, constants: EdgeNpuConstants) -> FloatArray:
    """(U,) share of the MAC peak that a kernel's class reaches."""
    share = np.full(kernels.n_distinct, constants.conv)
    share[np.isin(kernels.cls, PRODUCTS)] = constants.gemm
    share[kernels.cls == KernelClass.DEPTHWISE] = constants.depthwise
    return share


def is_of(chip: Accelerator) -> bool:
    """Whether a chip's NPU is one of those that the constants are of."""
    return chip.vendor in VENDORS


@cache
def law(lowering: str, crossfit: str | None = None) -> EdgeNpuLaw:
    """The law of small NPUs; their compilers merge whatever framework the network came from.

    Args:
        lowering: any that merges operators.
        crossfit: what its constants must not have seen.

    Raises:
        InputError: no lowering of that name.
    """
    row, source = constants_of("edge_npu.yaml", lowering, crossfit, "small NPUs")
    return EdgeNpuLaw(EdgeNpuConstants.of(row), source)
