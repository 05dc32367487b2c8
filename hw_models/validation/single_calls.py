"""Time of a single call of a GPU's library: what batches of whole networks hide and one operator shows.

To the terms of the roofline it adds how a product is cut into tiles over the multiprocessors, the power that
FP32 lanes may draw, how many bytes a multiprocessor keeps in flight, and the time to start a call as the
measurement sees it. Constants: `single_calls.yaml`, fitted by `benchmarks/fit_single_calls.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from hw_models.cost.adjust import power_capped_clock
from hw_models.cost.arrays import Fidelity, FloatArray, KernelClass, Kernels, Terms
from hw_models.cost.combine import busy_seconds
from hw_models.cost.roofline import DRAM, GPU, ISSUE, MAC, SRAM, Roofline
from hw_models.shipped import shipped_yaml
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator

    BoolArray = NDArray[np.bool_]

GROUPS: Final[Mapping[str, tuple[KernelClass, ...]]] = {
    "conv": (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED, KernelClass.DEPTHWISE),
    "gemm": (KernelClass.GEMM,),
    "batched_gemm": (KernelClass.BATCHED_GEMM, KernelClass.ATTENTION),
    "elementwise": (KernelClass.ELEMENTWISE, KernelClass.COPY),
    "norm": (KernelClass.NORM, KernelClass.REDUCE),
    "softmax": (KernelClass.SOFTMAX,),
    "gather": (KernelClass.GATHER,),
}
"""Kernel classes that share constants."""

TIMED: Final = ("host", "library", "device")
"""How a call was timed: from a framework on the host; in a loop around the library; on the device's clock."""

TILES: Final = (
    *((256, 128), (128, 256), (128, 128), (128, 64), (64, 128), (64, 64)),
    *((128, 32), (32, 128), (64, 32), (32, 64), (32, 32)),
)
"""Outputs of one tile. Source: names of the kernels in neusight_gemm (`volta_sgemm_128x64_nn`)."""

CONV_TILES: Final = ((128, 128), (128, 64), (128, 32), (64, 64))
"""The same of direct convolutions. Source: neusight_conv (`volta_scudnn_128x64_relu_medium`)."""

WINOGRAD_TILES: Final = ((512, 128),)
"""128 channels of 32 blocks of 2 x 2 outputs, with their 16 products. Source: neusight_conv
(`volta_scudnn_winograd_128x128_ldg1_ldg4`)."""

SPLITS: Final = (1, 2, 4, 8, 16)
"""Parts that the sum of a product may be cut into where there are too few tiles."""

DEPTH: Final = 8
"""Step of the sum inside a tile; shorter sums are filled up."""

PARTIAL_BYTES: Final = 4.0
"""Partial sums are FP32."""

MATRIX_OVER_VECTOR: Final = 1.5
"""A peak that much above that of the FP32 lanes is one of matrix units."""


@dataclass(frozen=True)
class CallConstants:
    """What libraries' kernels achieve on GPUs, tied over all of them.

    Attributes:
        overlap: p of the p-norm over a call's resources; start_overlap: of its start with the rest.
        compute: share of the peak inside a full tile, on "vector" lanes and "matrix" units.
        fill: steps of the sum that filling and draining a tile cost, on "vector" lanes and "matrix" units.
        load: bytes a clock that one multiprocessor loads for its tiles, likewise.
        lane_energy: J of one FP32 lane and clock for each nm of the process node, the board's share included.
        winograd: what the products of Winograd's algorithm reach of `compute`, their transforms included.
        bandwidth: share of the outer memory's bandwidth by group of `GROUPS`.
        in_flight: bytes a clock that one multiprocessor moves, by group; groups that are not named: no limit.
        start: s by how a call was timed and group.
        low, high: 90 % interval of a device not fitted on, factors by how it was timed.
        source, obtained: what they were fitted on, and how well.
    """

    overlap: float
    start_overlap: float
    compute: Mapping[str, float]
    fill: Mapping[str, float]
    load: Mapping[str, float]
    lane_energy: float
    winograd: float
    bandwidth: Mapping[str, float]
    in_flight: Mapping[str, float]
    start: Mapping[str, Mapping[str, float]]
    low: Mapping[str, float]
    high: Mapping[str, float]
    source: str
    obtained: str

    def by_class(self, figures: Mapping[str, float], default: float) -> FloatArray:
        """(KernelClass,) figures of groups; `default` for classes in none that is named."""
        found = np.full(len(KernelClass), default)
        for group, value in figures.items():
            found[list(GROUPS[group])] = value
        return found


