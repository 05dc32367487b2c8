"""How well do training-free proxies rank the networks of NAS-Bench-201? Stated beside the parameter count.

    nice -n 10 python benchmarks/proxies.py [--networks 1000] [--images noise road_signs]

One thread. Resumable: a network that was scored is a line of `results/proxies_scores.csv`; a second run does
what is missing and writes `results/proxies.json`. Rows of the table are drawn at random
until they are 1,000 distinct networks; rows that are one network share its scores and keep their accuracies.

The networks are built smaller than those that were trained, with the same cells: `SMALLER` says how. Images
are noise, or drawn road signs; CIFAR is not at hand. A proxy that does not beat the parameter count says so.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from search import REFERENCE
from search_worlds import TRAINED

from codesign.data.road_signs.source import road_signs
from codesign.quality.proxies.definitions import PROXIES
from codesign.quality.proxies.proxy_quality import ENSEMBLE, ProxyQuality
from search_spaces.candidate import Candidate
from search_spaces.tabular.nas_bench_201 import KNOBS, OPERATORS
from search_spaces.vision.cell import Cell

RESULTS: Final = Path(__file__).parent / "results"
SMALLER: Final = Cell(cells=2, channels=16, resolution=16, n_classes=12)
"""Two cells a stage in place of five, a quarter of the pixels, as many classes as the road signs have."""
TRAINED_AS: Final = Cell()
BATCH: Final = 64
BEST: Final = 0.2
COUNT: Final = "parameters"
"""As published: convolutions on edges that no path takes are counted too."""
LIVE: Final = "parameters of live edges"
RESAMPLED: Final = 400
SEED: Final = 0


def drawn(cells: pd.DataFrame, n: int) -> pd.DataFrame:
    """Rows in a random order until they are n distinct networks, with the network's label."""
    space = Cell()
    order = np.random.default_rng(SEED).permutation(len(cells))
    names: list[str] = []
    for at in order:
        operators = cells.iloc[at][list(KNOBS)]
        names.append(space.label(Candidate({k: OPERATORS[int(operators[k])] for k in KNOBS})))
        if len(set(names)) == n:
            break
    return cells.iloc[order[: len(names)]].assign(network=names)


def candidate(network: str) -> Candidate:
    """The cell of a label."""
    return Candidate({k: OPERATORS[int(o)] for k, o in zip(KNOBS, network, strict=True)})


