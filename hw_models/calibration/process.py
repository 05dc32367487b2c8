"""Residuals of networks as a Gaussian process over what they compute: what was measured tells its neighbours.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1; predictions of
points left out, 5.12, of blocks left out likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.calibration.features import LENGTHS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray

SIBLING_REACH: Final = 0.25
"""Reach of the part that siblings share, over that of the part that all networks of a structure share."""


SELF_REACH: Final = 0.01
"""The same of a network by itself: whoever asks for one that was measured is told what was measured."""

REPEATED: Final = 4e-4
"""Variance of log time between two runs of one network. Source: timm between releases, 1.4 to 2.2 %."""


@dataclass(frozen=True)
class Kernel:
    """Variances of log residuals: what like structures share, what siblings share, each network alone.

    Attributes:
        structure, sibling, level, alone: variances; `level` is common to all networks.
    """

    structure: float
    sibling: float
    level: float
    alone: float

    def between(self, one: FloatArray, other: FloatArray) -> FloatArray:
        """(N, M) covariance of networks with features (N, F) and (M, F)."""
        a, b = one / LENGTHS, other / LENGTHS
        square = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None, :] - 2.0 * a @ b.T
        square = np.maximum(square, 0.0)
        near = self.sibling * np.exp(-0.5 * square / SIBLING_REACH**2)
        same = self.alone * np.exp(-0.5 * square / SELF_REACH**2)
        found: FloatArray = self.level + self.structure * np.exp(-0.5 * square) + near + same
        return found

    @property
    def prior_variance(self) -> float:
        """Of a network that resembles none."""
        return self.structure + self.sibling + self.level + self.alone


@dataclass(frozen=True, eq=False)
class Residuals:
    """Log residuals of measured networks.

    Attributes:
        kernel: their covariance.
        features: (N, F); values: (N,) log of measured over predicted.
    """

    kernel: Kernel
    features: FloatArray
    values: FloatArray

    @cached_property
    def _solved(self) -> tuple[FloatArray, FloatArray]:
        """Lower Cholesky factor of the covariance, and covariance^-1 values."""
        from scipy.linalg import cho_solve, cholesky

        covariance = self.kernel.between(self.features, self.features)
        covariance[np.diag_indices_from(covariance)] += REPEATED
        factor = cholesky(covariance, lower=True)
        return factor, cho_solve((factor, True), self.values)

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(M,) mean and variance of the residual of networks with features (M, F); noise left out."""
        if not len(self.values):
            n = len(features)
            return np.zeros(n), np.full(n, self.kernel.prior_variance)
        from scipy.linalg import solve_triangular

        factor, weights = self._solved
        cross = self.kernel.between(features, self.features)
        half = solve_triangular(factor, cross.T, lower=True)
        variance = self.kernel.prior_variance - np.square(half).sum(axis=0)
        return cross @ weights, np.maximum(variance, 0.0)

    def left_out(self, groups: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """(N,) mean and variance of each residual from the networks of other groups (N,)."""
        covariance = self.kernel.between(self.features, self.features)
        covariance[np.diag_indices_from(covariance)] += REPEATED
        inverse = np.linalg.inv(covariance)
        weights = inverse @ self.values
        mean, variance = np.empty(len(groups)), np.empty(len(groups))
        for group in np.unique(groups):
            at = np.flatnonzero(groups == group)
            block = np.linalg.inv(inverse[np.ix_(at, at)])
            mean[at] = self.values[at] - block @ weights[at]
            variance[at] = np.diag(block) - REPEATED
        return mean, np.maximum(variance, 0.0)

    def without(self, rows: NDArray[np.bool_]) -> Residuals:
        """Those of the networks that are not marked."""
        return Residuals(self.kernel, self.features[~rows], self.values[~rows])
