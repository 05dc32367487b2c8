"""How NPUs with a matrix unit, a vector unit and a scratchpad run a network at batch 1; see `npu.yaml`.

Per kernel: MACs with channels padded to the matrix unit's block, depthwise MACs at the rate of the vector
unit, vector work, activations through the scratchpad, weights streamed from DRAM, and a fixed time. Weights
too large to be fetched while another layer runs are waited for. Once an inference: its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import FloatArray, KernelClass, Kernels
from hw_models.cost.laws.figures import ClassFigures, class_figures
from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, MAC, SRAM, VECTOR
from hw_models.errors import InputError
from hw_models.shipped import shipped_yaml
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from hw_models.cost.chips import Chips

KIND: Final = "npu"
RUNTIMES: Final[tuple[str, ...]] = ()
"""The law of the class: any runtime without one of its own."""

CONVOLUTIONS: Final = (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED)
PRODUCTS: Final = (KernelClass.GEMM, KernelClass.BATCHED_GEMM, KernelClass.ATTENTION)
MOVES: Final = (KernelClass.COPY, KernelClass.GATHER)
GROUPS: Final[Mapping[str, tuple[KernelClass, ...]]] = {
    "conv": CONVOLUTIONS,
    "gemm": PRODUCTS,
    "depthwise": (KernelClass.DEPTHWISE,),
}
WIDE: Final = (Precision.FP64, Precision.FP32, Precision.TF32, Precision.BF16, Precision.FP16)
"""Formats that run as FP16 does where the constants have none of their own."""
INTEGERS: Final = (Precision.INT4, Precision.INT8, Precision.UINT8, Precision.INT16)
"""Formats in which a vector unit has no transcendental functions."""


@dataclass(frozen=True)
class NpuConstants:
    """Constants tied over the class; rates are those of a chip whose pace is 1.

    Attributes:
        overlap: p of the p-norm over a kernel's resources.
        block: channels that the matrix unit takes at once; fewer cost as many.
        compute: share of the MAC peak by format and group ("conv", "gemm", "depthwise").
        taps: exponent of a depthwise window over 3 x 3 in its time per tap; at most 0.
        weights: byte/s of DRAM that a stream of weights reaches, of the class's typical chip.
        prefetch: byte of weights of which half arrive while other layers run.
        scratchpad: byte/s of activations; move: byte/s of moving them elsewhere, alone:
            byte/s of pointwise work that nothing takes along; both by format.
        vector: op/s by format of the network, "special" for what its integers cannot do.
        issue: s of a kernel; start: s of an inference; entry: s of a kernel that reads the input,
            by format; step: s of one step of a recurrence; all over the pace.
        pace: exponents of the 8-bit peak and of the DRAM bandwidth, each over the class's; stream: the same
            for weights.
        low, high: the 90 % interval of latency, as factors of the value.
    """

    overlap: float
    block: float
    compute: Mapping[str, Mapping[str, float]]
    taps: float
    weights: float
    prefetch: float
    scratchpad: float
    vector: Mapping[str, float]
    move: Mapping[str, float]
    alone: Mapping[str, float]
    issue: float
    start: float
    entry: Mapping[str, float]
    step: float
    pace: Mapping[str, float]
    stream: Mapping[str, float]
    low: float
    high: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> NpuConstants:
        """From a mapping of `npu.yaml`."""
        figures = {name: row[name] for name in cls.__dataclass_fields__ if name not in {"low", "high"}}
        return cls(**figures, low=row["latency"]["low"], high=row["latency"]["high"])


@dataclass(frozen=True)
class NpuLaw:
    """Terms of the roofline as NPUs of this kind run them."""

    constants: NpuConstants
    figures: ClassFigures
    source: str

    @property
    def overlap(self) -> float:
        """P of the p-norm over a kernel's resources."""
        return self.constants.overlap

    def apply(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds; an unknown MAC time stays unknown."""
        c, pace = self.constants, self.pace(chips)
        weights = kernels.weight_bytes[:, None] / (c.weights * self.stream(chips))
        hidden = 1.0 / (1.0 + kernels.weight_bytes / c.prefetch)[:, None]
        out = seconds.copy()
        out[..., MAC] *= (padding(kernels, c.block) / mac_efficiency(kernels, c.compute, c.taps))[:, None]
        out[..., VECTOR] = np.where(
            np.isinf(seconds[..., VECTOR]), np.inf, vector_seconds(kernels, c.vector)[:, None] / pace
        )
        out[..., DRAM] = weights * hidden
        out[..., SRAM] = scratchpad_seconds(kernels, c)[:, None] / pace
        out[..., EXPOSED] = weights * (1.0 - hidden) + once_seconds(kernels, c)[:, None] / pace
        out[..., ISSUE] = c.issue / pace
        return out

    def start(self, chips: Chips) -> FloatArray:
        """(C,) s before the first and after the last kernel."""
        return self.constants.start / self.pace(chips)

    def interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of latency."""
        return np.repeat([[self.constants.low], [self.constants.high]], len(chips), axis=1)

    def pace(self, chips: Chips) -> FloatArray:
        """(C,) speed of all but MACs and weights over that of the class's typical chip."""
        return self._relative(chips, self.constants.pace)

    def stream(self, chips: Chips) -> FloatArray:
        """(C,) rate of weights over that of the class's typical chip."""
        return self._relative(chips, self.constants.stream)

    def _relative(self, chips: Chips, exponents: Mapping[str, float]) -> FloatArray:
        """(C,) product of powers of the public figures; one that is unknown is the class's."""
        peak = self.figures.int8_peak(chips) / self.figures.int8
        bandwidth = chips.dram_bandwidth / self.figures.bandwidth
        known: FloatArray = np.where(np.isnan(bandwidth), 1.0, bandwidth) ** exponents["bandwidth"]
        return known * np.where(np.isnan(peak), 1.0, peak) ** exponents["peak"]


def padding(kernels: Kernels, block: float) -> FloatArray:
    """(U,) MACs of the matrix unit over those needed: input and output channels in whole blocks; at least 1.

    The first layer's few channels are laid out with a row of its window side by side.
    """
    outputs, inputs, row = kernels.dims[:, 2], kernels.dims[:, 3], kernels.dims[:, 7]
    fits = np.isin(kernels.cls, CONVOLUTIONS)
    whole = _whole(outputs, block) * np.minimum(_whole(inputs, block), _whole(inputs * row, block) * 1.0)
    return np.where(fits, whole, 1.0)


def _whole(channels: Any, block: float) -> FloatArray:
    """Channels in whole blocks over channels."""
    some = np.maximum(channels, 1)
    padded: FloatArray = np.ceil(some / block) * block / some
    return padded


def mac_efficiency(
    kernels: Kernels, compute: Mapping[str, Mapping[str, float]], taps: float
) -> FloatArray:
    """(U,) share of the MAC peak that a kernel's class reaches in its format."""
    share = np.ones(kernels.n_distinct)
    for group, classes in GROUPS.items():
        of = np.isin(kernels.cls, classes)
        share[of] = by_format(kernels, {name: row[group] for name, row in compute.items()})[of]
    depthwise = kernels.cls == KernelClass.DEPTHWISE
    window = kernels.dims[depthwise, 6] * kernels.dims[depthwise, 7]
    share[depthwise] *= (np.maximum(window, 9) / 9.0) ** -taps
    return share


def vector_seconds(kernels: Kernels, rate: Mapping[str, float]) -> FloatArray:
    """(U,) s of the vector work at pace 1."""
    integers = np.isin(kernels.math, INTEGERS)
    special = integers & ~np.isin(kernels.vector_math, INTEGERS)
    return kernels.vector_ops / np.where(special, rate["special"], by_format(kernels, rate))


def once_seconds(kernels: Kernels, constants: NpuConstants) -> FloatArray:
    """(U,) s of taking in the network's input and of the steps of a recurrence, at pace 1."""
    enters = np.isnan(kernels.reuse_bytes) & np.isin(kernels.cls, CONVOLUTIONS)
    steps = np.where(kernels.kind == OpKind.SCAN, kernels.dims[:, 0], 0.0) * constants.step
    return np.where(enters, by_format(kernels, constants.entry), 0.0) + steps


def by_format(kernels: Kernels, figures: Mapping[str, float]) -> FloatArray:
    """(U,) the figure of each kernel's format; a format without one has that of its width."""
    out = np.empty(kernels.n_distinct)
    for code in np.unique(kernels.math):
        name = Precision(code).label
        wide = "fp16" if code in WIDE else "int8"
        out[kernels.math == code] = figures.get(name, figures[wide])
    return out


def scratchpad_seconds(kernels: Kernels, constants: NpuConstants) -> FloatArray:
    """(U,) s of activations through the scratchpad at pace 1; what only moves data re-orders it."""
    moved = kernels.read_bytes + kernels.write_bytes
    rate = np.full(kernels.n_distinct, constants.scratchpad)
    for classes, rates in ((MOVES, constants.move), ((KernelClass.ELEMENTWISE,), constants.alone)):
        of = np.isin(kernels.cls, classes)
        rate[of] = by_format(kernels, rates)[of]
    return moved / rate


@cache
def _file() -> Mapping[str, Any]:
    data: Mapping[str, Any] = shipped_yaml("hw_models.cost.laws", "npu.yaml")
    return data


@cache
def law(lowering: str, crossfit: str | None = None) -> NpuLaw:
    """The law of the class; compilers of NPUs fold and merge whatever framework the network came from.

    Args:
        lowering: any that merges operators.
        crossfit: what its constants must not have seen.

    Raises:
        InputError: no lowering of that name.
    """
    from hw_models.lowering import LOWERINGS

    if lowering not in LOWERINGS:
        raise InputError(f"no law of NPUs for lowering '{lowering}'; known: {', '.join(LOWERINGS)}")
    data = _file()
    row = {**data["constants"], **(data.get("crossfit") or {}).get(crossfit, {})}
    return NpuLaw(NpuConstants.of(row), class_figures(), f"{data['source']}; {data['obtained']}")
