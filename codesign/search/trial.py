"""One trial: what was evaluated, what came out, and how it stands to the study's demands."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from codesign.objectives import CATALOGUE, Demands, Objective, Quantity, Verdict
from codesign.runs import RUN_FORMAT

if TYPE_CHECKING:
    import pandas as pd

    from codesign.evaluate import Evaluation
    from search_spaces.candidate import Candidate

ALWAYS_SHOWN: Final = ("top1_pct", "latency_ms", "energy_mj", "power_w", "peak_memory_mb")
"""Quantities that every table of points has, whether or not a demand names them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One evaluated candidate of a study.

    Attributes:
        number: position in the study, from 0; the id of the point everywhere.
        evaluation: all that is known about it.
        verdict: how it stands to the demands.
    """

    number: int
    evaluation: Evaluation
    verdict: Verdict

    @override
    def __repr__(self) -> str:
        e = self.evaluation
        who = f"{e.network} on {e.chip} ({e.precision})" if e.chip else repr(e.candidate)
        told = [f"{n} {q.value:.4g}" for n, q in self.verdict.quantities.items() if q.value is not None]
        return f"Trial({self.number}: {', '.join([who, *told, self.verdict.status])})"

    @property
    def candidate(self) -> Candidate:
        """What was evaluated."""
        return self.evaluation.candidate

    @property
    def paid(self) -> float | None:
        """Full-training equivalents that were paid for it; None where the study counts none."""
        return self.evaluation.paid

    @property
    def stage(self) -> str:
        """The last stage that it went through; "" where there was none."""
        return self.evaluation.steps[-1].stage if self.evaluation.steps else ""

    @property
    def feasible(self) -> bool:
        """Whether it meets every constraint, those let through by `allow_unknown` included."""
        return self.verdict.status == "feasible"

    def quantity(self, wanted: Objective) -> Quantity:
        """A quantity of the trial, in the unit of the objective."""
        known = self.verdict.quantities.get(wanted.name)
        return known if known is not None else wanted.read(self.evaluation)

    def value(self, name: str) -> float | None:
        """Value of a quantity by the name of its objective."""
        known = self.verdict.quantities.get(name)
        return known.value if known is not None else CATALOGUE[name].read(self.evaluation).value


def shown_quantities(demands: Demands) -> tuple[Objective, ...]:
    """Objectives, then the quantities of the constraints, then those that every table shows."""
    named = {o.name: o for o in demands.objectives}
    named |= {c.name: c.of for c in demands.constraints if c.name not in named}
    named |= {n: CATALOGUE[n] for n in ALWAYS_SHOWN if n not in named}
    return tuple(named.values())


def row(trial: Trial, demands: Demands) -> dict[str, Any]:
    """One trial as a flat row: names, knobs, quantities with interval and fidelity, status and why."""
    e, v = trial.evaluation, trial.verdict
    names = {"id": trial.number, "network": e.network, "chip": e.chip, "precision": e.precision}
    quantities: dict[str, Any] = {}
    for wanted in shown_quantities(demands):
        q = Quantity(None) if v.status == "failed" else trial.quantity(wanted)
        n = wanted.name
        quantities |= {n: q.value, f"{n}_low": q.low, f"{n}_high": q.high, f"{n}_fidelity": q.fidelity}
    standing = {
        "bound": e.bound,
        "status": v.status,
        "feasible": trial.feasible,
        "assumed": ", ".join(v.assumed),
        "uncertain": ", ".join(v.uncertain),
        "why": "; ".join(v.reasons),
        "unmodelled_share": e.unmodelled_share,
        "notes": "; ".join(e.notes),
    }
    if e.steps is not None:
        standing |= {"stage": trial.stage, "paid_trainings": trial.paid}
    taken = {*names, *quantities, *standing}
    knobs = {k if k not in taken or k in names else f"knob_{k}": value for k, value in e.candidate.items()}
    return {**names, **{k: value for k, value in knobs.items() if k not in names}, **quantities, **standing}


def frame(
    trials: Sequence[Trial], demands: Demands, extra: Mapping[str, Sequence[Any]] | None = None
) -> pd.DataFrame:
    """One row per trial; numbers that are unknown are NaN."""
    import pandas as pd

    table = pd.DataFrame([row(t, demands) for t in trials])
    if table.empty:
        empty = [
            "id",
            "network",
            "chip",
            "precision",
            *(o.name for o in shown_quantities(demands)),
            "status",
            "feasible",
        ]
        table = pd.DataFrame(columns=empty)
    for wanted in shown_quantities(demands):
        for column in (wanted.name, f"{wanted.name}_low", f"{wanted.name}_high"):
            table[column] = pd.to_numeric(table[column]) if column in table else pd.Series(dtype=float)
    for name, values in (extra or {}).items():
        table[name] = list(values)
    return table


def parquet(table: pd.DataFrame) -> bytes:
    """A table as a parquet file that carries the format version; columns of mixed kind become text."""
    from pandas.api.types import is_object_dtype

    out = io.BytesIO()
    plain = table.copy()
    for name in plain.columns:
        if is_object_dtype(plain[name]) and plain[name].map(type).nunique() > 1:
            plain[name] = plain[name].map(str)
    plain.attrs = {"format": RUN_FORMAT}
    plain.to_parquet(out, index=False)
    return out.getvalue()
