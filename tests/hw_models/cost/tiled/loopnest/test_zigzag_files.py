"""ZigZag's files: those that ship are read as it reads them, wrong ones answered with their line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hw_models
from hw_models.cost.tiled.loopnest.assign import assignments
from hw_models.cost.tiled.loopnest.machine import Way
from hw_models.cost.tiled.loopnest.mapping import INPUT, OUTPUT, WEIGHT
from hw_models.cost.tiled.loopnest.zigzag_hardware import load_zigzag_hardware
from hw_models.cost.tiled.loopnest.zigzag_mapping import load_zigzag_mapping, rule_for
from hw_models.cost.tiled.loopnest.zigzag_workload import (
    load_zigzag_onnx,
    load_zigzag_workload,
    problems_of,
)
from hw_models.errors import FileError

DATA = Path(hw_models.__file__).parent / "validation" / "truth" / "data"
HARDWARE = sorted(DATA.glob("zigzag_hardware_*.yaml"))


@pytest.mark.parametrize("file", HARDWARE, ids=lambda file: file.stem.removeprefix("zigzag_hardware_"))
def test_every_hardware_file_that_ships_is_read(file: Path) -> None:
    machine = load_zigzag_hardware(file)
    assert machine.missing() == ()
    assert all(machine.stores[machine.levels[op][-1]].bits >= 2**22 for op in (OUTPUT, WEIGHT, INPUT))


def test_tpu_like() -> None:
    machine = load_zigzag_hardware(DATA / "zigzag_hardware_tpu_like.yaml")
    assert machine.axes == {"D1": 32, "D2": 32}
    assert machine.level_names(OUTPUT) == ("rf_2B", "sram_2MB", "dram")
    assert machine.level_names(WEIGHT) == ("rf_128B", "dram")
    # The file names `ports` of the SRAM twice; the last one counts, as PyYAML has it.
    port = machine.stores[2].port(OUTPUT, Way.WRITE_UP)
    assert port is not None
    assert (port.least_bits, port.bits) == (64, 2048)
    assert machine.axes_at(WEIGHT) == ((), ("D1", "D2"), ())


def test_layers_of_a_network() -> None:
    layers = load_zigzag_onnx(DATA / "zigzag_workload_resnet18.onnx")
    first, last = layers[0], layers[-1]
    assert first.sizes == {"b": 1, "k": 64, "g": 1, "ox": 112, "oy": 112, "c": 3, "fx": 7, "fy": 7}
    assert [w.size for w in first.windows] == [224, 224]
    assert last.order == (OUTPUT, INPUT, WEIGHT)
    problems = problems_of(layers)
    np.testing.assert_array_equal(problems.macs, [layer.macs for layer in layers])
    np.testing.assert_array_equal(problems.weight_elements, [layer.elements(WEIGHT) for layer in layers])
    np.testing.assert_array_equal(problems.output_elements, [layer.elements(OUTPUT) for layer in layers])


def test_a_rule_is_found_by_name_then_operator_then_default() -> None:
    rules = load_zigzag_mapping(DATA / "zigzag_mapping_tpu_like.yaml")
    layer = load_zigzag_onnx(DATA / "zigzag_workload_resnet18.onnx")[0]
    assert rule_for(rules, layer).name == "default"
    gemm = load_zigzag_workload(DATA / "zigzag_workload_gemm_layer.yaml")[0]
    rule = rule_for(load_zigzag_mapping(DATA / "zigzag_mapping_gemm_l1.yaml"), gemm)
    assert rule.order == (("d1", None), ("d2", None), ("d0", None))
    machine = load_zigzag_hardware(DATA / "zigzag_hardware_gemm_l1.yaml")
    assert assignments(machine, gemm, rule) == [{"D1": (("d0", 8),), "D2": (("d2", 8),), "D3": (("d1", 8),)}]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "hardware_gemm_l1",
            "- I2, tl",
            "- I3, tl",
            ":58: memories.l1.ports.1.allocation.0: is 'I3, tl'; expected",
        ),
        (
            "hardware_gemm_l1",
            "size: 32",
            "sise: 32",
            ":5: memories.reg_O.sise: unknown field; did you mean 'size'?",
        ),
        (
            "hardware_gemm_l1",
            "sizes: [8, 8, 8]",
            "sizes: [8, 8]",
            "expected one size for each of ['D1', 'D2', 'D3']",
        ),
        ("hardware_gemm_l1", "unit_energy: 0.04", "is_imc: True", "in-memory computing is not modelled"),
        ("hardware_gemm_l1", "type: read_write", "type: read", "a read port cannot serve 'fl'"),
        (
            "mapping_gemm_l1",
            "- D0, 8",
            "- D0 8",
            ":4: 0.spatial_mapping.D1.0: is 'D0 8'; expected a loop such as",
        ),
        ("mapping_gemm_l1", "name: default", "name: Conv", "has no mapping named 'default'"),
        (
            "workload_gemm_layer",
            "[128, 128, 128]",
            "[128, 128]",
            ":8: 0.loop_sizes: is [128, 128]; expected one size",
        ),
        ("workload_gemm_layer", "*W[d2][d1]", "", "expected one output O and two inputs, W and I"),
    ],
)
def test_a_wrong_file_is_answered_with_its_line(
    name: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    read = {"h": load_zigzag_hardware, "m": load_zigzag_mapping, "w": load_zigzag_workload}[name[0]]
    text = (DATA / f"zigzag_{name}.yaml").read_text()
    assert old in text
    file = tmp_path / "file.yaml"
    file.write_text(text.replace(old, new) if old.startswith("type") else text.replace(old, new, 1))
    with pytest.raises(FileError) as caught:
        read(file)
    assert message in str(caught.value)


def test_a_file_that_is_no_network(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"no network")
    with pytest.raises(FileError, match=r"net\.onnx: is no ONNX network"):
        load_zigzag_onnx(file)
