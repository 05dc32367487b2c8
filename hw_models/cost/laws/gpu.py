"""The law of GPUs: what kernels of PyTorch's libraries lose against the public figures, by their shapes.

Products lose to short sums, to tiles that are not full and to unaligned rows; depthwise convolutions run on
the vector lanes, by how their channels lie; tensors pass the cache; some kernels read more than once or out
of order; little board power for many cores lowers the clock. Constants: `gpu.yaml`, fitted by
`benchmarks/fit_law_gpu.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import KernelClass
from hw_models.cost.roofline import DRAM, EXPOSED, GPU, ISSUE, MAC, SRAM, VECTOR
from hw_models.errors import UnknownNameError
from hw_models.shipped import shipped_yaml
from hw_models.workload.op import BITS, OpKind, Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.chips import Chips

KIND: Final = "gpu"
RUNTIMES: Final[tuple[str, ...]] = ()
"""It is of the class as a whole."""

AS: Final = {"ideal": "compiled", "folded": "compiled", "eager_nhwc": "eager"}
"""Lowerings that share another one's constants."""

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

WIDE_ROW: Final = 16384
"""Elements of a row that one block of threads cannot keep between its sums and their use: read again."""

FULL_POWER: Final = 450.0 / 128
FULL_CLOCK: Final = 2.52e9
POWER_OF_CLOCK, CLOCK_OF_POWER = 0.25, 0.82
"""Board power of one SM [W] and rated clock [Hz] of a GPU that is not throttled, RTX 4090, and the exponents
of `sustained_clock`."""

LOADED_TILE: Final = (256, 128)
LOADED_BYTES: Final = 35.0
"""Outputs of the largest tile, and bytes a clock that one multiprocessor loads for it from the last cache.

Source: 35 fitted on operators of 17 GPUs (`hw_models/validation/single_calls.yaml`). GeForce cards stay far
below; on an H100 it halves what the matrix units could do.
"""

CONVS: Final = (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED)
MATRIX: Final = (*CONVS, KernelClass.GEMM, KernelClass.BATCHED_GEMM)
"""Classes that are one product, or one for each group, cut into tiles."""

_ELEMENT_BYTES: Final = np.array([BITS[p] / 8 for p in Precision])
_IS_MATRIX: Final = np.isin(list(KernelClass), MATRIX)
_IS_CONV: Final = np.isin(list(KernelClass), (*CONVS, KernelClass.DEPTHWISE))


