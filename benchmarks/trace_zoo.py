"""Trace every architecture that timm registers, and hold the MACs against the published ones.

One process, resumable: each finished network is one line of the state file, and a second run does only what
is missing.

    python benchmarks/trace_zoo.py                       # all architectures, then the comparison
    python benchmarks/trace_zoo.py --match "resnet*"     # a part of them, printed only

Truth: `gmacs` of `timm_throughput` (Wightman, pytorch-image-models, results/benchmark-infer-*.csv), rows of
torch 1.13.0 and 2.4.0 against the network as built, rows of 2.9.1 against the re-parameterised one. The
published figure counts convolutions and matrix products; rows of 2.1.0 leave attention out and are not used.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import statistics
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hw_models.errors import CodesignError
from hw_models.workload.counts import macs_by_kind, unmodelled_share
from hw_models.workload.from_torch.trace import TRACER_VERSION
from search_spaces.vision.timm_models import native_input, timm_architectures, timm_workload

HERE = Path(__file__).resolve().parent
TOLERANCE = 0.02
PUBLISHED_RELEASES = {"1.13.0": False, "2.4.0": False, "2.9.1": True}
"""Releases whose `gmacs` count attention, and whether they ran re-parameterised networks."""
CONTRACTIONS = ("conv", "gemm", "attention")

Key = tuple[str, int, bool]


def main() -> None:
    """Trace what is missing, then write the summary."""
    options = _options()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    published = read_published(options.reference)
    keys = [k for k in all_keys(published) if fnmatch.fnmatch(k[0], options.match)]
    done = {**read_state(options.state)}
    missing = [k for k in keys if k not in done]
    print(f"{len(keys)} networks, {len(missing)} to trace", flush=True)
    options.state.parent.mkdir(parents=True, exist_ok=True)
    with options.state.open("a", encoding="utf-8") as state:
        for position, key in enumerate(missing):
            done[key] = trace_one(key)
            state.write(json.dumps(done[key]) + "\n")
            state.flush()
            if position % 100 == 99:
                print(f"{position + 1}/{len(missing)}", flush=True)
    rows = [done[k] for k in keys]
    summary = summarise(rows, published, repeat=options.match == "*")
    if options.match == "*":
        options.out.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        options.out.with_suffix(".md").write_text(as_markdown(summary), encoding="utf-8")
    print(as_markdown(summary))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--match", default="*", help="only architectures of this pattern; nothing is written")
    parser.add_argument(
        "--reference", type=Path, default=HERE.parents[1] / "shared" / "reference" / "measured"
    )
    parser.add_argument(
        "--state", type=Path, default=HERE / "state" / "trace_zoo.jsonl", help="finished networks"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results" / "trace_zoo")
    return parser.parse_args()


def read_published(folder: Path) -> pd.DataFrame:
    """Published GMACs by (model, img_size, reparameterized)."""
    frame = pd.read_csv(
        folder / "timm_throughput.csv.gz", usecols=["torch", "model", "img_size", "gmacs", "params_m"]
    )
    frame = frame[frame["torch"].isin(PUBLISHED_RELEASES) & frame["gmacs"].notna()]
    frame["reparameterized"] = frame["torch"].map(PUBLISHED_RELEASES)
    return frame.groupby(["model", "img_size", "reparameterized"])[["gmacs", "params_m"]].median()


def all_keys(published: pd.DataFrame) -> list[Key]:
    """Every registered architecture at its native size, and every published (model, size) pair."""
    known = set(timm_architectures())
    keys = {(arch, native_input(arch)[1], False) for arch in known}
    keys |= {(m, int(s), bool(r)) for m, s, r in published.index if m in known}
    return sorted(keys)


def read_state(path: Path) -> dict[Key, dict[str, Any]]:
    """Finished networks of this tracer and these releases."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {(r["arch"], r["img_size"], r["reparameterized"]): r for r in rows if r["versions"] == versions()}


def versions() -> list[str]:
    """What a trace depends on beside the network."""
    return [f"tracer {TRACER_VERSION}", f"timm {version('timm')}", f"torch {torch.__version__}"]


def trace_one(key: Key) -> dict[str, Any]:
    """One row of the result: counts, time, or the reason of a failure."""
    arch, size, reparameterized = key
    row: dict[str, Any] = {
        "arch": arch,
        "img_size": size,
        "reparameterized": reparameterized,
        "versions": versions(),
        "native": native_input(arch)[1] == size,
    }
    start = time.perf_counter()
    try:
        resized = None if row["native"] else size
        workload = timm_workload(arch, resized, reparameterize=reparameterized, cache=False)
    except CodesignError as error:
        return {**row, "failed": str(error).splitlines()[0][:400]}
    row["seconds"] = round(time.perf_counter() - start, 4)
    row["ops"] = len(workload)
    row["parameters"] = workload.params
    row["macs"] = {kind: count for kind, count in macs_by_kind(workload).items() if kind in CONTRACTIONS}
    row["unmodelled"] = unmodelled_share(workload)
    row["without_rule"] = sorted(
        {t for t, ok in zip(workload.op_target, workload.op_modelled, strict=True) if not ok}
    )
    assumed = {a["fn"] for a in workload.op_attrs if a.get("cost_assumed")}
    row["assumed_cost"] = sorted(assumed)
    return row


