"""One table of measurements, whoever took them: strict on the way in, pandas out, versioned on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import override

from hw_models.errors import FileError, Finding, InputError, StorageError, did_you_mean, nearest, sentence
from hw_models.measured.cells import numbers, texts
from hw_models.measured.schema import (
    BY_NAME,
    COLUMNS,
    MEASURED,
    PERCENTILES,
    PLACEMENT,
    PROVENANCE,
    READABLE,
    RECORDS_FORMAT,
    SCENARIOS,
    STEP,
)

if TYPE_CHECKING:
    import pandas as pd

UNIT_SLIP: Final = 1.25
"""Largest ratio between batch / throughput and the mean time of a step that is no change of unit."""

MEAN_SLIP: Final = 100.0
"""Largest ratio between a mean and a percentile of the same run that is no change of unit."""

FORMAT_KEY: Final = "codesign_records_format"
"""Where the version stands: metadata of a parquet file, first line of a csv file."""


@dataclass(frozen=True, eq=False)
class Records:
    """Measurements that passed every check, and those that did not with the reason.

    Rows that differ in time alone are repeats: all of them stay, none is averaged.

    Attributes:
        set_aside: refused rows: `file, row, column, reason`.
    """

    _frame: pd.DataFrame
    set_aside: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the table, with the columns of `schema.COLUMNS` in their order."""
        return self._frame.copy(deep=False)  # pandas copies what is written to

    def __len__(self) -> int:
        return len(self._frame)

    @override
    def __repr__(self) -> str:
        return (
            f"Records({len(self)} rows, {self._frame['device'].nunique()} devices, "
            f"{self._frame['network'].nunique()} networks, {len(self.set_aside)} rows set aside)"
        )

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self._frame.head(10).dropna(axis=1, how='all').to_html(index=False)}"

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        file: str = "<frame>",
        strict: bool = False,
        copies: Sequence[str] | None = PROVENANCE,
    ) -> Records:
        """Check a table with the columns of `schema.COLUMNS`; optional ones may be missing.

        Args:
            frame: one row per measurement; cells may be text or numbers.
            file: name that messages give to rows without one of their own.
            strict: refuse the whole table where a row is wrong, instead of setting that row aside.
            copies: columns in which an exact duplicate may differ from its original; None: the caller has
                told duplicates from repeats, and all rows stay.

        Raises:
            FileError: on an unknown or missing column; where `strict`, on every wrong row.
        """
        _check_columns(frame, file)
        typed, findings = _typed(frame, file)
        findings += _contradictions(typed)
        if copies is not None:
            already = sorted({index for index, _, _ in findings})
            findings += _repeats(typed, typed.drop(columns=list(copies)).drop(index=already))
        if strict and findings:
            raise FileError([_finding(typed, *f) for f in findings])
        bad = sorted({index for index, _, _ in findings})
        kept = typed.drop(index=bad).reset_index(drop=True) if bad else typed
        return cls(kept, _set_aside(typed, findings))

    def of_devices(self, names: Sequence[str]) -> Records:
        """The rows of some devices, and of what was set aside theirs."""
        kept = self._frame[self._frame["device"].isin(names)].reset_index(drop=True)
        return Records(kept, self.set_aside[self.set_aside["device"].isin(names)].reset_index(drop=True))

    def to_csv(self, path: str | Path) -> None:
        """Write the table, with its format version in the first line; compressed if the name ends in `.gz`.

        Raises:
            StorageError: where the file cannot be written.
        """
        text = f"# {FORMAT_KEY}={RECORDS_FORMAT}\n" + self._frame.to_csv(index=False)
        try:
            if Path(path).suffix == ".gz":
                import gzip

                Path(path).write_bytes(gzip.compress(text.encode(), mtime=0))
            else:
                Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{path}: the records could not be written: {error.strerror}") from error

    def to_parquet(self, path: str | Path) -> None:
        """Write the table, with its format version in the file's metadata.

        Raises:
            StorageError: where the file cannot be written.
        """
        import pyarrow as pa
        from pyarrow import parquet

        table = pa.Table.from_pandas(self._frame, preserve_index=False)
        metadata = {**(table.schema.metadata or {}), FORMAT_KEY.encode(): str(RECORDS_FORMAT).encode()}
        try:
            parquet.write_table(table.replace_schema_metadata(metadata), path)
        except OSError as error:
            raise StorageError(f"{path}: the records could not be written: {error.strerror}") from error

    @classmethod
    def read(cls, path: str | Path, *, strict: bool = False) -> Records:
        """Read what `to_csv` or `to_parquet` wrote.

        Raises:
            FileError: where the file is missing, unreadable, empty, or of a version that is not known.
        """
        from hw_models.measured.tables import read_table

        table = read_table(Path(path))
        found = table.notes.get(FORMAT_KEY)
        if found not in {str(version) for version in READABLE}:
            given = "no format version" if found is None else f"format version {found}"
            expected = f"expected {FORMAT_KEY}={RECORDS_FORMAT}"
            message = sentence(
                f"{given} found", expected, "a table of your own goes through Records.from_frame"
            )
            raise FileError.at(path, message, line=1)
        return cls.from_frame(table.frame, file=str(path), strict=strict, copies=())


