"""Fit the constants of single library calls on the sets of operators, and leave each device out in turn.

    python benchmarks/fit_single_calls.py [DIRECTORY] [--rows 150] [--json FILE]

Each stage fits the constants that its sets identify, and keeps those of the stages before it. Prints the
fields of `hw_models/validation/single_calls.yaml` and, for every set, device and kind of operator, error and
rank of the constants fitted on all devices and of those fitted on the others; `--json` keeps the table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from hw_models.cost.arrays import FloatArray, KernelClass
from hw_models.cost.combine import kernel_seconds
from hw_models.measured.loaders import DATASETS, load
from hw_models.validation import metrics
from hw_models.validation.calls.gpu import AMD, Gpu
from hw_models.validation.operators import OperatorGroup, operator_groups, roofline_seconds
from hw_models.validation.single_calls import (
    GROUPS,
    REGIMES,
    CallConstants,
    SingleCalls,
    call_constants,
    call_regime,
)

VECTOR_GROUPS = ("elementwise", "norm", "softmax")
NORMS = ("input_layernorm", "post_attention_layernorm")
STAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "products": (
        ("neusight_gemm",),
        (
            *(
                "tile.vector",
                "tile_loss.vector",
                "fill.vector",
                "lane_energy.vector",
                "warm",
                "written",
                "read.vector",
                "library",
            ),
            *("patience", "scattered", "start.host.gemm", "start.host.batched_gemm", "extra.host"),
            *("start_overlap.host.gemm", "start_overlap.host.batched_gemm"),
        ),
    ),
    "convolutions": (
        ("neusight_conv",),
        ("convolution", "transforms", "stages", "start.host.conv", "start_overlap.host.conv"),
    ),
    "vectors": (
        ("neusight_vector",),
        (
            *(f"bandwidth.{m}.{g}" for m in ("hbm", "gddr") for g in VECTOR_GROUPS),
            *(f"in_flight.{g}" for g in VECTOR_GROUPS),
            *(f"start_overlap.host.{g}" for g in VECTOR_GROUPS),
            *(f"start.host.{g}" for g in (*VECTOR_GROUPS, "addu", "mulu", "divu", "powu", "relu", "gelu")),
            *("passes", "vendor_start"),
        ),
    ),
    "device": (
        ("vidur_llm_ops", "llmcompass_ops"),
        (
            *("tile.matrix", "tile_loss.matrix", "fill.matrix", "lane_energy.matrix", "read.matrix"),
            *(f"in_flight.{g}" for g in ("gather", "mlp_act", "attn_rope")),
            *(f"in_flight.{g}" for g in NORMS),
            *(f"bandwidth.{m}.{g}" for m in ("hbm", "gddr") for g in ("gather", *NORMS)),
            *("resident", "start.device", "start_overlap.device"),
        ),
    ),
    "library": (
        ("deepbench_gemm", "deepbench_conv", "deepbench_conv_inference"),
        (
            "lane_energy.integer",
            "start.library.conv",
            "start.library.gemm",
            "start_overlap.library.conv",
            "start_overlap.library.gemm",
        ),
    ),
}
"""Name of a stage -> sets, and paths of constants: a leaf, or all leaves below."""

FIRM = ("tile", "lane_energy", "bandwidth")
"""Constants whose prior is narrow: data of one device left out must not trade them for each other."""
WIDTHS = {True: 0.06, False: 0.25}
"""Standard deviation of the prior of a constant's logarithm around what stands in the file, firm or not."""
SHARES = (
    "tile",
    "library",
    "bandwidth",
    "convolution",
    "scattered",
    "read",
    "written",
    "transforms",
    "resident",
)
"""Constants that are shares: at most 1, of `tile` at most what keeps the largest tile below the peak."""
COVERED = 0.9
LEAST = 60
"""Errors that a regime needs for an interval of its own."""
ROUNDS = 5
"""Steps of the fit; it starts from what stands in the file."""

GROUP_OF = {cls: group for group, classes in GROUPS.items() for cls in classes}
Leaves = dict[str, float]


def leaves(value: Any, path: str = "") -> Leaves:
    """Numbers by dotted path."""
    if isinstance(value, Mapping):
        return {k: v for name, below in value.items() for k, v in leaves(below, f"{path}.{name}").items()}
    return {path.lstrip("."): float(value)} if isinstance(value, int | float) else {}


