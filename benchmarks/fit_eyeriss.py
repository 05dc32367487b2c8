"""Fit the four continuous scalars of the Eyeriss chip on its published layers, and print what they are worth.

    python benchmarks/fit_eyeriss.py DIR    # with eyeriss_jssc17_alexnet.csv and eyeriss_jssc17_vgg16.csv

Total latency, DRAM traffic and power of all layers are fitted together, in logarithms and with log-normal
priors; then each network is left out in turn, which gives the ranges of the scalars and the errors without
a fit.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from hw_models.cost.tiled.row_stationary import RowMachine
from hw_models.spec.load import load_chip
from hw_models.validation.truth.eyeriss import eyeriss_calibration, figures_of, read_runs

FITTED = ("link_bandwidth", "pooled_values", "clock_power", "mac_energy")
QUANTITIES = ("total_latency_ms", "dram_access_mb", "power_mw")
NOISE = 0.05
"""Standard deviation of a layer's logarithmic error that the priors are weighed against."""


def errors(files: list[Path], scalars: dict[str, float]) -> np.ndarray:
    """(layers, quantities) logarithm of ours over published."""
    machine = replace(RowMachine.of(load_chip("eyeriss_v1")), link=scalars["link_bandwidth"])
    rows = []
    for path in files:
        frame, runs = read_runs(path)
        for (_, row), run in zip(frame.iterrows(), runs, strict=True):
            if run and (figures := figures_of(run, machine, scalars)):
                rows.append([np.log(figures[q] / row[q]) for q in QUANTITIES])
    return np.array(rows)


def fit(files: list[Path]) -> dict[str, float]:
    """Scalars from the layers of these files."""
    known = eyeriss_calibration().scalars
    prior = np.log([known[n].prior for n in FITTED])
    spread = np.array([known[n].spread for n in FITTED])

    def residuals(x: np.ndarray) -> np.ndarray:
        scalars = dict(zip(FITTED, np.exp(x), strict=True))
        return np.concatenate([errors(files, scalars).ravel() / NOISE, (x - prior) / spread])

    found = least_squares(residuals, prior, diff_step=1e-3)
    return dict(zip(FITTED, np.exp(found.x), strict=True))


def main() -> None:
    """Print scalars with their ranges, and errors fitted and left out."""
    files = [Path(sys.argv[1]) / f"eyeriss_jssc17_{n}.csv" for n in ("alexnet", "vgg16")]
    everything, apart = fit(files), {f.stem: fit([g for g in files if g != f]) for f in files}
    for name in FITTED:
        left_out = ", ".join(f"{x[name]:.4g}" for x in apart.values())
        print(f"{name:15} {everything[name]:.4g}   with a network left out: {left_out}")
    for path in files:
        for label, scalars in (("fitted", everything), ("left out", apart[path.stem])):
            share = np.abs(np.expm1(errors([path], scalars)))
            said = ", ".join(
                f"{q} {100 * x:.1f} %" for q, x in zip(QUANTITIES, share.mean(axis=0), strict=True)
            )
            print(f"{path.stem:24} {label:9} {said}; worst {np.round(100 * share.max(axis=0), 1)}")
    held = np.concatenate([errors([f], apart[f.stem]) for f in files])
    low, high = np.quantile(-held, [0.05, 0.95], axis=0)
    print(
        "90 % of published over ours, left out:", np.exp(np.round(np.array([low, high]), 3)).round(3).tolist()
    )


if __name__ == "__main__":
    main()
