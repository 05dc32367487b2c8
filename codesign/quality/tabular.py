"""Quality from a table of results that somebody published: exact, with its data set and its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from codesign.quality.base import Rating
from codesign.quality.published import at_precision
from hw_models.cost.base import Estimate
from hw_models.errors import CodesignError, InputError, UnknownNameError

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace
    from search_spaces.tabular.table import TableSpace


@dataclass(frozen=True)
class TabularQuality:
    """What a table says of networks, at full precision; at int8 with the drop of a class.

    Where the canonical form of `space` makes several rows one network, they are runs of that network: their
    mean is its error, the lowest and the highest are its interval. A network without a row is unknown, and so
    is one whose cells are empty.

    Args:
        table: rows with a knob for each knob of the space.
        column: accuracy or error [%].
        data_set: what it was measured on.
        source: who published it.
        space: whose networks are rated, such as a space that builds those of the table; None: the table's.
        means: whether `column` is an accuracy or an error.

    Raises:
        UnknownNameError: a column that there is not, or a knob of the space that the table lacks.
        InputError: a knob of the table that the space lacks, a figure outside 0 to 100 %, or a row that is no
            network of the space.
    """

    table: TableSpace
    column: str
    data_set: str
    source: str
    space: SearchSpace | None = None
    means: Literal["accuracy", "error"] = "accuracy"

    def __post_init__(self) -> None:
        if self.means not in ("accuracy", "error"):
            msg = f"means={self.means!r} given, expected 'accuracy' or 'error'"
            raise InputError(msg)
        rated, known = self._space.knobs, self.table.knobs
        lacking = next((k for k in rated if k not in known), None)
        if lacking is not None:
            raise UnknownNameError(
                f"knob of {self.table.source}", lacking, known, "name its column as the knob"
            )
        further = next((k for k in known if k not in rated), None)
        if further is not None:
            msg = f"{self.table.source} has the knob '{further}', which the space '{self._space.name}' lacks"
            raise InputError(msg)
        self._check_range()

    def rate(self, network: Candidate, precision: str) -> Rating:
        """The rating of one network; unknown where the table has no figure."""
        runs = self._runs.get(self._space.canonical(network))
        if runs is None:
            return Rating.unknown()
        n = len(runs)
        mean, low, high = (round(float(v), 6) for v in (runs.mean(), runs.min(), runs.max()))
        error = Estimate(mean, low, high, "published", "%")
        several = f"; mean of {n} runs of this network, {low:.2f} to {high:.2f} %" if n > 1 else ""
        return at_precision(error, precision, f"error on {self.data_set} ({self.source}){several}")

    @property
    def _space(self) -> SearchSpace:
        return self.table if self.space is None else self.space

    @cached_property
    def _errors(self) -> np.ndarray:
        """(n,) errors of the rows [%]; NaN where the cell is empty."""
        found = self.table.look_up(list(self.table.candidates()), self.column)
        return 100.0 - found if self.means == "accuracy" else found

    def _check_range(self) -> None:
        wrong = np.flatnonzero((self._errors < 0) | (self._errors > 100))
        if len(wrong):
            given = self.table.look_up(list(self.table.candidates()), self.column)[wrong[0]]
            msg = (
                f"{self.table.source}, row {wrong[0] + 1}, column '{self.column}': {given:g} given, expected "
                f"an {self.means} in per cent, 0 to 100"
            )
            raise InputError(msg)

    @cached_property
    def _runs(self) -> Mapping[Candidate, np.ndarray]:
        """Errors of the rows that are one network."""
        found: dict[Candidate, list[float]] = {}
        for at, candidate in enumerate(self.table.candidates()):
            error = float(self._errors[at])
            if np.isnan(error):
                continue
            found.setdefault(self._network(at, candidate), []).append(error)
        return {network: np.array(errors) for network, errors in found.items()}

    def _network(self, at: int, candidate: Candidate) -> Candidate:
        try:
            return self._space.canonical(candidate)
        except CodesignError as error:
            msg = (
                f"{self.table.source}, row {at + 1}: is no network of the space '{self._space.name}': {error}"
            )
            raise InputError(msg) from error
