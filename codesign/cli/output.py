"""How commands print: one table for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

Rows = Sequence[Mapping[str, Any]]
WIDTH_UNKNOWN: Final = 200
"""Columns of a table that is not printed to a terminal."""


def print_json(value: Any) -> None:
    """Print one JSON document on stdout; NaN and infinity are null, numpy scalars are numbers."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def print_table(rows: Rows | pd.DataFrame, *, as_json: bool = False, title: str | None = None) -> None:
    """Print rows as a table, or as a JSON list where `as_json` is set; unknown cells read 'unknown'."""
    records: Rows = rows if isinstance(rows, Sequence) else _records(rows)
    if as_json:
        print_json(records)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", show_edge=False, pad_edge=False)
    columns = list(dict.fromkeys(name for row in records for name in row))
    for name in columns:
        numeric = all(isinstance(plain(row.get(name)), int | float | None) for row in records)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in records:
        table.add_row(*(cell(row.get(name)) for name in columns))
    # a file or a pipe has no width: names must not be cut into pieces for one of 80 columns
    Console(soft_wrap=False, width=None if sys.stdout.isatty() else WIDTH_UNKNOWN).print(table)


def _records(frame: pd.DataFrame) -> Rows:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def cell(value: Any) -> str:
    """Text of one cell: four significant digits, 'unknown' for None and NaN, yes and no for truth values."""
    from rich.markup import escape

    value = plain(value)
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.3e}"
        case list():
            return escape(", ".join(str(item) for item in value))
    return escape(str(value))


def plain(value: Any) -> Any:
    """The value in JSON's own types; what is not a finite number is None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist") and not isinstance(value, str):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int | str) or value is None:
        return value
    return None if type(value).__name__ in {"NAType", "NaTType"} else str(value)
