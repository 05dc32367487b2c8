"""Network and chip chosen together, against networks on a fixed chip and chips for a fixed network.

    python benchmarks/joint_fronts.py [--seeds 10]   # benchmarks/results/joint_fronts.json, 4 min on one core

Networks: every third of timm's ImageNet networks with a published top-1, at fp16 and int8 (whose drop is a
class figure). Chips: 288 systolic arrays of one family, whose area follows from their knobs. Four objectives,
all less: top-1 error; logarithms of latency, energy and area. Costs are those of the roofline model for every
pair, so the true joint front is known and a front's worth is its share of the true hypervolume (objectives
scaled by ideal and nadir of the true front, reference 1.1).

A budget is a number of trainings: a network at a precision whose error is asked for. Costs are free to all:

- *joint*: the cost-aware search over networks, every training judged on all chips.
- *fixed chip*: the same search with one chip. The chip is the knee of the family for ResNet-50 at int8, the
  network that vendors quote; beside it the chips at 10 and 90 % of the area of that network's front.
- *fixed network*: ResNet-50 on all chips, every one tried.
- *one after the other*: the fixed chip's search, then all chips for the knee of what it found; both fronts.

Of the fixed choices the best that hindsight allows stands beside them: all networks on the best chip of all,
all chips under the best network of all. Shares: of the true hypervolume. Beaten: the part of a fixed choice's
points that the joint front of the same seed and budget beats, and the reverse. Gain: at no worse error and no
worse other costs, how many times less latency, energy or area the joint front needs (median over the points
of the fixed choice that it can match).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from search_own import Own
from search_worlds import World, hypervolume

import codesign as cd
from codesign.front import non_dominated
from codesign.front.knees import knee_of
from codesign.quality.published import Published
from search_spaces.knobs import Choice
from search_spaces.tabular.table import TableSpace

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

RESULT: Final = Path(__file__).resolve().parent / "results" / "joint_fronts.json"
EVERY: Final = 3
PRECISIONS: Final = ("fp16", "int8")
COSTS: Final = ("latency", "energy", "area")
BUDGETS: Final = (20, 40, 80, 160)
SIDES: Final = (16, 32, 64, 128)
CHIPS: Final = {
    "rows": SIDES,
    "cols": SIDES,
    "cores": (1, 4),
    "sram_kib": (512, 2048, 8192),
    "dram": ("lpddr4_32", "lpddr5_64", "lpddr5_128"),
}
REST: Final = {
    "dataflow": "weight_stationary",
    "accumulator_kib": 64,
    "clock_mhz": 800,
    "formats": "int8_fp16",
}
QUOTED: Final = ("resnet50", 224, "int8")
SMALL_AND_LARGE: Final = (0.1, 0.9)


@dataclass(frozen=True, eq=False)
class Grid:
    """Everything there is to know.

    Attributes:
        space: networks at a precision; chips: labels.
        error: (n,) per cent; costs: (n, c, 3) logarithms of s, J, m2.
    """

    space: TableSpace
    chips: tuple[str, ...]
    error: np.ndarray
    costs: np.ndarray

    def points(self, rows: Sequence[int], chips: Sequence[int] | None = None) -> np.ndarray:
        """(k, 4) all points of some networks on some chips; all chips without."""
        costs = self.costs[list(rows)] if chips is None else self.costs[np.ix_(list(rows), list(chips))]
        error = np.broadcast_to(self.error[list(rows), None, None], (*costs.shape[:2], 1))
        return np.concatenate([error, costs], axis=2).reshape(-1, 1 + costs.shape[2])

    def world(self, chips: Sequence[int]) -> World:
        """What a search sees that may use these chips; ways that another way beats are left out."""
        ways = [self.costs[i, list(chips)] for i in range(len(self.error))]
        ways = [w[non_dominated(w)] for w in ways]
        costs = np.full((len(ways), max(map(len, ways)), ways[0].shape[1]), np.nan)
        for i, w in enumerate(ways):
            costs[i, : len(w)] = w
        space = self.space
        return World("joint", space, lambda cs: self.error[space.rows(cs)], lambda cs: costs[space.rows(cs)])

    def row(self, arch: str, img_size: int, precision: str) -> int:
        """Row of a network at a precision."""
        every = [dict(c) for c in self.space.candidates()]
        return every.index({"arch": arch, "img_size": img_size, "precision": precision})


class Scale:
    """The share of the true joint front's hypervolume that some points hold."""

    def __init__(self, grid: Grid) -> None:
        n = len(grid.error)
        fronts = [front(grid.points(range(i, min(i + 50, n)))) for i in range(0, n, 50)]
        self.true = front(np.concatenate(fronts))
        self._low, self._range = self.true.min(0), np.ptp(self.true, axis=0)
        self._full = hypervolume(self.scaled(self.true))

    def scaled(self, points: np.ndarray) -> np.ndarray:
        """0 at the ideal, 1 at the nadir."""
        return (points - self._low) / self._range

    def share(self, points: np.ndarray) -> float:
        """Share of the hypervolume."""
        return hypervolume(self.scaled(points)) / self._full


