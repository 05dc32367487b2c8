"""Time of matrix products that a library cuts into tiles over the multiprocessors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.validation.calls.gpu import BEFORE_MATRIX_UNITS, MATRIX, VECTOR, Gpu, warmed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.cost.arrays import FloatArray
    from hw_models.validation.calls.constants import CallConstants
    from hw_models.validation.calls.gpu import BoolArray

Tile = tuple[int, int]
"""Outputs of one tile, rows by columns."""

ALL: Final[tuple[Tile, ...]] = (
    *((128, 128), (64, 128), (128, 64), (64, 64), (32, 128), (128, 32), (32, 64), (64, 32), (32, 32)),
)
ROWS_APART: Final[dict[str, tuple[Tile, ...]]] = {
    "maxwell": ((32, 128), (64, 64), (128, 32)),
    "volta": ((128, 128), (64, 128), (32, 128), (128, 32), (32, 64), (32, 32)),
    "ampere": ((64, 128), (32, 128), (128, 32), (32, 64), (32, 32)),
}
"""Tiles of FP32 products whose operands both lie along the sum, by generation; any other: `ALL`.
Source: names of the kernels of `linear` in neusight_gemm (`ampere_sgemm_128x64_tn`: 128 columns, 64 rows)."""
BATCHED: Final[dict[str, tuple[Tile, ...]]] = {
    "maxwell": ((64, 128),),
    "volta": ((64, 64), (64, 128), (32, 128), (128, 32)),
    "ampere": ((128, 128),),
}
"""The same of batched FP32 products. Source: `bmm` in neusight_gemm."""
ON_MATRIX_UNITS: Final[tuple[Tile, ...]] = (
    *((256, 128), (128, 256), (128, 128), (64, 256), (256, 64), (128, 64), (64, 128), (64, 64)),
)
"""Source: NVIDIA, Matrix Multiplication Background User's Guide, "Tile Sizes"."""

SPLITS: Final = (1, 2, 3, 4, 6, 8, 12, 16)
"""Parts that the sum of a product may be cut into where there are too few tiles."""

DEPTH: Final = 8
"""Step of the sum inside a tile; shorter sums are filled up."""

PARTIAL_BYTES: Final = 4.0
"""Partial sums are FP32."""

IN_FLIGHT_OUTPUTS: Final = 32768
"""Outputs whose sums the registers of one multiprocessor hold: half of 256 KiB in FP32."""

FITS: Final = 0.7
"""Share of a cache that operands may take and still be found in it."""


@dataclass(frozen=True, eq=False)
class Products:
    """Contractions as matrix products, (U,) each: batch x (m x depth) by (depth x n).

    Attributes:
        size: bytes of one element of the operands.
        read, written: bytes of operands and of results.
        rate: op/s of the units that multiply; matrix: whether those are matrix units.
        split: whether the sum may be cut into parts.
        rows_apart: whether neighbours in memory are neighbours in the sum, of both operands.
    """

    batch: FloatArray
    m: FloatArray
    n: FloatArray
    depth: FloatArray
    size: FloatArray
    read: FloatArray
    written: FloatArray
    rate: FloatArray
    matrix: BoolArray
    split: bool
    rows_apart: BoolArray


@dataclass(frozen=True, eq=False)
class CallTime:
    """What a call needs, (U,) each: seconds at the MAC units and at the memory; kernels beside the first."""

    mac: FloatArray
    memory: FloatArray
    kernels: FloatArray

    def total(self, overlap: float, start_s: float) -> FloatArray:
        """(U,) seconds without the start of the first kernel."""
        busy: FloatArray = (self.mac**overlap + self.memory**overlap) ** (1.0 / overlap)
        return busy + start_s * self.kernels

    def or_faster(
        self, other: CallTime, overlap: float, start_s: float, can: BoolArray | None = None
    ) -> CallTime:
        """Of each call the faster of two ways, the other only where it `can`."""
        better = other.total(overlap, start_s) < self.total(overlap, start_s)
        if can is not None:
            better &= can
        return CallTime(
            np.where(better, other.mac, self.mac),
            np.where(better, other.memory, self.memory),
            np.where(better, other.kernels, self.kernels),
        )

    @classmethod
    def never(cls, n: int) -> CallTime:
        """A way that no call can take."""
        return cls(np.full(n, np.inf), np.zeros(n), np.zeros(n))


