"""Worlds of generic spaces: published timm networks on shipped chips, elastic networks of a made-up error.

    python benchmarks/search_generic.py            # writes the two tables below results/ that the worlds read

`search_timm_zoo.csv` holds the latency that the cost model gives every network of `timm_zoo` on shipped chips
(batch 1); the accuracy is the published top-1. `search_elastic_front.csv` is the best front that a long
evolution found of the synthetic world, which has no true one: shares of it may exceed 1.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from search_worlds import World

from codesign.front import non_dominated
from search_spaces.catalogue import load_space

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

RESULTS: Final = Path(__file__).parent / "results"
ZOO: Final = RESULTS / "search_timm_zoo.csv"
ELASTIC: Final = RESULTS / "search_elastic_front.csv"
CHIPS: Final = {"jetson_orin_nano_8_super": "int8", "galaxy_s24": "int8"}
"""A GPU and the NPU of a phone, each at the precision that it is costed at."""
SYNTHETIC: Final = "elastic_cnn"
EVOLVED: Final = 6_000
BEST_FOR: Final = "synthetic/elastic_cnn"


def zoo_worlds() -> Iterator[tuple[str, Callable[[], World]]]:
    """1,180 published networks against their latency on each chip of the table."""
    if ZOO.is_file():
        for chip in CHIPS:
            yield f"timm_zoo/{chip}", partial(_zoo, chip)


def _zoo(chip: str) -> World:
    space = load_space("timm_zoo")
    rows = _zoo_rows()
    every = tuple(c for c in space.candidates() if (c["arch"], c["img_size"]) in rows)

    def of(name: str, candidates: Sequence[Candidate]) -> np.ndarray:
        return np.array([rows[c["arch"], c["img_size"]][name] for c in candidates], np.float64)

    def counts(candidates: Sequence[Candidate]) -> np.ndarray:
        return np.log(np.column_stack([of("macs_g", candidates), of("params_m", candidates)]))

    return World(
        f"timm_zoo/{chip}",
        space,
        partial(of, "error_pct"),
        lambda cs: of(chip, cs)[:, None, None],
        every=every,
        counts=counts,
    )


@cache
def _zoo_rows() -> Mapping[tuple[object, object], Mapping[str, float]]:
    with ZOO.open(newline="") as file:
        return {
            (r["arch"], int(r["img_size"])): {n: float(v or "nan") for n, v in r.items() if n != "arch"}
            for r in csv.DictReader(file)
        }


def write_zoo() -> None:
    """Trace what was not traced yet (minutes) and cost it."""
    from hw_models.cost.estimate import estimate
    from hw_models.spec.load import load_chip

    space = load_space("timm_zoo")
    chips = {load_chip(c): precision for c, precision in CHIPS.items()}
    with ZOO.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["arch", "img_size", "error_pct", "macs_g", "params_m", *CHIPS])
        for c in space.candidates():
            work = space.workload(c)
            costs = [estimate(work, chip, precision=p).latency.value for chip, p in chips.items()]
            times = ["" if t is None else f"{t * 1e3:.5g}" for t in costs]
            error = 100 - space.published_top1(c)  # type: ignore[attr-defined]
            sizes = [f"{error:.3f}", f"{work.macs / 1e9:.5g}", f"{work.params / 1e6:.5g}"]
            out.writerow([c["arch"], c["img_size"], *sizes, *times])


def synthetic_worlds() -> Iterator[tuple[str, Callable[[], World]]]:
    """`elastic_cnn`, 4.0e22 candidates, by a made-up error against MACs and parameters."""
    if ELASTIC.is_file():
        yield BEST_FOR, elastic


def elastic() -> World:
    """The synthetic world; the error is no measurement and says nothing about such networks."""
    best = np.loadtxt(ELASTIC, delimiter=",", skiprows=1) if ELASTIC.is_file() else None
    space = load_space(SYNTHETIC)
    sizes = _Sizes(space)
    return World(
        BEST_FOR,
        space,
        lambda cs: np.array([made_up_error(c, *sizes.of(c)) for c in cs]),
        lambda cs: np.array([[sizes.of(c)] for c in cs]),
        best=best,
        counts=lambda cs: np.log([sizes.of(c) for c in cs]),
    )


class _Sizes:
    """GMAC and 1e6 parameters of candidates, each counted once."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._known: dict[Candidate, tuple[float, float]] = {}

    def of(self, candidate: Candidate) -> tuple[float, float]:
        if candidate not in self._known:
            work = self._space.workload(candidate)
            self._known[candidate] = work.macs / 1e9, work.params / 1e6
        return self._known[candidate]


def made_up_error(candidate: Candidate, macs_g: float, params_m: float) -> float:
    """An error in per cent, made up for the benchmark: no network was trained.

    Powers of work and size as scaling laws have them; excitation and hard-swish help; work is best spent on
    resolution and on depth alike; kernels of 5 are best late; every network is off by a fixed amount of
    standard deviation 0.25, drawn from a checksum of its knobs.
    """
    depth = sum(int(candidate[f"depth_{s}"]) for s in range(1, 6))
    balance = math.log(int(candidate["resolution"]) / 224) - math.log(depth / 15)
    late = sum(abs(int(candidate[f"kernel_{s}"]) - (3 if s < 3 else 5)) for s in range(1, 6))
    excite = sum(bool(candidate[f"excite_{s}"]) for s in range(1, 6))
    smooth = 0.6 if candidate["activation"] == "relu" else 0.0
    checksum = zlib.crc32(repr(sorted(candidate.items())).encode())
    noise = 0.25 * float(np.random.default_rng(checksum).normal())
    powers = 14 + 5.5 * macs_g**-0.35 + 4.0 * (params_m / 5) ** -0.4
    return powers + 3.0 * balance**2 + 0.15 * late - 0.25 * excite + smooth + noise


def write_elastic() -> None:
    """The front of a long evolution: two objectives against the error, neighbours of the front, no budget."""
    world = elastic()
    rng = np.random.default_rng(0)
    members: list[Candidate] = []
    points = np.empty((0, 3))
    seen: set[Candidate] = set()
    while len(seen) < EVOLVED:
        fresh = [_next(world.space, members, rng) for _ in range(100)]
        fresh = [c for c in dict.fromkeys(fresh) if c not in seen]
        seen.update(fresh)
        if not fresh:
            continue
        members += fresh
        points = np.concatenate([points, world.points(fresh)[:, 0]])
        stays = non_dominated(points)
        members, points = [c for c, s in zip(members, stays, strict=True) if s], points[stays]
    order = np.lexsort(points.T[::-1])
    np.savetxt(ELASTIC, points[order], "%.6g", ",", header="error_pct,macs_g,params_m", comments="")


def _next(space: SearchSpace, members: Sequence[Candidate], rng: np.random.Generator) -> Candidate:
    """A neighbour of a neighbour of a member, or a random candidate."""
    if len(members) < 10 or rng.random() < 0.05:
        return space.sample(rng)
    found = members[int(rng.integers(len(members)))]
    for _ in range(int(rng.integers(1, 4))):
        near = space.neighbours(found)
        found = near[int(rng.integers(len(near)))]
    return found


def worlds() -> Mapping[str, Callable[[], World]]:
    """Name -> a function that makes the world."""
    return dict([*zoo_worlds(), *synthetic_worlds()])


if __name__ == "__main__":
    write_elastic()
    write_zoo()
