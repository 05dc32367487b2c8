"""Evaluations looked up in a table that describes its columns: a search costs nothing and can be scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from codesign.evaluate import Evaluation, PointCost
from codesign.objectives import CATALOGUE
from codesign.quality.base import Rating
from codesign.quality.tabular import TabularQuality
from hw_models.cost.base import COST_UNITS, Estimate
from hw_models.errors import FileError, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace
    from search_spaces.tabular.described import DescribedTable

COSTS: Final = {
    "latency_ms": "latency",
    "energy_mj": "energy",
    "power_w": "power",
    "peak_memory_mb": "peak_memory",
    "area_mm2": "area",
    "price_usd": "price",
}
"""Quantities of the catalogue that are a cost of a point -> its field; any other one is a fact of its own."""
PAID: Final = ("error_pct", "top1_pct")


@dataclass(frozen=True)
class TableEvaluator:
    """The rows of a described table as evaluations: its quality is paid for, its costs are free.

    Costs that bear the name of a catalogue's quantity are that quantity; others are facts, which an objective
    of the same name reads. An empty cell is unknown.

    Raises:
        FileError: the description names a quality as a cost.
        InputError: a figure of the quality outside 0 to 100 %.
    """

    space: DescribedTable

    def __post_init__(self) -> None:
        wrong = next((n for n in self.space.description.costs if n in PAID), None)
        if wrong is not None:
            said = "is a quality; expected it under `quality:`, where it is paid for"
            raise FileError.at(self.space.path, said, path=f"costs.{wrong}")
        _ = self._quality

    @property
    def paid(self) -> tuple[str, ...]:
        """Quantities that `free` leaves unknown."""
        return PAID

    def __call__(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """One evaluation for each candidate, in their order."""
        return (self._evaluation(c, self._rating(c)) for c in candidates)

    def free(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """The same without quality."""
        return (self._evaluation(c, Rating.unknown()) for c in candidates)

    def _evaluation(self, candidate: Candidate, rating: Rating) -> Evaluation:
        at = int(self.space.rows([candidate])[0])
        costs: dict[str, Any] = {}
        facts: dict[str, float] = {}
        for name, values in self._values.items():
            value = float(values[at])
            if name in COSTS:
                costs[COSTS[name]] = _estimate(value / CATALOGUE[name].scale, COST_UNITS[COSTS[name]])
            elif not np.isnan(value):
                facts[name] = value
        return Evaluation(
            candidate,
            network=self.space.label(candidate),
            cost=PointCost(**costs),
            error=rating.error,
            facts=facts,
            notes=rating.notes,
        )

    def _rating(self, candidate: Candidate) -> Rating:
        return Rating.unknown() if self._quality is None else self._quality.rate(candidate, "fp32")

    @cached_property
    def _quality(self) -> TabularQuality | None:
        return None if self.space.description.quality is None else rated_by(self.space)

    @cached_property
    def _values(self) -> dict[str, NDArray[np.float64]]:
        """Quantity -> (n,) of the rows, in the unit of its name."""
        every = list(self.space.candidates())
        costs = self.space.description.costs
        return {name: self.space.look_up(every, c.column) * c.scale for name, c in costs.items()}


def rated_by(table: DescribedTable, space: SearchSpace | None = None) -> TabularQuality:
    """The quality that a described table has for the networks of a space; None: for its own.

    Raises:
        InputError: a description without a quality, or a table whose knobs are not those of the space.
    """
    told = table.description.quality
    if told is None:
        expected = "`quality: {column: ..., data_set: ..., source: ...}`"
        msg = f"{table.path}: describes no quality, expected {expected}"
        raise InputError(msg)
    return TabularQuality(table, told.column, told.data_set, told.source, space, told.means)


def _estimate(value: float, unit: str) -> Estimate:
    return Estimate.unknown(unit) if np.isnan(value) else Estimate(value, value, value, "published", unit)
