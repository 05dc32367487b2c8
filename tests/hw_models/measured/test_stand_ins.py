"""Class figures where a row of devices.csv tells a memory and no bandwidth, or a format and no peak."""

from __future__ import annotations

import pytest

from hw_models.cost.chips import Chips
from hw_models.measured import stand_ins
from hw_models.measured.devices import accelerator_from_row
from hw_models.spec.quantities import CLASS_FIGURE

NPU = {"key": "npu", "device": "n", "vendor": "v", "kind": "npu", "int8_tops": 6.0, "mem_bw_gb_s": 8.0}


@pytest.mark.parametrize(
    ("kind", "memory", "gigabytes", "why"),
    [
        ("auto npu", "8x16 LPDDR4X-4186", 66.976, "LPDDR4X, 128 bit as told, 4186 MT/s as told"),
        ("laptop npu", "LPDDR5X-8448 128-bit", 135.168, "LPDDR5X, 128 bit as told, 8448 MT/s as told"),
        # 4800 MHz is the strobe of a part with 9600 MT/s; the row itself says 76.8 GB/s
        ("mobile npu", "LPDDR5X-4800 64-bit", 76.8, "LPDDR5X, 64 bit as told, 9600 MT/s as told"),
        ("cpu", "4ch DDR4-2933", 93.856, "DDR4, 4 channels of 64 bit, 2933 MT/s as told"),
        ("fpga npu", "DDR4 64-bit", 21.328, "DDR4, 64 bit as told, usual 2666 MT/s"),
        ("npu", "LPDDR3", 6.4, "LPDDR3, 32 bit as usual of a npu, usual 1600 MT/s"),
        ("acap npu", "HBM2e", 819.2, "HBM2E, 2048 bit as usual of a acap npu, usual 3200 MT/s"),
        ("npu", "", 12.8, "bandwidth usual of a npu: nothing is told of its memory"),
    ],
)
def test_bandwidth_from_the_words_of_a_row(kind: str, memory: str, gigabytes: float, why: str) -> None:
    found = stand_ins.bandwidth(kind, memory)
    assert found.value / 1e9 == pytest.approx(gigabytes)
    assert found.why == why
    assert found.low <= found.value <= found.high


def test_a_module_without_dram_has_its_host_link() -> None:
    told = stand_ins.host_link("none (host link PCIe Gen3 x4)")
    assert told.value == told.low == told.high == pytest.approx(3.94e9)
    usual = stand_ins.host_link("none")
    assert (usual.low, usual.high) == (0.5e9, 3.94e9)


def test_a_cpu_without_a_peak_has_its_lanes() -> None:
    precision, found = stand_ins.peak("cpu", 4, 1.5e9)
    assert precision == "fp32"
    assert found.value == 16 * 4 * 1.5e9
    assert stand_ins.peak("gpu", 4, 1.5e9)[1].value == 11.3e12


def test_a_format_that_was_run_has_a_peak() -> None:
    chip = accelerator_from_row(NPU)
    seen = stand_ins.running(chip, "fp16")
    figure = seen.main_engine.peak["fp16"]
    assert (figure.value, figure.low, figure.high) == (3e12, 0.75e12, 3e12)
    assert figure.source == CLASS_FIGURE
    assert seen.left_out[-1] == "class figures stand in: fp16 at 0.5 of the int8 peak: 0.125 to 0.5 is usual"
    assert stand_ins.running(chip, "int8") is chip
    assert stand_ins.running(chip, "fp8_e4m3") is chip


def test_a_cost_on_a_class_figure_is_told_to_be_a_prior() -> None:
    chip = accelerator_from_row(NPU)
    assert not Chips.of([chip]).rate_is_prior[0]
    assert Chips.of([stand_ins.running(chip, "fp16")]).rate_is_prior[0]
    assert Chips.of([accelerator_from_row({**NPU, "mem_bw_gb_s": None})]).rate_is_prior[0]
