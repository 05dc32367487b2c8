"""Time of a single call of a GPU's library: what batches of whole networks hide and one operator shows.

To the terms of the roofline it adds how a product is cut into tiles over the multiprocessors, which algorithm
a convolution takes, the power that all units at work may draw, how many bytes a multiprocessor keeps in
flight, and the time to start a call as the measurement sees it. Constants: `single_calls.yaml`, fitted by
`benchmarks/fit_single_calls.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from hw_models.cost.arrays import Fidelity, FloatArray, IntArray, KernelClass, Kernels, Terms
from hw_models.cost.combine import busy_seconds
from hw_models.cost.roofline import DRAM, ISSUE, MAC, SRAM, VECTOR, Roofline
from hw_models.validation.calls.constants import (
    GROUPS,
    TIMED,
    CallConstants,
    by_class,
    by_function,
    call_constants,
)
from hw_models.validation.calls.convolutions import convolution_time
from hw_models.validation.calls.gpu import BEFORE_MATRIX_UNITS, Gpu
from hw_models.validation.calls.products import (
    ALL,
    BATCHED,
    ON_MATRIX_UNITS,
    ROWS_APART,
    CallTime,
    Products,
    Tile,
    fastest_tiling,
)
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator
    from hw_models.validation.calls.gpu import BoolArray

__all__ = [
    "GROUPS",
    "REGIMES",
    "TIMED",
    "CallConstants",
    "SingleCalls",
    "call_constants",
    "call_interval",
    "call_regime",
]

PLAIN_ORDERS: Final = ("gemm_nn", "gemm_nt", "gemm_tt")
"""Functions of products whose operands do not both lie along the sum; `linear` layers' do."""

BOUNDS: Final = ("start", "compute", "memory")
REGIMES: Final = tuple(f"{what}_{bound}" for what in ("product", "conv", "stream") for bound in BOUNDS)
"""Kind of a call and what takes most of it: intervals go by both."""

ALIGNED: Final = 32
"""Multiple of all dimensions at which chips of 128 lanes a multiprocessor turn operands instead of walking
along their rows. Source: kernels of neusight_gemm: `sgemm_128x128x8_NT_vec` on the P4, none on the P100."""

BLOCK_WIDTH: Final = 1024
"""Longest row that one warp keeps in its registers. Source: PyTorch, `PersistentSoftmax.cuh`."""


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
        for i in range(len(chips)):
            self._fill(seconds[:, i], kernels, Gpu.of(chips, i), c)
        return replace(bare, seconds=seconds, provider=self.name, fidelity=Fidelity.CALIBRATED)

    def _fill(self, seconds: FloatArray, kernels: Kernels, gpu: Gpu, c: CallConstants) -> None:
        """Replace the roofline's (U, R) seconds on one GPU."""
        time = contraction_time(kernels, gpu, c, c.extra[self.timed])
        contracts = np.isfinite(time.mac) & np.isfinite(seconds[:, MAC])
        seconds[:, MAC] = np.where(contracts, time.mac, seconds[:, MAC])
        streamed, moved = _stream_seconds(kernels, gpu, c, self.timed)
        seconds[:, DRAM] = np.where(contracts, time.memory, streamed)
        seconds[:, SRAM] = np.where(contracts, np.nan, moved)
        start = by_class(c.start[self.timed], np.nan)[kernels.cls]
        start = by_function(c.start[self.timed], kernels.labels, start)
        start = start * c.vendor_start.get(f"{self.timed}_{gpu.library}", 1.0)
        start = start + np.where(contracts, time.kernels, 0.0) * c.extra[self.timed]
        busy = busy_seconds(seconds[:, None], c.overlap)[:, 0]
        p = by_class(c.start_overlap[self.timed], 1.0)[kernels.cls]
        with np.errstate(invalid="ignore"):
            seconds[:, ISSUE] = np.where(np.isinf(busy), 0.0, (start**p + busy**p) ** (1 / p) - busy)


def call_regime(seconds: FloatArray, cls: NDArray[np.int8]) -> IntArray:
    """(U,) position in `REGIMES`, from (U, R) seconds and (U,) classes of kernels."""
    moved = np.fmax(seconds[:, DRAM], seconds[:, SRAM])
    parts = np.stack([seconds[:, ISSUE], np.fmax(seconds[:, MAC], seconds[:, VECTOR]), moved])
    bound = np.nan_to_num(parts, nan=-1.0, posinf=-1.0).argmax(axis=0)
    conv = np.isin(cls, GROUPS["conv"])
    product = np.isin(cls, (*GROUPS["gemm"], *GROUPS["batched_gemm"]))
    found: IntArray = len(BOUNDS) * np.select([product, conv], [0, 1], 2) + bound
    return found


def call_interval(
    seconds: FloatArray, cls: NDArray[np.int8], c: CallConstants, timed: str
) -> tuple[FloatArray, FloatArray]:
    """(U,) factors of the ends of the 90 % interval of a device not fitted on; arguments of `call_regime`."""
    regime = call_regime(seconds, cls)
    low, high = (np.array([table[timed][name] for name in REGIMES]) for table in (c.low, c.high))
    return low[regime], high[regime]


