"""Fit the law of dataflow chips on the Hailo model zoo; score it on families and on chips left out.

    python benchmarks/fit_law_dataflow.py [--data ../shared/reference/measured]

Loss: log error of the period of a step, softened, every chip and batch with equal weight, and a weak pull
to round figures. Writes `hw_models/cost/laws/dataflow.yaml`, with the constants fitted without each fold of
families and without each chip, and the scores to `benchmarks/results/fit_law_dataflow.json`. No score has a
free scale.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import least_squares
from stream_study import Group, groups_of, half_width, law_text, score

from hw_models.cost.laws import dataflow
from hw_models.cost.laws.catalogue import N_FOLDS, without_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.cost.arrays import FloatArray

HERE: Final = Path(__file__).resolve().parent
RESULT: Final = HERE / "results" / "fit_law_dataflow.json"
LAW: Final = HERE.parent / "hw_models" / "cost" / "laws" / "dataflow.yaml"

ORIGIN: Final = {
    "mac": 0.4,
    "depthwise": 0.05,
    "vector": 0.02,
    "start": 1e-4,
    "entry": 0.3,
    "weights": 30e6,
    "layers": 120.0,
    "others": 100.0,
    "products": 3.0,
    "softness": 0.2,
    "load": 1.0,
    "maps": 0.1,
    "context": 5e-4,
    "hop": 5e-5,
    "switch": 3e-4,
}
"""Where the constants are pulled to: round figures of the right order."""
START: Final = np.log(list(ORIGIN.values()))
PULL: Final = 0.15
SOFT: Final = 0.3


@dataclass(frozen=True)
class Part:
    """Rows of one chip and batch with what their prediction needs."""

    group: Group
    demand: dataflow.Demand
    peak: float
    link: float

    @classmethod
    def of(cls, group: Group) -> Part:
        """The group's chip and demand."""
        chips = group.chips
        peak, link = float(dataflow.peaks(chips)[0]), float(chips.dram_bandwidth[0])
        return cls(group, dataflow.Demand.of(group.kernels), peak, link)

    def step_s(self, theta: FloatArray) -> FloatArray:
        """(N,) predicted s of a step of every row."""
        out: FloatArray = dataflow.period(self.demand, constants_of(theta), self.peak, self.link)
        return np.asarray(out[self.group.network])


def constants_of(theta: FloatArray) -> dataflow.DataflowConstants:
    """Constants from their logarithms."""
    figures = dict(zip(ORIGIN, np.exp(theta).tolist(), strict=True))
    return dataflow.DataflowConstants(**figures, low=0.5, high=2.0)


def fit(parts: Sequence[Part], keep: Sequence[np.ndarray]) -> FloatArray:
    """Logarithms of the constants that fit the kept rows."""
    kept = [(p, k) for p, k in zip(parts, keep, strict=True) if k.any()]
    weight = np.concatenate([np.full(k.sum(), 1.0 / np.sqrt(k.sum())) for _, k in kept])
    weight /= weight.mean()
    truth = np.log(np.concatenate([p.group.step_s[k] for p, k in kept]))

    def residuals(theta: FloatArray) -> FloatArray:
        found = np.log(np.concatenate([p.step_s(theta)[k] for p, k in kept]))
        return np.concatenate([weight * (found - truth), PULL * (theta - START)])

    found: FloatArray = least_squares(residuals, START, loss="soft_l1", f_scale=SOFT, max_nfev=80).x
    return found


def main() -> None:
    """Fit, score out of fold, write the law and the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="directory of the measured tables")
    groups, not_rebuilt = groups_of("hailo_fps", parser.parse_args().data)
    parts = [Part.of(g) for g in groups]
    best = fit(parts, [np.ones(len(p.group.rows), np.bool_) for p in parts])
    crossfit = {f"family:{i}": fit(parts, [p.group.folds != i for p in parts]) for i in range(N_FOLDS)}
    for key in sorted({g.key for g in groups}):
        others = [np.full(len(p.group.rows), p.group.key != key) for p in parts]
        crossfit[without_device(_chip_name(key, groups))] = fit(parts, others)
    scores: list[dict[str, Any]] = []
    family_errors: dict[str, FloatArray] = {}
    device_errors: dict[str, list[FloatArray]] = {}
    for p in parts:
        truth, family = p.group.step_s, np.empty(len(p.group.rows))
        for i in range(N_FOLDS):
            family[p.group.folds == i] = p.step_s(crossfit[f"family:{i}"])[p.group.folds == i]
        device = p.step_s(crossfit[without_device(p.group.chip.name)])
        told = {"device": p.group.key, "group": p.group.name}
        scores.append(
            told
            | {
                "fitted": score(p.step_s(best), truth),
                "families_left_out": score(family, truth),
                "device_left_out": score(device, truth),
            }
        )
        family_errors[p.group.name] = np.log(truth / family)
        device_errors.setdefault(p.group.key, []).append(np.log(truth / device))
    widths = {
        "families": half_width({"all": np.concatenate(list(family_errors.values()))}),
        "devices": half_width({k: np.concatenate(v) for k, v in device_errors.items()}),
    }
    write(best, crossfit, widths)
    report = {
        "rows": sum(len(g.rows) for g in groups),
        "records_without_a_rebuilt_network": not_rebuilt,
        "groups": scores,
        "half_width_of_log_error": {k: round(v, 3) for k, v in widths.items()},
    }
    print(json.dumps(report, indent=1))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n")


def _chip_name(key: str, groups: Sequence[Group]) -> str:
    return next(g.chip.name for g in groups if g.key == key)


def write(best: FloatArray, crossfit: dict[str, FloatArray], widths: dict[str, float]) -> None:
    """The law's file; its interval is that of an unseen chip."""
    head = [
        "# Constants of the law of dataflow chips; `DataflowConstants` in dataflow.py says what each is.",
        "# Refit: benchmarks/fit_law_dataflow.py, which writes this file. `crossfit`: fitted without a fold",
        "# of families or a chip.",
        "schema_version: 1",
        'source: "hailo_fps (hailo-ai/hailo_model_zoo @ c83fc030), batch 1 and 8, networks rebuilt"',
        'obtained: "benchmarks/fit_law_dataflow.py; scores in benchmarks/results/fit_law_dataflow.json"',
    ]
    LAW.write_text(law_text(head, tuple(ORIGIN), best, crossfit, widths))


if __name__ == "__main__":
    main()
