"""`codesign estimate`, `explain`, `compare`: what they print and how they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from codesign.cli import build_app
from hw_models.errors import NotCostableError, UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

CHIP = """
schema_version: 1
name: {name}
title: Toy
vendor: nobody
device_class: edge_npu
sources: {{s: "invented for the tests"}}
engines:
  - name: npu
    kind: npu
    peak: {peak}
    vector_peak: {{int8: {{value: 128 Gop/s, source: s}}}}
memory:
  - {{name: sram, kind: sram, capacity: {{value: 2 MiB, source: s}}}}
  - {{name: dram, kind: dram, technology: LPDDR4, capacity: {{value: {capacity}, source: s}},
     bandwidth: {{value: 32 GB/s, source: s}}}}
process_nm: {{value: 16, source: s}}
power_modes: [{{name: 5W, cap: {{value: 5 W, source: s}}}}]
"""
PEAK = "{int8: {value: 4 Top/s, source: s}}"

NETWORK = """
from hw_models.workload.graph import WorkloadBuilder
from hw_models.workload.op import OpKind, Precision, TensorKind


def net():
    b = WorkloadBuilder("net")
    x = b.tensor((1, 64), Precision.FP32, TensorKind.INPUT, batched=True)
    w = b.tensor((10, 64), Precision.FP32, TensorKind.WEIGHT, batched=False)
    y = b.tensor((1, 10), Precision.FP32, TensorKind.ACTIVATION, batched=True)
    b.op(OpKind.GEMM, (1, 1, 10, 64), (x, w), (y,), target="aten.mm", batch_dim=1, attrs={"weights": 1})
    return b.finish((y,))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one network and three chips."""
    chips = {"toy": (PEAK, "4 GiB"), "small": (PEAK, "512 byte"), "blank": ("{}", "4 GiB")}
    for name, (peak, capacity) in chips.items():
        (tmp_path / f"{name}.yaml").write_text(CHIP.format(name=name, peak=peak, capacity=capacity))
    (tmp_path / "cost_test_net.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str, exit_code: int = 0) -> str:
    found = CliRunner().invoke(build_app(), list(args), catch_exceptions=False)
    assert found.exit_code == exit_code, found.output
    return found.output


MODEL = "cost_test_net:net"

TILED = """
schema_version: 1
name: tiled
sources: {s: "invented for the tests"}
engines:
  - name: npu
    kind: npu
    peak: {int8: {value: 512 Gop/s, source: s}}
    vector_peak: {int8: {value: 16 Gop/s, source: s}}
    clock: {value: 1 GHz, source: s}
    issue: {value: 1 us, source: s}
    array: {dims: [16, 16], source: s}
    dataflow: {kind: dot_product, source: s}
    memory: [{name: buffer, kind: sram, capacity: {value: 256 KiB, source: s}}]
memory:
  - {name: dram, kind: dram, technology: LPDDR4, capacity: {value: 1 GiB, source: s},
     bandwidth: {value: 8 GB/s, source: s}}
