"""How many trainings the cost-aware search needs on spaces that others trained whole, beside a local search.

    python benchmarks/search.py [--data DIR] [--seeds 20] [--worlds cifar100/raspi4 ...] [--cap 600]

A training is a distinct candidate that was told. Hypervolume: error and cost scaled by ideal and nadir of the
true front, reference 1.1, candidates above the error floor left out, as in `search_baselines.csv`, whose
medians stand beside ours. Settings were tuned on raspi4, eyeriss, titan_rtx_256 and pixel3 with CIFAR-100
alone. Writes `benchmarks/results/search.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from codesign.front import non_dominated
from codesign.search.cost_aware.archive import Settings, Told
from codesign.search.cost_aware.known import KnownPoints
from codesign.search.cost_aware.search import CostAwareSearch
from hw_models.errors import InputError
from search_spaces.tabular import nas_bench_201, nas_bench_macro

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate
    from search_spaces.tabular.table import TableSpace

RESULT: Final = Path(__file__).parent / "results" / "search.json"
REFERENCE: Final = Path(
    os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[2] / "shared" / "reference")
)
SHARES: Final = (0.95, 0.98, 0.99)
DATA_SETS: Final = {
    "cifar100": ("cifar100_test_200ep", 50.0),
    "cifar10": ("cifar10_test_200ep", 20.0),
    "in16_120": ("in16_120_test_200ep", 80.0),
}
"""Data set -> column of its accuracy, largest error [%] that counts."""
MARGIN: Final = 1.1
BATCH: Final = 4


@dataclass(frozen=True)
class World:
    """A table with one error and one cost; everything by row.

    Attributes:
        error, cost: (n,) of all candidates.
        floor: largest error that counts.
    """

    name: str
    space: TableSpace
    error: np.ndarray
    cost: np.ndarray
    floor: float | None

    def share(self, rows: Sequence[int]) -> np.ndarray:
        """(n,) share of the true hypervolume after each of n trainings."""
        good = np.ones(len(self.error), bool) if self.floor is None else self.error <= self.floor
        values = np.column_stack([self.error, self.cost])
        front = values[good][non_dominated(values[good])]
        low, length = front.min(0), front.max(0) - front.min(0)
        scaled = np.where(good[:, None], (values - low) / length, np.inf)
        full = area(scaled)
        return np.array([area(scaled[list(rows[: k + 1])]) for k in range(len(rows))]) / full


def area(points: np.ndarray) -> float:
    """Hypervolume of (n, 2) scaled points to the reference 1.1."""
    inside = points[(points < MARGIN).all(1)]
    if not len(inside):
        return 0.0
    inside = inside[np.lexsort((inside[:, 0], inside[:, 1]))]
    best = np.minimum.accumulate(inside[:, 0])
    return float((np.diff(inside[:, 1], append=MARGIN) * (MARGIN - best)).sum())


def cost_aware(world: World, seed: int, cap: int) -> Iterator[int]:
    """Rows in the order in which the cost-aware search trains them, in batches of four."""
    known = KnownPoints(world.space, lambda cs: world.cost[world.space.rows(cs)][:, None, None])
    search = CostAwareSearch(known, Settings(floor=world.floor))
    candidates: list[Candidate] = []
    errors: list[float] = []
    forecasts: list[Any] = []
    while len(candidates) < cap:
        n = BATCH if candidates else search.settings.n_start
        round_seed = int(np.random.SeedSequence([seed, len(candidates)]).generate_state(1)[0])
        picks = search.ask(Told(candidates, np.array(errors), forecasts), n, round_seed)
        if not picks:
            return
        rows = world.space.rows([p.candidate for p in picks]).tolist()
        candidates += [p.candidate for p in picks]
        forecasts += [p.forecast for p in picks]
        errors += world.error[rows].tolist()
        yield from rows


def local(world: World, seed: int, cap: int) -> Iterator[int]:
    """Rows of a Pareto local search: 40 random, then unseen neighbours of the front, one in ten random."""
    rng = np.random.default_rng(seed)
    every = list(world.space.candidates())
    seen: dict[int, None] = {}
    near: dict[int, np.ndarray] = {}
    while len(seen) < min(cap, len(every)):
        told = np.array(list(seen), int)
        good = told if world.floor is None else told[world.error[told] <= world.floor]
        options = np.empty(0, int)
        if len(seen) >= 40 and len(good) and rng.random() >= 0.1:
            front = good[non_dominated(np.column_stack([world.error[good], world.cost[good]]))]
            at = int(rng.choice(front))
            if at not in near:
                near[at] = world.space.rows(world.space.neighbours(every[at]))
            options = np.array([r for r in near[at].tolist() if r not in seen], int)
        row = int(rng.choice(options)) if len(options) else int(rng.integers(len(every)))
        if row not in seen:
            seen[row] = None
            yield row


SEARCHES: Final[dict[str, Callable[[World, int, int], Iterator[int]]]] = {
    "cost_aware": cost_aware,
    "local": local,
}


def worlds(data: Path) -> Iterator[World]:
    """NAS-Bench-201: each data set on each device of its latency table; then NAS-Bench-Macro by its MACs."""
    import pandas as pd

    if not data.is_dir():
        msg = f"{data} given, expected the directory of the tables; set CODESIGN_REFERENCE or --data"
        raise InputError(msg)
    cells = nas_bench_201.load(data)
    devices = [c for c in pd.read_parquet(data / "nb201_latency.parquet").columns if c != "arch"]
    every = list(cells.candidates())
    for name, (column, floor) in DATA_SETS.items():
        error = 100 - cells.look_up(every, column)
        for device in devices:
            yield World(f"{name}/{device}", cells, error, cells.look_up(every, device), floor)
    chains = nas_bench_macro.load(data)
    every = list(chains.candidates())
    error = 100 - chains.look_up(every, "acc_mean")
    yield World("macro/macs", chains, error, chains.look_up(every, "flops") / 1e6, None)
    shuffled = np.random.default_rng(0).permutation(
        100 - cells.look_up(list(cells.candidates()), "cifar100_test_200ep")
    )
    for device in ("raspi4", "eyeriss"):
        yield World(
            f"shuffled/{device}", cells, shuffled, cells.look_up(list(cells.candidates()), device), 50.0
        )


def reached(world: World, search: str, seed: int, cap: int) -> dict[str, float | None]:
    """Share of the hypervolume -> trainings until it was reached; None: not within the cap."""
    rows: list[int] = []
    shares = np.empty(0)
    for row in SEARCHES[search](world, seed, cap):
        rows.append(row)
        if len(rows) % 20 == 0:
            shares = world.share(rows)
            if shares[-1] >= SHARES[-1]:
                break
    shares = world.share(rows)
    found = {f"{s:g}": np.flatnonzero(shares >= s) for s in SHARES}
    return {s: int(at[0]) + 1 if len(at) else None for s, at in found.items()}


def quartiles(values: Sequence[float | None]) -> list[float | None]:
    """First quartile, median, third quartile; None beyond the cap."""
    finite = np.quantile([np.inf if v is None else v for v in values], (0.25, 0.5, 0.75), method="nearest")
    return [float(v) if np.isfinite(v) else None for v in finite]


def baselines(data: Path) -> dict[str, dict[str, list[float | None]]]:
    """World -> algorithm -> median distinct trainings to each share, of `search_baselines.csv`."""
    import pandas as pd

    table = pd.read_csv(data / "search_baselines.csv")
    found: dict[str, dict[str, list[float | None]]] = {}
    for (problem, device, algorithm), rows in table.groupby(["problem", "device", "algorithm"]):
        world = f"{str(problem).removeprefix('nb201_')}/{device}"
        runs = [[None if pd.isna(v) else float(v) for v in rows[f"distinct_to_{s:g}"]] for s in SHARES]
        found.setdefault(world, {})[str(algorithm)] = [quartiles(r)[1] for r in runs]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=REFERENCE / "nas")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--worlds", nargs="*", help="names or beginnings of names; all without")
    parser.add_argument("--searches", nargs="*", default=list(SEARCHES), choices=list(SEARCHES))
    parser.add_argument("--cap", type=int, default=1500, help="trainings of one run at most")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    elsewhere = baselines(args.data)
    result: dict[str, Any] = {"seeds": args.seeds, "cap": args.cap, "shares": SHARES, "worlds": {}}
    for world in worlds(args.data):
        if args.worlds and not any(world.name.startswith(w) for w in args.worlds):
            continue
        row: dict[str, Any] = {"elsewhere_median": elsewhere.get(world.name, {})}
        for name in args.searches:
            start = time.perf_counter()
            runs = [reached(world, name, seed, args.cap) for seed in range(args.seeds)]
            row[name] = {f"{s:g}": quartiles([r[f"{s:g}"] for r in runs]) for s in SHARES}
            print(f"{world.name:24} {name:10} {row[name]} {time.perf_counter() - start:.0f} s", flush=True)
        result["worlds"][world.name] = row
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
