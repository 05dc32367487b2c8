"""Fit the law of CPUs (`hw_models/cost/laws/cpu.py`), constants a runtime; score it on what was left out.

    python benchmarks/fit_law_cpu.py            # writes cpu.yaml, cpu_crossfit.yaml, results/fit_law_cpu.json
    python benchmarks/fit_law_cpu.py --dry      # prints only

A network's time is linear in the constants, so that a fit is a least-squares problem on relative errors with
bounds, reweighted to absolute errors. Bounds keep products within 1.15 of the peak that the runtime can reach
and DRAM traffic at the roofline's. What the networks of a runtime do not show is pulled to a prior: for ONNX
Runtime the times of its operators, for the others ONNX Runtime. Left out in turn: folds of families, devices.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from cpu_measurements import HERE, Group, groups
from scipy.optimize import nnls
from scipy.stats import kendalltau

from hw_models.cost.chips import Chips
from hw_models.cost.laws.catalogue import N_FOLDS, without_device
from hw_models.cost.laws.cpu import CALL_TERMS, MAC_TERMS, TERMS, Shape
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray

RESULT: Final = HERE / "results" / "fit_law_cpu.json"
LAW: Final = HERE.parent / "hw_models" / "cost" / "laws" / "cpu.yaml"

BOOST: Final = 1.15
"""No class is taken to run more than this above its rated peak."""
KINK: Final = 0.02
"""Relative error below which errors count squared, above absolutely."""
ROUNDS: Final = 15
LOST: Final = 0.4
"""Error above which a device tells nothing about the shape of the law."""
WIDTH: Final = 0.7
"""Exponent of SIMD wider than 32 op a cycle: XNNPACK on AVX-512 reaches 0.6 of what narrower cores do."""
ARM_LANES, X86_LANES = 64.0, 16.0
"""int8 op a core and cycle that ruy's kernels reach for: two SDOT, and on x86 products widened to 16 bits."""

OPERATORS: Final[Mapping[str, float]] = {
    "conv": 1.05,
    "pointwise": 1.08,
    "dense_ragged": 0.3,
    "grouped": 1.1,
    "grouped_ragged": 4.0,
    "depthwise": 1.15,
    "depthwise_ragged": 20.0,
    "gemm": 1.12,
    "batched_gemm": 1.4,
    "attention": 1.3,
    "outputs": 1.0,
    "window": 8.0,
    "scores": 100.0,
    "epilogue": 0.5,
    "special": 2.0,
    "norm": 7.0,
    "softmax": 3.8,
    "reduce": 10.0,
    "pool": 3.0,
    "gather": 1.0,
    "weights": 5.0,
    "operands": 0.3,
    "simple": 1.6,
    "passes": 0.5,
    "copy": 2.0,
    "permuted": 3.0,
    "picked": 5.0,
    "resize": 20.0,
    "cubic": 4000.0,
    "fresh": 1.0,
    "library": 3e-7,
    "loop": 7e-7,
    "dram": 1.0,
}
"""Constants as single operators show them under ONNX Runtime on one core of `epyc_2core`."""


@dataclass(frozen=True)
class Problem:
    """One set of constants.

    Attributes:
        of: (runtime, whether in 8 bits) whose rows it is fitted on.
        shapes: candidates; the one that misses devices left out the least is taken.
        without: terms that its runtimes do not have; pull: weight of the prior of one constant, in mean
            squared relative errors.
    """

    of: tuple[tuple[str, bool], ...]
    shapes: tuple[Shape, ...]
    without: tuple[str, ...] = ("relaid", "relaid_fresh")
    pull: float = 1e-6


def _calls(**given: Any) -> tuple[Shape, ...]:
    return tuple(Shape(width=WIDTH, call=c, **given) for c in (0.0, 0.5, 1.0))


