"""The three physical scalars of a chip, fitted in logarithms and shrunk to 1."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw_models.cost.roofline import DRAM, ISSUE

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray

NAMES: Final = ("compute", "bandwidth", "fixed")
COMMON: Final = (0.01, 0.02, 0.05, 0.1, 0.3, 1.0)
"""Candidate standard deviations of the logarithm that all three share: a chip whose scale the law has right,
and one that is off by up to a factor of three (an unseen CPU: 46 %)."""

APART: Final = (0.02, 0.1)
"""The same for each scalar by itself."""

NETWORK: Final = 0.16
"""Standard deviation of the log error of a class law over networks. Source: timm, i9-10940X, the widest."""

STEPS: Final = 4
"""Gauss-Newton steps; the model is close to linear in logarithms."""

LIMIT: Final = 3.0
"""Largest logarithm of a scalar: a chip further off is not described by its file."""


class Shares(NamedTuple):
    """(N,) s of each network that go with each scalar."""

    compute: FloatArray
    bandwidth: FloatArray
    fixed: FloatArray

    @property
    def seconds(self) -> FloatArray:
        """(N,) latency."""
        return self.compute + self.bandwidth + self.fixed

    @property
    def parts(self) -> FloatArray:
        """(N, 3) parts of the latency, which sum to 1: how its logarithm moves with that of each scalar."""
        return np.column_stack(self) / self.seconds[:, None]


@dataclass(frozen=True)
class Scalars:
    """Factors of time on top of the class law: of everything inside the chip, of DRAM, of all fixed times.

    The efficiencies that a reader wants are one over the first two.
    """

    compute: float = 1.0
    bandwidth: float = 1.0
    fixed: float = 1.0

    def apply(self, seconds: FloatArray) -> FloatArray:
        """Terms (..., R) in seconds, as this chip runs them."""
        out = seconds * self.compute
        out[..., DRAM] = seconds[..., DRAM] * self.bandwidth
        out[..., ISSUE] = seconds[..., ISSUE] * self.fixed
        return out


NEUTRAL: Final = Scalars()


def fit_scalars(parts: FloatArray, residuals: FloatArray, covariance: FloatArray) -> FloatArray:
    """(3,) logarithms of the scalars: a mean over priors of several widths, weighted by their evidence.

    Where the law has the scale right, narrow priors explain the data best and the scalars stay near 1; where
    it is off, wide ones do. Generalised least squares: near-twins do not count twice.

    Args:
        parts: (N, 3) share of each network's time that each scalar moves.
        residuals: (N,) log of measured over the law.
        covariance: (N, N) of residuals that networks share.

    Source: Rasmussen and Williams (2006), 2.7 (explicit basis functions with a Gaussian prior); MacKay,
        Neural Computation 4 (1992): evidence.
    """
    # a network far off counts less, after Huber: it errs by itself
    far = np.abs(residuals - np.median(residuals)) / (2.0 * NETWORK)
    noise = covariance + np.diag(NETWORK**2 * np.maximum(1.0, far))
    inverse = np.linalg.inv(noise)
    gram, moment = parts.T @ inverse @ parts, parts.T @ inverse @ residuals
    found, evidence = [], []
    for common, apart in product(COMMON, APART):
        prior = common**2 * np.ones((3, 3)) + apart**2 * np.eye(3)
        precision = np.linalg.inv(prior) + gram
        theta = np.linalg.solve(precision, moment)
        found.append(theta)
        # log evidence up to what all priors share
        determinant = np.linalg.slogdet(precision)[1] + np.linalg.slogdet(prior)[1]
        evidence.append(0.5 * moment @ theta - 0.5 * determinant)
    weight = np.exp(np.array(evidence) - max(evidence))
    mean: FloatArray = np.clip(weight @ np.array(found) / weight.sum(), -LIMIT, LIMIT)
    return mean
