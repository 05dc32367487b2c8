"""What a set of reference figures is: a file of a known name, read and predicted by one module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.cost.arrays import FloatArray

POINT_COLUMNS: Final = ("device", "mode", "quantity", "measured", "predicted", "low", "high")
"""Of `Points.frame`: which machine, what the file tells apart beside it, what was measured (its unit in the
name, `latency_cycles`), the figure of the file, ours, and the ends of our 90 % interval (NaN: none)."""


@dataclass(frozen=True, eq=False)
class Points:
    """Predicted beside published figures of one file.

    Attributes:
        frame: one row per comparison with `POINT_COLUMNS`; more columns may follow.
        skipped: reason -> rows that were not compared.
        fidelity: label of the predictions.
        fitted_on: what constants behind them were fitted on; "" where nothing was.
        split: "fitted", "held_out" or "mixed", whether these rows are among those fitted on; a closed form or
            a model without a fit is "held_out".
        naive: name -> (N,) predictions of a simple rule for the same rows.
    """

    frame: pd.DataFrame
    fidelity: str
    fitted_on: str = ""
    split: str = "held_out"
    skipped: Mapping[str, int] = field(default_factory=dict)
    naive: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TruthSet:
    """A file that is known by name.

    Attributes:
        name: of the file up to the first dot.
        truth: "silicon" (silicon or RTL), "closed_form" or "model".
        predict: path of the file -> points. Raises `FileError` where the file is not what its name says.
        shipped: the copy that ships with the package; None: it may not ship.
        why_not_shipped: for users, where `shipped` is None.
    """

    name: str
    truth: str
    predict: Callable[[Path], Points]
    shipped: Path | None = None
    why_not_shipped: str = ""


def point_frame(**columns: object) -> pd.DataFrame:
    """A frame with `POINT_COLUMNS`, in order; `low` and `high` may be left out where there is no interval."""
    import pandas as pd

    frame = pd.DataFrame({"low": np.nan, "high": np.nan, **columns})
    return frame[[*POINT_COLUMNS, *(c for c in frame.columns if c not in POINT_COLUMNS)]]
