"""The error of networks that nobody trained, from those of their space that somebody did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from codesign.quality.predictor.conformal import cv_plus, folds, places
from codesign.quality.predictor.features import counts_of
from codesign.quality.predictor.model import Model
from codesign.quality.published import FULL_PRECISIONS, at_precision
from codesign.search.archives import TOP1, Wanted, known_qualities
from codesign.search.cost_aware.known import KnownPoints
from hw_models.cost.base import Estimate
from hw_models.errors import CodesignError, InputError
from hw_models.spec.accelerator import PRECISIONS
from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from codesign.quality.base import Rating
    from codesign.search.archives import Known
    from codesign.search.cost_aware.known import Counts
    from search_spaces.knobs import Knob

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

PREDICTED: Final = "predicted"
"""Fidelity of an error that a model of other networks' errors tells."""
NEEDED: Final = 40
"""Rows that an interval is fitted to at least: over draws of 40 rows a coverage of 90 % has a standard
deviation of 4.6 points. Source: Beta(37, 4), Vovk 2012."""
COVERAGE: Final = 0.9
AT_ONCE: Final = 1024
"""Networks that are predicted at a time, for the memory of their intervals."""
NO_RESULTS: Final = (PREDICTED, "prior")
"""Fidelities of errors that nobody measured: nothing is learnt from them."""


@dataclass(frozen=True)
class _AtAnyPrecision(SearchSpace):
    """Networks of a space, each at a precision or at none."""

    networks: SearchSpace
    name: str = "networks at any precision"

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return {**self.networks.knobs, "precision": Choice(PRECISIONS)}

    @override
    def build(self, candidate: Candidate) -> Any:
        return self.networks.build(candidate.only(self.networks.knobs))

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        own = {k: v for k, v in candidate.items() if k != "precision"}
        at = {k: v for k, v in candidate.items() if k == "precision"}
        return Candidate({**self.networks.canonical(Candidate(own)), **at})


