"""What measurements of other chips of a class say of a network: its residual there carries over in part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from hw_models.calibration.setting import Setting
    from hw_models.cost.arrays import FloatArray

CARRIED: Final = 0.7
"""Part of a log residual that carries over to another chip of the class. Source: timm, RTX 3090 and 4090: of
0, 0.5, 0.7 and 1 the best where the network was measured there, as good as any where not its family."""

APART: Final = 0.005
"""Variance of log residuals by which two chips of a class differ. Source: the same rows."""

ENOUGH: Final = 200
"""Networks measured on a chip itself from which on other chips add nothing."""


@dataclass(frozen=True)
class Anchors:
    """Settings of other chips of the class that ran networks in the same way.

    Source: Kennedy and O'Hagan, Biometrika 87 (2000): autoregressive co-kriging, each chip a level.
    """

    settings: tuple[Setting, ...]

    def predict(self, features: FloatArray, crossfit: str | None = None) -> tuple[FloatArray, FloatArray]:
        """(M,) mean and variance of the residual that carries over to networks with features (M, F)."""
        if not self.settings:
            return np.zeros(len(features)), np.zeros(len(features))
        each = [s.without(crossfit)[1].predict(features) for s in self.settings]
        mean, variance = (np.array(column) for column in zip(*each, strict=True))
        weight = 1.0 / (variance + APART)
        weight /= weight.sum(axis=0)
        joint = (weight * mean).sum(axis=0), (weight * variance).sum(axis=0)
        return CARRIED * joint[0], CARRIED**2 * joint[1]
