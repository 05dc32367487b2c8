"""The benchmark of searches: what it counts, and that docs/search.md says what its results say."""

from __future__ import annotations

import csv
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
NAS = Path(os.environ.get("CODESIGN_REFERENCE", ROOT.parent / "shared" / "reference")) / "nas"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import search

    return search


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """27 networks of three knobs; the error falls with each knob, the cost rises."""
    rows = [
        {"a": a, "b": b, "c": c, "top1": 50 + 9 * a + 5 * b + 2 * c - a * b, "ms": 1 + a + 2 * b + 0.5 * c}
        for a, b, c in itertools.product(range(3), repeat=3)
    ]
    path = tmp_path / "nets.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_the_share_is_that_of_hand_counted_rectangles(benchmark: Any, table: Path) -> None:
    import search_worlds

    world = search_worlds.file_world(table, ["a", "b", "c"], "-top1", ["ms"])
    score = search_worlds.Score(world)
    corner = min(world.every, key=lambda c: float(world.costs([c])[0, 0, 0]))
    low, high = world.front.min(0), world.front.max(0)
    at = (world.points([corner])[0, 0] - low) / (high - low)
    assert score.add(search_worlds.Step(corner)) == pytest.approx((1.1 - at).prod() / world.full)
    for candidate in world.every:
        last = score.add(search_worlds.Step(candidate))
    assert last == pytest.approx(1.0)


def test_a_run_counts_distinct_trainings_and_ends_at_the_last_share(benchmark: Any, table: Path) -> None:
    import search_worlds

    world = search_worlds.file_world(table, ["a", "b", "c"], "-top1", ["ms"])
    for search in ("cost_aware", "local", "random"):
        row = benchmark.one_run(world, search, 0)
        assert row["trainings"] == row["trials"] == row["to_0.995"] <= 27, search
        assert float(row["share"]) >= 0.995
        assert row["to_0.9"] <= row["to_0.99"]
        assert row["share_at_0"] == "0.00000"
    again = benchmark.one_run(world, "cost_aware", 0)
    first = benchmark.one_run(world, "cost_aware", 0)
    assert {k: v for k, v in again.items() if k != "seconds"} == {
        k: v for k, v in first.items() if k != "seconds"
    }


def test_a_killed_benchmark_goes_on(
    benchmark: Any, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are there stay as they are; a further seed adds one."""
    out = tmp_path / "rows.csv"
    run = ["search.py", "--table", str(table), "--knobs", "a", "b", "c", "--quality=-top1", "--cost", "ms"]
    run += ["--searches", "local", "--out", str(out), "--seeds"]
    monkeypatch.setattr(sys, "argv", [*run, "1"])
    benchmark.main()
    before = out.read_text().splitlines()
    monkeypatch.setattr(sys, "argv", [*run, "2"])
    benchmark.main()
    after = out.read_text().splitlines()
    assert after[:2] == before
    assert len(after) == 3
    with out.open(newline="") as file:
        assert [r["seed"] for r in csv.DictReader(file)] == ["0", "1"]


def test_the_page_says_what_the_results_say(benchmark: Any) -> None:
    import search_page

    page = search_page.PAGE.read_text()
    assert search_page.render(page) == page


def test_figures_of_the_page_are_those_of_the_rows(benchmark: Any) -> None:
    """Counted again without the code of the page: the medians of the local search on the first world."""
    import search_page

    with benchmark.RESULT.open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["world"] == "cifar100/raspi4" and r["search"] == "local"]
    reached = sorted(float(r["to_0.99"] or "inf") for r in rows)
    middle = float(np.quantile(reached, 0.5, method="nearest"))
    line = next(
        x for x in search_page.PAGE.read_text().splitlines() if x.startswith("| cifar100/raspi4 | local | ")
    )
    assert line.split("|")[6].split(" / ")[1].strip() == f"{middle:.0f}"
    assert len(rows) == 20


@pytest.mark.skipif(not NAS.is_dir(), reason="no reference data beside the checkout")
def test_true_fronts_are_those_of_the_reference(benchmark: Any) -> None:
    import search_worlds

    known = search_worlds.catalogue(NAS)
    summary = pd.read_csv(NAS / "nb201_true_fronts_summary.csv").set_index(["dataset", "device"])
    for name in ("cifar100/raspi4", "in16_120/titan_rtx_256", "cifar10/samsung_s7"):
        world = known[name]()
        expected = summary.loc[tuple(name.split("/"))]
        assert world.full == pytest.approx(expected["hv_ref1p1"], abs=2e-6), name
        assert len(world.front) == expected["n_front"]
    # 18 devices x 3 data sets, and every new chip has archives of three others
    assert sum(n.startswith(("cifar10/", "cifar100/", "in16_120/")) for n in known) == 54
    chip = known["new_chip/raspi4"]()
    assert len({make().name for make in chip.archives} - {"cifar100/raspi4"}) == 3
