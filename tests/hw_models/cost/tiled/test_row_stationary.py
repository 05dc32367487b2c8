"""Row-stationary mappings and what they cost: published mappings, hand arithmetic, physics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled.problem import Problems
from hw_models.cost.tiled.registry import organisation
from hw_models.cost.tiled.row_mapping import (
    RowArray,
    RowLayer,
    RowMapping,
    best_mapping,
    cycles,
    foldable,
    run_length_share,
    traffic,
)
from hw_models.cost.tiled.row_stationary import RowStationary
from hw_models.spec.load import load_chip

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

EYERISS = RowArray(12, 14, inputs=12, weights=224, sums=24, buffer=98304, filters=8192, row_limit=128)


def layer(channels: int, filters: int, rows: int, taps: int, *, stride: int = 1, n: int = 1) -> RowLayer:
    """A square convolution that keeps its size, in one group."""
    return RowLayer(n, 1, channels, filters, rows, rows, taps, taps, stride, stride, float(rows * rows))


@pytest.mark.parametrize(
    ("given", "zeros", "active"),
    [
        (layer(3, 96, 55, 11, stride=4, n=4), 0.0, 154),
        (layer(48, 128, 27, 5, n=4), 0.387, 135),
        (layer(256, 384, 13, 3, n=4), 0.58, 156),
        (layer(64, 64, 224, 3, n=3), 0.477, 156),
        (layer(256, 256, 56, 3, n=3), 0.58, 156),
        (layer(512, 512, 28, 3, n=3), 0.58, 168),
        (layer(512, 512, 14, 3, n=3), 0.58, 168),
    ],
    ids=["alexnet1", "alexnet2", "alexnet3", "vgg1-2", "vgg3-2", "vgg4-2", "vgg5-1"],
)
def test_busy_pes_are_those_published(given: RowLayer, zeros: float, active: int) -> None:
    """Source: Chen et al., JSSC 52(1), 2017, Tables V and VI."""
    mapping = best_mapping(given, EYERISS, zeros)
    assert mapping is not None
    assert mapping.active == active


def test_a_first_layer_by_hand() -> None:
    """AlexNet's: 96 filters stay, 2 sets of 11 x 7 PEs, 8 strips; inputs and sums pass three times."""
    first = layer(3, 96, 55, 11, stride=4, n=4)
    first = replace(first, stored=227.0 * 227.0)
    mapping = best_mapping(first, EYERISS, 0.0)
    assert str(mapping) == "m=96 n=1 e=7 p=16 q=1 r=1 t=2, 154 PEs"
    assert mapping is not None
    moved = traffic(first, mapping)
    rows = 55 * 4 + 8 * (11 - 4)
    assert moved.weights == 96 * 3 * 121 * 4 * 8
    assert moved.inputs == pytest.approx(4 * 3 * rows * 227)
    assert moved.buffer == pytest.approx(2 * 3 * 4 * 96 * 55 * 55 + 3 * 4 * 3 * rows * 227)
    a_pass = 55 * 11 * 16 + 11 * 11 * 16
    assert cycles(first, mapping, 4.0) == 4 * 8 * 3 * 3 * a_pass


def test_sums_bound_a_pass_whose_pes_hold_little() -> None:
    """VGG-16's second: a PE with 8 filters takes 112 x 24 cycles, but 32 x 13 x 112 sums take 11648."""
    second = layer(64, 64, 224, 3)
    mapping = RowMapping(e=13, m=32, n=1, p=8, q=1, r=1, t=4, width=112, strips=1, pieces=2, active=156)
    ramp = 3 * 3 * 8
    assert cycles(replace(second, oy=13), mapping, 4.0) == (11648 + ramp) * 64 * 2 * 2
    assert cycles(replace(second, oy=13), mapping, 1e9) == (112 * 24 + ramp) * 64 * 2 * 2


@pytest.mark.parametrize(("zeros", "share"), [(0.0, 1.0), (0.25, 1.0), (0.5, 2 / 3), (1.0, 0.0)])
def test_run_length_code(zeros: float, share: float) -> None:
    assert run_length_share(zeros) == pytest.approx(share)


def test_large_kernels_are_folded_into_channels() -> None:
    folded = foldable(layer(3, 8, 14, 16, stride=16), EYERISS)
    assert (folded.ky, folded.kx, folded.c) == (8, 8, 12)
    assert folded.macs == layer(3, 8, 14, 16).macs


