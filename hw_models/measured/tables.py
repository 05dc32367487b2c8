"""Find and read the files that measurements come in: csv, csv.gz, parquet; every cell as the file has it."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hw_models.errors import FileError, Finding, InputError, did_you_mean, nearest, sentence
from hw_models.measured.cells import numbers, texts

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.measured.schema import Column

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
"""Endings of the files that are read."""


class NoRowsError(FileError):
    """A table that is sound but has no row that holds.

    Args:
        finding: which file, and why its first row does not hold where it has any.
        n_rows: rows that it has.
    """

    def __init__(self, finding: Finding, n_rows: int = 0) -> None:
        super().__init__([finding])
        self.n_rows = n_rows


@dataclass(frozen=True, eq=False)
class Table:
    """One file as it stands.

    Attributes:
        frame: cells as text (csv) or as typed by the file (parquet), indexed by row; the header is row 1.
        hash: SHA-256 of the file's bytes.
        notes: `key=value` pairs of the leading `#` lines of a csv or of the metadata of a parquet file.
    """

    path: Path
    frame: pd.DataFrame
    hash: str
    notes: Mapping[str, str]


def dataset_name(path: Path) -> str:
    """The file's name up to the first dot."""
    return path.name.split(".", 1)[0]


def find_tables(directory: Path) -> list[Path]:
    """Every file with a known ending in `directory` and below, sorted.

    Raises:
        InputError: where `directory` is not a readable directory.
    """
    if not directory.is_dir():
        what = "is a file" if directory.exists() else "does not exist"
        raise InputError(
            f"'{directory}' {what}; expected a directory with tables of measurements in it or below"
        )
    return sorted(p for p in directory.rglob("*") if p.is_file() and p.name.lower().endswith(SUFFIXES))


def read_table(path: Path) -> Table:
    """Read one file whole.

    Raises:
        FileError: where it is missing or unreadable; `NoRowsError` where it has a header alone.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError.at(path, f"cannot be read: {error.strerror}") from error
    read = _read_parquet if path.name.lower().endswith(".parquet") else _read_csv
    frame, notes = read(path, data)
    if frame.empty:
        raise NoRowsError(Finding(str(path), 1, "", "holds no rows; expected a header and at least one row"))
    return Table(path, frame, hashlib.sha256(data).hexdigest(), notes)


def _read_csv(path: Path, data: bytes) -> tuple[pd.DataFrame, dict[str, str]]:
    import pandas as pd

    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise FileError.at(
                path, f"is damaged: {error}; expected a gzip file, fetch or write it again"
            ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileError.at(
            path, f"byte {error.start} is not UTF-8; expected UTF-8 text", line=line
        ) from error
    notes = []
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith("#"):
        notes.append(lines.pop(0).lstrip("# ").strip())
    if not any(line.strip() for line in lines):
        raise FileError.at(path, "is empty; expected a header and at least one row", line=1)
    try:
        frame = pd.read_csv(io.StringIO("".join(lines)), dtype="str", keep_default_na=False, na_values=[""])
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise FileError.at(path, f"is not a table: {reason}") from error
    frame.index = pd.RangeIndex(2 + len(notes), 2 + len(notes) + len(frame))
    return frame, dict(note.split("=", 1) for note in notes if "=" in note)


def _read_parquet(path: Path, data: bytes) -> tuple[pd.DataFrame, dict[str, str]]:
    import pandas as pd
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(io.BytesIO(data))
    except (ArrowException, OSError) as error:
        raise FileError.at(path, f"is not a parquet file: {str(error).splitlines()[0]}") from error
    notes = {k.decode(): v.decode("utf-8", "replace") for k, v in (table.schema.metadata or {}).items()}
    frame = table.to_pandas()
    frame.index = pd.RangeIndex(2, 2 + len(frame))
    return frame, notes


@dataclass(frozen=True, eq=False)
class Typed:
    """A file's cells by its declared columns.

    Attributes:
        frame: the declared columns, typed, indexed by row.
        wrong: `(row, column, reason)` of every cell that its column cannot hold.
    """

    frame: pd.DataFrame
    wrong: Sequence[tuple[int, str, str]]


def typed(table: Table, columns: Iterable[Column]) -> Typed:
    """The declared columns of a file; others are left alone.

    Raises:
        FileError: where a declared column is missing; names the nearest that the file has.
    """
    import pandas as pd

    declared = list(columns)
    present = [str(c) for c in table.frame.columns]
    spare = [n for n in present if n not in {c.name for c in declared}]
    missing = [
        Finding(
            str(table.path),
            1,
            c.name,
            sentence("column is missing", c.meaning, did_you_mean(nearest(c.name, spare))),
        )
        for c in declared
        if c.name not in present
    ]
    if missing:
        raise FileError(missing)
    cells: dict[str, pd.Series] = {}
    wrong: list[tuple[int, str, str]] = []
    for column in declared:
        read = numbers if column.numeric else texts
        cells[column.name], problems = read(table.frame[column.name], column)
        wrong += [(row, column.name, reason) for row, reason in problems.items()]
    return Typed(pd.DataFrame(cells), wrong)
