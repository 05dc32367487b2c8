"""Fit the law of DPUs on the Vitis AI zoo; score it on families and on boards left out.

    python benchmarks/fit_law_dpu.py [--data ../shared/reference/measured]

One architecture of cores after the other: that of edge boards first, the others pulled to its constants.
Loss: log error of the time of a step, softened, every configuration and scenario with equal weight. An
architecture whose only board is left out has the constants of the edge cores. Writes
`hw_models/cost/laws/dpu.yaml` and the scores to `benchmarks/results/fit_law_dpu.json`. Nothing is scored
with a free scale.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import least_squares
from stream_study import Group, groups_of, half_width, score

from hw_models.cost.arrays import RESOURCES
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.laws import dpu
from hw_models.cost.laws.catalogue import N_FOLDS, without_device

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray

HERE: Final = Path(__file__).resolve().parent
RESULT: Final = HERE / "results" / "fit_law_dpu.json"
Errors = dict[str, list[tuple[str, str, "FloatArray", "FloatArray"]]]
"""Architecture -> (device, group, families left out, device left out): logs of measured over predicted."""

LAW: Final = HERE.parent / "hw_models" / "cost" / "laws" / "dpu.yaml"

NAMES: Final = ("mac", "depthwise", "pool", "add", "weights", "maps", "issue", "start", "shared", "depth")
ORIGIN: Final = np.log([0.85, 0.8, 0.6, 0.6, 0.8, 0.5, 10e-6, 3e-4, 0.6, 2.0])
"""Where constants are pulled to: shares of the public rates that double-buffered engines reach."""
UPPER: Final = np.log([1.0, 64.0, 64.0, 64.0, 64.0, 64.0, 1e-3, 1e-2, 8.0, 8.0])
LOWER: Final = np.log([0.2, 1e-3, 1e-3, 1e-3, 1e-2, 1e-2, 1e-8, 1e-6, 0.05, 0.2])
OVERLAP: Final = 4.0
PULL: Final = 0.2
SOFT: Final = 0.1
GROSS: Final = 3.0
"""Log error of a row that is none of this network on this board, such as 14 frames a second for 512."""

ARCHITECTURES: Final = {
    "edge": {
        "lanes": [
            [4, 8, 8],
            [4, 10, 10],
            [8, 8, 8],
            [4, 12, 12],
            [8, 10, 10],
            [8, 12, 12],
            [8, 14, 14],
            [8, 16, 16],
        ]
    },
    "hbm": {"lanes": [[4, 16, 32]]},
    "ai_engines": {"lanes": [[4, 32, 32]]},
    "adx": {"lanes": [[8, 16, 96]]},
    "adf": {"lanes": [[8, 32, 32]]},
}
BATCHED: Final = ("hbm", "ai_engines")


@dataclass(frozen=True)
class Part:
    """Rows of one group with what their prediction needs."""

    group: Group
    core: dpu.Core
    keep: np.ndarray

    def step_s(self, constants: dpu.CoreConstants) -> FloatArray:
        """(N,) predicted s of a step of every row."""
        law, kernels = _law(constants), self.group.kernels
        core = replace(self.core, constants=constants)
        seconds = dpu.core_seconds(kernels, core, len(RESOURCES))[:, None]
        if self.group.scenario == "stream":
            found = law.stream(seconds, kernels, self.group.chips)[:, 0]
        else:
            found = (kernels.counts @ kernel_seconds(seconds, OVERLAP))[:, 0] + constants.start
        out: FloatArray = found[self.group.network]
        return out


def _law(constants: dpu.CoreConstants) -> dpu.DpuLaw:
    return dpu.DpuLaw(OVERLAP, {"one": constants}, {}, "one", "")


def constants_of(theta: FloatArray, batched: bool) -> dpu.CoreConstants:
    """Constants from their logarithms."""
    figures = dict(zip(NAMES, np.exp(theta).tolist(), strict=True))
    return dpu.CoreConstants(batched=batched, **figures, low=0.5, high=2.0)


def architecture_of(group: Group) -> str:
    """Which architecture a group's cores are of."""
    lanes = list(dpu.cores_of(group.chip)[0])
    return next((name for name, row in ARCHITECTURES.items() if lanes in row["lanes"]), "edge")


