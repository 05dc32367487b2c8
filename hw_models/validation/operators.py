"""Operators that were measured alone against what the model says about them: join, predict, score.

A GPU's calls are costed by `SingleCalls`, every other engine's by the roofline with the constants of its
class. Equal operators are costed once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.adjust import class_priors
from hw_models.cost.arrays import Feasibility, Fidelity, FloatArray, GridQuantity, IntArray, Kernels
from hw_models.cost.chips import Chips
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.grid import evaluate, fits
from hw_models.cost.models import cost_model
from hw_models.measured.loaders import DATASETS
from hw_models.measured.operators import operators
from hw_models.measured.stand_ins import running
from hw_models.validation.calls.anchors import carried
from hw_models.validation.join import NAME, Name, chips_of, count_reasons, group_names, refused, thin
from hw_models.validation.naive import PREDICTORS_OF_KERNELS as NAIVE
from hw_models.validation.naive import naive_seconds
from hw_models.validation.score import Score, errors_of
from hw_models.validation.single_calls import SingleCalls, call_constants, call_interval
from hw_models.validation.single_kernels import CLASSES, LOWERING, single_kernels

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from hw_models.measured.devices import DeviceTable
    from hw_models.measured.operators import Operators
    from hw_models.measured.records import Records
    from hw_models.spec.accelerator import Accelerator

MS_PER_S: Final = 1e3
"""Every set of operators states milliseconds."""

GPU: Final = "gpu"

SHOWN: Final = [*NAME, "operator", "function", "shape", "precision"]
"""Columns of a record that stand in `points`."""

RAN: Final = ["dataset", "device", "precision", "storage"]
"""What the records of a group have in common."""

SAME: Final = ["device", "mode", "operator", "shape"]
"""What tells one measured operator from another."""


@dataclass(frozen=True, eq=False)
class OperatorGroup:
    """The records of one data set, device, precision and storage.

    Attributes:
        rows: their records; `operators`, `kernels`: the distinct ones (U,); index: (N,) which of each record.
        seconds: (N,) measured.
        timed: how, one of `hw_models.validation.single_calls.TIMED`; "" on what is no GPU.
    """

    dataset: str
    device: str
    precision: str
    storage: str | None
    chip: Accelerator
    rows: pd.DataFrame
    operators: Operators
    kernels: Kernels
    index: IntArray
    seconds: FloatArray
    timed: str

    @property
    def chips(self) -> Chips:
        """The chip as arrays."""
        return Chips.of([self.chip])

    @property
    def typical_s(self) -> FloatArray:
        """(U,) geometric mean of the measurements of each distinct operator, in seconds."""
        n = self.kernels.n_distinct
        logs = np.bincount(self.index, np.log(self.seconds), n)
        mean: FloatArray = np.exp(logs / np.bincount(self.index, minlength=n))
        return mean

    def take(self, kept: IntArray) -> OperatorGroup:
        """These distinct operators, and the records that measured them."""
        position = np.full(self.kernels.n_distinct, -1)
        position[kept] = np.arange(len(kept))
        has = position[self.index] >= 0
        some = self.operators.take(kept)
        return replace(
            self,
            rows=self.rows[has],
            operators=some,
            kernels=single_kernels(some, self.precision, storage=self.storage),
            index=position[self.index[has]],
            seconds=self.seconds[has],
        )


@dataclass(frozen=True, eq=False)
class OperatorGroups:
    """Groups to predict, and what could not be joined: `dataset, device, mode, reason, n`."""

    groups: tuple[OperatorGroup, ...]
    skipped: pd.DataFrame


def operator_groups(records: Records, devices: DeviceTable, *, max_rows: int | None = None) -> OperatorGroups:
    """Give every record its operator and its chip, and every one that has none its reason.

    Args:
        records: measurements of a set of operators.
        devices: what the devices are.
        max_rows: of each device and mode at most so many rows, spread evenly; None: all.
    """
    frame = records.frame
    found = operators(frame)
    reasons = _not_comparable(frame, found.index)
    chips = chips_of(frame, devices, reasons)
    if max_rows is not None:
        thin(frame, reasons, max_rows)
    positions = np.flatnonzero(reasons.isna())
    asked = frame.iloc[positions]
    some = asked.groupby(RAN, sort=False, dropna=False).indices.values()
    groups = [_group(asked.iloc[rows], found, found.index[positions[rows]], chips) for rows in some]
    whole = frame[NAME].assign(reason=reasons)[reasons.notna()]
    return OperatorGroups(tuple(groups), count_reasons(whole, refused(records.set_aside)))


def _group(
    rows: pd.DataFrame, found: Operators, index: IntArray, chips: Mapping[tuple[str, str], Accelerator]
) -> OperatorGroup:
    """Records that agree in `RAN`; `index` is the operator of each."""
    dataset, device, precision = (str(rows[c].iloc[0]) for c in RAN[:3])
    stored = rows["storage"].iloc[0]
    storage = stored if isinstance(stored, str) else None
    chip = running(chips[dataset, device], precision)
    distinct, own = np.unique(index, return_inverse=True)
    some = found.take(distinct)
    return OperatorGroup(
        dataset=dataset,
        device=device,
        precision=precision,
        storage=storage,
        chip=chip,
        rows=rows,
        operators=some,
        kernels=single_kernels(some, precision, storage=storage),
        index=own,
        seconds=rows[DATASETS[dataset].value].to_numpy(np.float64),
        timed=DATASETS[dataset].operators if chip.main_engine.kind == GPU else "",
    )


def _not_comparable(frame: pd.DataFrame, index: IntArray) -> pd.Series:
    """Reason of each record that is no inference of a known operator; missing where there is none."""
    import pandas as pd

    reasons = pd.Series(None, index=frame.index, dtype="object")
    reasons[frame["phase"] != "infer"] = "training is not modelled"
    shapeless = "no shape is known of operator '" + frame["operator"].fillna("") + "'"
    reasons = reasons.mask(index < 0, shapeless)
    unknown = ~frame["operator"].isin([kind.label for kind in CLASSES])
    reasons = reasons.mask(
        reasons.isna() & unknown, "no rule for operator '" + frame["operator"].fillna("") + "'"
    )
    return reasons.mask(reasons.isna() & frame["precision"].isna(), "no precision is given")


def roofline_seconds(kernels: Kernels, chip: Accelerator) -> GridQuantity:
    """(U, 1) latency by the roofline with the constants of the engine's class for whole networks."""
    return evaluate(kernels, Chips.of([chip]), cost_model("roofline")).quantities["latency"]


