"""Rounds of candidates through the stages: what is forbidden is not paid for, few go on to the dear ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codesign.evaluate import Evaluation, Step
from codesign.objectives import Demands, Objective
from codesign.quality.base import RANK_SCORE
from codesign.search.free import Free, TellsCosts
from codesign.search.stages.ledger import Ledger, Payment
from codesign.search.stages.promotion import by_rank
from hw_models.cost.base import Estimate
from hw_models.errors import InputError
from search_spaces.product import Product

if TYPE_CHECKING:
    from codesign.evaluate import Evaluator
    from codesign.quality.base import Rating
    from codesign.search.stages.stage import Ladder
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

FloatArray = NDArray[np.float64]


@dataclass
class _Entry:
    """One candidate of a round on its way.

    Attributes:
        evaluation: what is known of it so far.
        counted: facts that were known before anything was paid.
        network, precision: what the stages rate.
        final: the last of it; None while it is still on its way.
    """

    evaluation: Evaluation
    counted: Mapping[str, float]
    network: Candidate
    precision: str
    final: Evaluation | None = None


@dataclass
class Staged:
    """Evaluates the rounds of a study stage by stage.

    A round is a function of its candidates and of what was told before: a killed search that asks the same
    round again finds what was paid for in the ledger and goes on where it was.

    Args:
        ladder: the stages.
        space: what is searched.
        evaluator: tells costs, and leaves out what the stages rate.
        demands: objectives and constraints.
        ledger: what was paid.
        free: costs on every chip, where a training is judged on all of them; None: on its own alone.
        known: of some candidates, evaluations of those that earlier studies paid for.
    """

    ladder: Ladder
    space: SearchSpace
    evaluator: TellsCosts
    demands: Demands
    ledger: Ledger = field(default_factory=Ledger)
    free: Free | None = None
    known: Callable[[Sequence[Candidate]], Mapping[Candidate, Evaluation]] = lambda _: {}

    @classmethod
    def of(cls, ladder: Ladder, space: SearchSpace, evaluator: Evaluator, demands: Demands) -> Staged:
        """The stages of a study, with nothing paid yet.

        Raises:
            InputError: an evaluator that cannot leave the quality out, or demands that no stage speaks of.
        """
        if not isinstance(evaluator, TellsCosts):
            msg = (
                f"stages {', '.join(ladder.names)} with an evaluator that cannot leave the quality out "
                "given, expected one with `paid` and `free`: what is forbidden must not be paid for"
            )
            raise InputError(msg)
        asked = {o.name for o in demands.objectives} | {c.name for c in demands.constraints}
        if not asked & set(evaluator.paid):
            msg = (
                f"stages {', '.join(ladder.names)} given, but nothing that is asked for "
                f"({', '.join(sorted(asked))}) must be paid for; expected {' or '.join(evaluator.paid)} "
                "among the objectives, or no stages"
            )
            raise InputError(msg)
        return cls(ladder, space, evaluator, demands)

    def __post_init__(self) -> None:
        paid = self.evaluator.paid
        free = tuple(o for o in self.demands.objectives if o.name not in paid)
        self._before = replace(
            self.demands,
            objectives=free or (Objective("nothing", "min", lambda _: 0.0),),
            constraints=tuple(c for c in self.demands.constraints if c.name not in paid),
        )
        self._round: tuple[Candidate, ...] = ()
        self._entries: dict[Candidate, _Entry] = {}

    def evaluations(
        self, asked: Sequence[Candidate], wanted: Sequence[Candidate], settled: int
    ) -> Iterator[Evaluation]:
        """The evaluations of some candidates of a round, in their order, each as soon as it is known.

        Args:
            asked: the whole round; who goes on is decided among all of them.
            wanted: those to evaluate now.
            settled: candidates of earlier rounds that went through all stages.
        """
        if self._round != tuple(asked):
            self._round, self._entries = tuple(asked), {}
            self._climb(settled)
        last = len(self.ladder.stages) - 1
        entries = [self._entries[c] for c in wanted]
        rated = self._rate(last, [e for e in entries if e.final is None])
        for entry in entries:
            if entry.final is None:
                entry.final = self._after(last, entry, next(rated))
            yield entry.final

    def _climb(self, settled: int) -> None:
        """Take the round through all stages but the last."""
        earlier = self.known(self._round)
        for candidate, evaluation in zip(self._round, self.evaluator.free(self._round), strict=True):
            costed = replace(evaluation, steps=())
            joint = isinstance(self.space, Product)
            network = self.space.network(candidate) if isinstance(self.space, Product) else candidate
            entry = _Entry(costed, costed.facts, network, costed.precision if joint else "")
            known = self.ledger.find(self.ladder.names[-1], network, entry.precision)
            if self._before.judge(costed).status != "feasible":
                entry.final = costed
            elif candidate in earlier:
                entry.final = replace(earlier[candidate], steps=())
            elif known is not None and known.candidate not in self._round:
                entry.final = self._after(len(self.ladder.stages) - 1, entry, known)
            self._entries[candidate] = entry
        for position in range(len(self.ladder.stages) - 1):
            climbing = [e for e in self._entries.values() if e.final is None]
            for entry, payment in zip(climbing, self._rate(position, climbing), strict=True):
                rated = self._after(position, entry, payment)
                entry.evaluation = rated
                if rated.state == "failed":
                    entry.final = rated
            if settled >= self.ladder.settle:
                self._stop(position, [e for e in climbing if e.final is None])

    def _rate(self, position: int, entries: Sequence[_Entry]) -> Iterator[Payment]:
        """What a stage says of each; what was paid for before is not paid again."""
        stage = self.ladder.stages[position]
        new: dict[tuple[str, str], _Entry] = {}
        for e in entries:
            if self.ledger.find(stage.name, e.network, e.precision) is None:
                new.setdefault((e.network.key, e.precision), e)
        ratings = stage.ratings([e.network for e in new.values()], [e.precision for e in new.values()])
        for e in entries:
            if self.ledger.find(stage.name, e.network, e.precision) is None:
                self.ledger.add(self._payment(position, e, next(ratings)))
            found = self.ledger.find(stage.name, e.network, e.precision)
            assert found is not None
            yield found

    def _payment(self, position: int, entry: _Entry, rating: Rating | str) -> Payment:
        stage = self.ladder.stages[position]
        again = self.ledger.trained(stage.name, entry.network)
        return Payment(
            stage=stage.name,
            candidate=entry.evaluation.candidate,
            network=entry.network,
            precision=entry.precision,
            rating=None if isinstance(rating, str) else rating,
            problem=rating if isinstance(rating, str) else "",
            paid=0.0 if again else self.ladder.price(position),
        )

    def _after(self, position: int, entry: _Entry, payment: Payment) -> Evaluation:
        """What is known after a stage; the fidelity of the error is the stage that it came from."""
        stage, before = self.ladder.stages[position], entry.evaluation
        paid = payment.paid if payment.candidate == before.candidate else 0.0
        if payment.rating is None:
            step = Step(stage.name, Estimate.unknown("%"), paid)
            steps = (*(before.steps or ()), step)
            return replace(before, state="failed", problem=payment.problem, steps=steps)
        error = payment.rating.error
        if error.value is not None:
            error = replace(error, fidelity=stage.name)
        notes = dict.fromkeys((*before.notes, *payment.rating.notes))
        steps = (*(before.steps or ()), Step(stage.name, error, paid))
        facts = {**entry.counted, **payment.rating.facts}
        return replace(before, error=error, facts=facts, notes=tuple(notes), steps=steps)

    def _stop(self, position: int, climbing: Sequence[_Entry]) -> None:
        """Stop those that do not go on; an error or an objective that is unknown goes nowhere."""
        ranked, points = [], []
        for entry in climbing:
            read = self._read(entry.evaluation)
            if None in read or not read:
                entry.final = entry.evaluation
                continue
            ranked.append(entry)
            points.append(self._points(entry, np.array(read, np.float64)))
        if not ranked:
            return
        order = by_rank(points)
        n, stage = self.ladder.goes_on(len(ranked)), self.ladder.stages[position].name
        for place, at in enumerate(order[n:].tolist(), n + 1):
            why = f"stopped after stage '{stage}': {place} of {len(ranked)} by rank, {n} went on"
            ranked[at].final = replace(ranked[at].evaluation, state="stopped", problem=why)

    def _read(self, evaluation: Evaluation) -> list[float | None]:
        """Objectives as they are minimised; where a stage only ranks, its rank score stands for the quality.

        All candidates of a round were rated by the same stage, so their scores can be compared.
        """
        found: list[float | None] = []
        quantities = self.demands.judge(evaluation).quantities
        for o in self.demands.objectives if quantities else ():
            value = quantities[o.name].value
            if value is None and o.name in self.evaluator.paid:
                rank = evaluation.facts.get(RANK_SCORE)
                found.append(None if rank is None else -rank)
            else:
                found.append(None if value is None else o.sign * value)
        return found

    def _points(self, entry: _Entry, own: FloatArray) -> FloatArray:
        """(r, m) objectives as they are minimised, on each chip that what was rated can run on."""
        if self.free is None:
            return own[None]
        costs = self.free.look([self.free.ways.trained(entry.evaluation.candidate)])[0][0]
        at = self.free.position
        allowed = costs[~np.isnan(costs).any(1), : len(own) - 1]
        return np.concatenate([own[None], np.insert(allowed, at, own[at], axis=1)])