def front(points: np.ndarray) -> np.ndarray:
    """The distinct points that nothing beats."""
    distinct = np.unique(points[np.isfinite(points).all(1)], axis=0)
    return distinct[non_dominated(distinct)]


def read_grid() -> Grid:
    """Cost every network on every chip at every precision."""
    zoo, family = cd.load_space("timm_zoo"), cd.load_space("systolic")
    networks = list(islice(zoo.candidates(), 0, None, EVERY))
    quoted = next(c for c in zoo.candidates() if (c["arch"], c["img_size"]) == QUOTED[:2])
    networks += [quoted] if quoted not in networks else []
    first = next(iter(family.candidates()))
    knobs = [dict(zip(CHIPS, values, strict=True)) for values in product(*CHIPS.values())]
    chips: list[Accelerator] = [family.build(family.canonical(first.replace(**REST, **k))) for k in knobs]
    workloads = [zoo.workload(c) for c in networks]
    rows, errors, costs, counts = [], [], [], []
    for precision in PRECISIONS:
        grid = cd.estimate_many(workloads, chips, precision=precision, model="roofline")
        parts = [grid.quantities[q].value for q in COSTS]
        costs.append(np.log(np.stack(parts, axis=2)))
        for network, workload in zip(networks, workloads, strict=True):
            rows.append({**network, "precision": precision})
            errors.append(Published(zoo).rate(network, precision).error.value)
            counts.append([np.log(workload.macs), np.log(workload.params)])
    domains = {
        "arch": Choice(tuple(dict.fromkeys(str(c["arch"]) for c in networks)), ordered=True),
        "img_size": Choice(tuple(sorted({int(c["img_size"]) for c in networks})), ordered=True),
        "precision": Choice(PRECISIONS),
    }
    space = TableSpace("every third network of timm", domains, pd.DataFrame(rows), np.array(counts))
    return Grid(space, tuple(c.label for c in chips), np.array(errors), np.concatenate(costs))


def fixed_chips(grid: Grid) -> dict[str, int]:
    """Chips that one would fix: for the quoted network the knee of the family, a small and a large one."""
    costs = grid.costs[grid.row(*QUOTED)]
    good = np.flatnonzero(non_dominated(costs))
    by_area = good[np.argsort(costs[good, 2], kind="stable")]
    small, large = (int(by_area[round(q * (len(by_area) - 1))]) for q in SMALL_AND_LARGE)
    return {"knee": int(good[knee_of(costs[good], "ideal")]), "small": small, "large": large}


def trained(world: World, space: TableSpace, seed: int) -> list[int]:
    """Rows in the order in which the cost-aware search trains them."""
    steps = islice(Own(world, seed).steps(), max(BUDGETS))
    return [int(i) for i in space.rows([s.candidate for s in steps])]


def beaten(points: np.ndarray, by: np.ndarray) -> float:
    """Share of the points that some other point is nowhere worse than and somewhere better."""
    no_worse = (by[None] <= points[:, None]).all(2)
    return float((no_worse & (by[None] < points[:, None]).any(2)).any(1).mean())


