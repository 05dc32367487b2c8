"""Thinning a front: the fewest points that are, within a tolerance, nowhere worse than those left out."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import override

from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from codesign.front.dominance import BoolArray, FloatArray
    from codesign.objectives import Objective

NODES: Final = 100
"""Nodes of branch and bound before the best found is taken; a limit in time would not repeat itself."""

MOST_ORDERED: Final = 300
"""Points up to which the earliest of the equally small subsets is looked for: a second, harder problem."""

ROOM: Final = 1e-12
"""Relative room for rounding, so that a point exactly at the tolerance counts as within it."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """By how much a point may be worse in one objective and still stand for another.

    Attributes:
        amount: in the unit of the objective; or a share, where `relative`.
        relative: up to (1 + amount) times as much, of an objective that is maximised (1 + amount) times less.
    """

    amount: float
    relative: bool = False

    @classmethod
    def parse(cls, of: Objective, given: float | str) -> Tolerance:
        """From a number in the objective's unit, "0.2 ms", "5 %" of the value, or a factor such as "1.05x".

        Raises:
            InputError: what is none of these, is below 0, or a per cent of a quantity in per cent.
        """
        match = re.fullmatch(r"\s*([-+0-9.eE]+)\s*(\S*)\s*", str(given))
        number = _number(match[1]) if match else None
        unit = match[2] if match else ""
        if number is None or unit not in {"", "%", "x", of.unit}:
            msg = (
                f"tolerance of '{of.name}': {given!r} given, expected a number in {of.unit or 'its unit'}, a "
                "share such as '5 %', or a factor such as '1.05x'"
            )
            raise InputError(msg)
        if unit == "%" == of.unit:
            msg = (
                f"tolerance of '{of.name}': {given!r} may mean points or a share; give {number:g} for "
                f"points, '{1 + number / 100:g}x' for a share"
            )
            raise InputError(msg)
        found = {"%": cls(number / 100, True), "x": cls(number - 1.0, True)}.get(unit, cls(number))
        if found.amount < 0:
            msg = f"tolerance of '{of.name}': {given!r} given, expected at least 0, a factor at least 1"
            raise InputError(msg)
        return found

    @override
    def __str__(self) -> str:
        return f"{self.amount * 100:g} %" if self.relative else f"{self.amount:g}"

    def limits(self, of: Objective, values: FloatArray) -> FloatArray:
        """(N,) the worst values that still stand for these; all as they are minimised.

        Raises:
            InputError: a share of values that are not all above 0.
        """
        if not self.relative:
            return values + self.amount + ROOM * np.abs(values)
        if values.size and (of.sign * values).min() <= 0:
            msg = (
                f"tolerance of '{of.name}': {self} given, but the front has values of 0 or below, of which a "
                f"share says nothing; give a number in {of.unit or 'its unit'}"
            )
            raise InputError(msg)
        factor = (1.0 + self.amount) * (1.0 + ROOM)
        return values * factor if of.goal == "min" else values / factor


def tolerances(
    objectives: Sequence[Objective], given: Mapping[str, float | str] | float | str
) -> tuple[Tolerance, ...]:
    """One tolerance for each objective; 0 where none is given, the same for all where one text is.

    Raises:
        UnknownNameError: a name that is none of the objectives.
    """
    if not isinstance(given, Mapping):
        given = {o.name: given for o in objectives}
    names = [o.name for o in objectives]
    unknown = [n for n in given if n not in names]
    if unknown:
        raise UnknownNameError("objective of the front", unknown[0], names, f"objectives: {', '.join(names)}")
    return tuple(Tolerance.parse(o, given[o.name]) if o.name in given else Tolerance(0.0) for o in objectives)


def stands_for(
    values: FloatArray, objectives: Sequence[Objective], allowed: Sequence[Tolerance]
) -> BoolArray:
    """(N, N) whether point j is within the tolerances nowhere worse than point i.

    Args:
        values: (N, M) objectives, less is better.
        objectives: what the columns are.
        allowed: a tolerance for each.
    """
    limits = [t.limits(o, values[:, k]) for k, (o, t) in enumerate(zip(objectives, allowed, strict=True))]
    covers: BoolArray = np.ones((len(values), len(values)), np.bool_)
    for k, limit in enumerate(limits):
        covers &= values[None, :, k] <= limit[:, None]
    return covers


@dataclass(frozen=True, slots=True)
class Cover:
    """Positions of points that stand for all; `proven`: no smaller set does."""

    kept: tuple[int, ...]
    proven: bool


def fewest(covers: BoolArray) -> Cover:
    """The fewest points that stand for all; of equally few, up to `MOST_ORDERED` points, the first.

    A minimum set cover, solved exactly by branch and bound (HiGHS), then again for the earliest positions.
    Source: Papadimitriou and Yannakakis, On the approximability of trade-offs, FOCS 2000, for the set itself.

    Args:
        covers: (N, N) whether point j stands for point i; every point stands for itself.
    """
    n = len(covers)
    if n < 2:
        return Cover(tuple(range(n)), proven=True)
    needed = covers[_needed(covers)]
    found = _solve(needed, np.ones(n), None)
    if len(found.kept) == n or n > MOST_ORDERED:
        return found
    earliest = _solve(needed, np.arange(n, dtype=np.float64), len(found.kept), found)
    return Cover(earliest.kept, found.proven)


def _needed(covers: BoolArray) -> BoolArray:
    """(N,) rows that must be asked for: who stands for one of the others stands for the rest too.

    A row whose set of stand-ins holds another row's set is met whenever that one is; of equal rows the first
    is kept.
    """
    rows = covers.astype(np.float32)  # counts are exact below 2^24
    shared = rows @ rows.T
    size = rows.sum(axis=1)
    holds = shared == size[None, :]  # [i, k]: the set of k lies in that of i
    earlier = np.tri(len(rows), k=-1, dtype=np.bool_)
    strictly = holds & (size[None, :] < size[:, None])
    equal = holds & (size[None, :] == size[:, None]) & earlier
    needed: BoolArray = ~(strictly | equal).any(axis=1)
    return needed


def _solve(covers: BoolArray, price: FloatArray, count: int | None, otherwise: Cover | None = None) -> Cover:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    n = covers.shape[1]
    rules = [LinearConstraint(csr_array(covers.astype(np.float64)), lb=1.0)]
    if count is not None:
        rules.append(LinearConstraint(np.ones((1, n)), lb=count, ub=count))
    options = {"node_limit": NODES, "mip_rel_gap": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the solver, about its options
        found = milp(price, constraints=rules, integrality=np.ones(n), bounds=Bounds(0, 1), options=options)
    if found.x is None and otherwise is not None:
        return otherwise
    if found.x is None:
        msg = f"no thinner front found within {NODES} nodes ({found.message}); give larger tolerances"
        raise InputError(msg)
    return Cover(tuple(int(i) for i in np.flatnonzero(found.x > 0.5)), proven=found.status == 0)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