@cache
def call_constants() -> CallConstants:
    """The constants that ship (`single_calls.yaml`)."""
    data: dict[str, Any] = shipped_yaml("hw_models.validation", "single_calls.yaml")
    return CallConstants(**data)


@dataclass(frozen=True)
class SingleCalls:
    """Terms of one call at a time on a GPU.

    Args:
        timed: one of `TIMED`.
        constants: None: those that ship.
    """

    timed: str
    constants: CallConstants | None = None
    contract: ClassVar[int] = 1
    name: ClassVar[str] = "single calls"

    def supports(self, chip: Accelerator) -> bool:
        """Whether it is a GPU with a peak and a bandwidth."""
        return chip.costable and chip.main_engine.kind == "gpu"

    def terms(self, kernels: Kernels, chips: Chips) -> Terms:
        """Seconds each resource needs (U, C, R); `issue` is what of the start the rest does not hide."""
        c = self.constants or call_constants()
        bare = Roofline().terms(kernels, chips)
        seconds = bare.seconds.copy()
        tiled, partial = _tiled_seconds(kernels, chips, c)
        infeasible = np.isinf(seconds[..., MAC])
        seconds[..., MAC] = np.where(infeasible | (tiled == 0), seconds[..., MAC], tiled)
        share = c.by_class(c.bandwidth, 1.0)[kernels.cls][:, None]
        seconds[..., DRAM] = (seconds[..., DRAM] + partial / chips.dram_bandwidth) / share
        in_flight = c.by_class(c.in_flight, np.nan)[kernels.cls][:, None] * chips.units * chips.clock
        seconds[..., SRAM] = kernels.outer_bytes[:, None] / in_flight
        start = c.by_class(c.start[self.timed], np.nan)[kernels.cls][:, None]
        busy = busy_seconds(seconds, c.overlap)
        with np.errstate(invalid="ignore"):
            both = (start**c.start_overlap + busy**c.start_overlap) ** (1 / c.start_overlap)
            seconds[..., ISSUE] = np.where(np.isinf(busy), 0.0, both - busy)
        return replace(bare, seconds=seconds, provider=self.name, fidelity=Fidelity.CALIBRATED)


@dataclass(frozen=True, eq=False)
class _Products:
    """Contractions as matrix products, (U,) each: batch x (m x depth) by (depth x n).

    Attributes:
        can: whether the algorithm applies.
        tiles: outputs of one tile, one of them.
        split: whether the sum may be cut into parts.
        share: of the rate in a full tile.
        extra: bytes that the algorithm moves beside the operands.
    """

    batch: FloatArray
    m: FloatArray
    n: FloatArray
    depth: FloatArray
    can: BoolArray
    tiles: Sequence[tuple[int, int]]
    split: bool
    share: float
    extra: FloatArray


