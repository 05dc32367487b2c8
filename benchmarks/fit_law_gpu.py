"""Fit the law of GPUs on published timm throughput; score it on families and on devices left out.

    python benchmarks/fit_law_gpu.py --data ../shared/reference/measured [--ablate]

Loss: log error of step times, softened, each device and release with equal weight, and a weak pull to the
constants in force. Writes `hw_models/cost/laws/gpu.yaml`, with the constants fitted without each fold of
families and without each device, and the scores to `benchmarks/results/fit_law_gpu.json`. Nothing is scored
with a free scale.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.stats import kendalltau

from hw_models.cost.chips import Chips
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.laws import gpu
from hw_models.cost.laws.catalogue import N_FOLDS, family_fold, without_device
from hw_models.cost.laws.gpu import GpuConstants, GpuLaw
from hw_models.cost.roofline import Roofline
from hw_models.errors import CodesignError
from hw_models.lowering import lower
from hw_models.spec.load import load_chip
from search_spaces.vision.timm_models import timm_workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.workload.graph import Workload

    Masks = Sequence[NDArray[np.bool_]]

HERE: Final = Path(__file__).resolve().parent
RESULT: Final = HERE / "results" / "fit_law_gpu.json"
LAW: Final = HERE.parent / "hw_models" / "cost" / "laws" / "gpu.yaml"

FITTED: Final = {
    "compiled": [("rtx4090", "nchw", "2.4.0"), ("rtx4090", "nchw", "2.9.1")],
    "eager": [("rtx3090", "nchw", "2.4.0"), ("rtx4090", "nchw", "2.4.0"), ("rtx4090", "nchw", "2.9.1")],
}
"""Device, layout and release of the rows that each lowering's constants are fitted on; all under amp."""

SOURCE: Final = "timm_throughput (huggingface/pytorch-image-models @ aa4b5850), amp, NCHW: "
BOOST: Final = 1.15
"""Clocks rise above the rated one where power allows; no class is taken to gain more by it."""

LIMITS: Final = {
    "compute": (1 / BOOST, 30.0),
    "memory": (1.0, 6.0),
    "slower": (1.0, 6.0),
    "vector": (1.0, 4.0),
    "part_tile": (0.05, 1.0),
    "unaligned": (1.0, 4.0),
    "cache_bytes": (32.0, 128.0),
    "unhidden": (0.01, 2.0),
    "attention": (0.05, 3.0),
    "short_sum": (1.0, 600.0),
    "taps": (0.2, 30.0),
    "taps_last": (0.2, 30.0),
}
HELD: Final = ("overlap", "issue", "taps.3", "vector", "cache_bytes", "long_function", "unhidden.innermost")
"""Constants that these rows do not tell: they stand. `innermost` shows in the rows of layout NHWC, which are
not fitted on: of 0.05, 0.4 and 1.0 the first scores best there."""

PULL: Final = 0.02
"""Weight of the constants in force against the data, for each of them."""

SOFT: Final = 0.05
"""Log error above which an error counts in proportion rather than squared."""

MERGED_IN: Final = "2.9.1"
"""The release whose files ran networks with their training-time branches merged."""

SAME_PARAMS, SAME_FORM = 0.02, 0.002
"""Relative difference of parameters within which a network, and a form of it, is the one that was run."""

UNSEEN: Final = {"compiled": 0.10, "eager": 0.15}
"""Log half-width added in quadrature for a GPU that was not fitted on, at least; see `interval_of`."""


@dataclass(frozen=True)
class Group:
    """Measured networks of one device and release, with their bare terms."""

    name: str
    device: str
    family: NDArray[np.object_]
    kernels: Kernels
    chips: Chips
    seconds: FloatArray
    log_s: FloatArray

    def predicted(self, constants: GpuConstants) -> FloatArray:
        """(W,) natural logarithm of the seconds of a step."""
        law = GpuLaw(constants, frozenset(), (1.0, 1.0), (1.0, 1.0), "")
        seconds = law.apply(self.seconds, self.kernels, self.chips)
        latency = self.kernels.counts @ kernel_seconds(seconds, law.overlap)
        out: FloatArray = np.log(latency[:, 0])
        return out

    @property
    def fold(self) -> NDArray[np.int64]:
        """(W,) the fold of each row's family."""
        return np.array([family_fold(f) for f in self.family])


