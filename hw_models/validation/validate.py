"""Predicted against measured: join, predict, score; one row per data set, device and mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from typing_extensions import override

from hw_models.cost.arrays import Fidelity
from hw_models.errors import CodesignError, UnknownNameError
from hw_models.measured.loaders import DATASETS, load
from hw_models.measured.tables import find_tables
from hw_models.validation.join import NAME, Group, Joined, Progress, count_reasons, group_names, join, refused
from hw_models.validation.measures import measures
from hw_models.validation.models import DEVICE_OUT, FAMILY_OUT, FITTED, HELD_OUT
from hw_models.validation.naive import PREDICTORS, naive_throughput, published_counts
from hw_models.validation.operators import judge_operators
from hw_models.validation.predict import Prediction, predict, predict_totals
from hw_models.validation.score import Score, errors_of
from hw_models.validation.truth.catalogue import judge_files, judge_shipped, truth_set, truth_sets

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hw_models.measured.devices import DeviceTable
    from hw_models.measured.published.base import Dataset
    from hw_models.measured.records import Records
    from hw_models.measured.tables import NoRowsError
    from hw_models.validation.networks import Resolver


MEASUREMENT: Final = ["device", "mode", "network", "component", "img_size", "batch", "params", "macs"]
"""What tells one measurement from another."""

SPLITS: Final = (FITTED, FAMILY_OUT, DEVICE_OUT, HELD_OUT)


@dataclass(frozen=True, eq=False)
class Validation:
    """Scores, with the rows behind them.

    Attributes:
        scores: one per data set, device and mode.
        points: one row per comparison: its record, `measured, predicted, low, high` in the unit of the file.
        skipped: `dataset, device, mode, reason, n` of the rows that were not compared.
        not_read: files of the directory whose sets have no reader.
    """

    scores: tuple[Score, ...]
    points: pd.DataFrame
    skipped: pd.DataFrame
    not_read: tuple[str, ...] = ()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The scores as plain data."""
        return [score.as_dict() for score in self.scores]

    def to_frame(self) -> pd.DataFrame:
        """One row per score."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(Score.__dataclass_fields__))

    @override
    def __repr__(self) -> str:
        n, left = sum(s.n for s in self.scores), sum(s.n_skipped for s in self.scores)
        return f"Validation({len(self.scores)} device modes, {n} rows compared, {left} skipped)"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.to_frame().to_html(index=False)}"


def validate(
    data: str | Path | None = None,
    *,
    resolver: Resolver,
    datasets: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    max_rows: int | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Predict every measured row that can be predicted, and score the predictions.

    Args:
        data: directory with files of the known names; None: the rows that ship.
        resolver: finds a network by the name that the file gives it.
        datasets: names of the sets wanted; None: all.
        devices: devices wanted, as the files name them; None: all.
        max_rows: of each device and mode at most so many rows, spread evenly; the others count as skipped.
        progress: told what is done, of how much, and what is being done.

    Raises:
        InputError: a directory, set or device that is not there.
        FileError: a file that cannot be read as what its name says.
    """
    import pandas as pd

    of_tables, of_truth = _split_names(datasets)
    # where sets of reference figures alone are asked for, there need be no measurements
    measured = load(
        data, datasets=of_tables, others=lambda name: of_tables == [] or truth_set(name) is not None
    )
    scores: list[Score] = []
    points: list[pd.DataFrame] = []
    skipped: list[pd.DataFrame] = []
    wanted = _only(measured.records, devices)
    for name, records in wanted.items():
        if DATASETS[name].not_costed:
            scores.append(_not_costed(records, DATASETS[name]))
            skipped.append(_left(records, DATASETS[name], measured.devices))
            continue
        if DATASETS[name].operators:
            alone = judge_operators(records, measured.devices, _shipped(name) or records, max_rows=max_rows)
            scores += alone.scores
            points.append(alone.points)
            skipped.append(alone.skipped)
            continue
        joined = join(records, measured.devices, resolver, max_rows=max_rows, progress=progress)
        predicted = _predict_all(joined, _shipped(name), progress)
        left = count_reasons(joined.skipped, *(p.not_predicted for p in predicted))
        scores += _scores(records, predicted, left)
        points += [p.points for p in predicted]
        skipped.append(left)
    scores += [_hollow(name, error) for name, error in measured.hollow if devices is None]
    if data is None and devices is None:
        scores += [_absent(d) for d in DATASETS.values() if d.why_not_shipped and _asked(d, of_tables)]
    if devices is None and of_truth != []:
        judged = judge_shipped(of_truth) if data is None else judge_files(find_tables(Path(data)), of_truth)
        for one in judged:
            scores += one.scores
            points.append(one.points)
            skipped.append(one.skipped)
    return Validation(
        scores=tuple(scores),
        points=pd.concat(points, ignore_index=True) if points else pd.DataFrame(),
        skipped=pd.concat(skipped, ignore_index=True)
        if skipped
        else pd.DataFrame(columns=["dataset", "device", "mode", "reason", "n"]),
        not_read=measured.not_read,
    )


