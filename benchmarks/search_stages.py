"""Does a short training before the full one pay? Studies with and without stages, by what they paid.

    python benchmarks/search_stages.py [--data DIR] [--seeds 20] [--worlds cifar100/raspi4 ...] [--cap 300]

Truth is NAS-Bench-201: accuracy after 12 epochs, which are 0.06 of a full training, and after 200, which are
another run with a schedule of its own, so both are paid in full. A figure is what was paid, in full
trainings, until a share of the true hypervolume was held by networks that went through all stages; normalised
as in `search.py`. Writes `benchmarks/results/search_stages.json`; rows of `studies()` can be had from Python.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from search import REFERENCE
from search_worlds import DEVELOPMENT, TRAINED, Score, Step, World, column, nas_bench_201_worlds

from codesign.evaluate import Evaluation
from codesign.objectives import Objective
from codesign.quality.base import Rating
from codesign.search.stages.stage import Ladder, Resource, Stage
from codesign.search.study import Study
from hw_models.cost.base import Estimate

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate

RESULT: Final = Path(__file__).parent / "results" / "search_stages.json"
SHARES: Final = (0.95, 0.98, 0.99)
SHORT: Final = "_test_12ep"
CHARGE: Final = 12 / 200
REDUCTIONS: Final[Mapping[str, float | None]] = {"no stages": None, "1 of 2 goes on": 2.0, "1 of 4": 4.0}
"""Name of a variant -> of how many candidates at 12 epochs one goes on; None: all are trained at once."""


@dataclass(frozen=True)
class Column:
    """Quality and evaluator from a world's table.

    Attributes:
        world: the table.
        errors: (n,) error [%] by row.
    """

    world: World
    errors: np.ndarray
    paid: tuple[str, ...] = ("error_pct",)

    def rate(self, network: Candidate, precision: str) -> Rating:  # noqa: ARG002 - a table has one precision
        """The error of a row."""
        error = float(self.errors[self.world.space.rows([network])[0]])  # type: ignore[attr-defined]
        return Rating(Estimate(error, error, error, "table", "%"))

    def __call__(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """With the error."""
        return (replace(e, error=self.rate(e.candidate, "").error) for e in self.free(candidates))

    def free(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """The cost alone."""
        costs = self.world.costs(candidates)[:, 0, 0]
        return (Evaluation(c, facts={"cost": float(v)}) for c, v in zip(candidates, costs, strict=True))


def study_of(world: World, short: np.ndarray, sampler: str, reduction: float | None, seed: int) -> Study:
    """A study of a world; with a reduction a staged one.

    Args:
        world: with one cost.
        short: (n,) error [%] after the short training, by row.
        sampler: by name.
        reduction: of so many candidates one goes on; None: no short training.
        seed: of the study.
    """
    full = Column(world, world.errors(world.every))
    stages = [Stage("200 epochs", full, 1.0, resource=Resource(200))]
    if reduction is not None:
        stages.insert(0, Stage("12 epochs", Column(world, short), CHARGE, resource=Resource(12)))
    cost = Objective("cost", "min", lambda e: e.facts.get("cost"), "ms")
    bound = {} if world.floor is None else {"error_pct": f"<= {world.floor!r}"}
    return Study(
        world.space,
        ["error_pct", cost],
        bound,
        seed=seed,
        sampler=sampler,
        evaluator=full,
        stages=Ladder(tuple(stages), reduction or 1.0),
    )


def reached(world: World, study: Study, cap: float) -> dict[str, Any]:
    """Share of the true hypervolume -> full trainings paid until it was held; None: not within the cap."""
    score, found, done, paid = Score(world), dict.fromkeys(map(str, SHARES)), 0, 0.0
    last = study.config.stages.of[-1].name if study.config.stages else ""
    while paid < cap and score.share < SHARES[-1] and not study.exhausted:
        study.run(done + 40)
        for trial in study.trials[done:]:
            paid += trial.paid or 0.0
            if trial.stage == last:
                share = score.add(Step(trial.candidate))
                for s in SHARES:
                    if share >= s and found[str(s)] is None and paid <= cap:
                        found[str(s)] = round(paid, 2)
        done = len(study.trials)
    return {**found, "trials": done, "full": sum(t.stage == last for t in study.trials)}


def studies(
    data: Path, names: Sequence[str], samplers: Sequence[str], seeds: int, cap: float
) -> Iterator[dict[str, Any]]:
    """A row for each world, sampler, variant and seed."""
    for name, make in nas_bench_201_worlds(data):
        if name not in names:
            continue
        world = make()
        short = 100 - column(world.space, f"{world.group}{SHORT}")  # type: ignore[arg-type]
        for sampler in samplers:
            for variant, reduction in REDUCTIONS.items():
                for seed in range(seeds):
                    study = study_of(world, short, sampler, reduction, seed)
                    row = {"world": name, "sampler": sampler, "variant": variant, "seed": seed}
                    yield {**row, **reached(world, study, cap)}


def quartiles(values: Sequence[float | None]) -> list[float | None]:
    """First quartile, median, third quartile; None beyond the cap."""
    finite = np.quantile([np.inf if v is None else v for v in values], (0.25, 0.5, 0.75), method="nearest")
    return [float(v) if np.isfinite(v) else None for v in finite]


def agreement(data: Path) -> dict[str, Any]:
    """Rank correlation of the short and the full training, of all networks and of good ones."""
    import pandas as pd
    from scipy.stats import spearmanr

    cells = pd.read_parquet(data / "nb201_accuracy.parquet")
    found: dict[str, Any] = {}
    for full in (str(c) for c in cells if str(c).endswith(TRAINED)):
        short = full.removesuffix(TRAINED) + SHORT
        good = cells[cells[full] >= cells[full].quantile(0.9)]
        both = [float(spearmanr(t[short], t[full]).statistic) for t in (cells, good)]
        found[full.removesuffix(TRAINED)] = {"all": round(both[0], 3), "best tenth": round(both[1], 3)}
    faces = pd.read_parquet(data / "archai_facelandmark.parquet").dropna(
        subset="Full_Training_Validation_Error"
    )
    told = spearmanr(faces["Partial_training_Validation_Error"], faces["Full_Training_Validation_Error"])
    found["archai_facelandmark"] = {"fully trained": len(faces), "all": round(float(told.statistic), 3)}
    return found


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=REFERENCE / "nas")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--cap", type=float, default=300.0)
    parser.add_argument("--worlds", nargs="+", default=list(DEVELOPMENT))
    parser.add_argument("--samplers", nargs="+", default=["cost_aware", "local"])
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    start, rows = time.time(), []
    for row in studies(given.data, given.worlds, given.samplers, given.seeds, given.cap):
        rows.append(row)
        if row["seed"] == given.seeds - 1:
            write(given.out, rows, given.data, given.cap)
            print(*(row[k] for k in KEY), summary([r for r in rows if alike(r, row)]), flush=True)
    print(f"{time.time() - start:.0f} s, {given.out}")


KEY: Final = ("world", "sampler", "variant")


def alike(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two rows differ by their seed alone."""
    return all(a[k] == b[k] for k in KEY)


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Quartiles of what was paid to each share, and how many seeds there are."""
    return {"seeds": len(rows), **{str(s): quartiles([r[str(s)] for r in rows]) for s in SHARES}}


def write(out: Path, rows: Sequence[Mapping[str, Any]], data: Path, cap: float) -> None:
    """Everything so far."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for r in rows:
        groups.setdefault(" | ".join(r[k] for k in KEY), []).append(r)
    told = {
        "what": "full trainings paid until a share of the true hypervolume was held: quartiles over seeds",
        "charge of 12 epochs": CHARGE,
        "cap": cap,
        "rank correlation of short and full training": agreement(data),
        "paid": {name: summary(group) for name, group in groups.items()},
    }
    out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