def predicted_seconds(group: OperatorGroup) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """(U,) time, low and high end of its interval, fidelity code; NaN where a call cannot be costed."""
    if not group.timed:
        found = roofline_seconds(group.kernels, group.chip)
        return found.value[:, 0], found.low[:, 0], found.high[:, 0], found.fidelity[:, 0].astype(np.int64)
    constants = call_constants()
    terms = SingleCalls(group.timed).terms(group.kernels, group.chips)
    value = kernel_seconds(terms.seconds, constants.overlap)[:, 0]
    can = (terms.feasibility[:, 0] == Feasibility.OK) & np.isfinite(value)
    can &= fits(group.kernels, group.chips)[:, 0]
    value = np.where(can, value, np.nan)
    low, high = call_interval(terms.seconds[:, 0], group.kernels.cls, constants, group.timed)
    fidelity = Fidelity.CALIBRATED
    if group.chips.rate_is_prior[0]:
        fidelity = Fidelity.PRIOR
        down, up = (np.log(_call_seconds(group, end) / value) for end in reversed(group.chips.ends))
        low, high = np.exp(-np.hypot(np.log(low), down)), np.exp(np.hypot(np.log(high), up))
    value = value * np.exp(carried(group, law_seconds))
    return value, value * low, value * high, np.full(len(value), fidelity, np.int64)


