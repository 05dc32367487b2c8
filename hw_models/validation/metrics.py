"""How far predictions are from measurements: error, bias, rank, coverage.

Errors are fractions of the measured value.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

RESAMPLES: Final = 1000
"""Bootstrap resamples behind an interval."""

LEVEL: Final = 0.90
"""Level of the intervals that are checked and given."""


def relative_errors(predicted: FloatArray, measured: FloatArray) -> FloatArray:
    """(N,) signed error, predicted / measured - 1."""
    return predicted / measured - 1.0


def mape(predicted: FloatArray, measured: FloatArray) -> float:
    """Mean absolute error, no free scale."""
    return float(np.abs(relative_errors(predicted, measured)).mean())


def one_scale(predicted: FloatArray, measured: FloatArray) -> float:
    """The one factor on all predictions that `mape_scaled` allows: the median of measured / predicted.

    It is the scale of `naive_baselines_timm.csv`, whose columns `scale` and `mape_1p` it reproduces.
    Predictions of 0, which no factor moves, are left out; 1 where there are no others.
    """
    moved = predicted != 0
    return float(np.median(measured[moved] / predicted[moved])) if moved.any() else 1.0


def mape_scaled(predicted: FloatArray, measured: FloatArray) -> float:
    """Mean absolute error after `one_scale`."""
    return mape(predicted * one_scale(predicted, measured), measured)


def absolute_error_quantile(predicted: FloatArray, measured: FloatArray, quantile: float) -> float:
    """Quantile of the absolute error, no free scale."""
    return float(np.quantile(np.abs(relative_errors(predicted, measured)), quantile))


def bias(predicted: FloatArray, measured: FloatArray) -> float:
    """Mean signed error; above 0 the prediction is too large."""
    return float(relative_errors(predicted, measured).mean())


def kendall_tau(predicted: FloatArray, measured: FloatArray) -> float | None:
    """Kendall's tau-b; None where fewer than two values differ on either side."""
    if len(np.unique(predicted)) < 2 or len(np.unique(measured)) < 2:
        return None
    from scipy.stats import kendalltau

    return float(kendalltau(predicted, measured).statistic)


def mape_interval(
    predicted: FloatArray, measured: FloatArray, *, groups: NDArray[Any] | None = None, seed: int = 0
) -> tuple[float, float] | None:
    """Bootstrap interval of `mape` at `LEVEL`; None for fewer than two rows, or groups.

    Args:
        predicted: (N,) in the unit of `measured`.
        measured: (N,).
        groups: (N,) rows that are drawn together, as they err alike; None: each alone.
        seed: of the draws.

    Source: percentile bootstrap, Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3;
        of clusters: Davison and Hinkley, Bootstrap Methods (1997), section 3.8.
    """
    errors = np.abs(relative_errors(predicted, measured))
    if groups is None:
        sums, sizes = errors, np.ones(len(errors))
    else:
        _, member = np.unique(groups, return_inverse=True)
        sums, sizes = np.bincount(member, errors), np.bincount(member).astype(np.float64)
    n = len(sums)
    if n < 2:
        return None
    picks = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))
    means = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def coverage(low: FloatArray, high: FloatArray, measured: FloatArray) -> float | None:
    """Share of measurements inside their predicted interval; None where no row has one."""
    has = np.isfinite(low) & np.isfinite(high)
    if not has.any():
        return None
    inside = (low <= measured) & (measured <= high)
    return float(inside[has].mean())


def half_width(low: FloatArray, high: FloatArray, predicted: FloatArray) -> float | None:
    """Median half-width of the intervals as a fraction of the prediction; None where no row has one."""
    has = np.isfinite(low) & np.isfinite(high)
    if not has.any():
        return None
    return float(np.median((high - low)[has] / 2 / predicted[has]))
