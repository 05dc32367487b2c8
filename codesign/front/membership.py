"""How likely each point is truly on the front, given the intervals of all points.

By Monte Carlo over what the quantities may truly be (`codesign.front.truths`): in every draw the constraints
are held against the drawn quantities and dominance against the drawn objectives. So a point that its best
figures put below others, or beyond a limit, may still belong to the front, and the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import override

from codesign.front.dominance import BoolArray, FloatArray, non_dominated
from codesign.front.truths import Errors, draws, spread_of
from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

    from codesign.objectives import Demands, Objective
    from codesign.search.trial import Trial

DRAWS: Final = 1000
FAR: Final = 4.0
"""Standard deviations within which truths are looked for where a point is given up beforehand."""


@dataclass(frozen=True, eq=False)
class Membership:
    """Probability of every trial that it is on the front.

    Attributes:
        trials: all trials of the front, in the order of their numbers.
        on_front: numbers of the points that are on it by their best figures.
        probability: trial -> share of the draws in which it is on the front.
        n_draws, seed, errors: how it was drawn.
    """

    trials: tuple[Trial, ...]
    on_front: frozenset[int]
    probability: Mapping[int, float]
    n_draws: int
    seed: int
    errors: Errors

    def error(self, number: int) -> float:
        """Monte-Carlo standard error of a probability, never 0: of (k + 1) in (n + 2) draws."""
        p = (self.probability[number] * self.n_draws + 1.0) / (self.n_draws + 2.0)
        return math.sqrt(p * (1.0 - p) / (self.n_draws + 2.0))

    def of(self, number: int) -> float:
        """The probability of one trial.

        Raises:
            UnknownNameError: a number that no trial has.
        """
        if number not in self.probability:
            raise UnknownNameError("trial", str(number), [str(t.number) for t in self.trials])
        return self.probability[number]

    @cached_property
    def expected_size(self) -> float:
        """Points that the true front is expected to have."""
        return math.fsum(self.probability.values())

    @property
    def overlooked(self) -> tuple[Trial, ...]:
        """Trials off the front that are more likely on it than not, the likeliest first."""
        found = [t for t in self.trials if t.number not in self.on_front and self.of(t.number) > 0.5]
        return tuple(sorted(found, key=lambda t: (-self.of(t.number), t.number)))

    @override
    def __repr__(self) -> str:
        sure = sum(self.of(n) >= 0.9 for n in self.on_front)
        return (
            f"Membership({sure} of {len(self.on_front)} points at 90 % or more, "
            f"{len(self.overlooked)} off the front above 50 %, {self.n_draws} draws)"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per trial that may be on the front, the likeliest first."""
        import pandas as pd

        rows = [
            {
                "id": t.number,
                "network": t.evaluation.network,
                "chip": t.evaluation.chip,
                "precision": t.evaluation.precision,
                "on_front": t.number in self.on_front,
                "membership": self.of(t.number),
                "membership_error": self.error(t.number),
            }
            for t in sorted(self.trials, key=lambda t: (-self.of(t.number), t.number))
            if self.of(t.number) > 0 or t.number in self.on_front
        ]
        columns = ["id", "network", "chip", "precision", "on_front", "membership", "membership_error"]
        return pd.DataFrame(rows, columns=columns)

    def _repr_html_(self) -> str:
        table = self.to_frame()
        more = f"<p>{len(table) - 50} more trials</p>" if len(table) > 50 else ""
        return f"<p>{self!r}</p>{table.head(50).to_html(index=False)}{more}"


