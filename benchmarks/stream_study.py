"""Rows of a published set with the networks that can be rebuilt, for the fits of laws of streaming NPUs.

What a fit needs of a set: the records whose network is had as it was run, each with its chip, and the
kernels of every group of rows that ran in one way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau

from hw_models.cost.chips import Chips
from hw_models.cost.laws.catalogue import family_fold
from hw_models.measured.loaders import DATASETS, load
from hw_models.validation.join import named
from hw_models.validation.networks import Networks
from search_spaces.published.catalogue import published_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload

NETWORK = ["network", "img_size", "input_shape", "params", "macs"]
GROUP = ["device", "mode", "precision", "clock_hz", "batch"]


@dataclass(frozen=True, eq=False)
class Group:
    """Rows that ran in one way on one device.

    Attributes:
        key: of the device in devices.csv; name: device and mode as the table has them.
        scenario: "step" or "stream".
        rows: the records; step_s: (N,) measured s of a step; chip: as configured.
        kernels: of all networks of the set at the batch; network: (N,) which of them each row ran.
    """

    key: str
    name: str
    scenario: str
    rows: pd.DataFrame
    step_s: FloatArray
    chip: Accelerator
    kernels: Kernels
    network: np.ndarray

    @property
    def folds(self) -> np.ndarray:
        """(N,) fold of each row's family."""
        return np.array([family_fold(str(f)) for f in self.rows["family"]])

    @property
    def chips(self) -> Chips:
        """The chip as arrays."""
        return Chips.of([self.chip])


def groups_of(dataset: str, data: Path | None = None, lowering: str = "ideal") -> tuple[list[Group], int]:
    """Groups of a set with at least one rebuilt network, and how many records had none.

    Args:
        dataset: name of the set.
        data: directory of the tables; None: those that ship.
        lowering: how networks are lowered.
    """
    from hw_models.lowering import lower

    measured = load(data, datasets=[dataset])
    frame, devices = measured.records[dataset].frame, measured.devices
    position, workloads = _networks(frame)
    known = frame.assign(_network=position)[position >= 0]
    lowered: dict[tuple[str, int], Kernels] = {}
    groups = []
    for values, rows in known.groupby(GROUP, dropna=False, sort=False):
        device, mode, precision, _, batch = (str(v) for v in values)
        first = rows.iloc[0]
        key = devices.key(dataset, DATASETS[dataset].device_column, device)
        chip = devices.accelerator(key)
        configured = DATASETS[dataset].configured
        if configured is not None:
            chip = configured(chip, {str(k): v for k, v in first.to_dict().items()})
        at = (precision, int(float(batch)))
        if at not in lowered:
            lowered[at] = lower(workloads, lowering=lowering, precision=at[0], batch=at[1])
        step_s = (rows["batch"] / rows["throughput_per_s"]).to_numpy(np.float64)
        if first["scenario"] == "step" and rows["mean_s"].notna().all():
            step_s = rows["mean_s"].to_numpy(np.float64)
        name = f"{device}|{mode}"
        network = rows["_network"].to_numpy()
        groups.append(Group(key, name, str(first["scenario"]), rows, step_s, chip, lowered[at], network))
    return groups, int((position < 0).sum())


def _networks(frame: pd.DataFrame) -> tuple[np.ndarray, list[Workload]]:
    """(N,) position of each record's network among those that could be rebuilt, -1: it could not."""
    networks = Networks(published_network)
    position = np.full(len(frame), -1)
    workloads: list[Workload] = []
    for index in frame.groupby(NETWORK, dropna=False, sort=False).indices.values():
        found = networks.as_run(named(frame.iloc[index[0]]))
        if not isinstance(found, str):
            position[index] = len(workloads)
            workloads.append(found)
    return position, workloads


def score(predicted: FloatArray, measured: FloatArray) -> dict[str, float]:
    """Errors of rates: MAPE and median in per cent, bias as a factor, Kendall's tau."""
    error = np.abs(measured / predicted - 1.0)
    return {
        "n": len(measured),
        "mape": round(100 * float(error.mean()), 1),
        "median": round(100 * float(np.median(error)), 1),
        "bias": round(float(np.exp(np.median(np.log(measured / predicted)))), 3),
        "tau": round(float(kendalltau(predicted, measured).statistic), 3) if len(measured) > 2 else np.nan,
    }


def half_width(groups: dict[str, FloatArray], least: int = 3) -> float:
    """90 % quantile of |log error|; over groups of at least `least` errors, the quantile of their quantiles.

    Source: split-conformal prediction (Lei et al., JASA 2018), by group where the group is unseen.
    """
    if len(groups) < least:
        return float(np.quantile(np.abs(np.concatenate(list(groups.values()))), 0.9))
    return float(np.quantile([np.quantile(np.abs(e), 0.9) for e in groups.values()], 0.9))


def law_text(
    head: Sequence[str],
    names: Sequence[str],
    best: FloatArray,
    crossfit: Mapping[str, FloatArray],
    widths: Mapping[str, float],
    fixed: Mapping[str, float] | None = None,
) -> str:
    """The file of a law: its head, constants from their logarithms, and those that never saw a part.

    Args:
        head: lines before the constants.
        names: of the constants.
        best: their logarithms.
        crossfit: the same by what was left out.
        widths: half-width of log time of "families" and "devices" that were left out.
        fixed: constants that were not fitted.
    """
    lines = [
        *head,
        "constants:",
        *(f"  {k}: {v}" for k, v in (fixed or {}).items()),
        *(f"  {k}: {v:.4g}" for k, v in zip(names, np.exp(best), strict=True)),
        f"  interval: {ends_of(widths['devices'])}",
        "crossfit:",
    ]
    for left_out, theta in crossfit.items():
        figures = ", ".join(f"{k}: {v:.4g}" for k, v in zip(names, np.exp(theta), strict=True))
        width = widths["families"] if left_out.startswith("family") else widths["devices"]
        lines.append(f'  "{left_out}": {{{figures}, interval: {ends_of(width)}}}')
    return "\n".join(lines) + "\n"


def ends_of(width: float) -> str:
    """An interval as the files have it."""
    return f"{{low: {np.exp(-width):.3f}, high: {np.exp(width):.3f}}}"
