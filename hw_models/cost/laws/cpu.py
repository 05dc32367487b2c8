"""How CPUs run kernels: a sum of what the cores compute, what passes the caches, DRAM, and a call each.

Every term is an amount of the kernel over a public rate of the chip, times a constant tied over all CPUs that
run one runtime. A core works on one kernel at a time and its caches hide little of each other, so the terms
add up (overlap 1). Rates are the chip's own but for two corrections with one exponent each: wide SIMD is
harder to keep busy (`width`), and calls are quicker on fast cores (`call`).

Source: constants fitted by benchmarks/fit_law_cpu.py, see `cpu.yaml`; terms of a contraction after Goto and
    van de Geijn, TOMS 34(3), 2008 (packed products), and Georganas et al., SC 2018 (blocked convolution).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import FloatArray, KernelClass, Kernels
from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, MAC, SRAM, VECTOR
from hw_models.errors import InputError
from hw_models.shipped import shipped_yaml
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hw_models.cost.chips import Chips

KIND: Final = "cpu"
RUNTIMES: Final = ()
"""A law of the class; `law` tells runtimes apart by itself."""
BY_RUNTIME: Final = True

BLOCK: Final = 16
"""Channels of a block of blocked convolutions. Source: oneDNN nChw16c, MLAS NCHWc on AVX-512; 8 elsewhere."""
FRESH: Final = 2.0**25
"""Bytes from which an allocation has fresh pages every time. Source: mallopt(3), M_MMAP_THRESHOLD, 32 MiB."""
HEAVY: Final = 4.0
"""Vector operations an output element from which elementwise work is arithmetic, not traffic."""
USUAL_WIDTH: Final = 32.0
"""FP32 operations of a core and clock from which `width` counts: two 256-bit or four 128-bit FMA pipes."""
X86: Final = frozenset({"Intel", "AMD"})
"""Vendors whose CPUs have x86 cores."""
USUAL_CORE: Final = 20e9
"""FP32 op/s of a core to which `call` refers: a Cortex-A73 at 2.4 GHz."""
USUAL_CORES: Final = 4.0
"""Cores of a chip that does not tell."""

NARROW: Final = (Precision.INT8, Precision.UINT8)
_C = KernelClass
_CONV: Final = (_C.CONV, _C.POINTWISE, _C.GROUPED, _C.DEPTHWISE)
_PRODUCT: Final = (_C.GEMM, _C.BATCHED_GEMM, _C.ATTENTION)
_SMALL: Final = {
    "norm": _C.NORM,
    "softmax": _C.SOFTMAX,
    "reduce": _C.REDUCE,
    "pool": _C.POOL,
    "gather": _C.GATHER,
}


@dataclass(frozen=True)
class Amounts:
    """What a kernel does, once: the sums behind all terms."""

    kernels: Kernels
    dims: FloatArray = field(init=False)
    ops: FloatArray = field(init=False)
    moved: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dims", self.kernels.dims.astype(np.float64))
        object.__setattr__(self, "ops", 2.0 * self.kernels.macs)
        object.__setattr__(self, "moved", self.kernels.read_bytes + self.kernels.write_bytes)

    def of(self, *classes: KernelClass) -> np.ndarray:
        """(U,) whether a kernel is of one of these classes."""
        found: np.ndarray = np.isin(self.kernels.cls, [int(c) for c in classes])
        return found

    @property
    def blocked(self) -> np.ndarray:
        """(U,) whether the channels of a convolution fill whole blocks.

        Of a dense one the inputs count, if there are more than a block: outputs can be padded.
        """
        g, k, c = self.dims[:, 1], self.dims[:, 2], self.dims[:, 3]
        dense = (c % BLOCK == 0) | (c < BLOCK)
        grouped = (k % BLOCK == 0) & (c % BLOCK == 0)
        fits: np.ndarray = np.where(
            self.of(_C.DEPTHWISE), (g * k) % BLOCK == 0, np.where(g > 1, grouped, dense)
        )
        return fits

    @property
    def thin(self) -> FloatArray:
        """(U,) how much worse than with half a block of channels products of one group are."""
        narrow: FloatArray = np.square(BLOCK / 2 / self.dims[:, 3])
        return narrow

    @property
    def resized(self) -> np.ndarray:
        """(U,) whether a kernel resizes images."""
        found: np.ndarray = self.kernels.kind == OpKind.RESIZE
        return found

    @property
    def cubic(self) -> np.ndarray:
        """(U,) whether an output is made of more than four inputs: bicubic, for which no library has SIMD."""
        many: np.ndarray = self.dims[:, 4] > 4
        return many

    @property
    def products(self) -> FloatArray:
        """(U,) outputs of a matrix product, two operations each."""
        made: FloatArray = 2.0 * self.dims[:, :3].prod(axis=1)
        return made

    @property
    def padded(self) -> FloatArray:
        """(U,) operations of a dense convolution with channels padded to whole blocks, thin inputs apart."""
        k, c = self.dims[:, 2], self.dims[:, 3]
        full = _up(k) / k * np.where(c >= BLOCK, _up(c) / c, 1.0)
        padded: FloatArray = self.ops * full
        return padded

    @property
    def heavy(self) -> np.ndarray:
        """(U,) elementwise kernels that compute more than they move."""
        many = self.kernels.vector_ops >= HEAVY * self.kernels.out_elements
        found: np.ndarray = self.of(_C.ELEMENTWISE) & many
        return found


def _up(channels: FloatArray) -> FloatArray:
    whole: FloatArray = np.ceil(channels / BLOCK) * BLOCK
    return whole


def _only(rows: np.ndarray, amount: FloatArray | float) -> FloatArray:
    kept: FloatArray = np.where(rows, amount, 0.0)
    return kept


def _vector_ops_of(cls: KernelClass) -> Callable[[Amounts], FloatArray]:
    return lambda a: _only(a.of(cls), a.kernels.vector_ops)


MAC_TERMS: Final[Mapping[str, Callable[[Amounts], FloatArray]]] = {
    "conv": lambda a: _only(a.of(_C.CONV), a.padded),
    "pointwise": lambda a: _only(a.of(_C.POINTWISE), a.padded),
    "dense_ragged": lambda a: _only(a.of(_C.CONV, _C.POINTWISE) & ~a.blocked, a.ops),
    "grouped": lambda a: _only(a.of(_C.GROUPED), a.ops),
    "grouped_ragged": lambda a: _only(a.of(_C.GROUPED) & ~a.blocked, a.ops * a.thin),
    "depthwise": lambda a: _only(a.of(_C.DEPTHWISE), a.ops),
    "depthwise_ragged": lambda a: _only(a.of(_C.DEPTHWISE) & ~a.blocked, a.ops),
    "gemm": lambda a: _only(a.of(_C.GEMM), a.ops),
    "batched_gemm": lambda a: _only(a.of(_C.BATCHED_GEMM), a.ops),
    "attention": lambda a: _only(a.of(_C.ATTENTION), a.ops),
}
"""op over the peak at the kernel's precision. `ragged` comes on top, where channels fill no whole blocks."""

