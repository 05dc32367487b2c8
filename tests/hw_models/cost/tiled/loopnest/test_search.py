"""The search: every order, the same figures as the plain count, and the best of them."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.tiled.loopnest.allocate import allocate
from hw_models.cost.tiled.loopnest.assign import assignments
from hw_models.cost.tiled.loopnest.mapping import LoopNest
from hw_models.cost.tiled.loopnest.reference import evaluate
from hw_models.cost.tiled.loopnest.search import (
    OBJECTIVES,
    Objective,
    best_mapping,
    n_orders,
    prime_factors,
    split,
)
from hw_models.cost.tiled.loopnest.zigzag_mapping import MappingRule
from hw_models.errors import InputError
from tests.hw_models.cost.tiled.loopnest.conftest import SPREAD, conv, gemm, machine

RULE = MappingRule("default", SPREAD, {})


@pytest.mark.parametrize("number", [1, 2, 12, 97, 360, 1000])
def test_prime_factors(number: int) -> None:
    product = 1
    for factor in prime_factors(number):
        product *= factor
        assert all(factor % d for d in range(2, factor))
    assert product == number


def test_the_two_smallest_of_the_most_split_loop_merge() -> None:
    """As ZigZag: 64 = 2^6 gives way until six loops are left."""
    assert split({"c": 64, "ox": 7, "fx": 3}, 6) == (
        ("c", 2), ("c", 2), ("c", 4), ("c", 4), ("ox", 7), ("fx", 3),
    )  # fmt: skip
    assert split({"c": 2, "ox": 3, "oy": 5}, 1) == (("c", 2), ("ox", 3), ("oy", 5))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("size", [(8, 8, 8), (10, 6, 7), (9, 5, 12)])
def test_the_best_of_all_orders_counted_one_by_one(
    size: tuple[int, int, int], halved: bool, objective: Objective
) -> None:
    """Sizes that four units do not divide have parts of units, whose rounding depends on the order."""
    layer, small = gemm(*size), machine(buffer_bits=1200, halved=halved)
    spatial = assignments(small, layer, RULE)
    found = best_mapping(small, layer, spatial, objective, most_loops=5)
    ranks = []
    for order in set(permutations(found.nest.temporal)):
        try:
            cost = evaluate(small, layer, allocate(small, layer, LoopNest(spatial[0], order)))
        except InputError:
            continue
        energy, cycles = cost.total_pj, cost.cycles
        ranks.append(
            {"energy": (energy, cycles), "latency": (cycles, energy), "edp": (energy * cycles,)}[objective]
        )
    mine = found.evaluation
    best = {
        "energy": (mine.total_pj, mine.cycles),
        "latency": (mine.cycles, mine.total_pj),
        "edp": (mine.total_pj * mine.cycles,),
    }
    assert best[objective] == min(ranks)
    assert found.orders == n_orders(found.nest.temporal)
    assert found.fits == len(ranks)


@settings(max_examples=40)
@given(
    sizes=st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(2, 9), st.integers(1, 3)),
    stride=st.integers(1, 2),
    buffer=st.sampled_from([2000, 8000, 100_000]),
    objective=st.sampled_from(OBJECTIVES),
)
def test_any_winner_is_recounted_to_the_same_figure(
    sizes: tuple[int, int, int, int], stride: int, buffer: int, objective: Objective
) -> None:
    """`best_mapping` raises where the recount of its winner differs."""
    layer, small = conv(*sizes, stride), machine(buffer_bits=buffer)
    found = best_mapping(small, layer, assignments(small, layer, RULE), objective, most_loops=5)
    assert allocate(small, layer, LoopNest(found.nest.spatial, found.nest.temporal)) == found.nest
    assert 0 < found.fits <= found.orders


def test_an_order_that_is_asked_for_is_kept() -> None:
    layer, small = gemm(), machine()
    spatial = assignments(small, layer, RULE)
    found = best_mapping(small, layer, spatial, "energy", most_loops=5, order=(("k", None), ("ox", 2)))
    assert found.nest.temporal[0][0] == "k"
    assert found.nest.temporal[1] == ("ox", 2)


def test_what_fits_nowhere_is_told_with_what_would_help() -> None:
    layer, small = gemm(), machine(weight_bits=4)
    with pytest.raises(
        InputError, match="no order of the loops of gemm fits the memories of small; a larger"
    ):
        best_mapping(small, layer, assignments(small, layer, RULE))


def test_a_memory_of_four_weights_cuts_the_units_it_can_feed() -> None:
    """An innermost memory limits the loops spread over the axes that it serves."""
    spatial = assignments(machine(), gemm(), MappingRule("default", {"rows": (("k", 4),), "columns": ()}, {}))
    assert spatial[0]["rows"] == (("k", 1),)
