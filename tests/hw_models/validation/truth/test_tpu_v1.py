"""TPU v1's applications from their aggregates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hw_models.errors import FileError
from hw_models.validation.truth.tpu_v1 import LAYERS, predict

PUBLISHED = (
    Path(os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[5] / "shared" / "reference"))
    / "cost_models"
    / "tpu_v1_isca17.csv"
)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published table is not here")
def test_every_application_within_a_quarter() -> None:
    frame = predict(PUBLISHED).frame
    rates = frame[frame["quantity"] == "measured_tops"].set_index("app")
    error = (rates["predicted"] / rates["measured"] - 1).abs()
    assert set(error.index) == set(LAYERS)
    assert error.max() < 0.25
    assert error.mean() < 0.15
    bound = frame[frame["app"].isin(["MLP0", "MLP1", "LSTM0"]) & (frame["quantity"] == "array_active_pct")]
    assert (bound["predicted"] / bound["measured"] - 1).abs().max() < 0.03


def test_an_application_that_nobody_knows(tmp_path: Path) -> None:
    """Full tiles: 1605.3 cycles for 100 rows of 65536 MACs; or 4 layers of 100 x 100 in a tile each."""
    path = tmp_path / "tpu_v1_isca17.csv"
    path.write_text(
        "app,weights_m,ops_per_weight_byte,batch,measured_tops,matrix_side\n"
        "NEW0,1,100,100,5.7,\nNEW1,1,100,100,0.9,100\nNEW2,,1,1,1,\n"
    )
    points = predict(path)
    full, small = points.frame["predicted"].tolist()
    assert full == pytest.approx(2 * 100 * 65536 * 700e6 / 1605.27 / 1e12, rel=1e-4)
    assert small == pytest.approx(full * (100 / 256) ** 2)
    assert points.skipped["no weights, uses of them or batch"] == 1
    assert (points.frame["low"] <= points.frame["predicted"]).all()


def test_a_column_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "tpu_v1_isca17.csv"
    path.write_text("app,weights,ops_per_weight_byte,batch,measured_tops\nA,1,1,1,1\n")
    with pytest.raises(FileError, match="no column 'weights_m'; did you mean 'weights'"):
        predict(path)
