"""What the model says about a group of measured rows, in the quantity that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.adjust import class_priors
from hw_models.cost.arrays import CostGrid, Feasibility, Fidelity, FloatArray, GridQuantity
from hw_models.cost.estimate import estimate_many
from hw_models.validation.join import NAME, Group

if TYPE_CHECKING:
    import pandas as pd

CHUNK: Final = 256
"""Networks predicted at once; bounds the memory that the arrays of one call take."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says about one group.

    Attributes:
        points: records with `measured, predicted, low, high` in inputs per second, and `fidelity`.
        not_predicted: `dataset, device, mode, reason` of the rows that it could say nothing about.
    """

    group: Group
    points: pd.DataFrame
    not_predicted: pd.DataFrame

    @property
    def fidelity(self) -> str:
        """Name of the lowest fidelity among the predictions."""
        return Fidelity(int(self.points["fidelity"].min())).label

    @property
    def fitted_on(self) -> str:
        """What the class constants behind the predictions were fitted on."""
        kind = self.group.chip.main_engine.kind
        return class_priors().constants(kind, self.group.lowering).source


def predict(group: Group) -> Prediction:
    """Cost every row of a group at its own batch."""
    grids = [_grid(group, slice(start, start + CHUNK)) for start in range(0, len(group.rows), CHUNK)]
    latency = [g.quantities["latency"] for g in grids]
    feasibility = np.concatenate([g.feasibility[:, 0] for g in grids])
    batch = group.rows["batch"].to_numpy(np.float64)
    rows = group.rows.assign(
        measured=group.rows["throughput_per_s"],
        predicted=batch / _column(latency, "value"),
        low=batch / _column(latency, "high"),
        high=batch / _column(latency, "low"),
        fidelity=np.concatenate([q.fidelity[:, 0] for q in latency]),
        reason=[f"not predicted: {Feasibility(int(f)).name.lower()}" for f in feasibility],
    )
    told = np.isfinite(rows["predicted"]) & (feasibility == Feasibility.OK)
    return Prediction(group, rows[told].drop(columns="reason"), rows[~told][[*NAME, "reason"]])


def _grid(group: Group, part: slice) -> CostGrid:
    return estimate_many(
        group.workloads[part],
        [group.chip],
        precision=group.precision,
        batch=group.batch[part].tolist(),
        lowering=group.lowering,
    )


def _column(quantities: Sequence[GridQuantity], name: str) -> FloatArray:
    return np.concatenate([getattr(q, name)[:, 0] for q in quantities])