VECTOR_TERMS: Final[Mapping[str, Callable[[Amounts], FloatArray]]] = {
    "outputs": lambda a: _only(a.of(_C.GEMM, _C.BATCHED_GEMM), a.products),
    "window": lambda a: _only(a.of(_C.DEPTHWISE), 2.0 * a.kernels.out_elements),
    "scores": lambda a: _only(a.of(_C.ATTENTION), a.dims[:, :4].prod(axis=1)),
    "epilogue": lambda a: _only(a.of(*_CONV, _C.GEMM, _C.BATCHED_GEMM), a.kernels.vector_ops),
    "special": lambda a: _only(a.heavy, a.kernels.vector_ops),
    **{name: _vector_ops_of(c) for name, c in _SMALL.items()},
}
"""op over the FP32 rate. Outputs: of matrix products, whose time short sums do not hide; window: outputs of
depthwise convolutions; scores: elements of attention."""

CACHE_TERMS: Final[Mapping[str, Callable[[Amounts], FloatArray]]] = {
    "weights": lambda a: _only(a.of(*_CONV, *_PRODUCT), a.kernels.weight_bytes),
    "operands": lambda a: _only(a.of(*_CONV, *_PRODUCT), a.moved),
    "simple": lambda a: _only(a.of(_C.ELEMENTWISE) & ~a.heavy, a.moved),
    "passes": lambda a: _only(a.of(_C.NORM, _C.SOFTMAX, _C.REDUCE, _C.POOL), a.moved),
    "copy": lambda a: _only(a.of(_C.COPY) & (a.kernels.kind != OpKind.VIEW), a.moved),
    "permuted": lambda a: _only(a.of(_C.COPY) & (a.kernels.kind == OpKind.VIEW), a.moved),
    "picked": lambda a: _only(a.of(_C.GATHER) & (a.kernels.kind != OpKind.RESIZE), a.moved),
    "resize": lambda a: _only(a.resized & ~a.cubic, a.kernels.write_bytes * np.sqrt(a.dims[:, 4])),
    "cubic": lambda a: _only(a.resized & a.cubic, a.kernels.write_bytes),
}
"""byte over the FP32 rate (byte/s for op/s): ports of the inner caches grow with SIMD width and clock."""

