"""Fit the scalars of Gemmini on its RTL cycles, both columns together, and judge them on shapes left out.

    python benchmarks/fit_gemmini.py --data ../shared/reference/cost_models/gemmini_rtl.csv

Logarithms of predicted over measured cycles, a soft L1 loss, and a log-normal prior on each scalar; without
the priors folds run away. Judged with whole groups of layer shapes left out: each of the four networks, and
families across them. Prints what belongs into `hw_models/cost/tiled/gemmini_calibration.yaml`; writes the
scores to `benchmarks/results/fit_gemmini.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import kendalltau

from hw_models.cost.tiled.calibration import gemmini_calibration
from hw_models.cost.tiled.decoupled.layer_cycles import Machine
from hw_models.cost.tiled.decoupled.machine import DecoupledMachine
from hw_models.spec.load import load_chip
from hw_models.validation.truth.gemmini_rtl import MODES, SHIPPED, read_runs, run_cycles

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.tiled.decoupled.layer_cycles import Layer
    from hw_models.validation.truth.gemmini_rtl import Run

BoolArray = NDArray[np.bool_]

RESULT: Final = Path(__file__).parent / "results" / "fit_gemmini.json"
FIELDS: Final = {
    "pair_cycles": "pair",
    "request_cycles": "request",
    "miss_cycles": "miss",
    "strided_miss_cycles": "strided_miss",
    "interference": "interference",
    "same_line_store_cycles": "same_line_store",
}
"""Scalar -> field of `Machine`; the time of the library's search stands outside it."""
SOFT: Final = 0.15
"""Error of the logarithm from which the loss grows linearly."""
NETWORKS: Final[dict[str, Callable[[Layer], bool]]] = {
    "BERT": lambda x: x.rows == 1 and x.columns > 1,
    "U-Net": lambda x: (
        (x.columns >= 60 and x.channels >= 64)
        or (x.columns >= 28 and x.channels >= 1024)
        or (x.columns >= 50 and x.channels >= 512)
    ),
    "RetinaNet": lambda x: x.filters in (36, 720) or (x.filters == x.channels == 256 and x.columns <= 28),
}
"""Shapes of a network; what is in none of them is ResNet-50's."""
FAMILIES: Final[dict[str, Callable[[Layer], bool]]] = {
    "one tap": lambda x: x.taps_x == 1 and x.rows > 1,
    "few pixels": lambda x: x.columns * x.rows <= 64,
    "many pixels": lambda x: x.columns * x.rows > 2000,
    "stride 2": lambda x: x.stride_x == 2,
    "many channels": lambda x: x.channels >= 512,
}


@dataclass(frozen=True)
class Data:
    """The runs, and the fits of subsets of them."""

    runs: tuple[Run, ...]
    machine: DecoupledMachine

    def predicted(self, value: dict[str, float]) -> FloatArray:
        """(N,) cycles with these scalars."""
        fitted = {field: value[name] for name, field in FIELDS.items()}
        core = Machine(**{**self.machine.core._asdict(), **fitted})
        return np.array([run_cycles(run, core, value["tiler_cycles"]) for run in self.runs])

    @property
    def measured(self) -> FloatArray:
        """(N,) cycles."""
        return np.array([run.measured for run in self.runs])

    def fit(self, keep: BoolArray, prior: dict[str, float]) -> dict[str, float]:
        """Scalars that fit the runs to keep best; each prior is its value without data."""
        spread = {n: s.spread for n, s in gemmini_calibration().scalars.items()}
        middle, width = np.log([*prior.values()]), np.array([spread[n] for n in prior])

        def residuals(x: FloatArray) -> FloatArray:
            value = dict(zip(prior, np.exp(x).tolist(), strict=True))
            error = np.log(self.predicted(value) / self.measured)[keep]
            soft = SOFT * np.sign(error) * np.sqrt(2 * (np.sqrt(1 + (error / SOFT) ** 2) - 1))
            return np.concatenate([soft, SOFT * (x - middle) / width])

        found = least_squares(residuals, middle, diff_step=1e-3, max_nfev=60)
        return dict(zip(prior, np.exp(found.x).tolist(), strict=True))

    def scores(self, predicted: FloatArray, rows: BoolArray) -> dict[str, dict[str, float]]:
        """Errors of some rows, by column."""
        out = {}
        for quantity, mode in MODES.items():
            at = rows & np.array([run.quantity == quantity for run in self.runs])
            error = np.abs(predicted[at] / self.measured[at] - 1)
            tau = kendalltau(predicted[at], self.measured[at])[0] if at.sum() > 2 else np.nan
            figures = {"mape": error.mean(), "median": np.median(error), "p90": np.quantile(error, 0.9)}
            out[mode] = {k: round(float(v), 4) for k, v in {**figures, "tau": tau}.items()}
        return out


def network(layer: Layer) -> str:
    """The network that a shape of the file is from."""
    return next((name for name, rule in NETWORKS.items() if rule(layer)), "ResNet-50")


def main() -> None:
    """Fit, leave out, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHIPPED, help="the file, as gemmini_rtl.csv")
    data = Data(read_runs(parser.parse_args().data).runs, DecoupledMachine.of(load_chip("gemmini_16x16")))
    scalars = gemmini_calibration().scalars
    prior = {name: s.prior for name, s in scalars.items()}
    every = np.ones(len(data.runs), np.bool_)
    value = data.fit(every, prior)
    result: dict[str, object] = {"scalars": value, "fitted": data.scores(data.predicted(value), every)}
    doubled = {n: data.fit(every, {**prior, n: 2 * p})[n] / value[n] for n, p in prior.items()}
    names = np.array([network(run.layer) for run in data.runs])
    held, fits, groups = np.zeros(len(data.runs)), [value], {}
    for name in np.unique(names):
        out = names == name
        fits.append(data.fit(~out, prior))
        held[out] = data.predicted(fits[-1])[out]
        groups[str(name)] = {"n": int(out.sum()), **data.scores(held, out)}
    for name, rule in FAMILIES.items():
        out = np.array([rule(run.layer) for run in data.runs])
        fits.append(data.fit(~out, prior))
        groups[name] = {"n": int(out.sum()), **data.scores(data.predicted(fits[-1]), out)}
    result |= {"networks left out": data.scores(held, every), "groups left out": groups}
    result["doubled prior"] = doubled
    ratio = data.measured / held
    for mode in MODES.values():
        at = np.array([MODES[run.quantity] == mode for run in data.runs])
        low, high = np.quantile(ratio[at], [0.05, 0.95])
        print(f"  {mode}: {{low: {low:.2f}, high: {high:.2f}}}")
    for name in prior:
        low, high = (extreme(f[name] for f in fits) for extreme in (min, max))
        shift = f"doubled prior x{doubled[name]:.2f}"
        print(f"  {name}: value: {value[name]:.4g}, low: {low:.4g}, high: {high:.4g}; {shift}")
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps({k: v for k, v in result.items() if k != "scalars"}, indent=1))


if __name__ == "__main__":
    main()
