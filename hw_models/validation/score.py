"""One line of the comparison: how a model did on one data set, device and mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_models.validation import metrics
from hw_models.validation.naive import best_naive

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Score:
    """How a model did on one data set, device and mode; None where a figure does not apply.

    Errors are fractions of the quantity as the file states it.

    Attributes:
        truth: "silicon", "closed_form" or "model".
        quantity: what was measured, as the file calls it; fidelity: the lowest among the predictions.
        fitted_on: what the constants behind the predictions were fitted on.
        split: what these constants have seen of the rows. "held_out": rows that do not ship. Rows that ship
            count up to three times: as "fitted" by the constants in force; as "family_out" by constants that
            never saw their fold of families, and as "device_out" by such as never saw their device, where any
            were fitted on them. "mixed": operators of which some ship.
        n: rows compared; n_skipped: rows that were not (`Validation.skipped` says why).
        mape: mean absolute error without any free scale.
        mape_scaled: after one scale, see `metrics.one_scale`.
        bias: mean signed error.
        ci_low, ci_high: of `mape` when whole families are drawn, so that near-twins stay together.
        coverage_90: share of measurements in their 90 % interval; width_90: its median half-width over value.
        naive_mape_scaled, naive_kendall_tau: of the best naive predictor of each, on the same rows.
        reason: why there is nothing to compare, where the whole set is out of reach.
    """

    dataset: str
    truth: str
    device: str | None
    mode: str | None
    quantity: str
    fidelity: str | None = None
    fitted_on: str | None = None
    split: str | None = None
    n: int = 0
    n_skipped: int = 0
    mape: float | None = None
    mape_scaled: float | None = None
    median_ape: float | None = None
    p90_ape: float | None = None
    bias: float | None = None
    kendall_tau: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    coverage_90: float | None = None
    width_90: float | None = None
    naive_mape_scaled: float | None = None
    naive_kendall_tau: float | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Every figure by its key, in order; the reason only where there is one."""
        figures = asdict(self)
        return figures if self.reason else {k: v for k, v in figures.items() if k != "reason"}


def errors_of(
    points: pd.DataFrame, naive: Mapping[str, FloatArray], groups: NDArray[Any] | None = None
) -> dict[str, Any]:
    """The figures of `Score` that compare numbers.

    Args:
        points: `measured, predicted, low, high` of every row.
        naive: (N,) predictions of each naive predictor for the same rows.
        groups: (N,) the family of each; None: every row stands alone.
    """
    measured, predicted, low, high = (
        points[c].to_numpy(np.float64) for c in ("measured", "predicted", "low", "high")
    )
    interval = metrics.mape_interval(predicted, measured, groups=groups)
    naive_error, naive_tau = best_naive(naive, measured)
    return {
        "mape": metrics.mape(predicted, measured),
        "mape_scaled": metrics.mape_scaled(predicted, measured),
        "median_ape": metrics.absolute_error_quantile(predicted, measured, 0.5),
        "p90_ape": metrics.absolute_error_quantile(predicted, measured, 0.9),
        "bias": metrics.bias(predicted, measured),
        "kendall_tau": metrics.kendall_tau(predicted, measured),
        "ci_low": interval[0] if interval else None,
        "ci_high": interval[1] if interval else None,
        "coverage_90": metrics.coverage(low, high, measured),
        "width_90": metrics.half_width(low, high, predicted),
        "naive_mape_scaled": naive_error,
        "naive_kendall_tau": naive_tau,
    }
