"""What a network may add to the front: a sum over budgets of the error it may save at each.

Costs are known before anything is trained. So the hypervolume is the mean, over all budgets of cost, of the
best error that is reached within the budget, and its expected growth is a plain sum over the budgets that a
network fits of the expected improvement of its error. One random variable, whatever the number of costs and
chips.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import qmc

FloatArray = NDArray[np.float64]

N_BUDGETS: Final = 512
"""Budgets of two and more costs; 2,048 changed little."""
MOST_LEVELS: Final = 64
"""Values of one of two costs up to which budgets are exact: chips of one price, or of one rated power."""
MARGIN: Final = 1.1
"""How far beyond the worst point of the front an error or a cost still counts, in lengths of the front."""


@dataclass(frozen=True)
class Box:
    """The part of the plane of error and costs that counts.

    Attributes:
        error: best and worst.
        low, high: (m,) of the costs.
    """

    error: tuple[float, float]
    low: FloatArray
    high: FloatArray

    @classmethod
    def around(cls, errors: FloatArray, costs: FloatArray, floor: float | None) -> Box:
        """Around the points of a front, with the margin; (n,) errors and (n, m) costs.

        Args:
            errors: of the points, lower is better.
            costs: of the points.
            floor: an error above it is worth nothing; None: there is no such bound.
        """
        low, high = costs.min(0), costs.max(0)
        best, worst = float(errors.min()), float(errors.max())
        worst = best + MARGIN * _length(np.array([best]), np.array([worst]))[0]
        worst = worst if floor is None else min(worst, floor)
        return cls((best, float(worst)), low, low + MARGIN * _length(low, high))


def _length(low: FloatArray, high: FloatArray) -> FloatArray:
    """Where a front is a point, a box of some size is still needed."""
    return np.where(high > low, high - low, np.maximum(np.abs(high), 1.0) * 0.1)


@cache
def _sobol(n_costs: int) -> FloatArray:
    return np.asarray(qmc.Sobol(n_costs, scramble=False).random(N_BUDGETS)) + 0.5 / N_BUDGETS


@dataclass(frozen=True)
class Levels:
    """The few values that one of two costs takes: what fits a budget between two of them fits the lower.

    Attributes:
        axis: of that cost; values: (l,) ascending.
    """

    axis: int
    values: FloatArray

    @classmethod
    def of(cls, costs: FloatArray) -> Levels | None:
        """Levels of (n, r, 2) costs; None where both take many values, or there are not two."""
        if costs.shape[2] != 2:
            return None
        for axis in (1, 0):
            told = costs[..., axis]
            values = np.unique(told[~np.isnan(told)])
            if 0 < len(values) <= MOST_LEVELS:
                return cls(axis, values)
        return None

    def slabs(self, box: Box) -> list[tuple[float, float]]:
        """Level and share of the box of each slab of it."""
        low, high = float(box.low[self.axis]), float(box.high[self.axis])
        ends = np.r_[self.values[1:], np.inf]
        width = np.minimum(ends, high) - np.maximum(self.values, low)
        shares = zip(self.values.tolist(), (width / (high - low)).tolist(), strict=True)
        return [(level, share) for level, share in shares if share > 0]

    def below(self, costs: FloatArray, level: float) -> FloatArray:
        """(n, 1, 1) least other cost of the ways that need no more than a level; NaN: there is none."""
        other = np.where(costs[..., self.axis] <= level, costs[..., 1 - self.axis], np.nan)
        least = np.where(np.isnan(other), np.inf, other).min(1, initial=np.inf)
        return np.asarray(np.where(np.isfinite(least), least, np.nan), np.float64)[:, None, None]


@dataclass(frozen=True)
class Budgets:
    """Budgets over a box with the best error held at each; few distinct errors, each with its budgets.

    Attributes:
        box: what counts.
        points: (b, m) budgets; None with one cost, where the staircase is exact, and with none.
        edges: (k + 1,) with one cost: where the staircase steps down.
        best: (k,) error held, of each step or of each budget.
        levels: of one of two costs, where it takes few values.
        slabs: share of the box and budgets of the other cost at each level; exact.
    """

    box: Box
    points: FloatArray | None
    edges: FloatArray
    best: FloatArray
    levels: Levels | None = None
    slabs: tuple[tuple[float, float, Budgets], ...] = ()

    @classmethod
    def held(cls, box: Box, errors: FloatArray, costs: FloatArray, levels: Levels | None = None) -> Budgets:
        """What n known points reach; (n,) errors and (n, r, m) costs of r ways to run each.

        Args:
            box: what counts.
            errors: of the points.
            costs: of the points.
            levels: of one of two costs, where it takes few values; None: budgets of two costs are sampled.
        """
        worst, m = box.error[1], costs.shape[2]
        if levels is not None:
            other = slice(1 - levels.axis, 2 - levels.axis)
            flat = Box(box.error, box.low[other], box.high[other])
            slabs = tuple(
                (level, share, cls.held(flat, errors, levels.below(costs, level)))
                for level, share in levels.slabs(box)
            )
            best = np.concatenate([np.empty(0), *(held.best for *_, held in slabs)])
            return cls(box, None, np.empty(0), best, levels, slabs)
        if m == 0:
            return cls(box, None, np.empty(0), np.array([min([worst, *errors])]))
        if m == 1:
            edges, best = _staircase(errors, _cheapest(costs)[:, 0], box)
            return cls(box, None, edges, best)
        points = box.low + _sobol(m) * (box.high - box.low)
        useful = errors < worst
        fits = fits_within(costs[useful], points)
        best = np.where(fits, errors[useful][:, None], worst).min(0, initial=worst)
        return cls(box, points, np.empty(0), best)

    def weights(self, costs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(n, k) share of the box within reach of n networks at each of (k,) distinct best errors."""
        if self.levels is not None:
            lengths = [held.box.high[0] - held.box.low[0] for *_, held in self.slabs]
            parts = [
                share / length * held.weights(self.levels.below(costs, level))[0]
                for (level, share, held), length in zip(self.slabs, lengths, strict=True)
            ]
            return np.concatenate([np.empty((len(costs), 0)), *parts], axis=1), self.best
        if self.points is None and not len(self.edges):
            return np.ones((len(costs), 1)), self.best
        if self.points is None:
            cheapest = _cheapest(costs)
            width = self.edges[None, 1:] - np.maximum(self.edges[None, :-1], cheapest)
            return np.maximum(width, 0.0), self.best
        levels, which = np.unique(self.best, return_inverse=True)
        of_level = (which[:, None] == np.arange(len(levels))).astype(np.float32)
        return fits_within(costs, self.points).astype(np.float32) @ of_level / len(self.points), levels

    def at(self, costs: FloatArray) -> FloatArray:
        """(n,) best error held by what needs no more than n networks do; -inf beyond the box."""
        if self.points is None and len(self.edges):
            step = np.searchsorted(self.edges[1:-1], _cheapest(costs)[:, 0], side="right")
            return np.asarray(self.best[step], np.float64)
        weights, best = self.weights(costs)
        return np.asarray(np.where(weights > 0, best[None], -np.inf).max(1, initial=-np.inf), np.float64)


