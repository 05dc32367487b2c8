"""The front: the points that nothing beats, with tools to choose among them.

Dominance and hypervolume are moocore's, on the best figures. Points that are equal in every objective stay
together; a point that lacks an objective is on no front.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from codesign.front.compare import compare_fronts
from codesign.front.dominance import BoolArray, intervals_of, non_dominated, values_of
from codesign.front.knees import knee_of
from codesign.front.membership import DRAWS, Membership, membership_of
from codesign.front.tolerance import fewest, stands_for, tolerances
from codesign.objectives import Constraint, Demands, Objective, objective
from codesign.search.trial import Trial, frame
from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

    from codesign.front.comparison import FrontComparison
    from codesign.front.truths import Errors


@dataclass(frozen=True, eq=False)
class Front:
    """The non-dominated feasible trials of a study.

    Attributes:
        trials: every trial that was considered, in the order of their numbers.
        demands: objectives and constraints.
        origin: how the front came about where no study aimed at it, in a sentence.
        kept: numbers of the points that were chosen from the front; None: all of them.
    """

    trials: tuple[Trial, ...]
    demands: Demands
    origin: str = ""
    kept: frozenset[int] | None = None

    @classmethod
    def of(cls, trials: Sequence[Trial] | Front, demands: Demands) -> Front:
        """The front of some trials, or of the points of another front."""
        given = trials.members if isinstance(trials, Front) else trials
        return cls(tuple(sorted(given, key=lambda t: t.number)), demands)

    @cached_property
    def members(self) -> tuple[Trial, ...]:
        """The points of the front, best in the first objective first."""
        return tuple(t for t in self._undominated if self.kept is None or t.number in self.kept)

    @cached_property
    def _undominated(self) -> tuple[Trial, ...]:
        eligible = [t for t in self.trials if t.feasible]
        values = values_of(eligible, self.demands.objectives)
        best = [t for t, stays in zip(eligible, non_dominated(values), strict=True) if stays]
        order = {t.number: tuple(v) for t, v in zip(eligible, values, strict=True)}
        return tuple(sorted(best, key=lambda t: (order[t.number], t.number)))

    def __len__(self) -> int:
        return len(self.members)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Front) and self.members == other.members and self.goals == other.goals

    @override
    def __hash__(self) -> int:
        return hash(tuple(t.number for t in self.members))

    @override
    def __repr__(self) -> str:
        n = len(self.trials)
        return (
            f"Front({len(self)} of {n} trials, "
            f"{', '.join(f'{o.goal} {o.name}' for o in self.demands.objectives)})"
        )

    def _repr_html_(self) -> str:
        shown = self.to_frame()[
            ["id", "network", "chip", "precision", *self.demands.names(), "bound", "membership"]
        ]
        more = f"<p>{len(self) - 50} more points</p>" if len(self) > 50 else ""
        return f"<p>{html.escape(repr(self))}</p>{shown.head(50).to_html(index=False)}{more}"

    @property
    def goals(self) -> Mapping[str, str]:
        """Objective -> "min" or "max"."""
        return {o.name: o.goal for o in self.demands.objectives}

    def to_frame(self) -> pd.DataFrame:
        """One row per point.

        Not `separable`: in every objective it overlaps another point; `membership`: how likely it is truly on
        the front.
        """
        clashes = self.not_separable
        extra: dict[str, list[Any]] = {
            "membership": [self._likely.of(t.number) for t in self.members],
            "membership_error": [self._likely.error(t.number) for t in self.members],
            "separable": [not clashes[t.number] for t in self.members],
            "not_separable_from": [", ".join(str(n) for n in clashes[t.number]) for t in self.members],
        }
        return frame(self.members, self.demands, extra)

    @property
    def points(self) -> pd.DataFrame:
        """One row per trial with its `role`.

        Roles: front, left out (of the front, not chosen), dominated, rejected (beyond a limit), unknown.
        """
        role = dict.fromkeys(("failed", "unknown", "stopped"), "unknown")
        role |= {"infeasible": "rejected", "feasible": "dominated"}
        roles = {t.number: role[t.verdict.status] for t in self.trials}
        roles |= {t.number: "left out" for t in self._undominated}
        roles |= {t.number: "front" for t in self.members}
        extra: dict[str, list[Any]] = {
            "role": list(roles.values()),
            "separable": [not self.not_separable.get(t.number) for t in self.trials],
            "membership": [self._likely.of(t.number) for t in self.trials],
        }
        return frame(self.trials, self.demands, extra)

    def to_records(self) -> list[dict[str, Any]]:
        """The points for JSON: id, knobs, quantities by name, `feasible`, fidelity and interval of each."""
        records = []
        for row, trial in zip(self.to_frame().to_dict("records"), self.members, strict=True):
            plain = {str(k): None if v != v else v for k, v in row.items()}  # noqa: PLR0124 - NaN
            names = [k.removesuffix("_fidelity") for k in plain if k.endswith("_fidelity")]
            spread = {f"{n}{end}" for n in names for end in ("_low", "_high", "_fidelity")}
            record = {k: v for k, v in plain.items() if k not in spread and k not in {"status", "why"}}
            record["fidelity"] = {n: plain[f"{n}_fidelity"] or None for n in names}
            record["low"] = {n: plain[f"{n}_low"] for n in names}
            record["high"] = {n: plain[f"{n}_high"] for n in names}
            record["not_separable_from"] = list(self.not_separable[trial.number])
            record["assumed"], record["uncertain"] = (
                list(trial.verdict.assumed),
                list(trial.verdict.uncertain),
            )
            record["notes"] = list(trial.evaluation.notes)
            records.append(record)
        return records

    @cached_property
    def not_separable(self) -> Mapping[int, tuple[int, ...]]:
        """Point -> the other points of the front whose intervals overlap its own in every objective."""
        low, high = intervals_of(self.members, self.demands.objectives)
        reaches: BoolArray = low[:, None, :] <= high[None, :, :]
        overlap: BoolArray = np.logical_and(reaches, reaches.transpose(1, 0, 2)).min(axis=2, initial=True)
        np.fill_diagonal(overlap, val=False)
        numbers = [t.number for t in self.members]
        return {
            n: tuple(sorted(numbers[j] for j in np.flatnonzero(overlap[i]))) for i, n in enumerate(numbers)
        }

    @property
    def fidelities(self) -> Mapping[str, tuple[str, ...]]:
        """Objective -> the fidelities of its values on the front; more than one: the front mixes them."""
        found = {o.name: {t.quantity(o).fidelity for t in self.members} for o in self.demands.objectives}
        return {name: tuple(sorted(f)) for name, f in found.items()}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the front must know, in sentences."""
        said = [self.origin] if self.origin else []
        said += [f"{n} mixes {' and '.join(f)}" for n, f in self.fidelities.items() if len(f) > 1]
        assumed = sum(bool(t.verdict.assumed) for t in self.members)
        if assumed:
            said.append(f"{assumed} points were let in although a constraint on them is unknown")
        blurred = sum(bool(c) for c in self.not_separable.values())
        if blurred:
            said.append(
                f"{blurred} of {len(self)} points are not separable from another: their intervals overlap "
                "in every objective"
            )
        return tuple(said)

    def membership(self, *, n_draws: int = DRAWS, seed: int = 0, errors: Errors | None = None) -> Membership:
        """How likely each trial, on the front or off it, truly belongs to it, given all intervals.

        Args:
            n_draws: Monte-Carlo draws; the error of a probability is at most 0.5 / sqrt(n_draws).
            seed: of the draws.
            errors: what the errors of points have in common; None: as measured (`codesign.front.truths`).
        """
        how = {"n_draws": n_draws, "seed": seed}
        return membership_of(self.trials, self._undominated, self.demands, errors=errors, **how)

    @cached_property
    def _likely(self) -> Membership:
        return self.membership()

    def knee(self, kind: str = "ideal") -> Trial:
        """The point to take while nobody says what each objective is worth; ties: the earlier trial.

        Args:
            kind: "ideal": nearest to the ideal point, objectives scaled to 0..1 over the front; "trade_off":
                from which going to any other point gives up most for what it brings, scaled alike.

        Raises:
            InputError: where the front is empty.
            UnknownNameError: a kind that there is not.
        """
        self._need_points()
        points = sorted(self.members, key=lambda t: t.number)
        return points[knee_of(values_of(points, self.demands.objectives), kind)]

    def thin(self, epsilon: Mapping[str, float | str] | float | str) -> Front:
        """The fewest points that are within a tolerance nowhere worse than each point left out.

        Where that is not proven, `remarks` says so. Of equal points one stays. The points that are
        best in one objective may go, if another is within the tolerance.

        Args:
            epsilon: objective -> how much worse still counts as no worse: a number in its unit, a share such
                as "5 %", or a factor such as "1.05x"; 0 for objectives not named. One text: for all of them.

        Raises:
            InputError: what is no tolerance.
            UnknownNameError: a name that is none of the objectives.
        """
        objectives = self.demands.objectives
        allowed = tolerances(objectives, epsilon)
        points = sorted(self.members, key=lambda t: t.number)
        covers = stands_for(values_of(points, objectives), objectives, allowed)
        found = fewest(covers)
        told = ", ".join(f"{o.name} {t}" for o, t in zip(objectives, allowed, strict=True))
        kept = frozenset(points[i].number for i in found.kept)
        said = "fewest" if found.proven else "a few (not proven the fewest)"
        origin = f"{said} points that stand for all {len(points)} of the front within {told}"
        return replace(self, origin=_and(self.origin, origin), kept=kept)

    def under(
        self,
        constraints: Mapping[str, str | None] | None = None,
        objectives: Sequence[str | Objective] | None = None,
        *,
        rate_hz: float | None = None,
    ) -> Front:
        """The front of all trials under other demands, without evaluating anything: each is judged anew.

        Points that were dominated or rejected before may be on it. What no trial tried is not.

        Args:
            constraints: quantity -> new bound ("<= 5"), or None to drop the bound there is; those not named
                stay.
            objectives: what is wanted instead; None: as before.
            rate_hz: images per second that the application needs now; None: as before.

        Raises:
            InputError: a bound that is none, an objective given twice.
            UnknownNameError: a quantity that there is not, or a bound to drop that there is not.
        """
        demands = self._changed(dict(constraints or {}), objectives, rate_hz)
        evaluations = [
            t.evaluation if rate_hz is None else replace(t.evaluation, rate_hz=rate_hz) for t in self.trials
        ]
        judged = [Trial(t.number, e, demands.judge(e)) for t, e in zip(self.trials, evaluations, strict=True)]
        held = "; ".join(
            [*(f"{o.goal} {o.name}" for o in demands.objectives), *map(str, demands.constraints)]
        )
        return Front(
            tuple(judged),
            demands,
            f"judged anew under {held}: the search did not aim at it, one that does may find better",
        )

    def _changed(
        self,
        bounds: dict[str, str | None],
        objectives: Sequence[str | Objective] | None,
        rate_hz: float | None,
    ) -> Demands:
        if rate_hz is not None and not rate_hz > 0:
            msg = f"rate_hz={rate_hz!r} given, expected images per second above 0"
            raise InputError(msg)
        d = self.demands
        known = {c.name: c.of for c in d.constraints} | {o.name: o for o in d.objectives}
        wanted = (
            d.objectives
            if objectives is None
            else [o if isinstance(o, Objective) else known.get(o) or objective(o) for o in objectives]
        )
        here = [c.name for c in d.constraints]
        gone = [n for n, text in bounds.items() if text is None and n not in here]
        if gone:
            told = f"bounds: {', '.join(here)}" if here else "there is no bound"
            raise UnknownNameError("constraint to drop", gone[0], here, told)
        kept = [c for c in d.constraints if c.name not in bounds and not (rate_hz and c.implied_by)]
        new = [
            Constraint.parse(known.get(n) or objective(n), text)
            for n, text in bounds.items()
            if text is not None
        ]
        return Demands.of(
            wanted,
            [*kept, *new],
            rate_hz=rate_hz,
            allow_unknown=d.allow_unknown,
            allow_unmodelled=d.allow_unmodelled,
        )

    def compare(
        self,
        other: Front,
        names: tuple[str, str] = ("this", "other"),
        *,
        n_draws: int = DRAWS,
        seed: int = 0,
        errors: Errors | None = None,
        logarithms: bool = True,
    ) -> FrontComparison:
        """Hold this front against another in the same objectives: coverage, hypervolume, what beats what.

        Args:
            other: the other front.
            names: what the two are called.
            n_draws: draws that say what the intervals can tell.
            seed: of the draws.
            errors: what the errors of points have in common; None: as measured.
            logarithms: whether costs are scaled as logarithms; what is in per cent never is.

        Raises:
            InputError: other objectives, goals or units, equal names, or no point on either front.
        """
        how = {"n_draws": n_draws, "seed": seed}
        return compare_fronts(self, other, names, errors=errors, logarithms=logarithms, **how)

    def filter(
        self, constraints: Mapping[str, str] | None = None, *, where: Callable[[Trial], bool] | None = None
    ) -> Front:
        """The points of the front that also meet these bounds; an unknown quantity meets none.

        Args:
            constraints: quantity -> bound, as a study takes them: `{"latency_ms": "<= 5"}`.
            where: any further condition on a trial.
        """
        bounds = [Constraint.parse(self._named(n), text) for n, text in (constraints or {}).items()]
        kept = [t for t in self.members if all(_meets(t, b) for b in bounds) and (where is None or where(t))]
        return replace(self, kept=frozenset(t.number for t in kept))

    def choose(self, best: str | Objective, constraints: Mapping[str, str] | None = None) -> Trial:
        """The point best in one quantity among those that meet the bounds; ties go to the earlier trial.

        Raises:
            InputError: where no point meets them.
        """
        wanted = self._named(best) if isinstance(best, str) else best
        left = self.filter(constraints).members
        known = [(wanted.sign * q.value, t) for t in left if (q := t.quantity(wanted)).value is not None]
        if not known:
            bounds = ", ".join(f"{n} {b}" for n, b in (constraints or {}).items()) or "no bound"
            msg = (
                f"none of the {len(self)} points of the front has a known {wanted.name} and meets "
                f"{bounds}; relax a bound"
            )
            raise InputError(msg)
        return min(known, key=lambda p: (p[0], p[1].number))[1]

    def hypervolume(self, reference: Mapping[str, float]) -> float:
        """Volume that the front dominates, up to a reference point, in the product of the objectives' units.

        Args:
            reference: objective -> the worst value that still counts, in its own unit.

        Raises:
            InputError: where the reference lacks an objective.
        """
        import moocore

        missing = [n for n in self.demands.names() if n not in reference]
        if missing:
            msg = (
                f"reference point without '{missing[0]}', expected a value for "
                f"{', '.join(self.demands.names())}"
            )
            raise InputError(msg)
        if not self.members:
            return 0.0
        values = values_of(self.members, self.demands.objectives)
        corner = np.array([o.sign * reference[o.name] for o in self.demands.objectives])
        return float(moocore.hypervolume(values, ref=corner))

    def _named(self, name: str) -> Objective:
        own = {o.name: o for o in self.demands.objectives}
        return own.get(name) or objective(name)

    def _need_points(self) -> None:
        if not self.members:
            why = (
                f"none of {len(self.trials)} trials is feasible; `status` says which constraint rejects most"
            )
            if self._undominated:
                why = f"none of its {len(self._undominated)} points meets what was asked of them"
            msg = f"the front is empty: {why}"
            raise InputError(msg)


def _meets(trial: Trial, bound: Constraint) -> bool:
    value = trial.quantity(bound.of).value
    return value is not None and bound.excess(value) <= 0


def _and(*sentences: str) -> str:
    return "; ".join(s for s in sentences if s)