def contraction_time(kernels: Kernels, gpu: Gpu, c: CallConstants, start_s: float) -> CallTime:
    """Time of products and convolutions; infinite MAC time of all other kernels."""
    n = len(kernels.cls)
    best = CallTime.never(n)
    if (kernels.kind == OpKind.CONV).any():
        best = convolution_time(kernels, gpu, c, start_s)
    product = np.isin(kernels.kind, (OpKind.GEMM, OpKind.ATTENTION))
    if not product.any():
        return best
    products = _products(kernels, gpu)
    matrix = products.matrix
    batched = kernels.cls == KernelClass.BATCHED_GEMM
    lone = ~matrix & batched
    ways: tuple[tuple[tuple[Tile, ...], BoolArray], ...] = (
        (ON_MATRIX_UNITS, matrix),
        (BATCHED.get(gpu.library, ALL), lone),
        (ROWS_APART.get(gpu.library, ALL), ~matrix & ~batched & products.rows_apart),
        (ALL, ~matrix & ~batched & ~products.rows_apart),
    )
    for tiles, here in ways:
        if (product & here).any():
            whole = replace(products, split=False) if here is lone else products
            way = fastest_tiling(whole, tiles, gpu, c, start_s)
            best = best.or_faster(way, c.overlap, start_s, product & here)
    return best


def _products(kernels: Kernels, gpu: Gpu) -> Products:
    """Matrix products, and both products of attention as one: the second in the length of the sum."""
    d = kernels.dims.astype(np.float64).T
    attention = kernels.kind == OpKind.ATTENTION
    operands = np.where(
        attention, d[0] * d[1] * (d[2] * d[4] + d[3] * (d[4] + d[5])), d[0] * d[3] * (d[1] + d[2])
    )
    read = kernels.read_bytes + kernels.weight_bytes
    plain = np.array([label in PLAIN_ORDERS for label in kernels.labels], np.bool_)
    if gpu.library == BEFORE_MATRIX_UNITS and gpu.wide:
        plain |= (kernels.dims[:, 1:4] % ALIGNED == 0).all(axis=1)
    return Products(
        batch=np.where(attention, d[0] * d[1], d[0]),
        m=np.where(attention, d[2], d[1]),
        n=np.where(attention, d[3], d[2]),
        depth=np.where(attention, d[4] + d[5], d[3]),
        size=read / np.maximum(operands, 1.0),
        read=read,
        written=kernels.write_bytes,
        rate=gpu.rate(kernels),
        matrix=gpu.on_matrix_units(kernels),
        split=True,
        rows_apart=(kernels.cls == KernelClass.GEMM) & ~plain,
    )


def _stream_seconds(
    kernels: Kernels, gpu: Gpu, c: CallConstants, timed: str
) -> tuple[FloatArray, FloatArray]:
    """(U,) seconds at the outer memory and in the multiprocessors of what is no contraction.

    A row that is longer than a warp keeps is read again: once more to sum, once more to write. It is still in
    the cache unless the rows at work together are larger. PyTorch's norm takes two kernels, so that the whole
    tensor comes twice.
    """
    table = c.bandwidth[gpu.memory]
    share = by_function(table, kernels.labels, by_class(table, 1.0)[kernels.cls])
    width = np.where(kernels.dims[:, 1] > 0, kernels.dims[:, 1], 1)
    inner, outer = kernels.outer_bytes.copy(), kernels.outer_bytes.copy()
    long = (kernels.kind == OpKind.SOFTMAX) & (width > BLOCK_WIDTH)
    inner[long] *= _passes("softmax", gpu, c)
    row = outer / np.maximum(kernels.out_elements / width, 1.0)
    spilt = long & (row * gpu.units > gpu.cache)
    outer[spilt] *= c.passes["spilt"]
    if timed == "host":
        missed = np.clip(1.0 - gpu.cache / np.maximum(kernels.read_bytes, 1.0), 0.0, 1.0)
        again = np.where(
            kernels.kind == OpKind.NORM, (_passes("norm", gpu, c) - 1.0) * kernels.read_bytes, 0.0
        )
        inner, outer = inner + again, outer + missed * again
    if timed == "device":  # a model's operators in turn: what the one before wrote is still in the cache
        outer = outer * (1.0 - c.resident * np.clip(gpu.cache / np.maximum(outer, 1.0), 0.0, 1.0))
    flight = by_function(c.in_flight, kernels.labels, by_class(c.in_flight, np.nan)[kernels.cls])
    return outer / (gpu.bandwidth * share), inner / (flight * gpu.units * gpu.clock)


def _passes(group: str, gpu: Gpu, c: CallConstants) -> float:
    """Passes over a row, which the releases that a newer generation is measured with keep on the chip."""
    return c.passes.get(f"{group}_{gpu.library}", c.passes[group])
