"""Ask and tell in rounds: a round is a function of the seed and of the trials told before it alone.

That is what makes a killed search go on as if nothing had happened: whoever has the told trials can ask the
same round again. Optuna's samplers look at an Optuna study in memory that holds exactly those trials, whether
it grew or was filled anew.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from codesign.search.samplers import Codec, SamplerChoice

if TYPE_CHECKING:
    from codesign.evaluate import Evaluation
    from codesign.objectives import Demands
    from codesign.search.free import Free
    from codesign.search.trial import Trial
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

UNKNOWN_EXCESS: Final = 1.0
"""What a sampler is told where a constraint cannot be told: as if the bound were exceeded by its own size."""

EVALUATION: Final = "evaluation"
"""User attribute of a trial: the evaluation, as `Evaluation.to_dict` writes it."""

BESIDE: Final = "beside"
"""User attribute of a trial: evaluations of what was trained for it on other chips."""


class Asker:
    """Proposes candidates that were never told, round after round.

    Args:
        space: what is searched; only canonical candidates are proposed.
        demands: objectives and constraints.
        sampler: who proposes.
        seed: same seed and same told trials, same proposals.
        round_size: candidates of one round.
        free: what is known of candidates before anything is paid.

    Attributes:
        round: what was asked last, told or not.
    """

    def __init__(
        self,
        space: SearchSpace,
        demands: Demands,
        sampler: SamplerChoice,
        seed: int,
        round_size: int | None = None,
        free: Free | None = None,
    ) -> None:
        self.space, self.demands, self.sampler, self.seed = space, demands, sampler, seed
        self.round_size = round_size or sampler.round_size
        self._codec = Codec(space, free, round_size=self.round_size)
        self._distributions = self._codec.distributions()
        self._ways = free.ways if free is not None and sampler.needs_costs else None
        with quiet():
            self._shadow = optuna.create_study(directions=directions(demands))
        self._seen: set[Candidate] = set() if self._ways is None or free is None else set(free.known)
        self._asked: list[optuna.Trial] = []
        self.round: tuple[Candidate, ...] = ()

    def refill(self, told: Sequence[FrozenTrial], candidates: Sequence[Candidate]) -> None:
        """Start over from trials that were told before, in their order."""
        self._shadow.add_trials(told)
        self._seen.update(self._once(c) for c in candidates)
        if not told:
            return
        with quiet():
            sampler = self.sampler.make(self._codec, 0)
        if isinstance(sampler, optuna.samplers.BaseGASampler):
            # parents of all generations in ascending order: asked for the last alone, Optuna would recurse
            key = sampler._get_generation_key()
            last = max((t.system_attrs.get(key, 0) for t in told), default=0)
            for generation in range(1, last + 1):
                sampler.get_parent_population(self._shadow, generation)

    def ask(self) -> list[Candidate]:
        """The next round; shorter, or empty, where the space has no more."""
        start = len(self._shadow.get_trials(deepcopy=False))
        seeds = np.random.SeedSequence([self.seed, start]).generate_state(2)
        with quiet():
            self._shadow.sampler = self.sampler.make(self._codec, int(seeds[0]))
        fresh = _Fresh(self.space, self._seen, self._once, np.random.default_rng(seeds[1]))
        candidates = []
        with quiet():
            for _ in range(min(self.round_size, self.size - len(self._seen))):
                asked = self._shadow.ask(self._distributions)
                proposed = asked.params
                candidate = fresh.instead_of(self._codec.decode(proposed))
                if candidate is None:
                    break
                self._set_params(asked, proposed, candidate)
                self._asked.append(asked)
                candidates.append(candidate)
        self.round = tuple(candidates)
        return candidates

    @property
    def size(self) -> int:
        """Candidates that can be told: those of the space, or what of them is trained."""
        return self.space.size if self._ways is None else self._ways.space.size

    def _once(self, candidate: Candidate) -> Candidate:
        """What of a candidate is told once: all of it, or what of it is trained."""
        return candidate if self._ways is None else self._ways.trained(candidate)

    def tell(self, trial: Trial, candidate: Candidate, beside: Sequence[Evaluation] = ()) -> FrozenTrial:
        """Tell the result of the first candidate not yet told; what a storage keeps of it.

        Args:
            trial: the result.
            candidate: that was asked for.
            beside: of what was trained on other chips.
        """
        asked = self._asked.pop(0)
        state, values, excess = told_values(trial, self.demands)
        storage = self._shadow._storage
        for name, beyond in excess.items():
            storage.set_trial_system_attr(asked._trial_id, f"constraints:{name}", beyond)
        with quiet():
            told = self._shadow.tell(asked, values, state=state)
        self._seen.add(self._once(candidate))
        return create_trial(
            state=state,
            values=values,
            params=told.params,
            distributions=told.distributions,
            user_attrs={**told.user_attrs, **_readable(trial), **kept(trial.evaluation, beside)},
            system_attrs=told.system_attrs,
        )

    def _set_params(self, asked: optuna.Trial, proposed: Mapping[str, Any], candidate: Candidate) -> None:
        """Put the candidate in the place of what was proposed."""
        storage = self._shadow._storage
        for name, value in self._codec.encode(candidate).items():
            if proposed[name] == value and type(proposed[name]) is type(value):
                continue
            domain = self._distributions[name]
            storage.set_trial_param(asked._trial_id, name, domain.to_internal_repr(value), domain)


class _Fresh:
    """Replaces what was seen: by a new neighbour, else a random candidate, else any that is left."""

    DRAWS: Final = 64

    def __init__(
        self,
        space: SearchSpace,
        seen: set[Candidate],
        once: Callable[[Candidate], Candidate],
        rng: np.random.Generator,
    ) -> None:
        self._space, self._rng, self._once = space, rng, once
        self._seen = seen
        self._given: set[Candidate] = set()
        self._left: Iterator[Candidate] | None = None

    def instead_of(self, proposed: Candidate) -> Candidate | None:
        """The candidate itself if it is new, else a new one near it; None: the space has no more."""
        found = next((c for c in self._options(proposed) if self._is_new(self._once(c))), None)
        if found is not None:
            self._given.add(self._once(found))
        return found

    def _is_new(self, told_once: Candidate) -> bool:
        return told_once not in self._seen and told_once not in self._given

    def _options(self, proposed: Candidate) -> Iterator[Candidate]:
        yield proposed
        near = self._space.neighbours(proposed)
        yield from (near[i] for i in self._rng.permutation(len(near)))
        yield from (self._space.sample(self._rng) for _ in range(self.DRAWS))
        if self._left is None:
            self._left = iter(self._space.candidates())
        yield from self._left


def directions(demands: Demands) -> list[StudyDirection]:
    """Optuna's words for the goals."""
    return [
        StudyDirection.MINIMIZE if o.goal == "min" else StudyDirection.MAXIMIZE for o in demands.objectives
    ]


