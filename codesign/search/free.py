"""What a search may know before anything is paid: all of an evaluation but the quality of the network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from codesign.objectives import UNMODELLED_LIMIT
from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.evaluate import Evaluation, Evaluator
    from codesign.objectives import Demands, Objective
    from search_spaces.candidate import Candidate

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


@dataclass(frozen=True)
class Free:
    """The costs of candidates, as a search minimises them, and whether they meet the constraints.

    Attributes:
        evaluator: tells them.
        demands: objectives and constraints.
        position: of the one objective that must be paid for.
    """

    evaluator: TellsCosts
    demands: Demands
    position: int

    @classmethod
    def of(cls, evaluator: Evaluator, demands: Demands) -> Free | None:
        """What is free of these demands; None: nothing is, or not just one objective must be paid for."""
        if not isinstance(evaluator, TellsCosts):
            return None
        paid = [i for i, o in enumerate(demands.objectives) if o.name in evaluator.paid]
        return cls(evaluator, demands, paid[0]) if len(paid) == 1 else None

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

    def look(self, candidates: Sequence[Candidate]) -> tuple[FloatArray, FloatArray]:
        """(n, 1, m) costs, NaN where a constraint forbids the candidate; (n, 2) logarithms of its counts."""
        seen = list(self.evaluator.free(candidates))
        costs = np.array([self._costs(e) for e in seen], np.float64).reshape(len(seen), 1, -1)
        counts = [[e.facts.get(n, 0.0) for n in COUNTED] for e in seen]
        return costs, np.log(np.maximum(np.array(counts).reshape(len(seen), len(COUNTED)), 1e-6))

    def _costs(self, evaluation: Evaluation) -> list[float]:
        free = [o for i, o in enumerate(self.demands.objectives) if i != self.position]
        try:
            values = [o.read(evaluation).value for o in free]
            allowed = self._allowed(evaluation)
        except InputError:
            values, allowed = [None], False
        if not allowed or None in values:
            return [np.nan] * len(free)
        return [v * o.sign for v, o in zip(values, free, strict=True) if v is not None]

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
