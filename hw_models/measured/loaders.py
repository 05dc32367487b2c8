"""The sets of measurements that are known by name; a directory of them as records with their devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hw_models.errors import FileError, UnknownNameError, did_you_mean, nearest, sentence
from hw_models.measured import timm_throughput
from hw_models.measured.devices import SHIPPED, DeviceTable, check_names, read_devices, shipped_devices
from hw_models.measured.records import Records, concat
from hw_models.measured.tables import Table, dataset_name, find_tables, read_table, typed

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.measured.schema import Column


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of file.

    Attributes:
        name: of the file, up to the first dot.
        columns: what it must have.
        device_column: the column whose names `device_names.csv` explains.
        quantity: what was measured, as the file calls it.
        value: the column of the records that holds it.
        truth: "silicon", "closed_form" or "model".
        to_records: typed columns -> columns of the records.
    """

    name: str
    columns: tuple[Column, ...]
    device_column: str
    quantity: str
    value: str
    truth: str
    to_records: Callable[[pd.DataFrame], pd.DataFrame]


DATASETS: Final[Mapping[str, Dataset]] = {
    d.name: d
    for d in (
        Dataset(
            name="timm_throughput",
            columns=timm_throughput.COLUMNS,
            device_column="device",
            quantity="samples_per_s",
            value="throughput_per_s",
            truth="silicon",
            to_records=timm_throughput.to_records,
        ),
    )
}

BESIDE: Final = (
    "devices",
    "device_names",
    "naive_baselines_timm",
    "naive_baselines_other",
    "timm_imagenet_top1",
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
        name: concat([read(p, DATASETS[name]) for p in paths]) for name, paths in by_name.items() if paths
    }
    read_elsewhere = others or (lambda _: False)
    if not records and not any(read_elsewhere(dataset_name(p)) for p in files):
        raise _nothing_known(directory, files, wanted)
    known = {*DATASETS, *BESIDE}
    unread = [p for p in files if dataset_name(p) not in known and not read_elsewhere(dataset_name(p))]
    return Measured(records, devices, tuple(str(p.relative_to(directory)) for p in unread) if data else ())


def read(path: Path, dataset: Dataset) -> Records:
    """One file as records; rows with wrong cells are set aside with their reasons.

    Raises:
        FileError: where it is unreadable, empty, lacks a column, or has no row that holds.
    """
    table = read_table(path)
    raw = typed(table, dataset.columns)
    frame = dataset.to_records(raw.frame)
    frame["dataset"], frame["file"], frame["hash"] = dataset.name, str(path), table.hash
    frame["row"] = frame.index.astype("float64")
    bad = sorted({row for row, _, _ in raw.wrong})
    records = Records.from_frame(frame.drop(index=bad), file=str(path))
    aside = _with_reasons(frame, raw.wrong, records.set_aside, table)
    if not len(records):
        first = aside.iloc[0]
        message = f"no row holds; the first says: {first['reason']}"
        raise FileError.at(path, message, line=int(first["row"]), path=str(first["column"]))
    return Records(records.frame, aside)


def _with_reasons(
    frame: pd.DataFrame, wrong: Sequence[tuple[int, str, str]], later: pd.DataFrame, table: Table
) -> pd.DataFrame:
    """What was set aside while reading cells, before what was set aside while comparing rows."""
    import pandas as pd

    rows = [
        {
            "file": str(table.path),
            "row": float(row),
            "dataset": frame.loc[row, "dataset"],
            "device": frame.loc[row, "device"],
            "mode": frame.loc[row, "mode"],
            "column": column,
            "reason": reason,
        }
        for row, column, reason in wrong
    ]
    return pd.concat(
        [pd.DataFrame(rows, columns=later.columns).astype(later.dtypes), later], ignore_index=True
    )


def _nothing_known(directory: Path, files: Sequence[Path], wanted: Sequence[str]) -> FileError:
    given = sorted({dataset_name(p) for p in files})
    close = [n for g in given for n in nearest(g, wanted)]
    what = (
        f"holds no known table; found {', '.join(given)}" if given else "holds no csv, csv.gz or parquet file"
    )
    expected = f"expected {', '.join(f'{name}.csv' for name in wanted)} (or .csv.gz, .parquet) in it or below"
    return FileError.at(directory, sentence(what, expected, did_you_mean(close)))
