"""What a study spends on a proposal, and how many of 1,000 trials are distinct networks.

    python benchmarks/search_overhead.py

Processor time, on one thread (`OMP_NUM_THREADS=1`), through the public `Study`, in memory, on NAS-Bench-201
(CIFAR-100, one device): n trials are told that were drawn at random, then a few rounds are asked for.
`sampler` is the time within the sampler, `study` all that the study spends on a trial but for its
evaluation. The first round, which reads n trials, is left out. Distinct networks are rows of the table.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from search import REFERENCE, commit
from search_own import SEARCHES
from search_worlds import DEVELOPMENT, World, catalogue

from codesign.evaluate import Evaluation, PointCost
from codesign.search.samplers import SAMPLERS, SamplerChoice
from codesign.search.study import Study
from hw_models.cost.base import Estimate

if TYPE_CHECKING:
    import optuna

    from codesign.search.samplers import Codec
    from search_spaces.candidate import Candidate

RESULT: Final = Path(__file__).parent / "results" / "search_overhead.json"
TOLD: Final = (100, 1_000, 10_000)
ROUNDS: Final = 12


@dataclass
class TableEvaluator:
    """A world as a study asks for it: the cost is free, the error is paid."""

    world: World
    paid: tuple[str, ...] = ("error_pct",)
    seconds: float = field(default=0.0, repr=False)

    def __call__(self, candidates: Sequence[Candidate]) -> Iterable[Evaluation]:
        """With the error."""
        return self._made(candidates, self.world.errors(candidates))

    def free(self, candidates: Sequence[Candidate]) -> Iterable[Evaluation]:
        """Without."""
        return self._made(candidates, None)

    def _made(self, candidates: Sequence[Candidate], errors: np.ndarray | None) -> list[Evaluation]:
        start = time.process_time()
        latency = self.world.costs(candidates)[:, 0, 0] / 1e3
        found = [
            Evaluation(
                c,
                network="cell",
                cost=PointCost(latency=_known(float(t), "s")),
                **({} if errors is None else {"error": _known(float(errors[i]), "%")}),
            )
            for i, (c, t) in enumerate(zip(candidates, latency, strict=True))
        ]
        self.seconds += time.process_time() - start
        return found


def _known(value: float, unit: str) -> Estimate:
    return Estimate(value, value, value, "measured", unit)


def timed(sampler: optuna.samplers.BaseSampler, clock: list[float]) -> optuna.samplers.BaseSampler:
    """The same sampler, which notes how long each proposal takes."""
    propose = sampler.sample_relative

    def sample_relative(*args: Any, **named: Any) -> dict[str, Any]:
        start = time.process_time()
        found = propose(*args, **named)
        clock[-1] += time.process_time() - start
        return found

    sampler.sample_relative = sample_relative  # type: ignore[method-assign]
    return sampler


def ms_per_trial(world: World, name: str, n: int) -> tuple[float, float]:
    """Milliseconds of a trial after n were told: within the sampler, and of the study but its evaluation."""
    real, drawn = SAMPLERS[name], SAMPLERS["random"]
    clock: list[float] = [0.0]
    now = [drawn]

    def make(codec: Codec, seed: int) -> optuna.samplers.BaseSampler:
        clock.append(0.0)
        return timed(now[0].make(codec, seed), clock)

    evaluator = TableEvaluator(world)
    choice = SamplerChoice(f"timed_{name}", real.round_size, make, "", needs_costs=real.needs_costs)
    study = Study(world.space, ("error_pct", "latency_ms"), sampler=choice, evaluator=evaluator)
    study.run(n)
    now[0] = real
    study.run(n + real.round_size)
    clock[:] = []
    whole = []
    for k in range(2, ROUNDS + 2):
        evaluator.seconds, start = 0.0, time.process_time()
        study.run(n + k * real.round_size)
        whole.append(time.process_time() - start - evaluator.seconds)
    size = real.round_size
    return 1e3 * float(np.median(clock)) / size, 1e3 * float(np.median(whole)) / size


def distinct(world: World, search: str, seed: int, trials: int = 1000) -> int:
    """Distinct candidates in the first thousand trials."""
    steps = SEARCHES[search].search(world, seed)
    return len({next(steps).candidate for _ in range(trials)})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=REFERENCE / "nas")
    parser.add_argument("--samplers", nargs="*", default=["cost_aware", "local"], choices=list(SAMPLERS))
    parser.add_argument("--distinct", nargs="*", default=[], help="searches whose 1,000 trials are counted")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    world = catalogue(args.data)[DEVELOPMENT[0]]()
    result: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    for name in args.samplers:
        for n in TOLD:
            sampler, study = ms_per_trial(world, name, n)
            result.setdefault("ms_per_trial", {}).setdefault(name, {})[str(n)] = round(sampler, 3)
            result.setdefault("study_ms_per_trial", {}).setdefault(name, {})[str(n)] = round(study, 3)
            print(f"{name:12} {n:6} told: sampler {sampler:.2f} ms, study {study:.2f} ms", flush=True)
        result.setdefault("measured_on", {})[name] = {
            "code": commit(),
            "load": round(os.getloadavg()[0], 2),
        }
    for search in args.distinct:
        found = [distinct(world, search, seed) for seed in range(args.seeds)]
        result.setdefault("distinct_of_1000", {})[search] = found
        print(f"{search:12} distinct in 1,000 trials: {found}", flush=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
