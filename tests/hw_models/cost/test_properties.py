"""Physics that must hold for any kernels on any chip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import Feasibility, KernelClass
from hw_models.cost.chips import ENGINE_KINDS, Chips
from hw_models.cost.grid import DRAM_BYTES, Prepared, evaluate, latency_and_counts
from hw_models.cost.models import cost_model
from hw_models.cost.roofline import Roofline

MODEL, BOUND = cost_model("roofline"), cost_model("roofline_bound")
amount = st.floats(0, 1e10, allow_subnormal=False)
row = st.fixed_dictionaries(
    {
        "cls": st.sampled_from(
            [KernelClass.CONV, KernelClass.DEPTHWISE, KernelClass.GEMM, KernelClass.ELEMENTWISE]
        ),
        "vector_ops": amount,
        "weight_bytes": amount,
        "read_bytes": amount,
        "write_bytes": amount,
        "reuse_bytes": st.one_of(st.just(np.nan), st.floats(1, 1e10)),
        "macs": amount,
    }
)
rows = st.lists(row, min_size=1, max_size=6)
kinds = st.sampled_from(ENGINE_KINDS)
factors = st.floats(1.0, 16.0)
FEW = settings(max_examples=30, deadline=None)
LEVERS = ("peak", "vector_peak", "dram_bandwidth", "sram_capacity", "sram_bandwidth")


def latency(kernels, *chips, model=MODEL):
    return evaluate(kernels, Chips.of(chips), model)[0]["latency"].value


@FEW
@given(
    rows=rows,
    kind=kinds,
    lever=st.sampled_from(LEVERS),
    factor=factors,
    model=st.sampled_from([MODEL, BOUND]),
)
def test_more_of_anything_is_never_slower(kernels, toy, rows, kind, lever, factor, model):
    chip = toy(kind=kind, sram={"bandwidth": {"value": 1e11, "source": "s"}})
    slow, fast = latency(kernels(rows), chip, chip.scaled(**{lever: factor}), model=model)[0]
    assert fast <= slow * (1 + 1e-12)


@FEW
@given(rows=rows, kind=kinds)
def test_nothing_is_faster_than_its_roofline(kernels, toy, rows, kind):
    k, chip = kernels(rows), toy(kind=kind)
    assert latency(k, chip)[0, 0] >= latency(k, chip, model=BOUND)[0, 0] * (1 - 1e-12)


@FEW
@given(rows=rows)
def test_traffic_is_at_least_compulsory_and_at_most_all(kernels, toy, rows):
    k, chips = kernels(rows), Chips.of([toy(), toy(sram={"capacity": None})])
    moved = Roofline().terms(k, chips).actions[..., DRAM_BYTES].sum(axis=-1)
    assert (moved >= k.weight_bytes[:, None]).all()
    least = Roofline(tight=True).terms(k, chips).actions[:, 0, DRAM_BYTES].sum(axis=-1)
    assert (moved[:, 0] >= least * (1 - 1e-12)).all()
    assert moved[:, 1] == pytest.approx(k.outer_bytes)


@FEW
@given(rows=rows, kind=kinds, data=st.data())
def test_the_cost_of_networks_one_after_the_other_is_the_sum(kernels, toy, rows, kind, data):
    places = st.lists(st.integers(0, len(rows) - 1), max_size=8)
    first, second = data.draw(places), data.draw(places)
    value = latency(kernels(rows, [first, second, first + second]), toy(kind=kind))[:, 0]
    assert value[2] == pytest.approx(value[0] + value[1], rel=1e-12)


@FEW
@given(rows=rows, kind=kinds)
def test_energy_and_power_are_positive_and_inside_their_interval(kernels, toy, rows, kind):
    quantities, *_ = evaluate(kernels(rows), Chips.of([toy(kind=kind)]), MODEL)
    for name in ("latency", "energy", "power"):
        q = quantities[name]
        assert 0 <= q.low[0, 0] <= q.value[0, 0] * (1 + 1e-12)
        assert q.value[0, 0] <= q.high[0, 0] * (1 + 1e-12)


@FEW
@given(rows=rows, gap=st.sampled_from([{"engine": {"peak": {}}}, {"dram": {"bandwidth": None}}]))
def test_unknown_never_becomes_a_number(kernels, toy, rows, gap):
    quantities, feasibility, source, _ = evaluate(kernels(rows), Chips.of([toy(**gap)]), MODEL)
    assert feasibility[0, 0] == Feasibility.UNKNOWN
    assert source[0, 0] == ""
    for name in ("latency", "energy", "power", "area", "price"):
        assert np.isnan(quantities[name].value[0, 0])
        assert quantities[name].fidelity[0, 0] == -1


@FEW
@given(rows=rows)
def test_the_same_input_gives_the_same_bytes(kernels, toy, rows):
    k, chips = kernels(rows), Chips.of([toy(), toy(kind="gpu")])
    once, again = (evaluate(k, chips, MODEL)[0]["latency"].value for _ in range(2))
    assert once.tobytes() == again.tobytes()
    assert latency(k, toy())[0, 0] == once[0, 0]


def test_chunks_of_kernels_do_not_change_the_sum(kernels, toy, monkeypatch):
    rows = [{"cls": KernelClass.CONV, "macs": 1e6 * i, "read_bytes": 1e5 * i} for i in range(1, 40)]
    k, chips = kernels(rows, [list(range(39)), [3, 3, 38]]), Chips.of([toy(), toy(kind="cpu")])
    seconds, counts, worst, *_ = latency_and_counts(k, Prepared.of(chips, MODEL, "compiled"), 2)
    monkeypatch.setattr("hw_models.cost.grid.CHUNK_CELLS", 10)
    again, recounted, same, *_ = latency_and_counts(k, Prepared.of(chips, MODEL, "compiled"), 2)
    assert again.tobytes() == seconds.tobytes()
    assert same.tolist() == worst.tolist()
    for field in ("mac_ops", "fed_mac_ops", "vector_ops", "moved"):
        assert getattr(recounted, field).tobytes() == getattr(counts, field).tobytes()


def test_a_network_costs_the_same_whatever_else_is_costed(kernels, toy):
    rows = [{"cls": KernelClass.CONV, "macs": 1e6 / i, "read_bytes": 1e5 / i} for i in range(1, 40)]
    orders = [list(range(39)), [*range(38, -1, -1), 7, 7], [3, 11, 3, 38, 20]]
    chips = Chips.of([toy(), toy(kind="cpu"), toy(kind="gpu")])
    together = evaluate(kernels(rows, orders), chips, MODEL).quantities
    for w, order in enumerate(orders):
        own = list(dict.fromkeys(order))
        network = kernels([rows[i] for i in own], [[own.index(i) for i in order]])
        for name, alone in evaluate(network, chips, MODEL).quantities.items():
            for field in ("value", "low", "high"):
                assert getattr(together[name], field)[w].tobytes() == getattr(alone, field)[0].tobytes(), name


def test_counts_leave_the_order_of_kernels_alone(kernels):
    k = kernels([{"cls": KernelClass.CONV}] * 3, [[2, 0, 2, 1]])
    assert k.counts.toarray().tolist() == [[1, 1, 2]]
    assert k.index.tolist() == [2, 0, 2, 1]