def _split_names(datasets: Sequence[str] | None) -> tuple[list[str] | None, list[str] | None]:
    """Names of tables of measurements and of sets of reference figures; None: all.

    Raises:
        UnknownNameError: a name that is neither.
    """
    if datasets is None:
        return None, None
    known = [*DATASETS, *(s.name for s in truth_sets())]
    for name in datasets:
        if name not in DATASETS and name not in known and truth_set(name) is None:
            raise UnknownNameError("data set", name, known, f"known: {', '.join(known)}")
    return [n for n in datasets if n in DATASETS], [n for n in datasets if n not in DATASETS]


def _only(records: Mapping[str, Records], devices: Sequence[str] | None) -> dict[str, Records]:
    """The rows of the wanted devices; sets that have none are left out."""
    if devices is None:
        return dict(records)
    known = sorted({str(d) for r in records.values() for d in r.frame["device"].unique()})
    for name in devices:
        if name not in known:
            raise UnknownNameError("device", name, known, f"measured here: {', '.join(known)}")
    some = {name: r.of_devices(devices) for name, r in records.items()}
    return {name: r for name, r in some.items() if len(r)}


def _predict_all(joined: Joined, shipped: Records | None, progress: Progress | None) -> list[Prediction]:
    """What the model says about each group, and what published totals say of its rows."""
    predicted: list[Prediction] = []
    done, total = 0, sum(len(g.rows) for g in joined.groups)
    for group in joined.groups:
        if progress:
            progress(done, total, f"rows: {group.device} {group.mode}")
        predicted.append(_predicted(group, shipped))
        done += len(group.rows)
    if progress and total:
        progress(total, total, "rows")
    told = [predict_totals(g, _ships(g.rows, shipped)) for g in joined.alone]
    return [*predicted, *(p for p in told if len(p.points))]


def _predicted(group: Group, shipped: Records | None) -> Prediction:
    """What the model says about a group; one that it refuses is counted with the refusal."""
    try:
        return predict(group, _ships(group.rows, shipped))
    except CodesignError as error:
        refusal = group.rows.assign(reason=f"not predicted: {error}")[[*NAME, "reason"]]
        return Prediction(group, group.rows.iloc[:0], refusal)


def _scores(records: Records, predicted: Sequence[Prediction], skipped: pd.DataFrame) -> Iterator[Score]:
    """One score for every data set, device, mode, quantity and split that has a row, compared or not."""
    import pandas as pd

    published = published_counts(records.frame)
    parts = [_with_naive(p, published) for p in predicted if len(p.points)]
    points = pd.concat(parts) if parts else None
    by_name = dict(list(points.groupby(NAME, sort=False))) if points is not None else {}
    left = skipped.groupby(NAME, sort=False)["n"].sum()
    for name in dict.fromkeys([*group_names(records.frame), *left.index, *by_name]):
        dataset = DATASETS[name[0]]
        blank = replace(_blank(dataset), device=name[1], mode=name[2], n_skipped=int(left.get(name, 0)))
        if name not in by_name:
            yield blank
            continue
        of_name = by_name[name]
        for quantity in of_name["quantity"].unique():
            of_quantity = of_name[of_name["quantity"] == quantity]
            for split in (s for s in SPLITS if (of_quantity["split"] == s).any()):
                yield _score(replace(blank, quantity=quantity), of_quantity[of_quantity["split"] == split])


