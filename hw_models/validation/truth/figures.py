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
    path: Path, *, texts: Sequence[str], numbers: Sequence[str], may_hold: Sequence[str] = ()
) -> pd.DataFrame:
    """The file's rows by their line.

    Args:
        path: of the file.
        texts: columns of text that it must have.
        numbers: columns of numbers that it must have; an empty cell is NaN.
        may_hold: columns of numbers that it may have; one that is missing comes back all NaN.

    Raises:
        FileError: a column that is missing, or a cell that is no number, with every finding at once.
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
        value = pd.to_numeric(given, errors="coerce")
        findings += [
            Finding(str(path), int(str(line)), column, f"'{cell}' given, expected a number")
            for line, cell in given[given.notna() & value.isna()].items()
        ]
        frame[column] = value.astype(np.float64)
    if findings:
        raise FileError(findings)
    return frame
