"""What a search may know before anything is paid: all of an evaluation but the quality of the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from codesign.objectives import UNMODELLED_LIMIT
from codesign.search.ways import Ways
from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.evaluate import Evaluation, Evaluator
    from codesign.objectives import Demands, Objective
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

FloatArray = NDArray[np.float64]

COUNTED: Final = ("macs_g", "params_m")
"""Facts of an evaluation that say how large a network is, whatever it runs on."""


@runtime_checkable
class TellsCosts(Protocol):
    """An evaluator that can leave the training out."""

    @property
    def paid(self) -> tuple[str, ...]:
        """Names of the objectives that `free` leaves unknown."""
        ...

    def free(self, candidates: Sequence[Candidate]) -> Iterable[Evaluation]:
        """One evaluation for each candidate, in their order, without what must be paid for."""
        ...


@runtime_checkable
class SweepsCosts(TellsCosts, Protocol):
    """An evaluator that tells the costs of many candidates in one go."""

    def sweep(self, candidates: Sequence[Candidate]) -> Iterable[Evaluation]:
        """As `free`, of canonical candidates; names, bound and notes may be left out."""
        ...


@runtime_checkable
class TellsFeatures(Protocol):
    """An evaluator that tells networks apart before training by more than size, where the space does not."""

    def features(self, candidates: Sequence[Candidate]) -> FloatArray:
        """(n, f) numbers of what would be trained; the same for equal networks."""
        ...


@dataclass(frozen=True)
class Free:
    """The costs of candidates, as a search minimises them, and whether they meet the constraints.

    Attributes:
        evaluator: tells them.
        demands: objectives and constraints.
        position: of the one objective that must be paid for.
        ways: to run what is trained.
        known: what was paid for by earlier studies, as it is minimised; by what was trained.
    """

    evaluator: TellsCosts
    demands: Demands
    position: int
    ways: Ways
    known: Mapping[Candidate, float] = field(default_factory=dict)

    @classmethod
    def of(cls, evaluator: Evaluator, demands: Demands, space: SearchSpace) -> Free | None:
        """What is free of these demands; None: nothing is, or not just one objective must be paid for."""
        if not isinstance(evaluator, TellsCosts):
            return None
        paid = [i for i, o in enumerate(demands.objectives) if o.name in evaluator.paid]
        return cls(evaluator, demands, paid[0], Ways(space)) if len(paid) == 1 else None

    @property
    def paid(self) -> Objective:
        """The objective that must be paid for."""
        return self.demands.objectives[self.position]

    @property
    def floor(self) -> float | None:
        """The bound on it, as it is minimised; None: there is none."""
        ours = [c for c in self.demands.constraints if c.name == self.paid.name]
        bounds = [c.bound * self.paid.sign for c in ours if (c.op == "<=") == (self.paid.goal == "min")]
        return min(bounds, default=None)

    def look(self, trained: Sequence[Candidate]) -> tuple[FloatArray, FloatArray]:
        """What n candidates that could be trained need, in each of the r ways to run them.

        Returns:
            (n, r, m) costs, NaN where there is no such way or a constraint forbids it; where nothing but the
            quality is wanted, one cost of 0. (n, 2) logarithms of what is counted of each candidate.
        """
        ways = [self.ways.of(c) for c in trained]
        r = max((len(row) for row in ways), default=1)
        at = [(i, j) for i, row in enumerate(ways) for j, way in enumerate(row) if way is not None]
        seen = self.evaluations([way for row in ways for way in row if way is not None])
        costs = np.full((len(ways), r, max(1, len(self.demands.objectives) - 1)), np.nan)
        counts = np.zeros((len(ways), len(COUNTED)))
        for (i, j), evaluation in zip(at, seen, strict=True):
            costs[i, j] = self._costs(evaluation)
            counts[i] = [evaluation.facts.get(n, 0.0) for n in COUNTED]
        return costs, np.concatenate([np.log(np.maximum(counts, 1e-6)), self._features(trained)], axis=1)

    def _features(self, trained: Sequence[Candidate]) -> FloatArray:
        if isinstance(self.evaluator, TellsFeatures):
            return self.evaluator.features(trained)
        return np.empty((len(trained), 0))

    def evaluations(self, candidates: Sequence[Candidate]) -> Iterable[Evaluation]:
        """Evaluations without what must be paid for, in one go where the evaluator can."""
        if isinstance(self.evaluator, SweepsCosts):
            return self.evaluator.sweep(candidates)
        return self.evaluator.free(candidates)

    def _costs(self, evaluation: Evaluation) -> list[float]:
        free = [o for i, o in enumerate(self.demands.objectives) if i != self.position]
        try:
            values = [o.read(evaluation).value for o in free]
            allowed = self._allowed(evaluation)
        except InputError:
            values, allowed = [None], False
        if not allowed or None in values:
            return [np.nan] * max(1, len(free))
        return [v * o.sign for v, o in zip(values, free, strict=True) if v is not None] or [0.0]

    def _allowed(self, evaluation: Evaluation) -> bool:
        if evaluation.state != "ok":
            return False
        if evaluation.unmodelled_share > UNMODELLED_LIMIT and not self.demands.allow_unmodelled:
            return False
        for constraint in self.demands.constraints:
            if constraint.name in self.evaluator.paid:
                continue
            value = constraint.of.read(evaluation).value
            if value is None and not self.demands.allow_unknown:
                return False
            if value is not None and constraint.excess(value) > 0:
                return False
        return True