@dataclass(frozen=True, eq=False)
class _Machine:
    """One multiprocessor for each kernel and chip.

    Attributes:
        rate, load: (U, C) op/s in a full tile; bytes/s that it loads.
        fill: (U, C) steps of the sum that each tile loses.
        units: (C,) multiprocessors; bandwidth: (C,) bytes/s of the outer memory.
    """

    rate: FloatArray
    load: FloatArray
    fill: FloatArray
    units: FloatArray
    bandwidth: FloatArray

    @classmethod
    def of(cls, kernels: Kernels, chips: Chips, c: CallConstants) -> _Machine:
        units = np.where(np.isfinite(chips.units), chips.units, 1.0)
        clock = _sustained_clock(kernels, chips, c)
        matrix = _on_matrix_units(kernels, chips)

        def of_unit(figures: Mapping[str, float]) -> FloatArray:
            return np.where(matrix, figures["matrix"], figures["vector"])

        rate = chips.mac_peak.T[kernels.math] / units * clock * of_unit(c.compute)
        load = of_unit(c.load) * np.where(np.isfinite(chips.clock), chips.clock, np.inf) * clock
        return cls(rate, load, of_unit(c.fill), units, chips.dram_bandwidth)


def _tiled_seconds(kernels: Kernels, chips: Chips, c: CallConstants) -> tuple[FloatArray, FloatArray]:
    """(U, C) time of the contractions by the fastest algorithm and tiling, and bytes beside the operands."""
    machine = _Machine.of(kernels, chips, c)
    size = (kernels.read_bytes + kernels.weight_bytes) / np.maximum(_operands(kernels), 1.0)
    best = np.full(machine.rate.shape, np.inf)
    beside = np.zeros(machine.rate.shape)
    for products in (_product(kernels), _direct(kernels), _winograd(kernels, c)):
        if not products.can.any():
            continue
        seconds, moved = _fastest_tiling(products, size, machine, c)
        better = products.can[:, None] & (
            seconds + moved / machine.bandwidth < best + beside / machine.bandwidth
        )
        best, beside = np.where(better, seconds, best), np.where(better, moved, beside)
    known = np.isfinite(best)
    return np.where(known, best, 0.0), np.where(known, beside, 0.0)


def _fastest_tiling(
    products: _Products, size: FloatArray, machine: _Machine, c: CallConstants
) -> tuple[FloatArray, FloatArray]:
    """(U, C) time and bytes beside the operands, of which `size` bytes each.

    A tile of tm x tn outputs takes the longer (p-norm) of its multiplications at one multiprocessor's share
    of the peak and its loads; the multiprocessors take one tile each until none is left, so that the time
    goes by whole rounds. Source: NVIDIA, Matrix Multiplication Background User's Guide, "Tile Quantization",
    "Wave Quantization"; split sums: NVIDIA, CUTLASS, "Efficient GEMM in CUDA", "Parallelized Reductions".
    """
    best, beside = np.full(machine.rate.shape, np.inf), np.zeros(machine.rate.shape)
    outputs = products.batch * products.m * products.n
    for parts in SPLITS if products.split else SPLITS[:1]:
        inner = (np.ceil(products.depth / parts / DEPTH) * DEPTH)[:, None] + machine.fill
        partial = products.extra + (2.0 * PARTIAL_BYTES * parts * outputs if parts > 1 else 0.0)
        spill = partial[:, None] / machine.bandwidth
        for tm, tn in products.tiles:
            tiles = products.batch * np.ceil(products.m / tm) * np.ceil(products.n / tn)
            multiply = 2.0 * tm * tn * inner / (machine.rate * products.share)
            fetch = (tm + tn) * size[:, None] * inner / machine.load
            rounds = np.ceil(tiles[:, None] * parts / machine.units)
            total = rounds * (multiply**c.overlap + fetch**c.overlap) ** (1 / c.overlap) + spill
            better = total < best
            best, beside = np.where(better, total, best), np.where(better, partial[:, None], beside)
    return best - beside / machine.bandwidth, beside