def _score(blank: Score, points: pd.DataFrame) -> Score:
    """The figures of the rows of one data set, device, mode, quantity and split."""
    naive = {name: points[name].to_numpy(np.float64) for name in PREDICTORS}
    return replace(
        blank,
        n=len(points),
        fidelity=Fidelity(int(points["fidelity"].min())).label,
        fitted_on=points["fitted_on"].iloc[0],
        split=points["split"].iloc[0],
        **errors_of(points, naive, points["family"].fillna("").to_numpy(str)),
    )


def _with_naive(prediction: Prediction, published: pd.DataFrame) -> pd.DataFrame:
    """The points with what the naive predictors say of each; published counts before traced ones."""
    points, group = prediction.points, prediction.group
    counted = {c: published[c].reindex(points.index).fillna(points[c]) for c in ("macs", "activations")}
    rates = naive_throughput(points.assign(**counted), group.chip, group.precision)
    scale = {m.quantity: m for m in measures(DATASETS[group.dataset], group.rows)}
    units = points["quantity"].map({q: m.scale for q, m in scale.items()}).to_numpy(np.float64)
    batch = points["batch"].to_numpy(np.float64)
    what = points["quantity"].map({q: m.what for q, m in scale.items()}).to_numpy(str)
    told = {
        name: np.where(what == "rate", rate, np.where(what == "time", units * batch / rate, np.nan))
        for name, rate in rates.items()
    }
    return points.assign(**told)


def _ships(rows: pd.DataFrame, shipped: Records | None) -> NDArray[np.bool_]:
    """(N,) whether the same measurement ships, so that constants may have been fitted on it."""
    import pandas as pd

    if shipped is None:
        return np.zeros(len(rows), np.bool_)
    known = pd.util.hash_pandas_object(shipped.frame[MEASUREMENT], index=False)
    seen: NDArray[np.bool_] = (
        pd.util.hash_pandas_object(rows[MEASUREMENT], index=False).isin(known).to_numpy()
    )
    return seen


def _blank(dataset: Dataset) -> Score:
    return Score(dataset=dataset.name, truth=dataset.truth, device=None, mode=None, quantity=dataset.quantity)


def _not_costed(records: Records, dataset: Dataset) -> Score:
    """A set that is read and not predicted: no row compared, all of them skipped."""
    aside = len(records.set_aside.drop_duplicates(["file", "row"]))
    return replace(_blank(dataset), n_skipped=len(records) + aside, reason=dataset.not_costed)


def _absent(dataset: Dataset) -> Score:
    return replace(_blank(dataset), reason=f"does not ship: {dataset.why_not_shipped}")


def _hollow(name: str, error: NoRowsError) -> Score:
    """A file without a row that holds: all of its rows skipped."""
    return replace(_blank(DATASETS[name]), n_skipped=error.n_rows, reason=str(error))


def _asked(dataset: Dataset, wanted: Sequence[str] | None) -> bool:
    return wanted is None or dataset.name in wanted


def _left(records: Records, dataset: Dataset, devices: DeviceTable) -> pd.DataFrame:
    """Why the rows of such a set are not compared: `dataset, device, mode, reason, n`."""
    frame = records.frame
    reasons = dict.fromkeys(frame["device"].unique(), f"{dataset.name}: {dataset.not_costed}")
    for device in reasons:
        try:
            devices.key(dataset.name, dataset.device_column, device)
        except UnknownNameError as error:
            reasons[device] = f"{dataset.name}: {error}"
    whole = frame[NAME].assign(reason=frame["device"].map(reasons))
    return count_reasons(whole, refused(records.set_aside))


@cache
def _shipped(dataset: str) -> Records | None:
    """The rows of a set that ship: what constants may have been fitted on; None: none do."""
    if DATASETS[dataset].why_not_shipped:
        return None
    return load(datasets=[dataset]).records[dataset]