def score_all(networks: Sequence[str], images: Sequence[str], out: Path) -> None:
    """Score what is not scored yet, a line for each network and kind of images."""
    columns = ["images", "network", *PROXIES, "cpu_s"]
    if not out.exists():
        out.write_text(",".join(columns) + "\n", encoding="utf-8")
    whole = out.read_text("utf-8")
    out.write_text(whole[: whole.rfind("\n") + 1], encoding="utf-8")  # a killed run may leave half a line
    done = {tuple(line.split(",")[:2]) for line in whole.splitlines()}
    start = time.time()
    for kind in images:
        data = (
            road_signs(SMALLER.n_classes, SMALLER.resolution, n_train=2000) if kind == "road_signs" else None
        )
        quality = ProxyQuality(SMALLER, tuple(PROXIES), data, batch=BATCH, seed=SEED)
        missing = [n for n in networks if (kind, n) not in done]
        for i, network in enumerate(missing, 1):
            spent = time.process_time()
            found = quality.scores(candidate(network))
            spent = time.process_time() - spent
            told = ["" if found[p].value is None else f"{found[p].value:.7g}" for p in PROXIES]
            with out.open("a", encoding="utf-8") as file:
                file.write(",".join([kind, network, *told, f"{spent:.3f}"]) + "\n")
            if i % 100 == 0:
                print(f"{kind}: {i} of {len(missing)}, {time.time() - start:.0f} s", flush=True)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation of two columns, ties at their mean rank."""
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def columns_of(rows: pd.DataFrame, scores: pd.DataFrame) -> dict[str, np.ndarray]:
    """Name -> (rows,) score; NaN where there is none. Ensembles rank within these rows."""
    beside = scores.set_index("network").loc[rows["network"]]
    whole = [TRAINED_AS.workload(candidate(n)) for n in rows["network"].unique()]
    sizes = pd.DataFrame(
        {"parameters": [w.params for w in whole], "macs": [w.macs for w in whole]}, rows["network"].unique()
    ).loc[rows["network"]]
    found = {
        COUNT: rows["params_analytic_c10"].to_numpy(float),
        "macs": rows["macs_analytic_c10"].to_numpy(float),
        LIVE: sizes["parameters"].to_numpy(float),
        "macs of live edges": sizes["macs"].to_numpy(float),
    }
    found |= {p: beside[p].to_numpy(float) for p in PROXIES if p not in ("parameters", "macs")}
    places = {p: pd.Series(beside[p].to_numpy(float)).rank(pct=True).to_numpy() for p in PROXIES}
    rest = tuple(p for p in PROXIES if p not in ("parameters", "macs"))
    for members in (ENSEMBLE, rest):
        found[f"mean rank of {', '.join(members)}"] = np.mean([places[p] for p in members], axis=0)
    return found


def agreement(rows: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Any]:
    """Data set -> part of the networks -> score -> rank correlation, and how it stands to the count."""
    found: dict[str, Any] = {}
    columns = columns_of(rows, scores)
    for column in (c for c in rows if str(c).endswith(TRAINED)):
        accuracy = rows[column].to_numpy(float)
        best = accuracy >= np.quantile(accuracy, 1 - BEST)
        found[str(column).removesuffix(TRAINED)] = {
            part: {name: _told(columns, name, accuracy, mask) for name in columns}
            for part, mask in (("all", np.ones(len(rows), bool)), (f"best {BEST:.0%}", best))
        }
    return found


def scored(rows: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Any]:
    """The same of the rows before the first network that was not scored: they stand in a random order."""
    missing = ~rows["network"].isin(scores["network"]).to_numpy()
    here = rows[: int(missing.argmax())] if missing.any() else rows
    n = {"networks": int(here["network"].nunique()), "rows of the table": len(here)}
    return {**n, "spearman": agreement(here, scores)}


def _told(
    columns: Mapping[str, np.ndarray], name: str, accuracy: np.ndarray, part: np.ndarray
) -> dict[str, Any]:
    """Rank correlation, and how it stands to both counts of parameters."""
    here = part & ~np.isnan(columns[name])
    own, truth = columns[name][here], accuracy[here]
    told = {"spearman": round(spearman(own, truth), 3), "n": int(here.sum())}
    if (part & ~here).any():
        told["without a score"] = int((part & ~here).sum())
    others = {f"to {c}": _lead(own, columns[c][here], truth) for c in (COUNT, LIVE) if c != name}
    return {**told, **others}


def _lead(own: np.ndarray, count: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """How much better it ranks than a count: 90 % range in samples drawn with replacement, and in words."""
    rng = np.random.default_rng(SEED)
    draws = [rng.integers(len(truth), size=len(truth)) for _ in range(RESAMPLED)]
    leads = [spearman(own[d], truth[d]) - spearman(count[d], truth[d]) for d in draws]
    low, high = (round(float(v), 3) for v in np.quantile(leads, (0.05, 0.95)))
    return {
        "lead": [low, high],
        "verdict": "beats it" if low > 0 else "does not beat it" if high < 0 else "level",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=REFERENCE / "nas")
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument(
        "--images", nargs="+", default=["noise", "road_signs"], choices=["noise", "road_signs"]
    )
    parser.add_argument("--scores", type=Path, default=RESULTS / "proxies_scores.csv")
    parser.add_argument("--out", type=Path, default=RESULTS / "proxies.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = drawn(pd.read_parquet(given.data / "nb201_accuracy.parquet"), given.networks)
    score_all(list(dict.fromkeys(rows["network"])), given.images, given.scores)
    every = pd.read_csv(given.scores, dtype={"network": str})
    told = {
        "what": "rank correlation (Spearman) of scores of untrained networks with accuracy after 200 epochs",
        "built": f"{SMALLER.cells} cells a stage, {SMALLER.channels} channels, {SMALLER.resolution} pixels, "
        f"{SMALLER.n_classes} classes; those of the table have {TRAINED_AS.cells}, {TRAINED_AS.channels}, "
        f"{TRAINED_AS.resolution}, 10 to 120",
        "batch": BATCH,
        COUNT: "as published for the networks of the table, with convolutions on dead edges; so are macs",
        LIVE: "of the same networks without edges that no path takes; so are the modules that are scored",
        "lead": "difference of rank correlations, 90 % of samples of the rows drawn with replacement",
        "cpu_s of all scores of a network, median": round(float(every["cpu_s"].median()), 3),
        "images": {kind: scored(rows, every[every["images"] == kind]) for kind in every["images"].unique()},
    }
    given.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for kind, found in told["images"].items():
        for data_set, parts in found["spearman"].items():
            for part, by_name in parts.items():
                print(kind, data_set, part, {n: t["spearman"] for n, t in by_name.items()})


if __name__ == "__main__":
    main()
