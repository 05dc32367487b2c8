"""How far a prediction may be off: from what each row's prediction was off by models that did not see it.

Rows are cut into folds; a model for each fold is given the others, from the fit of its scales on. An interval
is made of what those models say of the new network, each stretched by how many of its own standard deviations
it was off on the rows that it did not see.
Source: CV+ of Barber, Candes, Ramdas, Tibshirani: Predictive inference with the jackknife+, Annals of
Statistics 49, 2021, section 3: holds with at least 1 - 2 alpha whatever the model, near 1 - alpha in
practice; residuals in units of their own spread: Lei et al., Distribution-Free Predictive Inference for
Regression, JASA 113, 2018, section 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hw_models.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

FOLDS: Final = 10


def folds(n: int, seed: int, k: int = FOLDS) -> list[IntArray]:
    """Positions of n rows cut into k parts of nearly the same size, in an order of the seed."""
    order = np.random.default_rng([seed, 1]).permutation(n)
    return [np.sort(part) for part in np.array_split(order, k)]


def places(n: int, coverage: float) -> int:
    """Which of n sorted upper ends is the interval's, from 1; of the lower ends the same from above.

    Raises:
        InputError: too few rows for the coverage.
    """
    place = math.ceil(round((n + 1) * coverage, 9))
    if place > n:
        least = math.ceil(round(coverage / (1 - coverage), 9))
        msg = f"{n} rows given, expected at least {least} for a coverage of {coverage:.0%}"
        raise InputError(msg)
    return place


def cv_plus(
    means: Sequence[FloatArray], spreads: Sequence[FloatArray], off: Sequence[FloatArray], coverage: float
) -> tuple[FloatArray, FloatArray]:
    """(m,) lower and upper ends.

    Args:
        means: of each fold's model (m,) for the new networks.
        spreads: its standard deviations (m,).
        off: of each fold (rows of it,) how many standard deviations its model was off, without sign.
        coverage: of the interval.

    Raises:
        InputError: too few rows for the coverage.
    """
    place = places(sum(map(len, off)), coverage)
    ups, downs = (
        np.concatenate(
            [m[:, None] + sign * s[:, None] * o for m, s, o in zip(means, spreads, off, strict=True)], 1
        )
        for sign in (1.0, -1.0)
    )
    high = np.partition(ups, place - 1, axis=1)[:, place - 1]
    low = -np.partition(-downs, place - 1, axis=1)[:, place - 1]
    return low, high