def fit(parts: Sequence[Part], origin: FloatArray, batched: bool) -> FloatArray:
    """Logarithms of the constants that fit the kept rows."""
    kept = [p for p in parts if p.keep.any()]
    if not kept:
        return origin
    weight = np.concatenate([np.full(p.keep.sum(), 1.0 / np.sqrt(p.keep.sum())) for p in kept])
    weight /= weight.mean()
    truth = np.log(np.concatenate([p.group.step_s[p.keep] for p in kept]))
    pull = PULL * np.sqrt(len(truth) / 100)

    def residuals(theta: FloatArray) -> FloatArray:
        constants = constants_of(theta, batched)
        found = np.log(np.concatenate([p.step_s(constants)[p.keep] for p in kept]))
        return np.concatenate([weight * (found - truth), pull * (theta - origin)])

    start = np.clip(origin, LOWER + 1e-6, UPPER - 1e-6)
    found = least_squares(residuals, start, bounds=(LOWER, UPPER), loss="soft_l1", f_scale=SOFT, max_nfev=60)
    out: FloatArray = found.x
    return out


@dataclass(frozen=True)
class Study:
    """All groups by architecture."""

    parts: dict[str, list[Part]]

    @classmethod
    def of(cls, groups: Sequence[Group]) -> Study:
        """Every group with its cores; rows that cannot be of their network are left out."""
        parts: dict[str, list[Part]] = {name: [] for name in ARCHITECTURES}
        for group in groups:
            name = architecture_of(group)
            constants = constants_of(ORIGIN, name in BATCHED)
            core = _law(constants).of(group.chips)[0]
            part = Part(group, core, np.ones(len(group.rows), np.bool_))
            log = np.log(part.step_s(constants) / group.step_s)
            parts[name].append(replace(part, keep=np.abs(log - np.median(log)) < GROSS))
        return cls(parts)

    def fit(self, keep: Callable[[Part], np.ndarray]) -> dict[str, FloatArray]:
        """Constants of every architecture from the rows that `keep` lets through."""

        def kept(name: str) -> list[Part]:
            return [replace(p, keep=p.keep & keep(p)) for p in self.parts[name]]

        edge = fit(kept("edge"), ORIGIN, batched=False)
        others = {name: fit(kept(name), edge, name in BATCHED) for name in ARCHITECTURES if name != "edge"}
        return {"edge": edge, **others}


def _not_of_fold(fold: int, part: Part) -> np.ndarray:
    return np.asarray(part.group.folds != fold)


def _not_of_device(key: str, part: Part) -> np.ndarray:
    return np.full(len(part.keep), part.group.key != key)