def network_as_run(name: str, size: int, params: float, release: str) -> Workload | None:
    """The form of a network, branches merged or not, whose parameters are the stated ones; None: neither."""
    best, distance = None, SAME_PARAMS
    for merged in (release == MERGED_IN, release != MERGED_IN):
        try:
            found = timm_workload(name, size, reparameterize=merged)
        except CodesignError:
            continue
        off = abs(found.params - params) / params
        if off < distance:
            best, distance = found, off - SAME_FORM
    return best


def read_group(table: pd.DataFrame, lowering: str, key: tuple[str, str, str]) -> Group:
    """The rows of one device and release, lowered as they were run."""
    device, layout, release = key
    mask = (table["mode"] == "infer") & (table["device"] == device) & (table["dtype"] == "amp")
    mask &= (table["layout"] == layout) & (table["torch"] == release)
    mask &= table["compiled"] == (lowering == "compiled")
    workloads, kept = [], []
    asked = table[mask]
    for index, name, size, params in zip(
        asked.index, asked["model"], asked["img_size"], asked["params_m"], strict=True
    ):
        found = network_as_run(str(name), int(size), float(params) * 1e6, release)
        if found is None:
            print(f"left out: {name}@{int(size)}: another network than was measured")
            continue
        workloads.append(found)
        kept.append(index)
    rows = table.loc[kept]
    kernels = lower(workloads, lowering=lowering, precision="fp16", batch=rows["batch"].astype(int).tolist())
    chips = Chips.of([load_chip(device)])
    return Group(
        name=f"{device} {lowering} {layout} {release}",
        device=device,
        family=rows["family"].to_numpy(object),
        kernels=kernels,
        chips=chips,
        seconds=Roofline().terms(kernels, chips).seconds,
        log_s=np.log((rows["batch"] / rows["samples_per_s"]).to_numpy(float)),
    )


def flat(constants: GpuConstants) -> dict[str, float]:
    """All constants by dotted name."""
    found: dict[str, float] = {}
    for name, value in asdict(constants).items():
        found |= {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, Mapping) else {name: value}
    return found


def nested(values: Mapping[str, float]) -> GpuConstants:
    """The inverse of `flat`."""
    data: dict[str, Any] = {}
    for name, value in values.items():
        table, _, key = name.partition(".")
        if key:
            data.setdefault(table, {})[key] = value
        else:
            data[name] = value
    return GpuConstants(**data)


class Fit:
    """Robust least squares on the logarithms of the constants."""

    def __init__(self, groups: Sequence[Group], start: GpuConstants, held: Sequence[str] = HELD) -> None:
        self.groups, self.all = groups, flat(start)
        self.names = [n for n in self.all if n not in held and n.partition(".")[0] not in held]
        self.origin = np.log([self.all[n] for n in self.names])
        limits = [LIMITS[n.partition(".")[0]] for n in self.names]
        self.low, self.high = np.log(limits).T

    def constants(self, theta: FloatArray) -> GpuConstants:
        """Constants from their logarithms."""
        return nested(self.all | dict(zip(self.names, np.exp(theta).tolist(), strict=True)))

    def run(self, masks: Masks, start: GpuConstants | None = None, rounds: int = 4) -> GpuConstants:
        """Constants that minimise the loss over the masked rows of every group."""
        begin = self.origin if start is None else np.log([flat(start)[n] for n in self.names])

        def residuals(theta: FloatArray) -> FloatArray:
            constants = self.constants(theta)
            parts = [PULL**0.5 * (theta - self.origin) * SOFT]
            for group, mask in zip(self.groups, masks, strict=True):
                error = (group.predicted(constants) - group.log_s)[mask]
                soft = 2.0 * SOFT**2 * (np.sqrt(1.0 + (error / SOFT) ** 2) - 1.0)
                parts.append(np.sign(error) * np.sqrt(soft / len(error)))
            return np.concatenate(parts)

        inside = np.clip(begin, self.low + 1e-6, self.high - 1e-6)
        found = least_squares(
            residuals, inside, bounds=(self.low, self.high), diff_step=0.01, max_nfev=rounds, x_scale=0.3
        )
        return self.constants(found.x)


def score(predicted: FloatArray, group: Group) -> dict[str, float]:
    """Errors of img/s as fractions, without any scale, and Kendall's tau."""
    ratio = np.exp(group.log_s - predicted)
    rate = group.kernels.batch / np.exp(group.log_s)
    return {
        "n": len(ratio),
        "mape": round(float(np.abs(ratio - 1).mean()), 4),
        "median_ape": round(float(np.median(np.abs(ratio - 1))), 4),
        "bias": round(float(np.median(ratio) - 1), 4),
        "kendall_tau": round(float(kendalltau(ratio * rate, rate).statistic), 4),
    }