def changed(c: CallConstants, found: Leaves) -> CallConstants:
    """The constants with other numbers at these paths."""
    data: dict[str, Any] = asdict(c)
    for path, value in found.items():
        *above, last = path.split(".")
        table = data
        for name in above:
            table = table[name]
        top = path.split(".", maxsplit=1)[0]
        limit = 1.0 + data["tile_loss"][last] / 128.0 if top == "tile" else 1.0
        table[last] = min(value, limit) if top in SHARES else value
        if top in {"start_overlap", "passes"}:
            table[last] = max(value, 1.0)
    return replace(c, **{k: v for k, v in data.items() if k not in {"source", "obtained"}})


def thinned(group: OperatorGroup, rows: int) -> OperatorGroup:
    """At most `rows` distinct operators of each function and kind of mode, spread evenly."""
    mode = group.rows["mode"].to_numpy()[np.unique(group.index, return_index=True)[1]]
    label = pd.Series(group.kernels.labels).str.cat(pd.Series(mode).astype("str"))
    if group.dataset == "vidur_llm_ops":
        label = pd.Series(group.kernels.labels)
    keep = [
        g.index[np.unique(np.linspace(0, len(g) - 1, min(rows, len(g))).astype(int))]
        for _, g in label.groupby(label)
    ]
    return group.take(np.sort(np.concatenate(keep)))


def terms_of(group: OperatorGroup, c: CallConstants) -> FloatArray:
    """(U, R) seconds of the distinct operators of a group."""
    found: FloatArray = SingleCalls(group.timed, c).terms(group.kernels, group.chips).seconds[:, 0]
    return found


def seconds(group: OperatorGroup, c: CallConstants) -> FloatArray:
    """(U,) of the distinct operators of a group."""
    return kernel_seconds(terms_of(group, c)[:, None], c.overlap)[:, 0]


def fitted(groups: Sequence[OperatorGroup], paths: Sequence[str], start: CallConstants) -> CallConstants:
    """Robust least squares on the logarithm of predicted over measured; every group and kind weighs alike."""
    every = leaves({k: v for k, v in asdict(start).items() if k not in {"low", "high"}})
    names = [n for n in every if any(n == p or n.startswith(f"{p}.") for p in paths)]
    x0 = np.log([every[n] for n in names])
    width = np.array([WIDTHS[n.split(".")[0] in FIRM] for n in names])
    logs = [np.log(g.typical_s) for g in groups]
    weights = [np.full(len(m), min(1.0, np.sqrt(600.0 / len(m)))) for m in logs]

    def residuals(x: FloatArray) -> FloatArray:
        c = changed(start, dict(zip(names, np.exp(x).tolist(), strict=True)))
        parts = []
        for g, m, w in zip(groups, logs, weights, strict=True):
            error = np.log(seconds(g, c)) - m
            parts.append(w * np.sign(error) * np.sqrt(2 * 0.15 * (np.sqrt(0.15**2 + error**2) - 0.15)))
        return np.concatenate([*parts, (x - x0) / width])

    found = least_squares(residuals, x0, max_nfev=ROUNDS)
    return changed(start, dict(zip(names, np.exp(found.x).tolist(), strict=True)))


def staged(groups: Sequence[OperatorGroup], start: CallConstants) -> CallConstants:
    """All stages one after the other; a stage without data keeps what stands."""
    for sets, paths in STAGES.values():
        some = [g for g in groups if g.dataset in sets]
        start = fitted(some, paths, start) if some else start
    return start


def unseen(groups: Sequence[OperatorGroup], c: CallConstants) -> CallConstants:
    """Constants of one library alone as if it were any other, where no group is of that library."""
    known = {Gpu.of(g.chips, 0).library for g in groups}
    every = leaves(asdict(c))
    neutral = {}
    for path in every:
        base, _, library = path.rpartition("_" if "_" in path.rpartition(".")[2] else ".")
        if library in {AMD, "ampere"} - known:
            neutral[path] = every.get(base, 1.0)
    return changed(c, neutral)


def lines(group: OperatorGroup, predicted: FloatArray, name: str) -> list[dict[str, Any]]:
    """Error and rank by kind of operator."""
    kind = np.array([GROUP_OF[KernelClass(int(k))] for k in group.kernels.cls])
    rows = []
    for k in dict.fromkeys(kind):
        p, m = predicted[kind == k], group.typical_s[kind == k]
        rows.append(
            {
                "dataset": group.dataset,
                "device": group.device,
                "precision": group.precision,
                "kind": str(k),
                "n": len(p),
                "model": name,
                "mape": metrics.mape(p, m),
                "bias": metrics.bias(p, m),
                "tau": metrics.kendall_tau(p, m),
            }
        )
    return rows


