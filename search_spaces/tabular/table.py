"""Any table with knob, quality and cost columns as a search space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice, Knob, Scalar
from search_spaces.space import SearchSpace, check

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
Count = Callable[["pd.DataFrame"], FloatArray]
"""Table of knobs -> (n, f) what can be counted of each row without training."""


class TableSpace(SearchSpace):
    """The rows of a table as candidates; a combination of values without a row is none.

    Args:
        name: of the space.
        knobs: knob -> domain; every value of its column must be in it.
        rows: the knobs' columns and further numeric ones; no two rows with the same knobs.
        counted: (n, f) features of the rows that are free to know.
        effective: the knobs that count for quality, where some change nothing; None: all.

    Raises:
        UnknownNameError: a knob without a column.
        InputError: an empty cell or a value outside a knob's domain, a row twice, a table without rows.
    """

    name = "table"

    def __init__(
        self,
        name: str,
        knobs: Mapping[str, Knob],
        rows: pd.DataFrame,
        counted: FloatArray | None = None,
        effective: Callable[[Candidate], Candidate] | None = None,
    ) -> None:
        self.name = name
        self._knobs = dict(knobs)
        self._values = {n: _as_json(_column(name, rows, n)) for n in self._knobs}
        self._columns = rows
        self._counted = np.empty((len(rows), 0)) if counted is None else np.asarray(counted, np.float64)
        self._effective = effective
        self._check_rows()

    @classmethod
    def from_file(cls, path: str | Path, knobs: Sequence[str], ordered: Sequence[str] = ()) -> TableSpace:
        """The rows of a CSV or parquet file.

        Args:
            path: file with a heading.
            knobs: names of the columns that are knobs; their domains are the values that occur.
            ordered: those of them whose neighbouring values are alike; numbers are in any case.

        Raises:
            InputError: no such file, or another format.
            UnknownNameError: a knob without a column.
        """
        import pandas as pd

        where = Path(path)
        if not where.is_file():
            msg = f"{where} given, expected a CSV or parquet file that is there"
            raise InputError(msg)
        if where.suffix not in {".csv", ".gz", ".parquet"}:
            msg = f"{where} given, expected .csv, .csv.gz or .parquet"
            raise InputError(msg)
        rows = pd.read_parquet(where) if where.suffix == ".parquet" else pd.read_csv(where, comment="#")
        domains = {n: _domain(_as_json(_column(where.stem, rows, n)), n in ordered) for n in knobs}
        return cls(where.stem, domains, rows)

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return self._knobs

    @property
    @override
    def size(self) -> int:
        return len(self._columns)

    @override
    def build(self, candidate: Candidate) -> Any:
        """A table has no networks.

        Raises:
            InputError: always.
        """
        msg = f"'{self.name}' is a table of results: its candidates cannot be built, only looked up"
        raise InputError(msg)

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        if candidate not in self._row_of:
            check(self, candidate)
            msg = f"the table '{self.name}' has no row with {dict(candidate)}"
            raise InputError(msg)
        return candidate

    @override
    def neighbours(self, candidate: Candidate) -> Sequence[Candidate]:
        here = self.canonical(candidate)
        edits = (here.replace(**{n: v}) for n, knob in self._knobs.items() for v in knob.near(here[n]))
        return tuple(c for c in edits if c in self._row_of)

    @override
    def candidates(self) -> Iterator[Candidate]:
        return iter(self._candidates)

    @override
    def sample(self, rng: np.random.Generator) -> Candidate:
        return self._candidates[int(rng.integers(len(self._candidates)))]

    def effective(self, candidate: Candidate) -> Candidate:
        """The knobs that count for quality."""
        return candidate if self._effective is None else self._effective(candidate)

    def features(self, candidates: Sequence[Candidate]) -> FloatArray:
        """(n, f) what can be counted of the candidates without training."""
        return np.asarray(self._counted[self.rows(candidates)], np.float64)

    def rows(self, candidates: Sequence[Candidate]) -> NDArray[np.intp]:
        """Positions of candidates in the table."""
        return np.array([self._row_of[c] for c in candidates], np.intp)

    def look_up(self, candidates: Sequence[Candidate], column: str) -> FloatArray:
        """(n,) values of a numeric column; NaN where the cell is empty.

        Raises:
            UnknownNameError: a column that there is not.
        """
        values = _column(self.name, self._columns, column).to_numpy(np.float64)
        return np.asarray(values[self.rows(candidates)], np.float64)

    @cached_property
    def _candidates(self) -> tuple[Candidate, ...]:
        names = list(self._values)
        return tuple(
            Candidate(dict(zip(names, row, strict=True))) for row in zip(*self._values.values(), strict=True)
        )

    @cached_property
    def _row_of(self) -> dict[Candidate, int]:
        first: dict[Candidate, int] = {}
        for row, candidate in enumerate(self._candidates):
            first.setdefault(candidate, row)
        return first

    def _check_rows(self) -> None:
        if not len(self._columns):
            msg = f"the table '{self.name}' has no rows, expected at least one"
            raise InputError(msg)
        for name, knob in self._knobs.items():
            wrong = next((i for i, v in enumerate(self._values[name]) if v not in knob), None)
            if wrong is not None:
                given = self._values[name][wrong]
                msg = (
                    f"table '{self.name}', row {wrong + 1}, column '{name}': {given!r} given, "
                    "expected a value of the knob; fill the cell or leave the row out"
                )
                raise InputError(msg)
        if len(self._row_of) < len(self._candidates):
            twice = next(i for i, c in enumerate(self._candidates) if self._row_of[c] != i)
            msg = (
                f"table '{self.name}': row {twice + 1} has the same knobs as row "
                f"{self._row_of[self._candidates[twice]] + 1}; average repeats first"
            )
            raise InputError(msg)


def _column(name: str, rows: pd.DataFrame, column: str) -> pd.Series[Any]:
    if column not in rows.columns:
        raise UnknownNameError(f"column of the table '{name}'", column, [str(c) for c in rows.columns])
    return rows[column]


def _as_json(values: pd.Series[Any]) -> list[Scalar]:
    return list(values.tolist())


def _domain(values: list[Scalar], ordered: bool) -> Choice:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    distinct = dict.fromkeys(v for v in values if v == v)  # noqa: PLR0124 - NaN is no value
    return Choice(tuple(sorted(distinct) if numbers else distinct), ordered=ordered or numbers)