PROBLEMS: Final[Mapping[str, Problem]] = {
    "onnxruntime": Problem((("onnxruntime", False),), (Shape(width=WIDTH),), pull=1e-2),
    "torch": Problem((("torch", False),), (Shape(), Shape(width=WIDTH)), without=()),
    "armnn": Problem((("armnn", False),), _calls()),
    "armnn8": Problem((("armnn", True),), _calls()),
    "xnnpack": Problem((("xnnpack", False),), _calls(threads=1)),
    "ruy": Problem((("ruy", False),), _calls()),
    "ruy8": Problem((("ruy", True), ("xnnpack", True)), _calls(lanes=ARM_LANES, lanes_x86=X86_LANES)),
}
"""TFLite hands networks in unsigned 8 bits to ruy, which takes all cores, also where XNNPACK is in it."""

LOOSE: Final[Mapping[str, str]] = {
    "rpi3": "every network takes 100 ms or more, the smallest too",
    "xeon_e5_2686v4": "an instance throttled when its credits are spent",
}
"""Devices that are scored and not fitted on, and why."""

GRID: Final = "mlperf_edge_grid (mlcommons/inference_results v2.0 to v3.0, Krai and cTuning)"


@dataclass(frozen=True)
class Runtime:
    """An entry of `cpu.yaml`: words that tell a runtime, lowerings it stands for, its two problems."""

    words: tuple[str, ...]
    lowering: tuple[str, ...]
    floats: str
    narrow: str
    source: str


RUNTIMES: Final[Mapping[str, Runtime]] = {
    "torch": Runtime(
        ("torch",),
        ("compiled", "eager"),
        "torch",
        "torch",
        "timm_throughput: i9-10940X, fp32, torch 2.2.1 and 2.4.0, compiled, batch 1; 8 bits as floats",
    ),
    "onnxruntime": Runtime(
        ("onnx",),
        ("folded", "ideal"),
        "onnxruntime",
        "onnxruntime",
        "benchmarks/results/epyc_2core_onnxruntime.csv.gz: one thread of an EPYC, fp32; 8 bits as floats",
    ),
    "armnn": Runtime(("armnn", "neon"), (), "armnn", "armnn8", f"{GRID}: ArmNN with Neon"),
    "xnnpack": Runtime(
        ("xnnpack",), (), "xnnpack", "ruy8", f"{GRID}: TFLite with XNNPACK, floats on one thread, its default"
    ),
    "ruy": Runtime(("ruy", "tflite"), (), "ruy", "ruy8", f"{GRID}: TFLite with ruy"),
}
"""In the order in which a name is looked up: "ArmNN TFLite using neon" is ArmNN."""


@dataclass(frozen=True)
class Fitted:
    """Constants of a problem, fitted on all of it ("") and without each part, and how they score."""

    shape: Shape
    found: Mapping[str, FloatArray]
    scores: list[dict[str, Any]]
    log_error: Mapping[str, FloatArray]

    @property
    def missed(self) -> float:
        """Mean error of devices left out, of families where there is one device."""
        rows = [s for s in self.scores if not s["loose"]]
        return float(np.mean([min((s.get("device_out") or s["family_out"])["mape"], LOST) for s in rows]))


def fit(parts: list[tuple[FloatArray, FloatArray]], prior: FloatArray, problem: Problem) -> FloatArray:
    """(F,) constants of (terms, seconds) of several groups, each group with equal weight."""
    low = np.array([0.0 if name in problem.without else _least(name) for name in TERMS])
    allowed = np.array([name not in problem.without for name in TERMS])
    relative = np.concatenate([terms / seconds[:, None] for terms, seconds in parts])
    weight = np.concatenate([np.full(len(s), 1.0 / max(len(s), 1)) for _, s in parts]) / len(parts)
    # unknowns above their bounds, in units of their prior, so that the problem is well scaled
    scale = np.maximum(prior, np.array([1e-6 if name in CALL_TERMS else 0.1 for name in TERMS]))
    prior = np.where(allowed, np.maximum(prior, low), 0.0)
    pull = np.sqrt(problem.pull * KINK)
    theta = prior
    for _ in range(ROUNDS):
        root = np.sqrt(weight * KINK / np.maximum(np.abs(relative @ theta - 1.0), KINK))
        rows = np.column_stack([relative * scale, 1.0 - relative @ low]) * root[:, None]
        triangle = np.linalg.qr(rows, mode="r")
        matrix = np.vstack([triangle[:, :-1], pull * np.eye(len(TERMS))])[:, allowed]
        target = np.concatenate([triangle[:, -1], pull * (prior - low) / scale])
        theta = low.copy()
        theta[allowed] += nnls(matrix, target)[0] * scale[allowed]
    return theta