process_nm: {value: 16, source: s}
"""


@pytest.mark.usefixtures("place")
def test_estimate_prints_every_quantity_with_its_choices():
    said = run("estimate", MODEL, "--chip", "toy.yaml", "--chip", "toy.yaml@5W")
    for part in (
        "net on toy: int8, batch 1, lowering ideal",
        "toy@5W",
        "latency",
        "prior, modelled",
        "unknown",
    ):
        assert part in said


@pytest.mark.usefixtures("place")
def test_sparse_weights_that_a_chip_does_not_support():
    with pytest.raises(NotCostableError, match="does not support 2:4 weights at int8; supported: none"):
        run("estimate", MODEL, "--chip", "toy.yaml", "--precision", "int8", "--sparsity", "2:4")


@pytest.mark.usefixtures("place")
def test_estimate_as_json():
    (record,) = json.loads(
        run("estimate", MODEL, "--chip", "toy.yaml", "--batch", "8", "--mode", "5W", "--json")
    )
    assert record["chip"] == "toy@5W"
    assert (record["batch"], record["precision"], record["lowering"]) == (8, "int8", "ideal")
    assert record["latency_s_low"] < record["latency_s"] < record["latency_s_high"]
    assert record["latency_fidelity"] == "roofline"
    assert record["price_usd"] is None
    assert "host work before and after the network" in record["not_modelled"]


@pytest.mark.usefixtures("place")
def test_nothing_feasible_is_exit_code_3():
    assert "do not fit the 512 byte of memory" in run("estimate", MODEL, "--chip", "small.yaml", exit_code=3)
    assert "capacity" in run(
        "compare", MODEL, "--chip", "small.yaml", "--chip", "blank.yaml", "--json", exit_code=3
    )


@pytest.mark.usefixtures("place")
def test_explain():
    assert "bounding resource" in run("explain", MODEL, "--chip", "toy.yaml")
    energy = json.loads(run("explain", MODEL, "--chip", "toy.yaml", "--what", "energy", "--json"))
    assert energy["what"] == "energy"
    assert "Energies" in energy["sections"]


@pytest.mark.usefixtures("place")
def test_compare_shows_why_a_chip_is_unknown():
    rows = json.loads(run("compare", MODEL, "--chip", "toy.yaml", "--chip", "blank.yaml", "--json"))
    assert [r["feasibility"] for r in rows] == ["ok", "unknown"]
    assert "engines.npu.peak" in rows[1]["note"]
    assert "toy" in run("compare", MODEL, "--chip", "toy.yaml", "--chip", "blank.yaml")


@pytest.mark.usefixtures("place")
def test_wrong_input_is_an_error_of_ours():
    with pytest.raises(NotCostableError, match=r"blank is not costable: engines\.npu\.peak"):
        run("estimate", MODEL, "--chip", "blank.yaml")
    with pytest.raises(UnknownNameError, match="did you mean 'int8'"):
        run("estimate", MODEL, "--chip", "toy.yaml", "--precision", "int9")
    with pytest.raises(UnknownNameError, match="unknown quantity 'latncy'; did you mean 'latency'"):
        run("explain", MODEL, "--chip", "toy.yaml", "--what", "latncy")


def test_a_tiled_cost_with_its_kernels(place: Path):
    (place / "tiled.yaml").write_text(TILED)
    args = ("--chip", "tiled.yaml", "--model", "tiled", "--kernels")
    (record,) = json.loads(run("estimate", MODEL, *args, "--json"))
    assert (record["model"], record["latency_fidelity"], record["shortfalls"]) == ("tiled", "tiled", [])
    (kernel,) = record["kernels"]
    assert (kernel["name"], kernel["macs"], kernel["noc_us"]) == ("aten.mm", 640, None)
    assert "aten.mm" in run("estimate", MODEL, *args)
    said = run("explain", MODEL, "--chip", "tiled.yaml", "--model", "tiled")
    for part in ("16 x 16: invented", "dot_product: invented", "rows of the MAC array", "90 % interval"):
        assert part in said


def test_what_a_tiled_cost_needs(place: Path):
    (place / "tiled.yaml").write_text(TILED)
    (place / "m.yaml").write_text("mappings: {aten.mn: anything}")
    with pytest.raises(NotCostableError, match=r"by model 'tiled', which needs engines\.npu\.dataflow"):
        run("estimate", MODEL, "--chip", "toy.yaml", "--model", "tiled")
    with pytest.raises(UnknownNameError, match=r"layer \(m.yaml:1\) 'aten.mn'; did you mean 'aten.mm'"):
        run("estimate", MODEL, "--chip", "tiled.yaml", "--model", "tiled", "--mapping", "m.yaml")
    rows = json.loads(
        run("compare", MODEL, "--chip", "toy.yaml", "--chip", "tiled.yaml", "--model", "tiled", "--json")
    )
    assert [r["feasibility"] for r in rows] == ["unknown", "ok"]
