"""How much of a cost model's error points have in common: by chip, by network, latency with energy.

    python benchmarks/error_shares.py [--data DIR]   # benchmarks/results/error_shares.json, 2 min

Rows of devices that the laws had not seen, networks rebuilt. The logarithm of predicted over measured is
taken apart into a part of the chip (device, runtime and mode), one of the network and the rest; variances by
the method of moments (one-way analysis of variance, unequal groups; Searle, Casella, McCulloch: Variance
Components, 1992, 3.6), the network's on what the chip's mean leaves. The shares that `codesign.front.truths`
takes are medians over the sets. Errors beyond the 0.5 and 99.5 % points count as those points.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from codesign.validation import validate

if TYPE_CHECKING:
    import pandas as pd

RESULT: Final = Path(__file__).resolve().parent / "results" / "error_shares.json"
SETS: Final = ("mlperf_edge_grid", "rockchip_fps", "vitis_ai_dpu_fps", "qualcomm_aihub_latency", "hailo_fps")
"""Sets of networks, each on several devices, with rows of devices left out."""
MOST: Final = 150
"""Rows of a device and mode."""
ENERGY: Final = "energy_mj"
TAILS: Final = (0.005, 0.995)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, help="directory of measurements; default: the rows that ship")
    given = parser.parse_args()
    sets: list[dict[str, Any]] = []
    together: dict[str, float | int] = {}
    for name in SETS:
        rows = residuals(validate(given.data, datasets=[name], max_rows=MOST).points)
        sets += [{"set": name, "quantity": q, **shares(of)} for q, of in rows.groupby("quantity")]
        if ENERGY in set(rows["quantity"]):
            together = correlation(rows)
    for s in sets:
        print(s)
    times = [s for s in sets if s["quantity"] != ENERGY]
    energies = [s for s in sets if s["quantity"] == ENERGY]
    result = {
        "latency": medians(times),
        "energy": medians(energies),
        "energy_with_latency": together,
        "sets": sets,
    }
    print({k: v for k, v in result.items() if k != "sets"})
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


def residuals(points: pd.DataFrame) -> pd.DataFrame:
    """Log errors of networks on devices left out, with `chip` (device and mode) and `network`."""
    left_out = (points["split"] == "device_out") & (points["predicted"] > 0) & (points["measured"] > 0)
    rows = points[left_out & ~points["mode"].str.contains("totals")].copy()
    rows["chip"] = rows["device"].astype(str) + "|" + rows["mode"].astype(str)
    rows["error"] = np.log(rows["predicted"] / rows["measured"])
    return rows


def shares(rows: pd.DataFrame) -> dict[str, float | int]:
    """Parts of the variance that belong to the chip, to the network, and to the pair alone."""
    error = rows["error"].clip(*rows["error"].quantile(TAILS))
    between, within = components(error, rows["chip"])
    left = error - error.groupby(rows["chip"]).transform("mean")
    of_network, _ = components(left, rows["network"])
    total = between + within
    found = {"chip": between / total, "network": of_network / total}
    found["own"] = 1.0 - found["chip"] - found["network"]
    counts = {"rows": len(rows), "chips": rows["chip"].nunique(), "networks": rows["network"].nunique()}
    return {**counts, "sd": round(float(total**0.5), 3), **{k: round(float(v), 3) for k, v in found.items()}}


def components(values: pd.Series, groups: pd.Series) -> tuple[float, float]:
    """Variance between groups, at least 0, and within them."""
    by = values.groupby(groups)
    sizes, means = by.size(), by.mean()
    n, k = len(values), len(sizes)
    within = float(((values - by.transform("mean")) ** 2).sum() / (n - k))
    mean_square = float((sizes * (means - values.mean()) ** 2).sum() / (k - 1))
    size = (n - float((sizes**2).sum()) / n) / (k - 1)
    return max(0.0, (mean_square - within) / size), within


def correlation(rows: pd.DataFrame) -> dict[str, float | int]:
    """Of the errors of latency and energy of the same runs: all, and less the mean of each chip."""
    keys = ["chip", "network", "img_size", "batch"]
    pairs = rows.pivot_table(index=keys, columns="quantity", values="error").dropna()
    left = pairs - pairs.groupby(level="chip").transform("mean")
    return {
        "rows": len(pairs),
        "chips": pairs.index.get_level_values("chip").nunique(),
        "all": round(float(pairs.corr().iloc[0, 1]), 3),
        "within_chips": round(float(left.corr().iloc[0, 1]), 3),
    }


def medians(sets: list[dict[str, Any]]) -> dict[str, float | int]:
    """Median share over the sets."""
    found = {k: round(float(np.median([s[k] for s in sets])), 3) for k in ("chip", "network")}
    return {**found, "sets": len(sets)}


if __name__ == "__main__":
    main()