DRAM_TERMS: Final[Mapping[str, Callable[[Amounts], FloatArray]]] = {
    "relaid": lambda a: _only(a.of(*_CONV), a.kernels.weight_bytes),
    "relaid_fresh": lambda a: _only(a.of(*_CONV) & (a.kernels.weight_bytes > FRESH), a.kernels.weight_bytes),
    "fresh": lambda a: _only(a.kernels.write_bytes > FRESH, a.kernels.write_bytes),
}
"""byte over the DRAM bandwidth, beside the roofline's: weights laid into blocks at each call, fresh pages."""

CALL_TERMS: Final[Mapping[str, Callable[[Amounts], FloatArray]]] = {
    "library": lambda a: _only(a.of(*_CONV, *_PRODUCT), 1.0),
    "loop": lambda a: _only(~a.of(*_CONV, *_PRODUCT), 1.0),
}
"""s of a kernel: of a library, of a generated or small one."""

RESOURCE_TERMS: Final = {
    MAC: MAC_TERMS,
    VECTOR: VECTOR_TERMS,
    SRAM: CACHE_TERMS,
    DRAM: DRAM_TERMS,
    ISSUE: CALL_TERMS,
}
"""Terms by the resource that they are booked on."""

TERMS: Final = (*(name for terms in RESOURCE_TERMS.values() for name in terms), "dram")
"""Constants that a kernel's time is linear in; `dram` is that of the roofline's own DRAM time."""


@dataclass(frozen=True)
class Rates:
    """(C,) what the cores that a runtime uses offer.

    Attributes:
        mac: (C, Precision) op/s, with the loss of wide SIMD; vector: (C,) FP32 op/s, likewise.
        call: (C,) factor of the time of a call.
    """

    mac: FloatArray
    vector: FloatArray
    call: FloatArray


