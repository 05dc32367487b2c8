"""All that is known of candidates without paying for it, in arrays that grow as candidates are looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from search_spaces.knobs import Bool, Choice, Knob

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
Costs = Callable[[Sequence["Candidate"]], FloatArray]
"""Candidates -> (n, r, m) exact costs, lower is better, of r ways to run each; NaN: not allowed."""
Counts = Callable[[Sequence["Candidate"]], FloatArray]
"""Candidates -> (n, f) numbers that tell good networks from bad ones, the size of the network first."""


@runtime_checkable
class Featured(Protocol):
    """A space that counts something of its candidates, the same for equal networks."""

    def features(self, candidates: Sequence[Candidate]) -> FloatArray:
        """(n, f) numbers that tell good networks from bad ones: counts, logarithms of sizes."""
        ...


@runtime_checkable
class Effective(Protocol):
    """A space whose candidates stay distinct although some knobs change nothing: a table of noisy runs."""

    def effective(self, candidate: Candidate) -> Candidate:
        """The knobs that count for quality."""
        ...


def code_of(knob: Knob) -> tuple[tuple[float, ...], ...]:
    """One row of numbers for each value of a knob; squared distance 1 where two values have no order.

    Values with an order stand on a thermometer: the squared distance grows by steps, to 2 from end to end.
    """
    n = len(knob)
    if n > 1 and not isinstance(knob, Bool) and (not isinstance(knob, Choice) or knob.ordered):
        step = math.sqrt(2 / (n - 1))
        return tuple(tuple(step if j < i else 0.0 for j in range(n - 1)) for i in range(n))
    return tuple(tuple(math.sqrt(0.5) if i == j else 0.0 for j in range(n)) for i in range(n))


def allowed_ways(costs: FloatArray) -> BoolArray:
    """(n, r) which ways to run a network are allowed; of (n, r, m) costs."""
    return np.asarray(~np.isnan(costs).any(2), np.bool_)


class KnownPoints:
    """Codes of knobs, features and costs by row; a row is a candidate that was looked at.

    Row numbers depend on what was looked at before, so nothing may be decided by them.

    Args:
        space: whose candidates they are.
        costs: exact costs of candidates.
        counts: what is counted of candidates; None: what the space counts, if it does.
    """

    def __init__(self, space: SearchSpace, costs: Costs, counts: Counts | None = None) -> None:
        self.space, self._costs_of = space, costs
        self._counts_of = space.features if counts is None and isinstance(space, Featured) else counts
        self._effective: Callable[[Candidate], Candidate] = (
            space.effective if isinstance(space, Effective) else lambda c: c
        )
        self._codes = {
            name: dict(zip(knob, code_of(knob), strict=True)) for name, knob in space.knobs.items()
        }
        self._absent = {name: (0.0,) * len(next(iter(c.values()))) for name, c in self._codes.items()}
        self._rows: dict[Candidate, int] = {}
        self.candidates: list[Candidate] = []
        self._near: dict[int, tuple[Candidate, ...]] = {}
        self._arrays: dict[str, NDArray[np.float64]] = {}

    def __len__(self) -> int:
        return len(self.candidates)

    @property
    def knobs(self) -> FloatArray:
        """(n, g) codes of the knobs that count."""
        return self._arrays["knobs"][: len(self)]

    @property
    def features(self) -> FloatArray:
        """(n, f) as the space counts them, then the logarithm of positive costs."""
        return self._arrays["features"][: len(self)]

    @property
    def costs(self) -> FloatArray:
        """(n, r, m)."""
        return self._arrays["costs"][: len(self)]

    @property
    def allowed(self) -> BoolArray:
        """(n,) whether there is a way to run it that meets the constraints."""
        return np.asarray(allowed_ways(self.costs).any(1), np.bool_)

    def rows(self, candidates: Iterable[Candidate]) -> IntArray:
        """The rows of canonical candidates, in their order and with their repeats."""
        wanted = list(candidates)
        found = np.fromiter((self._rows.get(c, -1) for c in wanted), np.intp, len(wanted))
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            self._add(list(dict.fromkeys(wanted[i] for i in unknown)))
            found[unknown] = [self._rows[wanted[i]] for i in unknown]
        return found

    def near(self, row: int) -> tuple[Candidate, ...]:
        """The candidates one edit away; looking at them is left to the caller."""
        if row not in self._near:
            self._near[row] = tuple(self.space.neighbours(self.candidates[row]))
        return self._near[row]

    def neighbours(self, row: int) -> IntArray:
        """Rows of those candidates one edit away that were looked at."""
        found = (self._rows.get(c, -1) for c in self.near(row))
        return np.array([r for r in found if r >= 0], np.intp)

    def _add(self, fresh: list[Candidate]) -> None:
        costs = np.asarray(self._costs_of(fresh), np.float64)
        counted = (
            np.empty((len(fresh), 0))
            if self._counts_of is None
            else np.asarray(self._counts_of(fresh), np.float64)
        )
        lowest = np.where(np.isnan(costs), np.inf, costs).min(1, initial=np.inf)
        logs = np.log(np.where(np.isfinite(lowest) & (lowest > 0), lowest, 1.0))
        start = len(self)
        self._put("knobs", np.array([self._code(c) for c in fresh]), start)
        self._put("features", np.concatenate([counted, logs], axis=1), start)
        self._put("costs", costs, start)
        for candidate in fresh:
            self._rows[candidate] = len(self.candidates)
            self.candidates.append(candidate)

    def _code(self, candidate: Candidate) -> list[float]:
        counts = self._effective(candidate)
        return [
            x
            for name, codes in self._codes.items()
            for x in (codes[counts[name]] if name in counts else self._absent[name])
        ]

    def _put(self, name: str, values: FloatArray, start: int) -> None:
        end = start + len(values)
        old = self._arrays.get(name)
        if old is None or len(old) < end:
            grown = np.empty((max(GROWTH, 2 * end), *values.shape[1:]))
            if old is not None:
                grown[:start] = old[:start]
            self._arrays[name] = grown
        self._arrays[name][start:end] = values


GROWTH: Final = 4096
