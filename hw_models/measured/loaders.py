"""The sets of measurements that are known by name; a directory of them as records with their devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.errors import CodesignError, FileError, UnknownNameError, did_you_mean, nearest, sentence
from hw_models.measured.devices import SHIPPED, DeviceTable, check_names, read_devices, shipped_devices
from hw_models.measured.published import (
    deepbench,
    drobotics_rdkx5,
    hailo_fps,
    hat,
    llmcompass,
    mlperf_edge,
    mlperf_small,
    neusight,
    paddleclas,
    qualcomm_aihub,
    rockchip_fps,
    ti_tidl_evm,
    timm_throughput,
    vidur,
    vitis_ai_dpu,
)
from hw_models.measured.records import Records, concat
from hw_models.measured.tables import Table, dataset_name, find_tables, read_table, typed

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.measured.published.base import Dataset

MODULES: Final = (
    timm_throughput,
    qualcomm_aihub,
    hailo_fps,
    rockchip_fps,
    drobotics_rdkx5,
    ti_tidl_evm,
    vitis_ai_dpu,
    mlperf_edge,
    mlperf_small,
    neusight,
    vidur,
    llmcompass,
    deepbench,
    hat,
    paddleclas,
)
"""Sources; each has its sets in `SETS`."""

DATASETS: Final[Mapping[str, Dataset]] = {d.name: d for module in MODULES for d in module.SETS}

BESIDE: Final = (
    "devices",
    "device_names",
    "naive_baselines_timm",
    "naive_baselines_other",
    "timm_imagenet_top1",
    "qualcomm_aihub_models",
)
"""Tables that stand beside the measurements and are none of cost."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What a directory holds.

    Attributes:
        records: by data set, in the order of `DATASETS`.
        devices: those described there, the shipped ones behind them.
        not_read: files with rows of sets that have no reader.
    """

    records: Mapping[str, Records]
    devices: DeviceTable
    not_read: tuple[str, ...]


def load(
    data: str | Path | None = None,
    *,
    datasets: Sequence[str] | None = None,
    others: Callable[[str], bool] | None = None,
) -> Measured:
    """Read the known files in `data` and below; None: the rows that ship.

    Args:
        data: directory with files of the known names (csv, csv.gz, parquet); `devices` and `device_names`
            tables there go before the shipped ones.
        datasets: names of the sets wanted; None: all.
        others: whether somebody else reads the file of that name; with such a file there may be no records.

    Raises:
        UnknownNameError: a set that is not known.
        InputError: `data` is not a directory.
        FileError: no known file, or a file that cannot be read as what its name says.
    """
    wanted = list(DATASETS) if datasets is None else list(datasets)
    for name in wanted:
        if name not in DATASETS:
            raise UnknownNameError("data set", name, DATASETS, f"known: {', '.join(DATASETS)}")
    directory = SHIPPED if data is None else Path(data)
    files = find_tables(directory)
    devices = shipped_devices() if data is None else read_devices(directory).over(shipped_devices())
    check_names(devices)
    by_name = {name: [p for p in files if dataset_name(p) == name] for name in wanted}
    records = {
        name: concat([read(p, DATASETS[name], devices) for p in paths])
        for name, paths in by_name.items()
        if paths
    }
    read_elsewhere = others or (lambda _: False)
    if not records and not any(read_elsewhere(dataset_name(p)) for p in files):
        raise _nothing_known(directory, files, wanted)
    known = {*DATASETS, *BESIDE}
    unread = [p for p in files if dataset_name(p) not in known and not read_elsewhere(dataset_name(p))]
    return Measured(records, devices, tuple(str(p.relative_to(directory)) for p in unread) if data else ())


def read(path: Path, dataset: Dataset, devices: DeviceTable | None = None) -> Records:
    """One file as records; rows that cannot be true are set aside with their reasons.

    Args:
        path: csv, csv.gz or parquet.
        dataset: what the file is.
        devices: two names of one device are one device, so that copied rows are told from measured ones.

    Raises:
        FileError: where it is unreadable, empty, lacks a column, or has no row that holds.
    """
    table = read_table(path)
    raw = typed(table, dataset.columns)
    rules = dataset.wrong_rows.items()
    wrong = [(row, column, why) for column, rule in rules for row, why in rule(raw.frame).items()]
    wrong += raw.wrong
    spoiled = {row for row, column, _ in wrong if column not in dataset.measures}
    wrong += _copies(_without(raw.frame, spoiled), dataset, devices)
    whole = _without(raw.frame, {r for r, c, _ in wrong if c not in dataset.measures})
    for row, column, _ in wrong:
        if column in dataset.measures and row in whole.index:
            whole.loc[row, column] = np.nan
    frame = dataset.to_records(whole)
    told = {row for row, _, _ in wrong}
    empty = whole.index.difference(frame.index).difference(list(told))
    wrong += [(int(row), "", f"holds no measurement: {_named(dataset)}") for row in empty]
    frame = _with_origin(frame, dataset, table)
    records = Records.from_frame(frame, file=str(path), unique=False)
    aside = _set_aside(raw.frame, wrong, dataset, table)
    if len(records.set_aside):
        import pandas as pd

        aside = pd.concat([aside, records.set_aside], ignore_index=True)
    if not len(records):
        first = aside.iloc[0]
        message = f"no row holds; the first says: {first['reason']}"
        raise FileError.at(path, message, line=int(first["row"]), path=str(first["column"]))
    return Records(records.frame, aside)


def _without(frame: pd.DataFrame, rows: set[int]) -> pd.DataFrame:
    return frame.drop(index=sorted(rows)) if rows else frame


def _named(dataset: Dataset) -> str:
    """The columns that hold measurements, as a phrase."""
    names = dataset.measures or (dataset.quantity,)
    return f"no {' or '.join(names)} is given"


def _copies(raw: pd.DataFrame, dataset: Dataset, devices: DeviceTable | None) -> list[tuple[int, str, str]]:
    """Rows that equal another one in every declared column, two names of one device taken as one.

    The row stays that names the device most like its key; among equals the first.
    """
    content = raw
    if devices is not None and dataset.device_column in raw:
        key = raw[dataset.device_column].map(_keys(raw, dataset, devices))
        content = raw.assign(**{dataset.device_column: key})
    shared = content[content.duplicated(keep=False)]
    problems = []
    for positions in shared.groupby(list(shared.columns), dropna=False, sort=False).indices.values():
        rows = [int(row) for row in shared.index[positions]]
        names = [str(raw.loc[r, dataset.device_column]) if dataset.device_column in raw else "" for r in rows]
        device = str(shared.loc[rows[0], dataset.device_column]) if dataset.device_column in raw else ""
        stays = next((i for i, n in enumerate(names) if _plain(n).startswith(_plain(device))), 0)
        for i, row in enumerate(rows):
            if i != stays:
                other = "" if names[i] == names[stays] else f", which names the device '{names[stays]}'"
                problems.append((row, "", f"exact duplicate of row {rows[stays]}{other}"))
    return sorted(problems)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _keys(raw: pd.DataFrame, dataset: Dataset, devices: DeviceTable) -> dict[str, str]:
    """Key behind each name of the file; a device that nothing describes is its own key."""
    keys = {}
    for name in raw[dataset.device_column].dropna().unique():
        try:
            keys[name] = devices.key(dataset.name, dataset.device_column, name)
        except CodesignError:
            keys[name] = name
    return keys


def _with_origin(frame: pd.DataFrame, dataset: Dataset, table: Table) -> pd.DataFrame:
    """The columns that say where a record is from."""
    frame = frame.assign(row=frame.index.astype("float64")).reset_index(drop=True)
    frame["dataset"], frame["file"], frame["hash"] = dataset.name, str(table.path), table.hash
    if "source" not in frame:
        frame["source"] = dataset.source
    frame["licence"] = dataset.licence
    return frame


def _set_aside(
    raw: pd.DataFrame, wrong: Sequence[tuple[int, str, str]], dataset: Dataset, table: Table
) -> pd.DataFrame:
    """One line per wrong cell or row, in the order of the rows, with the device and mode it belongs to."""
    import pandas as pd

    ordered = sorted(wrong, key=lambda w: w[0])
    frame = pd.DataFrame(ordered, columns=["row", "column", "reason"])
    place = pd.DataFrame("", frame.index, columns=["device", "mode"], dtype="str")
    for column, lines in frame.groupby("column", sort=False).groups.items():
        where = _places(raw.loc[frame.loc[lines, "row"]], str(column), dataset)
        place.loc[lines] = where.fillna("").to_numpy(object)
    return pd.DataFrame(
        {
            "file": pd.Series(str(table.path), frame.index, dtype="str"),
            "row": frame["row"].astype("float64"),
            "dataset": pd.Series(dataset.name, frame.index, dtype="str"),
            **place,
            "column": frame["column"].astype("str"),
            "reason": frame["reason"].astype("str"),
        }
    )


def _places(rows: pd.DataFrame, column: str, dataset: Dataset) -> pd.DataFrame:
    """Device and mode of the record that `column` of each row belongs to."""
    numeric = [c.name for c in dataset.columns if c.numeric]
    probe = rows.assign(**{c: rows[c].fillna(1.0) for c in numeric if c != column})
    for other in dataset.measures:
        if column in dataset.measures:
            probe[other] = 1.0 if other == column else np.nan
    if column in numeric:
        probe[column] = 1.0
    records = dataset.to_records(probe.loc[~probe.index.duplicated()])[["device", "mode"]]
    return records.loc[~records.index.duplicated()].reindex(rows.index)


def _nothing_known(directory: Path, files: Sequence[Path], wanted: Sequence[str]) -> FileError:
    given = sorted({dataset_name(p) for p in files})
    close = [n for g in given for n in nearest(g, wanted)]
    what = (
        f"holds no known table; found {', '.join(given)}" if given else "holds no csv, csv.gz or parquet file"
    )
    expected = f"expected {', '.join(f'{name}.csv' for name in wanted)} (or .csv.gz, .parquet) in it or below"
    return FileError.at(directory, sentence(what, expected, did_you_mean(close)))