def fits_within(costs: FloatArray, points: FloatArray) -> NDArray[np.bool_]:
    """(n, b) whether any of the r ways to run a network (n, r, m) fits a budget (b, m); NaN fits none."""
    fits = np.zeros((len(costs), len(points)), bool)
    for way in range(costs.shape[1]):
        here = np.ones_like(fits)
        for axis in range(costs.shape[2]):
            here &= costs[:, way, axis, None] <= points[None, :, axis]
        fits |= here
    return fits


def _cheapest(costs: FloatArray) -> FloatArray:
    """(n, m) least of each cost over the ways to run a network; inf where there is none."""
    return np.asarray(np.where(np.isnan(costs), np.inf, costs).min(1, initial=np.inf), np.float64)


def _staircase(errors: FloatArray, costs: FloatArray, box: Box) -> tuple[FloatArray, FloatArray]:
    """Where the best error within a budget steps down, and to what; safe where costs are equal."""
    order = np.lexsort((errors, costs))
    order = order[(costs[order] < box.high[0]) & (errors[order] < box.error[1])]
    e, c = errors[order], costs[order]
    down = np.r_[True, e[1:] < np.minimum.accumulate(e)[:-1]][: len(e)]
    return np.r_[-np.inf, c[down], box.high[0]], np.r_[box.error[1], e[down]]


def expected_gain(
    budgets: Budgets, costs: FloatArray, mean: FloatArray, deviation: FloatArray, shift: float
) -> FloatArray:
    """(n,) expected growth of the hypervolume by each of n networks.

    The error is shift + exp(N(mean, deviation^2)), so the improvement on a best error is a put on a log-
    normal variable. Source: Black, Scholes 1973 for its closed form.

    Args:
        budgets: what is held.
        costs: (n, r, m).
        mean: (n,) of the logarithm.
        deviation: (n,) of the same.
        shift: error at minus infinity.
    """
    weights, best = budgets.weights(costs)
    room = best - shift
    mid = np.exp(mean + deviation**2 / 2)
    with np.errstate(divide="ignore"):
        d = (np.log(np.maximum(room, 0.0))[None] - mean[:, None]) / deviation[:, None]
    put = room[None] * ndtr(d) - mid[:, None] * ndtr(d - deviation[:, None])
    return np.asarray((weights * np.maximum(put, 0.0)).sum(1), np.float64)
