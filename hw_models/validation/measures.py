"""What a table measured of a run, and how it follows from a cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from hw_models.measured.schema import STEP

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from hw_models.measured.published.base import Dataset

UNITS: Final[Mapping[str, float]] = {"_ms": 1e3, "_uj": 1e6, "_mj": 1e3}
"""Ending of a quantity's name -> its unit in SI units."""

RATE: Final = "throughput_per_s"
ENERGY: Final = "energy_j"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured quantity.

    Attributes:
        quantity: as the file calls it.
        column: of the records that holds it.
        what: "time" of a step, "rate" of inputs or "energy" of a step.
        scale: the file's unit in SI units.
    """

    quantity: str
    column: str
    what: Literal["time", "rate", "energy"]
    scale: float

    @classmethod
    def of(cls, quantity: str, column: str) -> Measure:
        """The unit follows from the quantity's name, what it is from the column."""
        scale = next((s for ending, s in UNITS.items() if quantity.endswith(ending)), 1.0)
        if column == RATE:
            return cls(quantity, column, "rate", scale)
        return cls(quantity, column, "energy" if column == ENERGY else "time", scale)


def measures(dataset: Dataset, rows: pd.DataFrame) -> tuple[Measure, ...]:
    """What rows of one mode state that a cost can tell: time or rate, and energy where the table has it.

    Steps that overlap have a rate; their times include waiting, so that nothing is made of them.
    """
    found = [Measure.of(dataset.quantity, dataset.value)]
    if not (rows["scenario"].fillna(STEP) == STEP).all() and found[0].what == "time":
        found = [Measure.of("fps", RATE)]
    if dataset.energy:
        found.append(Measure.of(dataset.energy, ENERGY))
    return tuple(m for m in found if rows[m.column].notna().any())
