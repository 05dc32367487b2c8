"""What a study came to in numbers: how many trials are feasible, and what stands in the way of the others."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from typing_extensions import override

if TYPE_CHECKING:
    from codesign.objectives import Constraint, Demands
    from codesign.search.stages.ledger import Payment
    from codesign.search.trial import Trial
    from search_spaces.knobs import Scalar


@dataclass(frozen=True, slots=True)
class Change:
    """A knob at the value that brings a quantity closest to its bound, as far as the trials show.

    Attributes:
        knob, value: what to choose.
        median: median of the quantity over the trials that have it.
        trials: their number.
    """

    knob: str
    value: Scalar
    median: float
    trials: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """What one constraint did.

    Attributes:
        constraint: as it was asked for ("latency_ms <= 10").
        name, unit: of its quantity.
        rejected: trials known to break it; alone: those that break no other.
        unknown: trials for which it cannot be told.
        median: median demand of the trials that break it; bound: what was allowed.
        nearest: the demand of the trial that misses the bound by least.
        lever: what brings the quantity down.
        helps: the knobs that help most, best first.
    """

    constraint: str
    name: str
    unit: str
    rejected: int
    alone: int
    unknown: int
    median: float | None
    bound: float
    nearest: float | None
    lever: str
    helps: tuple[Change, ...] = ()

    @override
    def __str__(self) -> str:
        unknown = f"cannot be told for {self.unknown} trials; allow_unknown lets them in, marked"
        if self.median is None or self.nearest is None:
            return f"{self.constraint} {unknown}"
        said = (
            f"{self.constraint} rejects {self.rejected} trials ({self.alone} of them alone): median demand "
            f"{self.median:.4g} {self.unit}, bound {self.bound:g} {self.unit}, nearest {self.nearest:.4g} "
            f"{self.unit}; lever: {self.levers}"
        )
        return f"{said}; it {unknown}" if self.unknown else said

    @property
    def levers(self) -> str:
        """What to change: what helped most among the trials, then what helps in general."""
        shown = [
            f"{h.knob}={h.value} (median {h.median:.4g} {self.unit} in {h.trials} trials)" for h in self.helps
        ]
        return "; ".join([*shown, self.lever or "relax the bound"])


@dataclass(frozen=True, slots=True)
class StageSummary:
    """What one stage did.

    Attributes:
        stage: its name.
        rated: networks that it rated, at whatever precision.
        failed: of them.
        stopped: trials that went no further.
        paid: full-training equivalents.
    """

    stage: str
    rated: int
    failed: int
    stopped: int
    paid: float

    @override
    def __str__(self) -> str:
        parts = [f"{self.stage}: {self.rated} rated for {self.paid:.4g} full trainings"]
        parts += [f"{n} {word}" for n, word in ((self.stopped, "stopped"), (self.failed, "failed")) if n]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Summary:
    """A study in numbers.

    Attributes:
        n_trials: all of them; feasible, unknown, infeasible, failed: by status.
        n_front: points of the front.
        rejections: the constraint that rejects most first; those that reject nothing are left out.
        reasons: what else stood in the way, the most frequent first, with how often.
        stopped: trials that were stopped before the last stage.
        stages: the stages with what was paid for them; () where there are none.
    """

    n_trials: int
    feasible: int
    unknown: int
    infeasible: int
    failed: int
    n_front: int
    rejections: tuple[Rejection, ...]
    reasons: tuple[tuple[str, int], ...]
    stopped: int = 0
    stages: tuple[StageSummary, ...] = ()

    @property
    def paid(self) -> float | None:
        """Full-training equivalents in all; None: not counted."""
        return math.fsum(s.paid for s in self.stages) if self.stages else None

    @override
    def __str__(self) -> str:
        parts = [f"{self.n_trials} trials: {self.feasible} feasible ({self.n_front} on the front)"]
        parts += [f"{n} {word}" for n, word in self._others() if n]
        if self.paid is not None:
            parts.append(f"{self.paid:.4g} full trainings paid")
        return ", ".join(parts)

    def _others(self) -> list[tuple[int, str]]:
        return [
            (self.stopped, "stopped early"),
            (self.infeasible, "infeasible"),
            (self.unknown, "unknown"),
            (self.failed, "failed"),
        ]

    @property
    def why_nothing(self) -> str:
        """Why nothing is feasible, and what to do; "" where something is."""
        if self.feasible:
            return ""
        if not self.n_trials:
            return "no trial was evaluated yet"
        lines = [f"nothing is feasible among {self.n_trials} trials"]
        if self.rejections:
            lines.append(f"what rejects most: {self.rejections[0]}")
        lines += [f"also: {r}" for r in self.rejections[1:]]
        lines += [f"{n} x {reason}" for reason, n in self.reasons[:3]]
        return "\n".join(lines)


def summarise(
    trials: Sequence[Trial],
    demands: Demands,
    n_front: int,
    stages: Sequence[str] = (),
    payments: Sequence[Payment] = (),
) -> Summary:
    """Count the trials and what rejects them; of a staged study also what was paid."""
    status = Counter(t.verdict.status for t in trials)
    rejections = [r for c in demands.constraints if (r := _rejection(trials, c)).rejected or r.unknown]
    # what no constraint accounts for: cannot run, not modelled, failed, an objective that is unknown
    own = tuple(f"{c.name} is " for c in demands.constraints)
    judged = [t for t in trials if t.verdict.status != "stopped"]
    others = _kinds(r for t in judged for r in t.verdict.reasons if not r.startswith(own))
    return Summary(
        n_trials=len(trials),
        feasible=status["feasible"],
        unknown=status["unknown"],
        infeasible=status["infeasible"],
        failed=status["failed"],
        n_front=n_front,
        rejections=tuple(sorted(rejections, key=lambda r: (-r.rejected, -r.unknown))),
        reasons=others,
        stopped=status["stopped"],
        stages=tuple(_stage(name, trials, payments) for name in stages),
    )


def _stage(name: str, trials: Sequence[Trial], payments: Sequence[Payment]) -> StageSummary:
    mine = [p for p in payments if p.stage == name]
    return StageSummary(
        stage=name,
        rated=len({p.network for p in mine}),
        failed=len({p.network for p in mine if p.problem}),
        stopped=sum(t.verdict.status == "stopped" and t.stage == name for t in trials),
        paid=math.fsum(p.paid for p in mine),
    )


FEWEST: Final = 2
"""Trials with a value of a knob before its median says anything."""
MOST_LEVERS: Final = 2


def _rejection(trials: Sequence[Trial], c: Constraint) -> Rejection:
    def broken(t: Trial) -> set[str]:
        return {n for n, x in t.verdict.excess.items() if x is not None and x > 0}

    hit = [t for t in trials if c.name in broken(t)]
    demands = [t.verdict.quantities[c.name].value for t in hit]
    known = [d for d in demands if d is not None]
    return Rejection(
        constraint=str(c),
        name=c.name,
        unit=c.of.unit,
        rejected=len(hit),
        alone=sum(broken(t) == {c.name} for t in hit),
        unknown=sum(c.name in t.verdict.excess and t.verdict.excess[c.name] is None for t in trials),
        median=statistics.median(known) if known else None,
        bound=c.bound,
        nearest=min(known, key=c.excess) if known else None,
        lever=c.of.lever,
        helps=_helps(trials, c) if known else (),
    )


def _helps(trials: Sequence[Trial], c: Constraint) -> tuple[Change, ...]:
    """The knobs with a value at which the median demand is closer to the bound than over all trials."""
    told = [(t, v) for t in trials if (q := t.verdict.quantities.get(c.name)) and (v := q.value) is not None]
    by_knob: dict[str, dict[Scalar, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trial, value in told:
        for knob, chosen in trial.candidate.items():
            by_knob[knob][chosen].append(value)
    overall = c.excess(statistics.median(v for _, v in told))
    best = []
    for knob, values in by_knob.items():
        medians = [
            Change(knob, v, statistics.median(d), len(d)) for v, d in values.items() if len(d) >= FEWEST
        ]
        if len(medians) > 1:
            best.append(min(medians, key=lambda h: c.excess(h.median)))
    better = sorted((h for h in best if c.excess(h.median) < overall), key=lambda h: c.excess(h.median))
    return tuple(better[:MOST_LEVERS])


def _kinds(reasons: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Reasons that differ in their figures alone, counted together under the first of them."""
    first: dict[str, list[str]] = {}
    for reason in reasons:
        first.setdefault(re.sub(r"(?<!\w)[-+]?\d[\d.]*(e[-+]?\d+)?\b", "#", reason), []).append(reason)
    shown = [(_shortened(told), len(told)) for told in first.values()]
    return tuple(sorted(shown, key=lambda kv: (-kv[1], kv[0])))


def _shortened(alike: Sequence[str]) -> str:
    text = alike[0] if len(alike[0]) <= 160 else f"{alike[0][:157]}..."
    return text if len(set(alike)) == 1 else f"{text} (and alike)"
