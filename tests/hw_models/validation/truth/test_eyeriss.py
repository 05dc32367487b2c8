"""Eyeriss against its published layers, what its calibration says, and files with other layers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hw_models.spec.load import load_chip
from hw_models.validation.truth.eyeriss import QUANTITIES, SHAPES, eyeriss_calibration, predict

PUBLISHED = (
    Path(os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[5] / "shared" / "reference"))
    / "cost_models"
)
FLOORS = {"total_latency_ms": 0.08, "dram_access_mb": 0.10, "power_mw": 0.10}

FILE = """# Eyeriss chip, batch N=2 (all figures are for the 2-image batch)
layer,power_mw,total_latency_ms,processing_latency_ms,macs_g,active_pes,active_pe_pct,zeros_in_ifmap_pct,\
global_buffer_access_mb,dram_access_mb,{columns}
{rows}
"""


@pytest.mark.parametrize("network", sorted(SHAPES))
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published tables are not here")
def test_published_layers(network: str) -> None:
    frame = predict(PUBLISHED / f"eyeriss_jssc17_{network}.csv").frame
    layers = frame[frame["mode"] == network]
    error = (layers["predicted"] / layers["measured"] - 1).abs().groupby(layers["quantity"]).mean()
    for quantity, floor in FLOORS.items():
        assert error[quantity] < floor
    assert error["active_pes"] == 0
    told = layers[layers["low"].notna()]
    assert told["measured"].between(told["low"], told["high"]).mean() > 0.85
    assert set(frame[frame["mode"] == f"{network}|total"]["quantity"]) == set(QUANTITIES)


def test_the_chip_file_and_the_calibration_agree() -> None:
    engine, scalars = load_chip("eyeriss_v1").main_engine, eyeriss_calibration().scalars
    assert engine.dataflow is not None
    assert len(scalars) <= 8
    for name in ("link_bandwidth", "buffer_bytes", "row_limit"):
        figure = engine.dataflow.parameters[name]
        assert (figure.value, *figure.range) == (scalars[name].value, scalars[name].low, scalars[name].high)
    assert 2 * engine.energy_per_op["int16"].value == pytest.approx(scalars["mac_energy"].value, rel=1e-3)
    assert engine.leakage is not None
    assert engine.leakage.value == pytest.approx(scalars["clock_power"].value, rel=2e-3)


def test_other_layers_bring_their_shape(tmp_path: Path) -> None:
    path = tmp_path / "eyeriss_jssc17_other.csv"
    columns = "groups,channels,filters,out_h,out_w,kernel_h,kernel_w,stride,in_h,in_w"
    rows = [
        "A,250,10,9,0.1,168,100,30,10,1,1,16,32,14,14,3,3,1,14,14",
        "B,250,10,9,0.1,168,100,30,10,1,,,,,,,,,,",
    ]
    path.write_text(FILE.format(columns=columns, rows="\n".join(rows)))
    points = predict(path)
    ours = points.frame.set_index("quantity")["predicted"]
    assert points.split == "held_out"
    assert list(points.skipped.values()) == [len(QUANTITIES)]
    assert ours["active_pes"] == 168
    macs = 2 * 32 * 16 * 14 * 14 * 9
    assert ours["processing_latency_ms"] > macs / 168 / 200e6 * 1e3
    assert np.isfinite(ours).all()
