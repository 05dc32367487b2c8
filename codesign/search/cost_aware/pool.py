"""What is looked at before the next networks are trained: edits of the front, crossovers, random ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hw_models.errors import InputError
from search_spaces.candidate import Candidate
from search_spaces.space import filled

if TYPE_CHECKING:
    from codesign.search.cost_aware.known import IntArray, KnownPoints
    from search_spaces.space import SearchSpace


@dataclass(frozen=True)
class PoolSize:
    """How many candidates are looked at in a round; looking costs their exact costs and a prediction.

    Attributes:
        edits: neighbours of the front.
        near: neighbours of the points that the front alone beats.
        crossovers: knobs drawn from two of both.
        random: drawn from the whole space.
        rounds, best: how often the neighbours of the best so far are added, and of how many.
    """

    edits: int = 400
    near: int = 100
    crossovers: int = 100
    random: int = 100
    rounds: int = 2
    best: int = 10


def pool(
    known: KnownPoints, front: IntArray, second: IntArray, size: PoolSize, rng: np.random.Generator
) -> IntArray:
    """Rows of candidates, each once, in an order that does not depend on what was looked at before.

    None is looked at: what is told or not wanted need not be costed.
    """
    parts = [
        neighbours_of(known, front, size.edits, rng),
        neighbours_of(known, second, size.near, rng),
        known.named(_crossovers(known, np.concatenate([front, second]), size.crossovers, rng)),
        known.named(known.space.sample(rng) for _ in range(size.random)),
    ]
    return unique(np.concatenate(parts))


def neighbours_of(known: KnownPoints, rows: IntArray, most: int, rng: np.random.Generator) -> IntArray:
    """Rows of neighbours of some rows, each once; none is looked at."""
    near = unique(np.concatenate([np.empty(0, np.intp), *(known.near(r) for r in rows.tolist())]))
    if len(near) > most:
        near = near[rng.choice(len(near), most, replace=False)]
    return near


def unique(rows: IntArray) -> IntArray:
    """Each row once, where it stands first."""
    return rows[np.sort(np.unique(rows, return_index=True)[1])]


def _crossovers(known: KnownPoints, parents: IntArray, n: int, rng: np.random.Generator) -> list[Candidate]:
    if not len(parents):
        return []
    space = known.space
    pairs = rng.choice(parents, (n, 2)).tolist()
    first = (rng.random((n, len(space.knobs))) < 0.5).tolist()
    whole = {r: filled(space, known.candidates[r]) for pair in pairs for r in pair}
    made = (_crossed(space, whole[a], whole[b], mask) for (a, b), mask in zip(pairs, first, strict=True))
    return [c for c in made if c is not None]


def _crossed(space: SearchSpace, a: Candidate, b: Candidate, mask: list[bool]) -> Candidate | None:
    """Each knob from one of two; None where the space has no such candidate, as a table with holes."""
    mixed = Candidate({k: (a if m else b)[k] for k, m in zip(space.knobs, mask, strict=True)})
    try:
        return space.canonical(mixed)
    except InputError:
        return None
