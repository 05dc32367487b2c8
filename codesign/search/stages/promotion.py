"""Who goes on to the next stage: by non-dominated rank, the lonelier first among equals.

Successive halving with several objectives: a candidate is compared with those of its own round, at a stage
that all of them went through. A round is as wide as it takes for as many full trainings as without stages,
and the search waits for all of it anyway, so what is stopped stays stopped: a later round has candidates that
were chosen knowing more.
Source: Jamieson, Talwalkar: Non-stochastic best arm identification and hyperparameter optimization, AISTATS
2016; Li et al.: A system for massively parallel hyperparameter tuning (ASHA), MLSys 2020; with several
objectives Schmucker et al.: Multi-objective asynchronous successive halving, 2021; rank and crowding distance
of Deb et al.: A fast and elitist multiobjective genetic algorithm: NSGA-II, 2002.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codesign.front import non_dominated

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def ranks(values: FloatArray) -> IntArray:
    """(n,) how many layers of non-dominated points lie before each of n points; less is better in (n, m)."""
    found = np.zeros(len(values), np.intp)
    left = np.arange(len(values))
    layer = 0
    while len(left):
        first = non_dominated(values[left])
        found[left[first]] = layer
        left, layer = left[~first], layer + 1
    return found


def crowding(values: FloatArray) -> FloatArray:
    """(n,) distance of the neighbours on both sides, objectives scaled to 0..1, summed; inf at the ends."""
    found = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        sorted_ = column[order]
        length = sorted_[-1] - sorted_[0] if len(sorted_) else 0.0
        if length > 0:
            gaps = np.full(len(values), np.inf)
            gaps[1:-1] = (sorted_[2:] - sorted_[:-2]) / length
            found[order] += gaps
    return found


def by_rank(points: Sequence[FloatArray]) -> IntArray:
    """(n,) positions, the first to go on first: by rank, then crowding, then as they were asked.

    A network of a joint space is a point on each chip that can run it, and stands where its best point does.

    Args:
        points: for each candidate (r, m) quality at this stage and exact costs of r ways to run it, less is
            better.
    """
    values = np.concatenate(points)
    owner = np.repeat(np.arange(len(points)), [len(p) for p in points])
    rank = ranks(values)
    lonely = np.zeros(len(values))
    for layer in np.unique(rank):
        here = rank == layer
        lonely[here] = crowding(values[here])
    order = owner[np.lexsort((owner, -lonely, rank))]
    return order[np.sort(np.unique(order, return_index=True)[1])]
