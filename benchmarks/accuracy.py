"""Predict every measured row, hold it against the measurement and the best naive predictor, write the page.

    python benchmarks/accuracy.py --data DIR   # results/accuracy*.csv, docs/accuracy.md
    python benchmarks/accuracy.py --data DIR --dataset hailo_fps   # that set alone anew
    python benchmarks/accuracy.py --check      # whether page, results and code agree

DIR holds the tables of measurements, those that may not ship included; default: the rows that ship. Traces
are kept on disk: the first run takes minutes for them, a later one does not. `--check` predicts again a few
rows of each data set, device and mode, those of `accuracy_sample.csv`; it exits with 1 where one differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from accuracy_page import page

from codesign.validation import validate
from hw_models.measured.loaders import DATASETS

HERE: Final = Path(__file__).resolve().parent
SCORES: Final = HERE / "results" / "accuracy.csv"
SKIPPED: Final = HERE / "results" / "accuracy_skipped.csv"
FAMILIES: Final = HERE / "results" / "accuracy_families.csv"
SAMPLE: Final = HERE / "results" / "accuracy_sample.csv"
DOCUMENT: Final = HERE.parent / "docs" / "accuracy.md"
NETWORKS: Final = [
    d.name for d in DATASETS.values() if not (d.operators or d.not_costed or d.why_not_shipped)
]
SAMPLE_ROWS: Final = 1
"""Rows of each device and mode that `--check` predicts again."""

SAME: Final = 1e-6
"""Relative difference at which two predictions are the same: sums depend in the last bits on the machine."""

KEYS: Final = ["dataset", "device", "mode", "network", "component", "img_size", "batch", "quantity", "split"]
WORST: Final = 12
"""Families that are shown for each device and mode."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="directory of measurements; default: the rows that ship")
    parser.add_argument("--dataset", action="append", help="only this set; the others stay as they are")
    parser.add_argument("--check", action="store_true", help="see that page, results and code agree")
    given = parser.parse_args()
    if given.check:
        sys.exit(check())
    started = time.perf_counter()
    wanted = given.dataset or list(DATASETS)
    result = validate(given.data, datasets=wanted, progress=_tell)
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    tables = {
        SCORES: result.to_frame().round(4),
        SKIPPED: _reasons(result.skipped),
        FAMILIES: _families(result.points),
    }
    for path, table in tables.items():
        _merged(path, table, wanted).to_csv(path, index=False, lineterminator="\n")
    sample().to_csv(SAMPLE, index=False, lineterminator="\n")
    DOCUMENT.write_text(page(*_kept()), encoding="utf-8")


def _merged(path: Path, table: pd.DataFrame, wanted: list[str]) -> pd.DataFrame:
    """The rows of the wanted sets, and of the others those that were kept, in the order of the sets."""
    if set(wanted) >= set(DATASETS) or not path.exists():
        return table
    kept = pd.read_csv(path)
    rows = pd.concat([kept[~kept["dataset"].isin(wanted)], table])
    order = {name: i for i, name in enumerate(DATASETS)}
    return rows.sort_values("dataset", key=lambda c: c.map(order), kind="stable")


def check() -> int:
    """0 where the page is that of the results and the rows of the sample are predicted as they were."""
    if DOCUMENT.read_text(encoding="utf-8") != page(*_kept()):
        print("docs/accuracy.md is not that of benchmarks/results/accuracy*.csv: run benchmarks/accuracy.py")
        return 1
    kept, now = pd.read_csv(SAMPLE), sample()
    columns = [c for c in KEYS if c in kept]
    both = kept.merge(now, on=columns, how="outer", suffixes=("_kept", "_now"), indicator=True)
    differ = both[(both["_merge"] != "both") | ~_close(both["predicted_kept"], both["predicted_now"])]
    if len(differ):
        print(f"{len(differ)} of {len(both)} rows of the sample are predicted otherwise than")
        print("docs/accuracy.md says: run benchmarks/accuracy.py; the first of them:")
        print(differ.head(10).to_string())
        return 1
    print(f"docs/accuracy.md holds: {len(both)} predictions as in the results")
    return 0


def sample() -> pd.DataFrame:
    """Predictions of a few shipped rows of each data set, device and mode."""
    points = validate(datasets=NETWORKS, max_rows=SAMPLE_ROWS).points
    told = points[[*KEYS, "predicted"]].assign(
        predicted=points["predicted"].map("{:.9g}".format).astype(float)
    )
    return told.sort_values(KEYS, kind="stable").drop_duplicates(KEYS).reset_index(drop=True)


def _close(one: pd.Series, other: pd.Series) -> pd.Series:
    return (one / other - 1).abs() <= SAME


def _kept() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores, reasons and families as they lie on disk."""
    return pd.read_csv(SCORES), pd.read_csv(SKIPPED), pd.read_csv(FAMILIES)


def _reasons(skipped: pd.DataFrame) -> pd.DataFrame:
    """Rows that were not compared, by data set and kind of reason."""
    kind = skipped["reason"].str.replace(r"'[^']*'.*|[\d.]+ [MG] (?:MACs|parameters).*", "...", regex=True)
    counts = skipped.assign(reason=kind).groupby(["dataset", "reason"], sort=False)["n"].sum().reset_index()
    order = {name: i for i, name in enumerate(DATASETS)}
    return counts.sort_values(
        ["dataset", "n"], key=lambda c: c.map(order) if c.name == "dataset" else -c, kind="stable"
    )


def _families(points: pd.DataFrame) -> pd.DataFrame:
    """For each device and mode of whole networks the families farthest off, by the median log error.

    Of predictions that never saw the families, after one scale for each device and mode.
    """
    where = ["dataset", "device", "mode", "quantity"]
    if "split" not in points:  # operators alone have no families
        return pd.DataFrame(columns=[*where, "family", "n", "log_error"])
    unseen = points[points["split"].isin(["family_out", "held_out"])]
    error = np.log(unseen["predicted"] / unseen["measured"])
    found = []
    for name, rows in unseen.assign(error=error).groupby(where, sort=False):
        centred = rows.assign(error=rows["error"] - rows["error"].median())
        table = centred.groupby("family")["error"].agg(["median", "size"])
        worst = table[table["size"] >= 3].sort_values("median", key=abs, ascending=False).head(WORST)
        found += [(*name, family, int(n), round(float(m), 3)) for family, m, n in worst.itertuples()]
    return pd.DataFrame(found, columns=[*where, "family", "n", "log_error"])


def _tell(done: int, total: int, what: str) -> None:
    print(f"{done}/{total} {what}", file=sys.stderr, end="\033[K\r" if done < total else "\033[K\n")


if __name__ == "__main__":
    main()
