"""How sure a calibrated latency is: split-conformal half-widths, by how near a measured network is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray

LEVEL: Final = 0.90
BINS: Final = 4
"""Steps of `sure` that are told apart where there are networks enough."""
PER_BIN: Final = 40
"""Networks that a step needs."""
FEWEST: Final = 10
"""Networks below which no half-width can be told."""


@dataclass(frozen=True)
class Width:
    """Half-width of the interval of log latency by the standard deviation that the residual comes with.

    Attributes:
        sure: (B,) rising standard deviations; half: (B,) half-widths at them, which never fall.
    """

    sure: tuple[float, ...]
    half: tuple[float, ...]

    @classmethod
    def of(cls, out: FloatArray, sure: FloatArray, near: FloatArray, near_sure: FloatArray) -> Width | None:
        """From log errors out of fold.

        Args:
            out: (N,) of networks whose family was left out.
            sure: (N,) standard deviation of each.
            near: (N,) of networks left out alone, whose siblings stay.
            near_sure: (N,) standard deviation of each.

        Returns:
            None for fewer than `FEWEST` networks.

        Source: split-conformal prediction within groups, Vovk et al., Algorithmic Learning in a Random World
            (2005), 4.5.
        """
        if len(out) < FEWEST:
            return None
        steps = [*_steps(out, sure)]
        least = min(s for s, _ in steps)
        close = near_sure < least
        if close.sum() >= PER_BIN:
            steps = [*_steps(near[close], near_sure[close]), *steps]
        ordered = sorted(steps)
        half = np.maximum.accumulate([h for _, h in ordered])
        return cls(tuple(float(s) for s, _ in ordered), tuple(float(h) for h in half))

    def at(self, sure: FloatArray) -> FloatArray:
        """Half-width at standard deviations of any shape."""
        found: FloatArray = np.interp(sure, self.sure, self.half)
        return found


def conformal(errors: FloatArray) -> float:
    """Half-width that holds the next error with 90 %: the ceil(0.9 (n + 1))-th smallest, or the largest."""
    n = len(errors)
    rank = min(n, int(np.ceil(LEVEL * (n + 1))))
    return float(np.sort(np.abs(errors))[rank - 1])


def _steps(errors: FloatArray, sure: FloatArray) -> list[tuple[float, float]]:
    """Median deviation and half-width of each step."""
    n = max(1, min(BINS, len(errors) // PER_BIN))
    order = np.argsort(sure, kind="stable")
    return [(float(np.median(sure[part])), conformal(errors[part])) for part in np.array_split(order, n)]


def covered(out: FloatArray, sure: FloatArray, folds: NDArray[np.intp]) -> tuple[float, float]:
    """Coverage and median half-width where widths come from the other folds alone; NaN for too few."""
    half = np.full(len(out), np.nan)
    for fold in np.unique(folds):
        at = folds == fold
        width = Width.of(out[~at], sure[~at], np.empty(0), np.empty(0))
        if width is not None:
            half[at] = width.at(sure[at])
    known = np.isfinite(half)
    if not known.any():
        return float("nan"), float("nan")
    return float((np.abs(out) <= half)[known].mean()), float(np.median(half[known]))
