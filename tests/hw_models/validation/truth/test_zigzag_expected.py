"""Agreement with the figures in ZigZag's own tests, and what is left out by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_models.errors import FileError
from hw_models.validation.truth import stream_golden, timeloop_ref_outputs
from hw_models.validation.truth.zigzag_expected import DATA, SETS, network_totals, predict


def test_the_release_to_the_last_bit() -> None:
    """ZigZag 3.9.1, its own fixed mapping of a 128 x 128 x 128 product: source anchor_speed_measured.csv."""
    for hardware, energy, cycles in (("gemm_l1", 528936.96, 8191), ("gemm_l1_l3", 19860090.88, 8704)):
        files = (DATA / f"zigzag_{kind}_{hardware}.yaml" for kind in ("hardware", "mapping"))
        found = network_totals(*files, DATA / "zigzag_workload_gemm_layer.yaml")
        assert found == (pytest.approx(energy, rel=1e-12), cycles)


def test_expected_energies_of_its_main_branch(tmp_path: Path) -> None:
    """Energy equals the main branch where nothing changed since; latency did change, by 4 to 6 %."""
    file = tmp_path / "zigzag_expected.csv"
    file.write_text(
        "test,workload,hardware,mapping,energy_pj,latency_cycles\n"
        "test_origin/test_tpu_like.py,resnet18.onnx,tpu_like,tpu_like,1871436380.66,3703960.5\n"
        "test_origin/test_tpu_like.py,resnet50.onnx,tpu_like,tpu_like,1,1\n"
        "test_imc/test_aimc.py,resnet18.onnx,aimc,default_imc,4695729577.2,5050846.0\n"
    )
    points = predict(file)
    energy, cycles = (
        points.frame[points.frame["quantity"] == q].iloc[0] for q in ("energy_pj", "latency_cycles")
    )
    assert energy["predicted"] == pytest.approx(energy["measured"], rel=1e-9)
    assert cycles["predicted"] == pytest.approx(cycles["measured"], rel=0.06)
    assert points.skipped == {
        "no workload resnet50.onnx among ZigZag's files": 2,
        "in-memory computing is not modelled": 2,
    }


def test_a_column_that_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "zigzag_expected.csv"
    file.write_text("test,workload,hardware,energy_pj,latency_cycles\na,b,c,1,1\n")
    with pytest.raises(FileError, match="no column 'mapping'"):
        predict(file)


def test_the_set_ships_and_is_named_a_model() -> None:
    assert SETS[0].truth == "model"
    assert SETS[0].shipped is not None
    assert SETS[0].shipped.is_file()


def test_what_is_not_predicted_is_counted_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "timeloop_ref_outputs.csv"
    file.write_text("design,cycles,energy_uJ,component,fJ_per_compute\neyeriss_like,86016,59.28,mac,207.69\n")
    assert timeloop_ref_outputs.predict(file).skipped == {timeloop_ref_outputs.REASON: 1}
    file = tmp_path / "stream_golden.csv"
    file.write_text("test,hardware,total_latency\nswiglu,fusemax,1\n")
    assert stream_golden.predict(file).skipped == {stream_golden.REASON: 1}
