"""Trace every architecture that timm registers, and hold the MACs against the published ones.

One process, resumable: a finished network is a line of the state file; a second run does what is missing.

    python benchmarks/trace_zoo.py                       # all architectures, then the comparison
    python benchmarks/trace_zoo.py --match "resnet*"     # a part of them, printed only

Truth: `gmacs` of `timm_throughput` (Wightman, pytorch-image-models, results/benchmark-infer-*.csv), rows of
torch 1.13.0 and 2.4.0 against the network as built, rows of 2.9.1 against the re-parameterised one; rows of
2.1.0 leave attention out and are not used. The figures were made with fvcore, which adds norms, resizing and
pooling to the convolutions and matrix products. What it adds is computed from the same trace by fvcore's own
conventions and taken off the published figure, so that contractions are compared with contractions.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import statistics
import time
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from hw_models.errors import CodesignError
from hw_models.workload.counts import macs_by_kind, unmodelled_share
from hw_models.workload.from_torch.tracing import Inputs, record
from hw_models.workload.op import TRACER_VERSION, OpKind
from search_spaces.vision.timm_models import build, native_input, timm_architectures, timm_workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hw_models.workload.graph import Op, Workload

HERE = Path(__file__).resolve().parent
TOLERANCE = 0.02
ROUNDING_GMACS = 0.005
"""The published figures have two decimals."""
RELEASES = {"1.13.0": False, "2.4.0": False, "2.9.1": True}
"""Releases whose `gmacs` count attention, and whether they ran re-parameterised networks."""
CONTRACTIONS = ("conv", "gemm", "attention")
FAMILIES = 40
REPEATS = 5
TIMES = ("build_s", "trace_s", "cpu_s")

CAUSES = {
    "sequencer2d_*": "recurrent layers: fvcore has no rule for LSTM and counts none of its MACs",
    "convmixer_*": "convolutions with padding='same': fvcore has no rule for that overload",
    "vit_d*_patch16_reg1_gap_256": "differential attention: the fused form, traced here, multiplies with "
    "the values twice, the form that was counted once",
    "ecaresnext50t_32x4d": "today's registry builds another network than was measured (25.1 M parameters, "
    "not 15.4 M)",
}
"""Why the published figure is another one, by pattern of architecture; looked up in the sources of both."""

Key = tuple[str, int, bool]


def main() -> None:
    """Trace what is missing, then write the summary."""
    options = _options()
    torch.set_num_threads(1)
    published = read_published(options.reference)
    keys = [k for k in all_keys(published) if fnmatch.fnmatch(k[0], options.match)]
    done = read_state(options.state)
    missing = [k for k in keys if k not in done]
    print(f"{len(keys)} networks, {len(missing)} to trace", flush=True)
    options.state.parent.mkdir(parents=True, exist_ok=True)
    with options.state.open("a", encoding="utf-8") as state:
        for position, key in enumerate(missing, 1):
            done[key] = trace_one(key)
            state.write(json.dumps(done[key]) + "\n")
            state.flush()
            if position % 100 == 0:
                print(f"{position}/{len(missing)}", flush=True)
    rows = [done[k] for k in keys]
    summary = summarise(rows, list(compare(rows, published)))
    summary["not_registered"] = sorted({m for m, _, _ in published.index} - set(timm_architectures()))
    if options.match == "*":
        summary["time"] = timing(rows)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        options.out.with_suffix(".md").write_text(as_markdown(summary), encoding="utf-8")
    print(as_markdown(summary))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reference = HERE.parents[1] / "shared" / "reference" / "measured"
    parser.add_argument("--match", default="*", help="only architectures of this pattern; nothing is written")
    parser.add_argument("--reference", type=Path, default=reference, help="folder of timm_throughput.csv.gz")
    parser.add_argument("--state", type=Path, default=HERE.parent / "build" / "trace_zoo.jsonl")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "trace_zoo")
    return parser.parse_args()


# -- tracing -------------------------------------------------------------------------------------------


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
    return [f"tracer {TRACER_VERSION}", "timm " + version("timm"), f"torch {torch.__version__}"]


def trace_one(key: Key) -> dict[str, Any]:
    """One row of the result: counts, time, or the reason of a failure."""
    arch, size, reparameterized = key
    row: dict[str, Any] = {"arch": arch, "img_size": size, "reparameterized": reparameterized}
    row |= {"versions": versions(), "native": native_input(arch)[1] == size}
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            resized = None if row["native"] else size
            workload = timm_workload(arch, resized, reparameterize=reparameterized, cache=False)
    except CodesignError as error:
        return {**row, "failed": str(error).splitlines()[0][:400]}
    row["wall_s"], row["cpu_s"] = time.perf_counter() - wall, time.process_time() - cpu
    row["ops"], row["parameters"] = len(workload), workload.params
    row["macs"] = {kind: count for kind, count in macs_by_kind(workload).items() if kind in CONTRACTIONS}
    row["counted_beside"] = sum(counted_beside(op, workload) for op in workload.ops)
    row["unmodelled"] = unmodelled_share(workload)
    modelled = zip(workload.op_target, workload.op_modelled, strict=True)
    row["without_rule"] = sorted({target for target, ok in modelled if not ok})
    row["assumed_cost"] = sorted({a["fn"] for a in workload.op_attrs if a.get("cost_assumed")})
    return row


def counted_beside(op: Op, workload: Workload) -> int:
    """What fvcore counts for an operator that is no contraction.

    Source: fvcore 0.1.5, nn/flop_count.py `_DEFAULT_SUPPORTED_OPS` and nn/jit_handles.py.
    """
    read = workload.tensor(op.inputs[0]).elements if op.inputs else 0
    written = workload.tensor(op.outputs[0]).elements if op.outputs else 0
    fn = op.attrs.get("fn")
    if op.kind == OpKind.NORM and fn != "rms_norm":
        if op.attrs.get("statistics") == "running":
            return read * (2 if len(op.inputs) > 3 else 1)
        return read * (5 if len(op.inputs) > 1 else 4)
    if op.target == "aten.adaptive_avg_pool2d":
        return read
    if op.kind == OpKind.RESIZE:
        mode = op.attrs.get("mode", "bilinear")
        return written * {"nearest": 1, "bilinear": 4}.get(mode, 0)
    return 0


# -- comparing -----------------------------------------------------------------------------------------


def read_published(folder: Path) -> pd.DataFrame:
    """Published GMACs by (model, img_size, reparameterized)."""
    columns = ["torch", "model", "img_size", "gmacs", "params_m"]
    frame = pd.read_csv(folder / "timm_throughput.csv.gz", usecols=columns)
    frame = frame[frame["torch"].isin(RELEASES) & frame["gmacs"].notna()]
    frame["reparameterized"] = frame["torch"].map(RELEASES)
    return frame.groupby(["model", "img_size", "reparameterized"])[["gmacs", "params_m"]].median()


def compare(rows: list[dict[str, Any]], published: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Published against traced MACs of every pair that has both."""
    truths = published.to_dict("index")
    for row in rows:
        key = (row["arch"], row["img_size"], row["reparameterized"])
        if key not in truths:
            continue
        truth = truths[key]
        pair = {"arch": key[0], "img_size": key[1], "reparameterized": key[2]}
        pair["published_gmacs"] = truth["gmacs"]
        if "failed" in row:
            yield {**pair, "failed": row["failed"]}
            continue
        traced = sum(row["macs"].values()) / 1e9
        contractions = truth["gmacs"] - row["counted_beside"] / 1e9
        difference, allowed = abs(traced - contractions), TOLERANCE * contractions
        pair |= {"published_contractions_gmacs": round(contractions, 4), "traced_gmacs": round(traced, 4)}
        pair |= {
            "published_params_m": truth["params_m"],
            "traced_params_m": round(row["parameters"] / 1e6, 3),
        }
        pair["error"] = round(traced / contractions - 1, 4)
        pair["within"] = difference <= allowed
        pair["within_rounding"] = difference <= max(allowed, ROUNDING_GMACS)
        pair["within_as_published"] = abs(traced - truth["gmacs"]) <= TOLERANCE * truth["gmacs"]
        yield pair


