"""The worlds that searches are scored on: spaces whose every candidate somebody trained, or published.

Which device columns and data sets there are is read from the tables, so another directory with the same files
gives other worlds. Floors of error are those of `nb201_true_fronts_summary.csv`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import moocore
import numpy as np

from codesign.front import non_dominated
from hw_models.errors import InputError, UnknownNameError
from search_spaces.knobs import Choice
from search_spaces.tabular import nas_bench_201, nas_bench_macro
from search_spaces.tabular.table import TableSpace

if TYPE_CHECKING:
    import pandas as pd

    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

DEVELOPMENT: Final = ("cifar100/raspi4", "cifar100/eyeriss", "cifar100/titan_rtx_256", "cifar100/pixel3")
"""Settings were tuned on these alone; everything else is reported, never tuned on."""
FLOORS: Final = {"cifar10": 20.0, "cifar100": 50.0, "in16_120": 80.0}
"""Largest error [%] that counts, by data set; another data set has none.

Source: `../shared/reference/README.md`, section nas: networks under 80, 50 and 20 % accuracy are left out.
"""
TRAINED: Final = "_test_200ep"
REFERENCE_POINT: Final = 1.1
NOMINAL_W: Final = {
    "eyeriss": 0.28,
    "pixel3": 5.0,
    "raspi4": 6.4,
    "silver_4114": 85.0,
    "gold_6226": 125.0,
    "1080ti_1": 250.0,
    "titan_rtx_1": 280.0,
}
"""Watts of the chips of the joint world. Source: the task's table of figures to reach."""
NEW_CHIP: Final = "new_chip/"
UNLIKE: Final = 3
"""Other chips whose archives a new chip starts from."""

Values = Callable[[Sequence["Candidate"]], np.ndarray]


