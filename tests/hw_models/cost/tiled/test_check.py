"""`dataflow` in a chip's file, checked with its line: kinds, parameters, figures that tiles need."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_models.cost.tiled.check import with_dataflow
from hw_models.spec.check import check_file
from hw_models.spec.load import list_chips

CHIP = """\
schema_version: 1
name: toy
device_class: edge_npu
sources: {ds1: "invented for the tests"}
engines:
  - name: npu
    peak: {int8: {value: 8.192 TOPS, source: ds1}}
    clock: {value: 1 GHz, source: ds1}
    array: {dims: [64, 64], source: ds1}
    dataflow: {kind: weight_stationary, source: ds1}
    memory: [{name: sram, capacity: {value: 2 MiB, source: ds1}}]
memory:
  - {name: dram, technology: LPDDR5, bandwidth: {value: 32 GB/s, source: ds1}}
left_out: ["network on chip"]
"""


@pytest.mark.parametrize(
    ("old", "new", "severity", "said"),
    [
        ("kind: weight_", "kind: wait_", "error", "did you mean 'weight_stationary'"),
        (
            "stationary, source",
            "stationary, parameters: {issu_cycles: {value: 4, source: ds1}}, source",
            "error",
            "issue_cycles",
        ),
        ("    array: {dims: [64, 64], source: ds1}\n", "", "warning", "engines.npu.array"),
    ],
    ids=["kind", "parameter", "no array"],
)
def test_a_wrong_dataflow_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, severity: str, said: str
) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(CHIP.replace(old, new))
    found = [r for r in with_dataflow(check_file(file)).remarks if r.path.endswith("dataflow")]
    assert [(r.severity, said in r.message) for r in found] == [(severity, True)]
    assert found[0].line is not None
    assert "dataflow" in file.read_text().splitlines()[found[0].line - 1]


def test_a_right_one_adds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(CHIP)
    assert with_dataflow(check_file(file)) == check_file(file)


@pytest.mark.parametrize("name", list_chips("*nvdla*") + list_chips("eyeriss*") + list_chips("gemmini*"))
def test_chips_that_ship_can_be_tiled(name: str) -> None:
    import hw_models

    file = Path(hw_models.__file__).parent / "chips" / f"{name}.yaml"
    assert not [r for r in with_dataflow(check_file(file)).remarks if r.path.endswith("dataflow")]
