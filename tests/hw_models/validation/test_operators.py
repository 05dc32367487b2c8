"""Operators measured alone: counts by hand, laws of physics, and the whole way from a file to a score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import KernelClass, Kernels
from hw_models.cost.chips import Chips
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.roofline import ISSUE, MAC
from hw_models.measured.devices import accelerator_from_row
from hw_models.measured.operators import operators
from hw_models.validation import Validation, validate
from hw_models.validation.naive import naive_seconds
from hw_models.validation.single_calls import GROUPS, REGIMES, TIMED, SingleCalls, call_constants
from hw_models.validation.single_kernels import single_kernels
from hw_models.workload import vector_cost

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

DEVICE: dict[str, Any] = {
    "key": "zeta9",
    "device": "Zeta 9",
    "vendor": "Nobody",
    "kind": "gpu",
    "process_nm": 7,
    "fp32_tflops": 16,
    "fp16_tflops": 128,
    "memory": "16GB GDDR6",
    "mem_bw_gb_s": 800,
    "external_dram": "yes",
    "l2_or_sram_mb": 8,
    "units": 64,
    "clock_mhz": 1600,
    "tdp_w": 250,
}
COLUMNS = [*DEVICE, "int8_tops", "confidence", "note"]


def kernels(*rows: tuple[str, str, str], precision: str = "fp32", storage: str | None = None) -> Kernels:
    frame = pd.DataFrame(rows, columns=["operator", "function", "shape"]).astype("str")
    return single_kernels(operators(frame), precision, storage=storage)


def chip(**change: Any) -> Accelerator:
    return accelerator_from_row({**DEVICE, **change})


def seconds(found: Kernels, timed: str = "device", **change: Any) -> np.ndarray:
    terms = SingleCalls(timed).terms(found, Chips.of([chip(**change)]))
    return kernel_seconds(terms.seconds, call_constants().overlap)[:, 0]


def gemm(m: int, n: int, depth: int, batch: int = 1) -> tuple[str, str, str]:
    return "gemm", "linear", f"batch={batch} m={m} k={n} c={depth}"


def conv(n: int, k: int, c: int, side: int, taps: int) -> tuple[str, str, str]:
    size = f"n={n} g=1 k={k} c={c} oy={side} ox={side} fy={taps} fx={taps} stride_y=1 stride_x=1"
    return "conv", "conv", f"{size} pad_y={taps // 2} pad_x={taps // 2} in_y={side} in_x={side}"


def test_a_product_counts_its_operands_once_and_its_second_one_as_weights() -> None:
    found = kernels(gemm(2, 3, 5), gemm(2, 3, 5, batch=4))
    assert found.cls.tolist() == [KernelClass.GEMM, KernelClass.BATCHED_GEMM]
    assert found.macs.tolist() == [30, 120]
    assert found.read_bytes.tolist() == [4 * 10, 4 * 4 * (10 + 15)]
    assert found.weight_bytes.tolist() == [4 * 15, 0]
    assert found.write_bytes.tolist() == [4 * 6, 4 * 24]
    assert np.isnan(found.reuse_bytes).all(), "operands come from outside"


def test_operands_are_as_wide_as_they_are_stored_and_integer_products_give_32_bit() -> None:
    assert kernels(gemm(2, 3, 5), storage="fp16").read_bytes.tolist() == [2 * 10]
    integer = kernels(gemm(2, 3, 5), precision="int8")
    assert (integer.read_bytes.tolist(), integer.write_bytes.tolist()) == ([10], [24])


def test_convolutions_and_vector_operators_by_hand() -> None:
    found = kernels(
        conv(2, 8, 4, 5, 3),
        conv(2, 8, 4, 5, 1),
        ("elementwise", "add", "elements=10 reads=2"),
        ("elementwise", "gelu", "elements=10"),
        ("norm", "ln", "rows=3 width=7"),
        ("softmax", "softmax", "rows=3 width=7"),
        ("gather", "emb", "elements=10"),
    )
    assert found.cls[:2].tolist() == [KernelClass.CONV, KernelClass.POINTWISE]
    assert found.macs[:2].tolist() == [2 * 8 * 4 * 25 * 9, 2 * 8 * 4 * 25]
    assert found.read_bytes.tolist() == [4 * x for x in (200, 200, 20, 10, 21, 21, 10)]
    assert found.weight_bytes.tolist() == [4 * x for x in (288, 32, 0, 0, 14, 0, 0)]
    assert found.write_bytes.tolist() == [4 * x for x in (400, 400, 10, 10, 21, 21, 10)]
    of_gelu = 10 * vector_cost.ELEMENTWISE["gelu"]
    assert found.vector_ops.tolist() == [0, 0, 10, of_gelu, 21 * 8, 21 * vector_cost.SOFTMAX, 0]


def test_equal_shapes_of_two_functions_are_two_operators() -> None:
    found = kernels(("elementwise", "relu", "elements=10"), ("elementwise", "tanh", "elements=10"))
    assert found.labels == ("relu", "tanh")
    assert found.vector_ops[0] < found.vector_ops[1]


def test_a_kind_without_a_rule_is_unknown_and_not_free() -> None:
    found = kernels(("scan", "cumsum", "steps=3 width=4"))
    assert found.cls.tolist() == [KernelClass.UNMODELLED]
    assert np.isnan(found.read_bytes).all()


def test_one_tile_more_than_multiprocessors_costs_a_whole_round() -> None:
    found = kernels(*(gemm(64 * 128, n, 8192) for n in (128, 256, 129)))
    one, two, spilt = SingleCalls("device").terms(found, Chips.of([chip()])).seconds[:, 0, MAC]
    assert two == pytest.approx(2 * one, rel=1e-3)
    assert one < spilt <= two


def test_a_long_sum_with_few_outputs_is_split_over_multiprocessors() -> None:
    found = kernels(gemm(128, 128, 65536))
    chips = Chips.of([chip()])
    alone = 2 * 128 * 128 * 65536 / (16e12 / 64 * call_constants().tile["vector"])
    assert SingleCalls("device").terms(found, chips).seconds[0, 0, MAC] < alone / 4


def test_winograd_shortens_large_3x3_convolutions_alone() -> None:
    three, five = seconds(kernels(conv(32, 256, 256, 56, 3), conv(32, 256, 256, 56, 5)))
    assert three * 25 / 9 < five, "fewer multiplications than taps"


def test_starts_depend_on_how_a_call_was_timed() -> None:
    small = kernels(("elementwise", "add", "elements=10 reads=2"))
    host, library, device = (seconds(small, timed)[0] for timed in TIMED)
    start = call_constants().start
    assert host == pytest.approx(start["host"]["elementwise"], rel=0.01)
    assert host > library > device


def test_few_watts_for_many_lanes_slow_fp32_products_and_never_bytes() -> None:
    found = kernels(gemm(4096, 4096, 4096), ("gather", "emb", "elements=100000000"))
    cool, hot = seconds(found), seconds(found, tdp_w=60)
    assert hot[0] > 1.5 * cool[0]
    assert hot[1] == pytest.approx(cool[1])


def test_matrix_units_that_a_note_tells_take_fp32_products() -> None:
    noted = chip(note="peak_fp32_tflops: 16 vector / 32.5 matrix")
    assert noted.main_engine.peak["fp32"].value == 32.5e12
    assert noted.main_engine.vector_peak["fp32"].value == 16e12
    assert chip(note="15 vector / 32.5 matrix").main_engine.peak["fp32"].value == 16e12, "another figure"


def test_unknown_multiprocessors_clock_and_node_leave_a_time() -> None:
    found = kernels(gemm(512, 512, 512), ("softmax", "softmax", "rows=64 width=512"))
    time = seconds(found, units=None, clock_mhz=None, process_nm=None, tdp_w=None)
    assert np.isfinite(time).all()


def test_constants_cover_every_group_and_are_shares() -> None:
    c = call_constants()
    for timed in TIMED:
        assert set(c.start[timed]) >= set(GROUPS)
        assert set(c.start_overlap[timed]) == set(GROUPS)
        for regime in REGIMES:
            assert c.low[timed][regime] < 1 < c.high[timed][regime]
    for shares in (c.bandwidth["hbm"], c.bandwidth["gddr"], c.convolution, c.scattered):
        assert all(0 < v <= 1 for v in shares.values())
    for unit, largest in (("vector", 128), ("matrix", 256)):
        assert c.tile[unit] < 1 + c.tile_loss[unit] / largest, "no tile beats the peak"


sizes = st.integers(1, 3000)


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, sizes, st.integers(1, 8), st.sampled_from(["fp32", "fp16"]))
def test_no_product_beats_its_roofline_and_better_chips_are_never_slower(
    m: int, n: int, depth: int, batch: int, precision: str
) -> None:
    found = kernels(gemm(m, n, depth, batch), precision=precision)
    (time,) = seconds(found)
    assert time >= naive_seconds(found, chip())["roofline_max"][0]
    assert seconds(found, mem_bw_gb_s=1600)[0] <= time * (1 + 1e-9)
    assert seconds(found, tdp_w=400)[0] <= time * (1 + 1e-9)
    longer = kernels(gemm(m, n, 2 * depth, batch), precision=precision)
    assert seconds(longer)[0] >= time * (1 - 1e-9)


def test_the_start_adds_at_most_itself() -> None:
    found = kernels(gemm(1024, 1024, 1024), ("elementwise", "add", "elements=100000 reads=2"))
    issue = SingleCalls("host").terms(found, Chips.of([chip()])).seconds[:, 0, ISSUE]
    start, again = call_constants().start["host"], call_constants().extra["host"]
    assert (issue > 0).all()
    assert (issue <= [1.001 * start["gemm"] + again, 1.001 * start["elementwise"]]).all()


def written(folder: Path, lines: list[str], **change: Any) -> Validation:
    header = "device,op,source,latency_ms,kernel_kind,b,m,n,k\n"
    (folder / "neusight_gemm.csv").write_text(header + "".join(f"{line}\n" for line in lines))
    pd.DataFrame([{**DEVICE, **change}], columns=COLUMNS).to_csv(folder / "devices.csv", index=False)
    return validate(folder, resolver=lambda *_: pytest.fail("no network is asked for"))


def test_from_a_file_to_scores(tmp_path: Path) -> None:
    lines = [
        f"zeta9,linear,dataset/test,{t},some,1,{m},512,512" for m, t in ((64, 0.06), (4096, 0.2), (8192, 0.4))
    ]
    result = written(tmp_path, [*lines, lines[0], "theta1,linear,dataset/test,0.1,some,1,64,64,64"])
    score, unknown = result.scores
    assert (score.dataset, score.device, score.mode) == ("neusight_gemm", "zeta9", "linear|test")
    assert (score.n, score.n_skipped, score.quantity, score.split) == (3, 1, "latency_ms", "held_out")
    assert score.fidelity == "calibrated"
    assert "NeuSight" in str(score.fitted_on)
    assert score.kendall_tau == pytest.approx(1.0)
    assert score.naive_mape_scaled is not None
    assert (unknown.device, unknown.n, unknown.n_skipped) == ("theta1", 0, 1)
    points = result.points
    errors = points["predicted"] / points["measured"] - 1
    assert score.mape == pytest.approx(errors.abs().mean())
    assert (points["low"] < points["predicted"]).all()
    assert (points["predicted"] < points["high"]).all()
    by_hand = seconds(kernels(gemm(64, 512, 512)), "host")[0]
    assert points["predicted"].iloc[0] == pytest.approx(1e3 * by_hand)


def test_other_engines_keep_the_constants_of_their_class(tmp_path: Path) -> None:
    (score,) = written(tmp_path, ["zeta9,bmm,dataset/train,1.0,some,8,64,64,64"], kind="cpu", units=8).scores
    assert (score.n, score.fidelity) == (1, "roofline")
    assert "i9-10940X" in str(score.fitted_on)


def test_a_figure_of_the_class_makes_calls_a_prior_of_its_range(tmp_path: Path) -> None:
    lines = ["zeta9,linear,dataset/test,0.2,some,1,4096,16,4096"]
    (tmp_path / "told").mkdir()
    (tmp_path / "guessed").mkdir()
    told = written(tmp_path / "told", lines)
    guessed = written(tmp_path / "guessed", lines, mem_bw_gb_s="", memory="16GB GDDR6")
    (sure,), (doubt,) = told.scores, guessed.scores
    assert (sure.fidelity, doubt.fidelity) == ("calibrated", "prior")
    assert doubt.width_90 > 1.2 * sure.width_90


def test_a_set_of_which_nothing_can_be_costed_is_all_reasons(tmp_path: Path) -> None:
    result = written(tmp_path, ["zeta9,bmm,dataset/train,1.0,some,8,64,64,64"], fp32_tflops=None)
    assert [(s.n, s.n_skipped) for s in result.scores] == [(0, 1)]
    assert (result.skipped["reason"] == "no fp32 peak of Zeta 9 is known").all()


def test_shapes_alone_are_costed_once() -> None:
    found = kernels(gemm(64, 64, 64), gemm(64, 64, 64), gemm(64, 64, 65))
    assert found.n_distinct == 2
    assert replace(found).n_networks == 2