def told_values(trial: Trial, demands: Demands) -> tuple[TrialState, list[float] | None, dict[str, float]]:
    """What Optuna is told: state, objective values, and by how much each constraint is exceeded.

    A trial without a value for every objective, or stopped before the last stage, is PRUNED (it has no place
    on a front), one that failed is FAIL.
    """
    verdict = trial.verdict
    if verdict.status == "failed":
        return TrialState.FAIL, None, {}
    if verdict.status == "stopped":  # what a cheaper stage said is told to no sampler as if it were the last
        return TrialState.PRUNED, None, {"other": UNKNOWN_EXCESS}
    excess = {
        n: UNKNOWN_EXCESS if x is None and n not in verdict.assumed else x or 0.0
        for n, x in verdict.excess.items()
    }
    if verdict.status != "feasible":
        # a point that is refused for another reason must not look feasible to a sampler
        worst = max(excess.values(), default=0.0)
        excess["other"] = 0.0 if worst > 0 else UNKNOWN_EXCESS
    values = [verdict.quantities[o.name].value for o in demands.objectives]
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return TrialState.PRUNED, None, excess
    return TrialState.COMPLETE, known, excess


def kept(evaluation: Evaluation, beside: Sequence[Evaluation]) -> dict[str, Any]:
    """User attributes of a trial that its results are read from."""
    others = {BESIDE: [e.to_dict() for e in beside]} if beside else {}
    return {EVALUATION: evaluation.to_dict(), **others}


def _readable(trial: Trial) -> dict[str, Any]:
    """What a person wants to see beside the trial in optuna-dashboard."""
    e, v = trial.evaluation, trial.verdict
    shown = {"network": e.network, "chip": e.chip, "precision": e.precision, "status": v.status}
    return {**shown, "why": "; ".join(v.reasons)}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's information lines and experimental warnings off the screen; its other warnings stay."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
