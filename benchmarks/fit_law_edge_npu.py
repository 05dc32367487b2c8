"""Fit the law of small NPUs on Rockchip, D-Robotics and TI; score it on families and on devices left out.

    python benchmarks/fit_law_edge_npu.py --data ../shared/reference/measured

Loss: log error of latencies, and of periods of streams, softened, every set with a weight of its own,
and a weak pull to round figures. Writes `hw_models/cost/laws/edge_npu.yaml`, with the constants fitted
without each fold of families and without each device, and `benchmarks/results/fit_law_edge_npu.json`. No
score has a free scale.
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

from hw_models.cost.combine import kernel_seconds
from hw_models.cost.laws import edge_npu
from hw_models.cost.laws.catalogue import N_FOLDS, without_device
from hw_models.cost.roofline import Roofline
from hw_models.errors import CodesignError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.cost.arrays import FloatArray

HERE: Final = Path(__file__).resolve().parent
RESULT: Final = HERE / "results" / "fit_law_edge_npu.json"
LAW: Final = HERE.parent / "hw_models" / "cost" / "laws" / "edge_npu.yaml"
SETS: Final = ("rockchip_fps", "drobotics_rdkx5_latency", "ti_tidl_evm_latency")
TI, ONE_BRANCH = SETS[2], "master"
"""Four releases of TI's table hold nearly the same figures: one of them counts."""
WEIGHT: Final = {SETS[0]: 5.0, SETS[1]: 1.0, TI: 1.0}
"""Of the sets in a fit: in proportion to the devices whose networks differ."""

ORIGIN: Final = {
    "conv": 0.6,
    "gemm": 0.3,
    "depthwise": 0.05,
    "vector": 0.03,
    "bandwidth": 0.6,
    "maps": 0.7,
    "port": 0.01,
    "issue": 1e-5,
    "start": 5e-4,
}
START: Final = np.log(list(ORIGIN.values()))
UPPER: Final = np.log([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1e-3, 1e-2])
LOWER: Final = np.log([0.05, 0.01, 1e-3, 1e-4, 0.1, 0.05, 1e-4, 1e-8, 1e-6])
FIXED: Final = {"overlap": 3.0, "block": 32.0}
PULL: Final = 0.15
SOFT: Final = 0.2


@dataclass(frozen=True)
class Part:
    """Rows of one device and mode with their bare terms."""

    group: Group
    seconds: FloatArray

    def step_s(self, theta: FloatArray) -> FloatArray:
        """(N,) predicted s of a step of every row."""
        figures = dict(zip(ORIGIN, np.exp(theta).tolist(), strict=True))
        constants = edge_npu.EdgeNpuConstants(**FIXED, **figures, low=0.5, high=2.0)
        law, kernels = edge_npu.EdgeNpuLaw(constants, ""), self.group.kernels
        seconds = law.apply(self.seconds, kernels, self.group.chips)
        start = 0.0 if self.group.scenario == "stream" else constants.start
        total = (kernels.counts @ kernel_seconds(seconds, law.overlap))[:, 0] + start
        return np.asarray(total[self.group.network])


def parts_of(data: Path | None) -> tuple[list[Part], dict[str, int]]:
    """Rows of rebuilt networks of every set that is there; and how many records of each had none."""
    parts, left = [], {}
    for dataset in SETS:
        try:
            groups, left[dataset] = groups_of(dataset, data)
        except CodesignError:  # TI's table does not ship
            continue
        known = [
            g
            for g in groups
            if np.isfinite(g.chips.mac_peak[0, g.kernels.math[0]])
            and not (dataset == TI and g.rows["runtime_version"].iloc[0] != ONE_BRANCH)
        ]
        parts += [Part(g, Roofline().terms(g.kernels, g.chips).seconds) for g in known]
    return parts, left


def fit(parts: Sequence[Part], keep: Sequence[np.ndarray]) -> FloatArray:
    """Logarithms of the constants that fit the kept rows."""
    kept = [(p, k) for p, k in zip(parts, keep, strict=True) if k.any()]
    sets = [str(p.group.rows["dataset"].iloc[0]) for p, _ in kept]
    rows = {name: sum(k.sum() for (_, k), s in zip(kept, sets, strict=True) if s == name) for name in sets}
    weight = np.concatenate(
        [np.full(k.sum(), np.sqrt(WEIGHT[s] / rows[s])) for (_, k), s in zip(kept, sets, strict=True)]
    )
    weight /= weight.mean()
    truth = np.log(np.concatenate([p.group.step_s[k] for p, k in kept]))

    def residuals(theta: FloatArray) -> FloatArray:
        found = np.log(np.concatenate([p.step_s(theta)[k] for p, k in kept]))
        return np.concatenate([weight * (found - truth), PULL * (theta - START)])

    found: FloatArray = least_squares(
        residuals, START, bounds=(LOWER, UPPER), loss="soft_l1", f_scale=SOFT, max_nfev=40
    ).x
    return found


def main() -> None:
    """Fit, score out of fold, write the law and the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="directory of the measured tables")
    parts, left = parts_of(parser.parse_args().data)
    best = fit(parts, [np.ones(len(p.group.rows), np.bool_) for p in parts])
    crossfit = {f"family:{i}": fit(parts, [p.group.folds != i for p in parts]) for i in range(N_FOLDS)}
    for name in sorted({p.group.chip.name for p in parts}):
        others = [np.full(len(p.group.rows), p.group.chip.name != name) for p in parts]
        crossfit[without_device(name)] = fit(parts, others)
    scores: list[dict[str, Any]] = []
    family_errors: dict[str, FloatArray] = {}
    device_errors: dict[str, list[FloatArray]] = {}
    for p in parts:
        truth, family = p.group.step_s, np.empty(len(p.group.rows))
        for i in range(N_FOLDS):
            family[p.group.folds == i] = p.step_s(crossfit[f"family:{i}"])[p.group.folds == i]
        device = p.step_s(crossfit[without_device(p.group.chip.name)])
        scores.append(
            {
                "device": p.group.key,
                "group": p.group.name,
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
        "rows": sum(len(p.group.rows) for p in parts),
        "records_without_a_rebuilt_network": left,
        "groups": scores,
        "half_width_of_log_error": {k: round(v, 3) for k, v in widths.items()},
    }
    print(json.dumps(report, indent=1))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n")


def write(best: FloatArray, crossfit: dict[str, FloatArray], widths: dict[str, float]) -> None:
    """The law's file; its interval is that of an unseen device."""
    head = [
        "# Constants of the law of small NPUs; `EdgeNpuConstants` in edge_npu.py says what each is.",
        "# Refit: benchmarks/fit_law_edge_npu.py, which writes this file. `crossfit`: fitted without a fold",
        "# of families or a device.",
        "schema_version: 1",
        'source: "rockchip_fps, drobotics_rdkx5_latency, ti_tidl_evm_latency, networks rebuilt"',
        'obtained: "benchmarks/fit_law_edge_npu.py; scores in benchmarks/results/fit_law_edge_npu.json"',
    ]
    LAW.write_text(law_text(head, tuple(ORIGIN), best, crossfit, widths, FIXED))


if __name__ == "__main__":
    main()
