"""Parts of a tile's time by hand, and two tiles in flight on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.tiled.decoupled import layer_cycles as parts
from hw_models.cost.tiled.decoupled import sequence
from hw_models.cost.tiled.decoupled.layer_cycles import Layer, Tile
from hw_models.cost.tiled.decoupled.sequence import advance, layer_cycles


@pytest.mark.parametrize(
    ("start", "length", "stride", "lines"),
    [
        (0, 64, 64, 1.0),
        (0, 16, 1024, 1.0),
        (16, 64, 1024, 2.0),
        (0, 160, 512, 3.0),
        (160, 160, 512, 5.0),  # from 32 within a line: 64 and 64 cross, 32 ends with the line after
        (0, 64, 96, 1.5),  # every other row starts in the middle of a line
        (0, 3, 3, 66 / 64),  # two of the 64 places where a row can start lie across an edge
    ],
)
def test_lines_of_a_row(start, length, stride, lines):
    assert parts.lines_of(start, length, stride, 64) == pytest.approx(lines)


def test_a_line_stays_by_the_law_of_random_replacement():
    assert parts.lost(512.0, 512.0) == 0
    gone = parts.lost(1024.0, 512.0)
    assert 1 - gone == pytest.approx(math.exp(-2 * gone), rel=1e-9)
    assert 0.79 < gone < 0.80
    chances = [parts.lost(d, 512.0) for d in (100.0, 600.0, 800.0, 5000.0)]
    assert chances == sorted(chances)
    assert chances[-1] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("columns", "rows", "cycles"),
    [
        (16, 4, 64.0),  # four whole groups
        (20, 1, 20.0),  # 16, then at least 4
        (17, 1, 20.0),
        (2, 1, 16.0),  # as long as the next weights take to come in
        (6, 3, 28.0),  # 16 + 6 + 6
    ],
)
def test_pixels_of_one_block(machine, columns, rows, cycles):
    assert parts.block_cycles(columns, rows, machine.core) == cycles


def test_short_rows_wait_for_their_commands(machine):
    assert parts.block_cycles(4, 28, machine.core) == pytest.approx(28 * machine.core.pair)


def test_only_rows_closer_than_a_line_wait_for_their_neighbours_stores(layer, machine):
    apart, close = (parts.store_cycles(layer(8, 8, k, 8), machine.core) for k in (64, 2))
    assert apart == machine.core.request + 1
    assert close == pytest.approx(apart + machine.core.same_line_store * 62 / 64)


def test_strided_input_is_loaded_whole_and_a_product_has_no_steps(layer):
    assert parts.reach(7, 7, 1, 1, layer(14, 14, 8, 8, stride=2)) == 14 * 14
    assert parts.reach(7, 5, 3, 3, layer(14, 14, 8, 8, taps=3)) == 9 * 7
    assert parts.reach(7, 1, 1, 1, layer(14, 1, 8, 8)) == 7


def test_a_tile_waits_for_the_slot_of_the_one_before_the_last():
    clock, ends = np.zeros(5), []
    for load, execute, store in [(10, 5, 1), (10, 5, 1), (2, 30, 1), (2, 1, 1), (2, 1, 1)]:
        advance(clock, float(load), float(execute), float(store), False, 0.0)
        ends.append(tuple(clock[:3].tolist()))
    # loads end at 10, 20, 22; the next two wait for the stores of the second tile (26) and of the third (56)
    assert ends == [(10, 15, 16), (20, 25, 26), (22, 55, 56), (28, 56, 57), (58, 59, 60)]


def test_a_product_works_while_its_operands_come():
    clock = np.zeros(5)
    advance(clock, 10.0, 8.0, 2.0, True, 0.0)
    assert clock[:3].tolist() == [10, 10, 12]


def test_a_layer_of_one_tile_by_hand(layer, paper):
    cycles = layer_cycles(layer(4, 2, 4, 8), Tile(4, 2, 4, 8, 1, 1), paper)
    # inputs: 8 pixels of 8 byte, half a line each: 8 x (2 + 2); weights: 8 rows of 4 byte: 8 x (2 + 1)
    assert (cycles.requests, cycles.hits) == (16, 8 * 4 + 8 * 3)
    # two blocks, each two rows of four pixels
    assert (cycles.blocks, cycles.steps, cycles.execute) == (2, 16, 16)
    assert cycles.store == 8 * (2 + 1)
    assert cycles.total == 56 + 16 + 24


sizes = st.integers(1, 20)


@settings(max_examples=60, deadline=None)
@given(st.tuples(sizes, sizes, sizes, sizes, st.integers(1, 3), st.integers(1, 2)), st.tuples(*[sizes] * 6))
def test_counts_and_bounds_of_any_layer(machine, size, cut):
    p, q, k, c, taps, stride = size
    shape = Layer(p, q, k, c, taps, taps, stride, stride, 1, 1, 1, 1, 1)
    tile = Tile(*(min(t, x) for t, x in zip(cut, shape[:6], strict=True)))
    cycles = layer_cycles(shape, tile, machine.core)
    macs = p * q * k * c * taps * taps
    assert cycles.steps * 256 >= macs
    assert cycles.execute >= cycles.steps * (1 - 1e-9)
    assert cycles.total >= max(cycles.execute, cycles.store, cycles.hits / 2) - 1e-6
    assert cycles.total <= 1.5 * (cycles.execute + cycles.store + cycles.hits + cycles.misses)
    assert 0 <= cycles.lines <= cycles.requests + 1e-9
    assert cycles.requests >= (macs / (p * q) / 64) - 1e-9


def test_compiled_code_is_that_of_the_files(layer, machine, monkeypatch):
    """A cache of numba that missed a change in another file would give other figures than plain Python."""
    shape, tile = layer(30, 20, 512, 512, taps=3), Tile(9, 9, 16, 96, 3, 3)
    compiled = layer_cycles(shape, tile, machine.core)
    for name in ("pass_pixels", "pass_tile", "advance"):
        monkeypatch.setattr(sequence, name, getattr(sequence, name).py_func)
    assert layer_cycles.py_func(shape, tile, machine.core) == pytest.approx(compiled)


def test_pixels_that_are_not_followed_take_as_long_as_those_that_are(layer, machine):
    shape, tile = layer(60, 60, 40, 24, taps=3), Tile(7, 9, 16, 16, 3, 3)
    short = layer_cycles(shape, tile, machine.core)
    alone = sum_of_all(shape, tile, machine.core)
    assert short.execute == pytest.approx(alone)


def sum_of_all(shape: Layer, tile: Tile, core: parts.Machine) -> float:
    """Execution of every tile, one after the other in Python."""
    total = 0.0
    for p in range(0, shape.columns, tile.columns):
        for q in range(0, shape.rows, tile.rows):
            columns, rows = min(tile.columns, shape.columns - p), min(tile.rows, shape.rows - q)
            blocks = -(-shape.filters // 16) * -(-shape.channels // 16) * 9
            total += blocks * parts.block_cycles(columns, rows, core)
    return total
