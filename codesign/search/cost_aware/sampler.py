"""The cost-aware search as an Optuna sampler."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from optuna.trial import TrialState
from typing_extensions import override

from codesign.search.candidate_sampler import CandidateSampler
from codesign.search.cost_aware.archive import Forecast, Pick, Settings, Told
from codesign.search.cost_aware.known import KnownPoints
from codesign.search.cost_aware.pool import PoolSize
from codesign.search.cost_aware.search import CostAwareSearch
from hw_models.errors import InputError
from search_spaces.tabular.table import TableSpace

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from codesign.search.free import Free
    from codesign.search.samplers import Codec
    from search_spaces.candidate import Candidate

FORECAST: Final = "cost_aware:forecast"
"""System attribute of a trial: mean, deviation and shift that were predicted of it."""
LOOKED_AT: Final = PoolSize(edits=150, near=40, crossovers=40, random=40, rounds=1, best=10)
"""Of a cost model, which takes ten milliseconds for each network; of a table, which takes none, more."""
DRAWN: Final = 100
"""Networks that the first are chosen from, likewise."""


class CostAwareSampler(CandidateSampler):
    """Proposes a batch by the growth of the hypervolume that is expected of it; made anew for every round.

    In a joint space it chooses networks by what they may be on any chip, and shows each on the chip where it
    is beaten least.

    Args:
        codec: of the space that is searched, with what is free to know of it.
        seed: of the round.
        batch: candidates of a round.

    Raises:
        InputError: where nothing is known before it is paid.
    """

    def __init__(self, codec: Codec, *, seed: int, batch: int) -> None:
        if codec.free is None:
            msg = "nothing is known of a candidate before it is evaluated; expected an evaluator with `free`"
            raise InputError(msg)
        super().__init__(codec, np.random.default_rng([seed, 1]))
        self._seed, self._batch = seed, batch
        self._picks: Iterator[Pick] | None = None
        if "cost_aware" not in codec.memory:
            codec.memory["cost_aware"] = _Archive(codec, codec.free)
        self._archive: _Archive = codec.memory["cost_aware"]

    @override
    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if self._picks is None:
            told = self._archive.told(study.get_trials(deepcopy=False))
            self._picks = iter(self._archive.search.ask(told, self._batch, self._seed))
        pick = next(self._picks, None)
        if pick is None:
            return self._codec.encode(self._codec.space.sample(self._rng))
        if pick.forecast is not None:
            f = pick.forecast
            study._storage.set_trial_system_attr(trial._trial_id, FORECAST, [f.mean, f.deviation, f.shift])
        return self._codec.encode(self._archive.shown(pick))


class _Archive:
    """The told trials as the search reads them; each is read once, as a study only grows."""

    def __init__(self, codec: Codec, free: Free) -> None:
        self._codec, self._free = codec, free
        self._counts = np.empty((0, 0))
        self._chips: Sequence[Candidate] | None = None
        self._read = 0
        self._candidates: dict[Candidate, None] = dict.fromkeys(free.known)
        self._errors = list(free.known.values())
        self._forecasts: list[Forecast | None] = [None] * len(free.known)
        self.search = self._new_search()

    def told(self, trials: Sequence[FrozenTrial]) -> Told:
        """What was known before, then all that was trained, in its order; of repeats the first counts."""
        ways = self._free.ways
        if ways.chips != self._chips:
            self.search = self._new_search()
        while self._read < len(trials) and trials[self._read].state.is_finished():
            trial = trials[self._read]
            self._read += 1
            trained = ways.trained(self._codec.decode(trial.params))
            if trained in self._candidates:
                continue
            self._candidates[trained] = None
            known = trial.state == TrialState.COMPLETE and trial.values is not None
            value = trial.values[self._free.position] if known else np.nan
            self._errors.append(value * self._free.paid.sign)
            forecast = trial.system_attrs.get(FORECAST)
            self._forecasts.append(None if forecast is None else Forecast(*forecast))
        return Told(list(self._candidates), np.array(self._errors, np.float64), self._forecasts)

    def shown(self, pick: Pick) -> Candidate:
        """The pick on the chip where fewest of what was told beat what it needs, the first of equals."""
        ways = [w for w in self._free.ways.of(pick.candidate) if w is not None]
        if len(ways) == 1:
            return ways[0]
        known = self.search.known
        all_ways = self._free.ways.of(pick.candidate)
        costs = known.costs[known.rows([pick.candidate])[0]]
        told = known.costs[known.rows(self._candidates)].reshape(-1, costs.shape[1])
        allowed = [i for i, w in enumerate(all_ways) if w is not None and not np.isnan(costs[i]).any()]
        beaten = [int((told <= costs[i]).all(1).sum()) for i in allowed]
        chosen = all_ways[allowed[int(np.argmin(beaten))]] if allowed else ways[0]
        assert chosen is not None
        return chosen

    def _new_search(self) -> CostAwareSearch:
        self._chips = self._free.ways.chips
        settings = Settings(floor=self._free.floor)
        if not isinstance(self._free.ways.space, TableSpace):
            settings = replace(settings, drawn=DRAWN, size=LOOKED_AT)
        return CostAwareSearch(KnownPoints(self._free.ways.space, self._costs, self._counted), settings)

    def _costs(self, candidates: Sequence[Candidate]) -> np.ndarray:
        costs, self._counts = self._free.look(candidates)
        return costs

    def _counted(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """What the space counts of those just costed, then what the evaluator does; the size stands first."""
        told = self._free.ways.features(candidates)
        return self._counts if told is None else np.concatenate([told, self._counts], axis=1)
