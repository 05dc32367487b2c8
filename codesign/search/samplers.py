"""Who proposes: Optuna's samplers with the options their authors recommend, and a Pareto local search.

Each is a function from a seed to an `optuna.samplers.BaseSampler`, made anew for every round, so that nothing
depends on the state of a random generator that a killed process would have lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.knobs import Bool, IntRange, Knob
from search_spaces.space import SearchSpace, filled

if TYPE_CHECKING:
    from codesign.search.free import Free

MOST_CATEGORIES: Final = 32
"""Choices with more values are positions for Optuna, which writes the domain beside every trial."""

Params = Mapping[str, Any]
MakeSampler = Callable[[int], optuna.samplers.BaseSampler]


@dataclass(frozen=True)
class Codec:
    """Candidates as Optuna parameters and back; Optuna's domains are the static domains of the knobs.

    Args:
        space: whose knobs they are.
        free: what is known of candidates before anything is paid; None: nothing.
        memory: what a sampler may keep from round to round, as long as no proposal depends on it.
        round_size: candidates of a round; None: as many as the sampler would have.
    """

    space: SearchSpace
    free: Free | None = None
    memory: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    round_size: int | None = None
    _near: dict[Candidate, tuple[Candidate, ...]] = field(default_factory=dict, repr=False)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Knob -> Optuna distribution."""
        return {name: _distribution(knob) for name, knob in self.space.knobs.items()}

    def decode(self, params: Params) -> Candidate:
        """The canonical candidate that the parameters mean."""
        knobs = self.space.knobs
        return self.space.canonical(Candidate({n: _value(knobs[n], params[n]) for n in knobs}))

    def neighbours(self, candidate: Candidate) -> tuple[Candidate, ...]:
        """Neighbours in the space, remembered: a search asks for those of its front again and again."""
        if candidate not in self._near:
            self._near[candidate] = tuple(self.space.neighbours(candidate))
        return self._near[candidate]

    def encode(self, candidate: Candidate) -> dict[str, Any]:
        """Parameters of a canonical candidate; a knob that does not apply has its first value."""
        whole = filled(self.space, candidate)
        return {n: _param(k, whole[n]) for n, k in self.space.knobs.items()}


def _distribution(knob: Knob) -> BaseDistribution:
    if isinstance(knob, IntRange):
        return IntDistribution(knob.low, knob.low + (len(knob) - 1) * knob.step, step=knob.step)
    if isinstance(knob, Bool) or len(knob) <= MOST_CATEGORIES:
        return CategoricalDistribution(tuple(knob))
    return IntDistribution(0, len(knob) - 1)


def _is_position(knob: Knob) -> bool:
    return not isinstance(knob, IntRange | Bool) and len(knob) > MOST_CATEGORIES


def _value(knob: Knob, param: Any) -> Any:
    return tuple(knob)[int(param)] if _is_position(knob) else param


def _param(knob: Knob, value: Any) -> Any:
    return tuple(knob).index(value) if _is_position(knob) else value


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    """A named way of proposing.

    Attributes:
        name: as a study names it.
        round_size: candidates proposed before the next look at the results.
        make: (codec of the space, seed) -> Optuna sampler.
        about: one line for `--help` and reports.
        needs_costs: whether it works only where costs are known before anything is paid.
    """

    name: str
    round_size: int
    make: Callable[[Codec, int], optuna.samplers.BaseSampler]
    about: str
    needs_costs: bool = False


def _random(codec: Codec, seed: int) -> optuna.samplers.BaseSampler:  # noqa: ARG001 - one signature for all
    return optuna.samplers.RandomSampler(seed=seed)


def _nsga2(codec: Codec, seed: int) -> optuna.samplers.BaseSampler:  # noqa: ARG001 - one signature for all
    return optuna.samplers.NSGAIISampler(population_size=50, seed=seed)


def _tpe(codec: Codec, seed: int) -> optuna.samplers.BaseSampler:  # noqa: ARG001 - one signature for all
    return optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)


def _local(codec: Codec, seed: int) -> optuna.samplers.BaseSampler:
    from codesign.search.local import ParetoLocalSearch

    return ParetoLocalSearch(codec, seed=seed)


def _cost_aware(codec: Codec, seed: int) -> optuna.samplers.BaseSampler:
    from codesign.search.cost_aware.sampler import CostAwareSampler

    return CostAwareSampler(codec, seed=seed, batch=codec.round_size or COST_AWARE_ROUND)


COST_AWARE_ROUND: Final = 4
"""Trainings side by side; 16 cost about 30 % more of them than 4."""


SAMPLERS: Final[Mapping[str, SamplerChoice]] = {
    c.name: c
    for c in (
        SamplerChoice("nsga2", 50, _nsga2, "Optuna's NSGA-II, population 50 (Deb et al., 2002)"),
        SamplerChoice(
            "cost_aware",
            COST_AWARE_ROUND,
            _cost_aware,
            "exact costs before anything is trained, expected growth of the front (few trainings)",
            needs_costs=True,
        ),
        SamplerChoice("local", 10, _local, "neighbours of the front (Pareto local search)"),
        SamplerChoice("tpe", 10, _tpe, "Optuna's multivariate TPE with constant liar"),
        SamplerChoice("random", 50, _random, "uniform, without repeats"),
    )
}
"""Samplers that a study can name."""


def sampler_choice(wanted: str | SamplerChoice | MakeSampler) -> SamplerChoice:
    """A sampler by name, or one's own: a function from a seed to an Optuna sampler.

    Raises:
        UnknownNameError: a name that there is not.
        InputError: something else, such as a sampler that was made already.
    """
    if isinstance(wanted, SamplerChoice):
        return wanted
    if isinstance(wanted, str):
        if wanted not in SAMPLERS:
            raise UnknownNameError("sampler", wanted, SAMPLERS, f"known: {', '.join(SAMPLERS)}")
        return SAMPLERS[wanted]
    if isinstance(wanted, optuna.samplers.BaseSampler) or not callable(wanted):
        msg = (
            f"sampler {wanted!r} given, expected a name ({', '.join(SAMPLERS)}) or a function from a seed "
            "to an "
            "Optuna sampler, such as `lambda seed: optuna.samplers.TPESampler(seed=seed)`: it is made "
            "anew each round"
        )
        raise InputError(msg)
    make = wanted
    name = f"custom:{getattr(wanted, '__name__', type(wanted).__name__)}"
    return SamplerChoice(name, 10, lambda _, seed: make(seed), "given in Python")
