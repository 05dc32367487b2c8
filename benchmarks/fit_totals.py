"""Fit predictions from published totals; score them on devices and on families left out.

    python benchmarks/fit_totals.py [--data ../shared/reference/measured]

Sets that publish MACs and input sizes: Hailo's and Vitis AI's zoos, the RDK X5. Every row counts, rebuilt
or not. Writes `hw_models/validation/totals.yaml` and `benchmarks/results/fit_totals.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import least_squares
from stream_study import half_width, score

from hw_models.cost.laws.catalogue import N_FOLDS, family_fold, without_device
from hw_models.measured.loaders import DATASETS, load
from hw_models.validation import totals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from hw_models.cost.arrays import FloatArray
    from hw_models.spec.accelerator import Accelerator

HERE: Final = Path(__file__).resolve().parent
RESULT: Final = HERE / "results" / "fit_totals.json"
TOTALS: Final = HERE.parent / "hw_models" / "validation" / "totals.yaml"
SETS: Final = ("hailo_fps", "vitis_ai_dpu_fps", "drobotics_rdkx5_latency")
NAMES: Final = ("macs", "maps", "start", "weights", "load", "context")
START: Final = np.log([0.7, 0.1, 3e-4, 15e6, 2.0, 5e-4])
PULL: Final = 0.15
SOFT: Final = 0.3
GROSS: Final = 3.0
"""Log error of a row that cannot be of its totals."""


@dataclass(frozen=True)
class Part:
    """Rows of one device, mode and clock."""

    dataset: str
    group: str
    device: str
    name: str
    scenario: str
    rows: pd.DataFrame
    chip: Accelerator
    step_s: FloatArray

    @property
    def folds(self) -> np.ndarray:
        """(N,) fold of each row's family."""
        return np.array([family_fold(str(f)) for f in self.rows["family"]])

    def predicted(self, theta: FloatArray) -> FloatArray:
        """(N,) s of a step."""
        figures = dict(zip(NAMES, np.exp(theta).tolist(), strict=True))
        return totals.predicted(self.rows, self.chip, totals.TotalsConstants(**figures, low=1, high=1))


def parts_of(data: Path | None) -> list[Part]:
    """Every row that states its MACs and its input."""
    parts = []
    for dataset in SETS:
        measured = load(data, datasets=[dataset])
        frame, about = measured.records[dataset].frame, DATASETS[dataset]
        for values, of in frame.groupby(["device", "mode", "clock_hz", "batch"], dropna=False, sort=False):
            device = str(values[0])
            first = {str(k): v for k, v in of.iloc[0].to_dict().items()}
            chip = measured.devices.accelerator(measured.devices.key(dataset, about.device_column, device))
            if about.configured is not None:
                chip = about.configured(chip, first)
            stated = (of["macs"] > 0) & ~np.isnan(totals.input_elements(of)) & (of["throughput_per_s"] > 0)
            rows = of[stated]
            if not len(rows):
                continue
            step_s = (rows["batch"] / rows["throughput_per_s"]).to_numpy(np.float64)
            group, name = totals.group_of(rows, chip), f"{device}|{first['mode']}"
            part = Part(dataset, group, chip.name, name, str(first["scenario"]), rows, chip, step_s)
            keep = np.abs(np.log(part.predicted(START) / step_s)) < GROSS
            parts.append(Part(dataset, group, chip.name, name, part.scenario, rows[keep], chip, step_s[keep]))
    return parts


def fit(parts: Sequence[Part], keep: Callable[[Part], np.ndarray]) -> FloatArray:
    """Logarithms of the constants that fit the kept rows; where none is left they stay as they start."""
    kept = [(p, k) for p in parts if (k := keep(p)).any()]
    if not kept:
        return START
    weight = np.concatenate([np.full(k.sum(), 1.0 / np.sqrt(k.sum())) for _, k in kept])
    weight /= weight.mean()
    truth = np.log(np.concatenate([p.step_s[k] for p, k in kept]))

    def residuals(theta: FloatArray) -> FloatArray:
        found = np.log(np.concatenate([p.predicted(theta)[k] for p, k in kept]))
        return np.concatenate([weight * (found - truth), PULL * (theta - START)])

    found: FloatArray = least_squares(residuals, START, loss="soft_l1", f_scale=SOFT, max_nfev=60).x
    return found


