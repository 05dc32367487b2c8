"""The class figure for what int8 loses: quantiles of the table that ships, and the table itself."""

from __future__ import annotations

import csv
import gzip
import os
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

import pytest

from codesign.quality.int8_drop import Drop, int8_drop

PUBLISHED = (
    Path(os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[4] / "shared" / "reference"))
    / "measured"
    / "hailo_fps.csv.gz"
)


def shipped() -> dict[str, tuple[float, int]]:
    """Network -> mean drop in points, rows behind it."""
    text = (files("codesign.quality") / "data" / "int8_drop.csv").read_text("utf-8").splitlines()
    assert any("MIT" in line and "c83fc030" in line for line in text if line.startswith("#"))
    rows = csv.DictReader(line for line in text if not line.startswith("#"))
    return {r["model"]: (float(r["drop_points"]), int(r["rows"])) for r in rows}


def test_quantiles_by_hand() -> None:
    drops = sorted(drop for drop, _ in shipped().values())
    # linear between neighbours: 43 x 0.05 = 2.15, 43 x 0.5 = 21.5, 43 x 0.95 = 40.85
    low = drops[2] + 0.15 * (drops[3] - drops[2])
    high = drops[40] + 0.85 * (drops[41] - drops[40])
    drop = int8_drop()
    assert (drop.n, drop.value) == (44, pytest.approx((drops[21] + drops[22]) / 2))
    assert (drop.low, drop.high) == (pytest.approx(low), pytest.approx(high))
    assert drop == Drop(pytest.approx(0.675), pytest.approx(0.2575), pytest.approx(2.525), 44)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="shared/reference is not beside the checkout")
def test_the_table_is_what_was_published() -> None:
    drops: dict[str, list[float]] = defaultdict(list)
    shifted = []
    with gzip.open(PUBLISHED, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if (row["task"], row["dataset"].lower()) != ("classification", "imagenet"):
                continue
            after = float(row["hw_metric_or_drop"])
            drop = float(row["float_metric"]) - after if row["hw_metric_kind"] == "metric" else after
            (shifted if drop > 10 else drops[row["model"]]).append(drop if drop <= 10 else row["device"])
    assert shifted == ["hailo-8l"] * 44
    assert shipped() == {m: (pytest.approx(sum(d) / len(d), abs=1e-4), len(d)) for m, d in drops.items()}
