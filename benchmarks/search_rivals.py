"""The searches that ours is held against, each with the options its authors recommend.

None of them knows a cost before a training, but for the local search where it may sweep the chips. All but
qLogNEHVI are run one training at a time, their best case, while ours asks for four at once. pymoo and BoTorch
are no dependencies of the project:

    python -m venv rivals && rivals/bin/pip install -e . pymoo==0.6.2 botorch==0.18.1
    rivals/bin/python benchmarks/search.py --searches pymoo qlognehvi
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from search_worlds import Search, Step, World

from codesign.front import non_dominated
from hw_models.errors import InputError
from search_spaces.candidate import Candidate

if TYPE_CHECKING:
    import optuna


class BlackBox:
    """A world as a general optimiser sees it: knobs, the chip among them, to objectives."""

    CHIP: Final = "which_chip"

    def __init__(self, world: World) -> None:
        self.world = world
        self.knobs: dict[str, tuple[Any, ...]] = {n: tuple(k) for n, k in world.space.knobs.items()}
        if world.ways:
            self.knobs[self.CHIP] = tuple(range(len(world.ways)))
        self.n_objectives = world.front.shape[1]

    def step(self, params: Mapping[str, Any]) -> tuple[Step, list[float]] | None:
        """What a choice of all knobs means, and its objectives; None where the table has a hole."""
        way = int(params[self.CHIP]) if self.world.ways else 0
        given = Candidate({n: params[n] for n in self.world.space.knobs})
        try:
            candidate = self.world.space.canonical(given)
        except InputError:
            return None
        error = float(self.world.errors([candidate])[0])
        costs = self.world.costs([candidate])[0, way]
        return Step(candidate, way if self.world.ways else None), [error, *costs.tolist()]


def random_search(world: World, seed: int) -> Iterator[Step]:
    """Uniform, without repeats; every training is judged on all chips."""
    rng = np.random.default_rng(seed)
    if world.every:
        yield from (Step(world.every[int(i)]) for i in rng.permutation(len(world.every)))
    while True:
        yield Step(world.space.sample(rng))


def local_search(world: World, seed: int) -> Iterator[Step]:
    """De-duplicated Pareto local search: 40 random, then an unseen neighbour of a random front point.

    Where the neighbours of all front points are seen it draws at random. With several chips each training is
    judged on all of them, as costs are free. Source: Paquete, Chiarandini, Stuetzle: Pareto local optimum
    sets in the biobjective traveling salesman problem, 2004; `pls` of `search_baselines.csv`.
    """
    yield from _local(world, seed, lambda c: list(world.space.neighbours(c)), sweep=True)


def local_without_sweep(world: World, seed: int) -> Iterator[Step]:
    """The same in the product of networks and chips, each training judged on the one chip proposed."""
    yield from _local(world, seed, lambda c: list(world.space.neighbours(c)), sweep=False)


START: Final = 40
"""Random trainings before neighbours are tried; 20 took 7 % fewer to 99 %, within the noise of 20 seeds."""


def _local(
    world: World, seed: int, near: Callable[[Candidate], list[Candidate]], *, sweep: bool
) -> Iterator[Step]:
    rng = np.random.default_rng(seed)
    n_ways = max(1, len(world.ways))
    seen: set[Step] = set()
    points, owners = np.empty((0, world.front.shape[1])), np.empty(0, int)
    told: list[Step] = []
    options: dict[Step, list[Step]] = {}

    def unseen(of: Step) -> list[Step]:
        if of not in options:
            candidate, way = of.candidate, of.way
            edits = [Step(c, way) for c in near(candidate)]
            elsewhere = () if way is None else (w for w in range(n_ways) if w != way)
            options[of] = [*edits, *(Step(candidate, w) for w in elsewhere)]
        options[of] = [s for s in options[of] if s not in seen]
        return options[of]

    def drawn() -> Step:
        while True:
            step = Step(world.space.sample(rng), None if sweep else int(rng.integers(n_ways)))
            if step not in seen:
                return step

    most = world.space.size * (1 if sweep else n_ways)
    while len(seen) < most:
        step = None
        front = list(dict.fromkeys(owners.tolist())) if len(told) >= START else []
        for at in rng.permutation(len(front)):
            edits = unseen(told[front[int(at)]])
            if edits:
                step = edits[int(rng.integers(len(edits)))]
                break
        step = step or drawn()
        yield step
        seen.add(step)
        told.append(step)
        new = world.points([step.candidate])[0]
        new = new if step.way is None else new[step.way : step.way + 1]
        new = new[np.isfinite(new).all(1)]
        points = np.concatenate([points, new])
        owners = np.concatenate([owners, np.full(len(new), len(told) - 1)])
        stays = non_dominated(points) if len(points) else np.empty(0, bool)
        points, owners = points[stays], owners[stays]


def _optuna(make: Callable[[int], optuna.samplers.BaseSampler]) -> Search:
    def run(world: World, seed: int) -> Iterator[Step]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        box = BlackBox(world)
        domains = {n: optuna.distributions.CategoricalDistribution(v) for n, v in box.knobs.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(directions=["minimize"] * box.n_objectives, sampler=make(seed))
        while True:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trial = study.ask(dict(domains))
            step = box.step(trial.params)
            if step is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            yield step[0]
            study.tell(trial, step[1])

    return run


def _nsga2(seed: int) -> optuna.samplers.BaseSampler:
    """Population 50 and uniform crossover are Optuna's defaults."""
    import optuna

    return optuna.samplers.NSGAIISampler(population_size=50, seed=seed)