def by_family(error: FloatArray, family: NDArray[np.object_], level: float) -> float:
    """The `level` quantile of the families' `level` quantiles of |log error|."""
    return float(pd.Series(np.abs(error)).groupby(family).quantile(level).quantile(level))


def interval_of(error: FloatArray, family: NDArray[np.object_], added: float) -> dict[str, list[float]]:
    """Factors of latency: on known chips the 90 % quantile of the errors out of fold, on others by family."""
    known = float(np.quantile(np.abs(error), 0.9))
    unseen = max(by_family(error, family, 0.9), float(np.hypot(known, added)))
    return {
        name: [round(float(np.exp(-half)), 3), round(float(np.exp(half)), 3)]
        for name, half in (("known", known), ("unseen", unseen))
    }


def out_of_fold(fit: Fit, whole: GpuConstants) -> tuple[list[GpuConstants], list[FloatArray]]:
    """Constants without each fold of families, and the predictions of the families left out."""
    held_out = [np.zeros(len(g.log_s)) for g in fit.groups]
    found = []
    for k in range(N_FOLDS):
        constants = fit.run([g.fold != k for g in fit.groups], whole, rounds=2)
        found.append(constants)
        for out, group in zip(held_out, fit.groups, strict=True):
            out[group.fold == k] = group.predicted(constants)[group.fold == k]
    return found, held_out


def without_devices(fit: Fit, whole: GpuConstants) -> tuple[dict[str, GpuConstants], dict[str, Any]]:
    """Constants without each device, and their scores on it; nothing where there is one device."""
    devices = list(dict.fromkeys(g.device for g in fit.groups))
    found: dict[str, GpuConstants] = {}
    scores: dict[str, Any] = {}
    for device in devices if len(devices) > 1 else []:
        others = replace_groups(fit, [g for g in fit.groups if g.device != device])
        constants = others.run(everything(others.groups), whole, rounds=3)
        found[without_device(device)] = constants
        scores |= {g.name: score(g.predicted(constants), g) for g in fit.groups if g.device == device}
    return found, scores


def replace_groups(fit: Fit, groups: Sequence[Group]) -> Fit:
    """The same fit on other rows."""
    return Fit(groups, nested(fit.all), [n for n in fit.all if n not in fit.names])


def everything(groups: Sequence[Group]) -> Masks:
    """All rows of every group."""
    return [np.ones(len(g.log_s), np.bool_) for g in groups]


