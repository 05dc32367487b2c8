"""How good an untried network will be: a Gaussian process over its knobs and its counted features.

Kernel: exp(-distance of the knobs that count) + Matern 5/2 of the features + linear in the features +
noise. Six numbers, found by maximum marginal likelihood under a weak prior, from the same start every time:
whoever has the same rows gets the same model.

Targets are logarithms. What is repeated differs by as many points of error at the top as at the bottom, so
the noise of a logarithm is the larger the smaller the error: its variance goes with exp(-2 target).
Source: Rasmussen, Williams: Gaussian Processes for Machine Learning, 2006, chapters 2, 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky
from scipy.linalg.lapack import dtrtri
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
Reals = NDArray[Any]
"""In single or double precision."""

PRIOR: Final = np.log([0.03, 3.0, 0.5, 1.0, 0.3, 0.05])
"""Centre of the prior: amplitude and length of the knob kernel and of Matern, linear amplitude, noise.

Of targets that are scaled to unit variance. Knobs start low: they tell equal networks apart, which features
do not, so they count where the results demand it. Source: own choice, weak.
"""
SPREAD: Final = np.array([1.0, 0.7, 1.0, 0.7, 1.0, 1.0])
"""Standard deviation of the prior of each logarithm."""
BOUNDS: Final = [(-7.0, 4.0)] * len(PRIOR)
JITTER: Final = 1e-6
MOST_NOISE: Final = 20.0
"""Noise of a target by that of the mean target, at most; and at least its inverse squared."""


@dataclass(frozen=True)
class Inputs:
    """What the process knows of n networks.

    Attributes:
        knobs: (n, g) codes; the squared distance of two rows counts the knobs that differ.
        features: (n, f) scaled, so that a squared distance is a mean over features.
    """

    knobs: Reals
    features: Reals

    def __len__(self) -> int:
        return len(self.knobs)

    def take(self, rows: NDArray[np.intp]) -> Inputs:
        """Some of the networks."""
        return Inputs(self.knobs[rows], self.features[rows])

    def single(self) -> Inputs:
        """The same in single precision."""
        return Inputs(self.knobs.astype(np.float32), self.features.astype(np.float32))

    def join(self, more: Inputs) -> Inputs:
        """These and then more of them."""
        return Inputs(
            np.concatenate([self.knobs, more.knobs]), np.concatenate([self.features, more.features])
        )


@dataclass(frozen=True)
class Distances:
    """Between n and m networks, all (n, m): squared of knobs and of features, product of features."""

    knobs: FloatArray
    features: FloatArray
    product: FloatArray

    @classmethod
    def of(cls, a: Inputs, b: Inputs) -> Distances:
        """Every network of `a` with every one of `b`."""
        product = a.features @ b.features.T
        return cls(_squared(a.knobs, b.knobs), _squared(a.features, b.features), product)


def _squared(a: Reals, b: Reals) -> Reals:
    found = a @ (-2 * b.T)
    found += (a * a).sum(1)[:, None]
    found += (b * b).sum(1)[None]
    return np.asarray(np.maximum(found, 0.0, out=found))


def covariance(a: Inputs, b: Inputs, theta: FloatArray) -> Reals:
    """(n, m) prior covariance without noise, in the precision of the inputs; `theta` as `PRIOR`.

    As `_kernels`, but in place: of many candidates most of the time goes into memory.
    """
    a_knobs, l_knobs, a_smooth, l_smooth, a_linear = np.exp(theta[:5]).tolist()
    found = _squared(a.knobs, b.knobs)
    found *= -1 / l_knobs
    np.exp(found, out=found)
    found *= a_knobs
    s = _squared(a.features, b.features)
    s *= 5 / l_smooth**2
    np.sqrt(s, out=s)
    part = s * (1 / 3)
    part += 1
    part *= s
    part += 1
    np.negative(s, out=s)
    np.exp(s, out=s)
    s *= part
    s *= a_smooth
    found += s
    np.matmul(a.features, b.features.T, out=part)
    part *= a_linear
    found += part
    return found


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


def relative_noise(above: FloatArray) -> FloatArray:
    """(n,) variance of the noise by that of the mean target; `above` it are targets, in their own unit."""
    return np.asarray(np.exp(np.clip(-2 * above, -2 * np.log(MOST_NOISE), np.log(MOST_NOISE))), np.float64)


def _loss(theta: FloatArray, d: Distances, y: FloatArray, ratio: FloatArray) -> tuple[float, FloatArray]:
    """Negative log posterior of the hyper-parameters, and its gradient; `ratio` is the relative noise."""
    kernels, slopes = _parts(d, theta)
    noise, n = np.exp(theta[5]) * ratio, len(y)
    try:
        factor = cholesky(np.add.reduce(kernels) + np.diag(noise + JITTER), lower=True, check_finite=False)
    except LinAlgError:
        return 1e10, np.zeros(len(theta))
    weights = cho_solve((factor, True), y, check_finite=False)
    m = cho_solve((factor, True), np.eye(n), check_finite=False) - np.outer(weights, weights)
    by_theta = [kernels[0], slopes[0], kernels[1], slopes[1], kernels[2]]
    slope = np.array([0.5 * np.vdot(m, k) for k in by_theta] + [0.5 * noise @ np.diag(m)])
    off = (theta - PRIOR) / SPREAD
    loss = 0.5 * y @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
    return float(loss), slope + off / SPREAD


def fit_hyper_parameters(inputs: Inputs, targets: FloatArray) -> FloatArray:
    """The six logarithms with the highest posterior, as `PRIOR`.

    Args:
        inputs: n networks.
        targets: (n,) what was measured of them.
    """
    y, centre, _ = _scaled(targets)
    given = (Distances.of(inputs, inputs), y, relative_noise(targets - centre))
    found = minimize(
        _loss,
        PRIOR,
        args=given,
        jac=True,
        method="L-BFGS-B",
        bounds=BOUNDS,
        options={"maxiter": 40, "ftol": 1e-5},
    )
    return np.asarray(found.x, np.float64)


def _scaled(targets: FloatArray) -> tuple[FloatArray, float, float]:
    centre, scale = float(targets.mean()), float(targets.std())
    scale = scale if scale > 0 else 1.0
    return (targets - centre) / scale, centre, scale


def _inverse_factor(k: FloatArray) -> FloatArray:
    """(n, n) inverse of the lower Cholesky factor of a covariance."""
    found, _ = dtrtri(cholesky(k, lower=True, check_finite=False), lower=1)
    return np.asarray(found, np.float64)


@dataclass(frozen=True)
class GaussianProcess:
    """The process given what was measured.

    Attributes:
        inputs: of the n networks that were measured.
        targets: (n,) what was measured, less `centre` and over `scale`.
        theta: hyper-parameters, as `PRIOR`.
        inverse: (n, n) of the lower Cholesky factor of the covariance of the targets.
        centre, scale: of what was measured.
    """

    inputs: Inputs
    targets: FloatArray
    theta: FloatArray
    inverse: FloatArray
    centre: float
    scale: float

    @classmethod
    def given(cls, inputs: Inputs, targets: FloatArray, theta: FloatArray) -> GaussianProcess:
        """Conditioned on the targets of n networks."""
        y, centre, scale = _scaled(targets)
        k = covariance(inputs, inputs, theta)
        k[np.diag_indices(len(y))] += np.exp(theta[5]) * relative_noise(targets - centre) + JITTER
        return cls(inputs, y, theta, _inverse_factor(k), centre, scale)

    def also(self, inputs: Inputs, targets: FloatArray) -> GaussianProcess:
        """Conditioned on m more targets as well, on the same scale: the inverse factor grows by a block."""
        n, m = len(self.targets), len(targets)
        beside = self.inverse @ covariance(self.inputs, inputs, self.theta)
        k = covariance(inputs, inputs, self.theta) - beside.T @ beside
        k[np.diag_indices(m)] += np.exp(self.theta[5]) * relative_noise(targets - self.centre) + JITTER
        inverse = np.zeros((n + m, n + m))
        inverse[:n, :n], inverse[n:, n:] = self.inverse, _inverse_factor(k)
        inverse[n:, :n] = -inverse[n:, n:] @ (beside.T @ self.inverse)
        y = np.concatenate([self.targets, (targets - self.centre) / self.scale])
        return replace(self, inputs=self.inputs.join(inputs), targets=y, inverse=inverse)

    @cached_property
    def _single(self) -> tuple[Inputs, SingleArray, SingleArray]:
        """Inputs, inverse factor, and the same times the targets, in single precision."""
        single = self.inverse.astype(np.float32)
        return self.inputs.single(), single, (self.inverse @ self.targets).astype(np.float32)

    def noise(self, mean: FloatArray) -> FloatArray:
        """(n,) variance of repeated measurements around some means, in the unit of the targets squared."""
        return float(np.exp(self.theta[5])) * self.scale**2 * relative_noise(mean - self.centre)

    def predict(self, inputs: Inputs) -> Prediction:
        """Mean and variance of each network; in single precision, which is far finer than the noise."""
        known, inverse, whitened = self._single
        single = inputs.single()
        half = inverse @ covariance(known, single, self.theta)
        mean = (half.T @ whitened).astype(np.float64) * self.scale + self.centre
        a_knobs, _, a_smooth, _, a_linear = np.exp(self.theta[:5])
        own = a_knobs + a_smooth + a_linear * (inputs.features**2).sum(1)
        variance = np.maximum(own - np.einsum("ij,ij->j", half, half), JITTER)
        return Prediction(self, single, half, mean, variance * self.scale**2)


@dataclass
class Prediction:
    """What the process says of n networks; sharpened where one of them is believed.

    Attributes:
        process: that says it.
        inputs: of the networks, in single precision.
        half: (k, n) covariance with the k networks that were measured, by the factor of theirs.
        mean: (n,) in the unit of the targets.
        variance: (n,) of the mean, without noise.
    """

    process: GaussianProcess
    inputs: Inputs
    half: SingleArray
    mean: FloatArray
    variance: FloatArray

    def __post_init__(self) -> None:
        self._believed: list[FloatArray] = []

    @property
    def deviation(self) -> FloatArray:
        """(n,) standard deviation of a new measurement, noise included."""
        return np.sqrt(self.variance + self.process.noise(self.mean))

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
        prior = covariance(self.inputs, one, self.process.theta)[:, 0]
        shared = (prior - self.half.T @ self.half[:, at]).astype(np.float64) * self.process.scale**2
        for earlier in self._believed:
            shared = shared - earlier * earlier[at]
        step = shared / np.sqrt(self.variance[at] + self.process.noise(self.mean[at]))
        self._believed.append(step)
        self.variance = np.maximum(self.variance - step * step, JITTER * self.process.scale**2)