@dataclass(frozen=True, eq=False)
class World:
    """A space with one error that must be paid and costs that are known.

    Attributes:
        name: group/what.
        space: of the networks.
        errors: candidates -> (n,) what a training tells.
        costs: candidates -> (n, r, m) of r ways to run each; lower is better.
        floor: largest error that counts; None: no such bound.
        every: all candidates; empty where they are too many, then `best` stands for the true front.
        best: (k, 1 + m) the best front known of such a space.
        ways: names of the r ways, where they are chips to choose from.
        counts: candidates -> (n, f) what tells networks apart before training; None: what the space counts.
        archives: worlds of other chips whose searches went before.
    """

    name: str
    space: SearchSpace
    errors: Values
    costs: Values
    floor: float | None = None
    every: Sequence[Candidate] = ()
    best: np.ndarray | None = None
    ways: tuple[str, ...] = ()
    counts: Values | None = None
    archives: tuple[Callable[[], World], ...] = ()

    @property
    def group(self) -> str:
        """What stands before the slash."""
        return self.name.split("/")[0]

    def points(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """(n, r, 1 + m) error and costs of every way to run each; inf where it does not count."""
        costs = self.costs(candidates)
        errors = self.errors(candidates)
        points = np.concatenate(
            [np.broadcast_to(errors[:, None, None], (*costs.shape[:2], 1)), costs], axis=2
        )
        counts = np.isfinite(points).all(2)
        if self.floor is not None:
            counts &= errors[:, None] <= self.floor
        return np.where(counts[:, :, None], points, np.inf)

    @cached_property
    def front(self) -> np.ndarray:
        """(k, 1 + m) the true front, or the best known."""
        if self.best is not None:
            return self.best
        points = self.points(self.every).reshape(-1, self.costs(self.every[:1]).shape[2] + 1)
        points = np.unique(points[np.isfinite(points).all(1)], axis=0)
        return points[non_dominated(points)]

    def scaled(self, points: np.ndarray) -> np.ndarray:
        """Points with the ideal of the true front at 0 and its nadir at 1."""
        low, high = self.front.min(0), self.front.max(0)
        return (points - low) / np.where(high > low, high - low, 1.0)

    @cached_property
    def full(self) -> float:
        """Hypervolume of the true front."""
        return hypervolume(self.scaled(self.front))


def hypervolume(points: np.ndarray) -> float:
    """Of (n, d) scaled points to the reference 1.1."""
    inside = points[(points < REFERENCE_POINT).all(1)]
    if not len(inside):
        return 0.0
    return float(moocore.hypervolume(inside, ref=np.full(points.shape[1], REFERENCE_POINT)))


class Step(NamedTuple):
    """One proposal.

    Attributes:
        candidate: what is trained.
        way: the one chip that it is judged on; None: all of them.
        paid: whether it is a training; what an archive holds is none.
    """

    candidate: Candidate
    way: int | None = None
    paid: bool = True


Search = Callable[[World, int], Iterator[Step]]
"""(world, seed) -> proposals without end, or until the search is spent; repeats are allowed."""


class Score:
    """Share of the true hypervolume that a growing set of trainings holds."""

    def __init__(self, world: World) -> None:
        self.world, self.share = world, 0.0
        self._front = np.empty((0, world.front.shape[1]))

    def add(self, step: Step) -> float:
        """The share after one more."""
        points = self.world.scaled(self.world.points([step.candidate])[0])
        points = points if step.way is None else points[step.way : step.way + 1]
        new = points[(points < REFERENCE_POINT).all(1)]
        beaten = (self._front[None] <= new[:, None]).all(2).any(1)
        if not beaten.all():
            front = np.concatenate([self._front, new[~beaten]])
            self._front = front[non_dominated(front)]
            self.share = hypervolume(self._front) / self.world.full
        return self.share


def table_world(
    name: str, space: TableSpace, quality: np.ndarray, costs: np.ndarray, floor: float | None
) -> World:
    """A world of a table; (n,) errors and (n, r, m) costs by row."""
    every = tuple(space.candidates())
    return World(
        name,
        space,
        lambda cs: quality[space.rows(cs)],
        lambda cs: costs[space.rows(cs)],
        floor,
        every,
    )


def column(space: TableSpace, name: str) -> np.ndarray:
    """(n,) a numeric column, by row."""
    return space.look_up(tuple(space.candidates()), name)


def numeric_columns(path: Path, keys: Sequence[str]) -> list[str]:
    """Names of the numeric columns of a parquet file but for some, in the order of the file."""
    import pandas as pd

    table = pd.read_parquet(path)
    return [str(c) for c in table.columns if c not in keys and pd.api.types.is_numeric_dtype(table[c])]


def nas_bench_201_worlds(data: Path) -> Iterator[tuple[str, Callable[[], World]]]:
    """Every data set on every device; then what takes the structure away, on two devices."""
    devices = numeric_columns(data / "nb201_latency.parquet", ("arch",))
    accuracies = numeric_columns(data / "nb201_accuracy.parquet", ("arch",))
    sets = [c.removesuffix(TRAINED) for c in accuracies if c.endswith(TRAINED)]
    cells = nas_bench_201.load(data)
    for data_set in sets:
        for device in devices:
            yield f"{data_set}/{device}", partial(_cells, cells, f"{data_set}/{device}", data_set, device)
    of = "cifar100" if "cifar100" in sets else sets[0]
    two = [d.split("/")[1] for d in DEVELOPMENT[:2] if d.split("/")[1] in devices] or devices[:2]
    for kind, made in (("shuffled", _shuffled), ("noise", _noise), ("plain", _plain)):
        for device in two:
            name = f"{kind}/{device}"
            yield name, partial(made, cells, name, of, device)
    chips = [c for c in NOMINAL_W if c in devices]
    if len(chips) > 1:
        yield f"joint/{of}", partial(_joint, cells, f"joint/{of}", of, chips)
    for device in devices if len(devices) > UNLIKE else ():
        yield f"{NEW_CHIP}{device}", partial(_new_chip, cells, of, device, devices)


def _cells(cells: TableSpace, name: str, data_set: str, device: str) -> World:
    error = 100 - column(cells, f"{data_set}{TRAINED}")
    return table_world(name, cells, error, column(cells, device)[:, None, None], FLOORS.get(data_set))


def _shuffled(cells: TableSpace, name: str, data_set: str, device: str) -> World:
    """Accuracies dealt out at random: there is nothing to learn."""
    error = np.random.default_rng(0).permutation(100 - column(cells, f"{data_set}{TRAINED}"))
    return table_world(name, cells, error, column(cells, device)[:, None, None], FLOORS.get(data_set))


def _noise(cells: TableSpace, name: str, data_set: str, device: str) -> World:
    """Features replaced by as many columns of noise; knobs and accuracies as they are."""
    n = len(cells.features(tuple(cells.candidates()))[0])
    noise = np.random.default_rng(0).normal(size=(cells.size, n))
    return _recounted(cells, name, data_set, device, noise)


def _plain(cells: TableSpace, name: str, data_set: str, device: str) -> World:
    """No features but the logarithm of the cost, and dead edges not known to be dead."""
    return _recounted(cells, name, data_set, device, np.empty((cells.size, 0)))


def _recounted(cells: TableSpace, name: str, data_set: str, device: str, counted: np.ndarray) -> World:
    import pandas as pd

    every = tuple(cells.candidates())
    other = TableSpace(cells.name, cells.knobs, pd.DataFrame([dict(c) for c in every]), counted)
    error = 100 - column(cells, f"{data_set}{TRAINED}")
    return table_world(name, other, error, column(cells, device)[:, None, None], FLOORS.get(data_set))


def _joint(cells: TableSpace, name: str, data_set: str, chips: Sequence[str]) -> World:
    """Networks x chips: error, logarithm of latency [ms], logarithm of nominal power [W]."""
    latency = np.stack([column(cells, c) for c in chips], 1)
    watts = np.broadcast_to([NOMINAL_W[c] for c in chips], latency.shape)
    error = 100 - column(cells, f"{data_set}{TRAINED}")
    costs = np.log(np.stack([latency, watts], 2))
    return replace(table_world(name, cells, error, costs, FLOORS.get(data_set)), ways=tuple(chips))


def _new_chip(cells: TableSpace, data_set: str, device: str, devices: Sequence[str]) -> World:
    """A device, after searches on the three others that are least like it and each other."""
    latency = {d: column(cells, d) for d in devices}
    others = unlike(latency, device)
    worlds = tuple(partial(_cells, cells, f"{data_set}/{d}", data_set, d) for d in others)
    return replace(_cells(cells, f"{NEW_CHIP}{device}", data_set, device), archives=worlds)


def macro_worlds(data: Path) -> Iterator[tuple[str, Callable[[], World]]]:
    """NAS-Bench-Macro by its multiply-accumulates and by its parameters."""
    for cost, name in (("flops", "macro/macs"), ("params", "macro/params")):
        yield name, partial(_macro, data, name, cost)


def _macro(data: Path, name: str, cost: str) -> World:
    chains = nas_bench_macro.load(data)
    return table_world(
        name, chains, 100 - column(chains, "acc_mean"), column(chains, cost)[:, None, None] / 1e6, None
    )


def landmark_worlds(data: Path) -> Iterator[tuple[str, Callable[[], World]]]:
    """The 224 networks of a real search for face landmarks; a table with holes."""
    yield "facelandmark/cpu", partial(_landmark, data)


def _landmark(data: Path) -> World:
    import pandas as pd

    rows = pd.read_parquet(data / "archai_facelandmark.parquet")
    knobs = pd.DataFrame([_stages(c) for c in rows["config"]])
    knobs = knobs.loc[:, knobs.nunique() > 1]
    domains = {n: Choice(tuple(sorted(set(knobs[n]))), ordered=True) for n in knobs.columns}
    space = TableSpace("archai_facelandmark", domains, knobs, np.empty((len(rows), 0)))
    error = rows["Partial_training_Validation_Error"].to_numpy(float)
    cost = rows["onnx_latency_(ms)"].to_numpy(float)[:, None, None]
    return table_world("facelandmark/cpu", space, error, cost, None)


def _stages(config: str) -> dict[str, float]:
    """Repeats, kernel and expansion of every stage, and the two multipliers.

    A stage reads `ir_r2_k3_s2_e6_c24`: kind, repeats, kernel, stride, expansion, channels.
    """
    made = json.loads(config)
    found = {n: float(made[n]) for n in ("channel_multiplier", "depth_multiplier")}
    for i, (stage,) in enumerate(made["arch_def"]):
        found |= {f"{part[0]}_{i}": float(part[1:]) for part in stage.split("_")[1:]}
    return found


def file_world(path: Path, knobs: Sequence[str], quality: str, cost: Sequence[str]) -> World:
    """Any table through the loader: error (or `-accuracy`, with a minus) against one or more costs.

    Raises:
        InputError: no costs.
        UnknownNameError: a column that there is not.
    """
    if not cost:
        msg = f"no cost column of {path} given, expected at least one; --cost names them"
        raise InputError(msg)
    space = TableSpace.from_file(path, knobs)
    sign = -1.0 if quality.startswith("-") else 1.0
    error = sign * column(space, quality.removeprefix("-"))
    costs = np.stack([column(space, c) for c in cost], 1)[:, None]
    return table_world(f"file/{path.stem}", space, error, costs, None)


def catalogue(data: Path) -> Mapping[str, Callable[[], World]]:
    """Name -> a function that makes the world; nothing is loaded but what names them.

    Raises:
        InputError: no such directory.
    """
    if not data.is_dir():
        msg = f"{data} given, expected the directory of the tables; set CODESIGN_REFERENCE or --data"
        raise InputError(msg)
    found: dict[str, Callable[[], World]] = {}
    if (data / "nb201_latency.parquet").is_file():
        found |= dict(nas_bench_201_worlds(data))
    if (data / "nasbench_macro.parquet").is_file():
        found |= dict(macro_worlds(data))
    if (data / "archai_facelandmark.parquet").is_file():
        found |= dict(landmark_worlds(data))
    return found


def chosen(known: Mapping[str, Callable[[], World]], wanted: Sequence[str]) -> Iterator[World]:
    """The worlds whose names begin with one of those wanted; `development` means the four of the tuning.

    Raises:
        UnknownNameError: nothing begins so.
    """
    starts = [s for w in wanted for s in (DEVELOPMENT if w == "development" else (w,))]
    for start in starts:
        if not any(n.startswith(start) for n in known):
            raise UnknownNameError("world", start, list(known), "the beginning of a name is enough")
    for name, make in known.items():
        if not starts or any(name == s or name.startswith(s) for s in starts):
            yield make()


def unlike(devices: Mapping[str, np.ndarray], target: str, n: int = UNLIKE) -> list[str]:
    """The n devices that order networks least like the target and least like each other.

    Greedy: next comes the one whose largest rank correlation with the target and those taken is least.
    """
    import pandas as pd

    table: pd.DataFrame = pd.DataFrame(devices).corr("spearman")
    taken: list[str] = []
    for _ in range(n):
        left = [d for d in devices if d != target and d not in taken]
        taken.append(min(left, key=lambda d: max(table.loc[d, [target, *taken]])))
    return taken