def concat(parts: Sequence[Records]) -> Records:
    """All rows of several tables; a row that two files share is kept once, repeats inside a file all stay."""
    import pandas as pd

    if not parts:
        raise InputError("no records given, expected at least one table")
    if len(parts) == 1:
        return parts[0]
    table = pd.concat([p.frame for p in parts], ignore_index=True)
    copies = _copies(table)
    kept = table.drop(index=[index for index, _, _ in copies]).reset_index(drop=True)
    aside = pd.concat([*(p.set_aside for p in parts), _set_aside(table, copies)], ignore_index=True)
    return Records(kept, aside)


_Problem = tuple[int, str, str]
"""Index of a row, its column, and what is wrong."""


def _check_columns(frame: pd.DataFrame, file: str) -> None:
    names = [str(c) for c in frame.columns]
    known = list(BY_NAME)
    findings = [
        Finding(file, 1, n, sentence("unknown column", did_you_mean(nearest(n, known))))
        for n in names
        if n not in BY_NAME
    ]
    findings += [
        Finding(file, 1, c.name, sentence("column is missing", c.meaning))
        for c in COLUMNS
        if c.required and c.name not in names
    ]
    if findings:
        raise FileError(findings)


def _typed(frame: pd.DataFrame, file: str) -> tuple[pd.DataFrame, list[_Problem]]:
    """The table with every column in its place and type, and each cell that its column cannot hold."""
    import pandas as pd

    columns: dict[str, pd.Series] = {}
    problems: list[_Problem] = []
    plain = frame.reset_index(drop=True)
    for column in COLUMNS:
        if column.name not in plain and column.name not in {"file", "row"}:
            columns[column.name] = pd.Series(np.nan, plain.index, "float64" if column.numeric else "str")
            continue
        given = plain.get(column.name, pd.Series(np.nan, plain.index, dtype=object))
        if column.name == "file":
            given = given.fillna(file)
        if column.name == "row":
            given = given.where(given.notna(), plain.index + 2)
        if column.numeric:
            columns[column.name], wrong = numbers(given, column)
        else:
            columns[column.name], wrong = texts(given, column)
        problems += [(index, column.name, reason) for index, reason in wrong.items()]
    return pd.DataFrame(columns), problems


