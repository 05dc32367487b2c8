"""`cd.coverage` and `codesign coverage`: the gate from a chip's name, with what was measured there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import codesign as cd
from codesign.cli import build_app
from hw_models.errors import FileError, UnknownNameError
from search_spaces.vision.timm_models import timm_workload

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload


@pytest.fixture(scope="module")
def network() -> Workload:
    return timm_workload("resnet18", 64)


def test_placements_that_ship_stand_beside_a_chip_of_that_name(network: Workload) -> None:
    found = cd.coverage(network, "qcs8550", "int8")
    assert found.share == 1.0
    assert {m.precision for m in found.measured} == {"int8"}
    assert any(m.runtime == "qnn_dlc" and m.whole == m.networks > 40 for m in found.measured)
    assert cd.coverage(network, "tda4vm", "int8").measured == ()


def test_bad_input_is_named(network: Workload, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'qcs8550'"):
        cd.coverage(network, "qcs8551")
    with pytest.raises(UnknownNameError, match="int7"):
        cd.coverage(network, "qcs8550", "int7")
    with pytest.raises(FileError):
        cd.coverage(network, "qcs8550", placements=tmp_path / "none.csv")


def test_the_command_prints_rows_and_exits_by_what_runs() -> None:
    run = CliRunner().invoke(build_app(), ["coverage", "timm:resnet18", "--chip", "qcs8550", "--json"])
    assert run.exit_code == 0
    rows = json.loads(run.stdout)
    assert {row["engine"] for row in rows} == {"npu"}
    assert sum(row["macs_share"] for row in rows) == pytest.approx(1.0)
