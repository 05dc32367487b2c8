"""The plain count: hand arithmetic on a small machine, ZigZag's printed figures, and physics."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.tiled.loopnest.allocate import allocate
from hw_models.cost.tiled.loopnest.machine import Way
from hw_models.cost.tiled.loopnest.mapping import LoopNest
from hw_models.cost.tiled.loopnest.reference import evaluate
from hw_models.cost.tiled.loopnest.stalls import Transfer, window_union
from hw_models.errors import InputError, UnknownNameError
from tests.hw_models.cost.tiled.loopnest.conftest import SPREAD, conv, gemm, machine


def test_a_product_by_hand() -> None:
    """8 x 8 x 8 on 4 x 4: weights stay while all pixels pass, then the next channels, then filters."""
    levels = {"weight": (0, 3), "output": (0, 2, 3), "input": (2, 3)}
    nest = LoopNest(SPREAD, (("ox", 8), ("c", 2), ("k", 2)), levels)
    cost = evaluate(machine(), gemm(), nest)
    # A register holds its weight over the eight pixels, so it is read once for each of its four tiles.
    assert cost.accesses["weight"][0] == (16 * 4, 0, 0, 16 * 4)
    # DRAM: 64 weights of 8 bit in tiles of 16: 2 accesses of 64 bit each, four times.
    assert cost.accesses["weight"][1] == (8, 0, 0, 0)
    # The buffer hands down four inputs a cycle, 32 of 64 bits, on 32 cycles.
    assert cost.accesses["input"][0] == (16, 0, 0, 8)
    # Each of four accumulators takes a sum a cycle and hands it on, since it keeps none over the pixels.
    assert cost.accesses["output"][0][Way.WRITE_UP] == 4 * 32
    assert cost.accesses["output"][2] == (0, 8, 0, 0)
    assert cost.mac_energy_pj == 0.5 * 512
    assert cost.latency.ideal == 32
    assert cost.latency.systolic_drain == 3
    assert cost.total_pj == pytest.approx(
        cost.mac_energy_pj + sum(sum(levels) for levels in cost.energy_pj.values())
    )


def test_levels_are_filled_by_loop_order() -> None:
    nest = allocate(machine(), gemm(), LoopNest(SPREAD, (("ox", 8), ("c", 2), ("k", 2))))
    # Registers hold all four tiles of 8 bit; accumulators no more than the one sum they must.
    assert nest.levels == {"output": (0, 3, 3), "weight": (3, 3), "input": (3, 3)}


@pytest.mark.parametrize(
    ("loops", "message"),
    [
        ((("ox", 8), ("c", 2)), "the loops over 'k' make 1 of 2 passes"),
        ((("ox", 8), ("c", 2), ("kk", 2)), "unknown loop 'kk'"),
    ],
)
def test_loops_that_do_not_make_the_layer(loops: tuple[tuple[str, int], ...], message: str) -> None:
    with pytest.raises((InputError, UnknownNameError), match=message):
        allocate(machine(), gemm(), LoopNest(SPREAD, loops))


def test_too_many_units_and_too_small_a_memory() -> None:
    with pytest.raises(InputError, match="axis rows: loops occupy 8 units; it has 4"):
        allocate(machine(), gemm(), LoopNest({"rows": (("c", 8),)}, (("ox", 8), ("k", 8))))
    with pytest.raises(InputError, match="registers would have to hold 8 bits; it has 4"):
        allocate(machine(weight_bits=4), gemm(), LoopNest(SPREAD, (("ox", 8), ("c", 2), ("k", 2))))


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (
            {"weight": (3, 3), "output": (3, 3, 3), "input": (3, 3)},
            "accumulator would have to hold 512 bits",
        ),
        (
            {"weight": (3,), "output": (0, 3, 3), "input": (3, 3)},
            "levels.weight has 1 entries; small keeps",
        ),
    ],
)
def test_levels_that_do_not_fit(levels: dict[str, tuple[int, ...]], message: str) -> None:
    """Two tiles of filters over eight pixels are 16 sums of 32 bit."""
    with pytest.raises(InputError, match=message):
        evaluate(machine(), gemm(), LoopNest(SPREAD, (("c", 2), ("k", 2), ("ox", 8)), levels))


def test_a_shorter_last_turn_is_counted_as_it_is() -> None:
    """Ten passes as loops of 4 and 3: the last turn has two, and no pass is counted twice."""
    layer = gemm(m=10)
    loops = (("ox", 4), ("c", 2), ("k", 2), ("ox", 3))
    cost = evaluate(machine(), layer, allocate(machine(), layer, LoopNest(SPREAD, loops)))
    assert cost.latency.ideal == 10 * 2 * 2


@given(
    factors=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    shares=st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4),
)
def test_union_of_windows_is_what_marking_every_cycle_gives(factors: list[int], shares: list[float]) -> None:
    period, duties, total = 1, [], 1
    for factor in factors:
        total *= factor
    for factor, share in zip(factors, shares, strict=False):
        period *= factor
        allowed = max(1, int(period * share))
        duties.append(Transfer(0, 0, Way.READ_DOWN, 1, allowed, period, total // period, 1))
    marked = sum(any(t % d.period < d.allowed for d in duties) for t in range(total))
    assert window_union(duties) == marked


@settings(max_examples=30)
@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(2, 7), st.integers(1, 3)),
)
def test_dearer_memories_cost_more_and_cycles_never_undercut_the_loops(
    sizes: tuple[int, int, int, int],
) -> None:
    layer, small = conv(*sizes), machine()
    from hw_models.cost.tiled.loopnest.assign import assignments
    from hw_models.cost.tiled.loopnest.spread import spread_over
    from hw_models.cost.tiled.loopnest.zigzag_mapping import MappingRule

    spatial = assignments(small, layer, MappingRule("default", SPREAD, {}))[0]
    loops = tuple(spread_over(small, layer, spatial).passes.items())
    cost = evaluate(small, layer, allocate(small, layer, LoopNest(spatial, loops)))
    units = small.units
    assert cost.cycles >= layer.macs / units
    assert cost.total_pj >= layer.macs * small.mac_pj
    assert all(count >= 0 for rows in cost.accesses.values() for row in rows for count in row)
