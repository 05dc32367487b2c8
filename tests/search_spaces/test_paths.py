import itertools

import numpy as np
import pytest

from search_spaces.paths import POOLED, Steps, path_features

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
ROUTES = ((3,), (0, 4), (1, 5), (0, 2, 5))
NONE, SKIP, ONE, THREE, POOL = range(5)


def features(*cells: tuple[int, ...]) -> np.ndarray:
    """Of cells with six edges; kinds: convolutions and 3x3 ones."""
    operators = np.array(cells)
    convolves = np.isin(operators, (ONE, THREE))
    amounts = np.stack([convolves, operators == THREE], 2).astype(float)
    gain = np.where(operators == POOL, POOLED, 1.0)
    return path_features(Steps(EDGES, operators != NONE, amounts, convolves, gain))


def test_paths_are_counted_as_by_listing_them() -> None:
    cells = list(itertools.product(range(5), repeat=6))[::97]
    found = features(*cells)
    for cell, row in zip(cells, found, strict=True):
        routes = [[cell[e] for e in r] for r in ROUTES if all(cell[e] != NONE for e in r)]
        convs = np.array([sum(op in {ONE, THREE} for op in r) for r in routes])
        assert np.expm1(row[1]) == pytest.approx(len(routes))
        assert row[0] == bool(routes)
        if routes:
            assert row[[2, 4, 6, 8]] == pytest.approx([convs.mean(), convs.var(), convs.min(), convs.max()])


def test_a_skip_beside_a_convolution_keeps_half_of_the_signal() -> None:
    # input to output by a skip, and by 3x3 then skip: each hands on unit variance
    row = features((THREE, NONE, NONE, SKIP, SKIP, NONE))[0]
    assert row[10:].tolist() == pytest.approx([np.log1p(2.0), 0.5, 0.5, 0.0, 0.0, 0.5, 0.5])


def test_a_pool_hands_on_less_and_a_convolution_after_it_a_unit_again() -> None:
    pooled = features((NONE, NONE, NONE, POOL, NONE, NONE))[0]
    renewed = features((POOL, NONE, NONE, NONE, THREE, NONE))[0]
    assert np.expm1(pooled[10]) == pytest.approx(POOLED)
    assert np.expm1(renewed[10]) == pytest.approx(1.0)


def test_dead_edges_and_isomorphic_cells_count_the_same() -> None:
    # 0->1 leads nowhere; then: the same branch by node 1 or by node 2
    assert features((THREE, NONE, NONE, SKIP, NONE, NONE)) == pytest.approx(
        features((NONE, NONE, NONE, SKIP, NONE, NONE))
    )
    assert features((THREE, NONE, NONE, ONE, SKIP, NONE)) == pytest.approx(
        features((NONE, THREE, NONE, ONE, NONE, SKIP))
    )


def test_an_output_that_nothing_reaches_has_no_paths() -> None:
    row = features((THREE, THREE, THREE, NONE, NONE, NONE))[0]
    assert not row[:6].any()
    assert row[6:10].tolist() == [-1.0] * 4
    assert not row[10:].any()