def gains(points: np.ndarray, by: np.ndarray) -> dict[str, float]:
    """How many times less of each cost `by` needs at no worse everything else; median of what it matches."""
    found = {}
    for k, name in enumerate(COSTS, 1):
        rest = [j for j in range(points.shape[1]) if j != k]
        no_worse = (by[None][:, :, rest] <= points[:, None][:, :, rest]).all(2)
        least = np.where(no_worse, by[None, :, k], np.inf).min(1)
        matched = np.isfinite(least)
        gain = np.median((points[:, k] - least)[matched]) if matched.any() else 0.0
        found[f"gain_{name}"] = float(np.exp(gain))
    return found


def one_seed(grid: Grid, scale: Scale, chips: dict[str, int], seed: int) -> list[dict[str, Any]]:
    """One row for each budget and way to choose: its share, and who beats whom."""
    joint = trained(grid.world(range(len(grid.chips))), grid.space, seed)
    alone = {name: trained(grid.world([chip]), grid.space, seed) for name, chip in chips.items()}
    found = []
    for budget in BUDGETS:
        fronts = {"joint": front(grid.points(joint[:budget]))}
        for name, chip in chips.items():
            fronts[f"fixed chip, {name}"] = front(grid.points(alone[name][:budget], [chip]))
        fronts["fixed network"] = front(grid.points([grid.row(*QUOTED[:2], p) for p in PRECISIONS]))
        knee = knee_of(grid.points(alone["knee"][:budget], [chips["knee"]]), "ideal")
        after = grid.points([alone["knee"][knee]])
        fronts["one after the other"] = front(np.concatenate([fronts["fixed chip, knee"], after]))
        for name, points in fronts.items():
            found.append(
                {
                    "seed": seed,
                    "budget": budget,
                    "way": name,
                    "points": len(points),
                    "share": scale.share(points),
                    "beaten_by_joint": beaten(points, fronts["joint"]),
                    "beats_of_joint": beaten(fronts["joint"], points),
                    **gains(points, fronts["joint"]),
                }
            )
    return found


def in_hindsight(grid: Grid, scale: Scale, chips: dict[str, int]) -> dict[str, float]:
    """What fixed choices can reach with every network, or every chip, tried."""
    n, c = len(grid.error), len(grid.chips)
    shares = [scale.share(front(grid.points(range(n), [i]))) for i in range(c)]
    networks = [scale.share(front(grid.points([i]))) for i in range(n)]
    return {
        **{f"all networks on the fixed chip, {name}": shares[i] for name, i in chips.items()},
        "all networks on the best chip of all": max(shares),
        "all chips under ResNet-50": scale.share(
            front(grid.points([grid.row(*QUOTED[:2], p) for p in PRECISIONS]))
        ),
        "all chips under the best network of all": max(networks),
    }


def quartiles(values: pd.Series) -> list[float]:
    """First quartile, median, third."""
    return [round(float(v), 4) for v in values.quantile([0.25, 0.5, 0.75])]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    start = time.perf_counter()
    grid = read_grid()
    size = f"{len(grid.error)} networks at a precision x {len(grid.chips)} chips"
    print(f"{size}: {time.perf_counter() - start:.0f} s", flush=True)
    scale, chips = Scale(grid), fixed_chips(grid)
    bounds = {k: round(v, 4) for k, v in in_hindsight(grid, scale, chips).items()}
    print(f"true front: {len(scale.true)} points; {time.perf_counter() - start:.0f} s\n{bounds}", flush=True)
    rows: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        rows += one_seed(grid, scale, chips, seed)
        print(f"seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
    table = pd.DataFrame(rows)
    measures = ("share", "beaten_by_joint", "beats_of_joint", *(f"gain_{c}" for c in COSTS), "points")
    result = {
        "seeds": given.seeds,
        "networks": len(grid.error) // len(PRECISIONS),
        "chips": {name: grid.chips[i] for name, i in chips.items()},
        "true_front": len(scale.true),
        "in_hindsight": bounds,
        "budgets": {
            str(budget): {
                str(way): {m: quartiles(of[m]) for m in measures} for way, of in at.groupby("way", sort=False)
            }
            for budget, at in table.groupby("budget")
        },
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for budget, ways in result["budgets"].items():
        for way, of in ways.items():
            print(f"{budget:>4} {way:22} " + "  ".join(f"{m} {of[m][1]:.3g}" for m in measures))


if __name__ == "__main__":
    main()