def law_seconds(group: OperatorGroup) -> FloatArray:
    """(U,) time of each call from shapes and public figures alone."""
    return _call_seconds(group, group.chips)


def _call_seconds(group: OperatorGroup, chips: Chips) -> FloatArray:
    """(U,) time of each call on another form of the group's chip."""
    terms = SingleCalls(group.timed).terms(group.kernels, chips)
    seconds: FloatArray = kernel_seconds(terms.seconds, call_constants().overlap)[:, 0]
    return seconds


@dataclass(frozen=True, eq=False)
class Judged:
    """What came of a set: scores, points and reasons as in `Validation`."""

    scores: tuple[Score, ...]
    points: pd.DataFrame
    skipped: pd.DataFrame


def judge_operators(
    records: Records, devices: DeviceTable, shipped: Records, *, max_rows: int | None = None
) -> Judged:
    """Predict every operator of a set that can be predicted, and score by device and mode.

    Args:
        records: measurements of one set of operators.
        devices: what the devices are.
        shipped: the records of that set that ship, on which constants may have been fitted.
        max_rows: see `operator_groups`.
    """
    import pandas as pd

    joined = operator_groups(records, devices, max_rows=max_rows)
    seen = pd.util.hash_pandas_object(shipped.frame[SAME], index=False)
    parts = [_points(group, seen) for group in joined.groups]
    points = pd.concat(parts) if parts else _points_of_nothing()
    told = points["predicted"].notna()
    untold = points.loc[~told, NAME].assign(reason="not predicted: no room, or a rate that is unknown")
    points = points[told]
    skipped = count_reasons(joined.skipped, untold)
    left = skipped.groupby(NAME, sort=False)["n"].sum()
    by_name = points.groupby(NAME, sort=False).indices
    scores = []
    for name in dict.fromkeys([*group_names(records.frame), *left.index]):
        blank = _blank(name, int(left.get(name, 0)))
        scores.append(_scored(blank, points.iloc[by_name[name]]) if name in by_name else blank)
    return Judged(tuple(scores), points.drop(columns=[*NAIVE, "fitted_on", "seen"]), skipped)


def _points_of_nothing() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        columns=[*SHOWN, "measured", "predicted", "low", "high", "fidelity", "fitted_on", "seen", *NAIVE]
    )


def _points(group: OperatorGroup, seen: pd.Series) -> pd.DataFrame:
    """The records of a group with `measured, predicted, low, high` in milliseconds, and the naive times."""
    import pandas as pd

    value, low, high, fidelity = predicted_seconds(group)
    naive = naive_seconds(group.kernels, group.chip)
    if group.timed:
        fitted_on = call_constants().source
    else:
        fitted_on = class_priors().constants(group.chip.main_engine.kind, LOWERING).source
    known = pd.util.hash_pandas_object(group.rows[SAME], index=False).isin(seen)
    return group.rows[SHOWN].assign(
        measured=group.seconds * MS_PER_S,
        predicted=(value * MS_PER_S)[group.index],
        low=(low * MS_PER_S)[group.index],
        high=(high * MS_PER_S)[group.index],
        fidelity=fidelity[group.index],
        fitted_on=fitted_on,
        seen=known.to_numpy(),
        **{name: (naive[name] * MS_PER_S)[group.index] for name in NAIVE},
    )


def _blank(name: Name, skipped: int) -> Score:
    dataset = DATASETS[name[0]]
    return Score(
        dataset=dataset.name,
        truth=dataset.truth,
        device=name[1],
        mode=name[2],
        quantity=dataset.quantity,
        n_skipped=skipped,
    )


def _scored(blank: Score, points: pd.DataFrame) -> Score:
    seen = points["seen"]
    return replace(
        blank,
        n=len(points),
        fidelity=Fidelity(int(points["fidelity"].min())).label,
        fitted_on=points["fitted_on"].iloc[0],
        split="fitted" if seen.all() else "mixed" if seen.any() else "held_out",
        **errors_of(points, {name: points[name].to_numpy(np.float64) for name in NAIVE}),
    )
