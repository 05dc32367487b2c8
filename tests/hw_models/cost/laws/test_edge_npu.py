"""The law of small NPUs: blocks of channels by hand, shares of public rates, physics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_models.cost.arrays import KernelClass
from hw_models.cost.chips import Chips
from hw_models.cost.laws import edge_npu
from hw_models.cost.laws.catalogue import law as found_law
from hw_models.cost.roofline import DRAM, ISSUE, MAC, SRAM, VECTOR, Roofline
from hw_models.errors import InputError
from hw_models.lowering import lower


def applied(found, *chips):
    arrays = Chips.of(chips)
    return edge_npu.law("ideal").apply(Roofline().terms(found, arrays).seconds, found, arrays)


def test_channels_come_in_whole_blocks(kernels) -> None:
    rows = [{"cls": KernelClass.CONV}] * 3 + [{"cls": KernelClass.GEMM}]
    dims = [(1, 1, 64, 32, 8, 8, 3, 3), (1, 1, 48, 40, 8, 8, 1, 1), (1, 1, 32, 3, 8, 8, 3, 3)]
    found = replace(kernels(rows, lowering="ideal"), dims=np.array([*dims, (1, 1, 5, 5, 1, 1, 1, 1)]))
    # 48 of 64 outputs and 40 of 64 inputs; 3 channels and 3 taps of a row side by side in 32
    expected = [1.0, 64 / 48 * 64 / 40, 32 / 3 / 3, 1.0]
    assert edge_npu.padding(found, 32.0) == pytest.approx(np.array(expected))


def test_rates_are_shares_of_the_public_ones(kernels, toy) -> None:
    rows = [
        {"cls": KernelClass.DEPTHWISE, "macs": 1e6, "vector_ops": 2e3},
        {"cls": KernelClass.GEMM, "macs": 1e6, "weight_bytes": 1e6, "read_bytes": 1e3, "write_bytes": 1e3},
    ]
    c = edge_npu.law("ideal").constants
    seconds = applied(kernels(rows, lowering="ideal"), toy())[:, 0]
    assert seconds[0, MAC] == pytest.approx(2e6 / 4e12 / c.depthwise)
    assert seconds[1, MAC] == pytest.approx(2e6 / 4e12 / c.gemm)
    assert seconds[0, VECTOR] == pytest.approx(2e3 / (2e12 * c.vector))
    assert seconds[1, DRAM] == pytest.approx((1e6 + c.maps * 2e3) / (32e9 * c.bandwidth))
    assert seconds[1, SRAM] == pytest.approx(1.002e6 / (2e12 * c.port))
    assert (seconds[:, ISSUE] == c.issue).all()


def test_more_peak_or_bandwidth_is_never_slower(conv_net, toy) -> None:
    found = lower([conv_net], lowering="ideal", precision="int8")
    chip = toy()
    seconds = applied(found, chip, chip.scaled(peak=2.0), chip.scaled(dram_bandwidth=2.0))
    assert (seconds[:, 1:] <= seconds[:, :1] * (1 + 1e-12)).all()


def test_it_is_the_law_of_three_runtimes(toy) -> None:
    for runtime in ("rknn", "hobot_dnn", "tidl"):
        law = found_law("npu", "ideal", runtime)
        assert isinstance(law, edge_npu.EdgeNpuLaw)
        low, high = law.interval(Chips.of([toy()]))[:, 0]
        assert low < 1 < high
    assert found_law("npu", "ideal", "rknn", "device:rk1808") != found_law("npu", "ideal", "rknn")
    with pytest.raises(InputError, match="no law of small NPUs for lowering 'quick'"):
        edge_npu.law("quick")
