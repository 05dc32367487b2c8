"""Fit the law of NPUs on published latencies of Qualcomm AI Hub, networks rebuilt, every layer on the NPU.

    python benchmarks/fit_law_npu.py --data ../shared/reference/measured [--write]

Two steps. First the constants of the law, with three factors of each device free (MACs, weights, all else),
so that no public figure of a phone bends what is learnt of networks. Then the exponents by which public
figures tell those factors. Left out in turn: five folds of families, every device. `--write` renews
`hw_models/cost/laws/npu.yaml`; the scores go to `benchmarks/results/fit_law_npu.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from npu_rows import FORMATS, Part, chips_of, networks_of, parts_of, rows_of
from npu_scores import devices_left_out, families_left_out, interval_of, yaml_text
from scipy.optimize import least_squares, nnls

from hw_models.cost.combine import kernel_seconds
from hw_models.cost.laws.catalogue import N_FOLDS, family_fold
from hw_models.cost.laws.figures import class_figures
from hw_models.cost.laws.npu import NpuConstants, NpuLaw
from hw_models.shipped import shipped_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.chips import Chips

RESULT: Final = Path(__file__).parent / "results" / "fit_law_npu.json"
TARGET: Final = Path(__file__).parents[1] / "hw_models" / "cost" / "laws" / "npu.yaml"
PLAIN: Final = (
    "overlap",
    "weights",
    "prefetch",
    "scratchpad",
    "taps",
    "issue",
    "start",
    "step",
    "capacity",
    "spill",
)
BY_FORMAT: Final = ("move", "alone", "vector", "entry", "image")
PULL, DEVICE_PULL, SPREAD_PULL = 0.5, 0.02, 0.3
"""Weights of a constant's distance from its start, of a device's factor, of its three factors' difference."""
START: Final[dict[str, Any]] = {
    "overlap": 2.5,
    "block": 32,
    "compute": {
        "fp16": {"conv": 0.3, "gemm": 0.3, "depthwise": 0.01},
        "w8a16": {"conv": 0.6, "gemm": 0.6, "depthwise": 0.02},
        "int8": {"conv": 0.6, "gemm": 0.6, "depthwise": 0.05},
    },
    "taps": -0.2,
    "weights": 60e9,
    "prefetch": 2e6,
    "scratchpad": 150e9,
    "alone": {"fp16": 100e9, "int8": 25e9},
    "vector": {"fp16": 200e9, "w8a16": 200e9, "int8": 800e9, "special": 400e9},
    "move": {"fp16": 100e9, "int8": 50e9},
    "issue": 1e-6,
    "start": 100e-6,
    "entry": {"fp16": 1e9, "int8": 1e9},
    "image": {"fp16": 2e9, "int8": 2e9},
    "capacity": 8e6,
    "spill": 30e9,
    "step": 10e-6,
    "macs": {"peak": 0.0, "bandwidth": 1.0},
    "stream": {"peak": 0.5, "bandwidth": 1.0},
    "pace": {"peak": 0.5, "bandwidth": 1.0},
    "latency": {"low": 0.5, "high": 2.0},
}
"""Where the constants start and what few rows leave them at: rough figures of a phone's NPU, not fitted.

A block of 32 channels and 8 MB of scratchpad: Hexagon HMX and VTCM, Qualcomm Hexagon SDK; rates: of the order
of what one DMA (60 GB/s) and a few vector threads of 128 byte at 1.5 GHz move and compute.
"""
EXPONENT_PULL: Final = 0.3
EXPECTED: Final = {"macs": (0.0, 1.0), "stream": (0.5, 1.0), "pace": (0.5, 1.0)}
"""Exponents of peak and bandwidth before any row is seen, towards which few devices leave them."""
LEAST_P: Final = 1.0


