"""What a change costs on the same images: the interval is that of the images on which it matters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codesign.quality.training.result import Z_90
from hw_models.cost.base import Estimate
from hw_models.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PairedDrop:
    """Points of top-1 accuracy that a network loses against another on the same images.

    Attributes:
        n: images.
        lost: right before and wrong after; won: wrong before and right after.
        agreement: share of the images on which both name the same class, 0..1.
    """

    n: int
    lost: int
    won: int
    agreement: float

    @property
    def points(self) -> float:
        """Percentage points lost; below 0 where it is better."""
        return 100.0 * (self.lost - self.won) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """90 % interval of the points.

        Source: Agresti and Min, Simple improved confidence intervals for comparing matched proportions,
        Statistics in Medicine 24, 2005: half an image is added to each of the four cells.
        """
        n, lost, won = self.n + 2.0, self.lost + 0.5, self.won + 0.5
        middle = (lost - won) / n
        half = Z_90 * math.sqrt(max(0.0, lost + won - (lost - won) ** 2 / n)) / n
        return 100.0 * (middle - half), 100.0 * (middle + half)

    @property
    def p_value(self) -> float:
        """That both are equally often right: McNemar's exact test.

        Source: McNemar, Note on the sampling error of the difference between correlated proportions,
        Psychometrika 12, 1947.
        """
        from scipy.stats import binomtest

        apart = self.lost + self.won
        return 1.0 if not apart else float(binomtest(self.lost, apart).pvalue)

    def estimate(self, fidelity: str) -> Estimate:
        """The points with their interval."""
        low, high = self.interval
        return Estimate(self.points, low, high, fidelity, "%")


def paired(
    before: NDArray[np.floating], after: NDArray[np.floating], labels: NDArray[np.int64]
) -> PairedDrop:
    """The drop from (n, classes) logits of two networks to the same images.

    An answer that is not finite is wrong.

    Raises:
        InputError: other numbers of images.
    """
    if not len(before) == len(after) == len(labels) or not len(labels):
        told = f"{len(before)} and {len(after)} answers and {len(labels)} labels given"
        raise InputError(f"{told}, expected as many of each, and at least one")
    one, other = _named(before), _named(after)
    was, now = one == labels, other == labels
    return PairedDrop(
        len(labels), int((was & ~now).sum()), int((~was & now).sum()), float((one == other).mean())
    )


def _named(logits: NDArray[np.floating]) -> NDArray[np.int64]:
    fine = np.isfinite(logits).all(axis=1)
    return np.where(fine, np.argmax(np.nan_to_num(logits), axis=1), -1)
