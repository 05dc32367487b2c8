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
from hw_models.cost.chips import STORAGE_ONLY
from hw_models.cost.laws.figures import ClassFigures, class_figures
from hw_models.cost.laws.reading import constants_of
from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, MAC, SRAM, VECTOR
from hw_models.spec.quantities import CLASS_FIGURE
from hw_models.workload.op import BITS, OpKind, Precision

if TYPE_CHECKING:
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator

KIND: Final = "npu"
RUNTIMES: Final[tuple[str, ...]] = ()
"""The law of the class: any runtime without one of its own."""

CONVOLUTIONS: Final = (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED)
PRODUCTS: Final = (KernelClass.GEMM, KernelClass.BATCHED_GEMM, KernelClass.ATTENTION)
MATRICES: Final = (KernelClass.GEMM, KernelClass.BATCHED_GEMM)
MOVES: Final = (KernelClass.COPY, KernelClass.GATHER)
GROUPS: Final[Mapping[str, tuple[KernelClass, ...]]] = {
    "conv": CONVOLUTIONS,
    "gemm": PRODUCTS,
    "depthwise": (KernelClass.DEPTHWISE,),
}
PASSES: Final = 4.0
"""Times that scores cross the scratchpad: the first product writes, the softmax both, the second reads."""
STEPS_OF_NORM: Final = 2.0
"""Layers that a norm becomes which could not be folded, where it is quantised: a product and a sum.

Source: qualcomm_aihub_latency, DenseNet-121: 372 layers in float, 497 in w8a8; 62 norms stand before
convolutions.
"""
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
            byte/s of pointwise work that nothing takes along; both of floats, and of integers at a byte an
            element.
        vector: op/s by format of the network, "special" for what its integers cannot do.
        issue: s of a kernel; start: s of an inference; step: s of one step of a recurrence.
        entry: byte/s of the network's input, which has few channels, through pointwise work on it, and
            image: through a convolution; both likewise.
        capacity: byte of scratchpad where the chip states none; spill: byte/s of activations to
            DRAM and back.
        macs, stream, pace: exponents of the 8-bit peak and of the bandwidth, each over the typical chip's, in
            the rate of MACs (beside the peak itself), of weights and spilt activations, and of all else.
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
    step: float
    entry: Mapping[str, float]
    image: Mapping[str, float]
    capacity: float
    spill: float
    macs: Mapping[str, float]
    stream: Mapping[str, float]
    pace: Mapping[str, float]
    low: float
    high: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> NpuConstants:
        """From a mapping of `npu.yaml`."""
        figures = {name: row[name] for name in cls.__dataclass_fields__ if name not in {"low", "high"}}
        return cls(**figures, low=row["latency"]["low"], high=row["latency"]["high"])


LEAST_PEAK: Final = 4e12
LEAST_BANDWIDTH: Final = 11e9
"""op/s and byte/s below which powers of the figures do not reach: a third of the least of the chips that the
law was fitted on (12 to 60 TOPS, 34 to 135 GB/s)."""


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
        share = mac_efficiency(kernels, c.compute, c.taps)[:, None] * self.matrix(chips)
        out[..., MAC] *= self._firm(chips)[:, kernels.math].T * padding(kernels, c.block)[:, None]
        out[..., MAC] /= np.minimum(share, 1.0)
        out[..., VECTOR] = np.where(
            np.isinf(seconds[..., VECTOR]), np.inf, vector_seconds(kernels, c.vector)[:, None] / pace
        )
        out[..., DRAM] = weights * hidden + self._spilt(kernels, chips)
        out[..., SRAM] = scratchpad_seconds(kernels, c)[:, None] / pace
        out[..., EXPOSED] = weights * (1.0 - hidden) + once_seconds(kernels, c)[:, None] / pace
        out[..., ISSUE] = c.issue / pace
        return out

    def _firm(self, chips: Chips) -> FloatArray:
        """(C, P) factor on the time of MACs where a class figure stands in for the peak of a format.

        It takes the typical ratio to the 8-bit peak, and the typical peak where no format's is told, whatever
        the stand-in's range, which the law's interval has in it.
        """
        factor = np.ones_like(chips.mac_peak)
        whole, ratio = self.figures.int8_told(chips), {"int8": 1.0, **self.figures.ratio}
        for c, chip in enumerate(chips.accelerators):
            for name, figure in chip.main_engine.peak.items():
                if figure.source == CLASS_FIGURE and name in ratio:
                    code = Precision[name.upper()]
                    factor[c, code] = chips.mac_peak[c, code] / (whole[c] * ratio[name])
            for scheme, formats in STORAGE_ONLY.items():
                if scheme.label not in chip.main_engine.peak:
                    factor[c, scheme] = factor[c, formats[0]]
        return factor

    def _spilt(self, kernels: Kernels, chips: Chips) -> FloatArray:
        """(U, C) s of activations that find no room on the chip between two uses."""
        stated = np.isfinite(chips.sram_capacity) & ~chips.sram_is_prior
        room = np.where(stated, chips.sram_capacity, self.constants.capacity)
        scores = score_bytes(kernels)
        square = np.square((np.nan_to_num(kernels.reuse_bytes) + scores)[:, None] / room)
        moved = (kernels.read_bytes + kernels.write_bytes + PASSES * scores)[:, None]
        found: FloatArray = moved * square / (1.0 + square) / (self.constants.spill * self.stream(chips))
        return found

    def start(self, chips: Chips) -> FloatArray:
        """(C,) s before the first and after the last kernel."""
        return self.constants.start / self.pace(chips)

    def interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of latency."""
        return np.repeat([[self.constants.low], [self.constants.high]], len(chips), axis=1)

    def covers(self, chip: Accelerator) -> bool:
        """Whether the chip is of a size that the law was fitted on, or larger; the unknown counts as such."""
        peak = max((figure.value for figure in chip.main_engine.peak.values()), default=np.inf)
        outer = chip.dram.bandwidth if chip.dram else None
        return peak >= LEAST_PEAK and (outer is None or outer.value >= LEAST_BANDWIDTH)

    def matrix(self, chips: Chips) -> FloatArray:
        """(C,) rate of MACs over that of the typical chip, beside what the peak says."""
        return self._relative(chips, self.constants.macs)

    def pace(self, chips: Chips) -> FloatArray:
        """(C,) speed of all but MACs and weights over that of the class's typical chip."""
        return self._relative(chips, self.constants.pace)

    def stream(self, chips: Chips) -> FloatArray:
        """(C,) rate of weights over that of the class's typical chip."""
        return self._relative(chips, self.constants.stream)

    def _relative(self, chips: Chips, exponents: Mapping[str, float]) -> FloatArray:
        """(C,) product of powers of the public figures; none is below 0, so none makes slower."""
        peak, bandwidth = self.figures.relative_peak(chips), self.figures.relative_bandwidth(chips)
        found: FloatArray = peak ** exponents["peak"] * bandwidth ** exponents["bandwidth"]
        return found