@dataclass(frozen=True)
class Free(NpuLaw):
    """The law with the speed of each device given: (3, C) logarithms for MACs, weights, all else."""

    devices: FloatArray = field(default_factory=lambda: np.zeros((3, 0)))

    def matrix(self, chips: Chips) -> FloatArray:  # noqa: D102
        return np.exp(self.devices[0]) / self.figures.relative_peak(chips)

    def stream(self, chips: Chips) -> FloatArray:  # noqa: D102
        del chips
        return np.exp(self.devices[1])

    def pace(self, chips: Chips) -> FloatArray:  # noqa: D102
        del chips
        return np.exp(self.devices[2])


def flat(constants: dict[str, Any]) -> dict[str, float]:
    """Fitted constants by a path of their names."""
    found = {name: float(constants[name]) for name in PLAIN}
    found |= {f"{n}.{f}": float(v) for n in BY_FORMAT for f, v in constants[n].items()}
    found |= {f"compute.{f}.{g}": float(v) for f, row in constants["compute"].items() for g, v in row.items()}
    return found


def moved(constants: dict[str, Any], steps: dict[str, float]) -> dict[str, Any]:
    """Constants at so many logarithmic steps from where they are."""
    out: dict[str, Any] = json.loads(json.dumps(constants))
    for path, step in steps.items():
        *way, last = path.split(".")
        row = out
        for name in way:
            row = row[name]
        floor = LEAST_P if path == "overlap" else 0.0
        row[last] = floor + (row[last] - floor) * float(np.exp(step))
        if way[:1] == ["compute"]:
            row[last] = min(row[last], 1.0)
    return out


@dataclass(frozen=True)
class Study:
    """Rows with what is needed to predict them.

    Attributes:
        parts: rows by format; chips: of the devices.
    """

    parts: tuple[Part, ...]
    chips: Chips

    @property
    def devices(self) -> tuple[str, ...]:
        """Keys of the devices."""
        return self.chips.names

    def predict(self, law: NpuLaw) -> list[FloatArray]:
        """(N, C) s of each part."""
        out = []
        for part in self.parts:
            terms = law.apply(part.seconds, part.kernels, self.chips)
            out.append(part.kernels.counts @ kernel_seconds(terms, law.overlap) + law.start(self.chips))
        return out


@dataclass(frozen=True)
class Fit:
    """Constants, and (3, C) logarithms of the devices' factors."""

    constants: dict[str, Any]
    devices: FloatArray

    def free(self) -> Free:
        """The law at these devices."""
        return Free(NpuConstants.of(self.constants), class_figures(), "", devices=self.devices)

    def public(self) -> NpuLaw:
        """The law by public figures."""
        return NpuLaw(NpuConstants.of(self.constants), class_figures(), "")


def fit(study: Study, start: Fit, keep: Callable[[Part], FloatArray], rounds: int) -> Fit:
    """Constants and devices that fit the rows kept; every network weighs alike."""
    names = list(flat(start.constants))
    shape = start.devices.shape
    masks = [np.isfinite(p.truth) & keep(p).astype(bool) for p in study.parts]
    centre_of = _logs(START)
    weights = [2.0 / np.sqrt(np.maximum(m.sum(axis=1, keepdims=True), 1)) for m in masks]

    def unpack(theta: FloatArray) -> Fit:
        steps = dict(zip(names, theta[: len(names)], strict=True))
        return Fit(moved(start.constants, steps), theta[len(names) :].reshape(shape))

    def residuals(theta: FloatArray) -> FloatArray:
        found = unpack(theta)
        predicted = study.predict(found.free())
        errors = [
            (np.log(p / part.truth) * w)[m]
            for p, part, w, m in zip(predicted, study.parts, weights, masks, strict=True)
        ]
        apart = SPREAD_PULL * (found.devices - found.devices.mean(axis=0)).ravel()
        centre = 3.0 * found.devices.mean(axis=1)
        far = _logs(found.constants) - centre_of
        pulled = PULL * far, DEVICE_PULL * theta[len(names) :]
        return np.concatenate([*errors, *pulled, apart, centre])

    theta = np.concatenate([np.zeros(len(names)), start.devices.ravel()])
    return unpack(least_squares(residuals, theta, loss="cauchy", f_scale=0.2, max_nfev=rounds).x)


