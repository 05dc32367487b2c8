"""Scalars, residuals and intervals of one setting, each kept only where families left out say it helps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.calibration.interval import Width
from hw_models.calibration.process import Kernel, Residuals
from hw_models.calibration.scalars import STEPS, Scalars
from hw_models.calibration.setting import USUAL, solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.calibration.anchors import Anchors
    from hw_models.calibration.points import Points
    from hw_models.cost.arrays import FloatArray

STRUCTURE: Final = (0.0, 0.005, 0.02, 0.06)
SIBLING: Final = (0.0, 0.005, 0.02)
ALONE: Final = (0.0005, 0.002, 0.008)
"""Candidates of the variances of log residuals."""

LEVEL: Final = 0.0025
"""Variance of what all networks share beyond the scalars."""

ENOUGH: Final = 15
"""Networks from which on the variances are chosen by what families left out say."""

MOST: Final = 400
"""Networks that are looked at for that choice."""

GAIN: Final = 0.99
"""Error with a part over that without it below which the part helps."""


HARM: Final = 1.02
"""The same above which what siblings share does harm where none was measured."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What was fitted on the points of one setting.

    Attributes:
        scalars: of the chip.
        residuals: of its networks beyond law and scalars.
        width: half-widths of the 90 % interval of log latency; None: too few networks to tell.
        out: (N,) log of measured over predicted, each network's fold of families left out everywhere.
        law_out: (N,) the same of the law alone.
        near: (N,) log of measured over predicted, each network alone left out.
        sure: (N,) standard deviation that went with each `out`.
    """

    scalars: Scalars
    residuals: Residuals
    width: Width | None
    out: FloatArray
    law_out: FloatArray
    near: FloatArray
    sure: FloatArray


def fit(points: Points, anchors: Anchors) -> Fitted:
    """Fit one setting.

    Args:
        points: what was measured, a network a point.
        anchors: other chips of the class; their residuals are taken from the points first.
    """
    law, log_y, found = points.by_law, np.log(points.seconds), points.features
    carried, _ = anchors.predict(found)
    theta = np.zeros(3)
    for _ in range(STEPS):
        shares = law.at(_scalars(theta))
        residual = log_y - np.log(shares.seconds) - carried
        theta = solve(shares.parts, residual + shares.parts @ theta, found)
    shares = law.at(_scalars(theta))
    residual = log_y - np.log(shares.seconds)
    kernel = choose(Residuals(USUAL, found, residual - carried), _groups(points))
    residuals = Residuals(kernel, found, residual)
    mean, variance, theta_out = out_of_fold(residuals, shares.parts, points.folds, theta, anchors)
    out, law_out = np.empty(len(points)), np.empty(len(points))
    for fold in np.unique(points.folds):
        at, held = points.folds == fold, points.families_out[fold]
        own = held.at(_scalars(theta_out[int(fold)])).seconds
        out[at] = (log_y - np.log(own) - mean)[at]
        law_out[at] = (log_y - np.log(held.at().seconds))[at]
    beyond = Residuals(kernel, found, residual - carried)
    near, near_variance = beyond.left_out(np.arange(len(points)))
    sure = np.sqrt(variance)
    width = Width.of(out, sure, beyond.values - near, np.sqrt(near_variance))
    return Fitted(_scalars(theta), residuals, width, out, law_out, beyond.values - near, sure)


def choose(residuals: Residuals, groups: NDArray[np.intp]) -> Kernel:
    """Variances that predict best: families (N,) left out, and single networks whose siblings stay.

    A part that does not help is left out: the structure's where whole families are left out, the siblings'
    where single networks are.
    """
    n = len(residuals.values)
    if n < ENOUGH or len(np.unique(groups)) < 3:
        return USUAL
    rows = np.sort(np.random.default_rng(0).permutation(n)[:MOST])
    some, of = Residuals(USUAL, residuals.features[rows], residuals.values[rows]), groups[rows]
    errors: dict[Kernel, tuple[float, float]] = {}
    for structure, sibling, alone in product(STRUCTURE, SIBLING, ALONE):
        kernel = Kernel(structure, sibling, LEVEL, alone)
        tried = Residuals(kernel, some.features, some.values)
        errors[kernel] = (_error(tried, of), _error(tried, np.arange(len(rows))))
    without = min(e[0] for k, e in errors.items() if not k.structure and not k.sibling)
    far = {k: e for k, e in errors.items() if e[0] < (GAIN if k.structure else HARM) * without}
    alone_best = min(e[1] for k, e in far.items() if not k.sibling)
    near = {k: e for k, e in far.items() if not k.sibling or e[1] < GAIN * alone_best}
    return min(near, key=lambda k: sum(near[k]))


def out_of_fold(
    residuals: Residuals,
    parts: FloatArray,
    folds: NDArray[np.intp],
    theta: FloatArray,
    anchors: Anchors,
) -> tuple[FloatArray, FloatArray, dict[int, FloatArray]]:
    """(N,) mean and variance of every residual, and the scalars, from the networks of other folds."""
    mean, variance = np.empty(len(folds)), np.empty(len(folds))
    scalars = {}
    for fold in np.unique(folds):
        at = folds == fold
        carried, more = anchors.predict(residuals.features, f"family:{fold}")
        raw = residuals.values + parts @ theta - carried
        own = solve(parts[~at], raw[~at], residuals.features[~at]) if (~at).any() else np.zeros(3)
        rest = Residuals(residuals.kernel, residuals.features[~at], (raw - parts @ own)[~at])
        mean[at], variance[at] = rest.predict(residuals.features[at])
        mean[at] += carried[at]
        variance[at] += more[at]
        scalars[int(fold)] = own
    return mean, variance, scalars


def _error(residuals: Residuals, groups: NDArray[np.intp]) -> float:
    mean, _ = residuals.left_out(groups)
    return float(np.abs(residuals.values - mean).mean())


def _groups(points: Points) -> NDArray[np.intp]:
    return np.unique(np.array(points.families), return_inverse=True)[1].astype(np.intp)


def _scalars(theta: FloatArray) -> Scalars:
    return Scalars(*(float(x) for x in np.exp(theta)))
