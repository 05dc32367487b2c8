"""Kernels of GPU libraries: tiles, power, algorithms and passes, each against hand arithmetic or a law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from hw_models.cost.chips import Chips
from hw_models.cost.roofline import DRAM, MAC, SRAM
from hw_models.measured.devices import accelerator_from_row
from hw_models.measured.operators import operators
from hw_models.validation.calls.constants import by_class, by_function, call_constants
from hw_models.validation.calls.gpu import AMD, Gpu, warmed
from hw_models.validation.single_calls import REGIMES, SingleCalls, call_interval, call_regime
from hw_models.validation.single_kernels import single_kernels

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, Kernels

ROW: dict[str, Any] = {
    "key": "zeta9",
    "device": "Zeta 9",
    "vendor": "NVIDIA",
    "kind": "gpu",
    "process_nm": 7,
    "fp32_tflops": 16.384,
    "fp16_tflops": 131.072,
    "int8_tops": 262.144,
    "memory": "16GB HBM2",
    "mem_bw_gb_s": 800,
    "external_dram": "yes",
    "l2_or_sram_mb": 8,
    "units": 64,
    "clock_mhz": 2000,
    "tdp_w": 400,
}


def gpu(**change: Any) -> Gpu:
    return Gpu.of(Chips.of([accelerator_from_row({**ROW, **change})]), 0)


def kernels(operator: str, function: str, shape: str, precision: str = "fp32") -> Kernels:
    frame = pd.DataFrame([(operator, function, shape)], columns=["operator", "function", "shape"]).astype(
        "str"
    )
    return single_kernels(operators(frame), precision)


def seconds(found: Kernels, timed: str = "host", **change: Any) -> FloatArray:
    chips = Chips.of([accelerator_from_row({**ROW, **change})])
    of_each: FloatArray = SingleCalls(timed).terms(found, chips).seconds[0, 0]
    return of_each


@pytest.mark.parametrize(("node", "library"), [(16, "maxwell"), (12, "volta"), (8, "ampere"), (4, "ampere")])
def test_kernels_are_those_of_the_generation_that_a_node_tells(node: int, library: str) -> None:
    assert gpu(process_nm=node).library == library
    assert gpu(process_nm=node, vendor="AMD").library == AMD


def test_stacked_memory_counts_as_such_from_the_generation_that_sustains_it() -> None:
    assert gpu().memory == "hbm"
    assert gpu(memory="24GB GDDR6").memory == "gddr"
    assert gpu(process_nm=16).memory == "gddr", "P100 reaches the share of GDDR boards"


def test_int8_products_run_on_lanes_and_convolutions_on_matrix_units() -> None:
    product = kernels("gemm", "gemm_nn", "batch=1 m=64 k=64 c=64", "int8")
    shape = "n=1 g=1 k=8 c=8 oy=8 ox=8 fy=3 fx=3 stride_y=1 stride_x=1 pad_y=1 pad_x=1 in_y=8 in_x=8"
    conv = kernels("conv", "conv", shape, "int8")
    assert gpu().rate(product).tolist() == [4 * 16.384e12]
    assert gpu().rate(conv).tolist() == [262.144e12]
    assert gpu().on_matrix_units(product).tolist() == [False]
    assert gpu().on_matrix_units(conv).tolist() == [True]


def test_power_of_all_lanes_by_hand() -> None:
    found = gpu(tdp_w=100)
    rate = np.array([16.384e12])
    energy = {"vector": 3e-12, "matrix": 3e-13, "integer": 1e-12}
    watts = 8.192e12 * 3e-12 * 7
    assert found.cap(rate, np.array([False]), energy) == pytest.approx([100 / watts])
    assert gpu(tdp_w=None).cap(rate, np.array([False]), energy).tolist() == [1.0]
    assert gpu(process_nm=None).cap(rate, np.array([False]), energy).tolist() == [1.0]


def test_a_board_heats_from_the_rated_clock_to_what_its_power_sustains() -> None:
    cap = np.full(3, 0.5)
    slowed = warmed(np.array([1e-6, 1e-3, 10.0]), cap, 1e-3) / np.array([1e-6, 1e-3, 10.0])
    assert slowed == pytest.approx([1.0, 1 / 0.75, 2.0], rel=1e-3)
    times = np.geomspace(1e-6, 1, 50)
    assert (np.diff(warmed(times, np.full(50, 0.5), 1e-3)) > 0).all(), "more work never ends sooner"


def test_one_batched_product_takes_whole_rounds_of_whole_tiles_by_hand() -> None:
    c = call_constants()
    found = kernels("gemm", "bmm", "batch=65 m=100 k=100 c=4096")
    inner = 4096 + c.fill["vector"]
    share = c.tile["vector"] / (1 + c.tile_loss["vector"] * 2 / 128)
    expected = 2 * 2 * 128 * 128 * inner / (16.384e12 / 64 * share)
    assert seconds(found)[MAC] == pytest.approx(expected), "65 tiles of 128 x 128 on 64 multiprocessors"


def test_rows_far_apart_cost_more_of_the_memory_than_near_ones() -> None:
    shape = "batch=1 m=8192 k=8192 c=65536"
    far = seconds(kernels("gemm", "linear", shape), process_nm=16)
    near = seconds(kernels("gemm", "gemm_nn", shape), process_nm=16)
    assert far[DRAM] > 2 * near[DRAM]


def test_operands_that_fit_the_cache_come_once() -> None:
    shape = "batch=1 m=512 k=512 c=512"
    far, near = (seconds(kernels("gemm", f, shape))[DRAM] for f in ("linear", "gemm_nn"))
    assert far == pytest.approx(near)


def test_long_rows_of_a_softmax_pass_more_than_once() -> None:
    short, long = (
        seconds(kernels("softmax", "softmax", f"rows={2**24 // width} width={width}"), process_nm=12)[SRAM]
        for width in (1024, 2048)
    )
    assert long == pytest.approx(call_constants().passes["softmax"] * short)


def test_what_the_last_operator_wrote_is_still_there_inside_a_model_alone() -> None:
    found = kernels("elementwise", "add", "elements=100000 reads=2")
    inside, alone = (seconds(found, timed)[DRAM] for timed in ("device", "host"))
    assert inside == pytest.approx((1 - call_constants().resident) * alone)


def test_figures_of_a_function_go_before_those_of_its_group() -> None:
    of_class = by_class({"elementwise": 1.0}, np.nan)
    found = by_function({"relu": 2.0}, ("add", "relu"), np.array([1.0, 1.0]))
    assert found.tolist() == [1.0, 2.0]
    assert np.isfinite(of_class).sum() == 2, "elementwise and copies"


def test_the_regime_is_the_kind_of_call_and_what_takes_most_of_it() -> None:
    product = kernels("gemm", "bmm", "batch=64 m=4096 k=4096 c=4096")
    stream = kernels("elementwise", "add", "elements=100000000 reads=2")
    tiny = kernels("gemm", "bmm", "batch=2 m=8 k=8 c=8")
    names = [REGIMES[int(call_regime(seconds(k)[None], k.cls)[0])] for k in (product, stream, tiny)]
    assert names == ["product_compute", "stream_memory", "product_start"]
    low, high = call_interval(seconds(product)[None], product.cls, call_constants(), "host")
    assert (low[0], high[0]) == (
        call_constants().low["host"]["product_compute"],
        call_constants().high["host"]["product_compute"],
    )
