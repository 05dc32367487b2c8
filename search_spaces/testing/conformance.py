"""What every space must hold to: `assert problems(space) == []` is the test of an author."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.errors import CodesignError
from search_spaces.candidate import Candidate

if TYPE_CHECKING:
    from search_spaces.space import SearchSpace

COUNTED: Final = 5_000
"""Spaces up to this size are enumerated to check their size."""


def problems(space: SearchSpace, *, samples: int = 25, seed: int = 0, build: bool = False) -> list[str]:
    """What a space does against the contract of `search_spaces.space`; empty if nothing.

    Args:
        space: the space.
        samples: random candidates that are looked at.
        seed: of the random candidates.
        build: also build and trace a few of them, which takes seconds.
    """
    rng = np.random.default_rng(seed)
    try:
        drawn = [space.sample(rng) for _ in range(samples)]
    except CodesignError as error:
        return [f"sample raises: {error}"]
    found = [*_of_knobs(space), *_of_size(space)]
    for candidate in drawn:
        for check in _CHECKS:
            found += check(space, candidate)
    if build:
        for candidate in drawn[:3]:
            found += _of_build(space, candidate)
    return list(dict.fromkeys(found))


def _of_knobs(space: SearchSpace) -> Iterator[str]:
    if not space.knobs:
        yield "there is no knob"
    if dict(space.knobs) != dict(space.knobs) or list(space.knobs) != list(space.knobs):
        yield "the knobs differ from one look to the next; domains must be static"


def _of_size(space: SearchSpace) -> Iterator[str]:
    if space.size < 1:
        yield f"size is {space.size}, expected at least 1"
    if space.size > COUNTED:
        first = list(islice(space.candidates(), 100))
        if len(set(first)) < len(first):
            yield "candidates() repeats itself"
        return
    every = list(space.candidates())
    if len(every) != space.size:
        yield f"size is {space.size}, but candidates() gives {len(every)}"
    if len(set(every)) < len(every):
        yield "candidates() repeats itself"


def _of_canonical(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    if space.canonical(candidate) != candidate:
        yield f"canonical changes the canonical {candidate!r}"
    unknown = [k for k in candidate if k not in space.knobs]
    if unknown:
        yield f"{candidate!r} has '{unknown[0]}', which is no knob"
    outside = [k for k, v in candidate.items() if k in space.knobs and v not in space.knobs[k]]
    if outside:
        yield f"{candidate!r} sets '{outside[0]}' outside its domain"


def _of_json(space: SearchSpace, candidate: Candidate) -> Iterator[str]:  # noqa: ARG001 - one signature for all
    if Candidate.from_json(candidate.to_json()) != candidate:
        yield f"{candidate!r} does not survive JSON"


def _of_neighbours(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    near = list(space.neighbours(candidate))
    if candidate in near:
        yield f"{candidate!r} is its own neighbour"
    if len(set(near)) < len(near):
        yield f"{candidate!r} has a neighbour twice"
    rough = next((n for n in near if space.canonical(n) != n), None)
    if rough is not None:
        yield f"{candidate!r} has a neighbour that is not canonical: {rough!r}"
    if near != list(space.neighbours(candidate)):
        yield f"{candidate!r} has other neighbours when asked again"


def _of_refusal(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    try:
        space.canonical(candidate.replace(no_such_knob=1))
    except CodesignError:
        return
    yield "canonical accepts a knob that the space does not have"


def _of_build(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    first, again = space.workload(candidate), space.workload(candidate)
    if len(first) != len(again) or first.macs != again.macs:
        yield f"{candidate!r} gives another workload when asked again"
    if first.batch != 1:
        yield f"{candidate!r} gives a workload at batch {first.batch}, expected 1"


_CHECKS: Final[tuple[Callable[[SearchSpace, Candidate], Iterator[str]], ...]] = (
    _of_canonical,
    _of_json,
    _of_neighbours,
    _of_refusal,
)
