"""Tiles of weights through a FIFO: by hand, and what never makes a unit slower."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_models.cost.tiled.weight_fifo import WeightFifo, WeightPasses, fifo_cycles, tile_fill

TPU = WeightFifo(256, 256, 700e6, 34e9)


def one(uses: float, *, weights: float = 65536.0, fill: float = 1.0, row_cycles: float = 1.0) -> WeightPasses:
    return WeightPasses(*(np.array([x]) for x in (weights, uses, fill, row_cycles)))


def test_a_tile_that_waits_by_hand() -> None:
    """65536 B at 34 GB/s are 1349.3 cycles of 700 MHz, 256 to shift; 200 rows work meanwhile."""
    found = fifo_cycles(TPU, one(200))
    assert found.total[0] == pytest.approx(1349.27 + 256, abs=0.01)
    assert found.active[0] == 200
    assert found.shift[0] == 256
    assert found.active[0] / found.total[0] == pytest.approx(0.1246, abs=1e-4)


def test_a_tile_with_many_rows_hides_its_weights() -> None:
    found = fifo_cycles(TPU, one(2888))
    assert (found.total[0], found.active[0], found.shift[0], found.wait[0]) == (2888, 2888, 0, 0)


@given(st.floats(1, 1e5), st.floats(1e9, 1e12), st.floats(1, 4))
def test_parts_sum_and_bandwidth_never_hurts(uses: float, bandwidth: float, factor: float) -> None:
    slow, fast = (
        fifo_cycles(WeightFifo(256, 256, 700e6, b), one(uses)) for b in (bandwidth, bandwidth * factor)
    )
    assert slow.total[0] == pytest.approx(slow.active[0] + slow.shift[0] + slow.wait[0])
    assert fast.total[0] <= slow.total[0]
    assert slow.wait[0] >= -1e-6


def test_fill_of_a_square_matrix() -> None:
    """600 x 600 weights take 3 x 3 tiles of 256. Source: ISCA 2017, section 7: nine steps."""
    assert tile_fill(np.array([600.0, 256.0, np.nan]), 256)[:2].tolist() == [(600 / 768) ** 2, 1.0]
