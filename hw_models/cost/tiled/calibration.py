"""Fitted scalars of one chip, as its calibration file lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from hw_models.shipped import shipped_yaml

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """One fitted scalar.

    Attributes:
        unit, meaning: of the number.
        value: as fitted; low, high: its range over the fits with groups of rows left out.
        prior: value without data; spread: of the prior, as the standard deviation of the logarithm.
        identified: whether the data fixes it; where not, it is no fact about the hardware.
        note: what that judgement rests on.
    """

    unit: str
    meaning: str
    value: float
    low: float
    high: float
    prior: float
    spread: float
    identified: bool
    note: str


@dataclass(frozen=True)
class Calibration:
    """All that was fitted for a chip.

    Attributes:
        chip: by name; organisation: whose scalars they are.
        fitted_on, obtained: rows, and how.
        scalars: by name; at most eight.
        intervals: mode -> factors of a prediction between which 90 % of rows with other shapes lie.
    """

    chip: str
    organisation: str
    fitted_on: str
    obtained: str
    scalars: Mapping[str, Scalar]
    intervals: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Calibration:
        """From the structure of a calibration file."""
        if data["schema_version"] != SCHEMA_VERSION:
            raise ValueError(data["schema_version"])
        return cls(
            data["chip"],
            data["organisation"],
            data["fitted_on"],
            data["obtained"],
            {name: Scalar(**row) for name, row in data["scalars"].items()},
            {mode: (row["low"], row["high"]) for mode, row in data["intervals"].items()},
        )

    @property
    def values(self) -> dict[str, float]:
        """Name -> value."""
        return {name: scalar.value for name, scalar in self.scalars.items()}


@cache
def gemmini_calibration() -> Calibration:
    """The calibration that ships (`gemmini_calibration.yaml`)."""
    return Calibration.of(shipped_yaml("hw_models.cost.tiled", "gemmini_calibration.yaml"))