def intervals(errors: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Factors of the 90 % interval by way of timing and regime, or by way alone where data are few."""
    found: dict[str, dict[str, dict[str, float]]] = {"low": {}, "high": {}}
    for timed, whole in errors.groupby("timed"):
        for regime in REGIMES:
            some = whole[whole["regime"] == regime]
            low, high = shortest(some if len(some) >= LEAST else whole)
            found["low"].setdefault(str(timed), {})[regime] = round(min(low, 0.95), 2)
            found["high"].setdefault(str(timed), {})[regime] = round(max(high, 1.05), 2)
    return found


def shortest(errors: pd.DataFrame) -> tuple[float, float]:
    """Factors of the shortest interval with 90 % of the errors; sets of a device weigh alike."""
    order = errors.sort_values("log")
    weight = 1.0 / order.groupby(["dataset", "device"])["log"].transform("size")
    at, factor = (weight.cumsum() / weight.sum()).to_numpy(), np.exp(order["log"].to_numpy())
    lower = np.linspace(0.0, 1.0 - COVERED, 21)
    lows, highs = np.interp(lower, at, factor), np.interp(lower + COVERED, at, factor)
    best = int((highs - lows).argmin())
    return float(lows[best]), float(highs[best])


def left_out(
    groups: Sequence[OperatorGroup], start: CallConstants, whole: CallConstants
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Scores of every device with constants fitted without it, and the errors with their regimes."""
    rows: list[dict[str, Any]] = []
    errors = []
    for device in dict.fromkeys(g.chips.names[0] for g in groups):
        out = [g for g in groups if g.chips.names[0] == device]
        sets = {g.dataset for g in out}
        stages = {n: s for n, s in STAGES.items() if sets & set(s[0])}
        c = whole
        for stage_sets, paths in stages.values():
            back = [p for p in leaves(asdict(start)) if any(p == q or p.startswith(f"{q}.") for q in paths)]
            c = changed(c, {p: leaves(asdict(start))[p] for p in back})
            some = [g for g in groups if g.dataset in stage_sets and g.chips.names[0] != device]
            c = fitted(some, paths, unseen(some, c)) if some else c
        for g in out:
            predicted = seconds(g, c)
            rows += lines(g, predicted, "left out")
            regime = call_regime(terms_of(g, c), g.kernels.cls)
            errors.append(
                pd.DataFrame(
                    {
                        "timed": g.timed,
                        "regime": np.array(REGIMES)[regime],
                        "dataset": g.dataset,
                        "device": g.device,
                        "log": np.log(g.typical_s / predicted),
                    }
                )
            )
    return rows, pd.concat(errors)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", help="directory of tables; default: those that ship")
    parser.add_argument(
        "--rows", type=int, default=150, help="distinct operators of each function and device"
    )
    parser.add_argument("--json", type=Path, help="file for constants, intervals and scores")
    args = parser.parse_args()
    measured = load(args.data, datasets=[n for n, d in DATASETS.items() if d.operators])
    groups = [
        thinned(g, args.rows)
        for r in measured.records.values()
        for g in operator_groups(r, measured.devices).groups
        if g.timed
    ]
    start = call_constants()
    whole = staged(groups, start)
    constants = {
        k: float(f"{v:.3g}")
        for k, v in leaves(asdict(whole)).items()
        if k.split(".")[0] not in {"low", "high"}
    }
    for path, value in constants.items():
        print(f"{path}: {value:.3g}")
    rows = []
    for g in groups:
        rows += lines(g, roofline_seconds(g.kernels, g.chip).value[:, 0], "class")
        rows += lines(g, seconds(g, whole), "fitted")
    apart, errors = left_out(groups, start, whole)
    rows += apart
    ends = intervals(errors)
    print(json.dumps(ends, indent=1))
    keys = ["dataset", "device", "precision", "kind", "n"]
    frame = pd.DataFrame(rows)
    table = frame.pivot_table(index=keys, columns="model", values=["mape", "bias", "tau"], sort=False)
    print(table.round(3).to_string())
    if args.json:
        content = {
            "rows": args.rows,
            "constants": constants,
            "interval": ends,
            "scores": frame.round(4).to_dict("records"),
        }
        args.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