@dataclass(frozen=True)
class PredictedQuality:
    """A Gaussian process over knobs and features, with intervals from rows that its models did not see.

    An interval holds the error of 90 % of networks that are drawn as the rows were. A search does not draw:
    it picks what is predicted to be good; there the interval holds less often.

    Args:
        space: whose networks are rated.
        rows: network -> error [%] at full precision; networks that are one are averaged.
        counts: features of networks; None: what the space counts, else what their workloads tell.
        data_set: what the errors were measured on, for notes.
        coverage: of the interval.
        needed: fewest rows.
        seed: of the draw of rows where there are more than the process is fitted to.

    Raises:
        InputError: too few rows, an error outside 0 to 100 %, errors that are all the same, a row that is no
            network of the space.
    """

    space: SearchSpace
    rows: Mapping[Candidate, float]
    counts: Counts | None = None
    data_set: str = ""
    coverage: float = COVERAGE
    needed: int = NEEDED
    seed: int = 0
    _told: Mapping[Candidate, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0.5 <= self.coverage < 1:
            msg = f"coverage={self.coverage!r} given, expected 0.5 or more and less than 1"
            raise InputError(msg)
        found: dict[Candidate, list[float]] = {}
        for number, (candidate, error) in enumerate(self.rows.items(), 1):
            if not (isinstance(error, int | float) and 0 <= error <= 100):
                msg = f"row {number}: error {error!r} given, expected per cent, 0 to 100"
                raise InputError(msg)
            found.setdefault(self._own(candidate, f"row {number}"), []).append(float(error))
        n = len(found)
        if n < self.needed:
            msg = (
                f"errors of {n} networks of '{self.space.name}' given, expected at least {self.needed} for "
                f"an interval that can be trusted; train {self.needed - n} more, drawn at random"
            )
            raise InputError(msg)
        places(n, self.coverage)
        told = {c: float(np.mean(errors)) for c, errors in found.items()}
        if len(set(told.values())) == 1:
            msg = f"the same error of all {n} networks given, expected errors that differ"
            raise InputError(msg)
        object.__setattr__(self, "_told", told)

    @classmethod
    def of_archive(
        cls, space: SearchSpace, archive: Known | Sequence[Known], data_set: str = "", **given: object
    ) -> PredictedQuality:
        """From what earlier studies paid for: run folders, archives, studies, fronts; no predictions.

        Args:
            space: whose networks are rated.
            archive: one source or several; of a network in several the first counts.
            data_set: that the errors must be of; "": whatever the sources say.
            given: further arguments of the class.

        Raises:
            UnknownNameError: results of other spaces alone.
            InputError: results of another metric, data set or version of the space; too few at full
                precision.
        """
        from codesign.config import fingerprint
        from codesign.objectives import CATALOGUE

        digest = fingerprint(space)[f"space {space.name}"]
        wanted = Wanted(_AtAnyPrecision(space), space.name, digest, TOP1, CATALOGUE[TOP1], data_set)
        rows: dict[Candidate, float] = {}
        for known in known_qualities(archive, wanted):
            full = known.candidate.get("precision", "fp32") in FULL_PRECISIONS
            if full and known.value.value is not None and known.value.fidelity not in NO_RESULTS:
                rows.setdefault(known.candidate.only(space.knobs), known.value.value)
        return cls(space, rows, data_set=data_set, **given)  # type: ignore[arg-type]

    def rate(self, network: Candidate, precision: str) -> Rating:
        """The predicted error with its interval; at int8 with the drop of a class; unknown elsewhere.

        Raises:
            InputError: a network of another space.
        """
        value, low, high = (round(float(v[0]), 6) for v in self.predict([network]))
        on = f" on {self.data_set}" if self.data_set else ""
        note = (
            f"error{on} predicted from {len(self._told)} networks of '{self.space.name}'; interval: "
            f"{self.coverage:.0%} of networks drawn as those were; rank correlation (Kendall) on rows left "
            f"out: {self.tau:.2f}"
        )
        return at_precision(Estimate(value, low, high, PREDICTED, "%"), precision, note)

    def predict(self, networks: Sequence[Candidate]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(n,) errors [%], and both ends of their intervals.

        Raises:
            InputError: a network of another space.
        """
        own = [self._own(c, "network") for c in networks]
        parts = [own[i : i + AT_ONCE] for i in range(0, len(own), AT_ONCE)]
        found = [self._predicted(part) for part in parts]
        value, low, high = (np.concatenate([f[i] for f in found] or [np.empty(0)]) for i in range(3))
        return value, low, high

    @cached_property
    def tau(self) -> float:
        """Kendall's rank correlation of what the rows are and what models that did not see them say."""
        from scipy.stats import kendalltau

        order = np.concatenate([f.rows for f in self._folds])
        said = np.concatenate([f.means for f in self._folds])
        return float(kendalltau(self._errors[order], said).statistic)

    def _predicted(self, own: list[Candidate]) -> tuple[FloatArray, FloatArray, FloatArray]:
        value = self._model.predict(self._known, own)[0]
        told = [f.model.predict(self._known, own) for f in self._folds]
        off = [f.off for f in self._folds]
        low, high = cv_plus([t[0] for t in told], [t[1] for t in told], off, self.coverage)
        ends = (value, np.minimum(low, value), np.maximum(high, value))
        value, low, high = (np.clip(self._shift + np.exp(z), 0.0, 100.0) for z in ends)
        return value, low, high

    def _own(self, candidate: Candidate, what: str) -> Candidate:
        try:
            return self.space.canonical(candidate)
        except CodesignError as error:
            msg = f"{what} is none of the space '{self.space.name}' that the errors are of: {error}"
            raise InputError(msg) from error

    @cached_property
    def _known(self) -> KnownPoints:
        counts = counts_of(self.space) if self.counts is None else self.counts
        return KnownPoints(self.space, lambda cs: np.empty((len(cs), 1, 0)), counts)

    @cached_property
    def _errors(self) -> FloatArray:
        return np.array(list(self._told.values()))

    @cached_property
    def _shift(self) -> float:
        """An error [%] that no network is below; logarithms above it spread good networks."""
        best, median = float(self._errors.min()), float(np.median(self._errors))
        return best - max(median - best, 1e-3)

    @cached_property
    def _model(self) -> Model:
        every = list(self._told)
        return Model.given(self._known, every, np.log(self._errors - self._shift), self.seed)

    @cached_property
    def _folds(self) -> list[Fold]:
        """For each part of the rows a model of the others, and how far it is off on the part."""
        every, targets, found = list(self._told), np.log(self._errors - self._shift), []
        for part in folds(len(every), self.seed):
            others = np.setdiff1d(np.arange(len(every)), part)
            model = Model.given(self._known, [every[i] for i in others], targets[others], self.seed)
            mean, spread = model.predict(self._known, [every[i] for i in part])
            found.append(Fold(model, part, mean, np.abs(targets[part] - mean) / spread))
        return found


class Fold(NamedTuple):
    """What a model says of the rows that it was not given.

    Attributes:
        model: of the others.
        rows: positions of those left out.
        means: logarithm of the error above the shift that it tells for them.
        off: by how many of its standard deviations it is wrong, without sign.
    """

    model: Model
    rows: IntArray
    means: FloatArray
    off: FloatArray
