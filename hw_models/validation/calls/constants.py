"""Constants of single library calls, tied over all GPUs, as `single_calls.yaml` states them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import KernelClass
from hw_models.shipped import shipped_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.cost.arrays import FloatArray

GROUPS: Final = {
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


@dataclass(frozen=True)
class CallConstants:
    """What libraries' kernels achieve on GPUs.

    Attributes:
        overlap: p of the p-norm over a call's resources; start_overlap: of its start with the rest, by how it
            was timed and by group.
        tile: share of the peak in a tile without end, on "vector" lanes and "matrix" units; tile_loss: how it
            falls with the reciprocals of a tile's rows and columns; fill: steps of the sum that filling and
            draining a tile cost.
        lane_energy: J of one multiply-accumulate for each nm of the process node, the board's share included,
            of an "integer" lane of its four;
            warm: s of work at the rated clock before the power is regulated.
        library: share of that rate that a vendor's or generation's kernels reach, those that are named.
        read, written: share of the outer memory's bandwidth that operands of products reach, by the units
            that multiply, and their results.
        patience: bytes that tiles at work together walk over before they drift apart, in caches; scattered:
            share of the bandwidth once they have; both by "maxwell" and "later" generations.
        convolution: what "direct", "fused" (Winograd in one kernel) and "transformed" (in steps) convolutions
            reach of the peak, a library's choice that is not the fastest included;
        transforms: share of the bandwidth of Winograd's transforms of "images" and "filters"; stages: kernels
            that they add.
        bandwidth: share of the bandwidth of what is no product, by group or function, "hbm" and "gddr"
            memories apart.
        in_flight: bytes a clock that one multiprocessor moves, by group or function; not named: no limit.
        resident: of the bytes that a cache holds, the share that a call inside a model finds there.
        passes: bytes over those of a single pass: "softmax" over rows longer than a warp keeps, inside the
            multiprocessors, and "spilt" at the memory where such rows leave the cache; what "norm" reads;
            `softmax_ampere` and so on: of one generation.
        start: s by how a call was timed and by group or function; vendor_start: factors of it by library.
        extra: s that each kernel of a call beside its first costs, by how it was timed.
        low, high: 90 % interval of a device not fitted on, factors by how it was timed, its kind and
            what binds it.
        source, obtained: what they were fitted on, and how well.
    """

    overlap: float
    start_overlap: Mapping[str, Mapping[str, float]]
    tile: Mapping[str, float]
    tile_loss: Mapping[str, float]
    fill: Mapping[str, float]
    lane_energy: Mapping[str, float]
    warm: float
    library: Mapping[str, float]
    read: Mapping[str, float]
    written: float
    patience: Mapping[str, float]
    scattered: Mapping[str, float]
    convolution: Mapping[str, float]
    transforms: Mapping[str, float]
    stages: float
    bandwidth: Mapping[str, Mapping[str, float]]
    in_flight: Mapping[str, float]
    resident: float
    passes: Mapping[str, float]
    start: Mapping[str, Mapping[str, float]]
    vendor_start: Mapping[str, float]
    extra: Mapping[str, float]
    low: Mapping[str, Mapping[str, float]]
    high: Mapping[str, Mapping[str, float]]
    source: str
    obtained: str


def by_class(figures: Mapping[str, float], default: float) -> FloatArray:
    """(KernelClass,) figures of groups; `default` for classes in none that is named."""
    found = np.full(len(KernelClass), default)
    for group, classes in GROUPS.items():
        found[list(classes)] = figures.get(group, default)
    return found


def by_function(figures: Mapping[str, float], functions: tuple[str, ...], of_class: FloatArray) -> FloatArray:
    """(U,) the figure of each kernel's function where one is named, else `of_class`."""
    named = {name for name in functions if name in figures}
    found = of_class.copy()
    for name in named:
        found[np.array([f == name for f in functions])] = figures[name]
    return found


@cache
def call_constants() -> CallConstants:
    """The constants that ship."""
    data: dict[str, Any] = shipped_yaml("hw_models.validation", "single_calls.yaml")
    return CallConstants(**data)
