"""The coverage gate: what runs where, what a hand-over takes, what to do about the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from hw_models.cost.chips import Chips
from hw_models.cost.estimate import estimate
from hw_models.errors import NotCostableError
from hw_models.lowering import lower
from hw_models.lowering.coverage import coverage, measured_placements
from hw_models.lowering.placement import SWITCH, place, transfers
from hw_models.measured.devices import shipped_devices
from hw_models.measured.loaders import load
from hw_models.spec.accelerator import Accelerator

if TYPE_CHECKING:
    from hw_models.workload import Workload

Chip = Callable[..., Accelerator]


@pytest.fixture(scope="module")
def chip() -> Chip:
    """An NPU of some operators beside a CPU that it may fall back to, 10 GB/s between them."""

    def make(operators: tuple[str, ...] | None, fallback: str | None = "cpu", **npu: Any) -> Accelerator:
        s = {"source": "s"}
        engines = [
            {"name": "npu", "peak": {"int8": {"value": 4e12, **s}}, "operators": operators, **npu},
            {"name": "cpu", "peak": {"int8": {"value": 1e11, **s}, "fp32": {"value": 5e10, **s}}},
        ]
        engines[0]["fallback"] = fallback
        dram = {"name": "dram", "bandwidth": {"value": 10e9, **s}}
        return Accelerator.model_validate(
            {"name": "toy", "sources": {"s": "invented"}, "engines": engines, "memory": [dram]}
        )

    return make


@pytest.fixture
def block(net: Any) -> Workload:
    """Convolution, batch norm, ReLU; softmax over pixels; 1x1 convolution: 16 channels of 8 x 8."""
    x = net.pointwise("relu", net.bn(net.conv(net.input(1, 16, 8, 8), 16, taps=3)))
    return net.done(net.conv(net.softmax(x), 16))


def test_everything_on_the_main_engine(block: Workload, chip: Chip) -> None:
    found = coverage(block, chip(None))
    assert repr(found) == (
        "Coverage(net on toy, int8): 100.0% of MACs on npu, 0 operators on fallbacks, 0 unsupported"
    )
    assert found.runs
    assert found.transfer_s == 0.0
    assert found.lines == ("npu's file does not list its operators: all are taken to run on it",)


def test_a_fallback_and_its_hand_overs(block: Workload, chip: Chip) -> None:
    """Softmax goes to the CPU and back: two hand-overs of 1024 bytes, each written and read at 10 GB/s."""
    found = coverage(block, chip(("conv", "elementwise")))
    assert [(r.operator, r.engine, r.why) for r in found.on_fallback] == [
        ("softmax", "cpu", "npu does not list softmax")
    ]
    assert found.placement.switches == 2
    assert found.placement.crossing_bytes == 2 * 1024
    assert found.transfer_s == pytest.approx(2 * SWITCH + 2 * 2048 / 10e9)
    assert "2 hand-overs between engines, 0.00195 MiB: 0.6 ms" in found.lines


def test_hand_overs_of_kernels_are_those_of_operators(block: Workload, chip: Chip) -> None:
    """What enters latency is what the gate reports, where every operator is a kernel."""
    chips = [chip(None), chip(("conv", "elementwise")), chip(("conv", "elementwise"), None)]
    kernels = lower([block, block], lowering="folded", precision="int8")
    told = [coverage(block, c, "int8").transfer_s for c in chips]
    np.testing.assert_allclose(transfers(kernels, Chips.of(chips)), [told, told])


def test_unsupported_with_nearest_and_next_step(block: Workload, chip: Chip) -> None:
    found = coverage(block, chip(("conv", "elementwise"), None))
    assert not found.runs
    (row,) = found.unsupported
    assert (row.operator, row.function, row.count) == ("softmax", "softmax", 1)
    assert row.nearest == ("elementwise",)
    assert row.next_step == (
        "nearest that npu runs: elementwise (write it out, or end the network before it); or name an engine "
        "that runs softmax as fallback of npu in the chip's file"
    )
    assert str(found).splitlines()[1].startswith("  unsupported: 1 x softmax (softmax), npu does not list")


def test_a_norm_that_folds_needs_no_norms(block: Workload, chip: Chip) -> None:
    """It is part of the convolution before it."""
    placement = place(block, chip(("conv", "elementwise")), "int8")
    assert (placement.op_engine == 1).sum() == 1


def test_a_precision_that_the_engine_lacks(block: Workload, chip: Chip) -> None:
    """Contractions go where they have a peak; what needs none stays."""
    found = coverage(block, chip(None), "fp32")
    assert {(r.operator, r.engine) for r in found.rows if r.macs_share > 0} == {("conv", "cpu")}
    alone = coverage(block, chip(None, None), "fp32")
    assert [r.next_step for r in alone.unsupported] == [
        "cost it at a precision that npu has (int8), or add the fp32 peak"
    ]


def test_no_peak_at_all(block: Workload, chip: Chip) -> None:
    with pytest.raises(NotCostableError, match="no default precision"):
        coverage(block, chip(None, peak={}))


def test_shares_and_table(block: Workload, chip: Chip) -> None:
    """Shares sum to one; MACs of the 3x3 are nine times those of the 1x1."""
    frame = coverage(block, chip(("conv",))).to_frame()
    assert frame["macs_share"].sum() == pytest.approx(1.0)
    assert frame["bytes_share"].sum() == pytest.approx(1.0)
    assert list(frame.columns[:4]) == ["operator", "function", "count", "macs_share"]
    html = coverage(block, chip(("conv",)))._repr_html_()
    assert "on cpu" in html
    assert "<table" in html


def test_measured_placements_by_hand() -> None:
    frame = pd.DataFrame(
        {
            "network": ["a", "b", "c", "d"],
            "runtime": ["x"] * 4,
            "precision": ["int8"] * 4,
            "engine": ["npu", "npu", "cpu", "npu"],
            "layers": [10, 10, 20, None],
            "layers_npu": [10, 5, 0, None],
        }
    )
    (one,) = measured_placements(frame, "b")
    assert (one.networks, one.whole, one.elsewhere, one.share, one.same) == (3, 1, 1, 15 / 40, 0.5)
    assert str(one) == (
        "x, int8: of 3 networks 1 wholly on the NPU, 1 mostly elsewhere; this network: 50% of its layers"
    )


def test_the_gate_agrees_with_measured_placements() -> None:
    """Each row from the other networks of its device, runtime and precision: better than "always the NPU"."""
    frame = load(datasets=["qualcomm_aihub_latency"]).records["qualcomm_aihub_latency"].frame
    names = shipped_devices()
    key = {d: names.key("qualcomm_aihub_latency", "device", d) for d in frame["device"].unique()}
    frame = frame.assign(key=frame["device"].map(key), off=frame["engine"] != "npu")
    by = frame.groupby(["key", "runtime", "precision"])["off"]
    others = (by.transform("sum") - frame["off"]) / (by.transform("size") - 1).clip(lower=1)
    agree = ((others > 0.5) == frame["off"]).mean()
    always = (~frame["off"]).mean()
    assert always == pytest.approx(0.94, abs=0.01)
    assert agree > 0.98


def test_a_fallback_costs_its_own_time_and_the_hand_overs(block: Workload, chip: Chip) -> None:
    """Model `calibrated`: every kernel as its engine runs it, hand-overs beside them, the parts the whole."""
    how: dict[str, Any] = {"precision": "int8", "lowering": "folded", "model": "calibrated"}
    whole, split = (estimate(block, chip(ops), **how) for ops in (None, ("conv", "elementwise")))
    softmax = [i for i, label in enumerate(split.detail.kernels.labels) if "softmax" in label]
    others = [i for i in range(split.detail.kernels.n_distinct) if i not in softmax]
    np.testing.assert_array_equal(split.detail.seconds[others], whole.detail.seconds[others])
    assert (split.detail.seconds[softmax] != whole.detail.seconds[softmax]).any()
    handed = coverage(block, chip(("conv", "elementwise"))).transfer_s
    assert split.detail.start_s - whole.detail.start_s == pytest.approx(handed)
    summed = split.to_frame()["time_us"].sum() * 1e-6
    assert summed + split.detail.start_s == pytest.approx(split.latency.value)
    assert split.latency.value > whole.latency.value
