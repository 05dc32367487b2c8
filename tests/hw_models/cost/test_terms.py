"""Roofline terms and their combination, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility, KernelClass
from hw_models.cost.chips import Chips, default_precision
from hw_models.cost.combine import busy_seconds, kernel_seconds, shares
from hw_models.cost.grid import DRAM_BYTES
from hw_models.cost.roofline import Roofline, least_miss, smooth_miss
from hw_models.errors import NotCostableError
from hw_models.workload.op import Precision

MAC, VECTOR, DRAM, SRAM, LOCAL, NOC, EXPOSED, ISSUE = range(len(RESOURCES))


def terms(kernels, chip, row, **options):
    return Roofline(**options).terms(kernels([row]), Chips.of([chip]))


def test_seconds_by_hand(kernels, toy):
    row = {"cls": KernelClass.CONV, "macs": 2e9, "vector_ops": 64e6, "weight_bytes": 8e6, "read_bytes": 16e6}
    found = terms(kernels, toy(), row | {"write_bytes": 8e6})
    assert found.seconds[0, 0, MAC] == pytest.approx(2 * 2e9 / 4e12)
    assert found.seconds[0, 0, VECTOR] == pytest.approx(64e6 / 128e9)
    assert found.seconds[0, 0, DRAM] == pytest.approx(32e6 / 32e9)
    assert np.isnan(found.seconds[0, 0, SRAM]), "no bandwidth is known, so it is not modelled, not free"
    assert found.seconds[0, 0, ISSUE] == 0
    counted = dict(zip(ACTIONS, found.actions[0, 0].tolist(), strict=True))
    assert [counted[a] for a in ("mac", "vector_op")] == [2e9, 64e6]
    assert [counted[a] for a in ("dram_read", "dram_write", "sram_read", "sram_write")] == [24e6, 8e6] * 2
    assert all(np.isnan(counted[a]) for a in ("local_read", "local_write", "noc"))
    assert np.isnan(found.seconds[0, 0, [LOCAL, NOC]]).all(), "a roofline knows one memory on the chip"


def test_depthwise_runs_on_the_vector_unit_of_a_gpu_alone(kernels, toy):
    row = {"cls": KernelClass.DEPTHWISE, "macs": 64e6, "vector_math": Precision.FP32}
    gpu, npu = terms(kernels, toy(kind="gpu"), row), terms(kernels, toy(), row)
    assert gpu.seconds[0, 0, MAC] == 0
    assert gpu.seconds[0, 0, VECTOR] == pytest.approx(128e6 / 128e9)
    assert npu.seconds[0, 0, MAC] == pytest.approx(128e6 / 4e12)
    assert npu.seconds[0, 0, VECTOR] == 0


def test_missing_precision_is_infeasible_and_named(kernels, toy):
    found = terms(kernels, toy(), {"cls": KernelClass.CONV, "macs": 1e6, "math": Precision.FP8})
    assert found.feasibility[0, 0] == Feasibility.PRECISION
    assert found.demand[0, 0] == Precision.FP8
    assert np.isinf(found.seconds).all()


def test_unknown_bandwidth_is_unknown_not_free(kernels, toy):
    found = terms(
        kernels, toy(dram={"bandwidth": None}), {"cls": KernelClass.CONV, "macs": 1e6, "read_bytes": 1e6}
    )
    assert found.feasibility[0, 0] == Feasibility.UNKNOWN
    assert np.isnan(found.seconds[0, 0, DRAM])


def test_operator_without_fallback_is_infeasible(kernels, toy):
    narrow = toy(engine={"operators": ("conv", "gemm")})
    assert terms(kernels, narrow, {"cls": KernelClass.SOFTMAX}).feasibility[0, 0] == Feasibility.OPERATOR
    assert terms(kernels, narrow, {"cls": KernelClass.CONV, "macs": 1.0}).feasibility[0, 0] == Feasibility.OK


def test_weight_only_schemes_run_at_their_activations_peak(toy):
    peak = Chips.of([toy()]).mac_peak[0]
    assert peak[Precision.W8A16] == peak[Precision.W4A16] == 2e12
    assert np.isnan(peak[Precision.FP32])


def test_vector_rate_of_a_gpu_is_its_fp32_peak(toy):
    peak = {"fp32": {"value": 1e12, "source": "s"}, "fp16": {"value": 8e12, "source": "s"}}
    chips = Chips.of([toy(kind="gpu", engine={"vector_peak": {}, "peak": peak})])
    assert set(chips.vector_peak[0]) == {1e12}
    npu = Chips.of([toy(engine={"vector_peak": {}})])
    assert np.isnan(npu.vector_peak).all()
    filled = npu.with_priors(np.array([0.25]), np.array([1e6]))
    assert set(filled.vector_peak[0]) == {1e12}
    assert filled.vector_is_prior[0]
    assert not filled.sram_is_prior[0]


def test_edges_of_ranges(toy):
    chip = toy(dram={"bandwidth": {"value": 30e9, "low": 20e9, "high": 40e9, "source": "s"}})
    assert [Chips.of([chip], edge=e).dram_bandwidth[0] for e in ("low", "value", "high")] == [
        20e9,
        30e9,
        40e9,
    ]


def test_take_and_join_keep_every_field(toy):
    chips = Chips.of([toy(), toy(name="other", tdp=None)])
    both = chips.take([1, 0, 1]).followed_by(chips.take([0]))
    assert both.names == ("other", "toy", "other", "toy")
    assert np.isnan(both.tdp).tolist() == [True, False, True, False]
    assert len(both.accelerators) == both.mac_peak.shape[0] == 4


@pytest.mark.parametrize(
    ("precisions", "chosen"), [(("int8", "fp16"), "fp16"), (("int8", "fp32"), "int8"), (("fp32",), "fp32")]
)
def test_default_precision(toy, precisions, chosen):
    peak = {p: {"value": 1e12, "source": "s"} for p in precisions}
    assert default_precision(toy(engine={"peak": peak})) == chosen


def test_no_default_precision_says_what_there_is(toy):
    with pytest.raises(NotCostableError, match=r"peaks known: int4; name one with precision="):
        default_precision(toy(engine={"peak": {"int4": {"value": 1e12, "source": "s"}}}))


def test_flash_and_host_take_no_activations(kernels, toy):
    row = {"cls": KernelClass.CONV, "macs": 1e6, "weight_bytes": 1e6, "read_bytes": 2e6, "write_bytes": 4e6}
    for kind, inside, from_outside in (("dram", 7e6, 7e6), ("flash", 1e6, 1e6), ("host", 1e6, 7e6)):
        chip = toy(dram={"kind": kind, "name": kind})
        rows = [row | {"reuse_bytes": distance} for distance in (1e12, np.nan)]
        moved = [terms(kernels, chip, r).actions[0, 0, DRAM_BYTES].sum() for r in rows]
        assert moved == pytest.approx([inside, from_outside], rel=1e-6)


def test_cache_laws():
    distance, capacity = np.array([1e6, 2e6, 1e12, np.nan]), np.array([1e6, np.nan])
    assert least_miss(distance, capacity)[:, 0] == pytest.approx([0.0, 0.5, 1.0, 1.0], abs=1e-5)
    assert smooth_miss(distance, capacity)[0, 0] == pytest.approx(1 - 0.8 * 0.59**2 / (1 + 0.59**2))
    assert (smooth_miss(distance, capacity)[:, 1] == 1).all()
    sweep = np.geomspace(1, 1e9, 400)
    assert (smooth_miss(sweep, capacity[:1]) >= least_miss(sweep, capacity[:1])).all()


@pytest.mark.parametrize("overlap", [1.0, 2.5, 4.0, np.inf])
def test_combination_of_resources(overlap):
    seconds = np.array([[[3.0, 4.0, 1.0, np.nan, np.nan, 2.0, 0.25, 0.5]]])
    expected = 4.0 if np.isinf(overlap) else (3**overlap + 4**overlap + 1 + 2**overlap) ** (1 / overlap)
    assert busy_seconds(seconds, overlap)[0, 0] == pytest.approx(expected)
    assert kernel_seconds(seconds, overlap)[0, 0] == pytest.approx(expected + 0.75)
    parts = shares(seconds, overlap)[0, 0]
    assert parts.sum() == pytest.approx(expected + 0.75)
    assert parts[[SRAM, LOCAL]].tolist() == [0, 0]
    assert parts[[EXPOSED, ISSUE]].tolist() == [0.25, 0.5]
    assert parts[VECTOR] == parts.max()


def test_nothing_to_do_takes_no_time():
    assert shares(np.zeros((1, 1, len(RESOURCES))), 4.0).sum() == 0


def test_unknown_dram_time_makes_the_kernel_unknown():
    seconds = np.zeros((1, 1, len(RESOURCES)))
    seconds[..., DRAM] = np.nan
    assert np.isnan(kernel_seconds(seconds, 4.0)).all()
