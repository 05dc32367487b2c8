"""Two fronts held against each other: what covers what, by how much, and whether the intervals can tell.

Measures on the best figures: coverage C (Zitzler and Thiele, IEEE TEC 3(4), 1999), hypervolume and additive
epsilon indicator (Zitzler et al., IEEE TEC 7(2), 2003), the last two by moocore with the objectives scaled to
0..1 over both fronts, reference 1.1 in each. Costs are scaled as logarithms unless told otherwise, because
they span decades and half the latency is worth the same anywhere; what is in per cent, or not above 0, as it
is. The intervals come in by drawing what is true of all points of both fronts together
(`codesign.front.truths`), so that an error that two points share decides nothing between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from codesign.front.comparison import Along, Difference, FrontComparison, Held, Standing
from codesign.front.dominance import BoolArray, FloatArray, scaled, values_of
from codesign.front.truths import Errors, draws
from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.front.front import Front
    from codesign.objectives import Objective
    from codesign.search.trial import Trial

REFERENCE: Final = 1.1


def compare_fronts(
    first: Front,
    second: Front,
    names: tuple[str, str],
    *,
    n_draws: int,
    seed: int,
    errors: Errors | None = None,
    logarithms: bool = True,
) -> FrontComparison:
    """Hold two fronts against each other.

    Args:
        first: a front; its demands name the objectives.
        second: another in the same objectives.
        names: what they are called.
        n_draws: draws of what is true.
        seed: of the draws.
        errors: how errors hang together; None: as measured.
        logarithms: whether costs are scaled as logarithms.

    Raises:
        InputError: other objectives, goals or units, equal names, or no point on either front.
    """
    _check_comparable(first, second, names)
    objectives = first.demands.objectives
    one, two = (values_of(f.members, objectives) for f in (first, second))
    scale = _Scale(np.concatenate([one, two]), objectives, logarithms=logarithms)
    ideal, nadir = scale.box
    beats = _beats(one, two)
    beaten = _beats(two, one)
    larger, likely = _drawn(first, second, scale, (n_draws, seed, errors or Errors()))
    on = [scale.of(v) for v in (one, two)]
    volumes = tuple(_volume(v, ideal, nadir) for v in on)
    low, high = np.quantile(larger, (0.05, 0.95))
    difference = Difference(
        volumes[0] - volumes[1], float(low), float(high), float(((larger > 0) + 0.5 * (larger == 0)).mean())
    )
    points = [
        *_held(first.members, second.members, names[0], (beats, beaten), (one, two), likely[0]),
        *_held(second.members, first.members, names[1], (beaten, beats), (two, one), likely[1]),
    ]
    return FrontComparison(
        fronts=(first, second),
        names=names,
        coverage=(_covers(one, two), _covers(two, one)),
        hypervolume=(volumes[0], volumes[1]),
        difference=difference,
        epsilon=(_epsilon(on[0], on[1], ideal, nadir), _epsilon(on[1], on[0], ideal, nadir)),
        points=tuple(points),
        along=tuple(_along(one, two, k, o) for k, o in enumerate(objectives)),
    )


class _Scale:
    """How values are scaled: which of the objectives as logarithms, and from where to where.

    Args:
        values: (N, M) of both fronts, less is better.
        objectives: what the columns are.
        logarithms: whether costs are scaled as logarithms.
    """

    def __init__(self, values: FloatArray, objectives: Sequence[Objective], *, logarithms: bool) -> None:
        self.objectives = objectives
        self.sign = np.array([o.sign for o in objectives])
        plain = np.array([o.unit == "%" or not logarithms for o in objectives])
        self._logs: BoolArray = ~plain & np.all(values * self.sign > 0, axis=0)
        placed = self.of(values)
        self.box = placed.min(axis=0), placed.max(axis=0)

    def of(self, values: FloatArray) -> FloatArray:
        """(N, M) the values, or their logarithms, less is better."""
        placed = values.copy()
        placed[:, self._logs] = np.log((values * self.sign)[:, self._logs]) * self.sign[self._logs]
        return placed


def _check_comparable(first: Front, second: Front, names: tuple[str, str]) -> None:
    if names[0] == names[1]:
        msg = f"both fronts are called '{names[0]}', expected two names"
        raise InputError(msg)
    mine = {o.name: o for o in first.demands.objectives}
    theirs = {o.name: o for o in second.demands.objectives}
    alone = [(n, names[0], names[1]) for n in mine if n not in theirs]
    alone += [(n, names[1], names[0]) for n in theirs if n not in mine]
    if alone:
        name, here, there = alone[0]
        common = [n for n in mine if n in theirs]
        msg = (
            f"fronts of different objectives: '{name}' is one of {here} and not of {there}; "
            + (f"both have {', '.join(common)}: " if common else "")
            + "put one under the other's objectives first, `front.under(objectives=[...])`"
        )
        raise InputError(msg)
    for name, o in mine.items():
        for what in ("goal", "unit", "scale"):
            if getattr(o, what) != getattr(theirs[name], what):
                msg = (
                    f"objective '{name}' has {what} {getattr(o, what)!r} in {names[0]} and "
                    f"{getattr(theirs[name], what)!r} in {names[1]}, expected the same"
                )
                raise InputError(msg)
    if not len(first) and not len(second):
        msg = f"neither {names[0]} nor {names[1]} has a point; relax the constraints: `front.under({{...}})`"
        raise InputError(msg)


def _beats(one: FloatArray, two: FloatArray) -> BoolArray:
    """(A, B) whether point a beats point b: nowhere worse, somewhere better."""
    no_worse = (one[:, None, :] <= two[None, :, :]).all(axis=2)
    return np.asarray(no_worse & (one[:, None, :] < two[None, :, :]).any(axis=2), np.bool_)


def _covers(one: FloatArray, two: FloatArray) -> float | None:
    """C(one, two): share of the second's points that a point of the first is nowhere worse than."""
    if not len(two):
        return None
    return float(np.mean((one[:, None, :] <= two[None, :, :]).all(axis=2).any(axis=0)))


