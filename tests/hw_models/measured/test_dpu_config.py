"""DPUs from the words of a configuration."""

from __future__ import annotations

import pytest

from hw_models.measured.devices import shipped_devices
from hw_models.measured.dpu_config import dpu_of, with_dpu
from hw_models.measured.loaders import DATASETS, load


@pytest.mark.parametrize(
    ("config", "cores", "lanes", "megahertz", "in_step"),
    [
        ("3 * B4096 @ 281MHz", 3, (8, 16, 16), 281, 1),
        ("1 * B1600 @ 287MHz V1.4.0", 1, (8, 10, 10), 287, 1),
        ("1 * B4096F @ 300MHz", 1, (8, 16, 16), 300, 1),
        ("10 DPUCAHX8H kernels running at 275Mhz in Gen3x4", 10, (4, 16, 32), 275, 10),
        ("11 DPUCAHX8H-DWC kernels running at 300Mhz in Gen3x4", 11, (4, 16, 32), 300, 11),
        ("DPUCVDX8H-aieMISC running at 6PE@350", 6, (4, 32, 32), 1333, 6),
        ("192 AIEs running at 1250 MHz", 6, (4, 32, 32), 1250, 6),
        ("2 DPUCADX8G kernels running at 350Mhz with a shell", 2, (8, 16, 96), 350, 1),
    ],
)
def test_words_of_a_configuration(config, cores, lanes, megahertz, in_step) -> None:
    found = dpu_of(config)
    assert found is not None
    assert (found.cores, found.lanes, found.clock_hz) == (cores, lanes, megahertz * 1e6)
    assert found.inputs_of_a_step == in_step
    assert found.peak == 2 * cores * lanes[0] * lanes[1] * lanes[2] * megahertz * 1e6


def test_a_clock_that_the_row_states_goes_before_the_configuration() -> None:
    found = dpu_of("10 DPUCAHX8H kernels running at 275Mhz in Gen3x4", 165e6)
    assert found is not None
    assert found.clock_hz == 165e6


def test_other_words_leave_the_board_as_it_is() -> None:
    board = shipped_devices().accelerator("zcu104")
    assert dpu_of("B4096") is None
    assert dpu_of("1 * B4000 @ 300MHz") is None
    assert with_dpu(board, "something else") is board


def test_the_peak_of_zcu102_is_the_published_one() -> None:
    board = with_dpu(shipped_devices().accelerator("zcu102"), "3 * B4096 @ 281MHz")
    # PG338: 4096 operations a cycle and core; devices.csv says 3.45 TOPS
    assert board.main_engine.peak["int8"].value == pytest.approx(3.45e12, rel=2e-3)
    assert board.sources["configuration"] == "configuration '3 * B4096 @ 281MHz'; AMD PG338"
    assert board.costable


def test_every_shipped_row_has_its_dpu() -> None:
    measured = load(datasets=["vitis_ai_dpu_fps"])
    about = DATASETS["vitis_ai_dpu_fps"]
    assert about.configured is not None
    frame = measured.records["vitis_ai_dpu_fps"].frame
    for _, rows in frame.groupby(["device", "mode"]):
        row = rows.iloc[0]
        key = measured.devices.key("vitis_ai_dpu_fps", about.device_column, row["device"])
        chip = about.configured(measured.devices.accelerator(key), row.to_dict())
        assert chip.main_engine.array is not None
        assert chip.main_engine.array.count in {row["batch"], chip.main_engine.units.value}


@pytest.mark.parametrize(
    "config",
    ["0 * B4096 @ 300MHz", "3 * B4096 @ 0MHz", "3 * B4096 @ .MHz", "0 DPUCADF8H kernels at 300MHz", ""],
)
def test_a_core_that_cannot_run_is_none(config: str) -> None:
    assert dpu_of(config) is None
