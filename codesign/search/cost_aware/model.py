"""What was told, read once, and the model of it; both grow with what is told.

They are kept from round to round for speed alone: read from the first line, an archive is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from codesign.search.cost_aware.archive import Settings, Told, Training, training
from codesign.search.cost_aware.gaussian_process import (
    PRIOR,
    FloatArray,
    GaussianProcess,
    Prediction,
    fit_hyper_parameters,
)

if TYPE_CHECKING:
    from codesign.search.cost_aware.known import IntArray, KnownPoints
    from search_spaces.candidate import Candidate

BoolArray = NDArray[np.bool_]

LEAST: Final = 3
"""Results without which there is no model."""
STEP: Final = 8
"""Results after which hyper-parameters are fitted anew, or an eighth of all."""
MOST_STEP: Final = 32
"""Results after which the rows that a model is given of a long archive are chosen anew."""


@dataclass(frozen=True)
class Model:
    """Predicts the errors of networks.

    Attributes:
        known: what is known of them.
        given: what the model was made of, before later results joined.
        process: given all of it.
    """

    known: KnownPoints
    given: Training
    process: GaussianProcess

    @property
    def shift(self) -> float:
        """The error at minus infinity of the scale of predictions."""
        return self.given.shift

    def predict(self, rows: IntArray) -> Prediction:
        """Of the logarithm of the error above `shift`."""
        return self.process.predict(self.given.scaled(self.known, rows))

    def also(self, rows: IntArray, errors: FloatArray) -> Model:
        """The same with later results; the scale of errors and features stays."""
        if not len(rows):
            return self
        inputs = self.given.scaled(self.known, rows)
        return Model(self.known, self.given, self.process.also(inputs, self.given.target(errors)))


class Archive:
    """What was told: rows of the networks, the front, the front behind it, and the model.

    Args:
        known: costs and features of the networks.
        settings: of the search.
    """

    def __init__(self, known: KnownPoints, settings: Settings) -> None:
        self.known, self.settings = known, settings
        self._forget()

    def _forget(self) -> None:
        self._candidates: list[Candidate] = []
        self.rows, self.errors = np.empty(0, np.intp), np.empty(0)
        self.front, self.second = np.empty(0, np.intp), np.empty(0, np.intp)
        self._theta: tuple[int, FloatArray] = (0, PRIOR)
        self._model: tuple[int, Model] | None = None

    def read(self, told: Told) -> None:
        """Everything that was told; what was read before is not read again."""
        n = len(self.rows)
        same = list(told.candidates[:n]) == self._candidates
        if not (same and np.array_equal(told.errors[:n], self.errors, equal_nan=True)):
            self._forget()
        new = told.candidates[len(self.rows) :]
        self._candidates += new
        self.errors = np.array(told.errors, np.float64)
        self.rows = np.concatenate([self.rows, self.known.rows(new)])
        counts = self.useful()
        if self.settings.floor is not None:
            counts &= self.errors <= self.settings.floor
        self._layers(np.flatnonzero(counts & (np.arange(len(counts)) >= len(counts) - len(new))))

    def useful(self) -> BoolArray:
        """(n,) which networks are allowed and have an error."""
        return np.asarray(np.isfinite(self.errors) & self.known.allowed[self.rows], np.bool_)

    def costs(self, at: IntArray) -> FloatArray:
        """(k, r, m) of what was told at some positions."""
        return self.known.costs[self.rows[at]]

    def _layers(self, new: IntArray) -> None:
        """Positions of the front, and of what the front alone beats; what both beat stays beaten."""
        near = np.sort(np.concatenate([self.front, new]))
        self.front, behind = self._split(near)
        self.second, _ = self._split(np.sort(np.concatenate([self.second, behind])))

    def _split(self, at: IntArray) -> tuple[IntArray, IntArray]:
        on = layer(self.costs(at), self.errors[at]) if len(at) else np.zeros(0, bool)
        return at[on], at[~on]

    def model(self) -> Model:
        """Of all results; of a long archive rows are chosen now and then, and what came since joins them."""
        n = self._grown(MOST_STEP)
        if len(self.rows) <= self.settings.rows or self.useful()[:n].sum() < LEAST:
            n = len(self.rows)
        if self._model is None or self._model[0] != n:
            given = training(self.known, self.rows[:n], self.errors[:n], self.settings)
            process = GaussianProcess.given(given.inputs, given.targets, self._fitted())
            self._model = n, Model(self.known, given, process)
        later = np.flatnonzero(self.useful()[n:]) + n
        return self._model[1].also(self.rows[later], self.errors[later])

    def _fitted(self) -> FloatArray:
        """Hyper-parameters, of the rows told until the archive last grew by an eighth."""
        n = self._grown(len(self.rows))
        if self.useful()[:n].sum() < LEAST:
            return PRIOR
        if self._theta[0] != n:
            given = training(self.known, self.rows[:n], self.errors[:n], self.settings)
            self._theta = n, fit_hyper_parameters(given.inputs, given.targets)
        return self._theta[1]

    def _grown(self, most: int) -> int:
        """How much was told when the archive last grew by a step."""
        n = self.settings.n_start
        while n + (step := max(STEP, min(n // STEP, most))) <= len(self.rows):
            n += step
        return n


def layer(costs: FloatArray, errors: FloatArray) -> BoolArray:
    """(n,) whether a network is beaten by no other; (n, r, m) costs of r ways to run it."""
    at, way = np.nonzero(~np.isnan(costs).any(2))
    found = np.zeros(len(errors), bool)
    found[at[front_of(np.column_stack([errors[at], costs[at, way]]))]] = True
    return found


def front_of(values: FloatArray) -> BoolArray:
    """(n,) which of n points no other beats."""
    from codesign.front import non_dominated

    return non_dominated(values) if len(values) else np.zeros(0, bool)