def summarise(rows: list[dict[str, Any]], pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything the benchmark states."""
    native = [r for r in rows if r["native"] and not r["reparameterized"]]
    return {
        "versions": versions(),
        "architectures": len(native),
        "traced": sum("failed" not in r for r in native),
        "failed": {f"{r['arch']}@{r['img_size']}": r["failed"] for r in rows if "failed" in r},
        "without_rule": dict(Counter(t for r in rows for t in r.get("without_rule", ())).most_common()),
        "assumed_cost": dict(Counter(t for r in rows for t in r.get("assumed_cost", ())).most_common()),
        "pairs": {
            "all": _shares(pairs),
            "as built (torch 1.13.0, 2.4.0)": _shares([p for p in pairs if not p["reparameterized"]]),
            "re-parameterised (torch 2.9.1)": _shares([p for p in pairs if p["reparameterized"]]),
        },
        "exceptions": _by_cause([p for p in pairs if not p.get("within")]),
    }


def _shares(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    shares: dict[str, Any] = {"n": len(pairs)}
    for which in ("within", "within_rounding", "within_as_published"):
        shares[which] = round(sum(bool(p.get(which)) for p in pairs) / max(len(pairs), 1), 4)
    return shares


def _by_cause(exceptions: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Pairs that do not agree, by the reason."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for pair in exceptions:
        cause = next((c for pattern, c in CAUSES.items() if fnmatch.fnmatch(pair["arch"], pattern)), None)
        if "failed" in pair:
            cause = "not traced"
        elif cause is None and pair["within_rounding"]:
            cause = "small network: the published figure is rounded to 0.01 GMAC"
        groups.setdefault(cause or "not explained", []).append(pair)
    return groups


# -- time ----------------------------------------------------------------------------------------------


def timing(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Time to build and trace the network of median size of each of the 40 largest families."""
    families: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if "failed" not in row and row["native"] and not row["reparameterized"]:
            families.setdefault(row["arch"].split("_")[0].rstrip("0123456789"), []).append(row)
    largest = sorted(families.values(), key=len, reverse=True)[:FAMILIES]
    each = {}
    for members in largest:
        middle = sorted(members, key=lambda r: r["ops"])[len(members) // 2]
        runs = [timed(middle["arch"]) for _ in range(REPEATS)]
        best = {k: round(min(r[k] for r in runs), 4) for k in runs[0]}
        each[middle["arch"]] = {**best, "ops": middle["ops"]}
    return {
        "what": f"seconds of one network, best of {REPEATS}, one thread",
        "families": len(each),
        **{f"{k}_median": round(statistics.median(e[k] for e in each.values()), 4) for k in TIMES},
        **{f"{k}_p90": round(float(np.quantile([e[k] for e in each.values()], 0.9)), 4) for k in TIMES},
        "each": each,
    }


def timed(arch: str) -> dict[str, float]:
    """Seconds to build an architecture on the meta device, to trace it, and the processor time of both."""
    image = torch.empty((1, *native_input(arch)), device="meta")
    cpu, start = time.process_time(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = build(arch)
        built = time.perf_counter()
        record(module, Inputs((image,), {}), arch)
    end = time.perf_counter()
    return {"build_s": built - start, "trace_s": end - built, "cpu_s": time.process_time() - cpu}


def as_markdown(summary: dict[str, Any]) -> str:
    """The summary for people."""
    lines = ["# Every architecture of timm, traced", ""]
    lines += [f"`python benchmarks/trace_zoo.py`, {', '.join(summary['versions'])}.", ""]
    lines += [
        f"Traced: {summary['traced']} of {summary['architectures']} registered architectures at native size."
    ]
    lines += [f"- `{name}`: {reason}" for name, reason in summary["failed"].items()]
    lines += [
        "",
        "MACs of convolutions, matrix products and attention against the published `gmacs`, less what its",
    ]
    lines += ["counter (fvcore) adds for norms, pooling and resizing:", ""]
    lines += [
        "| pairs of (network, size) | n | within 2 % | or within the file's rounding | nothing taken off |"
    ]
    lines += ["|---|---|---|---|---|"]
    for name, share in summary["pairs"].items():
        shares = " | ".join(f"{share[k]:.1%}" for k in ("within", "within_rounding", "within_as_published"))
        lines.append(f"| {name} | {share['n']} | {shares} |")
    if "time" in summary:
        t = summary["time"]
        lines += [
            "",
            f"Time ({t['what']}), {t['families']} families: median {t['trace_s_median']} s to trace (90 %",
        ]
        lines += [
            f"within {t['trace_s_p90']} s) and {t['build_s_median']} s to build; processor time of both"
        ]
        lines += [f"{t['cpu_s_median']} s."]
    if summary["not_registered"]:
        names = ", ".join(summary["not_registered"])
        lines += ["", f"Published under names that this timm does not register, and not compared: {names}."]
    lines += ["", f"Operators without a rule: {', '.join(summary['without_rule']) or 'none'}."]
    lines += [f"Operators with an assumed cost: {', '.join(summary['assumed_cost']) or 'none'}."]
    for cause, pairs in summary["exceptions"].items():
        lines += ["", f"## {cause} ({len(pairs)})", ""]
        for p in pairs:
            name = f"{p['arch']}@{p['img_size']}" + (" re-parameterised" if p["reparameterized"] else "")
            figures = f"published {p['published_gmacs']}, traced {p.get('traced_gmacs')}"
            lines.append(f"- {name}: {p.get('failed') or figures}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
