"""The law of GPUs: what kernels of PyTorch's libraries lose against the public figures, by their shapes.

Products lose to short sums, to tiles that are not full and to unaligned rows; depthwise convolutions run on
the vector lanes; tensors pass the cache; convolutions change the layout of their tensors; little board power
for many cores lowers the clock. Constants: `gpu.yaml`, fitted by `benchmarks/fit_law_gpu.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.adjust import power_capped_clock
from hw_models.cost.arrays import KernelClass
from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, MAC, SRAM, VECTOR
from hw_models.errors import UnknownNameError
from hw_models.shipped import shipped_yaml
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.chips import Chips

KIND: Final = "gpu"
RUNTIMES: Final[tuple[str, ...]] = ()
"""It is of the class as a whole."""

Table = Mapping[str, float]

TILE: Final = 64
"""Rows and columns of the smallest tile of outputs that keeps the matrix units busy.

Source: NVIDIA, Matrix Multiplication Background User's Guide, "Tile Quantization" (256 x 128 to 64 x 64).
"""

ALIGNED: Final = 8
"""Elements at 16 bit to which rows must be aligned for matrix units to be used at all, or fully.

Source: the same guide, "Tensor Core Requirements" (16 bytes).
"""

FULL_STEP: Final = 32
"""Elements of the sum that one step of a tile takes (64 bytes at 16 bit).

