"""Thinning: the fewest points that stand for all within tolerances."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign.front import Front
from codesign.front.tolerance import Tolerance, fewest, stands_for, tolerances
from codesign.objectives import CATALOGUE
from hw_models.errors import InputError, UnknownNameError

ERROR, LATENCY, RATE = (CATALOGUE[n] for n in ("error_pct", "latency_ms", "throughput_ips"))


@pytest.mark.parametrize(
    ("of", "given", "amount", "relative"),
    [
        (LATENCY, "5 %", 0.05, True),
        (LATENCY, "5%", 0.05, True),
        (LATENCY, "1.05x", 0.05, True),
        (LATENCY, "0.2 ms", 0.2, False),
        (LATENCY, 0.2, 0.2, False),
        (ERROR, "0.2", 0.2, False),
        (ERROR, "1.5x", 0.5, True),
    ],
)
def test_what_a_tolerance_says(of, given, amount: float, relative: bool) -> None:
    found = Tolerance.parse(of, given)
    assert (found.amount, found.relative) == (pytest.approx(amount), relative)


@pytest.mark.parametrize(
    ("of", "given", "said"),
    [
        (ERROR, "5 %", "'5 %' may mean points or a share; give 5 for points, '1.05x' for a share"),
        (LATENCY, "5 us", "'5 us' given, expected a number in ms, a share such as '5 %', or a factor"),
        (LATENCY, "a bit", "'a bit' given, expected a number in ms"),
        (LATENCY, "nan", "'nan' given, expected a number in ms"),
        (LATENCY, -1, "-1 given, expected at least 0"),
        (LATENCY, "0.9x", "'0.9x' given, expected at least 0, a factor at least 1"),
    ],
)
def test_what_is_no_tolerance(of, given, said: str) -> None:
    with pytest.raises(InputError, match=f"tolerance of '{of.name}': ") as raised:
        Tolerance.parse(of, given)
    assert said in str(raised.value)


def test_thinning_by_hand(point, demands) -> None:
    trials = [point(0, 30.0, 10.0), point(1, 29.9, 10.4), point(2, 29.7, 10.8), point(3, 20.0, 40.0)]
    front = Front.of(trials, demands)
    # 0 may stand for 1 (0.1 points worse) but not for 2 (0.3); 1 stands for 0 (4 % slower) and 2 (0.2 points)
    thin = front.thin({"latency_ms": "5 %", "error_pct": 0.2 + 1e-9})
    assert [t.number for t in thin.members] == [3, 1]
    assert thin.remarks[0] == (
        "fewest points that stand for all 4 of the front within error_pct 0.2, latency_ms 5 %"
    )
    assert list(thin.points["role"]) == ["left out", "front", "left out", "front"]
    assert len(thin.trials) == 4
    assert front.thin({}) == front
    assert thin.thin({"latency_ms": "5x", "error_pct": "2x"}).members[0].number == 1


def test_equal_points_and_few_points(point, demands) -> None:
    same = Front.of([point(4, 20, 10), point(2, 20, 10)], demands)
    assert [t.number for t in same.thin({}).members] == [2]
    assert len(Front.of([point(0, 20, 10)], demands).thin("50 ms".replace(" ms", "x"))) == 1
    assert len(Front.of([], demands).thin({"latency_ms": 1})) == 0


def test_a_name_that_is_no_objective(point, demands) -> None:
    front = Front.of([point(0, 20, 10)], demands)
    with pytest.raises(UnknownNameError, match="did you mean 'latency_ms'"):
        front.thin({"latency": "5 %"})


def test_a_share_of_nothing(point, demands) -> None:
    front = Front.of([point(0, 0.0, 10), point(1, 5.0, 8)], demands)
    with pytest.raises(InputError, match="values of 0 or below, of which a share says nothing"):
        front.thin({"error_pct": "1.1x"})


def test_more_is_better_is_thinned_the_other_way() -> None:
    values = np.array([[-100.0], [-96.0], [-80.0]])  # as they are minimised
    covers = stands_for(values, [RATE], tolerances([RATE], {"throughput_ips": "5 %"}))
    assert covers.tolist() == [[True, True, False], [True, True, False], [True, True, True]]


FRONTS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=9, unique=True)


@settings(max_examples=40, deadline=None)
@given(FRONTS, st.integers(0, 4), st.integers(0, 4))
def test_no_smaller_set_stands_for_all(places, by_error: int, by_time: int) -> None:
    values = np.array(places, np.float64)
    allowed = (Tolerance(float(by_error)), Tolerance(float(by_time)))
    covers = stands_for(values, [ERROR, LATENCY], allowed)
    found = fewest(covers)
    assert found.proven
    assert covers[:, list(found.kept)].any(axis=1).all()
    n = len(values)
    smaller = itertools.combinations(range(n), len(found.kept) - 1)
    assert not any(covers[:, list(some)].any(axis=1).all() for some in smaller)
    equal = [s for s in itertools.combinations(range(n), len(found.kept)) if covers[:, list(s)].any(1).all()]
    assert sum(found.kept) == min(sum(s) for s in equal)


def test_a_large_front_is_thinned_for_certain() -> None:
    # neighbours 1.16 % apart: one stands for the four on either side within 5 %, for nine in all
    x = np.geomspace(1, 100, 400)
    values = np.column_stack([100 / x, x])
    found = fewest(stands_for(values, [ERROR, LATENCY], (Tolerance(0.05, True), Tolerance(0.05, True))))
    assert found.proven
    assert len(found.kept) == 45
