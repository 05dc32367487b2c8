"""Fit the constants of single library calls on the sets of operators, and leave each device out in turn.

    python benchmarks/fit_single_calls.py [DIRECTORY] [--rows 250]

Prints the fields of `hw_models/validation/single_calls.yaml`, then MAPE and Kendall's tau of every set,
device and kind of operator: class constants of whole networks, all devices fitted, and the device left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from hw_models.cost.arrays import FloatArray, KernelClass
from hw_models.cost.combine import kernel_seconds
from hw_models.measured.loaders import DATASETS, load
from hw_models.validation import metrics
from hw_models.validation.operators import OperatorGroup, operator_groups, roofline_seconds
from hw_models.validation.single_calls import GROUPS, TIMED, CallConstants, SingleCalls, call_constants

SCALARS = ("lane_energy", "winograd")
TABLES = ("compute", "fill", "load", "bandwidth", "in_flight")
PRIOR_WIDTH = 0.25
"""Standard deviation of the prior of each constant's logarithm around what stands in the file."""
ROUNDS = 4
"""Steps of the fit; it starts from what stands in the file."""

GROUP_OF = {cls: group for group, classes in GROUPS.items() for cls in classes}


def packed(c: CallConstants) -> FloatArray:
    """Logarithms of all fitted constants."""
    values = [getattr(c, s) for s in SCALARS] + [v for t in TABLES for v in getattr(c, t).values()]
    return np.log([*values, *(v for timed in TIMED for v in c.start[timed].values())])


def unpacked(x: FloatArray, like: CallConstants) -> CallConstants:
    """The constants behind their logarithms."""
    values = iter(np.exp(x).tolist())
    scalars = {s: next(values) for s in SCALARS}
    tables = {t: {k: next(values) for k in getattr(like, t)} for t in TABLES}
    start = {timed: {k: next(values) for k in like.start[timed]} for timed in TIMED}
    scalars["winograd"] = min(scalars["winograd"], 1.0)
    for name in ("compute", "bandwidth"):
        tables[name] = {k: min(v, 1.0) for k, v in tables[name].items()}
    changed: dict[str, Any] = {**scalars, **tables, "start": start}
    return replace(like, **changed)


def thinned(group: OperatorGroup, rows: int) -> OperatorGroup:
    """At most `rows` distinct operators of each function, spread evenly."""
    label = pd.Series(group.kernels.labels)
    keep = [
        g.index[np.unique(np.linspace(0, len(g) - 1, min(rows, len(g))).astype(int))]
        for _, g in label.groupby(label)
    ]
    return group.take(np.sort(np.concatenate(keep)))


def seconds(groups: Sequence[OperatorGroup], c: CallConstants) -> list[FloatArray]:
    """Of the distinct operators of each group."""
    return [
        kernel_seconds(SingleCalls(g.timed, c).terms(g.kernels, g.chips).seconds, c.overlap)[:, 0]
        for g in groups
    ]


def fitted(groups: Sequence[OperatorGroup], start: CallConstants) -> CallConstants:
    """Robust least squares on the logarithm of predicted over measured; distinct operators weigh alike."""
    x0 = packed(start)

    def residuals(x: FloatArray) -> FloatArray:
        predicted = np.concatenate(seconds(groups, unpacked(x, start)))
        measured = np.concatenate([g.typical_s for g in groups])
        error = np.log(predicted / measured)
        robust = np.sign(error) * np.sqrt(2 * 0.2 * (np.sqrt(0.2**2 + error**2) - 0.2))
        return np.concatenate([robust, (x - x0) / PRIOR_WIDTH])

    found = least_squares(residuals, x0, max_nfev=ROUNDS)
    return unpacked(found.x, start)


def line(group: OperatorGroup, predicted: FloatArray, name: str) -> pd.DataFrame:
    """MAPE and tau by kind of operator."""
    kind = np.array([GROUP_OF[KernelClass(int(k))] for k in group.kernels.cls])
    rows = []
    for k in dict.fromkeys(kind):
        p, m = predicted[kind == k], group.typical_s[kind == k]
        rows.append(
            (
                group.dataset,
                group.device,
                group.precision,
                k,
                len(p),
                name,
                metrics.mape(p, m),
                metrics.bias(p, m),
                metrics.kendall_tau(p, m),
            )
        )
    return pd.DataFrame(
        rows, columns=["dataset", "device", "precision", "kind", "n", "model", "mape", "bias", "tau"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", help="directory of tables; default: those that ship")
    parser.add_argument(
        "--rows", type=int, default=250, help="distinct operators of each function and device"
    )
    parser.add_argument("--leave-out", nargs="*", help="devices to leave out in turn; default: each")
    args = parser.parse_args()
    measured = load(args.data, datasets=[n for n, d in DATASETS.items() if d.operators])
    groups = [
        thinned(g, args.rows)
        for r in measured.records.values()
        for g in operator_groups(r, measured.devices).groups
    ]
    groups = [g for g in groups if g.timed]
    whole = fitted(groups, call_constants())
    for name in (*SCALARS, *TABLES):
        value = getattr(whole, name)
        print(
            f"{name}:",
            {k: float(f"{v:.3g}") for k, v in value.items()} if isinstance(value, dict) else f"{value:.3g}",
        )
    for timed in TIMED:
        print("  start", timed, {k: float(f"{v:.3g}") for k, v in whole.start[timed].items()})
    tables = [
        line(g, roofline_seconds(g.kernels, g.chips.accelerators[0]).value[:, 0], "class") for g in groups
    ]
    tables += [line(g, p, "fitted") for g, p in zip(groups, seconds(groups, whole), strict=True)]
    logs: dict[str, list[FloatArray]] = {t: [] for t in TIMED}
    for device in args.leave_out or dict.fromkeys(g.chips.names[0] for g in groups):
        out = [g for g in groups if g.chips.names[0] == device]
        c = fitted([g for g in groups if g.chips.names[0] != device], whole)
        for g, p in zip(out, seconds(out, c), strict=True):
            tables.append(line(g, p, "left out"))
            logs[g.timed].append(np.log(g.typical_s / p))
    for timed, errors in logs.items():
        low, high = np.exp(np.quantile(np.concatenate(errors), [0.05, 0.95]))
        print(f"{timed}: measured over predicted with the device left out, 90 %: {low:.2f} to {high:.2f}")
    frame = pd.concat(tables).pivot_table(
        index=["dataset", "device", "precision", "kind", "n"],
        columns="model",
        values=["mape", "bias", "tau"],
        sort=False,
    )
    print(frame.round(3).to_string())


if __name__ == "__main__":
    main()
