"""What an accelerator is: SI inside, frozen, modes, levers, what makes it costable, how it shows itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hw_models.errors import InputError, UnknownNameError
from hw_models.spec.accelerator import Accelerator
from hw_models.spec.dump import dump_chip
from hw_models.spec.load import list_chips, load_chip, read_chip
from hw_models.spec.quantities import BORDER, Bytes, BytesPerSecond, OpsPerSecond, Sourced

TOY = Path(__file__).parent / "toy_npu.yaml"


@pytest.fixture
def toy() -> Accelerator:
    return load_chip(TOY)


def built(**changes: Any) -> Accelerator:
    fields: dict[str, Any] = {
        "name": "made",
        "sources": {"s": "a test"},
        "engines": [{"name": "npu", "peak": {"int8": {"value": 4e12, "source": "s"}}}],
        "memory": [{"name": "dram", "bandwidth": {"value": 32e9, "source": "s"}}],
    }
    return Accelerator.model_validate(fields | changes)


def test_si_inside(toy: Accelerator) -> None:
    assert toy.main_engine.peak["int8"].value == 8.192e12  # 4.096 Tmac/s
    assert toy.main_engine.memory[0].capacity == Bytes(value=2 * 2**20, source="ds1")
    assert toy.dram is not None
    assert toy.dram.bandwidth is not None
    assert toy.dram.bandwidth.range == (26e9, 32e9)
    assert toy.dram.kind == "dram"
    assert toy.main_engine.kind == "npu"
    assert toy.precisions == ("int8", "fp16")


def test_python_takes_si_floats_and_base_quantities() -> None:
    chip = built(
        engines=[{"name": "npu", "peak": {"int8": Sourced(value=4e12, source="s")}}],
        memory=[{"name": "dram", "bandwidth": BytesPerSecond(value=32e9, source="s")}],
    )
    assert chip == built()
    assert isinstance(chip.main_engine.peak["int8"], OpsPerSecond)


def test_a_quantity_of_another_unit_is_refused() -> None:
    with pytest.raises(ValidationError, match="is in byte; expected byte/s"):
        built(memory=[{"name": "dram", "bandwidth": Bytes(value=1, source="s")}])


def test_at_the_border_numbers_need_units() -> None:
    fields = built().model_dump()
    with pytest.raises(ValidationError, match=r"needs a unit, for example '32000000000\.0 byte/s'"):
        Accelerator.model_validate(fields, context=BORDER)


def test_references_hold_in_python_too() -> None:
    with pytest.raises(ValidationError, match="unknown source 'x'"):
        built(tdp={"value": 5, "source": "x"})


def test_frozen(toy: Accelerator) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        toy.name = "other"  # type: ignore[misc]


def test_equal_chips_hash_alike(toy: Accelerator) -> None:
    assert hash(toy) == hash(read_chip(TOY))
    assert {toy: 1}[read_chip(TOY)] == 1


def test_orin_at_30_w() -> None:
    # NVIDIA Deep-Learning-Accelerator-SW README at 30 W: GPU 41 sparse TOPS, DLAs 90; dense: half
    chip = load_chip("jetson_agx_orin_64", mode="30W")
    assert chip.main_engine.peak["int8"].value == 20.5e12
    assert chip.engine("dla").peak["int8"].value == 45e12
    assert "fp32" not in chip.main_engine.peak
    assert chip.main_engine.vector_peak == {}
    assert chip.costable


def test_a_mode_may_leave_the_peak_unknown() -> None:
    chip = load_chip("jetson_orin_nano_8_super")
    assert chip.costable
    at_7w = chip.at_mode("7W")
    assert at_7w.missing() == ("engines.gpu.peak", "memory.dram.bandwidth")
    assert chip.at_mode(None) is chip


@pytest.mark.parametrize("name", ["jetson_agx_orin_64", "jetson_orin_nano_8_super"])
def test_left_out_and_unknown_stay_apart_when_serialised(name: str, tmp_path: Path) -> None:
    chip = load_chip(name)
    file = tmp_path / "chip.yaml"
    file.write_text(dump_chip(chip), encoding="utf-8")
    for again in (Accelerator.model_validate(chip.model_dump()), read_chip(file)):
        for mode in chip.power_modes:
            assert again.at_mode(mode.name) == chip.at_mode(mode.name)


def test_unknown_engine() -> None:
    with pytest.raises(UnknownNameError, match="unknown engine of jetson_agx_orin_64 'dsp'"):
        load_chip("jetson_agx_orin_64").engine("dsp")


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, ()),
        ({"engines": [{"name": "npu"}]}, ("engines.npu.peak",)),
        ({"memory": [{"name": "dram"}]}, ("memory.dram.bandwidth",)),
        ({"memory": []}, ("memory",)),
        ({"memory": [{"name": "sram"}]}, ("memory",)),
        ({"memory": [{"name": "pcie", "kind": "host"}]}, ("memory.pcie.bandwidth",)),
        ({"engines": [{"name": "npu"}], "memory": []}, ("engines.npu.peak", "memory")),
    ],
)
def test_missing(changes: dict[str, Any], missing: tuple[str, ...]) -> None:
    chip = built(**changes)
    assert chip.missing() == missing
    assert chip.costable == (not missing)
    assert len(chip.why_not_costable()) == len(missing)


def test_no_external_memory_by_design_is_not_an_unknown_dram() -> None:
    by_design = load_chip("hailo_8").why_not_costable()[0]
    unknown = load_chip("rk1808").why_not_costable()[0]
    assert "no external memory by design" in by_design
    assert "by design" not in unknown


@given(factor=st.floats(0.01, 100))
def test_levers_scale_what_they_name(factor: float) -> None:
    chip = built(memory=[{"name": "sram", "capacity": {"value": 1e6, "source": "s"}}, *built().memory])
    faster = chip.scaled(peak=factor)
    assert faster.main_engine.peak["int8"].value == 4e12 * factor
    assert faster.dram == chip.dram
    wider = chip.scaled(dram_bandwidth=factor)
    assert wider.dram is not None
    assert wider.dram.bandwidth == BytesPerSecond(value=32e9 * factor, source="s")
    assert wider.main_engine == chip.main_engine
    larger = chip.scaled(sram_capacity=factor)
    assert larger.memory[0].capacity == Bytes(value=1e6 * factor, source="s")
    assert larger.dram == chip.dram
    assert chip.scaled() == chip


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan])
def test_a_lever_is_a_positive_factor(factor: float) -> None:
    with pytest.raises(InputError, match=r"is not a factor; expected one above 0, for example peak=2\.0"):
        built().scaled(peak=factor)


def test_shows_itself(toy: Accelerator) -> None:
    assert repr(toy) == "<Accelerator toy_npu: int8 8.192 TOPS, fp16 4.096 TOPS; dram 32 GB/s>"
    assert "not costable, missing memory.host.bandwidth" in repr(load_chip("hailo_8"))
    frame = toy.to_frame()
    assert list(frame.columns) == ["field", "value", "unit", "low", "high", "source", "note"]
    row = frame.set_index("field").loc["memory.dram.bandwidth"]
    assert (row["value"], row["unit"], row["low"], row["high"], row["source"]) == (
        32e9,
        "byte/s",
        26e9,
        32e9,
        "ds1",
    )
    html = load_chip("hailo_8")._repr_html_()
    assert "<td>engines.npu.peak.int8</td><td>26 TOPS</td>" in html
    assert "not costable" in html


@pytest.mark.parametrize("name", list_chips())
def test_dump_and_load_is_identity(name: str, tmp_path: Path) -> None:
    chip = load_chip(name)
    file = tmp_path / f"{name}.yaml"
    file.write_text(dump_chip(chip), encoding="utf-8")
    again = read_chip(file)
    assert again == chip
    assert dump_chip(again) == dump_chip(chip)
    assert Accelerator.model_validate(chip.model_dump()) == chip


figures = st.floats(1e-3, 1e15)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)


@given(peak=figures, bandwidth=figures, capacity=figures, note=texts, source=texts)
def test_whatever_is_built_survives_the_file(
    peak: float,
    bandwidth: float,
    capacity: float,
    note: str,
    source: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    chip = built(
        sources={"s": source},
        engines=[
            {"name": "npu", "peak": {"int8": {"value": peak, "high": peak * 2, "source": "s", "note": note}}}
        ],
        memory=[
            {
                "name": "dram",
                "capacity": {"value": capacity, "source": "s"},
                "bandwidth": {"value": bandwidth, "source": "s"},
            }
        ],
        left_out=(note,),
    )
    file = tmp_path_factory.mktemp("chips") / "made.yaml"
    file.write_text(dump_chip(chip), encoding="utf-8")
    assert read_chip(file) == chip
