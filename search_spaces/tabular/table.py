"""Any table with knob, quality and cost columns as a search space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.knobs import Bool, Choice, Knob, Scalar
from search_spaces.space import SearchSpace, check
from search_spaces.tabular.reading import column_of, numbers_of, read_rows

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
        source: what messages call the table; None: its name.

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
        source: str | None = None,
    ) -> None:
        self.name = name
        self.source = f"table '{name}'" if source is None else source
        self._knobs = dict(knobs)
        if not self._knobs:
            msg = f"{self.source}: no knob given, expected the name of at least one column"
            raise InputError(msg)
        self._values = {n: _as_json(column_of(rows, n, self.source)) for n in self._knobs}
        self._columns = rows
        self._counted = np.empty((len(rows), 0)) if counted is None else np.asarray(counted, np.float64)
        self._effective = effective
        self._numbers: dict[str, FloatArray] = {}
        self._check_rows()

    @classmethod
    def from_file(cls, path: str | Path, knobs: Sequence[str], ordered: Sequence[str] = ()) -> TableSpace:
        """The rows of a CSV or parquet file.

        Args:
            path: file with a heading.
            knobs: names of the columns that are knobs; their domains are the values that occur.
            ordered: those of them whose neighbouring values are alike; numbers are in any case.

        Raises:
            FileError: no such file, another format, or none that can be read.
            UnknownNameError: a knob without a column.
            InputError: an empty cell of a knob, or a row twice.
        """
        where = Path(path)
        rows, source = read_rows(where), str(where)
        unknown = next((n for n in ordered if n not in knobs), None)
        if unknown is not None:
            raise UnknownNameError(f"knob of {source}", unknown, knobs)
        domains = {n: domain_of(rows, n, source, ordered=n in ordered) for n in knobs}
        return cls(where.name.partition(".")[0], domains, rows, source=source)

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
            msg = f"{self.source} has no row with {dict(candidate)}"
            raise InputError(msg)
        return candidate

    @override
    def neighbours(self, candidate: Candidate) -> Sequence[Candidate]:
        """The rows that differ in one knob; of a knob with an order the nearest on both sides."""
        here = self.canonical(candidate)
        return tuple(c for name, knob in self._knobs.items() for c in self._along(here, name, knob))

    def _along(self, here: Candidate, name: str, knob: Knob) -> Iterator[Candidate]:
        if isinstance(knob, Bool) or (isinstance(knob, Choice) and not knob.ordered):
            yield from (c for v in knob.near(here[name]) if (c := here.replace(**{name: v})) in self._row_of)
            return
        values = tuple(knob)
        at = values.index(here[name])
        for side in (values[at - 1 :: -1] if at else (), values[at + 1 :]):
            edits = (here.replace(**{name: v}) for v in side)
            yield from islice((c for c in edits if c in self._row_of), 1)

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
            InputError: a column with a cell that is no finite number; the message has its row.
        """
        if column not in self._numbers:
            self._numbers[column] = numbers_of(self._columns, column, self.source)
        return np.asarray(self._numbers[column][self.rows(candidates)], np.float64)

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
            msg = f"{self.source} has no rows, expected at least one"
            raise InputError(msg)
        for name, knob in self._knobs.items():
            wrong = next((i for i, v in enumerate(self._values[name]) if v not in knob), None)
            if wrong is not None:
                given = self._values[name][wrong]
                msg = (
                    f"{self.source}, row {wrong + 1}, column '{name}': {given!r} given, "
                    "expected a value of the knob; fill the cell or leave the row out"
                )
                raise InputError(msg)
        if len(self._row_of) < len(self._candidates):
            twice = next(i for i, c in enumerate(self._candidates) if self._row_of[c] != i)
            msg = (
                f"{self.source}: row {twice + 1} has the same knobs as row "
                f"{self._row_of[self._candidates[twice]] + 1}; average repeats first"
            )
            raise InputError(msg)


def _as_json(values: pd.Series[Any]) -> list[Scalar]:
    return list(values.tolist())


def domain_of(rows: pd.DataFrame, column: str, source: str, *, ordered: bool) -> Choice:
    """The values that occur in a column; numbers have an order in any case.

    Raises:
        UnknownNameError: a column that there is not.
        InputError: a column without a value.
    """
    values = _as_json(column_of(rows, column, source))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    distinct = dict.fromkeys(v for v in values if v == v and v is not None)  # noqa: PLR0124 - NaN is no value
    if not distinct:
        msg = f"{source}, column '{column}': a knob without values, expected a value in every row"
        raise InputError(msg)
    return Choice(tuple(sorted(distinct) if numbers else distinct), ordered=ordered or numbers)
