"""How resources overlap inside a kernel, and kernels inside a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, LOCAL, MAC, NOC, SRAM, VECTOR

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray

OVERLAPPING = (MAC, VECTOR, DRAM, SRAM, LOCAL, NOC)
OPTIONAL = (VECTOR, SRAM, LOCAL, NOC)


def kernel_seconds(seconds: FloatArray, overlap: float) -> FloatArray:
    """(U, C) time of each kernel from what its resources need alone, (U, C, R).

    The p-norm of the overlapping resources, plus what nothing hides and the fixed cost: p = inf is perfect
    overlap (the roofline's max), p = 1 none; any p >= 1 is at least the max, so that no kernel beats its
    roofline. A vector unit, an on-chip memory or an interconnect whose rate is unknown (NaN) takes no part,
    which the caller must say; an unknown MAC or DRAM time makes the kernel unknown.
    """
    return (
        busy_seconds(seconds, overlap)
        + np.nan_to_num(seconds[..., EXPOSED], posinf=np.inf)
        + seconds[..., ISSUE]
    )


def busy_seconds(seconds: FloatArray, overlap: float) -> FloatArray:
    """(U, C) time of each kernel's overlapping resources together."""
    optional = (np.nan_to_num(seconds[..., r], nan=0.0, posinf=np.inf) for r in OPTIONAL)
    parts = np.array([seconds[..., MAC], seconds[..., DRAM], *optional])
    if np.isinf(overlap):
        slowest: FloatArray = parts.max(axis=0)
        return slowest
    if overlap == 4.0:  # squarings and roots cost a tenth of a general power
        fourth: FloatArray = np.square(np.square(parts)).sum(axis=0)
        return np.sqrt(np.sqrt(fourth))
    total: FloatArray = np.power(parts, overlap).sum(axis=0) ** (1.0 / overlap)
    return total


def shares(seconds: FloatArray, overlap: float) -> FloatArray:
    """(U, C, R) seconds of a kernel that each resource answers for; they sum to the kernel's time.

    The elasticity of the p-norm: d ln t / d ln t_r = (t_r / t)^p, so that a share is also the sensitivity of
    the time to that resource; with p = inf the slowest resource answers for all of it.
    """
    busy = busy_seconds(seconds, overlap)
    known = np.nan_to_num(seconds, nan=0.0, posinf=np.inf)
    out = np.zeros_like(known)
    if np.isinf(overlap):
        slowest = known[..., OVERLAPPING].argmax(axis=-1)
        np.put_along_axis(out, np.array(OVERLAPPING)[slowest][..., None], busy[..., None], axis=-1)
    else:
        with np.errstate(invalid="ignore"):
            ratio = known / np.where(busy > 0, busy, 1.0)[..., None]
            out = busy[..., None] * ratio**overlap
    out[..., EXPOSED], out[..., ISSUE] = known[..., EXPOSED], seconds[..., ISSUE]
    return out