def _least(name: str) -> float:
    if name == "dram":
        return 1.0
    return 1.0 / BOOST if name in MAC_TERMS and not name.endswith("ragged") else 0.0


def score(predicted: FloatArray, seconds: FloatArray) -> dict[str, float]:
    """Errors as fractions of the measured time."""
    error = np.abs(predicted / seconds - 1.0)
    return {
        "n": len(error),
        "mape": float(error.mean()),
        "median": float(np.median(error)),
        "within_10": float((error <= 0.1).mean()),
        "tau": float(kendalltau(predicted, seconds).statistic) if len(error) > 2 else float("nan"),
        "bias": float(np.median(predicted / seconds)),
    }


def solve(problem: Problem, data: list[Group], prior: FloatArray) -> Fitted:
    """The fit with the best shape."""
    own = [g for g in data if (g.runtime, g.narrow) in problem.of]
    tried = [_solve(problem, own, prior, shape) for shape in problem.shapes]
    return min(tried, key=lambda fitted: fitted.missed)


def _solve(problem: Problem, data: list[Group], prior: FloatArray, shape: Shape) -> Fitted:
    terms = [g.terms(shape) for g in data]
    fitted_on = [(g, t) for g, t in zip(data, terms, strict=True) if g.device not in LOOSE]
    devices = sorted({g.device for g, _ in fitted_on})
    found: dict[str, FloatArray] = {"": fit([(t, g.seconds) for g, t in fitted_on], prior, problem)}
    for fold in range(N_FOLDS):
        kept = [(t[g.fold != fold], g.seconds[g.fold != fold]) for g, t in fitted_on]
        if sum(len(seconds) for _, seconds in kept):  # MobileNets and EfficientNets are of one fold
            found[f"family:{fold}"] = fit(kept, prior, problem)
    for device in devices if len(devices) > 1 else []:
        kept = [(t, g.seconds) for g, t in fitted_on if g.device != device]
        found[without_device(device)] = fit(kept, prior, problem)
    scores, errors = [], {}
    for g, t in zip(data, terms, strict=True):
        by_fold = [t @ found.get(f"family:{i}", np.full(len(TERMS), np.nan)) for i in range(N_FOLDS)]
        left_out = np.array(by_fold)[g.fold, np.arange(len(g.seconds))]
        one = without_device(g.device)
        row: dict[str, Any] = {
            "runtime": g.runtime,
            "device": g.device,
            "precision": "int8" if g.narrow else "fp32",
            "loose": g.device in LOOSE,
            "in_sample": score(t @ found[""], g.seconds),
        }
        if np.isfinite(left_out).all():
            row["family_out"] = score(left_out, g.seconds)
        if one in found or row["loose"]:
            left_out = t @ found.get(one, found[""])
            row["device_out"] = score(left_out, g.seconds)
        scores.append(row)
        if not row["loose"]:
            errors |= _by_part(g, np.log(g.seconds / left_out), several=len(devices) > 1)
    return Fitted(shape, found, scores, errors)


def _by_part(group: Group, errors: FloatArray, *, several: bool) -> dict[str, FloatArray]:
    """Log errors by what was left out: the device, or with one device the families."""
    if several:
        return {f"{group.device} {group.runtime} {group.narrow}": errors}
    families = group.rows["family"].to_numpy()
    release = str(group.rows["runtime_version"].iloc[0]) if "runtime_version" in group.rows else ""
    return {f"{f} {release}": errors[families == f] for f in set(families)}


POWER: Final = ("base", "per_bandwidth", "per_peak")
"""W; W per byte/s of DRAM; W per FP32 op/s of all cores: what a board draws at the wall."""
RUNTIMES_OF_POWER: Final = ("ruy", "armnn")


@dataclass(frozen=True)
class Watts:
    """Power at the wall: (3,) of `POWER` for each runtime, all of them together and without each device."""

    found: Mapping[str, Mapping[str, FloatArray]]
    log_error: Mapping[str, FloatArray]


