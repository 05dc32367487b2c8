"""One block of memory for all activations: by hand, and what every assignment must keep to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arena import arena, arena_bytes
from hw_models.cost.memory import Lifetimes
from hw_models.errors import InputError


def lives(*spans, in_place=()):
    born, dies = zip(*spans, strict=True) if spans else ((), ())
    return Lifetimes.of(range(len(spans)), born, dies, in_place)


def test_a_chain_by_hand():
    """16, 32 and 16 bytes alive two at a time: 48 bytes, the third where the first was."""
    found = arena(lives((0, 0), (0, 1), (1, 2)), np.array([16.0, 32, 16]))
    assert (found.total, found.bound) == (48, 48)
    assert found.offset.tolist() == [32, 0, 32]


def test_sizes_are_rounded_up():
    assert arena_bytes(lives((0, 1), (0, 1)), np.array([1.0, 17])) == 16 + 32
    assert arena_bytes(lives((0, 1), (0, 1)), np.array([1.0, 17]), alignment=1) == 18


def test_values_in_place_share_one_buffer():
    found = arena(lives((0, 1), (1, 2), (2, 3), in_place=[(0, 1), (1, 2)]), np.array([64.0, 64, 64]))
    assert (len(found.buffer), found.first.tolist(), found.last.tolist(), found.total) == (1, [0], [3], 64)


def test_what_sticks_out_is_placed_anew(monkeypatch):
    """4 bytes late, 3 and 2 early, 2 between: greedily 7 bytes, the last on top; placed first it fits 6."""
    spans, sizes = [(0, 2), (3, 5), (2, 3), (0, 1)], np.array([2.0, 4, 2, 3])
    assert arena_bytes(lives(*spans), sizes, alignment=1) == 6
    monkeypatch.setattr("hw_models.cost.arena.ROUNDS", 0)
    assert arena_bytes(lives(*spans), sizes, alignment=1) == 7


def test_nothing_needs_nothing():
    assert arena_bytes(lives(), np.zeros(0)) == 0
    assert "0 buffers" in repr(arena(lives(), np.zeros(0)))


def test_an_alignment_below_one_is_refused():
    with pytest.raises(InputError, match="an alignment of 0 byte"):
        arena(lives((0, 1)), np.array([1.0]), alignment=0)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 4), st.integers(1, 300)), max_size=14),
    st.sampled_from([1, 16, 64]),
)
@settings(max_examples=80, deadline=None)
def test_no_two_that_live_at_once_overlap(values, alignment):
    spans = [(born, born + length) for born, length, _ in values]
    sizes = np.array([float(size) for _, _, size in values])
    found = arena(lives(*spans), sizes, alignment)
    live = lives(*spans).live_bytes(sizes, 14).max(initial=0)
    assert live <= found.bound <= found.total <= found.size.sum()
    assert not (found.offset % alignment).any()
    for i in range(len(found.buffer)):
        for j in range(i):
            if found.first[i] <= found.last[j] and found.first[j] <= found.last[i]:
                low, high = sorted((i, j), key=lambda b: found.offset[b])
                assert found.offset[low] + found.size[low] <= found.offset[high]
