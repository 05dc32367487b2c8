"""What was told, and what of it the model is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from codesign.search.cost_aware.budgets import Box, Budgets, Levels
from codesign.search.cost_aware.gaussian_process import Inputs
from codesign.search.cost_aware.pool import PoolSize

if TYPE_CHECKING:
    from codesign.search.cost_aware.known import KnownPoints
    from search_spaces.candidate import Candidate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Settings:
    """What may be chosen; the defaults were tuned on four device points of NAS-Bench-201 alone.

    Attributes:
        floor: an error above it is worth nothing; None: no such bound.
        n_start: networks that are spread over the range of cost before there is a model.
        drawn: random candidates that those are chosen from.
        local_share: chance that a pick is a random neighbour of the front, as insurance.
        shift: how far below the best error the model's scale ends, in distances from best to median.
        calibration: the least and the most by which a predicted deviation is stretched.
        rows: networks that the model is given at most.
        trust: rank correlation of predictions and results under which all picks are neighbours of the front.
        size: of the pool.
    """

    floor: float | None = None
    n_start: int = 10
    drawn: int = 3000
    local_share: float = 0.1
    shift: float = 1.0
    calibration: tuple[float, float] = (1.0, 4.0)
    rows: int = 256
    trust: float = 0.1
    size: PoolSize = field(default_factory=PoolSize)


@dataclass(frozen=True)
class Forecast:
    """What was predicted of a candidate when it was picked: logarithm of error above `shift`."""

    mean: float
    deviation: float
    shift: float


@dataclass(frozen=True)
class Pick:
    """A candidate to train next, with what is expected of it; None while there is no model."""

    candidate: Candidate
    forecast: Forecast | None = None


@dataclass
class Told:
    """What was told, in order.

    Attributes:
        candidates: n of them; canonical, none twice.
        errors: (n,) lower is better; NaN where the training gave none.
        forecasts: what was predicted of each.
    """

    candidates: Sequence[Candidate]
    errors: FloatArray
    forecasts: Sequence[Forecast | None]


@dataclass(frozen=True)
class Training:
    """What the model is given.

    Attributes:
        inputs: of the networks, with features scaled to unit spread over them.
        targets: logarithm of the error above `shift`, errors far beyond the front cut off.
        shift: the error at minus infinity.
        ends: between which errors count as they are.
        centre, spread: (f,) of the features.
    """

    inputs: Inputs
    targets: FloatArray
    shift: float
    ends: tuple[float, float]
    centre: FloatArray
    spread: FloatArray

    @classmethod
    def of(
        cls, known: KnownPoints, rows: IntArray, errors: FloatArray, shift: float, ends: tuple[float, float]
    ) -> Training:
        """Of some rows; `errors` are theirs."""
        base = known.features[rows]
        spread = base.std(0)
        spread = np.where(spread > 1e-9, spread, np.inf) * np.sqrt(max(base.shape[1], 1))
        bare = cls(Inputs(known.knobs[rows], base), errors, shift, ends, base.mean(0), spread)
        return replace(bare, inputs=bare.scaled(known, rows), targets=bare.target(errors))

    def scaled(self, known: KnownPoints, rows: IntArray) -> Inputs:
        """Inputs of any rows, with features on the scale of these networks."""
        features = (known.features[rows] - self.centre) / self.spread
        most = FURTHEST / np.sqrt(max(features.shape[1], 1))
        return Inputs(known.knobs[rows], np.clip(features, -most, most))

    def target(self, errors: FloatArray) -> FloatArray:
        """Errors on the scale of the targets."""
        return np.log(np.clip(errors, *self.ends) - self.shift)


def gaps(costs: FloatArray, errors: FloatArray) -> FloatArray:
    """(n,) how much worse each is than the best that needs no more; 0: on the front."""
    at, way = np.nonzero(~np.isnan(costs).any(2))
    box = Box.around(errors[at], costs[at, way], None)
    every = Box((box.error[0], float(errors.max()) + 1.0), box.low, box.high)
    held = Budgets.held(every, errors, costs, Levels.of(costs))
    return errors - held.at(costs)


def training(known: KnownPoints, rows: IntArray, errors: FloatArray, settings: Settings) -> Training:
    """All that was told, or of a long archive the half nearest the front and others spread over its age.

    Args:
        known: costs and features.
        rows: of everything told.
        errors: of the same; NaN where the training gave none.
        settings: of the search.
    """
    good = np.isfinite(errors) & known.allowed[rows]
    rows, errors = rows[good], errors[good]
    best, median = float(errors.min()), float(np.median(errors))
    shift = best - settings.shift * (median - best if median > best else 1.0)
    behind = gaps(known.costs[rows], errors)
    worst = float(errors[behind <= 0].max(initial=best))
    worst = worst if settings.floor is None else min(worst, settings.floor)
    most = max(worst + BEYOND * (worst - best), median)
    chosen = np.arange(len(rows))
    if len(rows) > settings.rows:
        near = np.argsort(behind, kind="stable")[: settings.rows // 2]
        others = np.delete(chosen, near)
        spread = others[np.linspace(0, len(others) - 1, settings.rows - len(near)).astype(int)]
        chosen = np.sort(np.concatenate([near, spread]))
    least = shift + LEAST_ROOM * (best - shift)
    return Training.of(known, rows[chosen], errors[chosen], shift, (least, most))


BEYOND: Final = 0.5
"""How far beyond the worst of the front an error may lie, in lengths of the front; the rest is cut off."""
FURTHEST: Final = 6.0
"""Deviations from the mean of what was trained beyond which a feature is no further off."""
LEAST_ROOM: Final = 0.1
"""Of the room between shift and best: what later results may go down to."""
