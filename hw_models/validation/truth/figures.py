"""Read a file of reference figures: columns that must be there, columns that may be, numbers as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hw_models.errors import FileError, Finding, did_you_mean, nearest, sentence
from hw_models.measured.tables import read_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def read_figures(
    path: Path,
    *,
    texts: Sequence[str],
    numbers: Sequence[str],
    may_hold: Sequence[str] = (),
    above_zero: Sequence[str] = (),
    sizes: Sequence[str] = (),
) -> pd.DataFrame:
    """The file's rows by their line.

    Args:
        path: of the file.
        texts: columns of text that it must have.
        numbers: columns of numbers that it must have; an empty cell is NaN.
        may_hold: columns of numbers that it may have; one that is missing comes back all NaN.
        above_zero: those of the numbers that can be neither 0 nor below.
        sizes: those that are whole numbers of at least 1.

    Raises:
        FileError: a column that is missing, or a cell that is no such number, with every finding at once.
    """
    import pandas as pd

    frame = read_table(path).frame
    findings = [
        Finding(str(path), 1, "", sentence(f"no column '{c}'", did_you_mean(nearest(c, list(frame.columns)))))
        for c in (*texts, *numbers)
        if c not in frame.columns
    ]
    if findings:
        raise FileError(findings)
    for column in (*numbers, *may_hold):
        given = frame[column] if column in frame.columns else pd.Series(np.nan, frame.index)
        value = pd.to_numeric(given, errors="coerce").astype(np.float64)
        wrong, wanted = ~np.isfinite(value), "a number"
        if column in sizes:
            wrong, wanted = wrong | (value < 1) | (value != value.round()), "a whole number of at least 1"
        elif column in above_zero:
            wrong, wanted = wrong | (value <= 0), "a number above 0"
        findings += [
            Finding(str(path), int(str(line)), column, f"'{cell}' given, expected {wanted}")
            for line, cell in given[given.notna() & wrong].items()
        ]
        frame[column] = value
    if findings:
        raise FileError(findings)
    return frame