def main() -> None:
    """Fit, score out of fold, write the law and the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="directory of the measured tables")
    groups, not_rebuilt = groups_of("vitis_ai_dpu_fps", parser.parse_args().data)
    study = Study.of(groups)
    best = study.fit(lambda p: np.ones(len(p.keep), np.bool_))
    crossfit = {f"family:{fold}": study.fit(partial(_not_of_fold, fold)) for fold in range(N_FOLDS)}
    for key in sorted({g.key for g in groups}):
        crossfit[without_device(key)] = study.fit(partial(_not_of_device, key))
    scores, errors = scored(study, best, crossfit)
    write(best, crossfit, intervals(errors))
    report = {
        "rows": sum(len(g.rows) for g in groups),
        "records_without_a_rebuilt_network": not_rebuilt,
        "groups": scores,
        "half_width_of_log_error": {k: round(v, 3) for k, v in half_widths(errors).items()},
    }
    print(json.dumps(report, indent=1))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n")


def scored(
    study: Study, best: dict[str, FloatArray], crossfit: dict[str, dict[str, FloatArray]]
) -> tuple[list[dict[str, Any]], Errors]:
    """Scores of each group in sample, families left out and device left out, and the errors out of fold."""
    scores: list[dict[str, Any]] = []
    errors: Errors = {name: [] for name in ARCHITECTURES}
    for name, parts in study.parts.items():
        batched = name in BATCHED
        for p in parts:
            truth = p.group.step_s
            family = np.empty(len(truth))
            for fold in range(N_FOLDS):
                of = p.group.folds == fold
                family[of] = p.step_s(constants_of(crossfit[f"family:{fold}"][name], batched))[of]
            device = p.step_s(constants_of(crossfit[without_device(p.group.key)][name], batched))
            fitted = p.step_s(constants_of(best[name], batched))
            k = p.keep
            scores.append(
                {
                    "architecture": name,
                    "device": p.group.key,
                    "group": p.group.name,
                    "gross": int((~k).sum()),
                    "fitted": score(fitted[k], truth[k]),
                    "families_left_out": score(family[k], truth[k]),
                    "device_left_out": score(device[k], truth[k]),
                }
            )
            logs = (np.log(truth / x)[k] for x in (family, device))
            errors[name].append((p.group.key, p.group.name, *logs))
    return scores, errors


def half_widths(errors: Errors) -> dict[str, float]:
    """90 % half-widths of log errors: of families left out by architecture, of devices left out of all."""
    out = {
        name: half_width({"all": np.concatenate([family for *_, family, _ in rows])})
        for name, rows in errors.items()
        if rows
    }
    edge: dict[str, list[FloatArray]] = {}
    for key, _, _, device in errors["edge"]:
        edge.setdefault(key, []).append(device)
    out["device:edge"] = half_width({k: np.concatenate(v) for k, v in edge.items()})
    rest = [device for name, rows in errors.items() if name != "edge" for *_, device in rows]
    out["device:unseen"] = half_width({"all": np.concatenate(rest)})
    return out


def intervals(errors: Errors) -> dict[str, dict[str, float]]:
    """Interval of an unseen device by architecture: what is known of devices, at least what families show."""
    widths = half_widths(errors)
    out = {}
    for name in ARCHITECTURES:
        width = max(widths.get(name, 0.0), widths["device:edge"])
        out[name] = {"low": round(float(np.exp(-width)), 3), "high": round(float(np.exp(width)), 3)}
    unseen = widths["device:unseen"]
    out["unseen"] = {"low": round(float(np.exp(-unseen)), 3), "high": round(float(np.exp(unseen)), 3)}
    return out


def write(
    best: dict[str, FloatArray],
    crossfit: dict[str, dict[str, FloatArray]],
    ends: dict[str, dict[str, float]],
) -> None:
    """The law's file."""
    lines = [
        "# Constants of the law of DPUs; `CoreConstants` in dpu.py says what each is. Refit:",
        "# benchmarks/fit_law_dpu.py, which writes this file. `crossfit`: fitted without a fold of families",
        "# or a device; an architecture whose only board is left out has the constants of the edge cores.",
        "schema_version: 1",
        f"overlap: {OVERLAP}",
        "usual: edge",
        'source: "vitis_ai_dpu_fps (Xilinx/Vitis-AI 2.5 @ efe6bc9e, master @ b2b22792), networks rebuilt"',
        'obtained: "benchmarks/fit_law_dpu.py; scores in benchmarks/results/fit_law_dpu.json"',
        "cores:",
    ]
    for name, theta in best.items():
        lines.append(f"  {name}:")
        lines.append(f"    lanes: {ARCHITECTURES[name]['lanes']}")
        lines.append(f"    batched: {str(name in BATCHED).lower()}")
        lines += [f"    {k}: {v:.4g}" for k, v in zip(NAMES, np.exp(theta), strict=True)]
        lines.append(f"    interval: {_flow(ends[name])}")
    lines.append("crossfit:")
    for left_out, found in crossfit.items():
        lines.append(f'  "{left_out}":')
        for name, theta in found.items():
            figures = {k: float(f"{v:.4g}") for k, v in zip(NAMES, np.exp(theta), strict=True)}
            copied = name != "edge" and np.array_equal(theta, found["edge"])
            ending = f", interval: {_flow(ends['unseen'])}" if copied else ""
            lines.append(f"    {name}: {{{', '.join(f'{k}: {v}' for k, v in figures.items())}{ending}}}")
    LAW.write_text("\n".join(lines) + "\n")


def _flow(row: dict[str, float]) -> str:
    return "{" + ", ".join(f"{k}: {v}" for k, v in row.items()) + "}"


if __name__ == "__main__":
    main()
