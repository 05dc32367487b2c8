"""Predictions from published totals: hand arithmetic, sizes as tables write them, what is not stated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hw_models.measured.devices import accelerator_from_row
from hw_models.measured.dpu_config import with_dpu
from hw_models.validation import totals

CHIP = {"key": "c", "device": "c", "vendor": "n", "kind": "npu", "int8_tops": 26.0, "mem_bw_gb_s": 4.0}
ONE = totals.TotalsConstants(0.5, 0.1, 1e-4, 16e6, 1.0, 1e-3, 0.5, 2.0)


def rows(**changes) -> pd.DataFrame:
    given = {
        "macs": 1e9,
        "params": 1e6,
        "batch": 1.0,
        "input_shape": "224x224x3",
        "img_size": 224.0,
        "scenario": "stream",
        "runtime": "hailort",
    }
    return pd.DataFrame([{**given, **changes}])


@pytest.mark.parametrize(
    ("shape", "side", "elements"),
    [
        ("224x224x3", np.nan, 150528),
        ("[1, 3, 224, 224]", np.nan, 150528),
        ("512x1024", np.nan, 3 * 512 * 1024),
        ("368x1232x3, 368x1232x3", np.nan, 2 * 368 * 1232 * 3),
        (np.nan, 224.0, 150528),
        (np.nan, np.nan, np.nan),
        ("unknown", np.nan, np.nan),
    ],
)
def test_elements_of_an_input(shape, side, elements) -> None:
    found = totals.input_elements(rows(input_shape=shape, img_size=side))[0]
    assert found == pytest.approx(elements, nan_ok=True)


def test_a_small_network_by_hand() -> None:
    found = totals.predicted(rows(), accelerator_from_row(CHIP), ONE)[0]
    busy = (1e9 / 0.5 + np.sqrt(1e9 * 150528) / 0.1) / 13e12
    # 1 of 16 million parameters: next to nothing is loaded
    beyond = totals.SOFTNESS * np.log1p(np.exp((1 / 16 - 1) / totals.SOFTNESS))
    assert found == pytest.approx(busy + 1e-4 + beyond * (16e6 / 4e9 + 1e-3))
    assert beyond < 0.02


def test_what_a_chip_does_not_hold_is_loaded_once_a_step() -> None:
    chip = accelerator_from_row(CHIP)
    many = totals.predicted(rows(params=160e6), chip, ONE)[0]
    few = totals.predicted(rows(params=1e6), chip, ONE)[0]
    assert many - few == pytest.approx(9 * (16e6 / 4e9 + 1e-3), rel=0.01)
    batch = totals.predicted(rows(params=160e6, batch=8.0), chip, ONE)[0]
    busy = (1e9 / 0.5 + np.sqrt(1e9 * 150528) / 0.1) / 13e12
    assert batch - many == pytest.approx(7 * (busy + 1e-4))


def test_one_input_alone_has_one_core_of_three() -> None:
    chip = with_dpu(accelerator_from_row({**CHIP, "kind": "fpga npu"}), "3 * B4096 @ 281MHz")
    alone = totals.peak_at_work(chip, True, np.array([1.0]))[0]
    stream = totals.peak_at_work(chip, False, np.array([1.0]))[0]
    assert stream / alone == pytest.approx(3.0)
    assert totals.group_of(rows(runtime="vitis_ai"), chip) == "vitis_ai:edge"


def test_unknown_totals_stay_unknown() -> None:
    chip = accelerator_from_row(CHIP)
    value, low, high = totals.step_seconds(rows(), chip)
    assert low[0] < value[0] < high[0]
    assert np.isnan(totals.step_seconds(rows(macs=np.nan), chip)[0]).all()
    assert np.isnan(totals.step_seconds(rows(runtime="nobody's"), chip)[0]).all()
    out = totals.step_seconds(rows(), chip, crossfit="device:hailo_8")[0]
    assert out[0] != value[0]
