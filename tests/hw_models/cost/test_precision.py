"""Compressed weights: bytes stored, MACs left out, and chips that refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import ACTIONS, Feasibility, KernelClass
from hw_models.cost.chips import Chips
from hw_models.cost.estimate import compare, estimate, estimate_many
from hw_models.cost.precision import Compressed, Compression
from hw_models.cost.roofline import Roofline
from hw_models.errors import InputError, NotCostableError
from hw_models.workload.op import Precision

S = {"source": "s"}
SPARSE = {"sparsity": [{"pattern": "2:4", "precision": "int8", "factor": {"value": 1.6, **S}}]}
CONV = {"cls": KernelClass.CONV, "macs": 1e9, "weight_bytes": 1e6, "read_bytes": 1e5, "write_bytes": 1e5}


def test_bytes_of_sparse_weights_by_hand():
    """2:4 of 8 bit: 2 x (8 + 2) of 32 bit; of 16 bit: 2 x (16 + 2) of 64; 1:16 of 8 bit: 8 + 4 of 128."""
    two_of_four = Compression("2:4")
    assert two_of_four.stored_share(Precision.INT8) == pytest.approx(20 / 32)
    assert two_of_four.stored_share(Precision.FP16) == pytest.approx(36 / 64)
    assert Compression("1:16").stored_share(Precision.INT8) == pytest.approx(12 / 128)


def test_bytes_of_grouped_scales_by_hand():
    """A 16-bit scale for 128 weights of 4 bit is 1/32 of them; a 4-bit zero point 1/128 more."""
    share = Compression.of(None, "per_group:128").stored_share(Precision.W4A16)
    assert share == pytest.approx(1 + 1 / 32)
    share = Compression.of(None, "asymmetric per_group:128").stored_share(Precision.W4A16)
    assert share == pytest.approx(1 + 1 / 32 + 1 / 128)
    assert Compression.of(None, "per_channel").stored_share(Precision.INT8) == 1.0


def test_nothing_asked_for_is_no_compression():
    assert Compression.of(None, None) is None
    assert Compression.of("2:4", "asymmetric per_group:128").label == "weights 2:4, asymmetric per_group:128"


def dims(kernels, channels):
    kernels.dims[:, 3] = channels
    return kernels


def test_terms_by_hand(kernels, toy):
    """1e9 MACs at 4 Top/s take 500 us, over 1.6; of 1.2 MB 0.375 MB of weights go; half of the MACs run."""
    k, chips = dims(kernels([CONV]), 64), Chips.of([toy(engine=SPARSE)])
    dense = Roofline().terms(k, chips)
    sparse = Compressed(Roofline(), Compression("2:4")).terms(k, chips)
    assert sparse.seconds[0, 0, 0] == pytest.approx(500e-6 / 1.6)
    assert sparse.seconds[0, 0, 2] == pytest.approx((1.2e6 - 0.375e6) / 32e9)
    counted = dict(zip(ACTIONS, sparse.actions[0, 0], strict=True))
    assert counted["mac"] == 0.5e9
    assert counted["dram_read"] == pytest.approx(1.1e6 - 0.375e6)
    assert counted["dram_write"] == 1e5
    assert dense.actions[0, 0, 0] == 1e9, "the dense terms are left alone"


@pytest.mark.parametrize(
    ("row", "channels"),
    [
        (CONV, 3),
        ({**CONV, "cls": KernelClass.DEPTHWISE}, 64),
        ({**CONV, "cls": KernelClass.ATTENTION}, 64),
        ({**CONV, "weight_bytes": 0.0}, 64),
    ],
    ids=["three channels", "depthwise", "attention", "no weights"],
)
def test_what_the_pattern_does_not_divide_stays_dense(kernels, toy, row, channels):
    k, chips = dims(kernels([row]), channels), Chips.of([toy(engine=SPARSE)])
    dense, sparse = Roofline().terms(k, chips), Compressed(Roofline(), Compression("2:4")).terms(k, chips)
    assert sparse.seconds == pytest.approx(dense.seconds, nan_ok=True)
    assert sparse.actions == pytest.approx(dense.actions, nan_ok=True)


@given(
    macs=st.floats(0, 1e12),
    weights=st.floats(0, 1e9),
    read=st.floats(0, 1e9),
    channels=st.integers(1, 64),
    pattern=st.sampled_from(["1:4", "2:4", "3:4", "1:2"]),
)
@settings(max_examples=50, deadline=None)
def test_less_to_do_is_never_slower_and_never_more(kernels, toy, macs, weights, read, channels, pattern):
    row = {"cls": KernelClass.GEMM, "macs": macs, "weight_bytes": weights, "read_bytes": read}
    formats = [{"pattern": pattern, "precision": "int8", "factor": {"value": 1.0, **S}}]
    k, chips = dims(kernels([row]), channels), Chips.of([toy(engine={"sparsity": formats})])
    dense, sparse = Roofline().terms(k, chips), Compressed(Roofline(), Compression(pattern)).terms(k, chips)
    rounding = 1 + 1e-12
    assert (np.nan_to_num(sparse.seconds) <= np.nan_to_num(dense.seconds) * rounding).all()
    assert (np.nan_to_num(sparse.actions) <= np.nan_to_num(dense.actions) * rounding).all()
    assert (np.nan_to_num(sparse.actions) >= 0).all()


def test_a_chip_without_the_format_cannot_run_it(kernels, toy):
    k, chips = dims(kernels([CONV]), 64), Chips.of([toy(), toy(engine=SPARSE)])
    found = Compressed(Roofline(), Compression("2:4")).terms(k, chips)
    assert found.feasibility.tolist() == [[Feasibility.PRECISION, Feasibility.OK]]
    assert np.isinf(found.seconds[0, 0]).all()


def test_an_estimate_with_sparse_weights_says_so_and_costs_less(conv_net, toy):
    chip = toy(engine=SPARSE)
    dense = estimate(conv_net, chip, precision="int8")
    sparse = estimate(conv_net, chip, precision="int8", sparsity="2:4")
    assert sparse.model == "roofline, weights 2:4"
    assert "accuracy that zeros in the weights cost" in sparse.not_modelled
    for name in ("latency", "energy", "peak_memory"):
        assert sparse.quantities[name].value < dense.quantities[name].value
    weights = 16 * 16 * 9 + 32 * 16 + 10 * 32
    saved = dense.peak_memory.value - sparse.peak_memory.value
    assert saved == pytest.approx(weights * 12 / 32)


def test_an_estimate_that_a_chip_refuses(conv_net, toy):
    with pytest.raises(
        NotCostableError, match="toy: 'npu' does not support 2:4 weights at int8; supported: none"
    ):
        estimate(conv_net, toy(), precision="int8", sparsity="2:4")
    with pytest.raises(InputError, match="'4:2' is no sparse pattern"):
        estimate(conv_net, toy(), sparsity="4:2")
    scheme = {"precision": "int8", "symmetric": True, "granularity": "per_channel", **S}
    chip = toy(engine={"quantisation": [scheme]})
    assert estimate(conv_net, chip, precision="int8", quantisation="per_tensor").latency.is_known
    with pytest.raises(
        NotCostableError, match="does not run int8 asymmetric per_tensor; legal there: symmetric"
    ):
        estimate(conv_net, chip, precision="int8", quantisation="asymmetric per_tensor")


def test_a_grid_keeps_the_chip_that_refuses_as_a_cell_that_cannot_run(conv_net, toy):
    grid = estimate_many([conv_net], [toy(), toy(engine=SPARSE)], precision="int8", sparsity="2:4")
    assert grid.feasibility.tolist() == [[Feasibility.PRECISION, Feasibility.OK]]
    assert np.isnan(grid.quantities["latency"].value[0, 0])
    one = estimate(conv_net, toy(engine=SPARSE), precision="int8", sparsity="2:4")
    assert grid.quantities["latency"].value[0, 1] == one.latency.value
    found = compare(conv_net, [toy(), toy(engine=SPARSE)], precision="int8", sparsity="2:4").to_frame()
    assert "does not support 2:4 weights" in found["note"][0]