@dataclass(frozen=True)
class GpuConstants:
    """Losses of GPU kernels under one lowering, tied over all GPUs.

    Factors of time are at least 1; only of MACs they go down to 1 / 1.15, as clocks rise above the rated one
    where power allows (RTX 3090: 1.695 GHz rated, about 1.9 under load).

    Attributes:
        overlap: p of the p-norm over a kernel's resources.
        issue: s to start a kernel, where the chip states none.
        compute: by class, factor on MAC time at full tiles, long sums and alignment; of depthwise kernels on
            the time that the vector lanes need for 3 x 3 taps.
        short_sum: by class, elements that filling and draining a tile costs.
        part_tile: exponent of the outputs of whole tiles over those wanted.
        unaligned: factor where a "row" is not aligned to `ALIGNED`, where the last "step" is not full.
        attention: exponent of `HEAD` over a narrower "width"; "length" lost to short sequences.
        taps, taps_last: of depthwise kernels with channels outermost and innermost, factor by side of the
            window, per tap; "stride": where positions are left out.
        vector: factor on the time of the vector lanes.
        memory: by class, factor on the time at the bandwidth of the outer memory.
        slower: further such factors: of a "resize"; of norms with a "wide_row" of more than `WIDE_ROW`; of
            a long "function"; of a "copy" into another order, of other work on operands of "mixed" order.
        long_function: vector operations an element from which a function is long: erf (36) where each
            operator is a kernel, the sigmoid of SiLU (19) where it ends a chain of them.
        unhidden: by class, share of the time to move a convolution's tensors once that arithmetic does not
            hide: changes of layout before and after it; "innermost": how much of that is left where channels
            lie innermost already.
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
    taps_last: Table
    vector: float
    memory: Table
    slower: Table
    long_function: float
    unhidden: Table
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
        clock = sustained_clock(chips)
        out[..., MAC] *= _matrix_factor(kernels, c)[:, None] / clock
        out[..., VECTOR] *= _vector_factor(kernels, c)[:, None] / clock
        out[..., DRAM] *= _memory_factor(kernels, c)[:, None]
        clocks = chips.units * chips.clock * clock
        through_cache = kernels.outer_bytes[:, None] / (clocks * c.cache_bytes)
        out[..., SRAM] = np.where(np.isnan(out[..., SRAM]), through_cache, out[..., SRAM])
        out[..., SRAM] = np.fmax(out[..., SRAM], _loaded_bytes(kernels)[:, None] / (clocks * LOADED_BYTES))
        apart = _by_class(c.unhidden, 0.0)[kernels.cls]
        apart = apart * np.where(_layout(kernels), c.unhidden["innermost"], 1.0)
        moved = apart * (kernels.read_bytes + kernels.write_bytes)
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


def sustained_clock(chips: Chips) -> FloatArray:
    """(C,) clock under load over the rated one; 1 where power suffices or a figure is unknown.

    min(1, (P / 3.5 W / (f / 2.52 GHz) ** 0.25) ** 0.82), P the board power of one SM and f the rated clock. A
    mode of power brings its own clock and peak, so the TDP counts.
    Source: achieved over rated peak of FP32 GEMM (DeepBench, NeuSight, 99th percentile): T4 0.61, A100 PCIe
    0.87, V100 0.98; here 0.62, 0.80, 1. P4 (0.80) and P100 (0.90) it misses: a hypothesis.
    """
    enough = chips.tdp / chips.units / FULL_POWER / (chips.clock / FULL_CLOCK) ** POWER_OF_CLOCK
    factor = np.minimum(1.0, enough**CLOCK_OF_POWER)
    return np.where((chips.kind == GPU) & np.isfinite(factor), factor, 1.0)


def _matrix_factor(kernels: Kernels, c: GpuConstants) -> FloatArray:
    """(U,) factor on MAC time: class, short sums, tiles that are not full, alignment, shape of attention."""
    factor = _by_class(c.compute, 1.0)[kernels.cls]
    at = np.flatnonzero(_IS_MATRIX[kernels.cls])
    d, cls = kernels.dims[at].T.astype(np.float64), kernels.cls[at]
    conv = kernels.kind[at] == OpKind.CONV
    rows, columns = np.where(conv, d[0] * d[4] * d[5], d[1]), d[2]
    depth = np.where(conv, d[3] * d[6] * d[7], d[3])
    short = 1.0 + _by_class(c.short_sum, 0.0)[cls] / depth
    outputs = np.ceil(rows / TILE) * np.ceil(columns / TILE) * TILE**2
    part = (outputs / (rows * columns)) ** c.part_tile
    odd = (columns % ALIGNED != 0) | (depth % ALIGNED != 0)
    loose = (columns % TILE != 0) | (depth % FULL_STEP != 0)
    aligned = np.where(odd, c.unaligned["row"], np.where(loose, c.unaligned["step"], 1.0))
    factor[at] *= short * part * aligned
    at = np.flatnonzero(kernels.cls == KernelClass.ATTENTION)
    length, width = kernels.dims[at][:, [2, 4]].T.astype(np.float64)
    narrow = np.maximum(HEAD / width, 1.0) ** c.attention["width"]
    factor[at] *= narrow * (1.0 + c.attention["length"] * HEAD / length)
    return factor


def _loaded_bytes(kernels: Kernels) -> FloatArray:
    """(U,) bytes that multiprocessors load for the tiles of products, a row and a column for each."""
    share = sum(1.0 / side for side in LOADED_TILE) * _ELEMENT_BYTES[kernels.math]
    return np.where(_IS_MATRIX[kernels.cls], kernels.macs * share, 0.0)


def _vector_factor(kernels: Kernels, c: GpuConstants) -> FloatArray:
    """(U,) factor on the time of the vector lanes, which run depthwise convolutions."""
    factor = np.full(len(kernels.cls), c.vector)
    at = np.flatnonzero(kernels.cls == KernelClass.DEPTHWISE)
    side = np.log(np.sqrt(kernels.dims[at, 6].astype(np.float64) * kernels.dims[at, 7]))
    strided = kernels.geometry[at, :2].max(axis=1, initial=1) > 1
    ways = []
    for taps in (c.taps, c.taps_last):
        by_side = np.interp(side, np.log(TAPS), np.log([taps[str(t)] for t in TAPS]))
        ways.append(np.exp(by_side) * np.where(strided, taps["stride"], 1.0))
    factor[at] = c.compute["depthwise"] * np.where(_layout(kernels)[at], ways[1], ways[0])
    return factor


def _memory_factor(kernels: Kernels, c: GpuConstants) -> FloatArray:
    """(U,) factor on the time at the bandwidth of the outer memory."""
    cls, s = kernels.cls, c.slower
    factor = _by_class(c.memory, 1.0)[cls]
    factor[kernels.kind == OpKind.RESIZE] *= s["resize"]
    factor[(cls == KernelClass.NORM) & (kernels.dims[:, 1] > WIDE_ROW)] *= s["wide_row"]
    is_long = kernels.vector_ops > c.long_function * kernels.out_elements
    factor[(cls == KernelClass.ELEMENTWISE) & is_long] *= s["function"]
    moved = _layout(kernels) & ~_IS_CONV[cls]
    factor[moved & (cls == KernelClass.COPY)] *= s["copy"]
    factor[moved & (cls != KernelClass.COPY)] *= s["mixed"]
    return factor


def _layout(kernels: Kernels) -> NDArray[np.bool_]:
    """(U,) `Kernels.layout`, False where it is not said."""
    if kernels.layout is None:
        return np.zeros(len(kernels.cls), np.bool_)
    return kernels.layout.astype(np.bool_)


def _by_class(figures: Table, default: float) -> FloatArray:
    """(KernelClass,) figures by name of the class; `default` for classes that are not named."""
    return np.array([figures.get(k.label, default) for k in KernelClass])


def law(lowering: str, crossfit: str | None = None) -> GpuLaw:
    """The law under a lowering; compilers other than inductor are taken as inductor.

    Args:
        lowering: of `hw_models.lowering.lower.LOWERINGS`.
        crossfit: what its constants must not have seen ("family:3", "device:rtx3090"); None: nothing.

    Raises:
        UnknownNameError: there are no constants for that lowering.
    """
    data = _shipped()
    name = AS.get(lowering, lowering)
    if name not in data:
        known = [*data, *AS]
        raise UnknownNameError("lowering", lowering, known, f"choose one of {', '.join(known)}")
    row = data[name]
    constants = row["crossfit"].get(crossfit, row["constants"])
    fitted_on = set(row["fitted_on"])
    if crossfit in row["crossfit"]:
        fitted_on.discard(str(crossfit).removeprefix("device:"))
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
