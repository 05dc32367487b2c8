"""Knees of a front: the point that one would take without knowing what each objective is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from codesign.front.dominance import FloatArray, scaled
from hw_models.errors import UnknownNameError

WEIGHTS: Final = 4096
"""Weight vectors over which the utility knee averages; twice as many move no gain by more than 1 %."""


def nearest_to_ideal(values: FloatArray) -> FloatArray:
    """(N,) distance to the ideal point, every objective scaled to 0..1 over the front; less is better.

    Args:
        values: (N, M) objectives, less is better.
    """
    distance: FloatArray = np.linalg.norm(scaled(values, values.min(axis=0), values.max(axis=0)), axis=1)
    return distance.round(12)


def least_expendable(values: FloatArray) -> FloatArray:
    """(N,) minus the expected marginal utility: what losing the point costs, on average over who chooses.

    Who chooses has linear weights over the scaled objectives, all weights that sum to 1 alike; the loss is
    that to the second best point. A point on no corner of the convex hull is never missed.
    Source: Branke, Deb, Dierolf, Osswald: Finding knees in multi-objective optimization, PPSN 2004, 2.2.

    Args:
        values: (N, M) objectives, less is better.
    """
    if len(values) < 2:
        return np.zeros(len(values))
    utility = _weights(values.shape[1]) @ scaled(values, values.min(axis=0), values.max(axis=0)).T
    first, second = np.partition(utility, 1, axis=1)[:, :2].T
    best = utility.argmin(axis=1)
    gain = np.bincount(best, weights=second - first, minlength=len(values)) / len(utility)
    return np.asarray(-gain, np.float64).round(12)


KNEES: Final[dict[str, Callable[[FloatArray], FloatArray]]] = {
    "ideal": nearest_to_ideal,
    "utility": least_expendable,
}
"""Kind of knee -> what the point of the front has least of."""


def knee_of(values: FloatArray, kind: str) -> int:
    """Position of the knee; of equal ones the first.

    Raises:
        UnknownNameError: a kind that there is not.
    """
    if kind not in KNEES:
        raise UnknownNameError("knee", kind, KNEES, f"known: {', '.join(KNEES)}")
    return int(np.argmin(KNEES[kind](values)))


def _weights(m: int) -> FloatArray:
    """(W, M) weights spread evenly over the simplex: differences of sorted points of Sobol's sequence."""
    from scipy.stats import qmc

    if m == 1:
        return np.ones((1, 1))
    cuts = np.sort(qmc.Sobol(m - 1, scramble=False).random(WEIGHTS), axis=1)
    weights: FloatArray = np.diff(cuts, axis=1, prepend=0.0, append=1.0)
    return weights