def solve_power(data: list[Group]) -> Watts:
    """Non-negative least squares of relative errors; what the cores draw is the runtime's."""
    measured = [g for g in data if "watts" in g.rows and g.rows["watts"].notna().any()]
    found = {"": _power(measured)}
    errors = {}
    for device in sorted({g.device for g in measured}):
        cut = without_device(device)
        found[cut] = _power([g for g in measured if g.device != device])
        for g in measured:
            if g.device == device:
                watts = g.rows["watts"].dropna().to_numpy()
                errors[f"{device} {g.runtime} {g.narrow}"] = np.log(
                    watts / (_facts(g) @ found[cut][g.runtime])
                )
    return Watts(found, errors)


def _facts(group: Group) -> FloatArray:
    """(3,) 1, byte/s of DRAM and FP32 op/s of a board."""
    chips = Chips.of([group.chip])
    return np.array([1.0, chips.dram_bandwidth[0], chips.vector_peak[0, Precision.FP32]])


def _power(measured: list[Group]) -> dict[str, FloatArray]:
    rows, scale = [], np.array([1.0, 1e-9, 1e-9])
    for g in measured:
        watts = g.rows["watts"].dropna().to_numpy()
        one, bandwidth, peak = _facts(g) * scale
        cores = [peak * (g.runtime == name) for name in RUNTIMES_OF_POWER]
        rows.append(np.array([one, bandwidth, *cores]) / watts[:, None] / np.sqrt(len(watts)))
    target = [np.full(len(r), 1.0 / np.sqrt(len(r))) for r in rows]
    base, bandwidth, *cores = nnls(np.concatenate(rows), np.concatenate(target))[0]
    pairs = zip(RUNTIMES_OF_POWER, cores, strict=True)
    return {name: np.array([base, bandwidth, core]) * scale for name, core in pairs}


NEW_DEVICE: Final = 0.3
"""Log half-width added where all rows are of one device: what devices left out of the other runtimes miss."""


def interval(fits: list[Fitted] | list[Watts]) -> tuple[float, float]:
    """Factors of latency that hold 90 % of the rows of 90 % of the parts left out."""
    tails = [errors for fitted in fits for errors in fitted.log_error.values()]
    low = np.quantile([np.quantile(e, 0.05) for e in tails], 0.1)
    high = np.quantile([np.quantile(e, 0.95) for e in tails], 0.9)
    several = not isinstance(fits[0], Fitted) or any("device_out" in s for f in fits for s in f.scores)
    more = 0.0 if several else NEW_DEVICE
    return float(np.exp(-np.hypot(min(low, 0.0), more))), float(np.exp(np.hypot(max(high, 0.0), more)))


def entry(name: str, fits: Mapping[str, Fitted], watts: Watts) -> list[str]:
    """Lines of one runtime in `cpu.yaml`."""
    runtime = RUNTIMES[name]
    pair = [fits[key] for key in dict.fromkeys((runtime.floats, runtime.narrow))]
    rows = [s for fitted in pair for s in fitted.scores if not s["loose"]]
    told = [f"fit on {sum(s['in_sample']['n'] for s in rows)} rows by benchmarks/fit_law_cpu.py"]
    for split in ("device_out", "family_out"):
        missed = [s[split]["mape"] for s in rows if split in s]
        if missed and (split == "device_out" or len(rows) < 3):
            told.append(f"{split.replace('_', ' left ')}: MAPE {np.mean(missed):.1%}")
    low, high = interval(pair)
    least, most = interval([watts])
    return [
        f"  {name}:",
        f"    words: [{', '.join(runtime.words)}]",
        f"    lowering: [{', '.join(runtime.lowering)}]",
        f'    source: "{runtime.source}"',
        f'    obtained: "{"; ".join(told)}"',
        f"    interval: [{low:.3g}, {high:.3g}]",
        *_constants(runtime, fits, "", "    "),
        f"    power: {{{_power_fields(runtime, watts, '')}, interval: [{least:.3g}, {most:.3g}]}}",
    ]


