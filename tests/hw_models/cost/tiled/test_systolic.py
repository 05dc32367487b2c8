"""Closed forms of systolic arrays against published rows, hand arithmetic and a count fold by fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_models.cost.tiled.systolic import (
    DATAFLOWS,
    double_buffered_cycles,
    gemm_of_conv,
    spread,
    systolic_counts,
)
from hw_models.errors import UnknownNameError

EXTENT = st.integers(1, 300)
SIDE = st.integers(1, 40)


@pytest.mark.parametrize(
    ("dataflow", "gemm", "side", "reported"),
    [
        ("ws", (3025, 96, 363), 32, 112283),
        ("ws", (256, 128, 256), 32, 11199),
        ("os", (256, 128, 256), 32, 10175),
        ("is", (256, 128, 256), 32, 14207),
        ("ws", (128, 128, 128), 128, 509),
    ],
)
def test_cycles_are_those_that_scale_sim_reports(
    dataflow: str, gemm: tuple[int, int, int], side: int, reported: int
) -> None:
    """Source: systolic_formulas.yaml, SCALE-Sim @1d62b68; the reported value is the last cycle's index."""
    assert systolic_counts(dataflow, *gemm, side, side).cycles - 1 == reported


def test_a_window_that_juts_out_counts_in_full() -> None:
    m, n, k = gemm_of_conv((224, 224), (11, 11), (4, 4), 3, 96)
    assert [int(x) for x in (m, n, k)] == [55 * 55, 96, 11 * 11 * 3]


def test_two_by_two_by_hand() -> None:
    """3x2 by 2x3 on 2x2, weights stay: 2 folds of 2 to load, 3 to stream, 2 to drain; half of one is idle."""
    counts = systolic_counts("ws", 3, 3, 2, 2, 2)
    counted = (counts.row_folds, counts.col_folds, counts.cycles_per_fold, counts.cycles)
    assert [int(x) for x in counted] == [1, 2, 7, 14]
    assert counts.mapping_efficiency == pytest.approx(0.75)
    assert counts.utilisation == pytest.approx(18 / (14 * 4))
    crossed = (counts.input_reads, counts.weight_reads, counts.output_writes)
    assert [int(x) for x in crossed] == [12, 6, 9]


@given(EXTENT, EXTENT, EXTENT, SIDE, SIDE, st.sampled_from(DATAFLOWS))
def test_traffic_and_utilisation_fold_by_fold(
    m: int, n: int, k: int, rows: int, cols: int, dataflow: str
) -> None:
    counts = systolic_counts(dataflow, m, n, k, rows, cols)
    high, wide, streamed = (int(x) for x in spread(dataflow, m, n, k))
    used_rows = [min(rows, high - r) for r in range(0, high, rows)]
    used_cols = [min(cols, wide - c) for c in range(0, wide, cols)]
    held = sum(r * c for r in used_rows for c in used_cols)
    by_row, by_col = (sum(x) * streamed for x in (used_rows, used_cols))
    entering = {"ws": "input_reads", "os": "input_reads", "is": "weight_reads"}[dataflow]
    assert getattr(counts, entering) == by_row * len(used_cols)
    leaving = "weight_reads" if dataflow == "os" else "output_writes"
    assert getattr(counts, leaving) == by_col * len(used_rows)
    assert counts.mapping_efficiency == pytest.approx(held / (counts.folds * rows * cols))
    assert 0 < counts.utilisation <= counts.mapping_efficiency <= 1
    assert counts.cycles * rows * cols >= m * n * k


@given(EXTENT, EXTENT, EXTENT, SIDE, SIDE)
def test_loading_behind_the_work_is_never_slower(m: int, n: int, k: int, rows: int, cols: int) -> None:
    counts = systolic_counts("ws", m, n, k, rows, cols)
    hidden = double_buffered_cycles(counts.folds, m, rows, cols)
    assert counts.folds * m <= hidden <= counts.cycles + rows


def test_arrays_broadcast() -> None:
    counts = systolic_counts("os", np.array([4, 8])[:, None], 4, 3, np.array([2, 4]), 4)
    assert counts.folds.tolist() == [[2, 1], [4, 2]]
    assert counts.cycles.tolist() == [[14, 9], [28, 18]]


def test_unknown_dataflow_names_those_there_are() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown systolic dataflow 'wss'; did you mean 'ws'.*known: ws, os, is"
    ):
        spread("wss", 1, 1, 1)