def membership_of(
    trials: Sequence[Trial],
    on_front: Sequence[Trial],
    demands: Demands,
    *,
    n_draws: int = DRAWS,
    seed: int = 0,
    errors: Errors | None = None,
) -> Membership:
    """Draw what is true, again and again, and count how often each trial is on the front.

    Args:
        trials: all of them.
        on_front: those on the front by their best figures.
        demands: objectives and constraints.
        n_draws: draws; the error of a probability is at most 0.5 / sqrt(n_draws).
        seed: of the draws.
        errors: how errors hang together; None: as measured on devices that the laws had not seen.

    Raises:
        InputError: fewer than one draw.
    """
    if n_draws < 1 or int(n_draws) != n_draws:
        msg = f"n_draws={n_draws!r} given, expected a positive integer"
        raise InputError(msg)
    errors = errors or Errors()
    held = _held(demands)
    open_ = [t for t in trials if _can_be_feasible(t, demands)]
    contenders = [t for t, out in zip(open_, _hopeless(open_, on_front, demands), strict=True) if not out]
    counts = np.zeros(len(contenders))
    n_objectives = len(demands.objectives)
    drawn = draws(contenders, [*demands.objectives, *held], n_draws, seed, errors)
    sign = np.array([o.sign for o in demands.objectives])
    for truth in drawn:
        meets = _meets(truth, demands, held)
        rows = np.flatnonzero(meets)
        counts[rows[non_dominated(truth[rows, :n_objectives] * sign)]] += 1
    found = dict.fromkeys((t.number for t in trials), 0.0)
    found |= {t.number: float(c) / n_draws for t, c in zip(contenders, counts, strict=True)}
    return Membership(tuple(trials), frozenset(t.number for t in on_front), found, int(n_draws), seed, errors)


def _held(demands: Demands) -> tuple[Objective, ...]:
    """Quantities of constraints that are no objectives."""
    named = {c.name: c.of for c in demands.constraints if c.name not in demands.names()}
    return tuple(named.values())


def _can_be_feasible(trial: Trial, demands: Demands) -> bool:
    """Whether nothing but bounds stands between a trial and the front."""
    verdict = trial.verdict
    if verdict.status not in ("feasible", "infeasible"):
        return False
    if any(not verdict.quantities[n].known for n in demands.names()):
        return False
    if any(x is None and n not in verdict.assumed for n, x in verdict.excess.items()):
        return False
    beyond = sum(x is not None and x > 0 for x in verdict.excess.values())
    return len(verdict.reasons) <= beyond


def _meets(truth: FloatArray, demands: Demands, held: Sequence[Objective]) -> BoolArray:
    """(N,) whether drawn quantities (N, Q) meet the constraints; what is unknown was let through before."""
    names = [*demands.names(), *(q.name for q in held)]
    meets = np.ones(len(truth), np.bool_)
    for c in demands.constraints:
        value = truth[:, names.index(c.name)]
        inside = value <= c.bound if c.op == "<=" else value >= c.bound
        meets &= inside | np.isnan(value)
    return meets


def _hopeless(trials: Sequence[Trial], on_front: Sequence[Trial], demands: Demands) -> BoolArray:
    """(N,) which trials at their best are still beaten by a point of the front at its worst.

    Best and worst are `FAR` standard deviations away, so of such a point no more than one truth in 10,000 is
    missed, and whatever it beats the other beats as well.
    """
    sure = [t for t in on_front if _surely_meets(t, demands)]
    best = np.empty((len(trials), len(demands.objectives)))
    worst = np.empty((len(sure), len(demands.objectives)))
    for k, o in enumerate(demands.objectives):
        best[:, k] = (o.sign * _far(trials, o)).min(axis=0)
        worst[:, k] = (o.sign * _far(sure, o)).max(axis=0)
    below: BoolArray = np.all(worst[None, :, :] < best[:, None, :], axis=2)
    return np.asarray(below.any(axis=1), np.bool_)


def _far(trials: Sequence[Trial], of: Objective) -> FloatArray:
    """(2, N) a quantity `FAR` standard deviations down and up."""
    spread = spread_of(trials, of)
    return np.stack([spread.at(np.full((1, len(trials)), z))[0] for z in (-FAR, FAR)])


def _surely_meets(trial: Trial, demands: Demands) -> bool:
    ends = {c.name: _far([trial], c.of)[:, 0] for c in demands.constraints}
    return all(
        bool(np.isnan(x).all()) or all(c.excess(float(end)) <= 0 for end in x)
        for c in demands.constraints
        for x in [ends[c.name]]
    )
