"""Class constants: what engines of a kind achieve of their public peaks, and with which interval."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import FloatArray, KernelClass, Kernels
from hw_models.cost.chips import ENGINE_KINDS, Chips
from hw_models.cost.roofline import DRAM, GPU, ISSUE, MAC, VECTOR
from hw_models.errors import InputError
from hw_models.shipped import shipped_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPUTE_GROUPS: Final[Mapping[str, tuple[KernelClass, ...]]] = {
    "conv": (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED),
    "gemm": (KernelClass.GEMM, KernelClass.BATCHED_GEMM, KernelClass.ATTENTION),
    "depthwise": (KernelClass.DEPTHWISE,),
}
"""Kernel classes that share a compute efficiency; the others do no MACs."""

CONTRACTIONS: Final = tuple(c for group in COMPUTE_GROUPS.values() for c in group)

FULL_CLOCK_WATTS: Final = 450.0 / 128
FULL_CLOCK: Final = 2.52e9
"""Board power of one SM (or compute unit) and clock of a GPU taken as not throttled: RTX 4090, 128 SMs."""


@dataclass(frozen=True)
class ClassConstants:
    """Efficiencies of one kind of engine under one lowering: fractions of the public figures, at most 1.

    Attributes:
        compute: by group of kernel classes, of the MAC peak (depthwise on a GPU: of the vector rate).
        bandwidth: of the outer memory's bandwidth, by "contraction" and "other".
        vector: of the vector rate; vector_per_mac: the rate itself over the best MAC peak, where the chip
            states none.
        sram_capacity: byte of on-chip memory, where the chip states none.
        issue: s, fixed time of one kernel where the chip states none, with its range.
        low, high: the 90 % interval of latency, as factors of the value.
        source, obtained: where the figures are from and how they were got.
    """

    kind: str
    compute: Mapping[str, float]
    bandwidth: Mapping[str, float]
    vector: float
    vector_per_mac: float
    sram_capacity: float
    issue: float
    issue_low: float
    issue_high: float
    low: float
    high: float
    source: str
    obtained: str

    def by_class(self) -> FloatArray:
        """(KernelClass, 3) time factors on MAC, vector and DRAM seconds."""
        factors = np.ones((len(KernelClass), 3))
        factors[:, 1] = 1.0 / self.vector
        factors[:, 2] = 1.0 / self.bandwidth["other"]
        factors[list(CONTRACTIONS), 2] = 1.0 / self.bandwidth["contraction"]
        for group, classes in COMPUTE_GROUPS.items():
            factors[list(classes), 0] = 1.0 / self.compute[group]
        if self.kind == ENGINE_KINDS[GPU]:
            factors[KernelClass.DEPTHWISE, 1] = 1.0 / self.compute["depthwise"]
        return factors


@dataclass(frozen=True)
class ClassPriors:
    """The constants of every kind of engine; `overlap` is the p of the p-norm over a kernel's resources."""

    overlap: float
    entries: Mapping[tuple[str, str], ClassConstants]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> ClassPriors:
        """From the structure of `class_priors.yaml`."""
        entries: dict[tuple[str, str], ClassConstants] = {}
        for row in data["classes"]:
            alike = (
                "kind",
                "compute",
                "bandwidth",
                "vector",
                "vector_per_mac",
                "sram_capacity",
                "source",
                "obtained",
            )
            constants = ClassConstants(
                **{name: row[name] for name in alike},
                issue=row["issue"]["value"],
                issue_low=row["issue"]["low"],
                issue_high=row["issue"]["high"],
                low=row["latency"]["low"],
                high=row["latency"]["high"],
            )
            entries |= {(row["kind"], lowering): constants for lowering in row["lowering"]}
        return cls(overlap=float(data["overlap"]), entries=entries)

    def constants(self, kind: str, lowering: str) -> ClassConstants:
        """The constants of a kind of engine under a lowering.

        Raises:
            InputError: there are none for that lowering.
        """
        try:
            return self.entries[kind, lowering]
        except KeyError:
            known = ", ".join(sorted({name for k, name in self.entries if k == kind}))
            raise InputError(
                f"no class constants of {kind} engines for lowering '{lowering}'; known: {known}"
            ) from None

    def for_chips(self, chips: Chips, lowering: str) -> tuple[ClassConstants, ...]:
        """(C,) the constants of each chip's main engine."""
        return tuple(self.constants(ENGINE_KINDS[k], lowering) for k in chips.kind)


@cache
def class_priors() -> ClassPriors:
    """The class constants that ship (`class_priors.yaml`)."""
    return ClassPriors.of(shipped_yaml("hw_models.cost", "class_priors.yaml"))


@dataclass(frozen=True, eq=False)
class Adjustment:
    """Class constants as arrays over chips.

    Attributes:
        factors: (3, KernelClass, C) on MAC, vector and DRAM seconds; at least 1 each.
        issue: (3, C) s of starting a kernel: value, low, high.
        low, high: (C,) interval factors of latency.
    """

    factors: FloatArray
    issue: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, chips: Chips, constants: tuple[ClassConstants, ...]) -> Adjustment:
        """The constants of each chip, with its power-capped clock and its own issue time."""
        factors = np.array([c.by_class() for c in constants]).reshape(len(chips), len(KernelClass), 3)
        factors = np.ascontiguousarray(np.moveaxis(factors, 0, -1).swapaxes(0, 1))
        factors[:2] /= power_capped_clock(chips)
        of_class = np.array([(c.issue, c.issue_low, c.issue_high) for c in constants]).reshape(-1, 3).T
        return cls(
            factors=factors,
            issue=np.where(np.isnan(chips.issue), of_class, chips.issue),
            low=np.array([c.low for c in constants]),
            high=np.array([c.high for c in constants]),
        )

    def apply(self, seconds: FloatArray, kernels: Kernels) -> FloatArray:
        """Terms (U, C, R) stretched by the constants of each kernel's class and each chip's kind.

        A kernel starts in the time that its terms say, or else in the chip's or its class's.
        """
        out = seconds.copy()
        for resource, factor in zip((MAC, VECTOR, DRAM), self.factors, strict=True):
            out[..., resource] *= factor[kernels.cls]
        out[..., ISSUE] = np.where(out[..., ISSUE] > 0, out[..., ISSUE], self.issue[0])
        return out


def power_capped_clock(chips: Chips) -> FloatArray:
    """(C,) sustained over rated clock of a GPU with little power for its cores; 1 elsewhere or where unknown.

    min(1, (TDP / SM / 3.5 W) / (clock / 2.52 GHz) ** 0.5). A mode brings its own clock and peak, so the TDP
    counts, not the mode's cap.
    Source: achieved over rated peak of FP32 GEMM (DeepBench, NeuSight, 99th percentile): T4 0.61, A100 0.87,
    V100 0.98, P100 0.90, P4 0.80; here 0.63, 0.88, 1, 1, 1. Five boards, so a hypothesis.
    """
    power = chips.tdp / chips.units / FULL_CLOCK_WATTS
    factor = np.minimum(1.0, power / np.sqrt(chips.clock / FULL_CLOCK))
    return np.where((chips.kind == GPU) & np.isfinite(factor), factor, 1.0)
