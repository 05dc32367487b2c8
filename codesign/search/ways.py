"""One network, many chips: a quality that was paid for once is judged on every chip for nothing.

In a joint space the quality belongs to a network at a precision and the costs to that on a chip. So a search
that knows costs trains networks, not pairs: every network that it thinks about is costed on all chips in one
sweep, and every network that was trained is a point on each of them. A trial is one training, shown on the
chip that it was picked for; the points of the same training on other chips are kept beside it where nothing
known by then beats them. A point that is beaten stays beaten, so the front holds every point that the
trained networks reach, and a journal grows with the front and not with the number of chips.

Up to `MOST_CHIPS` chips are all looked at. Of a longer list or a larger family half as many are drawn once,
and after 8, 16, 32 ... trainings those of the front join them; the chips of a network that was trained are
refined edit by edit, which costs nothing either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from search_spaces.features import Featured
from search_spaces.product import Product

if TYPE_CHECKING:
    from codesign.evaluate import Evaluation
    from codesign.objectives import Demands, Verdict
    from codesign.search.free import Free
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

FloatArray = NDArray[np.float64]

MOST_CHIPS: Final = 64
"""Chips that every network is costed on."""
FIRST_LOOK: Final = 8
"""Trainings after which the chips of a family are chosen anew for the first time."""
REFINED: Final = 2
"""Rounds in which the chips of a trained network are refined."""


class Ways:
    """The ways to run what a search trains: itself, or in a joint space a network on each of the chips.

    Args:
        space: that is searched.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._product = space if isinstance(space, Product) else None
        self.space: SearchSpace = space.rated if isinstance(space, Product) else space
        self._chips = () if self._product is None else _first_chips(self._product.chips)

    @property
    def chips(self) -> tuple[Candidate, ...]:
        """Those that every network is costed on; none outside of a joint space."""
        return self._chips

    @property
    def joint(self) -> bool:
        """Whether one training is judged on several chips."""
        return self._product is not None

    @property
    def of_a_family(self) -> bool:
        """Whether there are more chips than are looked at."""
        return self._product is not None and self._product.chips.size > MOST_CHIPS

    def trained(self, candidate: Candidate) -> Candidate:
        """What of a canonical candidate is trained."""
        return candidate if self._product is None else self._product.effective(candidate)

    def of(self, trained: Candidate) -> tuple[Candidate | None, ...]:
        """One candidate for each chip that is looked at; None: it has no peak at the precision."""
        if self._product is None:
            return (trained,)
        return tuple(self._product.on(trained, chip) for chip in self._chips)

    def features(self, trained: Sequence[Candidate]) -> FloatArray | None:
        """(n, f) what the space of networks counts of what is trained; None: it counts nothing."""
        networks = self.space if self._product is None else self._product.networks
        if not isinstance(networks, Featured):
            return None
        told = trained if self._product is None else [self._product.network(c) for c in trained]
        return np.asarray(networks.features(told), np.float64)

    def chip_of(self, candidate: Candidate) -> Candidate:
        """The chip of a candidate of a joint space."""
        assert self._product is not None
        return candidate.only(self._product.chips.knobs)

    def renew(self, reached: Sequence[Iterable[Candidate]]) -> None:
        """Look at the chips of a family that the front of the trainings so far lies on.

        Args:
            reached: for each training the candidates that it put on the front of its time, the latest last.
        """
        assert self._product is not None
        counted = FIRST_LOOK
        if len(reached) < counted:
            self._chips = _first_chips(self._product.chips)
            return
        while 2 * counted <= len(reached):
            counted *= 2
        newest = (self.chip_of(c) for row in reversed(reached[:counted]) for c in row)
        front = list(dict.fromkeys(newest))[: MOST_CHIPS // 2]
        self._chips = tuple(dict.fromkeys([*_first_chips(self._product.chips), *front]))[:MOST_CHIPS]

    def near(self, chips: Iterable[Candidate], seen: set[Candidate]) -> list[Candidate]:
        """Chips of a family one edit away from some, at most `MOST_CHIPS` and none seen."""
        if self._product is None or not self.of_a_family:
            return []
        family = self._product.chips
        edits = dict.fromkeys(n for chip in chips for n in family.neighbours(chip) if n not in seen)
        return list(edits)[:MOST_CHIPS]

    def on(self, trained: Candidate, chips: Iterable[Candidate]) -> list[Candidate]:
        """Candidates of what was trained on those of the chips that can run it."""
        assert self._product is not None
        found = (self._product.on(trained, chip) for chip in chips)
        return [c for c in found if c is not None]


def _first_chips(chips: SearchSpace) -> tuple[Candidate, ...]:
    """All chips of a list or of a small family; of a large one half of `MOST_CHIPS`, the same every time."""
    if chips.size <= MOST_CHIPS:
        return tuple(chips.candidates())
    rng = np.random.default_rng(0)
    drawn = dict.fromkeys(chips.sample(rng) for _ in range(4 * MOST_CHIPS))
    return tuple(drawn)[: MOST_CHIPS // 2]


class Reached:
    """The points that nothing told so far beats, as values that are minimised.

    Args:
        demands: objectives and constraints.
    """

    def __init__(self, demands: Demands) -> None:
        self._demands = demands
        self._values = np.empty((0, len(demands.objectives)))

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Points that were told."""
        from codesign.front import non_dominated

        new = [v for verdict in verdicts if (v := self.values(verdict)) is not None]
        if new:
            values = np.concatenate([self._values, np.array(new)])
            self._values = np.unique(values[non_dominated(values)], axis=0)

    def unbeaten(self, verdicts: Sequence[Verdict]) -> list[int]:
        """Positions of those that no point told so far and none of the others beats."""
        from codesign.front import non_dominated

        known = [(i, v) for i, verdict in enumerate(verdicts) if (v := self.values(verdict)) is not None]
        if not known:
            return []
        values = np.concatenate([self._values, np.array([v for _, v in known])])
        stays = non_dominated(values)[len(self._values) :]
        return [i for (i, _), kept in zip(known, stays, strict=True) if kept]

    def values(self, verdict: Verdict) -> list[float] | None:
        """Objectives as they are minimised; None where the point has no place on a front."""
        if verdict.status != "feasible":
            return None
        told = [(o.sign, verdict.quantities[o.name].value) for o in self._demands.objectives]
        known = [sign * value for sign, value in told if value is not None]
        return known if len(known) == len(told) else None


def beside(free: Free, paid: Evaluation, reached: Reached) -> list[Evaluation]:
    """Evaluations of what was paid for on other chips, those that nothing beats; none outside a joint space.

    Args:
        free: what is known before anything is paid.
        paid: the evaluation with its quality.
        reached: what was told before, this evaluation included.
    """
    ways = free.ways
    if not ways.joint or paid.state != "ok":
        return []
    trained, shown = ways.trained(paid.candidate), ways.chip_of(paid.candidate)
    seen, chips, best = {shown}, [c for c in ways.chips if c != shown], [shown]
    kept: list[Evaluation] = []
    for _ in range(1 + REFINED):
        seen.update(chips)
        looked = [_with_quality(e, paid, free) for e in free.evaluations(ways.on(trained, chips))]
        kept = [*kept, *looked]
        kept = [kept[i] for i in reached.unbeaten([free.demands.judge(e) for e in kept])]
        best = [*best, *(ways.chip_of(e.candidate) for e in kept)]
        chips = ways.near(best, seen)
        if not chips:
            break
    if not kept:
        return []
    own, *others = free.evaluator.free([paid.candidate, *(e.candidate for e in kept)])
    said = tuple(note for note in paid.notes if note not in own.notes)
    return [replace(e, notes=(*said, *e.notes)) for e in (_with_quality(e, paid, free) for e in others)]


def _with_quality(evaluation: Evaluation, paid: Evaluation, free: Free) -> Evaluation:
    """An evaluation of the same network at the same precision with the quality that was paid for."""
    facts = {n: paid.facts[n] for n in free.evaluator.paid if n in paid.facts}
    steps = None if paid.steps is None else tuple(replace(s, paid=0.0) for s in paid.steps)
    return replace(evaluation, error=paid.error, facts={**evaluation.facts, **facts}, steps=steps)