def _logs(constants: dict[str, Any]) -> FloatArray:
    found: FloatArray = np.log(np.abs(list(flat(constants).values())))
    return found


def with_exponents(study: Study, found: Fit, known: FloatArray) -> Fit:
    """The exponents of the public figures, and the levels of all rates, from the devices at `known` (C,)."""
    typical = class_figures()
    figures = (typical.relative_peak(study.chips), typical.relative_bandwidth(study.chips))
    x = np.log(np.stack(figures, axis=1))[known]
    out = json.loads(json.dumps(found.constants))
    beside = np.log(typical.relative_peak(study.chips))[known]
    factors = (found.devices[0][known] - beside, found.devices[1][known], found.devices[2][known])
    for (name, expected), factor in zip(EXPECTED.items(), factors, strict=True):
        centred, pull = x - x.mean(axis=0), EXPONENT_PULL * np.eye(2)
        sides = np.concatenate([factor - factor.mean(), pull @ np.array(expected)])
        exponents, _ = nnls(np.concatenate([centred, pull]), sides)
        out[name] = {"peak": float(exponents[0]), "bandwidth": float(exponents[1])}
        _scale(out, name, float(np.exp(np.median(factor - x @ exponents))))
    return replace(found, constants=out)


def _scale(constants: dict[str, Any], name: str, level: float) -> None:
    """Move the rates that a factor multiplies to that level."""
    if name == "macs":
        for row in constants["compute"].values():
            row.update({group: value * level for group, value in row.items()})
        return
    if name == "stream":
        constants["weights"] *= level
        constants["spill"] *= level
        return
    constants["scratchpad"] *= level
    for group in BY_FORMAT:
        constants[group] = {f: v * level for f, v in constants[group].items()}
    for seconds in ("issue", "start", "step"):
        constants[seconds] /= level


def main() -> None:
    """Fit, leave out, score, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory of the measured tables")
    parser.add_argument("--write", action="store_true", help="renew npu.yaml")
    parser.add_argument("--rounds", type=int, default=25, help="steps of the first fit")
    given = parser.parse_args()
    rows, devices = rows_of(given.data)
    networks, refused = networks_of(rows)
    chips = chips_of(rows, devices)
    parts = parts_of(rows, networks, chips)
    study = Study(parts, chips)
    data = shipped_yaml("hw_models.cost.laws", "npu.yaml")
    everything = np.ones(len(chips), bool)
    start = Fit(START, np.zeros((3, len(chips))))
    first = fit(study, start, lambda p: np.ones_like(p.truth), given.rounds)
    whole = with_exponents(study, first, everything)
    left: dict[str, Fit] = {}
    raw: dict[str, Fit] = {}
    for fold in range(N_FOLDS):
        part = fit(study, first, lambda p, f=fold: _not_fold(p, f), max(given.rounds // 4, 3))
        raw[f"family:{fold}"] = part
        left[f"family:{fold}"] = with_exponents(study, part, everything)
    for at, name in enumerate(study.devices):
        mask = np.arange(len(chips)) != at
        part = fit(study, first, lambda p, m=mask: np.ones_like(p.truth) * m, max(given.rounds // 4, 3))
        left[f"device:{name}"] = with_exponents(study, part, mask)
    report = {
        "rows": {FORMATS[p.form]: int(np.isfinite(p.truth).sum()) for p in parts},
        "networks": len(networks),
        "not_rebuilt": len(refused),
        "interval_of_an_unseen_device": interval_of(study, left),
        "devices_left_out": devices_left_out(study, left),
        "families_left_out": families_left_out(study, raw),
    }
    print(json.dumps(report, indent=2))
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    if given.write:
        TARGET.write_text(yaml_text(data, whole, left, report))


def _not_fold(part: Part, fold: int) -> FloatArray:
    outside = np.array([family_fold(f) != fold for f in part.families])
    return np.ones_like(part.truth) * outside[:, None]


if __name__ == "__main__":
    main()