def crossfit_entry(name: str, fits: Mapping[str, Fitted], watts: Watts) -> list[str]:
    """Lines of one runtime in `cpu_crossfit.yaml`."""
    runtime = RUNTIMES[name]
    found = [c for key in (runtime.floats, runtime.narrow) for c in fits[key].found]
    lines = [f"  {name}:"]
    for cut in dict.fromkeys(c for c in (*found, *watts.found) if c):
        lines += [f'    "{cut}":', *_constants(runtime, fits, cut, "      ")]
        lines.append(f"      power: {{{_power_fields(runtime, watts, cut)}}}")
    return lines


def _power_fields(runtime: Runtime, watts: Watts, cut: str) -> str:
    values = watts.found.get(cut, watts.found[""])["armnn" if runtime.floats == "armnn" else "ruy"]
    return ", ".join(f"{k}: {_number(v)}" for k, v in zip(POWER, values, strict=True))


def _constants(runtime: Runtime, fits: Mapping[str, Fitted], cut: str, indent: str) -> list[str]:
    lines = []
    for kind in ("floats", "narrow"):
        fitted = fits[getattr(runtime, kind)]
        given = {k: v for k, v in vars(fitted.shape).items() if v is not None}
        values = zip(TERMS, fitted.found.get(cut, fitted.found[""]), strict=True)
        factors = ", ".join(f"{t}: {_number(v)}" for t, v in values if v > 1e-9)
        shape = ", ".join(f"{k}: {v:g}" for k, v in given.items())
        lines += [f"{indent}{kind}:", f"{indent}  shape: {{{shape}}}", f"{indent}  factors: {{{factors}}}"]
    return lines


def _number(value: float) -> str:
    """Three digits; YAML 1.1 reads 1e-06 as text."""
    text = f"{value:.3g}"
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


HEAD: Final = """\
# Constants of the law of CPUs (`cpu.py`), for each runtime: factors of the seconds that a term takes at the
# public rates, times of a call in s; `floats` where products run in floats, `narrow` in 8 bits; what is
# missing is 0. `power`: W of a board at the wall. Without a fold of families, or a device: cpu_crossfit.yaml.
# Written by benchmarks/fit_law_cpu.py.
schema_version: 1
runtimes:
"""
CROSSFIT_HEAD: Final = """\
# Constants of the law of CPUs (`cpu.yaml`) fitted without a fold of families ("family:0"), or a device.
# Written by benchmarks/fit_law_cpu.py.
schema_version: 1
runtimes:
"""


def main() -> None:
    """Fit, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="print only")
    dry = parser.parse_args().dry
    data = list(groups())
    prior = np.array([OPERATORS.get(t, 0.0) for t in TERMS])
    fits: dict[str, Fitted] = {}
    for name, problem in PROBLEMS.items():
        fits[name] = solve(problem, data, fits["onnxruntime"].found[""] if fits else prior)
        tell(name, fits[name])
    watts = solve_power(data)
    print(f"\npower: {watts.found['']}, interval {interval([watts])}")
    for part, errors in watts.log_error.items():
        print(
            f"{part:20s} MAPE {np.abs(np.exp(-errors) - 1).mean():.3f} bias {np.exp(-np.median(errors)):.2f}"
        )
    if dry:
        return
    lines = [line for name in RUNTIMES for line in entry(name, fits, watts)]
    LAW.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    lines = [line for name in RUNTIMES for line in crossfit_entry(name, fits, watts)]
    LAW.with_name("cpu_crossfit.yaml").write_text(CROSSFIT_HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    results: dict[str, Any] = {n: {"shape": vars(f.shape), "groups": f.scores} for n, f in fits.items()}
    missed = {k: float(np.abs(np.exp(-e) - 1).mean()) for k, e in watts.log_error.items()}
    results["power"] = {"device_out_mape": missed}
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def tell(name: str, fitted: Fitted) -> None:
    """Print one problem."""
    print(f"\n{name}: {fitted.shape}, interval {interval([fitted])}, missed {fitted.missed:.3f}")
    print({t: float(f"{v:.3g}") for t, v in zip(TERMS, fitted.found[""], strict=True) if v > 1e-9})
    for s in fitted.scores:
        for split in ("family_out", "device_out"):
            if split in s:
                told = "  ".join(f"{k} {v:.3f}" for k, v in s[split].items())
                print(f"{s['runtime']:12s}{s['device']:20s} {s['precision']} {split:10s} {told}")


if __name__ == "__main__":
    main()
