"""What somebody without a model would predict from a network's published totals and a chip's data sheet.

The four predictors of `naive_baselines_timm.csv`, whose figures they reproduce: the level to beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hw_models.validation import metrics
from hw_models.workload.op import BITS, Precision

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.cost.arrays import Kernels
    from hw_models.spec.accelerator import Accelerator

FloatArray = NDArray[np.float64]

PASSES: Final = 2
"""Every activation is written once and read once."""

PREDICTORS: Final = ("roofline_max", "roofline_sum", "macs_only", "acts_only")


PREDICTORS_OF_KERNELS: Final = ("roofline_max", "roofline_sum", "macs_only", "bytes_only")


def naive_throughput(rows: pd.DataFrame, chip: Accelerator, precision: str) -> dict[str, FloatArray]:
    """(N,) inputs per second by predictor, from `macs, activations, params` and `batch` of each row.

    `macs_only` is compute at the dense peak, `acts_only` activations out and in and weights once a batch at
    the DRAM bandwidth, `roofline_max` and `roofline_sum` the larger and the sum of the two times. A predictor
    whose figures the chip or the rows lack is NaN.
    """
    compute_s, memory_s = _seconds(rows, chip, precision)
    return {
        "roofline_max": 1 / np.maximum(compute_s, memory_s),
        "roofline_sum": 1 / (compute_s + memory_s),
        "macs_only": 1 / compute_s,
        "acts_only": 1 / memory_s,
    }


def _seconds(rows: pd.DataFrame, chip: Accelerator, precision: str) -> tuple[FloatArray, FloatArray]:
    """Time per input at the dense peak, and at the DRAM bandwidth; NaN where a figure is unknown or zero."""
    peak = chip.main_engine.peak.get(precision)
    bandwidth = chip.dram.bandwidth if chip.dram else None
    size = BITS[Precision[precision.upper()]] / 8
    macs, activations, params, batch = (
        rows[c].to_numpy(np.float64, copy=True) for c in ("macs", "activations", "params", "batch")
    )
    macs[macs == 0] = np.nan  # rounded to nothing upstream
    activations[activations == 0] = np.nan
    moved = (PASSES * activations + params / batch) * size
    return (
        2 * macs / peak.value if peak else macs * np.nan,
        moved / bandwidth.value if bandwidth else moved * np.nan,
    )


def naive_seconds(kernels: Kernels, chip: Accelerator) -> dict[str, FloatArray]:
    """(U,) seconds of single kernels by predictor: public peak and bandwidth, MACs and bytes of the operands.

    An operator without MACs has its bytes alone; NaN where the chip lacks a figure.
    """
    bandwidth = chip.dram.bandwidth if chip.dram else None
    peaks = {Precision[p.upper()]: figure.value for p, figure in chip.main_engine.peak.items()}
    peak = np.array([peaks.get(Precision(int(p)), np.nan) for p in kernels.math])
    compute_s = np.where(kernels.macs > 0, 2 * kernels.macs / peak, 0.0)
    memory_s = kernels.outer_bytes / (bandwidth.value if bandwidth else np.nan)
    return {
        "roofline_max": np.maximum(compute_s, memory_s),
        "roofline_sum": compute_s + memory_s,
        "macs_only": np.where(kernels.macs > 0, compute_s, np.nan),
        "bytes_only": memory_s,
    }


def best_naive(
    predictions: Mapping[str, FloatArray], measured: FloatArray
) -> tuple[float | None, float | None]:
    """Lowest `mape_scaled` and highest `kendall_tau` of any predictor, each on the rows it can tell."""
    errors, taus = [], []
    for predicted in predictions.values():
        can = np.isfinite(predicted)
        if not can.any():
            continue
        errors.append(metrics.mape_scaled(predicted[can], measured[can]))
        tau = metrics.kendall_tau(predicted[can], measured[can])
        if tau is not None:
            taus.append(tau)
    return (min(errors, default=None), max(taus, default=None))


def published_counts(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with empty `macs` and `activations` filled from a row of the same network, size, parameters.

    Some releases leave the totals out; they belong to the network, not to the run. Among several, the latest
    release counts, as an early one leaves attention out.
    """
    key = ["network", "img_size", "params"]
    ordered = rows.assign(_release=_release(rows["runtime_version"])).sort_values(
        "_release", ascending=False, kind="stable"
    )
    known = ordered.dropna(subset=["macs", "activations"]).drop_duplicates(key).set_index(key)
    wanted = rows.set_index(key).index
    filled = rows.copy()
    for column in ("macs", "activations"):
        filled[column] = rows[column].fillna(known[column].reindex(wanted).set_axis(rows.index))
    return filled


def _release(versions: pd.Series) -> pd.Series:
    """Release numbers that sort: '2.10.0 cuda12.8' after '2.9.1'."""
    parts = versions.fillna("").str.extract(r"(\d+)\.(\d+)(?:\.(\d+))?").fillna("0").astype("int64")
    return parts[0] * 1_000_000 + parts[1] * 1_000 + parts[2]
