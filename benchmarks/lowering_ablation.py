"""What each part of the lowering is worth: published timm throughput against a roofline of two parameters.

    python benchmarks/lowering_ablation.py                # writes results/lowering_ablation.json
    python benchmarks/lowering_ablation.py --every 10     # a tenth of the rows, printed only

The roofline knows nothing but the kernel list: a kernel takes max(2 MAC / (e peak), bytes / (m bandwidth)),
depthwise MACs at the rate of the vector unit, with e and m fitted to each device and mode in sample. `mape`
is of img/s, `tau` Kendall's. Against it the same with one part of the lowering left out, all networks alike.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from hw_models.cost.arrays import KernelClass, Kernels
from hw_models.errors import CodesignError
from hw_models.lowering.fusion import fuse, separate
from hw_models.lowering.inlining import as_inductor, inlined_nodes, plain_nodes
from hw_models.lowering.network import LoweredNetwork, MemoryRules, lowered_network
from hw_models.lowering.precision import scheme_of
from hw_models.lowering.pricing import kernel_table, price
from hw_models.lowering.recipes import RECIPES, Recipe
from hw_models.lowering.schedule import Expansion, schedule
from hw_models.spec.load import load_chip
from hw_models.validation.metrics import kendall_tau, mape_scaled, one_scale
from search_spaces.vision.timm_models import timm_workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.workload.graph import Workload

HERE: Final = Path(__file__).resolve().parent
RESULT: Final = HERE / "results" / "lowering_ablation.json"
ROWS: Final = HERE.parent / "hw_models" / "measured" / "data" / "timm_throughput.csv.gz"
OTHER_NETWORKS: Final = frozenset({"ecaresnext50t"})
"""Today's registry builds another network under this name than the one that was measured."""

COMPILED: Final = Expansion(mixed=True, split_cat=True, split_norm=True)
RULES: Final = MemoryRules(fold_norms=False, reuse_memory=True)


@dataclass(frozen=True)
class Setting:
    """Rows of one device and mode, and the lowering and precision they ran with."""

    device: str
    torch: str
    compiled: bool
    precision: str

    @property
    def name(self) -> str:
        """As tables show it."""
        return f"{self.device}|torch{self.torch}|{'compiled' if self.compiled else 'eager'}"


SETTINGS: Final = (
    Setting("rtx4090", "2.9.1", compiled=True, precision="fp16"),
    Setting("rtx4090", "2.9.1", compiled=False, precision="fp16"),
    Setting("rtx3090", "2.4.0", compiled=False, precision="fp16"),
    Setting("i9_10940x", "2.4.0", compiled=True, precision="fp32"),
)


def _compiled_with(**changes: bool) -> Recipe:
    """The compiled recipe with other expansions."""

    def recipe(workload: Workload, mixed: bool) -> LoweredNetwork:
        plan = schedule(workload, replace(COMPILED, **{"mixed": mixed, **changes}))
        nodes = inlined_nodes(plan, as_inductor)
        return lowered_network(workload, plan, nodes, fuse(plan, nodes), RULES)

    return recipe


def _no_inlining(workload: Workload, mixed: bool) -> LoweredNetwork:
    plan = schedule(workload, replace(COMPILED, mixed=mixed))
    nodes = plain_nodes(plan)
    return lowered_network(workload, plan, nodes, fuse(plan, nodes), RULES)


def _no_fusion(workload: Workload, mixed: bool) -> LoweredNetwork:
    plan = schedule(workload, replace(COMPILED, mixed=mixed, split_cat=False, split_norm=False))
    nodes = plain_nodes(plan)
    return lowered_network(workload, plan, nodes, separate(nodes), RULES)


def _inlining_only(workload: Workload, mixed: bool) -> LoweredNetwork:
    plan = schedule(workload, replace(COMPILED, mixed=mixed, split_norm=False))
    nodes = inlined_nodes(plan, as_inductor)
    return lowered_network(workload, plan, nodes, separate(nodes), RULES)


def _eager_with(**changes: bool) -> Recipe:
    def recipe(workload: Workload, mixed: bool) -> LoweredNetwork:
        expansion = Expansion(mixed=mixed, cast_each_use=True, pointwise_norm=False)
        plan = schedule(workload, replace(expansion, **changes))
        nodes = plain_nodes(plan)
        return lowered_network(workload, plan, nodes, separate(nodes), RULES)

    return recipe