SHAPES = st.builds(
    layer,
    st.integers(1, 64),
    st.sampled_from([1, 6, 16, 24, 64, 96]),
    st.integers(1, 40),
    st.sampled_from([1, 2, 3, 5, 7]),
    stride=st.sampled_from([1, 2]),
    n=st.sampled_from([1, 2, 4]),
)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.floats(0.0, 0.9))
def test_physics_of_random_layers(shape: RowLayer, zeros: float) -> None:
    mapping = best_mapping(shape, EYERISS, zeros)
    assert mapping is not None
    moved = traffic(shape, mapping)
    assert mapping.active <= 168
    assert shape.macs / mapping.active <= cycles(shape, mapping, 4.0) * 1.0001
    assert cycles(shape, mapping, 4.0) >= cycles(shape, mapping, 8.0)
    assert moved.weights >= shape.g * shape.k * shape.c * shape.ky * shape.kx
    if shape.ky >= shape.stride_y:  # else rows between strips are not read
        assert moved.inputs >= shape.n * shape.c * shape.stored * 0.999
    assert moved.outputs == shape.outputs
    assert mapping.m % (mapping.p * mapping.t) == shape.k % mapping.m == 0


def test_terms_of_the_chip_and_what_it_lacks() -> None:
    chip, rows = load_chip("eyeriss_v1"), RowStationary()
    problems = Problems.of([[1, 1, 64, 32, 28, 28, 3, 3], [1, 1, 10, 512, 1, 1, 1, 1]], pad=1)
    found = rows.terms(problems, [chip])
    assert organisation("row_stationary").kind == rows.kind
    assert rows.missing(chip) == ()
    assert (found.feasibility == Feasibility.OK).all()
    assert found.actions[0, 0, ACTIONS.index("mac")] == problems.macs[0]
    busy = found.seconds[:, 0, [RESOURCES.index(r) for r in ("mac", "sram", "dram")]].max(axis=1)
    exposed = found.seconds[:, 0, RESOURCES.index("exposed")]
    assert np.isfinite(busy + exposed).all()
    assert (exposed >= 0).all()
    bare = chip.model_copy(
        update={"engines": (chip.main_engine.model_copy(update={"memory": ()}),), "memory": chip.memory}
    )
    assert len(rows.missing(bare)) == 3
    assert (rows.terms(problems, [bare]).feasibility == Feasibility.UNKNOWN).all()


def with_parameter(name: str, value: float) -> Accelerator:
    """Eyeriss with another figure in its dataflow."""
    chip = load_chip("eyeriss_v1")
    flow = chip.main_engine.dataflow
    assert flow is not None
    given = flow.parameters.get(name, flow.parameters["buffer_bytes"])
    figure = given.model_copy(update={"value": value, "low": None, "high": None})
    cut = flow.model_copy(update={"parameters": {**flow.parameters, name: figure}})
    return chip.model_copy(update={"engines": (chip.main_engine.model_copy(update={"dataflow": cut}),)})


@pytest.mark.parametrize(
    ("name", "demand"), [("buffer_bytes", (28 + 3 * 30) * 2), ("filter_bytes", 3 * 3 * 2)]
)
def test_a_memory_that_is_too_small_names_demand_and_bound(name: str, demand: float) -> None:
    problems = Problems.of([[1, 1, 8, 8, 28, 28, 3, 3]])
    terms = RowStationary().terms(problems, [with_parameter(name, 10.0)])
    assert terms.feasibility[0, 0] == Feasibility.CAPACITY
    assert (terms.demand[0, 0], terms.bound[0, 0]) == (demand, 10.0)
    assert np.isinf(terms.seconds[0, 0]).all()


def test_scratchpads_of_less_than_a_word_cannot_run() -> None:
    terms = RowStationary().terms(
        Problems.of([[1, 1, 8, 8, 28, 28, 3, 3]]), [with_parameter("word_bytes", 32.0)]
    )
    assert terms.feasibility[0, 0] == Feasibility.CAPACITY
    assert (terms.demand[0, 0], terms.bound[0, 0]) == (32.0, 24.0)


@pytest.mark.parametrize("peak", [0.25, 0.5, 1.0])
def test_more_bandwidth_is_never_slower_where_the_peak_lies_below_the_array(peak: float) -> None:
    from hw_models.cost.estimate import estimate
    from hw_models.spec.load import load_chip
    from search_spaces.vision.timm_models import timm_workload

    chip = load_chip("eyeriss_v1").scaled(peak=peak)
    network = timm_workload("resnet18", 64)
    seconds = [
        estimate(network, chip.scaled(dram_bandwidth=x), precision="int16", model="tiled").latency.value
        for x in (0.5, 1.0, 1.5, 4.0)
    ]
    assert all(s is not None for s in seconds)
    assert seconds == sorted(seconds, reverse=True)  # type: ignore[type-var]
