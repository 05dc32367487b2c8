"""Cells of a table as text or as numbers, and which of them their column cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hw_models.measured.schema import Column

UNITS = {
    "s": "seconds",
    "ms": "milliseconds",
    "j": "joules",
    "w": "watts",
    "hz": "hertz",
    "mhz": "megahertz",
    "bytes": "bytes",
    "gb_s": "GB/s",
    "tflops": "TFLOP/s",
    "tops": "TOP/s",
    "mb": "MB",
    "nm": "nanometres",
}
"""Endings of column names -> the unit in words; of two that fit the longer."""


def texts(given: pd.Series, column: Column) -> tuple[pd.Series, Mapping[int, str]]:
    """Cells as text, empty ones missing; and what is wrong by index."""
    import pandas as pd

    if isinstance(given.dtype, pd.StringDtype):
        cells = given.str.strip()
        if (cells == "").any():
            cells = cells.mask(cells == "")
        cells = cells.astype("str")
    else:
        plain = [None if _is_empty(v) else str(v).strip() for v in given.to_numpy(object)]
        cells = pd.Series(plain, given.index, dtype="str")
    wrong = {}
    if column.required:
        wrong = {int(i): f"is missing; {column.meaning}" for i in given.index[cells.isna()]}
    return cells, wrong


def numbers(given: pd.Series, column: Column) -> tuple[pd.Series, Mapping[int, str]]:
    """Cells as float64, empty ones NaN; and what is wrong by index."""
    import pandas as pd

    value, empty = _as_numbers(given)
    wrong: dict[int, str] = {}
    for bad, say in _faults(value, empty, column):
        for i, cell, number in zip(given.index[bad], given[bad], value[bad], strict=True):
            wrong[int(i)] = say(cell if isinstance(cell, str) else f"{number:g}")
    return pd.Series(value, given.index), wrong


def _as_numbers(given: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values, NaN where a cell is no number, and which cells are empty."""
    import pandas as pd

    if isinstance(given.dtype, pd.StringDtype):
        return _parsed(given)
    if given.dtype.kind in "fiub":
        value = given.to_numpy(np.float64)
        return value, np.isnan(value)
    plain = given.to_numpy(object, copy=True)
    empty = np.array([_is_empty(v) for v in plain], np.bool_)
    plain[empty] = np.nan
    return np.asarray(pd.to_numeric(plain, errors="coerce"), np.float64), empty


def _parsed(given: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers of a column of text: all at once where every cell is one, else cell by cell."""
    import pandas as pd
    import pyarrow as pa

    try:
        cells = pa.array(given, from_pandas=True)
        return cells.cast("float64").to_numpy(zero_copy_only=False), cells.is_null().to_numpy(
            zero_copy_only=False
        )
    except pa.ArrowInvalid:
        stripped = given.str.strip()
        value = pd.to_numeric(stripped, errors="coerce").to_numpy(np.float64)
        return value, (stripped.isna() | (stripped == "")).to_numpy(bool)


def _is_empty(cell: object) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())  # noqa: PLR0124  (NaN)


def _faults(
    value: NDArray[np.float64], empty: NDArray[np.bool_], column: Column
) -> Iterator[tuple[NDArray[np.bool_], Callable[[str], str]]]:
    """Which cells break each rule of their column, and how to say so; a later rule's word stands."""
    finite = np.isfinite(value)
    if column.required:
        yield empty, lambda _: f"is missing; {column.meaning}"
    if column.holds != "number":
        expected = "0 or 1" if column.holds == "flag" else "a whole number"
        yield finite & (value != np.floor(value)), lambda cell: f"{cell} given, expected {expected}"
    if column.holds == "flag":
        yield finite & (value > 1), lambda cell: f"{cell} given, expected 0 or 1"
    least = "more than 0" if column.positive else "0 or more"
    yield (value < 0) | ((value == 0) & column.positive), lambda cell: f"{cell} given, expected {least}"
    endings = ("" if column.name.endswith("_per_s") else column.name).split("_")
    unit = UNITS.get("_".join(endings[-2:])) or UNITS.get(endings[-1])
    plain = f"a plain number in {unit}" if unit else "a plain number"
    yield ~finite & ~empty, lambda cell: f"'{cell}' given, expected {plain}"
