"""One file of a known set as records: what cannot be true is set aside, with file, row and reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.errors import CodesignError, Finding
from hw_models.measured.records import Records
from hw_models.measured.tables import NoRowsError, Table, read_table, typed

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.measured.devices import DeviceTable
    from hw_models.measured.published.base import Dataset

UNIT_SLIP: Final = 100.0
"""Ratio between repeats of one measurement beyond which they are in different units."""


def read(path: Path, dataset: Dataset, devices: DeviceTable | None = None) -> Records:
    """One file as records; rows that cannot be true are set aside with their reasons.

    Args:
        path: csv, csv.gz or parquet.
        dataset: what the file is.
        devices: two names of one device are one device, so that copied rows are told from measured ones.

    Raises:
        FileError: where it is unreadable, empty or lacks a column; `NoRowsError` where no row holds.
    """
    table = read_table(path)
    raw = typed(table, dataset.columns)
    rules = dataset.wrong_rows.items()
    wrong = [(row, column, why) for column, rule in rules for row, why in rule(raw.frame).items()]
    wrong += raw.wrong
    spoiled = {row for row, column, _ in wrong if column not in dataset.measures}
    sound = _without(raw.frame, spoiled)
    wrong += _copies(sound, dataset, devices)
    wrong += _unlike_their_repeats(sound, dataset)
    whole = _without(raw.frame, {r for r, c, _ in wrong if c not in dataset.measures})
    for row, column, _ in wrong:
        if column in dataset.measures and row in whole.index:
            whole.loc[row, column] = np.nan
    frame = dataset.to_records(whole)
    told = {row for row, _, _ in wrong}
    empty = whole.index.difference(frame.index).difference(list(told))
    wrong += [(int(row), "", f"holds no measurement: {_named(dataset)}") for row in empty]
    frame = _with_origin(frame, dataset, table)
    records = Records.from_frame(frame, file=str(path), copies=None)
    aside = _set_aside(raw.frame, wrong, dataset, table)
    if len(records.set_aside):
        import pandas as pd

        aside = pd.concat([aside, records.set_aside], ignore_index=True)
    if not len(records):
        first = aside.iloc[0]
        message = f"no row holds; the first says: {first['reason']}"
        raise NoRowsError(
            Finding(str(path), int(first["row"]), str(first["column"]), message), n_rows=len(raw.frame)
        )
    return Records(records.frame, aside)


def _without(frame: pd.DataFrame, rows: set[int]) -> pd.DataFrame:
    return frame.drop(index=sorted(rows)) if rows else frame.copy(deep=False)


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


def _unlike_their_repeats(raw: pd.DataFrame, dataset: Dataset) -> list[tuple[int, str, str]]:
    """Cells far from every repeat of their row: another unit. Of two repeats neither can be trusted."""
    figures = list(dataset.measures or (dataset.quantity,))
    keys = [c for c in raw.columns if c not in figures]
    repeats = raw[raw.duplicated(keys, keep=False)]
    problems = []
    for figure in figures:
        by = repeats.groupby(keys, dropna=False, sort=False)[figure]
        wide = repeats[by.transform("max") / by.transform("min") > UNIT_SLIP]
        for rows in wide.groupby(keys, dropna=False, sort=False).indices.values():
            logs = np.log(wide[figure].to_numpy()[rows])
            for i, row in enumerate(wide.index[rows]):
                off = float(np.exp(abs(logs[i] - np.median(np.delete(logs, i)))))
                if off > UNIT_SLIP:
                    problems.append(
                        (int(row), figure, f"differs from its repeats by a factor of {off:.4g}: mixed units")
                    )
    return problems


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