@dataclass(frozen=True)
class Shape:
    """The constants that are not factors of a term.

    Attributes:
        width: exponent of the loss of SIMD wider than `USUAL_WIDTH`.
        call: exponent of calls on cores slower than `USUAL_CORE`.
        threads: cores that the runtime uses; None: all.
        lanes, lanes_x86: most int8 op per core and clock that the runtime's kernels reach for; None: all.
    """

    width: float = 0.0
    call: float = 0.0
    threads: int | None = None
    lanes: float | None = None
    lanes_x86: float | None = None

    def rates(self, chips: Chips) -> Rates:
        """Rates of the chips; a chip that tells no cores or clock has the usual ones."""
        units = np.where(np.isfinite(chips.units), chips.units, USUAL_CORES)
        fp32 = chips.vector_peak[:, Precision.FP32]
        core = fp32 / units
        with np.errstate(invalid="ignore", divide="ignore"):
            wide = np.where(np.isfinite(chips.clock), core / chips.clock / USUAL_WIDTH, 1.0)
        share = np.ones_like(units) if self.threads is None else np.minimum(self.threads / units, 1.0)
        kept = share * np.maximum(wide, 1.0) ** -self.width
        mac = chips.mac_peak.copy()
        is_x86 = np.array([a.vendor in X86 for a in chips.accelerators], np.bool_)
        for lanes, rows in ((self.lanes, ~is_x86), (self.lanes_x86, is_x86)):
            if lanes is not None:
                most = np.where(rows & np.isfinite(chips.clock), lanes * units * chips.clock, np.inf)
                mac[:, NARROW] = np.minimum(mac[:, NARROW], most[:, None])
        return Rates(mac * kept[:, None], fp32 * kept, (core / USUAL_CORE) ** -self.call)


@dataclass(frozen=True)
class Constants:
    """Factor of each of `TERMS`, and what is no factor, for one kind of arithmetic."""

    factors: tuple[float, ...]
    shape: Shape


@dataclass(frozen=True)
class Power:
    """What a board draws at the wall while it runs a network: a base, its memory, and its cores at work.

    Attributes:
        base: W; per_bandwidth: W per byte/s of DRAM; per_peak: W per FP32 op/s of all cores.
        low, high: its 90 % interval, as factors.

    Source: fitted with the time, on the boards of mlperf_edge_grid whose wall power is published.
    """

    base: float
    per_bandwidth: float
    per_peak: float
    low: float
    high: float

    def watts(self, chips: Chips) -> FloatArray:
        """(3, C) W: value, low, high; NaN where the bandwidth or the peak is unknown."""
        cores = self.per_peak * chips.vector_peak[:, Precision.FP32]
        value = self.base + self.per_bandwidth * chips.dram_bandwidth + cores
        return np.stack([value, value * self.low, value * self.high])


