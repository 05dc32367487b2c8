"""One Gaussian process of the errors of some networks, with the scales of what it was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from codesign.search.cost_aware.gaussian_process import GaussianProcess, Inputs, fit_hyper_parameters

if TYPE_CHECKING:
    from codesign.search.cost_aware.known import KnownPoints
    from search_spaces.candidate import Candidate

FloatArray = NDArray[np.float64]

FITTED: Final = 256
"""Rows that the six numbers of the process are fitted to at most; it is conditioned on all of them."""


@dataclass(frozen=True)
class Model:
    """A process with the scales of the features that it was given.

    Attributes:
        process: of the logarithm of the error above the shift.
        mean: (f,) of the features over its rows.
        spread: (f,) the same, standard deviation; inf for one that is always the same.
        least: (f,) the least of each feature: a score that a network has not got is like the worst.
    """

    process: GaussianProcess
    mean: FloatArray
    spread: FloatArray
    least: FloatArray

    @classmethod
    def given(cls, known: KnownPoints, candidates: list[Candidate], targets: FloatArray, seed: int) -> Model:
        """Fitted to networks and the logarithms of their errors (n,).

        Args:
            known: their codes and features.
            candidates: canonical, none twice.
            targets: (n,) logarithm of the error above the shift.
            seed: of the draw of rows to fit to.
        """
        rows = known.rows(candidates)
        raw = known.features[rows]
        least = np.min(np.where(np.isnan(raw), np.inf, raw), axis=0, initial=np.inf)
        least = np.where(np.isfinite(least), least, 0.0)
        features = np.where(np.isnan(raw), least, raw)
        spread = features.std(0)
        spread = np.where(spread > 1e-9, spread, np.inf)
        mean = features.mean(0)
        inputs = Inputs(known.knobs[rows], (features - mean) / spread / np.sqrt(max(len(mean), 1)))
        some = np.arange(len(targets))
        if len(targets) > FITTED:
            some = np.sort(np.random.default_rng(seed).permutation(len(targets))[:FITTED])
        theta = fit_hyper_parameters(inputs.take(some), targets[some])
        return cls(GaussianProcess.given(inputs, targets, theta), mean, spread, least)

    def predict(self, known: KnownPoints, candidates: list[Candidate]) -> tuple[FloatArray, FloatArray]:
        """(n,) mean and standard deviation of a new measurement."""
        rows = known.rows(candidates)
        raw = known.features[rows]
        features = (np.where(np.isnan(raw), self.least, raw) - self.mean) / self.spread
        told = self.process.predict(Inputs(known.knobs[rows], features / np.sqrt(max(len(self.mean), 1))))
        return np.asarray(told.mean, np.float64), np.asarray(told.deviation, np.float64)