def _volume(values: FloatArray, ideal: FloatArray, nadir: FloatArray) -> float:
    """Hypervolume of (N, M) values in the box from the ideal to 1.1, as a share of the box."""
    import moocore

    if not len(values):
        return 0.0
    m = values.shape[1]
    volume = float(moocore.hypervolume(scaled(values, ideal, nadir), ref=np.full(m, REFERENCE)))
    return float(volume / REFERENCE**m)


def _epsilon(one: FloatArray, two: FloatArray, ideal: FloatArray, nadir: FloatArray) -> float | None:
    import moocore

    if not len(one) or not len(two):
        return None
    return float(moocore.epsilon_additive(scaled(one, ideal, nadir), ref=scaled(two, ideal, nadir)))


def _drawn(
    first: Front, second: Front, scale: _Scale, how: tuple[int, int, Errors]
) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """(D,) differences of the hypervolumes, and how likely each point of either front is beaten.

    Every draw has a box of its own: a law that runs everything too fast must not push both fronts out of it.
    """
    members = [*first.members, *second.members]
    n = len(first)
    truths = draws(members, scale.objectives, *how) * scale.sign
    differences = np.empty(len(truths))
    beaten = (np.zeros(n), np.zeros(len(members) - n))
    for d, truth in enumerate(truths):
        placed = scale.of(truth)
        one, two = placed[:n], placed[n:]
        box = placed.min(axis=0), placed.max(axis=0)
        differences[d] = _volume(one, *box) - _volume(two, *box)
        beaten[0][:] += _beats(two, one).any(axis=0)
        beaten[1][:] += _beats(one, two).any(axis=0)
    return differences, (beaten[0] / len(truths), beaten[1] / len(truths))


def _held(
    mine: Sequence[Trial],
    others: Sequence[Trial],
    side: str,
    beats: tuple[BoolArray, BoolArray],
    values: tuple[FloatArray, FloatArray],
    likely: FloatArray,
) -> list[Held]:
    mine_beat, they_beat = beats
    same = (values[0][:, None, :] == values[1][None, :, :]).all(axis=2).any(axis=1)
    found = []
    for i, trial in enumerate(mine):
        over = tuple(others[j].number for j in np.flatnonzero(mine_beat[i]).tolist())
        by = tuple(others[j].number for j in np.flatnonzero(they_beat[:, i]).tolist())
        standing: Standing = "beaten" if by else "equal" if same[i] else "beats" if over else "stands"
        found.append(Held(side, trial, standing, by, over, float(likely[i])))
    return found


def _along(one: FloatArray, two: FloatArray, k: int, of: Objective) -> Along:
    rest = [j for j in range(one.shape[1]) if j != k]
    no_worse = (one[:, None, rest] <= two[None, :, rest]).all(axis=2)
    reached = np.where(no_worse, one[:, None, k], np.inf).min(axis=0, initial=np.inf)
    hit = np.isfinite(reached)
    ours, theirs = of.sign * reached[hit], of.sign * two[hit, k]
    gain = None
    if hit.any() and min(ours.min(), theirs.min()) > 0:
        ratio = theirs / ours if of.goal == "min" else ours / theirs
        gain = float(np.median(ratio))
    best = tuple(float(of.sign * v[:, k].min()) if len(v) else None for v in (one, two))
    return Along(of.name, (best[0], best[1]), gain, int(hit.sum()), len(two))
