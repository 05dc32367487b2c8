"""Physics that must hold for any network on any chip, whatever the organisation of its array."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import Feasibility
from hw_models.cost.chips import Chips
from hw_models.cost.grid import DRAM_BYTES, evaluate
from hw_models.cost.models import cost_model
from hw_models.cost.sensitivity import wider
from hw_models.cost.tiled.kernels import Contractions
from hw_models.lowering import lower
from hw_models.spec.load import load_chip
from hw_models.workload.op import OpKind

MODEL, BOUND = cost_model("tiled"), cost_model("roofline_bound")
SYSTOLIC = ("weight_stationary", "output_stationary", "input_stationary")
SHIPPED = {
    "block": ("ethos_u55_32_deep_embedded", "ethos_u65_512_high_end", "ethos_u85_512_dram_mid"),
    "row_stationary": ("eyeriss_v1",),
    "decoupled_systolic": ("gemmini_16x16",),
}
"""Organisations that need more than an array and a memory: their shipped chips, scaled."""
KINDS = ("paper", "dot_product", "vector", *SYSTOLIC, *SHIPPED)
PRECISION = {"row_stationary": "int16"}
TRAVELS = (*SYSTOLIC, "decoupled_systolic")
"""Data travel through the array, which takes as many cycles to fill as it is wide."""
FIXED_SCRATCHPADS = ("row_stationary",)
"""Scratchpads stand in the file for all PEs together: twice the PEs leave each half of what a row needs."""
BLIND_TO = {"row_stationary": ("sram_capacity",)}
"""Eyeriss takes the mapping of least DRAM traffic, then of least energy (Chen et al., JSSC 52(1), 2017); more
scratchpad may bring one of fewer bytes that takes longer."""
small = st.integers(1, 24)
conv = st.tuples(
    st.just("conv"), small, small, st.integers(3, 16), st.sampled_from([1, 3]), st.integers(1, 2)
)
depthwise = st.tuples(st.just("depthwise"), small, st.integers(3, 16))
gemm = st.tuples(st.just("gemm"), small, small, small)
attention = st.tuples(st.just("attention"), st.integers(1, 3), st.integers(1, 20), st.integers(1, 8))
rows = st.tuples(st.sampled_from(["softmax", "norm"]), small, small)
networks = st.lists(st.one_of(conv, depthwise, gemm, attention, rows), min_size=1, max_size=3)
chips = st.fixed_dictionaries(
    {
        "rows": st.integers(1, 16),
        "cols": st.integers(1, 16),
        "clock": st.sampled_from([1e8, 1e9]),
        "bandwidth": st.sampled_from([1e8, 3e9, 1e11]),
        "sram": st.sampled_from([512, 4096, 2**16, 2**21]),
        "sram_bandwidth": st.sampled_from([1e9, 64e9, 1e12]),
        "vector": st.sampled_from([1e8, 16e9]),
    }
)
FEW = settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.differing_executors]
)
LEVERS = ("peak", "vector_peak", "dram_bandwidth", "sram_capacity", "sram_bandwidth", "clock")


def build(net: Any, ops: list[tuple[Any, ...]], name: str = "net") -> Any:
    """The network that a list of operators stands for."""
    made = net(name)
    for kind, *size in ops:
        match kind:
            case "conv":
                k, c, image, taps, stride = size
                made.conv(k, c, image, taps, stride=stride)
            case "depthwise":
                channels, image = size
                made.conv(channels, channels, image, 3, groups=channels)
            case "gemm" | "attention":
                getattr(made, kind)(*size)
            case _:
                made.rows(OpKind[kind.upper()], *size)
    return made.finish()


def lowered(*networks: Any, kind: str = "", precision: str = "") -> Any:
    return lower(networks, lowering="ideal", precision=precision or PRECISION.get(kind, "int8"))


def made(npu: Any, kind: str, figures: dict[str, float]) -> Any:
    """The made-up chip; where it does not fit an organisation, a shipped one, its figures moved as far."""
    if kind not in SHIPPED:
        return npu(kind, **figures)
    names, usual = SHIPPED[kind], npu()
    chip = load_chip(names[int(figures.get("rows", 0)) % len(names)])
    levers = {
        "clock": ("clock", usual.main_engine.clock.value),
        "bandwidth": ("dram_bandwidth", usual.dram.bandwidth.value),
        "sram": ("sram_capacity", usual.main_engine.memory[0].capacity.value),
        "sram_bandwidth": ("sram_bandwidth", usual.main_engine.memory[0].bandwidth.value),
        "vector": ("vector_peak", usual.main_engine.vector_peak["int8"].value),
    }
    chip = chip.scaled(**{lever: figures[n] / own for n, (lever, own) in levers.items() if n in figures})
    engine = chip.main_engine
    if engine.array is None or "rows" not in figures:
        return chip
    dims = (int(figures["rows"]), int(figures["cols"]))
    more = math.prod(dims) / math.prod(engine.array.dims)
    changed = {
        "array": engine.array.model_copy(update={"dims": dims}),
        "peak": {p: s.times(more) for p, s in engine.peak.items()},
    }
    engines = (engine.model_copy(update=changed), *chip.engines[1:])
    return chip.model_copy(update={"engines": engines})


def latency(kernels, *chips, model=MODEL):
    return evaluate(kernels, Chips.of(chips), model).quantities["latency"].value


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(ops=networks, figures=chips, data=st.data())
def test_more_of_anything_is_never_slower(net, npu, kind, ops, figures, data):
    chip = made(npu, kind, figures)
    factor = data.draw(st.sampled_from([1.05, 1.3, 2.0, 7.0]))
    lever = data.draw(st.sampled_from([x for x in LEVERS if x not in BLIND_TO.get(kind, ())]))
    slow, fast = latency(lowered(build(net, ops), kind=kind), chip, chip.scaled(**{lever: factor}))[0]
    assert np.isnan(slow) or fast <= slow * (1 + 1e-9), lever


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in (*TRAVELS, *FIXED_SCRATCHPADS)])
@FEW
@given(ops=networks, figures=chips)
def test_a_twice_as_large_array_is_never_slower(net, npu, kind, ops, figures):
    chip = made(npu, kind, figures)
    kernels = lowered(build(net, ops), kind=kind)
    both = latency(kernels, chip, wider(wider(chip, 0), 1))[0]
    assert np.isnan(both[0]) or both[1] <= both[0] * (1 + 1e-9)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(ops=networks, figures=chips)
def test_bounds_of_time_and_traffic(net, npu, kind, ops, figures):
    """No faster than the roofline; traffic at least compulsory; parts sum to the total; nothing negative."""
    kernels, chip = lowered(build(net, ops), kind=kind), made(npu, kind, figures)
    found = evaluate(kernels, Chips.of([chip]), MODEL)
    least = latency(kernels, chip, model=BOUND)[0, 0]
    value = found.quantities["latency"].value[0, 0]
    if found.feasibility[0, 0] != Feasibility.OK:
        assert np.isnan(value)
        return
    assert value >= least * (1 - 1e-9)
    moved = found.terms.actions[:, 0]
    assert (moved[:, DRAM_BYTES].sum(axis=1) >= kernels.weight_bytes * (1 - 1e-9)).all()
    assert (np.nan_to_num(moved) >= 0).all()
    assert (np.nan_to_num(found.terms.seconds) >= 0).all()
    assert moved[:, 0] == pytest.approx(kernels.macs)
    # no shipped chip of these states the energy of its external memory, so that of a network is unknown
    for name in ("latency",) if kind in SHIPPED else ("latency", "energy"):
        q = found.quantities[name]
        assert 0 < q.low[0, 0] <= q.value[0, 0] <= q.high[0, 0] < np.inf


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(first=networks, second=networks, figures=chips)
def test_networks_one_after_the_other_cost_their_sum(net, npu, kind, first, second, figures):
    """Also: a network costs the same alone and among others, to the bit."""
    one, two = build(net, first, "one"), build(net, second, "two")
    chip, both = made(npu, kind, figures), lowered(one, two, kind=kind)
    together = latency(both, chip)[:, 0]
    alone = [latency(lowered(n, kind=kind), chip)[0, 0] for n in (one, two)]
    assert together == pytest.approx(alone, rel=1e-12, nan_ok=True)
    assert latency(both, chip).tobytes() == together[:, None].tobytes()


def test_winograd_in_hardware_is_in_the_roofline_too(net):
    """2.25 times fewer MACs for 3x3 taps: 2 x 36 / 16 ops of the definition in one of the array."""
    kernels, chip = lowered(build(net, [("conv", 64, 64, 56, 3, 1)])), load_chip("nvdla_2048")
    took, least = latency(kernels, chip)[0, 0], latency(kernels, chip, model=BOUND)[0, 0]
    macs = 64 * 64 * 9 * 56**2
    assert least == pytest.approx(2 * macs / 2.25 / chip.main_engine.peak["int8"].value)
    assert took >= least


@pytest.mark.parametrize("kind", SYSTOLIC)
def test_sums_narrower_than_outputs_leave_the_search_exact(net, npu, kind):
    """An accumulator of 8 bits beside outputs of 16: more bandwidth once brought a mapping 58 % slower."""
    figures = {"rows": 8, "cols": 8, "sram": 5032, "bandwidth": 3e5, "clock": 5e7}
    engine = {"accumulator_bits": {"value": 8, "source": "s"}}
    dram = {"burst": {"value": 4096, "source": "s"}}
    chip = npu(kind, engine=engine, dram=dram, **figures)
    kernels = lowered(build(net, [("conv", 64, 16, 56, 1, 1)]), precision="fp16")
    slow, fast = latency(kernels, chip, chip.scaled(sram_bandwidth=8))[0]
    wide = npu(kind, dram=dram, engine={"accumulator_bits": {"value": 16, "source": "s"}}, **figures)
    assert fast <= slow
    assert slow == latency(kernels, wide)[0, 0]


@pytest.mark.parametrize("kind", [*SYSTOLIC, "dot_product", "vector"])
@pytest.mark.parametrize("precision", ["fp16", "w4a16"])
def test_a_format_of_the_same_width_changes_nothing(net, npu, kind, precision):
    """An array four times as fast at BF16 runs FP16 as one that has no BF16."""
    plain = npu(kind)
    peak = plain.main_engine.peak
    both = {**peak, "bf16": peak["fp16"].times(4.0)}
    more = plain.model_copy(update={"engines": (plain.main_engine.model_copy(update={"peak": both}),)})
    kernels = lowered(build(net, [("conv", 24, 20, 16, 3, 1), ("attention", 2, 20, 8)]), precision=precision)
    one, other = latency(kernels, plain, more)[0]
    assert one == other


HOSTILE = {
    "bandwidth of a byte a second": {"bandwidth": 1.0},
    "an array of one": {"rows": 1, "cols": 1},
    "a memory of a few bytes": {"sram": 3},
    "a clock of a hertz": {"clock": 1.0},
    "a huge array": {"rows": 4096, "cols": 4096},
    "hardly any vector unit": {"vector": 1e-3},
}


@pytest.mark.parametrize("figures", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("precision", ["int8", "bf16", "w4a16"])
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_chips_are_answered_with_a_number_or_a_code(net, npu, kind, precision, figures):
    ops = [("conv", 5, 3, 9, 3, 1), ("attention", 2, 7, 5), ("softmax", 3, 11), ("gemm", 1, 1, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate(
            lowered(build(net, ops), precision=precision), Chips.of([made(npu, kind, figures)]), MODEL
        )
    code, value = found.feasibility[0, 0], found.quantities["latency"].value[0, 0]
    if precision == "bf16":
        assert code == Feasibility.PRECISION
    assert (0 < value < np.inf) if code == Feasibility.OK else np.isnan(value)
    lacking = found.terms.feasibility[:, 0] == Feasibility.CAPACITY
    assert (found.terms.demand[lacking, 0] > found.terms.bound[lacking, 0]).all()


def test_a_network_without_contractions(net, npu):
    kernels = lowered(build(net, [("softmax", 3, 11)]))
    assert len(Contractions.of(kernels)) == 0
    assert np.isfinite(latency(kernels, npu())).all()