def fastest_tiling(
    products: Products, tiles: Sequence[Tile], gpu: Gpu, c: CallConstants, start_s: float
) -> CallTime:
    """The fastest of all tilings, and of all parts that the sum may be cut into.

    The multiprocessors take one tile each until none is left, so that time goes by whole rounds; a tile
    reaches the more of the peak the larger it is, because it loads less for each multiplication.
    Source: NVIDIA, Matrix Multiplication Background User's Guide, "Tile Quantization", "Wave Quantization";
    split sums: NVIDIA, CUTLASS, "Efficient GEMM in CUDA", "Parallelized Reductions".
    """
    best = CallTime.never(len(products.m))
    cap = gpu.cap(products.rate, products.matrix, c.lane_energy)
    share, loss, fill = (
        np.where(products.matrix, t[MATRIX], t[VECTOR]) for t in (c.tile, c.tile_loss, c.fill)
    )
    made = c.library.get(gpu.library, 1.0)
    for tm, tn in tiles:
        reached = products.rate / gpu.units * share * made / (1.0 + loss * (1.0 / tm + 1.0 / tn))
        count = products.batch * np.ceil(products.m / tm) * np.ceil(products.n / tn)
        once = _memory_seconds(products, (tm, tn), count, gpu, c)
        for parts in SPLITS if products.split else SPLITS[:1]:
            inner = np.ceil(products.depth / parts / DEPTH) * DEPTH + fill
            mac = np.ceil(count * parts / gpu.units) * 2.0 * tm * tn * inner / reached
            partial = 2.0 * PARTIAL_BYTES * parts * products.batch * products.m * products.n
            beside = partial / (gpu.bandwidth * c.written) if parts > 1 else 0.0
            some = CallTime(warmed(mac, cap, c.warm), once + beside, np.full(len(mac), float(parts > 1)))
            best = best.or_faster(some, c.overlap, start_s)
    return best


def _memory_seconds(
    products: Products, tile: Tile, count: FloatArray, gpu: Gpu, c: CallConstants
) -> FloatArray:
    """(U,) seconds at the outer memory.

    Operands come once, unless their rows lie far apart: then the tiles at work together walk along rows of
    another page each, drift apart, and where what they walk over is many times the cache every tile loads for
    itself, at a fraction of the bandwidth.
    """
    p = products
    reading = gpu.bandwidth * np.where(p.matrix, c.read[MATRIX], c.read[VECTOR])
    plain = p.read / reading + p.written / (gpu.bandwidth * c.written)
    if not p.rows_apart.any():
        return plain
    tm, tn = tile
    together = gpu.units * min(max(IN_FLIGHT_OUTPUTS / (tm * tn), 2.0), 4.0)
    columns, rows = np.ceil(p.n / tn), np.ceil(p.m / tm)
    wide = np.minimum(columns, together)
    high = np.clip(np.floor(together / columns), 1.0, rows)
    walked = (np.minimum(wide * tn, p.n) + np.minimum(high * tm, p.m)) * p.depth * p.size
    again = np.maximum(p.batch * columns * rows / (wide * high) * walked, p.read)
    old = gpu.library == BEFORE_MATRIX_UNITS
    x = walked / np.maximum(gpu.cache * c.patience["maxwell" if old else "later"], 1.0)
    missed = np.where(p.rows_apart & (p.read / p.batch >= FITS * gpu.cache), x * x / (1.0 + x * x), 0.0)
    alone = (
        count * (tm + tn) * p.depth * p.size / (gpu.bandwidth * c.scattered["maxwell" if old else "later"])
    )
    near = np.where(p.read / p.batch < FITS * gpu.cache, p.read, again) / reading
    drifting = near * (1.0 - missed) + alone * missed + p.written / (gpu.bandwidth * c.written)
    return np.where(p.rows_apart, drifting, plain)
