"""Measured networks of one chip in one setting, with what the law of the class says of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hw_models.calibration.features import network_features
from hw_models.calibration.scalars import NEUTRAL, Scalars, Shares
from hw_models.cost.calibrated import Laws
from hw_models.cost.chips import ENGINE_KINDS
from hw_models.cost.grid import Prepared
from hw_models.cost.laws.catalogue import N_FOLDS, family_fold
from hw_models.cost.models import calibrated_model
from hw_models.cost.roofline import DRAM, ISSUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.chips import Chips


@dataclass(frozen=True, eq=False)
class Points:
    """N measured networks, lowered as they ran.

    Attributes:
        kernels: one network a point, at its batch.
        chips: the one chip.
        runtime: what executed.
        names, families: (N,) of the networks; a family that is not named is the network itself.
        seconds: (N,) measured, the median where a network was measured several times.
        spread: (N,) standard deviation of the logarithm of those repeats; NaN: one measurement.
    """

    kernels: Kernels
    chips: Chips
    runtime: str | None
    names: tuple[str, ...]
    families: tuple[str, ...]
    seconds: FloatArray
    spread: FloatArray

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def folds(self) -> NDArray[np.intp]:
        """(N,) fold of each family."""
        return np.array([family_fold(f) for f in self.families], np.intp)

    def under(self, crossfit: str | None) -> LawPoints:
        """What the law says whose constants never saw something; None: the law."""
        lowering = self.kernels.lowering[0]
        model = calibrated_model(Laws(runtime=self.runtime, crossfit=crossfit, own=False, anchored=False))
        prepared = Prepared.of(self.chips, model, lowering)
        return LawPoints(self, prepared, prepared.terms(self.kernels).seconds)

    @cached_property
    def by_law(self) -> LawPoints:
        """What the law says."""
        return self.under(None)

    @cached_property
    def families_out(self) -> tuple[LawPoints, ...]:
        """(N_FOLDS,) what the law says whose constants never saw a fold of families."""
        return tuple(self.under(f"family:{fold}") for fold in range(N_FOLDS))

    @cached_property
    def features(self) -> FloatArray:
        """(N, F) of the networks."""
        return network_features(self.kernels, self.kind)

    @property
    def kind(self) -> str:
        """Kind of the engine."""
        return ENGINE_KINDS[int(self.chips.kind[0])]


@dataclass(frozen=True, eq=False)
class LawPoints:
    """The terms (U, 1, R) of points as a law has them."""

    points: Points
    prepared: Prepared
    terms: FloatArray

    def at(self, scalars: Scalars = NEUTRAL) -> Shares:
        """(N,) s of each network that go with each scalar."""
        kernels = self.points.kernels
        total = kernels.counts @ self.prepared.shares(scalars.apply(self.terms))[:, 0]
        beside = self.prepared.beside(kernels)
        start = 0.0 if beside is None else beside[:, 0] * scalars.fixed
        outer, fixed = total[:, DRAM], total[:, ISSUE]
        return Shares(total.sum(axis=1) - outer - fixed, outer, fixed + start)
