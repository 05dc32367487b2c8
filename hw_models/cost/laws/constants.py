"""The class constants of `class_priors.yaml` as a law: where a class has no finer one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hw_models.cost.adjust import Adjustment, ClassConstants, class_priors

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.chips import Chips


@dataclass(frozen=True)
class ConstantsLaw:
    """A few tied efficiencies of one kind of engine under one lowering."""

    constants: ClassConstants
    overlap: float

    @classmethod
    def of(cls, kind: str, lowering: str) -> ConstantsLaw:
        """The constants that ship for a kind of engine.

        Raises:
            InputError: there are none for that lowering.
        """
        priors = class_priors()
        return cls(priors.constants(kind, lowering), priors.overlap)

    def apply(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds over the efficiencies."""
        return Adjustment.of(chips, (self.constants,) * len(chips)).apply(seconds, kernels)

    def start(self, chips: Chips) -> FloatArray:
        """(C,) s: nothing is known of it, all fixed time is the kernels'."""
        return np.zeros(len(chips))

    def interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of latency."""
        return np.repeat([[self.constants.low], [self.constants.high]], len(chips), axis=1)

    @property
    def source(self) -> str:
        """Where the constants are from and how they were got."""
        return f"{self.constants.source}; {self.constants.obtained}"