Source: names of the kernels ("..._128x64_32x6_nn"), NVIDIA CUTLASS.
"""

HEAD: Final = 64
"""Width of a head, and length of a sequence, at which attention kernels are at their best."""

TAPS: Final = (3, 5, 7, 9)
"""Window sides for which depthwise kernels are told apart; what is larger is as the largest."""

MATRIX: Final = (
    KernelClass.CONV,
    KernelClass.POINTWISE,
    KernelClass.GROUPED,
    KernelClass.GEMM,
    KernelClass.BATCHED_GEMM,
)
"""Classes that are one product, or one for each group, cut into tiles."""


@dataclass(frozen=True)
class GpuConstants:
    """Losses of GPU kernels under one lowering, tied over all GPUs; factors of time are at least 1 / `BOOST`.

    Attributes:
        overlap: p of the p-norm over a kernel's resources.
        issue: s to start a kernel, where the chip states none.
        compute: by class, factor on MAC time at full tiles, long sums and alignment; of depthwise kernels on
            the time that the vector lanes need for 3 x 3 taps.
        short_sum: by class, elements that filling and draining a tile costs.
        part_tile: exponent of the outputs of whole tiles over those wanted.
        unaligned: factor where rows are not aligned to `ALIGNED`, "step": where the last step is not full.
        attention: exponents of `HEAD` over a narrower "width", and the "length" lost to short sequences.
        taps: of depthwise kernels, factor by side of the window, per tap; "stride": where positions are left
            out.
        vector: factor on the time of the vector lanes.
        memory: by class, factor on the time at the bandwidth of the outer memory.
        layout: by class, share of the time to read and write its tensors twice that a convolution's change
            of layout takes, before and after it.
        cache_bytes: bytes a clock that one multiprocessor moves to and from the last cache.
    """

    overlap: float
    issue: float
    compute: Table
    short_sum: Table
    part_tile: float
    unaligned: Table
    attention: Table
    taps: Table
    vector: float
    memory: Table
    layout: Table
    cache_bytes: float


@dataclass(frozen=True)
class GpuLaw:
    """The law under one lowering.

    Attributes:
        constants: the losses.
        fitted_on: names of the chips they were fitted on.
        known, unseen: 90 % interval as factors of latency on those chips and on others, for networks of
            families not fitted on.
        source: what was fitted on, and how well.
    """

    constants: GpuConstants
    fitted_on: frozenset[str]
    known: tuple[float, float]
    unseen: tuple[float, float]
    source: str

    @property
    def overlap(self) -> float:
        """Exponent of the p-norm over a kernel's resources."""
        return self.constants.overlap

    def apply(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds as GPUs run them; unknown (NaN) stays unknown."""
        c, out = self.constants, seconds.copy()
        clock = power_capped_clock(chips)
        shape = _Shapes.of(kernels)
        out[..., MAC] *= (_matrix_factor(kernels, shape, c) * _attention_factor(kernels, c))[:, None] / clock
        out[..., VECTOR] *= _vector_factor(kernels, c)[:, None] / clock
        out[..., DRAM] *= _by_class(c.memory, 1.0)[kernels.cls][:, None]
        through_cache = kernels.outer_bytes[:, None] / (chips.units * chips.clock * clock * c.cache_bytes)
        out[..., SRAM] = np.where(np.isnan(out[..., SRAM]), through_cache, out[..., SRAM])
        moved = 2.0 * _by_class(c.layout, 0.0)[kernels.cls] * (kernels.read_bytes + kernels.write_bytes)
        out[..., EXPOSED] += moved[:, None] / chips.dram_bandwidth
        out[..., ISSUE] = np.where(out[..., ISSUE] > 0, out[..., ISSUE], c.issue)
        return out

    def start(self, chips: Chips) -> FloatArray:
        """(C,) s: batches keep the host ahead of the GPU, so all fixed time is the kernels'."""
        return np.zeros(len(chips))

    def interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of latency."""
        is_known = np.array([chip.name in self.fitted_on for chip in chips.accelerators], np.bool_)
        return np.where(is_known, np.array(self.known)[:, None], np.array(self.unseen)[:, None])


@dataclass(frozen=True, eq=False)
class _Shapes:
    """Contractions as matrix products, (U,) each: rows x columns outputs, sums of `depth`."""

    rows: FloatArray
    columns: FloatArray
    depth: FloatArray

    @classmethod
    def of(cls, kernels: Kernels) -> _Shapes:
        d = kernels.dims.astype(np.float64).T
        conv, gemm = kernels.kind == OpKind.CONV, kernels.kind == OpKind.GEMM
        return cls(
            rows=np.where(conv, d[0] * d[4] * d[5], np.where(gemm, d[1], 1.0)),
            columns=np.where(conv, d[2], np.where(gemm, d[2], 1.0)),
            depth=np.where(conv, d[3] * d[6] * d[7], np.where(gemm, d[3], 1.0)),
        )


def _matrix_factor(kernels: Kernels, s: _Shapes, c: GpuConstants) -> FloatArray:
    """(U,) factor on MAC time: class, short sums, tiles that are not full, alignment."""
    factor = _by_class(c.compute, 1.0)[kernels.cls]
    factor = factor * (1.0 + _by_class(c.short_sum, 0.0)[kernels.cls] / s.depth)
    outputs = np.ceil(s.rows / TILE) * np.ceil(s.columns / TILE) * TILE**2
    part = (outputs / (s.rows * s.columns)) ** c.part_tile
    odd = (s.columns % ALIGNED != 0) | (s.depth % ALIGNED != 0)
    loose = (s.columns % TILE != 0) | (s.depth % FULL_STEP != 0)
    aligned = np.where(odd, c.unaligned["row"], np.where(loose, c.unaligned["step"], 1.0))
    return np.where(np.isin(kernels.cls, MATRIX), factor * part * aligned, factor)


def _attention_factor(kernels: Kernels, c: GpuConstants) -> FloatArray:
    """(U,) factor on MAC time of attention: narrow heads, short sequences."""
    length, width = kernels.dims[:, 2].astype(np.float64), kernels.dims[:, 4].astype(np.float64)
    narrow = np.maximum(HEAD / width, 1.0) ** c.attention["width"]
    factor = narrow * (1.0 + c.attention["length"] * HEAD / length)
    return np.where(kernels.cls == KernelClass.ATTENTION, factor, 1.0)


def _vector_factor(kernels: Kernels, c: GpuConstants) -> FloatArray:
    """(U,) factor on the time of the vector lanes, which run depthwise convolutions."""
    fy, fx = kernels.dims[:, 6].astype(np.float64), kernels.dims[:, 7].astype(np.float64)
    side = np.sqrt(fy * fx)
    by_side = np.log([c.taps[str(t)] for t in TAPS])
    taps = np.exp(np.interp(np.log(side), np.log(TAPS), by_side))
    strided = np.where(kernels.geometry[:, :2].max(axis=1) > 1, c.taps["stride"], 1.0)
    depthwise = kernels.cls == KernelClass.DEPTHWISE
    return np.where(depthwise, c.compute["depthwise"] * taps * strided, c.vector)


def _by_class(figures: Table, default: float) -> FloatArray:
    """(KernelClass,) figures by name of the class; `default` for classes that are not named."""
    return np.array([figures.get(k.label, default) for k in KernelClass])


def law(lowering: str, crossfit: str | None = None) -> GpuLaw:
    """The law under a lowering; "ideal" compilers are taken as inductor.

    Args:
        lowering: "compiled", "eager" or "ideal".
        crossfit: what its constants must not have seen ("family:3", "device:rtx3090"); None: nothing.

    Raises:
        UnknownNameError: there are no constants for that lowering.
    """
    data = _shipped()
    name = {"ideal": "compiled"}.get(lowering, lowering)
    if name not in data:
        raise UnknownNameError(
            "lowering", lowering, [*data, "ideal"], f"choose one of {', '.join(data)}, ideal"
        )
    row = data[name]
    left_out = row["crossfit"].get(crossfit) if crossfit else None
    constants = row["constants"] if left_out is None else left_out
    fitted_on = set(row["fitted_on"])
    if crossfit and crossfit.startswith("device:"):
        fitted_on.discard(crossfit.removeprefix("device:"))
    return GpuLaw(
        constants=GpuConstants(**constants),
        fitted_on=frozenset(fitted_on),
        known=tuple(row["interval"]["known"]),
        unseen=tuple(row["interval"]["unseen"]),
        source=f"{row['source']}; {row['obtained']}",
    )


@cache
def _shipped() -> dict[str, Any]:
    """Rows of `gpu.yaml` by lowering."""
    rows: dict[str, Any] = shipped_yaml("hw_models.cost.laws", "gpu.yaml")["lowerings"]
    return rows
