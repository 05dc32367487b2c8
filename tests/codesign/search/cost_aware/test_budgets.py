import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign.search.cost_aware.budgets import Box, Budgets, Levels, expected_gain

BOX = Box((0.0, 10.0), np.array([0.0]), np.array([4.0]))


def costs_of(*values: float) -> np.ndarray:
    return np.array(values, float)[:, None, None]


def hypervolume(errors: np.ndarray, costs: np.ndarray, box: Box) -> float:
    held = Budgets.held(box, errors, costs)
    low = np.maximum(held.edges[:-1], box.low[0])
    return float(((box.error[1] - held.best) * (held.edges[1:] - low)).sum())


def test_a_sure_network_gains_what_it_adds_to_the_hypervolume() -> None:
    held = Budgets.held(BOX, np.array([6.0]), costs_of(1.0))
    # error 4 at cost 2: from cost 2 to 4 the best error falls from 6 to 4
    gain = expected_gain(held, costs_of(2.0), np.log([4.0]), np.array([1e-9]), 0.0)
    assert gain == pytest.approx([4.0])
    # the same at cost 0.5: from 0.5 to 1 from 10 to 4, from 1 to 4 from 6 to 4
    gain = expected_gain(held, costs_of(0.5), np.log([4.0]), np.array([1e-9]), 0.0)
    assert gain == pytest.approx([0.5 * 6 + 3 * 2])


def test_an_unsure_network_gains_the_mean_over_what_it_may_be() -> None:
    rng = np.random.default_rng(0)
    errors, costs = np.array([8.0, 5.0, 3.0]), costs_of(0.5, 1.5, 3.0)
    mean, deviation, shift = np.log(4.0), 0.4, 0.5
    drawn = shift + np.exp(rng.normal(mean, deviation, 20_000))
    before = hypervolume(errors, costs, BOX)
    after = [hypervolume(np.r_[errors, e], np.concatenate([costs, costs_of(1.0)]), BOX) for e in drawn[:4000]]
    gain = expected_gain(
        Budgets.held(BOX, errors, costs), costs_of(1.0), np.array([mean]), np.array([deviation]), shift
    )
    assert gain[0] == pytest.approx(np.mean(after) - before, rel=0.05)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
def test_equal_costs_and_errors_are_one_step_each(points: list[tuple[int, int]]) -> None:
    errors = np.array([e for e, _ in points], float)
    costs = costs_of(*(c for _, c in points))
    held = Budgets.held(BOX, errors, costs)
    assert (np.diff(held.best) < 0).all()
    assert (np.diff(held.edges) >= 0).all()


def test_many_budgets_agree_with_the_staircase() -> None:
    errors, costs = np.array([8.0, 5.0]), np.array([[[0.5, 0.0]], [[1.5, 0.0]]])
    box = Box((0.0, 10.0), np.zeros(2), np.array([4.0, 1.0]))
    held = Budgets.held(box, errors, costs)
    new = np.array([[[1.0, 0.0]]])
    gain = expected_gain(held, new, np.log([4.0]), np.array([1e-9]), 0.0)
    # mean over the box: cost 1 to 1.5 saves 4, 1.5 to 4 saves 1, of a length of 4
    assert gain[0] == pytest.approx((0.5 * 4 + 2.5 * 1) / 4, rel=0.02)


def test_a_network_fits_wherever_one_of_its_ways_does() -> None:
    box = Box((0.0, 10.0), np.zeros(2), np.ones(2))
    held = Budgets.held(box, np.empty(0), np.empty((0, 2, 2)))
    ways = np.array([[[0.5, 0.0], [0.0, 0.5]], [[0.5, 0.0], [np.nan, np.nan]]])
    gain = expected_gain(held, ways, np.log([5.0, 5.0]), np.full(2, 1e-9), 0.0)
    assert gain == pytest.approx([0.75 * 5, 0.5 * 5], rel=0.02)


def test_without_costs_it_is_expected_improvement() -> None:
    box = Box((0.0, 10.0), np.empty(0), np.empty(0))
    held = Budgets.held(box, np.array([6.0]), np.empty((1, 1, 0)))
    gain = expected_gain(held, np.empty((2, 1, 0)), np.log([4.0, 7.0]), np.full(2, 1e-9), 0.0)
    assert gain == pytest.approx([2.0, 0.0])


def test_a_front_of_one_point_has_a_box() -> None:
    box = Box.around(np.array([3.0]), np.array([[2.0]]), None)
    assert box.error[1] > 3.0
    assert box.high[0] > 2.0
    assert Box.around(np.array([3.0, 9.0]), np.array([[2.0], [1.0]]), 8.0).error == (3.0, 8.0)


def test_two_costs_of_which_one_has_few_values_are_exact() -> None:
    rng = np.random.default_rng(2)
    watts = np.array([1.0, 4.0, 5.0])
    costs = np.stack([rng.random((30, 3)), np.broadcast_to(watts, (30, 3))], 2)
    costs[rng.random((30, 3)) < 0.2] = np.nan
    errors = rng.random(30)
    box = Box((0.0, 1.0), np.array([0.0, 1.0]), np.array([1.0, 6.0]))
    levels = Levels.of(costs)
    assert levels is not None
    assert (levels.axis, levels.values.tolist()) == (1, [1.0, 4.0, 5.0])
    assert Levels.of(rng.random((80, 3, 2))) is None
    held = Budgets.held(box, errors[:20], costs[:20], levels)
    gain = expected_gain(held, costs[20:], np.log(errors[20:]), np.full(10, 1e-9), 0.0)
    corner = np.array([1.0, 1.0, 6.0])

    def volume(some: np.ndarray) -> float:
        at, way = np.nonzero(~np.isnan(costs[some]).any(2))
        points = np.column_stack([errors[some][at], costs[some][at, way]])
        return float(moocore.hypervolume(points, ref=corner))

    before = volume(np.arange(20))
    grown = [volume(np.r_[0:20, i]) - before for i in range(20, 30)]
    assert gain == pytest.approx(np.array(grown) / 5.0, abs=1e-8)
    assert gain.max() > 0