def _contradictions(table: pd.DataFrame) -> list[_Problem]:
    """Rows whose own figures cannot all be true: nothing measured, falling percentiles, two units."""
    problems: list[_Problem] = []
    nothing = table[["network", "operator"]].isna().all(axis=1)
    problems += _where(table, nothing, "network", "neither a network nor an operator is named")
    untimed = table[list(MEASURED)].isna().all(axis=1)
    problems += _where(table, untimed, "mean_s", "neither a time, a rate nor an energy is given")
    unheard = table["scenario"].notna() & ~table["scenario"].isin(list(SCENARIOS))
    problems += _where(table, unheard, "scenario", f"is none of {', '.join(SCENARIOS)}")
    times = [c for c in PERCENTILES if table[c].notna().any()]
    for place, left in enumerate(times):
        for right in times[place + 1 :]:
            reason = f"is less than {left}: mixed units or swapped columns"
            problems += _where(table, table[left] > table[right], right, reason)
    placed = table[list(PLACEMENT)].sum(axis=1)
    problems += _where(table, placed > table["layers"], "layers", "is less than the layers placed on engines")
    return problems + _two_units(table)


def _two_units(table: pd.DataFrame) -> list[_Problem]:
    """Rows that state one time twice, in different units."""
    problems: list[_Problem] = []
    steps = table["scenario"].isna() | (table["scenario"] == STEP)
    ratio = (table["throughput_per_s"] * table["mean_s"] / table["batch"]).where(steps)
    for i in table.index[(ratio > UNIT_SLIP) | (ratio < 1 / UNIT_SLIP)]:
        reason = (
            f"batch / throughput and the time of a step differ by a factor of {ratio[i]:.4g}: mixed units"
        )
        problems.append((int(i), "mean_s", reason))
    for other in ("p50_s", "p90_s"):
        ratio = (table["mean_s"] / table[other]).where(steps)
        problems += [
            (int(i), "mean_s", f"differs from {other} by a factor of {ratio[i]:.4g}: mixed units")
            for i in table.index[(ratio > MEAN_SLIP) | (ratio < 1 / MEAN_SLIP)]
        ]
    return problems


def _where(table: pd.DataFrame, bad: pd.Series, column: str, reason: str) -> list[_Problem]:
    return [(int(i), column, reason) for i in table.index[bad]]


def _copies(table: pd.DataFrame) -> list[_Problem]:
    """Rows that stand in two files; the second of two equal rows of one file is the second of the other's."""
    content = table.drop(columns=[*PROVENANCE, "source", "licence"])
    content = content[content.duplicated(keep=False)]
    if content.empty:
        return []
    by = [*content.columns, "_file"]
    nth = content.assign(_file=table["file"]).groupby(by, dropna=False, sort=False).cumcount()
    return _repeats(table, content.assign(_nth=nth))


def _repeats(table: pd.DataFrame, content: pd.DataFrame) -> list[_Problem]:
    """Rows of `content` that equal an earlier one, the same measurement twice; `table` has their places."""
    shared = content[content.duplicated(keep=False)]
    problems = []
    for indices in shared.groupby(list(shared.columns), dropna=False, sort=False).indices.values():
        first, *others = (int(i) for i in shared.index[indices])
        for i in others:
            file, row = _place(table, first)
            place = f"row {row}" if file == _place(table, i)[0] else f"row {row} of {file}"
            problems.append((i, "", f"exact duplicate of {place}"))
    return sorted(problems)


def _finding(table: pd.DataFrame, index: int, column: str, reason: str) -> Finding:
    return Finding(*_place(table, index), column, reason)


def _place(table: pd.DataFrame, index: int) -> tuple[str, int]:
    """File and row that a row was read from."""
    row = table["row"].loc[index]
    return str(table["file"].loc[index]), index + 2 if np.isnan(row) else int(row)


def _set_aside(table: pd.DataFrame, problems: Sequence[_Problem]) -> pd.DataFrame:
    """One line per wrong cell; the rows of one measurement stand together."""
    import pandas as pd

    ordered = sorted(problems, key=lambda p: p[0])
    place = table.loc[[i for i, _, _ in ordered], ["file", "row", "dataset", "device", "mode"]]
    frame = place.reset_index(drop=True)
    frame["column"] = pd.Series([c for _, c, _ in ordered], dtype="str")
    frame["reason"] = pd.Series([r for _, _, r in ordered], dtype="str")
    return frame.astype({"row": "float64"})
