"""Reading a table of results from a file: what is wrong is said with the file, the row and the column."""

from __future__ import annotations

import csv
import gzip
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.errors import FileError, InputError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")


def read_rows(path: str | Path) -> pd.DataFrame:
    """The rows of a CSV or parquet file; lines of a CSV that start with `#` are notes.

    Raises:
        FileError: no such file, another format, rows that are not as long as the heading, a heading twice, no
            rows at all.
    """
    where = Path(path)
    if not where.name.endswith(SUFFIXES):
        raise FileError.at(where, f"given as a table, expected {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if not where.is_file():
        raise FileError.at(where, "given as a table, expected a CSV or parquet file that is there")
    rows = _parquet(where) if where.suffix == ".parquet" else _csv(where)
    if not len(rows):
        raise FileError.at(where, "has no rows, expected a heading and at least one row")
    return rows


def _parquet(where: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(where)
    except (OSError, ValueError) as error:  # pyarrow's errors are subclasses of these
        raise FileError.at(where, f"is no parquet file: {' '.join(str(error).split())[:120]}") from None


def _csv(where: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        lines = _lines(where)
    except UnicodeDecodeError as error:
        said = f"is not UTF-8 text ({error.reason} at byte {error.start}); expected a CSV file"
        raise FileError.at(where, said) from None
    except (OSError, EOFError) as error:
        raise FileError.at(where, f"cannot be read: {error}; expected a CSV file") from None
    notes = [at for at, line in enumerate(lines) if line.startswith("#")]
    heading = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    names = next(csv.reader([heading]), [])
    if not names:
        raise FileError.at(where, "is empty, expected a heading and at least one row")
    twice = next((n for at, n in enumerate(names) if n in names[:at]), None)
    if twice is not None:
        raise FileError.at(where, f"has the heading '{twice}' twice, expected every column once")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a row too long would lose its end
        try:
            return pd.read_csv(where, skiprows=notes, index_col=False)
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            said = f"rows are not as long as the heading: {' '.join(str(error).split())}"
            raise FileError.at(where, said) from None


def _lines(where: Path) -> list[str]:
    if where.suffix == ".gz":
        with gzip.open(where, "rt", encoding="utf-8") as file:
            return list(file)
    return where.read_text("utf-8").splitlines(keepends=True)


def column_of(rows: pd.DataFrame, column: str, source: str) -> pd.Series[Any]:
    """A column by its heading.

    Raises:
        UnknownNameError: a heading that there is not.
    """
    if column not in rows.columns:
        raise UnknownNameError(f"column of {source}", column, [str(c) for c in rows.columns])
    return rows[column]


def numbers_of(rows: pd.DataFrame, column: str, source: str) -> NDArray[np.float64]:
    """(n,) numbers of a column; NaN where the cell is empty.

    Raises:
        UnknownNameError: a heading that there is not.
        InputError: a cell that is no finite number; the message has its row.
    """
    import pandas as pd

    given = column_of(rows, column, source)
    values = np.asarray(pd.to_numeric(given, errors="coerce"), np.float64)
    wrong = np.flatnonzero(np.isinf(values) | (np.isnan(values) & ~np.asarray(given.isna(), bool)))
    if len(wrong):
        at = int(wrong[0])
        msg = (
            f"{source}, row {at + 1}, column '{column}': {given.iloc[at]!r} given, expected a finite number, "
            "or an empty cell where it is unknown"
        )
        raise InputError(msg)
    return values
