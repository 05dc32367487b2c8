"""Pareto local search as an Optuna sampler: unseen neighbours of the points that nothing beats so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState
from typing_extensions import override

from codesign.front import non_dominated
from codesign.search.candidate_sampler import CandidateSampler

if TYPE_CHECKING:
    import optuna
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from codesign.search.samplers import Codec
    from search_spaces.candidate import Candidate

Edits = Sequence[Sequence["Candidate"]]
"""Neighbours of one candidate, grouped by the knobs that differ."""

LEAST_INFEASIBLE: Final = 5
"""Points that take the place of the front while nothing is feasible."""


class ParetoLocalSearch(CandidateSampler):
    """Proposes unseen neighbours of the points that nothing beats so far, each with the same chance.

    While no point is feasible, the points that miss the constraints by least take the place of the front.
    Source: Paquete, Chiarandini, Stuetzle: Pareto local optimum sets, 2004; here de-duplicated and in rounds.

    Args:
        codec: of the space that is searched.
        seed: of the random choices.
        n_start: candidates drawn at random before neighbours are tried.
        explore: share of later candidates that are drawn at random all the same.
    """

    def __init__(self, codec: Codec, *, seed: int, n_start: int = 40, explore: float = 0.1) -> None:
        super().__init__(codec, np.random.default_rng(seed))
        self._n_start, self._explore = n_start, explore
        self._told: _Told = codec.memory.setdefault("local", _Told(codec))

    @override
    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._told.read(study.get_trials(deepcopy=False), study.directions)
        edits = self._edits() if self._told.n >= self._n_start else []
        if not edits or self._rng.random() < self._explore:
            return self._codec.encode(self._codec.space.sample(self._rng))
        # a point, then which knobs to change, then how: else the knob with most values takes all the trials
        near = edits[int(self._rng.integers(len(edits)))]
        return self._codec.encode(near[int(self._rng.integers(len(near)))])

    def _edits(self) -> Edits:
        """Unseen neighbours of one of the best points, drawn among those that have any."""
        for at in self._rng.permutation(len(self._told.best)).tolist():
            edits = self._told.unseen(self._told.best[at])
            if edits:
                return edits
        return []


class _Told:
    """What was told, read once; a function of the told trials alone, however often it was asked between."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.n = 0
        self.best: list[Candidate] = []
        self._rows: NDArray[np.float64] = np.empty((0, 0))
        self._seen: set[Candidate] = set()
        self._edits: dict[Candidate, Edits] = {}

    def read(self, trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> None:
        """Take over the trials that were finished since; a study is told in the order in which it asked."""
        new = list(takewhile(lambda t: t.state.is_finished(), trials[self.n :]))
        if not new:
            return
        self.n += len(new)
        candidates = [self._codec.decode(t.params) for t in new]
        self._seen.update(candidates)
        complete = [i for i, t in enumerate(new) if t.state == TrialState.COMPLETE]
        if complete:
            sign = [1.0 if d == StudyDirection.MINIMIZE else -1.0 for d in directions]
            rows = [[_beyond(new[i].system_attrs), *np.multiply(new[i].values, sign)] for i in complete]
            self._join([candidates[i] for i in complete], np.array(rows, np.float64))
        self._edits = {best: self._edits[best] for best in self.best if best in self._edits}

    def _join(self, candidates: Sequence[Candidate], rows: NDArray[np.float64]) -> None:
        """Keep the best of old and new; a row of `rows` is how far beyond the bounds, then objectives."""
        best = [*self.best, *candidates]
        rows = np.concatenate([self._rows, rows]) if len(self._rows) else rows
        beyond = rows[:, 0]
        if beyond.min() > 0:
            kept = np.argsort(beyond, kind="stable")[:LEAST_INFEASIBLE]
        else:
            kept = np.flatnonzero(beyond == 0)
            kept = kept[non_dominated(rows[kept, 1:])]
        self.best, self._rows = [best[i] for i in kept.tolist()], rows[kept]

    def unseen(self, best: Candidate) -> Edits:
        """Unseen neighbours; of those found before, what was told since is left out."""
        if best not in self._edits:
            self._edits[best] = self._grouped(best)
        left = [[c for c in group if c not in self._seen] for group in self._edits[best]]
        self._edits[best] = [group for group in left if group]
        return self._edits[best]

    def _grouped(self, best: Candidate) -> Edits:
        groups: dict[tuple[str, ...], list[Candidate]] = {}
        knobs = tuple(self._codec.space.knobs)
        for near in self._codec.neighbours(best):
            differ = tuple(k for k in knobs if near.get(k) != best.get(k))
            groups.setdefault(differ, []).append(near)
        return list(groups.values())


def _beyond(system_attrs: Mapping[str, Any]) -> float:
    """Shares by which the constraints are exceeded, added up."""
    return float(sum(max(v, 0.0) for k, v in system_attrs.items() if k.startswith("constraints:")))
