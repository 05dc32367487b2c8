"""The search finds what a walk through every mapping finds, and its winners survive a plain recount."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import RESOURCES
from hw_models.cost.tiled.nest.count import Mappings, count
from hw_models.cost.tiled.nest.machine import machine
from hw_models.cost.tiled.nest.organisations import (
    InputStationary,
    OutputStationary,
    Vector,
    WeightStationary,
)
from hw_models.cost.tiled.nest.price import price
from hw_models.cost.tiled.nest.solve import Effort, Forests, solve
from hw_models.cost.tiled.problem import Problems

sys.path.insert(0, str(Path(__file__).parent))
from brute import best_of_all

NESTS = (WeightStationary(), OutputStationary(), InputStationary(), Vector())
LOCAL = [{"capacity": 96.0, "bandwidth": 40e9}]
R = {name: i for i, name in enumerate(RESOURCES)}


def latency(terms: Any) -> Any:
    """(D, C) of perfect overlap."""
    s = terms.seconds
    hidden = np.fmax.reduce(s[..., [R["mac"], R["dram"], R["sram"], R["local"]]], axis=-1)
    return hidden + s[..., R["exposed"]]


CASES = {
    "conv": Problems.of([[1, 1, 6, 5, 4, 4, 3, 3]], pad=1, in_size=(4, 4)),
    "strided": Problems.of([[2, 1, 4, 3, 3, 3, 3, 1]], stride=2),
    "dilated": Problems.of([[1, 1, 3, 4, 1, 7, 1, 3]], dilation=2),
    "depthwise": Problems.of([[1, 9, 1, 1, 5, 5, 3, 3]], pad=1, in_size=(5, 5)),
    "gemm": Problems.gemm(13, 10, 12),
    "gemv": Problems.gemm(1, 37, 41),
    "batched": Problems.gemm(7, 5, 6, batch=4),
}


@pytest.mark.parametrize("nest", NESTS, ids=lambda n: n.kind)
@pytest.mark.parametrize("case", CASES)
def test_equals_the_walk_through_every_mapping(case: str, nest: Any, chip: Callable[..., Any]) -> None:
    toy = chip(4, 4, sram={"capacity": 300.0}, local=LOCAL if case in {"gemm", "gemv", "dilated"} else None)
    found = nest.terms(CASES[case], [toy])
    assert found.gap[0, 0] == 0.0
    assert latency(found)[0, 0] == pytest.approx(best_of_all(CASES[case], toy, nest), rel=1e-12)


def test_two_arrays_and_bursts_equal_the_walk(chip: Callable[..., Any]) -> None:
    toy = chip(2, 4, count=2, sram={"capacity": 400.0}, dram={"burst": 8.0})
    problems = Problems.gemm(9, 11, 6, batch=2)
    found = WeightStationary().terms(problems, [toy])
    assert latency(found)[0, 0] == pytest.approx(best_of_all(problems, toy, WeightStationary()), rel=1e-12)


extents = st.tuples(*(st.integers(1, top) for top in (2, 3, 20, 20, 8, 8, 3, 3)))


@settings(deadline=None, max_examples=60)
@given(
    dims=extents,
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    kind=st.integers(0, 3),
    sram=st.integers(40, 4000),
    local=st.sampled_from([None, 40.0, 300.0]),
    burst=st.sampled_from([None, 16.0]),
    doubled=st.booleans(),
)
def test_numpy_and_numba_give_the_same_bits(  # noqa: PLR0917
    dims: tuple[int, ...],
    stride: int,
    dilation: int,
    kind: int,
    sram: int,
    local: float | None,
    burst: float | None,
    doubled: bool,
    chip: Callable[..., Any],
) -> None:
    problems = Problems.of([dims], stride=stride, dilation=dilation)
    inner = [{"capacity": local, "bandwidth": 50e9, "double_buffered": doubled}] if local else None
    toy = chip(4, 2, sram={"capacity": float(sram)}, local=inner, dram={"bandwidth": 5e9, "burst": burst})
    nest = NESTS[kind]
    built = machine(toy, nest.parameters)
    solved = solve(problems, [built], nest.layouts, Effort(limit=20_000), Forests())
    if solved.state[0, 0] != 0:
        assert solved.demand[0, 0, 0] > solved.demand[0, 0, 1]
        return
    row = solved.mapping[0, 0].astype(np.int64)
    layout = nest.layouts(built.build)[row[18]]
    mapping = Mappings(row[None, :8], row[None, 8:16], row[16:17], row[17:18])
    counts = count(problems, 0, built.build, layout, mapping)
    rate = built.rate(8.0, 8.0)
    assert rate is not None
    priced = price(counts, built, layout, *rate)
    assert priced.latency[0] == solved.priced[0, 0, 0]
    assert priced.energy[0] == solved.priced[0, 0, 1]
    assert priced.excess[0] == 0.0


def test_a_search_that_may_stop_early_proves_its_gap(chip: Callable[..., Any]) -> None:
    problems, toy = (
        Problems.of([[1, 1, 64, 64, 14, 14, 3, 3]]),
        chip(16, 16, local=[{"capacity": 4096.0, "bandwidth": 64e9}]),
    )
    best = WeightStationary().terms(problems, [toy])
    early = WeightStationary(Effort(slack=0.05)).terms(problems, [toy])
    assert 0.0 <= early.gap[0, 0] <= 0.05 + 1e-12
    assert latency(best) <= latency(early)
    assert latency(early) <= latency(best) * (1.0 + early.gap)


def test_energy_and_edp_are_searched_for(chip: Callable[..., Any]) -> None:
    problems, toy = Problems.of([[1, 1, 64, 64, 14, 14, 3, 3]]), chip(16, 16)
    by = {
        o: WeightStationary(Effort(objective=o)).terms(problems, [toy]) for o in ("latency", "energy", "edp")
    }
    dram = {o: float(t.actions[0, 0, 2:4].sum()) for o, t in by.items()}
    assert latency(by["latency"]) <= latency(by["edp"]) <= latency(by["energy"])
    assert dram["energy"] <= dram["latency"]


def test_same_input_same_bytes_however_it_is_cut(chip: Callable[..., Any]) -> None:
    problems = Problems.of([[1, 1, 24, 16, 9, 9, 3, 3], [1, 8, 1, 1, 9, 9, 3, 3], [1, 1, 40, 30, 1, 5, 1, 1]])
    chips = [chip(8, 8, sram={"capacity": float(c)}) for c in range(2000, 22000, 2000)]
    together = WeightStationary().terms(problems, chips)
    for row in range(3):
        for column in (0, 5, 9):
            alone = WeightStationary().terms(problems.take(slice(row, row + 1)), [chips[column]])
            assert alone.seconds[0, 0].tobytes() == together.seconds[row, column].tobytes()
            assert alone.actions[0, 0].tobytes() == together.actions[row, column].tobytes()


def test_thrift_gives_up_a_share_of_latency_for_energy(chip: Callable[..., Any]) -> None:
    problems = Problems.of([[1, 1, 64, 64, 28, 28, 3, 3], [1, 96, 1, 1, 28, 28, 3, 3]])
    toy = chip(8, 8, sram={"capacity": 131072.0}, local=[{"capacity": 8192.0, "bandwidth": 64e9}])
    quick, frugal = (WeightStationary(Effort(thrift=t)).terms(problems, [toy]) for t in (0.0, 0.01))
    assert (latency(frugal) <= latency(quick) * 1.01 * (1 + 1e-12)).all()
    assert (frugal.actions[..., 2:4].sum(axis=-1) < quick.actions[..., 2:4].sum(axis=-1)).any()
    assert frugal.gap.max() <= 0.01 + 1e-12
