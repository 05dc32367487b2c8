"""Tiled terms of whole networks, by hand with an organisation that chooses nothing; refusals, fallbacks."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility, Fidelity
from hw_models.cost.chips import Chips
from hw_models.cost.estimate import compare, estimate, estimate_many
from hw_models.cost.roofline import smooth_miss
from hw_models.cost.tiled.provider import Tiled
from hw_models.cost.tiled.registry import organisation
from hw_models.errors import NotCostableError
from hw_models.lowering import lower
from hw_models.workload.op import OpKind

MAC, VECTOR, DRAM, SRAM, LOCAL, NOC, EXPOSED, ISSUE = range(len(RESOURCES))


def terms(network, chip, precision="int8"):
    kernels = lower([network.finish()], lowering="ideal", precision=precision)
    return kernels, Tiled().terms(kernels, Chips.of([chip]))


def counted(found, u=0):
    return dict(zip(ACTIONS, found.actions[u, 0], strict=True))


def test_a_convolution_by_hand(net, npu):
    _, found = terms(net().conv(24, 20, 10), npu())
    macs, weights, image, out = 24 * 20 * 9 * 100, 24 * 20 * 9, 20 * 100, 24 * 100
    assert found.fidelity == Fidelity.TILED
    assert found.seconds[0, 0, MAC] == pytest.approx(9 * 100 * 2 * 2 / 1e9), "24 and 20 fill two halves of 16"
    assert found.seconds[0, 0, DRAM] == pytest.approx((weights + image + out) / 8e9)
    assert np.isnan(found.seconds[0, 0, [LOCAL, NOC]]).all()
    assert found.seconds[0, 0, [EXPOSED, ISSUE]].tolist() == [0, 0]
    moved = counted(found)
    assert moved["mac"] == macs
    assert (moved["dram_read"], moved["dram_write"]) == (weights + image, out)
    assert (moved["sram_read"], moved["sram_write"]) == (weights + image, out)
    assert found.mapping[0, 0] == "16 x 16"
    assert found.gap[0, 0] == 0


def test_what_is_still_on_the_chip_need_not_come_again(net, npu):
    """By the law of the roofline, from the read of the second kernel and from the write of both."""
    kernels, found = terms(net().conv(16, 16, 12).conv(16, 16, 12), npu())
    weights, image = 16 * 16 * 9, 16 * 144
    assert np.isnan(kernels.reuse_bytes[0])
    miss = smooth_miss(kernels.reuse_bytes, np.array([256 * 1024.0]))[:, 0]
    assert miss[0] == 1
    assert miss[1] < 0.21
    for u in range(2):
        moved = counted(found, u)
        assert moved["dram_read"] == pytest.approx(weights + image * miss[u])
        assert moved["dram_write"] == pytest.approx(image * miss[u])
        assert found.seconds[u, 0, DRAM] == pytest.approx((weights + 2 * image * miss[u]) / 8e9)


def test_parts_of_a_kernel_run_one_after_the_other(net, npu):
    """The products of an attention: its time is the sum of theirs, and the scores pass the softmax."""
    _, found = terms(net().attention(2, 48, 16), npu(bandwidth=1e12))
    steps = 2 * (48 * 3 + 48 * 3)
    busy = found.seconds[0, 0, [MAC, VECTOR, DRAM]].max()
    assert found.seconds[0, 0, MAC] == pytest.approx(steps / 1e9)
    assert busy + found.seconds[0, 0, EXPOSED] >= steps / 1e9
    operand, scores = 2 * 48 * 16, 2 * 48 * 48
    assert counted(found)["sram_read"] == pytest.approx(3 * operand + scores + scores)
    assert counted(found)["sram_write"] == pytest.approx(operand + scores + scores)
    assert counted(found)["dram_read"] == pytest.approx(3 * operand)
    assert counted(found)["dram_write"] == pytest.approx(operand)
    assert found.mapping[0, 0] == "16 x 16; then 16 x 16"


def test_a_stated_peak_below_the_array_is_kept(net, npu):
    peak = {"int8": {"value": 1e9, "source": "s"}}
    _, found = terms(net().gemm(16, 16, 16), npu(engine={"peak": peak}))
    assert found.seconds[0, 0, MAC] == pytest.approx(2 * 16**3 / 1e9)


def test_an_organisation_that_chooses_is_told_what_moves_beside(net, npu):
    """It gets the bytes and answers with them; nobody adds them again."""
    network = net().conv(16, 16, 12).conv(16, 16, 12)
    _, without = terms(network, npu())
    _, with_it = terms(network, npu("paper_beside"))
    beside = organisation("paper_beside").seen[-1]
    assert beside.shape == (2, 1, 4)
    assert beside[0, 0].tolist() == pytest.approx([0, -2304 * (1 - with_it.actions[0, 0, 3] / 2304), 0, 0])
    assert (beside[1, 0, :2] < 0).all()
    assert with_it.actions == pytest.approx(without.actions, nan_ok=True)
    assert with_it.seconds[..., DRAM] == pytest.approx(without.seconds[..., DRAM])


def test_a_network_through_the_public_door(net, npu):
    network = net().conv(16, 16, 12).conv(32, 16, 12).finish()
    cost = estimate(network, npu(), precision="int8", model="tiled")
    frame = cost.to_frame()
    assert (cost.model, cost.latency.fidelity) == ("tiled", "tiled")
    assert frame["time_us"].sum() * 1e-6 == pytest.approx(cost.latency.value, rel=1e-12)
    assert cost.latency.low < cost.latency.value < cost.latency.high < np.inf
    assert list(frame["mapping"]) == ["16 x 16", "16 x 16"]
    assert cost.shortfalls == ()
    grid = estimate_many([network] * 2, [npu(), npu(rows=8)], precision="int8", model="tiled")
    assert grid.quantities["latency"].value[1, 0] == pytest.approx(cost.latency.value, rel=1e-12)
    assert grid.model == "tiled"
    assert "padding to the MAC array, tiling" not in cost.not_modelled
    assert "time of the interconnect of the array" in cost.not_modelled


def test_an_unknown_start_of_a_kernel_is_the_class_s_and_said(net, npu):
    network = net().conv(16, 16, 12).finish()
    cost = estimate(network, npu(engine={"issue": None}), precision="int8", model="tiled")
    assert cost.latency.fidelity == "prior"
    assert any("unknown time of starting a kernel" in w for w in cost.warnings)


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"dataflow": None}, r"which needs engines.npu.dataflow; add what is missing"),
        ({"array": None, "clock": None}, r"which needs engines.npu.array; engines.npu.clock; add"),
        ({"dataflow": {"kind": "paper", "source": "s"}}, r"dataflow.parameters.must is missing"),
        ({"dataflow": {"kind": "papr", "source": "s"}}, r"did you mean 'paper'"),
    ],
)
def test_a_chip_whose_file_says_too_little_is_refused_by_path(net, npu, engine, said):
    network, chip = net().conv(16, 16, 12).finish(), npu(engine=engine)
    assert not Tiled().supports(chip)
    with pytest.raises(NotCostableError, match=f"cannot be costed by model 'tiled', .*{said}") as error:
        estimate(network, chip, precision="int8", model="tiled")
    assert "model='roofline'" in str(error.value)
    grid = estimate_many([network], [chip, npu()], precision="int8", model="tiled")
    assert grid.feasibility.tolist() == [[Feasibility.UNKNOWN, Feasibility.OK]]
    assert np.isnan(grid.quantities["latency"].value[0, 0])
    assert np.isfinite(grid.quantities["latency"].value[0, 1])
    assert "engines.npu" in compare(network, [chip], precision="int8", model="tiled").to_frame()["note"][0]


def test_a_tile_that_does_not_fit_is_a_row_with_its_levers(net, npu):
    cost = estimate(net().conv(16, 16, 12).finish(), npu(sram=8), precision="int8", model="tiled")
    assert cost.feasibility == Feasibility.CAPACITY
    assert cost.latency.value is None
    (lack,) = cost.shortfalls
    assert (lack.demand, lack.bound, lack.gap, lack.unit) == (
        "64 byte",
        "8 byte",
        "56 byte too little",
        "byte",
    )
    assert lack.levers[0] == "an on-chip memory of 64 byte"
    assert cost.reason == str(lack)
    row = cost.to_frame().iloc[0]
    assert (row["feasibility"], row["demand_bytes"], row["available_bytes"], row["short_by_bytes"]) == (
        "capacity",
        64,
        8,
        56,
    )
    said = str(cost.explain())
    assert "needs 64 byte, there is 8 byte: 56 byte too little [byte]" in said
    assert "would run with an on-chip memory of 64 byte or narrower operands or a smaller array" in said
    grid = estimate_many([net().conv(16, 16, 12).finish()], [npu(sram=8)], precision="int8", model="tiled")
    assert grid.feasibility[0, 0] == Feasibility.CAPACITY
    assert np.isnan(grid.quantities["latency"].value[0, 0])
    assert np.isnan(grid.quantities["energy"].value[0, 0])


def dsp(**changes):
    peak = {"fp32": {"value": 64e9, "source": "s"}, "int8": {"value": 256e9, "source": "s"}}
    return {"name": "dsp", "kind": "dsp", "peak": peak, "vector_peak": peak, **changes}


def test_what_the_main_engine_cannot_run_goes_to_its_fallback(net, npu):
    network = net().conv(16, 16, 12).rows(OpKind.SOFTMAX, 8, 100)
    limits = {"operators": ("conv", "elementwise")}
    alone = estimate(network.finish(), npu(engine=limits), precision="int8", model="tiled")
    assert alone.feasibility == Feasibility.OPERATOR
    (lack,) = alone.shortfalls
    assert (lack.demand, lack.bound, lack.unit) == ("softmax", "conv, elementwise", "operator")
    helped = npu(engine=limits | {"fallback": "dsp"}, engines=[dsp()])
    cost = estimate(network.finish(), helped, precision="int8", model="tiled")
    frame = cost.to_frame()
    assert cost.feasibility == Feasibility.OK
    assert list(frame["mapping"]) == ["16 x 16", "on dsp: roofline"]
    assert cost.latency.fidelity == "prior"


def test_a_fallback_with_an_array_of_its_own_is_tiled(net, npu):
    array = {
        "array": {"dims": [4, 4], "source": "s"},
        "clock": {"value": 1e9, "source": "s"},
        "dataflow": {"kind": "paper", "source": "s", "parameters": {"must": {"value": 1, "source": "s"}}},
        "memory": [{"name": "tcm", "kind": "sram", "capacity": {"value": 65536, "source": "s"}}],
    }
    helped = npu(engine={"fallback": "dsp"}, engines=[dsp(**array)])
    _, found = terms(net().gemm(8, 8, 8), helped, "fp32")
    assert found.feasibility[0, 0] == Feasibility.OK
    assert found.mapping[0, 0] == "on dsp: 4 x 4"
    assert found.seconds[0, 0, MAC] == pytest.approx(8 * 4 / 1e9)
    assert estimate(net().gemm(8, 8, 8).finish(), helped, precision="fp32", model="tiled").latency.is_known


def test_a_precision_that_nobody_has(net, npu):
    network = net().gemm(8, 8, 8).finish()
    with pytest.raises(NotCostableError, match="no known peak at bf16"):
        estimate(network, npu(), precision="bf16", model="tiled")
    grid = estimate_many([network], [npu()], precision="bf16", model="tiled")
    assert grid.feasibility[0, 0] == Feasibility.PRECISION
    assert np.isnan(grid.quantities["latency"].value[0, 0])


def test_ranges_of_a_chip_reach_the_organisation(net, npu):
    network = net().conv(16, 16, 12).finish()
    wide = {"bandwidth": {"value": 1e8, "low": 0.5e8, "high": 2e8, "source": "s"}}
    plain, ranged = (
        estimate(network, npu(dram=d), precision="int8", model="tiled").latency
        for d in ({"bandwidth": {"value": 1e8, "source": "s"}}, wide)
    )
    assert ranged.value == plain.value
    assert ranged.low < plain.low
    assert ranged.high > plain.high


def test_explanation_has_array_mapping_gap_and_levers(net, npu):
    cost = estimate(net().conv(16, 16, 12).finish(), npu(), precision="int8", model="tiled")
    said = str(cost.explain())
    for part in (
        "16 x 16: made up for the tests",
        "paper: made up for the tests",
        "0 cycle by default: after the last output; made up",
        "16 x 16; the best there is",
        "90 % interval of the class",
    ):
        assert part in said
    lines = dict(next(s for s in cost.explain().sections if s.title.startswith("Latency change")).lines)
    assert {"clock", "rows of the MAC array", "bandwidth of the external memory"} <= set(lines)
    change = [float(text.split(" %")[0]) for text in lines.values()]
    assert change == sorted(change)
    assert "x 2: " in lines["rows of the MAC array"]