def study(
    lowering: str, groups: Sequence[Group], start: GpuConstants
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entry of a lowering for the file, and its scores."""
    fit = Fit(groups, start)
    whole = fit.run(everything(groups))
    folds, held_out = out_of_fold(fit, whole)
    devices, device_scores = without_devices(fit, whole)
    errors = [g.log_s - p for g, p in zip(groups, held_out, strict=True)]
    family = np.concatenate([g.family for g in groups])
    scores = {g.name: score(p, g) for g, p in zip(groups, held_out, strict=True)}
    interval = interval_of(np.concatenate(errors), family, UNSEEN[lowering])
    crossfit = {f"family:{k}": asdict(c) for k, c in enumerate(folds)}
    crossfit |= {name: asdict(c) for name, c in devices.items()}
    print(pd.DataFrame(scores).T.to_string())
    if device_scores:
        print("device left out", pd.DataFrame(device_scores).T.to_string(), sep="\n")
    worst = max(s["mape"] for s in scores.values())
    entry = {
        "fitted_on": list(dict.fromkeys(g.device for g in groups)),
        "constants": asdict(whole),
        "interval": interval,
        "source": SOURCE + ", ".join(f"{d} torch {r}" for d, _, r in FITTED[lowering]) + f", {lowering}",
        "obtained": f"fit on {len(family)} rows; families left out: MAPE up to {100 * worst:.1f} %, no scale",
        "crossfit": crossfit,
    }
    in_sample = {g.name: score(g.predicted(whole), g) for g in groups}
    found = {"families_left_out": scores, "device_left_out": device_scores, "in_sample": in_sample}
    return entry, found | {"interval": interval, "worst_families": worst_families(groups, errors)}


def worst_families(groups: Sequence[Group], errors: Sequence[FloatArray]) -> dict[str, dict[str, float]]:
    """Families of at least 3 rows with the largest median log of measured over predicted time."""
    found = {}
    for group, error in zip(groups, errors, strict=True):
        table = pd.Series(error).groupby(group.family).agg(["median", "size"])
        median = table.loc[table["size"] >= 3, "median"]
        order = median.abs().sort_values(ascending=False).index[:12]
        found[group.name] = {str(f): round(float(median[f]), 3) for f in order}
    return found


ABLATIONS: Final[dict[str, Callable[[GpuConstants], GpuConstants]]] = {
    "short sums": lambda c: replace(c, short_sum=dict.fromkeys(c.short_sum, 0.0)),
    "part tiles": lambda c: replace(c, part_tile=0.0),
    "alignment": lambda c: replace(c, unaligned=dict.fromkeys(c.unaligned, 1.0)),
    "attention shapes": lambda c: replace(c, attention=dict.fromkeys(c.attention, 0.0)),
    "depthwise windows": lambda c: replace(c, taps=dict.fromkeys(c.taps, 1.0)),
    "layouts": lambda c: replace(c, taps_last=c.taps, slower={**c.slower, "copy": 1.0, "mixed": 1.0}),
    "unhidden moves": lambda c: replace(c, unhidden=dict.fromkeys(c.unhidden, 0.0)),
    "slow kernels": lambda c: replace(c, slower=dict.fromkeys(c.slower, 1.0)),
    "memory factors": lambda c: replace(c, memory=dict.fromkeys(c.memory, 1.0)),
    "cache bandwidth": lambda c: replace(c, cache_bytes=1e9),
}
"""Terms that are left out in turn; the others are fitted again."""


def ablation(groups: Sequence[Group], whole: GpuConstants) -> dict[str, Any]:
    """Families left out, one term less each."""
    found = {}
    for name, without in ABLATIONS.items():
        start = without(whole)
        gone = [n for n, v in flat(start).items() if v != flat(whole)[n]]
        fit = Fit(groups, start, (*HELD, *gone))
        _, held_out = out_of_fold(fit, fit.run(everything(groups), rounds=2))
        scores = [score(p, g) for p, g in zip(held_out, groups, strict=True)]
        found[name] = {m: round(float(np.mean([s[m] for s in scores])), 4) for m in ("mape", "kendall_tau")}
        print(f"without {name}: {found[name]}")
    return found


def yaml_of(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The file, constants to four digits, one table a line."""
    lines = [
        "# Constants of the law of GPUs; `GpuConstants` in gpu.py says what each is. `interval`: 90 %,",
        "# factors of latency. `crossfit`: fitted without a fold of families or a device. Refit:",
        "# benchmarks/fit_law_gpu.py, which writes this file.",
        "schema_version: 1",
        "lowerings:",
    ]
    for lowering, entry in entries.items():
        lines += [f"  {lowering}:", f"    fitted_on: [{', '.join(entry['fitted_on'])}]", "    constants:"]
        lines += _tables(entry["constants"], 6)
        lines += [f"    interval: {json.dumps(entry['interval'])}"]
        lines += [f"    {key}: {json.dumps(entry[key])}" for key in ("source", "obtained")]
        lines.append("    crossfit:" if entry["crossfit"] else "    crossfit: {}")
        for name, constants in entry["crossfit"].items():
            lines += [f'      "{name}":', *_tables(constants, 8)]
    return "\n".join(lines) + "\n"


def _tables(constants: Mapping[str, Any], indent: int) -> list[str]:
    pad = " " * indent
    return [
        f"{pad}{k}: {{{', '.join(f'{_key(n)}: {_number(x)}' for n, x in v.items())}}}"
        if isinstance(v, Mapping)
        else f"{pad}{k}: {_number(v)}"
        for k, v in constants.items()
    ]


def _key(name: str) -> str:
    return f'"{name}"' if name.isdigit() else name


def _number(value: float) -> str:
    """Four digits, always a float for YAML."""
    text = f"{value:.4g}"
    return text if "." in text else text.replace("e", ".0e") if "e" in text else f"{text}.0"


def main() -> None:
    """Read the table, fit every lowering, write the law and the scores."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory with timm_throughput.csv.gz")
    parser.add_argument("--ablate", action="store_true", help="also leave out each term in turn")
    args = parser.parse_args()
    table = pd.read_csv(args.data / "timm_throughput.csv.gz", dtype={"torch": str})
    entries, results = {}, {}
    for lowering, keys in FITTED.items():
        groups = [read_group(table, lowering, key) for key in keys]
        entry, results[lowering] = study(lowering, groups, gpu.law(lowering).constants)
        entries[lowering] = entry
        if args.ablate:
            results[lowering]["ablation"] = ablation(groups, GpuConstants(**entry["constants"]))
    LAW.write_text(yaml_of(entries), encoding="utf-8")
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
