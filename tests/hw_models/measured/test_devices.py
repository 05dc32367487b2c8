"""Rows of devices.csv as chips, and the names that lead to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw_models.errors import FileError, InputError, UnknownNameError
from hw_models.measured.devices import (
    DEVICE_COLUMNS,
    accelerator_from_row,
    check_names,
    read_devices,
    shipped_devices,
)

ROW: dict[str, Any] = {
    "key": "Zeta-9 Ultra",
    "device": "Zeta 9 Ultra (48 SM)",
    "vendor": "Nobody",
    "kind": "gpu",
    "process_nm": 6.0,
    "fp32_tflops": 20.0,
    "fp16_tflops": 80.0,
    "int8_tops": None,
    "memory": "16GB GDDR6X",
    "mem_bw_gb_s": 600.0,
    "external_dram": "yes",
    "l2_or_sram_mb": 24.0,
    "units": 48.0,
    "clock_mhz": 2100.0,
    "tdp_w": 250.0,
    "confidence": "B",
    "note": "invented for the tests, no such chip",
}


def test_a_row_is_a_chip_in_si() -> None:
    chip = accelerator_from_row(ROW)
    engine = chip.main_engine
    assert chip.name == "zeta_9_ultra"
    assert (chip.title, chip.vendor, chip.device_class, engine.kind) == (
        ROW["device"],
        "Nobody",
        "gpu",
        "gpu",
    )
    assert {p: s.value for p, s in engine.peak.items()} == {"fp32": 20e12, "fp16": 80e12}
    assert engine.vector_peak["fp32"].value == 20e12
    assert engine.units is not None
    assert engine.clock is not None
    assert (engine.units.value, engine.clock.value) == (48, 2.1e9)
    cache, dram = chip.memory
    assert cache.capacity is not None
    assert dram.bandwidth is not None
    assert dram.capacity is not None
    assert cache.capacity.value == 24 * 2**20
    assert (dram.technology, dram.bandwidth.value, dram.capacity.value) == ("GDDR6X", 600e9, 16e9)
    assert chip.tdp is not None
    assert chip.tdp.value == 250
    assert chip.costable


def test_every_number_names_its_source_and_confidence() -> None:
    chip = accelerator_from_row(ROW)
    assert chip.sources == {"devices": "devices.csv, confidence B: invented for the tests, no such chip"}
    assert chip.main_engine.peak["fp16"].source == "devices"


def test_an_empty_cell_is_unknown_and_listed() -> None:
    chip = accelerator_from_row({**ROW, "mem_bw_gb_s": float("nan"), "tdp_w": None})
    assert chip.tdp is None
    assert chip.left_out[0] == "not given in devices.csv: int8_tops, mem_bw_gb_s, tdp_w"


def test_without_external_memory_all_crosses_the_link_to_the_host() -> None:
    row = {**ROW, "kind": "npu", "external_dram": "no", "memory": "none", "mem_bw_gb_s": 3.94}
    chip = accelerator_from_row(row)
    assert chip.dram is not None
    assert chip.dram.kind == "host"
    assert chip.dram.bandwidth is not None
    assert chip.dram.bandwidth.value == pytest.approx(3.94e9)
    assert chip.dram.bandwidth.source == "devices"


@pytest.mark.parametrize(
    ("text", "technology"),
    [
        ("HBM2", "HBM2"),
        ("HBM2e", "HBM2e"),
        ("24GB GDDR6X", "GDDR6X"),
        ("4ch DDR4-2933", "DDR4"),
        ("8x16 LPDDR4X-4186", "LPDDR4X"),
        ("LPDDR5X-8448 128-bit", "LPDDR5X"),
        ("LPDDR4x/5", "LPDDR4X"),
        ("MCDRAM", "MCDRAM"),
        ("", None),
    ],
)
def test_the_technology_is_read_from_the_text(text: str, technology: str | None) -> None:
    chip = accelerator_from_row({**ROW, "memory": text})
    assert chip.dram is not None
    assert chip.dram.technology == technology


def test_an_unknown_kind_lists_those_there_are() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown kind of device 'gpuu'; did you mean 'gpu'.*known: gpu, cpu"
    ):
        accelerator_from_row({**ROW, "kind": "gpuu"})
    with pytest.raises(InputError, match="no letter or digit"):
        accelerator_from_row({**ROW, "key": "+++"})


def test_all_shipped_devices_are_chips() -> None:
    table = shipped_devices()
    chips = {key: table.accelerator(key) for key in table.figures}
    assert len(chips) == 63
    assert len({chip.name for chip in chips.values()}) == len(chips), "names stay apart"
    # the RTX 4090's row: 165.2 TFLOP/s FP16 with FP32 accumulate, 1008 GB/s
    ada = chips["rtx4090"]
    assert ada.main_engine.peak["fp16"].value == pytest.approx(165.2e12)
    assert ada.dram is not None
    assert ada.dram.bandwidth is not None
    assert ada.dram.bandwidth.value == pytest.approx(1008e9)
    assert all(chip.costable for chip in chips.values())
    check_names(table)


def test_a_name_in_a_file_leads_to_its_key() -> None:
    table = shipped_devices()
    assert table.key("deepbench_gemm", "device", "NV_T4") == "t4"
    assert table.key("timm_throughput", "device", "rtx3090") == "rtx3090"
    with pytest.raises(
        UnknownNameError, match=r"unknown device 'rtx4O90'; did you mean 'rtx4090'.*devices\.csv"
    ):
        table.key("timm_throughput", "device", "rtx4O90")


def test_a_directory_goes_before_what_ships(tmp_path: Path) -> None:
    _write_devices(tmp_path, {**ROW, "key": "rtx4090"}, {**ROW, "key": "zeta9"})
    table = read_devices(tmp_path).over(shipped_devices())
    assert table.accelerator("rtx4090").vendor == "Nobody"
    assert table.accelerator("zeta9").costable
    assert table.accelerator("rtx3090").vendor == "NVIDIA"


def test_what_ships_completes_a_row_and_never_contradicts_it(tmp_path: Path) -> None:
    own = {"key": "rk1808", "vendor": "Rockchip", "kind": "npu", "fp16_tflops": None, "note": None}
    _write_devices(tmp_path, {**ROW, **own, "int8_tops": 2.5, "mem_bw_gb_s": None, "clock_mhz": None})
    chip = read_devices(tmp_path).over(shipped_devices()).accelerator("rk1808")
    assert chip.main_engine.peak["int8"].value == 2.5e12, "the directory's figure, not the shipped 3.0"
    assert chip.main_engine.peak["fp16"].value == 0.1e12, "its empty cell is filled"
    assert chip.dram is not None
    assert chip.dram.bandwidth is not None
    assert chip.dram.bandwidth.value == 6.4e9
    assert "mem_bw_gb_s as shipped with the package, confidence B" in chip.sources["devices"]


def test_class_figures_stand_in_where_a_row_is_silent() -> None:
    bare = {**ROW, "kind": "npu", "memory": "LPDDR4X 64-bit", "fp16_tflops": None, "fp32_tflops": None}
    chip = accelerator_from_row({**bare, "mem_bw_gb_s": None})
    assert chip.costable
    assert chip.dram is not None
    bandwidth = chip.dram.bandwidth
    assert bandwidth is not None
    assert (bandwidth.value, bandwidth.low, bandwidth.high) == (34.128e9, 25.6e9, 34.128e9)
    assert bandwidth.source == "class_figure"
    assert chip.main_engine.peak["int8"].source == "class_figure"
    assert chip.left_out[1] == (
        "class figures stand in: int8 peak usual of a npu; LPDDR4X, 64 bit as told, usual 4266 MT/s"
    )


def test_a_table_of_devices_without_rows_describes_nobody(tmp_path: Path) -> None:
    (tmp_path / "devices.csv").write_text(",".join(ROW) + "\n")
    (tmp_path / "device_names.csv").write_text("dataset,column,name_in_file,key\n")
    found = read_devices(tmp_path)
    assert found.figures == found.names == {}


def test_two_rows_of_one_key_must_agree(tmp_path: Path) -> None:
    _write_devices(tmp_path, ROW, {**ROW, "fp16_tflops": 90.0})
    with pytest.raises(
        FileError, match=r"devices\.csv:3: key: 'Zeta-9 Ultra' stands in .*:2 with another fp16"
    ):
        read_devices(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"mem_bw_gb_s": "600 GB/s"},
            "devices.csv:2: mem_bw_gb_s: '600 GB/s' given, expected a plain number in GB/s",
        ),
        ({"mem_bw_gb_s": -600}, "devices.csv:2: mem_bw_gb_s: -600 given, expected more than 0"),
        ({"key": None}, "devices.csv:2: key: is missing; Name by which the other files know the device."),
    ],
    ids=["unit in the cell", "negative", "no key"],
)
def test_wrong_cells_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    _write_devices(tmp_path, {**ROW, **change})
    with pytest.raises(FileError) as refused:
        read_devices(tmp_path)
    assert message in str(refused.value)


def test_a_name_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    _write_devices(tmp_path, ROW)
    names = tmp_path / "device_names.csv"
    names.write_text("dataset,column,name_in_file,key\ntimm_throughput,device,Zeta,Zeta-9 Ultr\n")
    with pytest.raises(FileError, match=r"unknown device key 'Zeta-9 Ultr'; did you mean 'Zeta-9 Ultra'"):
        check_names(read_devices(tmp_path))
    names.write_text("dataset,column,name_in_file,key\nd,c,Zeta,a\nd,c,Zeta,b\n")
    with pytest.raises(FileError, match=r"device_names\.csv:3: key: 'Zeta' stands for both 'a' and 'b'"):
        read_devices(tmp_path)


def _write_devices(folder: Path, *rows: dict[str, Any]) -> None:
    import pandas as pd

    columns = [c.name for c in DEVICE_COLUMNS]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "devices.csv", index=False)