def _product(kernels: Kernels) -> _Products:
    """Matrix products, and both products of attention as one: the second in the length of the sum."""
    d = kernels.dims.astype(np.float64).T
    attention = kernels.kind == OpKind.ATTENTION
    return _Products(
        batch=np.where(attention, d[0] * d[1], d[0]),
        m=np.where(attention, d[2], d[1]),
        n=np.where(attention, d[3], d[2]),
        depth=np.where(attention, d[4] + d[5], d[3]),
        can=attention | (kernels.kind == OpKind.GEMM),
        tiles=TILES,
        split=True,
        share=1.0,
        extra=np.zeros(len(kernels.cls)),
    )


def _direct(kernels: Kernels) -> _Products:
    """A convolution as the product of its unrolled input with its filters (Chetlur et al., cuDNN, 2014)."""
    d = kernels.dims.astype(np.float64).T
    return _Products(
        batch=d[1],
        m=d[0] * d[4] * d[5],
        n=d[2],
        depth=d[3] * d[6] * d[7],
        can=kernels.kind == OpKind.CONV,
        tiles=CONV_TILES,
        split=False,
        share=1.0,
        extra=np.zeros(len(kernels.cls)),
    )


def _winograd(kernels: Kernels, c: CallConstants) -> _Products:
    """F(2x2, 3x3): 16 products over blocks of 2 x 2 outputs (Lavin and Gray, CVPR 2016).

    The filters are transformed in every call: 16 / 9 of their bytes written and read again.
    """
    d = kernels.dims.astype(np.float64).T
    steps_of_one = (kernels.geometry[:, :4] == 1).all(axis=1) & (kernels.geometry[:, 8] == 0)
    can = (kernels.kind == OpKind.CONV) & (d[6] == 3) & (d[7] == 3) & (d[1] == 1) & steps_of_one
    return _Products(
        batch=np.ones(len(kernels.cls)),
        m=16.0 * d[0] * np.ceil(d[4] / 2) * np.ceil(d[5] / 2),
        n=d[2],
        depth=d[3],
        can=can & (kernels.math == Precision.FP32),
        tiles=WINOGRAD_TILES,
        split=False,
        share=c.winograd,
        extra=2.0 * 16.0 / 9.0 * kernels.weight_bytes,
    )


def _operands(kernels: Kernels) -> FloatArray:
    """(U,) elements of both operands of each contraction."""
    d = kernels.dims.astype(np.float64).T
    inside = (kernels.geometry[:, 4] * kernels.geometry[:, 5]).astype(np.float64)
    inside = np.where(inside > 0, inside, d[4] * d[5])
    conv = d[0] * d[1] * d[3] * inside + d[1] * d[2] * d[3] * d[6] * d[7]
    gemm = d[0] * d[3] * (d[1] + d[2])
    attention = d[0] * d[1] * (d[2] * d[4] + d[3] * (d[4] + d[5]))
    found: FloatArray = np.select(
        [kernels.kind == OpKind.CONV, kernels.kind == OpKind.GEMM, kernels.kind == OpKind.ATTENTION],
        [conv, gemm, attention],
        1.0,
    )
    return found


def _on_matrix_units(kernels: Kernels, chips: Chips) -> BoolArray:
    lanes = chips.vector_peak[:, Precision.FP32]
    with np.errstate(invalid="ignore"):
        on: BoolArray = chips.mac_peak.T[kernels.math] > MATRIX_OVER_VECTOR * lanes
    return on


def _sustained_clock(kernels: Kernels, chips: Chips, c: CallConstants) -> FloatArray:
    """(U, C) sustained over rated clock, at most 1; 1 where a figure is unknown.

    Of FP32 lanes all at work: board power over lanes x clock x energy of one, which falls with the process
    node. Of matrix units `power_capped_clock`.
    """
    lanes = chips.vector_peak[:, Precision.FP32] / 2.0
    full = lanes * c.lane_energy * chips.process_nm
    on_lanes = np.minimum(1.0, chips.tdp / full)
    on_lanes = np.where(np.isfinite(on_lanes) & (chips.kind == GPU), on_lanes, 1.0)
    return np.where(_on_matrix_units(kernels, chips), power_capped_clock(chips), on_lanes)