VARIANTS: Final[dict[bool, dict[str, Recipe]]] = {
    True: {
        "as is": RECIPES["compiled"],
        "no fusion": _no_fusion,
        "inlining, no groups": _inlining_only,
        "groups, no inlining": _no_inlining,
        "norms in one piece": _compiled_with(split_norm=False),
        "no casts, all one type": _compiled_with(mixed=False),
        "attention always fused": _compiled_with(math_attention=False),
        "everything merged (ideal)": RECIPES["ideal"],
    },
    False: {
        "as is": RECIPES["eager"],
        "no casts, all one type": _eager_with(mixed=False),
        "attention always fused": _eager_with(math_attention=False),
        "fused (compiled)": RECIPES["compiled"],
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take every n-th row only")
    every = parser.parse_args().every
    table = pd.read_csv(ROWS)
    scores = [score for setting in SETTINGS for score in _score(setting, table, every)]
    print(pd.DataFrame(scores).to_string(index=False))
    if every == 1:
        versions = {p: version(p) for p in ("timm", "torch", "numpy", "scipy")}
        found = {"command": "python benchmarks/lowering_ablation.py", "versions": versions, "scores": scores}
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _score(setting: Setting, table: pd.DataFrame, every: int) -> list[dict[str, Any]]:
    """Errors of every variant, and of the networks in the form in which they were trained."""
    rows = table[
        (table["mode"] == "infer")
        & (table["device"] == setting.device)
        & (table["torch"] == setting.torch)
        & (table["compiled"] == int(setting.compiled))
        & (table["layout"] == "nchw")
        & ~table["model"].isin(OTHER_NETWORKS)
    ].iloc[::every]
    merged = setting.torch == "2.9.1"
    networks = _networks(rows, reparameterize=merged)
    kept = rows[[n is not None for n in networks]]
    found = [n for n in networks if n is not None]
    scores = [_fit(setting, name, recipe, kept, found) for name, recipe in VARIANTS[setting.compiled].items()]
    if merged:
        as_trained = [n or m for n, m in zip(_networks(kept, reparameterize=False), found, strict=True)]
        scores.append(
            _fit(setting, "branches not merged", VARIANTS[setting.compiled]["as is"], kept, as_trained)
        )
    return scores


def _networks(rows: pd.DataFrame, *, reparameterize: bool) -> list[Workload | None]:
    """The network of every row; None where the installed timm cannot build it."""
    found: list[Workload | None] = []
    for done, (model, size) in enumerate(zip(rows["model"], rows["img_size"].astype(int), strict=True)):
        print(f"{done}/{len(rows)} {model}", file=sys.stderr, end="\033[K\r")
        try:
            found.append(timm_workload(model, int(size), reparameterize=reparameterize))
        except CodesignError:
            found.append(None)
    return found


def _fit(
    setting: Setting, variant: str, recipe: Recipe, rows: pd.DataFrame, networks: Sequence[Workload]
) -> dict[str, Any]:
    """The best two parameters for one kernel list, and how far off they leave it."""
    scheme = scheme_of(setting.precision)
    mixed = scheme.mixed and variant != "everything merged (ideal)"
    batches = rows["batch"].astype(int).tolist()
    memo: dict[int, LoweredNetwork] = {}
    for network in networks:
        memo.setdefault(id(network), recipe(network, mixed))
    kernels = kernel_table(
        [price(memo[id(w)], scheme, n) for w, n in zip(networks, batches, strict=True)], variant
    )
    predict = _roofline(setting, kernels)
    measured = rows["samples_per_s"].to_numpy(float)

    def loss(log_ratio: float) -> float:
        return mape_scaled(predict(np.exp(log_ratio)), measured)

    best = minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded", options={"xatol": 0.01})
    ratio = float(np.exp(best.x))
    predicted = predict(ratio)
    scale = one_scale(predicted, measured)
    return {
        "setting": setting.name,
        "variant": variant,
        "n": len(rows),
        "mape": round(float(best.fun), 4),
        "tau": round(float(kendall_tau(predicted, measured) or np.nan), 4),
        "compute": round(ratio * scale, 3),
        "bandwidth": round(scale, 3),
        "kernels": kernels.n_instances,
    }


def _roofline(setting: Setting, kernels: Kernels) -> Callable[[float], NDArray[np.float64]]:
    """Img/s of every network as a function of compute over bandwidth efficiency."""
    chip = load_chip(setting.device)
    engine, dram = chip.main_engine, chip.dram
    if dram is None or dram.bandwidth is None:
        message = f"{setting.device} has no bandwidth"
        raise ValueError(message)
    peak = engine.peak[setting.precision].value
    vector = engine.vector_peak["fp32"].value if engine.vector_peak else peak
    rate = np.where(kernels.cls == KernelClass.DEPTHWISE, vector, peak)
    compute, traffic = 2.0 * kernels.macs / rate, kernels.outer_bytes / dram.bandwidth.value
    counts = kernels.counts
    return lambda ratio: kernels.batch / (counts @ np.maximum(compute / ratio, traffic))


if __name__ == "__main__":
    main()
