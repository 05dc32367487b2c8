"""Peak memory over orders of kernels: by hand, against all orders, and as laws on random networks."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.flow import Flow
from hw_models.cost.order import best_order
from hw_models.lowering import lowered
from hw_models.lowering.precision import scheme_of
from hw_models.lowering.pricing import element_bytes


def flow(n, writes, reads, *, inputs=(), outputs=(), in_place=(), in_pieces=()):
    def table(rows):
        return np.array(list(rows), np.int64).reshape(-1, 2)

    ends = (np.array(list(v), np.int64) for v in (inputs, outputs))
    return Flow(n, table(writes), table(reads), *ends, table(in_place), frozenset(in_pieces))


# x (1 byte) feeds two branches: kernels 0 and 1 make a and c (10 each), 2 and 3 shrink them to b and d (1),
# 4 joins these to y (1). As numbered, both large values are alive at once.
TWO_BRANCHES = flow(
    5,
    writes=[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)],
    reads=[(0, 0), (2, 1), (1, 0), (3, 2), (4, 3), (4, 4)],
    inputs=[0],
    outputs=[5],
)
SIZES = np.array([1.0, 10, 10, 1, 1, 1])


def test_one_branch_after_the_other_by_hand():
    """As numbered: x + a + c = 21 in kernel 1. Branch by branch: x + c + b = 12 in the second."""
    found = best_order(TWO_BRANCHES, SIZES)
    assert TWO_BRANCHES.live_bytes(SIZES).tolist() == [11, 21, 21, 12, 3]
    assert (found.scheduled, found.peak, found.bound, found.exact) == (21, 12, 12, True)
    assert TWO_BRANCHES.live_bytes(SIZES, found.order.tolist()).max() == 12
    assert sorted(found.order.tolist()) == list(range(5))


def test_what_must_be_alive_in_any_order_by_hand():
    """Each kernel has at least what it reads and writes; the other branch may not have begun."""
    assert TWO_BRANCHES.floors(SIZES).tolist() == [11, 11, 11, 11, 3]


def test_a_chain_has_one_order():
    chain = flow(3, [(0, 1), (1, 2), (2, 3)], [(0, 0), (1, 1), (2, 2)], inputs=[0], outputs=[3])
    found = best_order(chain, np.array([1.0, 2, 4, 8]))
    assert found.order.tolist() == [0, 1, 2]
    assert (found.peak, found.bound, found.exact) == (12, 12, True)


def test_writing_in_place_saves_one_of_the_two():
    add = flow(2, [(0, 1), (1, 2)], [(0, 0), (1, 1)], inputs=[0], outputs=[2], in_place=[(1, 2)])
    sizes = np.array([1.0, 4, 4])
    assert add.live_bytes(sizes).tolist() == [5, 4]
    assert add.floors(sizes).tolist() == [5, 4]


def test_parts_of_a_value_may_be_filled_in_any_order_and_a_value_written_twice_may_not():
    edges = {
        "writes": [(0, 1), (1, 1), (2, 2)],
        "reads": [(0, 0), (1, 0), (2, 1)],
        "inputs": [0],
        "outputs": [2],
    }
    assert flow(3, **edges, in_pieces=[1]).before == (0, 0, 0b11)
    assert flow(3, **edges).before == (0, 0b1, 0b11)


def test_too_many_sets_end_in_a_beam_that_still_shows_a_bound():
    found = best_order(TWO_BRANCHES, SIZES, states=1, beam=2)
    assert found.bound <= 12 <= found.peak <= found.scheduled


def test_repr_says_whether_it_is_the_best():
    assert "12 bytes, the least there is; 21 as scheduled" in repr(best_order(TWO_BRANCHES, SIZES))


@st.composite
def networks(draw, most=6):
    """Random flows in which kernel k writes value k + 1 and reads some earlier ones; sizes beside them."""
    n = draw(st.integers(1, most))
    reads = []
    for kernel in range(n):
        sources = draw(st.sets(st.integers(0, kernel), min_size=1, max_size=3))
        reads += [(kernel, value) for value in sorted(sources)]
    read = {value for _, value in reads}
    outputs = [v for v in range(1, n + 1) if v not in read]
    pairs = [(v, k + 1) for k, v in reads if draw(st.booleans())]
    writes = [(k, k + 1) for k in range(n)]
    sizes = np.array(draw(st.lists(st.integers(1, 20), min_size=n + 1, max_size=n + 1)), float)
    for source, target in pairs:
        sizes[target] = sizes[source]
    pairs = [(s, t) for s, t in pairs if sizes[s] == sizes[t]]
    return flow(n, writes, reads, inputs=[0], outputs=outputs, in_place=pairs), sizes


def works(network, order):
    done = 0
    for kernel in order:
        if network.before[kernel] & ~done:
            return False
        done |= 1 << kernel
    return True


@given(networks())
@settings(max_examples=60, deadline=None)
def test_the_order_found_is_the_best_of_all(network):
    f, sizes = network
    found = best_order(f, sizes)
    orders = (o for o in permutations(range(f.n_kernels)) if works(f, o))
    best = min(f.live_bytes(sizes, o).max() for o in orders)
    assert found.exact
    assert found.peak == found.bound == best


@given(networks(most=14), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_orders_work_and_peaks_keep_their_order(network, states):
    f, sizes = network
    found = best_order(f, sizes, states=states, beam=3)
    assert works(f, found.order.tolist())
    assert f.live_bytes(sizes, found.order.tolist()).max() == found.peak
    assert f.floors(sizes).max() <= found.bound <= found.peak <= found.scheduled == f.live_bytes(sizes).max()


@pytest.mark.parametrize("lowering", ["ideal", "eager", "compiled"])
def test_a_lowered_network_has_the_live_bytes_that_its_cost_shows(conv_net, lowering):
    net = lowered(conv_net, lowering=lowering, precision="int8")
    sizes = net.elements * element_bytes(net, scheme_of("int8"), 1)
    live = Flow.of(net).live_bytes(sizes)
    assert live.tolist() == net.lifetimes.live_bytes(sizes, len(net.cls)).tolist()
    assert best_order(Flow.of(net), sizes).exact
