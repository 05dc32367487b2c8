"""Gemmini's own tiles against every one in the measurements; the search against its bounds and all tiles."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.tiled.decoupled.layer_cycles import Layer, Tile
from hw_models.cost.tiled.decoupled.search import GAP, best_tile, bounds, lattice, parts, rows_held
from hw_models.cost.tiled.decoupled.sequence import layer_cycles
from hw_models.cost.tiled.decoupled.tiler import Room, own_tile
from hw_models.validation.truth.gemmini_rtl import OWN, SHIPPED, read_runs

DEFAULT = Room(8192, 512, 16)
sizes = st.integers(1, 40)


def test_the_library_s_rule_gives_every_tile_of_the_measurements():
    runs = [run for run in read_runs(SHIPPED).runs if run.quantity == OWN]
    assert len(runs) == 141
    assert [own_tile(run.layer, DEFAULT).tile for run in runs] == [run.tile for run in runs]


def test_how_long_the_library_looks(layer):
    assert own_tile(layer(2, 2, 256, 256), DEFAULT).looked_at == 1  # fits at once, nothing can grow
    # 36 filters and 256 channels: 14 steps off the channels, one off the filters, then channels one by one
    found = own_tile(layer(14, 14, 36, 256, taps=3), DEFAULT)
    assert (found.tile.filters, found.tile.channels) == (32, 240)
    assert found.looked_at == 1 + 15 + 2 * 209


@pytest.mark.parametrize("room", [Room(1, 512, 16), Room(8192, 0, 16)])
def test_the_library_says_where_nothing_fits(layer, room):
    assert own_tile(layer(14, 14, 36, 256, taps=3), room).looked_at == 0
    assert own_tile(layer(14, 1, 36, 256), room).looked_at == 0
    assert best_tile(layer(14, 14, 36, 256, taps=3), room, None) is None


def test_parts_of_an_extent():
    assert parts(10).tolist() == [1, 2, 3, 4, 5, 10]
    assert parts(40, 16).tolist() == [16, 32, 40]
    assert parts(3, 16).tolist() == [3]


@settings(max_examples=25, deadline=None)
@given(st.tuples(sizes, sizes, sizes, sizes, st.sampled_from([1, 3]), st.integers(1, 2)), st.data())
def test_no_tile_is_faster_than_its_bound(machine, size, data):
    p, q, k, c, taps, stride = size
    shape = Layer(p, q, k, c, taps, taps, stride, stride, 1, 1, 1, 1, 1)
    tiles = lattice(shape, Room(10**9, 10**9, 16))
    at = data.draw(st.integers(0, len(tiles) - 1))
    least = bounds(shape, tiles[at : at + 1], machine.core)[0]
    total = layer_cycles(shape, Tile(*tiles[at].tolist()), machine.core).total
    assert least <= total * (1 + 1e-9)


@settings(max_examples=12, deadline=None)
@given(st.tuples(*[st.integers(1, 12)] * 4, st.sampled_from([1, 3])), st.sampled_from([40, 200, 8192]))
def test_the_search_finds_the_best_of_all_within_its_gap(machine, size, rows):
    *extents, taps = size
    shape, room = Layer(*extents, taps, taps, 1, 1, 1, 1, 1, 1, 1), Room(rows, 100, 16)
    tiles = lattice(shape, Room(10**9, 10**9, 16))
    scratchpad, accumulator = rows_held(shape, tiles, 16)
    fitting = tiles[(scratchpad <= room.scratchpad) & (accumulator <= room.accumulator)]
    assert sorted(map(tuple, lattice(shape, room).tolist())) == sorted(map(tuple, fitting.tolist()))
    found = best_tile(shape, room, machine.core)
    if len(fitting) == 0:
        assert found is None
        return
    best = min(layer_cycles(shape, Tile(*t.tolist()), machine.core).total for t in fitting)
    assert found.cycles.total <= best * (1 + found.gap) + 1e-6
    assert found.gap <= GAP


def test_the_search_is_never_slower_than_the_library_by_more_than_its_gap(machine):
    runs = {r.layer: r for r in read_runs(SHIPPED).runs if r.quantity == OWN and r.layer.columns < 60}
    for run in runs.values():
        found = best_tile(run.layer, DEFAULT, machine.core)
        assert found.cycles.total <= layer_cycles(run.layer, run.tile, machine.core).total * (1 + GAP)
        assert found.gap < 0.03
