"""Adder trees with a convolution buffer: cycles and traffic by hand, physics, what cannot run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled.dot_product import DotProduct, Machine, layer_counts
from hw_models.cost.tiled.problem import Problems
from hw_models.spec.accelerator import Accelerator
from hw_models.spec.load import load_chip

KIB = 1024


def chip(
    *, macs: float = 2048, buffer: float = 512 * KIB, bandwidth: float = 10.24e9, **parameters: float
) -> Accelerator:
    def figure(value: float) -> dict[str, Any]:
        return {"value": value, "source": "inv"}

    flow = {"kind": "dot_product", "parameters": {k: figure(v) for k, v in parameters.items()}}
    engine = {
        "name": "npu",
        "clock": figure(1e9),
        "macs": {"int8": figure(macs)},
        "peak": {"int8": figure(2e9 * macs)},
        "memory": [{"name": "cbuf", "kind": "sram", "capacity": figure(buffer)}],
        "dataflow": {**flow, "source": "inv"},
    }
    return Accelerator.model_validate(
        {
            "name": "toy",
            "sources": {"inv": "invented"},
            "engines": [engine],
            "memory": [{"name": "dram", "bandwidth": figure(bandwidth)}],
        }
    )


def conv(c: int, k: int, size: int, taps: int, *, stride: int = 1, pad: int = 0) -> Problems:
    out = (size + 2 * pad - taps) // stride + 1
    return Problems.of([[1, 1, k, c, out, out, taps, taps]], stride=stride, in_size=size, pad=pad)


def seconds(problems: Problems, machine: Accelerator, resource: str) -> float:
    return float(DotProduct().terms(problems, [machine]).seconds[0, 0, RESOURCES.index(resource)])


def test_a_layer_by_hand() -> None:
    # 64 x 56 x 56 x 256 MACs over 2048; 196 KiB in, 784 out, 16 of weights: 996 KiB at 10 KiB a 1000 cycles
    layer = conv(64, 256, 56, 1)
    assert seconds(layer, chip(), "mac") == pytest.approx(25_088e-9)
    assert seconds(layer, chip(), "dram") == pytest.approx(99_600e-9)


def test_a_faster_clock_never_waits_longer_for_memory() -> None:
    # 16 + 16 + 16 x 16 byte are no whole number of cycles: bytes over bandwidth, whatever the clock
    layer, slow = conv(16, 16, 1, 1), chip()
    assert seconds(layer, slow.scaled(clock=1.05), "dram") == seconds(layer, slow, "dram")


def test_winograd_is_2_25_times_faster_and_stores_16_for_9() -> None:
    layer = conv(256, 256, 14, 3, pad=1)
    plain, fast = (layer_counts(layer, Machine.of(chip(winograd=w))) for w in (1e-9, 1.0))
    none = layer_counts(layer, Machine.of(chip()))
    assert plain.mac_cycles[0] == fast.mac_cycles[0] == none.mac_cycles[0] / 2.25
    assert fast.stored.weights[0] == none.stored.weights[0] * 16 / 9
    strided = conv(256, 256, 14, 3, stride=2, pad=1)
    assert layer_counts(strided, Machine.of(chip(winograd=1.0))).mac_cycles == pytest.approx(
        layer_counts(strided, Machine.of(chip())).mac_cycles
    )


def test_channels_and_filters_are_padded_to_their_granules() -> None:
    counts = layer_counts(conv(24, 20, 7, 1), Machine.of(chip(channel_granule=16, kernel_granule=16)))
    assert counts.mac_cycles[0] == 49 * 32 * 32 / 2048
    assert counts.executed[0] == 49 * 24 * 20


def test_a_folded_stride_becomes_channels() -> None:
    # the first layer of ResNet-50: 3 x 4 channels become 16, 7 x 7 taps become 4 x 4
    machine = Machine.of(chip(stride_folded=1.0))
    counts = layer_counts(conv(3, 64, 224, 7, stride=2, pad=3), machine)
    assert counts.mac_cycles[0] == 16 * 112 * 112 * 64 * 49 / 4 / 2048
    assert counts.stored.weights[0] == 16 * 16 * 64


@pytest.mark.parametrize(
    ("parameters", "input_passes", "weight_passes"),
    [
        ({"operand_share": 1.0, "weights_once": 1.0}, 2, 1),
        ({"operand_share": 0.5}, 2, 1),
        ({"operand_share": 1.0}, 1, 2),
    ],
    ids=["sheet", "halves", "whole"],
)
def test_what_fits_beside_nothing_is_read_again(
    parameters: dict[str, float], input_passes: int, weight_passes: int
) -> None:
    # 784 KiB of input and 512 of weights in a buffer of 512
    layer = conv(256, 2048, 56, 1, stride=2)
    counts = layer_counts(layer, Machine.of(chip(**parameters)))
    assert (counts.input_passes[0], counts.weight_passes[0]) == (input_passes, weight_passes)
    again = 784 * (input_passes - 1) + 512 * (weight_passes - 1)
    assert counts.outer_bytes[0] == (784 + 512 + 28 * 28 * 2 + again) * KIB


def test_actions_by_hand() -> None:
    machine = load_chip("nvdla_2048")
    found = DotProduct().terms(conv(64, 256, 56, 1), [machine]).actions[0, 0]
    by_name = dict(zip(ACTIONS, found.tolist(), strict=True))
    macs = 64 * 256 * 56 * 56
    assert by_name["mac"] == macs
    assert by_name["dram_read"] == by_name["sram_write"] == (196 + 16) * KIB
    assert by_name["dram_write"] == 784 * KIB
    assert by_name["sram_read"] == macs / 32 + macs / 16
    assert by_name["local_read"] == by_name["local_write"] == macs / 64 * 4
    assert np.isnan(by_name["vector_op"])
    assert np.isnan(by_name["noc"])


def test_what_cannot_run_is_a_code_with_its_figures() -> None:
    layers = conv(64, 64, 28, 3, pad=1)
    small = DotProduct().terms(layers, [chip(buffer=1024)])
    assert small.feasibility[0, 0] == Feasibility.CAPACITY
    assert (small.demand[0, 0], small.bound[0, 0]) == (9 * 16 + 9 * 16 * 16, 1024)
    assert np.isinf(small.seconds[0, 0]).all()
    wide = Problems.of(layers.dims, bits=(16.0, 16.0, 16.0))
    assert DotProduct().terms(wide, [chip()]).feasibility[0, 0] == Feasibility.PRECISION


def test_a_chip_that_leaves_figures_open_is_told_by_their_paths() -> None:
    bare = chip()
    engine = bare.main_engine.model_copy(update={"clock": None, "macs": {}, "memory": ()})
    dram = bare.memory[0].model_copy(update={"bandwidth": None})
    open_chip = bare.model_copy(update={"engines": (engine,), "memory": (dram,)})
    assert DotProduct().missing(open_chip) == (
        "engines.npu.macs",
        "engines.npu.clock",
        "engines.npu.memory",
        "memory.dram.bandwidth",
    )
    assert DotProduct().terms(conv(8, 8, 8, 1), [open_chip]).feasibility[0, 0] == Feasibility.UNKNOWN


LAYERS = st.builds(
    lambda c, k, out, taps, stride: Problems.of(
        [[1, 1, k, c, out, out, taps, taps]], stride=stride, in_size=(out - 1) * stride + taps
    ),
    st.integers(1, 600),
    st.integers(1, 600),
    st.integers(1, 40),
    st.sampled_from([1, 3, 5, 7]),
    st.integers(1, 2),
)


@given(layer=LAYERS, share=st.sampled_from([0.5, 1.0]), folded=st.booleans(), factor=st.floats(1.0, 8.0))
def test_physics(layer: Problems, share: float, folded: bool, factor: float) -> None:
    par = {"operand_share": share, "stride_folded": 1.0 if folded else 1e-9}
    here, larger = (
        layer_counts(layer, Machine.of(chip(buffer=size, **par)))
        for size in (64.0 * KIB, 64.0 * KIB * factor)
    )
    compulsory = layer.input_elements + layer.output_elements + layer.weight_elements
    assert here.outer_bytes >= compulsory
    assert larger.outer_bytes <= here.outer_bytes
    assert here.mac_cycles >= layer.macs / 2048 * (1 - 1e-12)
    assert seconds(layer, chip(bandwidth=10e9 * factor), "dram") <= seconds(
        layer, chip(bandwidth=10e9), "dram"
    )
    assert seconds(layer, chip(macs=2048 * factor), "mac") <= seconds(layer, chip(), "mac")
