"""Quality from tables: exact, cited, averaged over rows that are one network, unknown where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from codesign.evaluate import CostEvaluator
from codesign.quality.tabular import TabularQuality
from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice
from search_spaces.tabular import nas_bench_201
from search_spaces.tabular.table import TableSpace
from search_spaces.testing.plain_cnn import PlainCnn
from search_spaces.vision.cell import Cell

NAS = Path(os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[4] / "shared" / "reference")) / "nas"
ROWS = pd.DataFrame({"depth": [2, 3, 4], "width": [16, 32, 64], "top1": [60.0, 71.25, None]})
KNOBS = {"depth": Choice((2, 3, 4, 5)), "width": Choice((16, 32, 64))}


def table(**changes: object) -> TableSpace:
    return TableSpace("nets", KNOBS, ROWS.assign(**changes))


def test_a_row_is_rated_exactly_and_cited() -> None:
    rated = TabularQuality(table(), "top1", "CIFAR-10", "somebody, 2020", PlainCnn())
    rating = rated.rate(Candidate(depth=3, width=32), "fp16")
    error = rating.error
    assert (error.value, error.low, error.high, error.fidelity, error.unit) == (
        28.75,
        28.75,
        28.75,
        "published",
        "%",
    )
    assert rating.notes == ("error on CIFAR-10 (somebody, 2020)",)


def test_what_the_table_does_not_say_is_unknown() -> None:
    rated = TabularQuality(table(), "top1", "CIFAR-10", "somebody, 2020", PlainCnn())
    assert rated.rate(Candidate(depth=4, width=64), "fp16").error.value is None  # an empty cell
    assert rated.rate(Candidate(depth=2, width=64), "fp16").error.value is None  # no row
    assert rated.rate(Candidate(depth=3, width=32), "int4").error.value is None
    narrow = rated.rate(Candidate(depth=3, width=32), "int8")
    assert narrow.error.fidelity == "prior"
    assert narrow.error.value > 28.75
    assert "stands in" in narrow.notes[1]


def test_errors_are_errors() -> None:
    rated = TabularQuality(table(), "top1", "CIFAR-10", "somebody", means="error")
    assert rated.rate(Candidate(depth=3, width=32), "fp32").error.value == 71.25


def test_a_table_that_does_not_fit_the_space_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="'top2'; did you mean 'top1'"):
        TabularQuality(table(), "top2", "CIFAR-10", "somebody")
    with pytest.raises(UnknownNameError, match="unknown knob of table 'nets' 'op_0_1'"):
        TabularQuality(table(), "top1", "CIFAR-10", "somebody", Cell())
    more = TableSpace("nets", {**KNOBS, "kind": Choice(("a",))}, ROWS.assign(kind="a"))
    with pytest.raises(InputError, match="has the knob 'kind', which the space 'plain_cnn' lacks"):
        TabularQuality(more, "top1", "CIFAR-10", "somebody", PlainCnn())
    with pytest.raises(InputError, match=r"row 2, column 'top1': -3 given, expected an accuracy in per cent"):
        TabularQuality(table(top1=[50.0, -3.0, 0.0]), "top1", "CIFAR-10", "somebody")
    with pytest.raises(InputError, match=r"row 1, column 'top1': 'good' given"):
        TabularQuality(table(top1=["good", "1", "2"]), "top1", "CIFAR-10", "somebody")
    outside = TableSpace(
        "nets", {**KNOBS, "depth": Choice((2, 3, 9))}, ROWS.assign(depth=[2, 3, 9], top1=50.0)
    )
    rated = TabularQuality(outside, "top1", "CIFAR-10", "somebody", PlainCnn())
    with pytest.raises(InputError, match=r"row 3: is no network of the space 'plain_cnn': knob 'depth'"):
        rated.rate(Candidate(depth=2, width=16), "fp16")
    with pytest.raises(InputError, match="means='loss' given, expected 'accuracy' or 'error'"):
        TabularQuality(table(), "top1", "CIFAR-10", "somebody", means="loss")  # type: ignore[arg-type]


def test_rows_that_are_one_network_are_its_runs() -> None:
    # two convolutions in a row on nodes 1 and 2, and the same with a skip between them
    cells = {"chain": (3, 0, 0, 0, 3, 0), "other": (0, 3, 0, 0, 0, 3), "apart": (3, 3, 3, 3, 3, 3)}
    names = {
        k: [nas_bench_201.OPERATORS[c[at]] for c in cells.values()]
        for at, k in enumerate(nas_bench_201.KNOBS)
    }
    rows = pd.DataFrame({**names, "acc": [60.0, 62.0, 70.0]})
    space = Cell()
    cited = TableSpace("cells", space.knobs, rows)
    rated = TabularQuality(cited, "acc", "CIFAR-100", "somebody", space)
    first, second, third = (rated.rate(c, "fp32") for c in cited.candidates())
    assert first == second
    assert (first.error.value, first.error.low, first.error.high) == (39.0, 38.0, 40.0)
    assert "mean of 2 runs of this network, 38.00 to 40.00 %" in first.notes[0]
    assert third.error.value == 30.0


def test_cells_are_searched_with_published_accuracies_and_our_costs() -> None:
    if not NAS.is_dir():
        pytest.skip("no reference tables beside the checkout; set CODESIGN_REFERENCE")
    space = Cell(n_classes=100)
    published = nas_bench_201.load(NAS)
    rated = TabularQuality(
        published, "cifar100_test_200ep", "CIFAR-100", "Dong and Yang, NATS-Bench, TPAMI 2021", space
    )
    joint = space * ["jetson_orin_nano_8_super", "hailo_8"]
    rng = np.random.default_rng(0)
    points = list(CostEvaluator(joint, rated)([joint.sample(rng) for _ in range(8)]))
    assert {p.state for p in points} == {"ok"}
    assert all(0 < p.error.value < 100 and p.cost.latency.value > 0 for p in points)
    best = max(published.candidates(), key=lambda c: published.look_up([c], "cifar100_test_200ep")[0])
    only = rated.rate(best, "fp16").error
    assert only.low == pytest.approx(100 - 73.513, abs=0.01)