@dataclass(frozen=True)
class CpuLaw:
    """The law of CPUs under one runtime.

    Attributes:
        floats, narrow: constants where products run in floats, and in 8 bits.
        power: of the board, at the wall.
        low, high: 90 % interval of latency on families and devices that were not fitted.
        source: what it was fitted on, and how.
    """

    floats: Constants
    narrow: Constants
    power: Power
    low: float
    high: float
    source: str
    overlap: float = 1.0

    def apply(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds as these CPUs run them.

        An infinite time (no peak, no operator) stays; DRAM traffic is never below the roofline's, and a
        kernel starts in the chip's own time where its file tells one.
        """
        is_narrow = np.isin(kernels.math, NARROW)
        out = np.zeros_like(seconds)
        for constants, rows in ((self.floats, ~is_narrow), (self.narrow, is_narrow)):
            if rows.any():
                out[rows] = _applied(constants, seconds[rows], kernels.take(np.flatnonzero(rows)), chips)
        out[..., ISSUE] = np.where(seconds[..., ISSUE] > 0, seconds[..., ISSUE], out[..., ISSUE])
        out[np.isinf(seconds)] = np.inf
        return out

    def start(self, chips: Chips) -> FloatArray:
        """(C,) s: none beside the kernels' calls."""
        return np.zeros(len(chips))

    def interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of latency."""
        return np.repeat([[self.low], [self.high]], len(chips), axis=1)

    def board_power(self, chips: Chips) -> FloatArray:
        """(3, C) W at the wall while a network runs: value, low, high; NaN: unknown."""
        return self.power.watts(chips)


def _applied(constants: Constants, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
    out = np.zeros_like(seconds)
    out[..., EXPOSED] = np.nan_to_num(seconds[..., EXPOSED])
    terms = term_seconds(seconds, kernels, chips, constants.shape)
    for (_, resource, amount), factor in zip(terms, constants.factors, strict=True):
        out[..., resource] += factor * amount
    out[..., SRAM + 1 : EXPOSED] = np.nan
    return out


def term_seconds(
    seconds: FloatArray, kernels: Kernels, chips: Chips, shape: Shape
) -> list[tuple[str, int, FloatArray]]:
    """Name, resource and seconds (U, C) of every term at factor 1."""
    amounts, rates = Amounts(kernels), shape.rates(chips)
    over = {
        MAC: 1.0 / rates.mac.T[kernels.math],
        VECTOR: 1.0 / rates.vector[None, :],
        SRAM: 1.0 / rates.vector[None, :],
        DRAM: 1.0 / chips.dram_bandwidth[None, :],
        ISSUE: rates.call[None, :],
    }
    columns = []
    for resource, terms in RESOURCE_TERMS.items():
        for name, amount in terms.items():
            total = amount(amounts)[:, None]
            with np.errstate(invalid="ignore"):
                columns.append((name, resource, np.where(total == 0.0, 0.0, total * over[resource])))
    return [*columns, ("dram", DRAM, seconds[..., DRAM])]


@cache
def _entries() -> Mapping[str, Mapping[str, Any]]:
    entries: Mapping[str, Mapping[str, Any]] = shipped_yaml("hw_models.cost.laws", "cpu.yaml")["runtimes"]
    return entries


def runtime_key(lowering: str, runtime: str | None) -> str:
    """Which constants hold for what executes.

    Args:
        lowering: how the network was lowered.
        runtime: "TFLite v2.7.1 (ruy)", "onnxruntime 1.20"; None: not said, the lowering decides.
    """
    words = (runtime or "").lower()
    for key, entry in _entries().items():
        if any(word in words for word in entry["words"]):
            return key
    return next(key for key, entry in _entries().items() if lowering in entry["lowering"])


AS: Final = {"eager_nhwc": "eager"}
"""Lowerings whose constants are those of another, as among the class constants (class_priors.yaml)."""


@cache
def law(lowering: str, crossfit: str | None = None, runtime: str | None = None) -> CpuLaw:
    """The law of a runtime, or of the usual one under a lowering.

    Args:
        lowering: of `hw_models.lowering.LOWERINGS`.
        crossfit: what its constants must not have seen; None: nothing.
        runtime: what executes; None: not said.

    Raises:
        InputError: no constants hold for that lowering.
    """
    known = {name for entry in _entries().values() for name in entry["lowering"]}
    lowering = AS.get(lowering, lowering)
    if lowering not in known:
        raise InputError(
            f"no law of CPUs for lowering '{lowering}'; known: {', '.join(sorted(known))}; "
            "lower with one of them"
        )
    return _law(runtime_key(lowering, runtime), crossfit)


@cache
def _crossfit() -> Mapping[str, Mapping[str, Any]]:
    """Constants by runtime and by what they never saw; a file of its own, as only checks ask for it."""
    found: Mapping[str, Mapping[str, Any]] = shipped_yaml("hw_models.cost.laws", "cpu_crossfit.yaml")[
        "runtimes"
    ]
    return found


@cache
def _law(key: str, crossfit: str | None) -> CpuLaw:
    entry = _entries()[key]
    if crossfit and crossfit not in _crossfit()[key]:
        return _law(key, None)
    fit = _crossfit()[key][crossfit] if crossfit else entry
    low, high = entry["interval"]
    least, most = entry["power"]["interval"]
    watts = {name: float(fit["power"][name]) for name in ("base", "per_bandwidth", "per_peak")}
    return CpuLaw(
        floats=_constants(fit["floats"]),
        narrow=_constants(fit["narrow"]),
        power=Power(**watts, low=float(least), high=float(most)),
        low=float(low),
        high=float(high),
        source=f"{entry['source']}; {entry['obtained']}",
    )


def _constants(data: Mapping[str, Any]) -> Constants:
    factors = data["factors"]
    return Constants(tuple(float(factors.get(name, 0.0)) for name in TERMS), Shape(**data["shape"]))
