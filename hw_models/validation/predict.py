"""What the model says about a group of measured rows, in the quantities that were measured.

Rows that ship may have been fitted on, so that they are predicted again by constants that never saw their
fold of families ("family_out"), and by constants that never saw their device ("device_out").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import UNKNOWN_FIDELITY, Feasibility, Fidelity, FloatArray, GridQuantity
from hw_models.cost.chips import Chips
from hw_models.cost.grid import evaluate
from hw_models.cost.laws.catalogue import family_fold
from hw_models.cost.streaming import stream_seconds
from hw_models.measured.loaders import DATASETS
from hw_models.measured.schema import STEP
from hw_models.validation.join import NAME, Group
from hw_models.validation.measures import Measure, measures
from hw_models.validation.models import (
    DEVICE_OUT,
    FAMILY_OUT,
    FITTED,
    HELD_OUT,
    Assembly,
    assembly,
    left_out,
)
from hw_models.validation.totals import constants_of, group_of, step_seconds

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hw_models.cost.grid import Evaluated

TOTALS: Final = "|totals"
"""What a mode ends in whose networks were predicted from published totals."""

CHUNK: Final = 256
"""Networks predicted at once; bounds the memory that the arrays of one call take."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says about one group.

    Attributes:
        points: records with `quantity, split`, and in the unit of the file `measured, predicted, low, high`;
            the `fidelity` of each and what it was `fitted_on`; the counts `macs, activations, params` of the
            network, traced where the file has none.
        not_predicted: `dataset, device, mode, reason` of the rows that it could say nothing about.
    """

    group: Group
    points: pd.DataFrame
    not_predicted: pd.DataFrame


def predict(group: Group, seen: NDArray[np.bool_]) -> Prediction:
    """Cost every row of a group at its own batch.

    Args:
        group: rows that ran in the same way.
        seen: (N,) True where the row ships, so that constants may be fitted on it.
    """
    import pandas as pd

    told = measures(DATASETS[group.dataset], group.rows)
    points, untold = [], []
    for part, splits in _parts(group, seen):
        kernels, chips = part.kernels(), Chips.of([part.chip])
        for split in splits:
            model = assembly(part, split)
            if model is None:  # nothing there was fitted on these rows
                continue
            found = evaluate(kernels, chips, model.model)
            if part.scenario != STEP:
                latency = found.quantities["latency"]
                found.quantities["latency"] = stream_seconds(kernels, chips, model.model, latency)
            points += [_told(part, split, measure, model, found) for measure in told]
            if split in (FITTED, HELD_OUT):
                untold.append(_untold(part, found))
    order = {index: position for position, index in enumerate(group.rows.index)}
    whole = pd.concat(points)
    return Prediction(group, whole.sort_index(key=lambda i: i.map(order), kind="stable"), pd.concat(untold))


def predict_totals(group: Group, seen: NDArray[np.bool_]) -> Prediction:
    """The same from the totals that the table publishes, for rows whose networks need not be known.

    Their mode ends in "|totals". Empty where the table publishes none, or no constants are known.

    Args:
        group: rows that ran in the same way.
        seen: (N,) True where the row ships.
    """
    import pandas as pd

    told = [m for m in measures(DATASETS[group.dataset], group.rows) if m.what != "energy"]
    points = []
    for part, splits in _parts(group, seen):
        for split in splits:
            crossfit = left_out(part, split)
            kept = constants_of(group_of(part.rows, part.chip))
            if crossfit is not None and constants_of(group_of(part.rows, part.chip), crossfit) == kept:
                continue
            found = step_seconds(part.rows, part.chip, crossfit=crossfit)
            value, low, high = (a[:, None] for a in found)
            known = np.where(np.isfinite(value), Fidelity.PRIOR, UNKNOWN_FIDELITY)
            cost = GridQuantity(value, low, high, known.astype(np.int8))
            rows = part.rows.assign(mode=part.rows["mode"] + TOTALS)
            named = replace(part, rows=rows)
            points += [_stated(named, split, m, "published totals", cost) for m in told]
    whole = pd.concat(points) if points else group.rows.iloc[:0]
    return Prediction(group, whole, group.rows.iloc[:0])


def _parts(group: Group, seen: NDArray[np.bool_]) -> Iterator[tuple[Group, tuple[str, ...]]]:
    """Pieces of a group whose rows are predicted by the same constants, with the splits they count in."""
    folds = np.array([family_fold(str(f)) for f in group.rows["family"].fillna("")])
    for shipped in (True, False):
        splits = (FITTED, FAMILY_OUT, DEVICE_OUT) if shipped else (HELD_OUT,)
        for fold in np.unique(folds):
            positions = np.flatnonzero((seen == shipped) & ((folds == fold) | (not shipped)))
            for start in range(0, len(positions), CHUNK):
                yield _part(group, positions[start : start + CHUNK]), splits
            if not shipped:
                break


def _part(group: Group, positions: NDArray[np.intp]) -> Group:
    workloads = tuple(group.workloads[i] for i in positions) if group.workloads else ()
    return replace(group, rows=group.rows.iloc[positions], workloads=workloads)


def _told(part: Group, split: str, measure: Measure, model: Assembly, found: Evaluated) -> pd.DataFrame:
    """The rows of a part that state a measure and whose cost is known."""
    import pandas as pd

    counted = {c: part.rows[c].fillna(pd.Series(v, part.rows.index)) for c, v in counts(part).items()}
    cost = found.quantities["energy" if measure.what == "energy" else "latency"]
    runs = found.feasibility[:, 0] == Feasibility.OK
    named = replace(part, rows=part.rows.assign(**counted))
    return _stated(named, split, measure, model.fitted_on, cost, runs)


def _stated(
    part: Group,
    split: str,
    measure: Measure,
    fitted_on: str,
    cost: GridQuantity,
    runs: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """The rows of a part that state a measure, with what a cost (N, 1) says of it in the file's unit."""
    value, low, high = (a[:, 0] for a in (cost.value, cost.low, cost.high))
    if measure.what == "rate":
        batch = part.rows["batch"].to_numpy(np.float64)
        value, low, high = batch / value, batch / high, batch / low
    rows = part.rows.assign(
        quantity=measure.quantity,
        split=split,
        measured=part.rows[measure.column] * measure.scale,
        predicted=value * measure.scale,
        low=low * measure.scale,
        high=high * measure.scale,
        fidelity=cost.fidelity[:, 0],
        fitted_on=fitted_on,
    )
    can = np.isfinite(rows["predicted"]) & rows["measured"].notna()
    told: pd.DataFrame = rows[can if runs is None else can & runs]
    return told


def _untold(part: Group, found: Evaluated) -> pd.DataFrame:
    """The rows of a part whose latency is not known, with the reason."""
    codes, known = found.feasibility[:, 0], np.isfinite(found.quantities["latency"].value[:, 0])
    reasons = [f"not predicted: {Feasibility(int(f)).name.lower()}" for f in codes]
    left: pd.DataFrame = part.rows.assign(reason=reasons)[(codes != Feasibility.OK) | ~known]
    return left[[*NAME, "reason"]]


def counts(part: Group) -> dict[str, FloatArray]:
    """(N,) `macs`, `activations` and `params` of the networks as they were traced, per input.

    Activations are the output elements of convolutions and matrix products.
    """
    macs = [float(w.macs) for w in part.workloads]
    params = [float(w.params) for w in part.workloads]
    written = []
    for w in part.workloads:
        makes = np.repeat(w.op_macs > 0, np.diff(w.out_ptr))
        written.append(float(w.tensor_elements[w.out_tensor[makes]].sum()))
    return {"macs": np.array(macs), "activations": np.array(written), "params": np.array(params)}
