"""Cost-aware search: which networks to train next, given what was trained and what is free to know.

A round is a function of its seed and of what was told alone: whoever has the told points proposes the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from codesign.search.cost_aware.archive import Forecast, Pick, Settings, Told
from codesign.search.cost_aware.budgets import Box, Budgets, Levels, expected_gain
from codesign.search.cost_aware.model import LEAST, Archive, front_of
from codesign.search.cost_aware.pool import neighbours_of, pool, unique

if TYPE_CHECKING:
    from codesign.search.cost_aware.gaussian_process import FloatArray, Prediction
    from codesign.search.cost_aware.known import IntArray, KnownPoints

BoolArray = NDArray[np.bool_]

SHORT: Final = 50
"""Candidates per pick that are scored again after each: what a pick leaves to the others only shrinks."""
RECENT: Final = 60
"""Predictions that the calibration and the rank correlation look back at."""


@dataclass
class CostAwareSearch:
    """Proposes networks by the hypervolume that they are expected to add.

    Args:
        known: costs and features; remembered from round to round.
        settings: what may be chosen.
    """

    known: KnownPoints
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self.archive = Archive(self.known, self.settings)

    def ask(self, told: Told, n: int, seed: int) -> list[Pick]:
        """Up to n candidates that were never told; fewer, or none, where none is left in the pool.

        Args:
            told: everything that was told.
            n: size of the batch.
            seed: of this round.
        """
        rng = np.random.default_rng(seed)
        self.archive.read(told)
        rows = self.archive.rows
        if len(rows) < self.settings.n_start or self.archive.useful().sum() < LEAST:
            return [Pick(self.known.candidates[r]) for r in self._start(rows, n, rng)]
        return _Round(self.archive, told, rng).picks(n)

    def _start(self, seen: IntArray, n: int, rng: np.random.Generator) -> list[int]:
        """Networks spread over the range of the first cost, every other one the largest of its part."""
        s, known = self.settings, self.known
        drawn = unique(known.rows(known.space.sample(rng) for _ in range(s.drawn)))
        drawn = drawn[~np.isin(drawn, seen) & known.allowed[drawn]]
        cost = known.costs[drawn].reshape(len(drawn), math.prod(known.costs.shape[1:]))
        first = np.nan_to_num(cost[:, 0], nan=np.inf) if cost.shape[1] else np.zeros(len(drawn))
        parts = np.array_split(drawn[np.argsort(first, kind="stable")], s.n_start)
        found: list[int] = []
        for k in range(len(seen), len(seen) + n):
            part = parts[k % s.n_start]
            part = part[~np.isin(part, found)]
            if len(part):
                largest = known.features[part, 0].argmax()
                found.append(int(part[largest] if k % 2 == 0 else rng.choice(part)))
        return found


class _Round:
    """One batch: the model, the pool with its predictions, and the picks."""

    def __init__(self, archive: Archive, told: Told, rng: np.random.Generator) -> None:
        self.known, self.settings, self.rng = archive.known, archive.settings, rng
        self.told = archive.rows
        self.model = archive.model()
        self.stretch, self.correlation = _hindsight(told, archive.settings)
        self.front, self.second = archive.rows[archive.front], archive.rows[archive.second]
        self.front_errors, self.front_costs = archive.errors[archive.front], archive.costs(archive.front)
        if not len(self.front):
            self.front = archive.rows[np.argsort(archive.errors, kind="stable")[:5]]

    def picks(self, n: int) -> list[Pick]:
        """The batch."""
        looked, forecast, gain = self._looked_at()
        if not len(looked):
            return []
        costs = self.known.costs[looked]
        box, levels = self._box(looked, forecast), self._levels(costs)
        errors, reached = self.front_errors, self.front_costs
        local = 1.0 if self.correlation < self.settings.trust else self.settings.local_share
        free, short = np.ones(len(looked), bool), np.argsort(-gain, kind="stable")[: SHORT * n]
        picked: list[Pick] = []
        for _ in range(min(n, len(looked))):
            gain = self._gain(Budgets.held(box, errors, reached, levels), costs, forecast, short)
            at = int(short[np.where(free[short], gain, -1.0).argmax()])
            if self.rng.random() < local:
                at = self._local(looked, free, at)
            free[at] = False
            mean = float(forecast.mean[at])
            told = Forecast(mean, float(forecast.deviation[at]), self.model.shift)
            picked.append(Pick(self.known.candidates[looked[at]], told))
            if len(picked) < n:
                forecast.believe(at)
            errors = np.append(errors, self.model.shift + np.exp(mean))
            reached = np.concatenate([reached, costs[at : at + 1]])
        return picked

    def _looked_at(self) -> tuple[IntArray, Prediction, FloatArray]:
        """The pool and, twice, the neighbours of its best; with the growth expected of each alone."""
        size = self.settings.size
        looked = self._new(pool(self.known, self.front, self.second, size, self.rng))
        forecast = self.model.predict(looked)
        if not len(looked):
            return looked, forecast, np.empty(0)
        costs = self.known.costs[looked]
        box, levels = self._box(looked, forecast), self._levels(costs)
        held = Budgets.held(box, self.front_errors, self.front_costs, levels)
        gain = self._gain(held, costs, forecast)
        for _ in range(size.rounds):
            best = np.argsort(-gain, kind="stable")[: size.best]
            more = self._new(neighbours_of(self.known, looked[best], size.edits, self.rng))
            more = more[~self._among(looked)[more]]
            if len(more):
                said = self.model.predict(more)
                looked, forecast = np.concatenate([looked, more]), forecast.join(said)
                gain = np.concatenate([gain, self._gain(held, self.known.costs[more], said)])
        return looked, forecast, gain

    def _new(self, rows: IntArray) -> IntArray:
        """Those that were never told and that the constraints allow, looked at in one sweep."""
        rows = rows[~self._among(self.told)[rows]]
        self.known.look(rows)
        return rows[self.known.allowed[rows]]

    def _among(self, rows: IntArray) -> BoolArray:
        """Of all known candidates, whether they are in some rows."""
        found = np.zeros(len(self.known), bool)
        found[rows] = True
        return found

    def _gain(
        self, held: Budgets, costs: FloatArray, forecast: Prediction, at: IntArray | None = None
    ) -> FloatArray:
        """Expected growth by each network that was looked at, or by those `at` some positions."""
        at = np.arange(len(costs)) if at is None else at
        deviation = self.stretch * forecast.deviation[at]
        return expected_gain(held, costs[at], forecast.mean[at], deviation, self.model.shift)

    def _levels(self, costs: FloatArray) -> Levels | None:
        """Of a cost that takes few values over the pool and the front, as the power of some chips does."""
        return Levels.of(np.concatenate([self.front_costs, costs]))

    def _box(self, looked: IntArray, forecast: Prediction) -> Box:
        """Around the front, and the front of what the pool could be at one deviation better than its mean.

        Without the second, nothing beyond the ends of the present front would be worth anything.
        """
        floor = self.settings.floor
        hoped = self.model.shift + np.exp(forecast.mean - self.stretch * forecast.deviation)
        errors = np.concatenate([self.front_errors, hoped])
        costs = np.concatenate([self.front_costs, self.known.costs[looked]])
        useful = np.full(len(errors), True) if floor is None else errors <= floor
        useful = useful if useful.any() else np.ones_like(useful)
        errors, costs = errors[useful], costs[useful]
        at, way = np.nonzero(~np.isnan(costs).any(2))
        on = front_of(np.column_stack([errors[at], costs[at, way]]))
        return Box.around(errors[at][on], costs[at, way][on], floor)

    def _local(self, looked: IntArray, free: BoolArray, otherwise: int) -> int:
        """A random new neighbour of a random point of the front, else of the points that it alone beats."""
        where = np.full(len(self.known), -1)
        where[looked] = np.arange(len(looked))
        for row in (*self.rng.permutation(self.front), *self.rng.permutation(self.second)):
            near = where[self.known.near(int(row))]
            near = near[near >= 0]
            near = near[free[near]]
            if len(near):
                return int(near[int(self.rng.integers(len(near)))])
        return otherwise


def _hindsight(told: Told, settings: Settings) -> tuple[float, float]:
    """How far recent results were from what was predicted, in deviations; and their rank correlation."""
    newest = zip(reversed(told.forecasts), reversed(told.errors.tolist()), strict=True)
    recent = list(islice(((f, e) for f, e in newest if f is not None and np.isfinite(e)), RECENT))
    if len(recent) < FEWEST:
        return 1.0, 1.0
    means = np.array([f.shift + np.exp(f.mean) for f, _ in recent])
    errors = np.array([e for _, e in recent])
    off = [(np.log(max(e - f.shift, 1e-3)) - f.mean) / f.deviation for f, e in recent]
    stretch = float(np.clip(np.sqrt(np.mean(np.square(off))), *settings.calibration))
    if len(recent) < TRUSTED_AFTER:
        return stretch, 1.0
    a, b = rankdata(means), rankdata(errors)
    if a.std() == 0 or b.std() == 0:
        return stretch, 0.0
    return stretch, float(np.corrcoef(a, b)[0, 1])


FEWEST: Final = 8
"""Results before the calibration says anything."""
TRUSTED_AFTER: Final = 24
"""Results before the rank correlation says anything."""
