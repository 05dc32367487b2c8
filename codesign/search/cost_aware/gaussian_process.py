"""How good an untried network will be: a Gaussian process over its knobs and its counted features.

Kernel: exp(-distance of the knobs that count) + Matern 5/2 of the features + linear in the features +
noise. Six numbers, found by maximum marginal likelihood under a weak prior, from the same start every time:
whoever has the same rows gets the same model.
Source: Rasmussen, Williams: Gaussian Processes for Machine Learning, 2006, chapters 2, 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]

PRIOR: Final = np.log([0.03, 3.0, 0.5, 1.0, 0.3, 0.05])
"""Centre of the prior: amplitude and length of the knob kernel and of Matern, linear amplitude, noise.

Of targets that are scaled to unit variance. Knobs start low: they tell equal networks apart, which features
do not, so they count where the results demand it. Source: own choice, weak.
"""
SPREAD: Final = np.array([1.0, 0.7, 1.0, 0.7, 1.0, 1.0])
"""Standard deviation of the prior of each logarithm."""
BOUNDS: Final = [(-7.0, 4.0)] * len(PRIOR)
JITTER: Final = 1e-6


@dataclass(frozen=True)
class Inputs:
    """What the process knows of n networks.

    Attributes:
        knobs: (n, g) codes; the squared distance of two rows counts the knobs that differ.
        features: (n, f) scaled, so that a squared distance is a mean over features.
    """

    knobs: FloatArray
    features: FloatArray

    def __len__(self) -> int:
        return len(self.knobs)

    def take(self, rows: NDArray[np.intp]) -> Inputs:
        """Some of the networks."""
        return Inputs(self.knobs[rows], self.features[rows])

    def join(self, more: Inputs) -> Inputs:
        """These and then more of them."""
        return Inputs(
            np.concatenate([self.knobs, more.knobs]), np.concatenate([self.features, more.features])
        )


@dataclass(frozen=True)
class Distances:
    """Between n and m networks, all (n, m): of knobs, squared of features, product of features."""

    knobs: FloatArray
    features: FloatArray
    product: FloatArray

    @classmethod
    def of(cls, a: Inputs, b: Inputs) -> Distances:
        """Every network of `a` with every one of `b`."""
        product = a.features @ b.features.T
        return cls(_squared(a.knobs, b.knobs), _squared(a.features, b.features), product)


def _squared(a: FloatArray, b: FloatArray) -> FloatArray:
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0), np.float64)


def covariance(d: Distances, theta: FloatArray) -> FloatArray:
    """(n, m) prior covariance without noise; `theta` as `PRIOR`."""
    return np.asarray(np.add.reduce(_kernels(d, theta)[0]), np.float64)


def _kernels(d: Distances, theta: FloatArray) -> tuple[list[FloatArray], tuple[FloatArray, FloatArray]]:
    """Three kernels; and of the first two the scaled distances."""
    a_knobs, l_knobs, a_smooth, l_smooth, a_linear = np.exp(theta[:5])
    r = d.knobs / l_knobs
    s = np.sqrt(5 * d.features + 1e-12) / l_smooth
    smooth = a_smooth * np.exp(-s) * (1 + s + s * s / 3)
    return [a_knobs * np.exp(-r), smooth, a_linear * d.product], (r, s)


def _parts(d: Distances, theta: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
    """Three kernels, and the derivatives of the first two by the logarithm of their length."""
    kernels, (r, s) = _kernels(d, theta)
    by_length = np.exp(theta[2] - s) * s * s * (1 + s) / 3
    return kernels, [kernels[0] * r, by_length]


def _loss(theta: FloatArray, d: Distances, y: FloatArray) -> tuple[float, FloatArray]:
    """Negative log posterior of the hyper-parameters, and its gradient."""
    kernels, slopes = _parts(d, theta)
    noise, n = np.exp(theta[5]), len(y)
    try:
        factor = cholesky(
            np.add.reduce(kernels) + (noise + JITTER) * np.eye(n), lower=True, check_finite=False
        )
    except LinAlgError:
        return 1e10, np.zeros(len(theta))
    weights = cho_solve((factor, True), y, check_finite=False)
    m = cho_solve((factor, True), np.eye(n), check_finite=False) - np.outer(weights, weights)
    by_theta = [kernels[0], slopes[0], kernels[1], slopes[1], kernels[2]]
    slope = np.array([0.5 * np.vdot(m, k) for k in by_theta] + [0.5 * noise * np.trace(m)])
    off = (theta - PRIOR) / SPREAD
    loss = 0.5 * y @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
    return float(loss), slope + off / SPREAD


def fit_hyper_parameters(inputs: Inputs, targets: FloatArray) -> FloatArray:
    """The six logarithms with the highest posterior, as `PRIOR`.

    Args:
        inputs: n networks.
        targets: (n,) what was measured of them.
    """
    y, _, _ = _scaled(targets)
    d = Distances.of(inputs, inputs)
    found = minimize(
        _loss, PRIOR, args=(d, y), jac=True, method="L-BFGS-B", bounds=BOUNDS, options={"maxiter": 40}
    )
    return np.asarray(found.x, np.float64)


def _scaled(targets: FloatArray) -> tuple[FloatArray, float, float]:
    centre, scale = float(targets.mean()), float(targets.std())
    scale = scale if scale > 0 else 1.0
    return (targets - centre) / scale, centre, scale


@dataclass(frozen=True)
class GaussianProcess:
    """The process given what was measured.

    Attributes:
        inputs: of the n networks that were measured.
        targets: (n,) what was measured, less `centre` and over `scale`.
        theta: hyper-parameters, as `PRIOR`.
        factor: (n, n) lower Cholesky factor of the covariance of the targets.
        weights: (n,) its inverse times the targets.
    """

    inputs: Inputs
    targets: FloatArray
    theta: FloatArray
    factor: FloatArray
    weights: FloatArray
    centre: float
    scale: float

    @classmethod
    def given(cls, inputs: Inputs, targets: FloatArray, theta: FloatArray) -> GaussianProcess:
        """Conditioned on the targets of n networks."""
        y, centre, scale = _scaled(targets)
        k = covariance(Distances.of(inputs, inputs), theta)
        k[np.diag_indices(len(y))] += np.exp(theta[5]) + JITTER
        factor = cholesky(k, lower=True, check_finite=False)
        weights = cho_solve((factor, True), y, check_finite=False)
        return cls(inputs, y, theta, factor, weights, centre, scale)

    def also(self, inputs: Inputs, targets: FloatArray) -> GaussianProcess:
        """Conditioned on m more targets as well, on the same scale: the factor grows by a block."""
        n, m = len(self.weights), len(targets)
        beside = solve_triangular(
            self.factor,
            covariance(Distances.of(self.inputs, inputs), self.theta),
            lower=True,
            check_finite=False,
        )
        k = covariance(Distances.of(inputs, inputs), self.theta) - beside.T @ beside
        k[np.diag_indices(m)] += np.exp(self.theta[5]) + JITTER
        factor = np.zeros((n + m, n + m))
        factor[:n, :n], factor[n:, :n] = self.factor, beside.T
        factor[n:, n:] = cholesky(k, lower=True, check_finite=False)
        y = np.concatenate([self.targets, (targets - self.centre) / self.scale])
        weights = cho_solve((factor, True), y, check_finite=False)
        return replace(self, inputs=self.inputs.join(inputs), targets=y, factor=factor, weights=weights)

    @property
    def noise(self) -> float:
        """Variance of a repeated measurement, in the unit of the targets squared."""
        return float(np.exp(self.theta[5])) * self.scale**2

    def predict(self, inputs: Inputs) -> Prediction:
        """Mean and variance of a new measurement of each network."""
        k = covariance(Distances.of(self.inputs, inputs), self.theta)
        half = solve_triangular(self.factor, k, lower=True, check_finite=False)
        a_knobs, _, a_smooth, _, a_linear = np.exp(self.theta[:5])
        own = a_knobs + a_smooth + a_linear * (inputs.features**2).sum(1)
        known = np.maximum(own - (half**2).sum(0), JITTER)
        return Prediction(
            self, inputs, half, k.T @ self.weights * self.scale + self.centre, known * self.scale**2
        )


@dataclass
class Prediction:
    """What the process says of n networks; sharpened where one of them is believed.

    Attributes:
        mean: (n,) in the unit of the targets.
        variance: (n,) of the mean, without noise.
    """

    process: GaussianProcess
    inputs: Inputs
    half: FloatArray
    mean: FloatArray
    variance: FloatArray

    def __post_init__(self) -> None:
        self._believed: list[FloatArray] = []

    @property
    def deviation(self) -> FloatArray:
        """(n,) standard deviation of a new measurement, noise included."""
        return np.sqrt(self.variance + self.process.noise)

    def join(self, more: Prediction) -> Prediction:
        """Both together; of predictions of one process in which nothing is believed yet."""
        return Prediction(
            self.process,
            self.inputs.join(more.inputs),
            np.concatenate([self.half, more.half], axis=1),
            np.concatenate([self.mean, more.mean]),
            np.concatenate([self.variance, more.variance]),
        )

    def believe(self, at: int) -> None:
        """Suppose network `at` came out at its mean: the mean stays, what it tells of the others is known.

        Source: kriging believer, Ginsbourger, Le Riche, Carraro 2010; a rank-one update of the covariance.
        """
        one = self.inputs.take(np.array([at]))
        prior = covariance(Distances.of(self.inputs, one), self.process.theta)[:, 0]
        shared = (prior - self.half.T @ self.half[:, at]) * self.process.scale**2
        for earlier in self._believed:
            shared = shared - earlier * earlier[at]
        step = shared / np.sqrt(self.variance[at] + self.process.noise)
        self._believed.append(step)
        self.variance = np.maximum(self.variance - step * step, JITTER * self.process.scale**2)