def fit_all(parts: Sequence[Part], keep: Callable[[Part], np.ndarray]) -> dict[str, FloatArray]:
    """Constants of every runtime; an architecture of DPUs without rows has those of the edge cores."""
    found, out = sorted({p.group for p in parts}), {}
    for name in found:
        of = [p for p in parts if p.group == name]
        lost = ":" in name and not any(keep(p).any() for p in of)
        out[name] = fit([p for p in parts if p.group == "vitis_ai:edge"] if lost else of, keep)
    return out


def main() -> None:
    """Fit, score out of fold, write constants and scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="directory of the measured tables")
    parts = parts_of(parser.parse_args().data)
    best = fit_all(parts, lambda p: np.ones(len(p.rows), np.bool_))
    crossfit = {}
    for i in range(N_FOLDS):
        crossfit[f"family:{i}"] = fit_all(parts, lambda p, i=i: p.folds != i)  # type: ignore[misc]
    for device in sorted({p.device for p in parts}):
        others = lambda p, d=device: np.full(len(p.rows), p.device != d)  # noqa: E731
        crossfit[without_device(device)] = fit_all(parts, others)
    scores: list[dict[str, Any]] = []
    errors: dict[str, dict[str, list[FloatArray]]] = {}
    for p in parts:
        family = np.empty(len(p.rows))
        for i in range(N_FOLDS):
            family[p.folds == i] = p.predicted(crossfit[f"family:{i}"][p.group])[p.folds == i]
        device_out = p.predicted(crossfit[without_device(p.device)][p.group])
        told = {"dataset": p.dataset, "device": p.device, "group": p.name, "scenario": p.scenario}
        scores.append(
            {
                **told,
                "fitted": score(p.predicted(best[p.group]), p.step_s),
                "families_left_out": score(family, p.step_s),
                "device_left_out": score(device_out, p.step_s),
            }
        )
        errors.setdefault(p.group, {}).setdefault(p.device, []).append(np.log(p.step_s / device_out))
    widths = {g: half_width({k: np.concatenate(v) for k, v in of.items()}) for g, of in errors.items()}
    write(best, crossfit, widths)
    rows = sum(len(p.rows) for p in parts)
    report = {"rows": rows, "groups": scores, "half_width": {k: round(v, 3) for k, v in widths.items()}}
    print(json.dumps(report, indent=1))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n")


def write(
    best: dict[str, FloatArray], crossfit: dict[str, dict[str, FloatArray]], widths: dict[str, float]
) -> None:
    """The constants' file."""
    lines = [
        "# Constants of predictions from published totals; `TotalsConstants` in totals.py says what each is.",
        "# Refit: benchmarks/fit_totals.py, which writes this file, and fit_totals.json of its results.",
        "schema_version: 1",
        "groups:",
    ]
    for name, theta in best.items():
        ends = f"interval: {{low: {np.exp(-widths[name]):.3f}, high: {np.exp(widths[name]):.3f}}}"
        lines.append(f'  "{name}": {{{_flow(theta)}, {ends}}}')
    lines.append("crossfit:")
    for left_out, found in crossfit.items():
        lines.append(f'  "{left_out}":')
        lines += [f'    "{name}": {{{_flow(theta)}}}' for name, theta in found.items()]
    TOTALS.write_text("\n".join(lines) + "\n")


def _flow(theta: FloatArray) -> str:
    return ", ".join(f"{k}: {v:.4g}" for k, v in zip(NAMES, np.exp(theta), strict=True))


if __name__ == "__main__":
    main()