def padding(kernels: Kernels, block: float) -> FloatArray:
    """(U,) MACs of the matrix unit over those needed: outputs and inputs in whole blocks; at least 1.

    The few channels of an image are laid out with a row of the window side by side.
    """
    outputs, inputs, row = kernels.dims[:, 2], kernels.dims[:, 3], kernels.dims[:, 7]
    in_conv, in_product = np.isin(kernels.cls, CONVOLUTIONS), np.isin(kernels.cls, MATRICES)
    by_row = np.where(in_conv, _whole(inputs * row, block), np.inf)
    whole = _whole(outputs, block) * np.minimum(_whole(inputs, block), by_row)
    heads = np.where(kernels.cls == KernelClass.ATTENTION, _whole(kernels.dims[:, 4], block), 1.0)
    return np.where(in_conv | in_product, whole, heads)


def _whole(channels: Any, block: float) -> FloatArray:
    """Channels in whole blocks over channels."""
    some = np.maximum(channels, 1)
    padded: FloatArray = np.ceil(some / block) * block / some
    return padded


def mac_efficiency(kernels: Kernels, compute: Mapping[str, Mapping[str, float]], taps: float) -> FloatArray:
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


def score_bytes(kernels: Kernels) -> FloatArray:
    """(U,) bytes of the matrix of scores of an attention, which compilers of NPUs materialise."""
    of = kernels.cls == KernelClass.ATTENTION
    width = by_format(kernels, {p.label: BITS[p] / 8.0 for p in (*WIDE, *INTEGERS, Precision.W8A16)})
    return np.where(of, kernels.dims[:, :4].prod(axis=1) * width, 0.0)


def once_seconds(kernels: Kernels, constants: NpuConstants) -> FloatArray:
    """(U,) s of taking in the network's input and of the steps of a recurrence, at pace 1."""
    enters = np.isnan(kernels.reuse_bytes)
    found = np.where(kernels.kind == OpKind.SCAN, kernels.dims[:, 0], 0.0) * constants.step
    for classes, rate in ((CONVOLUTIONS, constants.image), ((KernelClass.ELEMENTWISE,), constants.entry)):
        of = enters & np.isin(kernels.cls, classes)
        found[of] += (kernels.read_bytes / by_format(kernels, rate))[of]
    return found


def by_format(kernels: Kernels, figures: Mapping[str, float]) -> FloatArray:
    """(U,) the figure of each kernel's format; a format without one has that of its width."""
    out = np.empty(kernels.n_distinct)
    for code in np.unique(kernels.math):
        name = Precision(code).label
        wide = "fp16" if code in (*WIDE, Precision.W8A16) else "int8"
        out[kernels.math == code] = figures.get(name, figures[wide])
    return out


def scratchpad_seconds(kernels: Kernels, constants: NpuConstants) -> FloatArray:
    """(U,) s of activations through the scratchpad at pace 1; what only moves data re-orders it."""
    moved = kernels.read_bytes + kernels.write_bytes + PASSES * score_bytes(kernels)
    rate = np.full(kernels.n_distinct, constants.scratchpad)
    pointwise, moves = kernels.cls == KernelClass.ELEMENTWISE, np.isin(kernels.cls, MOVES)
    norms = pointwise & (kernels.kind == OpKind.NORM) & ~np.isin(kernels.math, WIDE)
    moved = np.where(norms, STEPS_OF_NORM * moved, moved)
    for of, rates in ((moves, constants.move), (pointwise, constants.alone)):
        rate[of] = by_element(kernels, rates)[of]
    seconds: FloatArray = moved / rate
    return seconds


def by_element(kernels: Kernels, rates: Mapping[str, float]) -> FloatArray:
    """(U,) byte/s: of floats the rate, of integers the elements of the rate times their width."""
    width = by_format(kernels, {p.label: BITS[p] / 8.0 for p in (*WIDE, *INTEGERS, Precision.W8A16)})
    return np.where(np.isin(kernels.math, WIDE), rates["fp16"], rates["int8"] * width)


@cache
def law(lowering: str, crossfit: str | None = None) -> NpuLaw:
    """The law of the class; compilers of NPUs fold and merge whatever framework the network came from.

    Args:
        lowering: any that merges operators.
        crossfit: what its constants must not have seen.

    Raises:
        InputError: no lowering of that name.
    """
    row, source = constants_of("npu.yaml", lowering, crossfit, "NPUs")
    return NpuLaw(NpuConstants.of(row), class_figures(), source)