def compare(rows: list[dict[str, Any]], published: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Published against traced MACs of every pair that has both."""
    for row in rows:
        key = (row["arch"], row["img_size"], row["reparameterized"])
        if key not in published.index:
            continue
        truth = published.loc[key]
        pair = {
            "arch": key[0],
            "img_size": key[1],
            "reparameterized": key[2],
            "published_gmacs": float(truth["gmacs"]),
        }
        if "failed" in row:
            yield {**pair, "failed": row["failed"]}
            continue
        traced = sum(row["macs"].values()) / 1e9
        rounding = 0.005 / max(traced, 1e-9)
        yield {
            **pair,
            "traced_gmacs": round(traced, 4),
            "error": round(traced / pair["published_gmacs"] - 1, 4) if pair["published_gmacs"] else None,
            "within": abs(traced - pair["published_gmacs"]) <= TOLERANCE * pair["published_gmacs"] + 0.005,
            "within_strict": abs(traced - pair["published_gmacs"]) <= TOLERANCE * pair["published_gmacs"],
            "rounding": round(rounding, 4),
            "published_params_m": float(truth["params_m"]),
            "traced_params_m": round(row["parameters"] / 1e6, 3),
        }


def summarise(rows: list[dict[str, Any]], published: pd.DataFrame, *, repeat: bool) -> dict[str, Any]:
    """Everything the benchmark states."""
    archs = {r["arch"] for r in rows if r["native"] and not r["reparameterized"]}
    traced = {r["arch"] for r in rows if r["native"] and not r["reparameterized"] and "failed" not in r}
    pairs = list(compare(rows, published))
    summary: dict[str, Any] = {
        "versions": versions(),
        "architectures": len(archs),
        "traced": len(traced),
        "failed": {r["arch"]: r["failed"] for r in rows if r["arch"] in archs - traced and r["native"]},
        "failed_at_other_sizes": {
            f"{r['arch']}@{r['img_size']}": r["failed"] for r in rows if "failed" in r and r["arch"] in traced
        },
        "without_rule": dict(Counter(t for r in rows for t in r.get("without_rule", ())).most_common()),
        "assumed_cost": dict(Counter(t for r in rows for t in r.get("assumed_cost", ())).most_common()),
        "pairs": {name: _share(part) for name, part in _parts(pairs)},
        "exceptions": [p for p in pairs if not p.get("within")],
    }
    if repeat:
        summary["seconds"] = timing(rows)
    return summary


def _parts(pairs: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [
        ("all", pairs),
        ("as built (torch 1.13.0, 2.4.0)", [p for p in pairs if not p["reparameterized"]]),
        ("re-parameterised (torch 2.9.1)", [p for p in pairs if p["reparameterized"]]),
    ]


def _share(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    within = sum(bool(p.get("within")) for p in pairs)
    strict = sum(bool(p.get("within_strict")) for p in pairs)
    n = max(len(pairs), 1)
    return {
        "n": len(pairs),
        "within_2_percent": round(strict / n, 4),
        "within_2_percent_or_rounding": round(within / n, 4),
    }


def timing(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Build and trace time of one network (the smallest) of each of 40 families, the second of two runs."""
    smallest: dict[str, dict[str, Any]] = {}
    for row in rows:
        if "failed" in row or not row["native"] or row["reparameterized"]:
            continue
        family = row["arch"].split("_")[0]
        if family not in smallest or row["ops"] < smallest[family]["ops"]:
            smallest[family] = row
    names = sorted(r["arch"] for r in smallest.values())
    chosen = names[:: max(1, len(names) // 40)][:40]
    seconds = {}
    for arch in chosen:
        trace_one((arch, native_input(arch)[1], False))
        seconds[arch] = trace_one((arch, native_input(arch)[1], False))["seconds"]
    values = list(seconds.values())
    return {
        "what": "build on the meta device and trace, second of two runs, one thread",
        "families": len(values),
        "median": round(statistics.median(values), 4),
        "p90": round(float(np.quantile(values, 0.9)), 4),
        "each": seconds,
    }


def as_markdown(summary: dict[str, Any]) -> str:
    """The summary for people."""
    lines = [
        "# Every architecture of timm, traced",
        "",
        f"`python benchmarks/trace_zoo.py`, {', '.join(summary['versions'])}.",
        "",
        f"Traced: {summary['traced']} of {summary['architectures']} registered architectures at their native size.",
    ]
    lines += [f"- `{name}`: {reason}" for name, reason in summary["failed"].items()]
    lines += [
        "",
        "| MACs against published gmacs | n | within 2 % | within 2 % or the rounding of the file |",
        "|---|---|---|---|",
    ]
    for name, share in summary["pairs"].items():
        lines.append(
            f"| {name} | {share['n']} | {share['within_2_percent']:.2%} | {share['within_2_percent_or_rounding']:.2%} |"
        )
    if "seconds" in summary:
        s = summary["seconds"]
        lines += [
            "",
            f"Time ({s['what']}): median {s['median']} s, p90 {s['p90']} s over {s['families']} families.",
        ]
    lines += ["", f"Operators without a rule: {summary['without_rule'] or 'none'}."]
    lines += [f"Operators with an assumed cost: {summary['assumed_cost'] or 'none'}.", "", "Exceptions:", ""]
    for p in summary["exceptions"]:
        name = f"{p['arch']}@{p['img_size']}" + (" re-parameterised" if p["reparameterized"] else "")
        text = p.get("failed") or f"published {p['published_gmacs']}, traced {p['traced_gmacs']}"
        lines.append(f"- {name}: {text}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