def _nsga3(seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.NSGAIIISampler(population_size=50, seed=seed)


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    """Multivariate, with the constant liar, as its documentation recommends for related knobs and batches."""
    import optuna

    return optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)


def _gp(seed: int) -> optuna.samplers.BaseSampler:
    """LogEHVI on Gaussian processes; told that trainings do not scatter."""
    import optuna

    return optuna.samplers.GPSampler(deterministic_objective=True, seed=seed)


def pymoo_nsga2(world: World, seed: int) -> Iterator[Step]:
    """NSGA-II of pymoo on positions of values, duplicates eliminated.

    Population 50 and uniform crossover were the best of those tried: a population of 100, SBX, and the mating
    for mixed variables took more trainings. Source: https://pymoo.org/customization/discrete.html.
    """
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.ux import UniformCrossover
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    box = BlackBox(world)
    highest = np.array([len(v) - 1 for v in box.knobs.values()])
    problem = Problem(n_var=len(highest), n_obj=box.n_objectives, xl=0, xu=highest, vtype=int)
    algorithm = NSGA2(
        pop_size=50,
        sampling=IntegerRandomSampling(),
        crossover=UniformCrossover(),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    algorithm.setup(problem, termination=("n_gen", 10_000), seed=seed, verbose=False)
    for _ in range(10_000):
        infills = algorithm.ask()
        for one in infills:
            step = box.step({n: v[int(i)] for (n, v), i in zip(box.knobs.items(), one.X, strict=True)})
            if step is not None:
                yield step[0]
            one.F = np.full(box.n_objectives, 1e9) if step is None else np.array(step[1])
            one.evaluated.update({"F", "G", "H"})
            one.G, one.H = np.empty(0), np.empty(0)
        algorithm.tell(infills=infills)


@dataclass(frozen=True)
class Chosen:
    """Which of all candidates qLogNEHVI scores for each batch: it takes seconds for all 15,625."""

    random: int = 300
    samples: int = 64
    q: int = 4
    start: int = 14


def qlognehvi(world: World, seed: int, chosen: Chosen = Chosen()) -> Iterator[Step]:
    """BoTorch's noisy expected hypervolume improvement on one Gaussian process an objective.

    It is told the true reference point, which favours it; scored are unseen neighbours of its front and
    random ones. Source: Daulton, Balandat, Bakshy, NeurIPS 2021; Ament et al., NeurIPS 2023;
    https://botorch.org/docs/tutorials/multi_objective_bo. Networks over the error floor are no point
    of its front.
    """
    import torch
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import ModelListGP, SingleTaskGP
    from botorch.optim import optimize_acqf_discrete
    from botorch.sampling.normal import SobolQMCNormalSampler
    from gpytorch.mlls import SumMarginalLogLikelihood

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    every = world.every
    at = {c: i for i, c in enumerate(every)}
    knobs = {n: list(k) for n, k in world.space.knobs.items()}
    codes = np.array([[float(c[n] == v) for n, vs in knobs.items() for v in vs] for c in every])
    x_all = torch.tensor(codes, dtype=torch.double)
    low, high = world.front.min(0), world.front.max(0)
    reference = low + 1.1 * (high - low)
    told = [int(i) for i in rng.choice(len(every), chosen.start, replace=False)]
    yield from (Step(every[i]) for i in told)
    for _ in count():
        rows = [every[i] for i in told]
        y = np.column_stack([world.errors(rows), world.costs(rows)[:, 0]])
        mean, spread = y.mean(0), y.std(0) + 1e-12
        scaled = torch.tensor(-(y - mean) / spread, dtype=torch.double)
        x = x_all[told]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ModelListGP(*[SingleTaskGP(x, scaled[:, k : k + 1]) for k in range(y.shape[1])])
            fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
            gain = qLogNoisyExpectedHypervolumeImprovement(
                model,
                ref_point=(-(reference - mean) / spread).tolist(),
                X_baseline=x,
                prune_baseline=True,
                sampler=SobolQMCNormalSampler(torch.Size([chosen.samples]), seed=seed),
            )
            best = [told[i] for i in np.flatnonzero(non_dominated(y))]
            near = {at[c] for i in best for c in world.space.neighbours(every[i])}
            some = near | {int(i) for i in rng.integers(len(every), size=chosen.random)}
            options = np.array(sorted(some - set(told)))
            found, _ = optimize_acqf_discrete(gain, chosen.q, x_all[options], max_batch_size=512, unique=True)
        where = {tuple(x_all[i].tolist()): int(i) for i in options}
        new = [where[tuple(f.tolist())] for f in found]
        yield from (Step(every[i]) for i in new)
        told += new


@dataclass(frozen=True)
class Rival:
    """A search, and how long it is let run.

    Attributes:
        search: yields trainings.
        about: name and options, for the page.
        trainings, trials: where it is stopped.
        seeds: of one world at most.
    """

    search: Search
    about: str
    trainings: int = 1500
    trials: int = 3000
    seeds: int = 20


RIVALS: Final[Mapping[str, Rival]] = {
    "local": Rival(
        local_search, "Pareto local search from 40 random, unseen neighbours, chips swept", 4000, 4000
    ),
    "local_no_sweep": Rival(local_without_sweep, "the same on networks x chips, no sweep", 4000, 6000),
    "random": Rival(random_search, "random without repeats", 1500, 1500),
    "nsga2": Rival(_optuna(_nsga2), "Optuna NSGA-II, population 50"),
    "nsga3": Rival(_optuna(_nsga3), "Optuna NSGA-III, population 50"),
    "tpe": Rival(_optuna(_tpe), "Optuna TPE, multivariate, constant liar", 700, 1000, 10),
    "pymoo": Rival(pymoo_nsga2, "pymoo NSGA-II, population 50, uniform crossover, no duplicates"),
    "gp": Rival(_optuna(_gp), "Optuna GP (LogEHVI)", 150, 200, 5),
    "qlognehvi": Rival(qlognehvi, "BoTorch qLogNEHVI, batch 4, 14 random", 110, 110, 3),
}
