"""How well are errors of new networks predicted from those of a hundred, and do the intervals hold?

    nice -n 10 python benchmarks/predictor.py [--draws 12] [--anew]

For every world and number of rows, networks are drawn at random, a predictor is made of their errors, and up
to 1,000 others are predicted: Kendall's rank correlation, share of errors inside the 90 % interval, and half
of its median width. Writes `benchmarks/results/predictor.json`. One thread; a few
minutes. Worlds that the result has are not run again without `--anew`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy.stats import kendalltau
from search import REFERENCE
from search_worlds import TRAINED

from codesign.quality.predictor.features import counts_of
from codesign.quality.predictor.predicted import PredictedQuality
from search_spaces.catalogue import load_space
from search_spaces.tabular import nas_bench_201, nas_bench_macro

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

RESULT: Final = Path(__file__).parent / "results" / "predictor.json"
ROWS: Final = (100, 200, 400)
HELD_OUT: Final = 1000
DATA_SETS: Final = ("cifar10", "cifar100", "in16_120")


class World(NamedTuple):
    """A space whose every error is known.

    Attributes:
        space: of the networks.
        every: all of them.
        errors: (n,) theirs [%].
        counts: features of networks.
    """

    space: SearchSpace
    every: Sequence[Candidate]
    errors: np.ndarray
    counts: Callable[[Sequence[Candidate]], np.ndarray] | None = None


def worlds(data: Path) -> Iterator[tuple[str, World]]:
    """By name."""
    cells = nas_bench_201.load(data)
    every = list(cells.candidates())
    for name in DATA_SETS:
        yield f"nas_bench_201 {name}", World(cells, every, 100 - cells.look_up(every, f"{name}{TRAINED}"))
    chains = nas_bench_macro.load(data)
    every = list(chains.candidates())
    yield "nas_bench_macro", World(chains, every, 100 - chains.look_up(every, "acc_mean"))
    zoo = load_space("timm_zoo")
    every = list(zoo.candidates())
    counted = counts_of(zoo)(every)  # type: ignore[misc]
    row = {c: i for i, c in enumerate(every)}
    top1 = np.array([zoo.published_top1(c) for c in every])  # type: ignore[attr-defined]
    yield "timm_zoo", World(zoo, every, 100 - top1, lambda cs: counted[[row[c] for c in cs]])


def drawn(world: World, n: int, seed: int) -> dict[str, float]:
    """Rank correlation, coverage and width over networks that were left out of one draw."""
    order = np.random.default_rng([seed, n]).permutation(len(world.every))
    rows = {world.every[i]: float(world.errors[i]) for i in order[:n]}
    new = order[n : n + HELD_OUT]
    spent = time.process_time()
    quality = PredictedQuality(world.space, rows, world.counts)
    value, low, high = quality.predict([world.every[i] for i in new])
    truth = world.errors[new]
    return {
        "tau": float(kendalltau(value, truth).statistic),
        "tau_said": quality.tau,
        "coverage": float(((low <= truth) & (truth <= high)).mean()),
        "half_width_points": float(np.median(high - low) / 2),
        "mean_absolute_error_points": float(np.abs(value - truth).mean()),
        "cpu_s": time.process_time() - spent,
    }


def summary(draws: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Means over draws; of the coverage the least and the most too."""
    told: dict[str, Any] = {k: round(float(np.mean([d[k] for d in draws])), 3) for k in draws[0]}
    held = [d["coverage"] for d in draws]
    return {**told, "coverage of draws, least and most": [round(min(held), 3), round(max(held), 3)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=REFERENCE / "nas")
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--anew", action="store_true", help="also the worlds that the result has")
    given = parser.parse_args()
    found: dict[str, Any] = {
        "what": "errors [%] of networks left out, predicted from those of n drawn at random; 90 % intervals",
        "draws": given.draws,
        "worlds": {},
    }
    before = json.loads(given.out.read_text("utf-8")) if given.out.exists() else {}
    if before.get("draws") == given.draws and not given.anew:
        found["worlds"] = before["worlds"]
    for name, world in worlds(given.data):
        if name in found["worlds"]:
            continue
        found["worlds"][name] = {
            str(n): summary([drawn(world, n, seed) for seed in range(given.draws)]) for n in ROWS
        }
        print(name, found["worlds"][name], flush=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
