"""Trials as arrays of their objectives, and which of them nothing beats; dominance is moocore's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from codesign.objectives import Objective
    from codesign.search.trial import Trial

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def non_dominated(values: FloatArray) -> BoolArray:
    """(N,) which of N points no other beats: nowhere worse, somewhere better; equal points stay together.

    Args:
        values: (N, M) objectives, less is better.
    """
    import moocore

    kept: BoolArray = moocore.is_nondominated(values, keep_weakly=True)
    return kept


def values_of(trials: Sequence[Trial], objectives: Sequence[Objective]) -> FloatArray:
    """(N, M) values to minimise, NaN where unknown."""
    values = [
        [np.nan if (x := t.quantity(o).value) is None else o.sign * x for o in objectives] for t in trials
    ]
    return np.array(values, np.float64).reshape(len(trials), len(objectives))


def intervals_of(trials: Sequence[Trial], objectives: Sequence[Objective]) -> FloatArray:
    """(2, N, M) low and high ends in the objectives' units."""
    ends = [[t.quantity(o).ends for o in objectives] for t in trials]
    return np.array(ends, np.float64).reshape(len(trials), len(objectives), 2).transpose(2, 0, 1)


def scaled(values: FloatArray, ideal: FloatArray, nadir: FloatArray) -> FloatArray:
    """(..., M) values from 0 at the ideal to 1 at the nadir; no range: nothing scaled."""
    return (values - ideal) / np.where(nadir > ideal, nadir - ideal, 1.0)
