"""Predict every measured timm row and hold it against the measurement and against the best naive predictor.

    python benchmarks/validate_timm.py               # writes results/validate_timm.json, docs/accuracy.md
    python benchmarks/validate_timm.py --data DIR    # another directory, printed only

Traces are kept on disk: the first run takes minutes for them, a later one does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from codesign.validation import validate

if TYPE_CHECKING:
    from hw_models.validation import Validation

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "validate_timm.json"
DOCUMENT = HERE.parent / "docs" / "accuracy.md"
COMMAND = "python benchmarks/validate_timm.py"
N_FAMILIES = 12
SHOWN_REASONS = 12
HEADINGS = (
    "device",
    "mode",
    "n",
    "tau",
    "naive",
    "MAPE after one scale, %",
    "naive",
    "MAPE, % (90 % range)",
    "median",
    "bias",
    "in the 90 % interval, %",
    "its half-width, %",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="directory of measurements; default: the rows that ship")
    data = parser.parse_args().data
    started = time.perf_counter()
    result = validate(data, datasets=["timm_throughput"], progress=_tell)
    seconds = time.perf_counter() - started
    found = {
        "command": COMMAND,
        "versions": {p: version(p) for p in ("timm", "torch", "numpy", "pandas", "scipy")},
        "seconds": round(seconds, 1),
        "scores": [_rounded(row) for row in result.rows],
        "skipped": _skipped(result),
        "families": _families(result.points),
    }
    print(_score_table(result))
    if data is None:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        DOCUMENT.write_text(_document(result, found), encoding="utf-8")


def _tell(done: int, total: int, what: str) -> None:
    print(f"{done}/{total} {what}", file=sys.stderr, end="\033[K\r" if done < total else "\033[K\n")


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}


def _skipped(result: Validation) -> list[dict[str, Any]]:
    """Reasons by the number of rows, those of one kind together."""
    kind = result.skipped["reason"].str.replace(r"'[^']*'.*", "...", regex=True)
    counts = result.skipped.groupby(kind)["n"].sum().sort_values(ascending=False, kind="stable")
    return [{"reason": str(reason), "n": int(n)} for reason, n in counts.head(SHOWN_REASONS).items()]


def _families(points: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """For each device and mode the families farthest off after the one scale, by the median log error."""
    error = np.log(points["predicted"] / points["measured"])
    found = {}
    for (device, mode), rows in points.assign(error=error).groupby(["device", "mode"], sort=False):
        centred = rows.assign(error=rows["error"] - rows["error"].median())
        table = centred.groupby("family")["error"].agg(["median", "size"])
        worst = table[table["size"] >= 3].sort_values("median", key=abs, ascending=False).head(N_FAMILIES)
        found[f"{device} {mode}"] = [
            {"family": str(family), "n": int(n), "log_error": round(float(median), 3)}
            for family, median, n in worst.itertuples()
        ]
    return found


def _percent(value: float | None) -> str:
    return "-" if value is None or pd.isna(value) else f"{100 * value:.1f}"


def _tau(value: float | None) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:.3f}"


def _score_table(result: Validation) -> str:
    """One line per device and mode, ours beside the best naive."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    for s in result.scores:
        if not s.n:
            continue
        cells = (
            s.device,
            s.mode.replace("|", " ") if s.mode else "",
            s.n,
            f"**{_tau(s.kendall_tau)}**",
            _tau(s.naive_kendall_tau),
            f"**{_percent(s.mape_scaled)}**",
            _percent(s.naive_mape_scaled),
            f"{_percent(s.mape)} ({_percent(s.ci_low)} to {_percent(s.ci_high)})",
            _percent(s.median_ape),
            _percent(s.bias),
            _percent(s.coverage_90),
            _percent(s.width_90),
        )
        lines.append(f"| {' | '.join(str(c) for c in cells)} |")
    return "\n".join(lines)


def _document(result: Validation, found: dict[str, Any]) -> str:
    """The page docs/accuracy.md."""
    n = sum(s.n for s in result.scores)
    skipped = "\n".join(f"| {row['n']} | {row['reason']} |" for row in found["skipped"])
    fitted = sorted({s.fitted_on for s in result.scores if s.fitted_on})
    minutes = found["seconds"] / 60
    return f"""# How far the numbers can be trusted

Generated by `{COMMAND}` ({minutes:.0f} min with kept traces); do not edit by hand. The same
comparison on any directory of measurements: `codesign validate --data DIR`.

Truth comes in three tables that are never mixed: against silicon, against closed forms, against other
cost models.

## Against silicon: images per second of timm networks

{n} rows of `timm_throughput` (huggingface/pytorch-image-models @ aa4b5850). Model `roofline`: kernels as
PyTorch runs them, the roofline of each from the chip's public figures, and class constants. Errors are
fractions of the measured images per second. *After one scale* allows one factor per line, the median of
measured over predicted. *Naive* is the best of four predictors that know a network's published MACs,
activations and parameters and the chip's data sheet (`roofline_max`, `roofline_sum`, `macs_only`,
`acts_only`), on the same rows, by the same measure; they reproduce `naive_baselines_timm.csv`.

{_score_table(result)}

The class constants are fitted on: {"; ".join(fitted) or "nothing"}.

## Not compared

| rows | reason |
|---|---|
{skipped}

## Families farthest off

Median of log(predicted / measured) after the one scale; above 0 the prediction is too fast.

{_family_table(found["families"])}

## Against closed forms, against other cost models

Nothing yet. MACs against the published figures: `benchmarks/results/trace_zoo.json`.
"""


def _family_table(families: dict[str, list[dict[str, Any]]]) -> str:
    lines = ["| device, mode | families |", "|---|---|"]
    for where, rows in families.items():
        named = ", ".join(f"{r['family']} {r['log_error']:+.2f}" for r in rows)
        lines.append(f"| {where.replace('|', ' ')} | {named} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
