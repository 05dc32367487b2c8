"""All that is known of candidates without paying for it, in arrays that grow as candidates are looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from search_spaces.features import Featured
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
        self._near: dict[int, IntArray] = {}
        self._arrays: dict[str, NDArray[np.float64]] = {}
        self._looked, self._allowed = np.zeros(0, bool), np.zeros(0, bool)

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
        return self._allowed[: len(self)]

    def rows(self, candidates: Iterable[Candidate]) -> IntArray:
        """The rows of canonical candidates, in their order and with their repeats; all are looked at."""
        found = self.named(candidates)
        self.look(found)
        return found

    def named(self, candidates: Iterable[Candidate]) -> IntArray:
        """The same without looking at them: their costs and features are not known yet."""
        get, wanted = self._rows.get, list(candidates)
        found = [get(c, -1) for c in wanted]
        for i, row in enumerate(found):
            if row < 0:
                found[i] = self._rows.setdefault(wanted[i], len(self.candidates))
                if found[i] == len(self.candidates):
                    self.candidates.append(wanted[i])
        return np.array(found, np.intp)

    def near(self, row: int) -> IntArray:
        """The rows of the candidates one edit away; looking at them is left to the caller."""
        if row not in self._near:
            self._near[row] = self.named(self.space.neighbours(self.candidates[row]))
        return self._near[row]

    def look(self, rows: IntArray) -> None:
        """Find the costs and features of those that were never looked at."""
        if len(self._looked) < len(self):
            more = 2 * len(self) - len(self._looked)
            self._looked = np.concatenate([self._looked, np.zeros(more, bool)])
            self._allowed = np.concatenate([self._allowed, np.zeros(more, bool)])
        unknown = rows[~self._looked[rows]]
        if not len(unknown):
            return
        at = np.array(list(dict.fromkeys(unknown.tolist())), np.intp)
        fresh = [self.candidates[r] for r in at.tolist()]
        costs = np.asarray(self._costs_of(fresh), np.float64)
        counted = (
            np.empty((len(fresh), 0))
            if self._counts_of is None
            else np.asarray(self._counts_of(fresh), np.float64)
        )
        lowest = np.where(np.isnan(costs), np.inf, costs).min(1, initial=np.inf)
        logs = np.log(np.where(np.isfinite(lowest) & (lowest > 0), lowest, 1.0))
        self._put("knobs", np.array([self._code(c) for c in fresh]), at)
        self._put("features", np.concatenate([counted, logs], axis=1), at)
        self._put("costs", costs, at)
        self._allowed[at], self._looked[at] = allowed_ways(costs).any(1), True

    def _code(self, candidate: Candidate) -> list[float]:
        counts = self._effective(candidate)
        return [
            x
            for name, codes in self._codes.items()
            for x in (codes[counts[name]] if name in counts else self._absent[name])
        ]

    def _put(self, name: str, values: FloatArray, at: IntArray) -> None:
        old = self._arrays.get(name)
        if old is None or len(old) < len(self):
            grown = np.full((max(GROWTH, 2 * len(self)), *values.shape[1:]), np.nan)
            if old is not None:
                grown[: len(old)] = old
            self._arrays[name] = grown
        self._arrays[name][at] = values


GROWTH: Final = 4096
