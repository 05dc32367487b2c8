"""The front: the points that nothing beats, with tools to choose among them.

Dominance and hypervolume are moocore's, on the values that are shown. Points that are equal in every
objective stay together; a point that lacks an objective is on no front.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from codesign.objectives import Constraint, Demands, Objective, objective
from codesign.search.trial import Trial, frame
from hw_models.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Front:
    """The non-dominated feasible trials of a study.

    Attributes:
        trials: every trial that was considered, in the order of their numbers.
        demands: objectives and constraints.
    """

    trials: tuple[Trial, ...]
    demands: Demands

    @classmethod
    def of(cls, trials: Sequence[Trial] | Front, demands: Demands) -> Front:
        """The front of some trials, or of the points of another front."""
        given = trials.members if isinstance(trials, Front) else trials
        return cls(tuple(sorted(given, key=lambda t: t.number)), demands)

    @cached_property
    def members(self) -> tuple[Trial, ...]:
        """The points of the front, best in the first objective first."""
        eligible = [t for t in self.trials if t.feasible]
        values = _values(eligible, self.demands.objectives)
        kept = [t for t, stays in zip(eligible, non_dominated(values), strict=True) if stays]
        order = {t.number: tuple(v) for t, v in zip(eligible, values, strict=True)}
        return tuple(sorted(kept, key=lambda t: (order[t.number], t.number)))

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
            ["id", "network", "chip", "precision", *self.demands.names(), "bound", "separable"]
        ]
        more = f"<p>{len(self) - 50} more points</p>" if len(self) > 50 else ""
        return f"<p>{self!r}</p>{shown.head(50).to_html(index=False)}{more}"

    @property
    def goals(self) -> Mapping[str, str]:
        """Objective -> "min" or "max"."""
        return {o.name: o.goal for o in self.demands.objectives}

    def to_frame(self) -> pd.DataFrame:
        """One row per point; not `separable`: in every objective it overlaps another point."""
        clashes = self.not_separable
        extra: dict[str, list[Any]] = {
            "separable": [not clashes[t.number] for t in self.members],
            "not_separable_from": [", ".join(str(n) for n in clashes[t.number]) for t in self.members],
        }
        return frame(self.members, self.demands, extra)

    @property
    def points(self) -> pd.DataFrame:
        """One row per trial with its `role`: front, dominated, rejected (beyond a limit) or unknown."""
        on_front = {t.number for t in self.members}
        role = {"infeasible": "rejected", "failed": "unknown", "unknown": "unknown", "feasible": "dominated"}
        roles = ["front" if t.number in on_front else role[t.verdict.status] for t in self.trials]
        separable = [not self.not_separable.get(t.number) for t in self.trials]
        return frame(self.trials, self.demands, {"role": roles, "separable": separable})

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
        low, high = _intervals(self.members, self.demands.objectives)
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
        said = [f"{n} mixes {' and '.join(f)}" for n, f in self.fidelities.items() if len(f) > 1]
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

    def knee(self) -> Trial:
        """The point nearest to the ideal, objectives scaled to 0..1 over the front; ties: the earlier trial.

        Raises:
            InputError: where the front is empty.
        """
        self._need_points()
        values = _values(self.members, self.demands.objectives)
        ideal, nadir = values.min(axis=0), values.max(axis=0)
        scaled = (values - ideal) / np.where(nadir > ideal, nadir - ideal, 1.0)
        distance = np.linalg.norm(scaled, axis=1)
        return min(zip(distance.round(12), self.members, strict=True), key=lambda p: (p[0], p[1].number))[1]

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
        return Front(tuple(sorted(kept, key=lambda t: t.number)), self.demands)

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
        values = _values(self.members, self.demands.objectives)
        corner = np.array([o.sign * reference[o.name] for o in self.demands.objectives])
        return float(moocore.hypervolume(values, ref=corner))

    def _named(self, name: str) -> Objective:
        own = {o.name: o for o in self.demands.objectives}
        return own.get(name) or objective(name)

    def _need_points(self) -> None:
        if not self.members:
            msg = (
                f"the front is empty: none of {len(self.trials)} trials is feasible; "
                "`status` says which constraint rejects most"
            )
            raise InputError(msg)


def non_dominated(values: FloatArray) -> BoolArray:
    """(N,) which of N points no other beats: nowhere worse, somewhere better; equal points stay together.

    Args:
        values: (N, M) objectives, less is better.
    """
    import moocore

    kept: BoolArray = moocore.is_nondominated(values, keep_weakly=True)
    return kept


def _values(trials: Sequence[Trial], objectives: Sequence[Objective]) -> FloatArray:
    """(N, M) values to minimise, NaN where unknown."""
    values = [
        [np.nan if (x := t.quantity(o).value) is None else o.sign * x for o in objectives] for t in trials
    ]
    return np.array(values, np.float64).reshape(len(trials), len(objectives))


def _intervals(trials: Sequence[Trial], objectives: Sequence[Objective]) -> FloatArray:
    """(2, N, M) low and high ends in the objectives' units."""
    ends = [[t.quantity(o).ends for o in objectives] for t in trials]
    return np.array(ends, np.float64).reshape(len(trials), len(objectives), 2).transpose(2, 0, 1)


def _meets(trial: Trial, bound: Constraint) -> bool:
    value = trial.quantity(bound.of).value
    return value is not None and bound.excess(value) <= 0
