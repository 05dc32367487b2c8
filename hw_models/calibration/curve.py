"""How the error falls with the number of networks that a chip is calibrated on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.calibration.process import Residuals
from hw_models.calibration.setting import USUAL, solve

if TYPE_CHECKING:
    from hw_models.calibration.anchors import Anchors
    from hw_models.calibration.points import Points
    from hw_models.cost.arrays import FloatArray
    from hw_models.spec.accelerator import Accelerator

SIZES: Final = (0, 5, 10, 20, 50)
DRAWS: Final = 20
"""Resamples behind each size."""
LEFT: Final = 10
"""Networks that must remain to be judged."""


def learning_curve(chip: Accelerator, points: Points, anchors: Anchors) -> tuple[dict[str, float | int], ...]:
    """Mean absolute error of latency of networks not drawn, by number of networks drawn, over resamples.

    By a law that never saw the chip, so that it holds for the next chip: size 0 is that law and what other
    chips of the class say. `mape` is of networks whose family was not drawn, `mape_all` of all not drawn.
    """
    law = points.under(f"device:{chip.name}")
    shares = law.at()
    raw = np.log(points.seconds) - np.log(shares.seconds) - anchors.predict(points.features)[0]
    families = np.array(points.families)
    rows: list[dict[str, float | int]] = []
    for size in (s for s in SIZES if s <= len(points) - LEFT):
        random = np.random.default_rng(size)
        found = [
            _drawn(random.permutation(len(points))[:size], raw, shares.parts, points.features, families)
            for _ in range(DRAWS if size else 1)
        ]
        far, every = (np.array(column) for column in zip(*found, strict=True))
        rows.append(
            {
                "networks": size,
                "mape": float(np.nanmean(far)) if np.isfinite(far).any() else float("nan"),
                "mape_worst_tenth": float(np.nanquantile(far, 0.9))
                if np.isfinite(far).any()
                else float("nan"),
                "mape_all": float(every.mean()),
            }
        )
    return tuple(rows)


def _drawn(
    drawn: np.ndarray, raw: FloatArray, parts: FloatArray, found: FloatArray, families: np.ndarray
) -> tuple[float, float]:
    """Error of one resample: where the family was not drawn (NaN: all were), and of all not drawn."""
    mean = np.zeros(len(raw))
    if len(drawn):
        theta = solve(parts[drawn], raw[drawn], found[drawn])
        own = Residuals(USUAL, found[drawn], raw[drawn] - parts[drawn] @ theta)
        mean = parts @ theta + own.predict(found)[0]
    error = np.abs(np.expm1(mean - raw))
    rest = np.ones(len(raw), np.bool_)
    rest[drawn] = False
    far = rest & ~np.isin(families, families[drawn])
    return float(error[far].mean()) if far.any() else float("nan"), float(error[rest].mean())
