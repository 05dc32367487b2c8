"""The cost-aware search as the benchmark runs it: in batches of four, with its defaults."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from search_rivals import RIVALS, Rival
from search_worlds import Search, Step, World

from codesign.search.cost_aware.archive import Settings, Told
from codesign.search.cost_aware.known import KnownPoints
from codesign.search.cost_aware.search import CostAwareSearch

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate

BATCH: Final = 4
ARCHIVE: Final = 150
"""Trainings of each search that went before on another chip."""


class Own:
    """A cost-aware search on a world, with what it was told."""

    def __init__(self, world: World, seed: int, known: list[Candidate] | None = None) -> None:
        self.world, self.seed = world, seed
        self.search = CostAwareSearch(
            KnownPoints(world.space, world.costs, world.counts), Settings(floor=world.floor)
        )
        self.candidates: list[Candidate] = list(known or ())
        self.errors: list[float] = world.errors(self.candidates).tolist() if known else []
        self.forecasts: list[Any] = [None] * len(self.candidates)

    def steps(self, batch: int = BATCH) -> Iterator[Step]:
        """Trainings, until nothing is left to propose."""
        while True:
            n = batch if self.candidates else self.search.settings.n_start
            seed = int(np.random.SeedSequence([self.seed, len(self.candidates)]).generate_state(1)[0])
            told = Told(self.candidates, np.array(self.errors, np.float64), self.forecasts)
            picks = self.search.ask(told, n, seed)
            if not picks:
                return
            yield from (Step(p.candidate) for p in picks)
            self.candidates += [p.candidate for p in picks]
            self.forecasts += [p.forecast for p in picks]
            self.errors += self.world.errors([p.candidate for p in picks]).tolist()


def cost_aware(world: World, seed: int) -> Iterator[Step]:
    """Cold, in batches of four; every training is judged on all chips."""
    yield from Own(world, seed).steps()


def one_by_one(world: World, seed: int) -> Iterator[Step]:
    """The same, one training at a time."""
    yield from Own(world, seed).steps(1)


def warm(world: World, seed: int) -> Iterator[Step]:
    """After searches on three other chips: what they trained is re-ranked, then the search goes on."""
    known = _archives(world, seed, "cost_aware")
    yield from (Step(c, paid=False) for c in known)
    yield from Own(world, seed, known).steps()


def warm_local(world: World, seed: int) -> Iterator[Step]:
    """The same archives of local searches, re-ranked; then nothing more."""
    yield from (Step(c, paid=False) for c in _archives(world, seed, "local"))


def _archives(world: World, seed: int, search: str) -> list[Candidate]:
    """What the searches on the other chips trained, each once; seeds differ from chip to chip."""
    found: dict[Candidate, None] = {}
    for make in world.archives:
        other = make()
        own_seed = zlib.crc32(f"{other.name} {seed}".encode())
        found |= dict.fromkeys(_trained(other, own_seed, search))
    return list(found)


_TRAINED: Final[dict[tuple[str, int, str], tuple[Candidate, ...]]] = {}


def _trained(world: World, seed: int, search: str) -> tuple[Candidate, ...]:
    key = (world.name, seed, search)
    if key not in _TRAINED:
        steps = _run(search)(world, seed)
        _TRAINED[key] = tuple(next(steps).candidate for _ in range(ARCHIVE))
    return _TRAINED[key]


@cache
def _run(search: str) -> Search:
    return cost_aware if search == "cost_aware" else RIVALS[search].search


OWN: Final = {
    "cost_aware": Rival(cost_aware, "ours, batch 4", 600, 600),
    "cost_aware_1": Rival(one_by_one, "ours, one at a time", 400, 400),
    "warm": Rival(warm, "ours, archives of three unlike chips", 30, 30),
    "warm_local": Rival(warm_local, "local search, archives of three unlike chips", 0, 0),
}
SEARCHES: Final = {**OWN, **RIVALS}
