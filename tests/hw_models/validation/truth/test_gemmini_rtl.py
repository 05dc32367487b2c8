"""Gemmini's RTL: both columns against the floors, other files of these columns, rows that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from hw_models.cost.tiled.calibration import gemmini_calibration
from hw_models.errors import FileError
from hw_models.validation.truth.gemmini_rtl import ANALYTICAL, GIVEN, OWN, SETS, SHIPPED, predict

REFERENCE = (
    Path(os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[5] / "shared" / "reference"))
    / "cost_models"
    / "gemmini_rtl.csv"
)


@pytest.fixture(scope="module")
def points():
    return predict(SHIPPED)


@pytest.mark.parametrize(("quantity", "mode"), [(GIVEN, "given mapping"), (OWN, "own tiler")])
def test_errors_on_the_rows_that_were_fitted(points, quantity, mode):
    rows = points.frame[points.frame["quantity"] == quantity]
    assert set(rows["mode"]) == {mode}
    assert set(rows["split"]) == {"fitted"}
    error = (rows["predicted"] / rows["measured"] - 1).abs()
    assert len(rows) == 141
    assert error.mean() < 0.10
    assert kendalltau(rows["predicted"], rows["measured"])[0] > 0.95
    inside = (rows["low"] <= rows["measured"]) & (rows["measured"] <= rows["high"])
    assert 0.88 < inside.mean() < 1
    for name in ("MACs / 256", ANALYTICAL):
        naive = np.abs(points.naive[name][rows.index] / rows["measured"] - 1)
        assert error.mean() < 0.5 * naive.mean()


def test_another_file_of_the_same_columns(tmp_path):
    table = pd.read_csv(SHIPPED, comment="#").head(6).astype({"prob.C": float})
    table.loc[0, ["prob.P", "mapping.mapping"]] = [256, table.loc[0, "mapping.mapping"].replace("P16", "P32")]
    table.loc[1, "mapping.mapping"] = table.loc[1, "mapping.mapping"].replace("K8", "K9")
    table.loc[2, "mapping.mapping"] = "L3[WIO] M2"
    table.loc[3, GIVEN] = np.nan
    table.loc[4, "dse.auto_tiling"] = "1_2_3"
    table.loc[5, "prob.C"] = 2.5
    path = tmp_path / "gemmini_rtl.csv"
    table.to_csv(path, index=False)
    found = predict(path)
    assert found.frame["split"].tolist() == ["held_out", "held_out", "fitted", "fitted", "fitted", "fitted"]
    assert sum(found.skipped.values()) == 6
    reasons = " | ".join(found.skipped)
    for said in (
        "K: factors multiply to 144, the problem has 128",
        "unknown loop in mapping 'L3[WIO] M2' 'M'",
        f"no figure in {GIVEN}",
        "dse.auto_tiling '1_2_3' is no tile; expected seven sizes, R_S_P_Q_C_K_N",
        "prob.C is 2.5; expected a whole number of at least 1",
    ):
        assert said in reasons


def test_a_mapping_for_a_larger_array_is_left_out(tmp_path):
    table = pd.read_csv(SHIPPED, comment="#").head(1)
    table["mapping.mapping"] = "L3[WIO] K24 - L2[WI] N1 K32X - L1[O] C48 P16 C16X - L0[W] P8"
    table.to_csv(tmp_path / "gemmini_rtl.csv", index=False)
    assert (
        "mapping spreads a loop over more than the array's 16"
        in predict(tmp_path / "gemmini_rtl.csv").skipped
    )


def test_the_library_s_column_may_be_missing(tmp_path):
    table = pd.read_csv(SHIPPED, comment="#").head(2).drop(columns=[OWN, ANALYTICAL])
    table.to_csv(tmp_path / "gemmini_rtl.csv", index=False)
    found = predict(tmp_path / "gemmini_rtl.csv")
    assert found.frame["quantity"].tolist() == [GIVEN, GIVEN]
    assert found.skipped == {f"no figure in {OWN}": 2}


def test_a_file_without_the_mapping_is_no_such_file(tmp_path):
    table = pd.read_csv(SHIPPED, comment="#").head(2).drop(columns="mapping.mapping")
    table.to_csv(tmp_path / "gemmini_rtl.csv", index=False)
    with pytest.raises(FileError, match=r"no column 'mapping\.mapping'"):
        predict(tmp_path / "gemmini_rtl.csv")


def test_the_set_says_what_it_is():
    (one,) = SETS
    assert (one.name, one.truth, one.shipped) == ("gemmini_rtl", "silicon", SHIPPED)
    assert gemmini_calibration().fitted_on.startswith("gemmini_rtl: 141 rows")


def test_the_copy_that_ships_is_the_reference():
    if not REFERENCE.exists():
        pytest.skip("no reference figures beside the checkout; set CODESIGN_REFERENCE")
    pd.testing.assert_frame_equal(pd.read_csv(SHIPPED, comment="#"), pd.read_csv(REFERENCE, comment="#"))
