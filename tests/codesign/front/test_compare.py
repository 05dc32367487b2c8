"""Two fronts held against each other: hand arithmetic, intervals, what cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from codesign.front import Front
from codesign.front.truths import Errors, Shares
from codesign.objectives import CATALOGUE, Demands
from hw_models.errors import InputError


@pytest.fixture
def two(point, demands) -> tuple[Front, Front]:
    """(10, 10), (20, 5) against (12, 10), (20, 5), (30, 4): one beaten, one equal, one stands."""
    first = Front.of([point(0, 10, 10, network="a"), point(1, 20, 5, network="b")], demands)
    second = Front.of(
        [point(0, 12, 10, network="c"), point(1, 20, 5, network="b"), point(2, 30, 4, network="d")], demands
    )
    return first, second


def test_measures_by_hand(two) -> None:
    found = two[0].compare(two[1], ("ours", "theirs"), logarithms=False)
    assert found.coverage == (pytest.approx(2 / 3), pytest.approx(1 / 2))
    # scaled by error 10 to 30 and latency 4 to 10; reference 1.1
    ours = (1.1 - 0.0) * (1.1 - 1.0) + (1.1 - 0.5) * (1.0 - 1 / 6)
    theirs = (1.1 - 0.1) * (1.1 - 1.0) + (1.1 - 0.5) * (1.0 - 1 / 6) + (1.1 - 1.0) * (1 / 6)
    assert found.hypervolume == (pytest.approx(ours / 1.21), pytest.approx(theirs / 1.21))
    assert found.difference.value == pytest.approx((ours - theirs) / 1.21)
    # ours must come down by a sixth in latency to cover (30, 4); theirs by a tenth in error
    assert found.epsilon == (pytest.approx(1 / 6), pytest.approx(0.1))
    standing = {(p.side, p.trial.number): (p.standing, p.by, p.over) for p in found.points}
    assert standing == {
        ("ours", 0): ("beats", (), (0,)),
        ("ours", 1): ("equal", (), ()),
        ("theirs", 0): ("beaten", (0,), ()),
        ("theirs", 1): ("equal", (), ()),
        ("theirs", 2): ("stands", (), ()),
    }


def test_costs_are_scaled_as_logarithms(two) -> None:
    found = two[0].compare(two[1])
    five = np.log(5 / 4) / np.log(10 / 4)
    ours = 1.1 * 0.1 + 0.6 * (1.0 - five)
    assert found.hypervolume[0] == pytest.approx(ours / 1.21)
    assert found.epsilon[0] == pytest.approx(five)
    # a unit makes no difference, and throughput tells what latency tells
    rates = [f.under(objectives=["error_pct", "throughput_ips"]) for f in two]
    assert rates[0].compare(rates[1]).hypervolume == pytest.approx(found.hypervolume)


def test_along_each_objective(two) -> None:
    error, latency = two[0].compare(two[1]).along
    # at 10 ms 12 -> 10, at 5 ms 20 -> 20, at 4 ms none; at 12 % 10 -> 10 ms, at 20 % 5 -> 5, at 30 % 4 -> 5
    assert (error.matched, error.of, error.gain) == (2, 3, pytest.approx((12 / 10 + 1) / 2))
    assert (latency.matched, latency.gain) == (3, pytest.approx(1.0))
    assert latency.best == (5.0, 4.0)


def test_exact_points_leave_no_doubt(two) -> None:
    found = two[0].compare(two[1])
    assert found.difference.low == found.difference.high == pytest.approx(found.difference.value)
    assert all(p.separable for p in found.points)
    assert found.verdict == "other is better than this"


def test_intervals_may_leave_it_open(point, demands) -> None:
    def front(ms: float, chip: str, network: str) -> Front:
        return Front.of([point(0, 20, ms, factor=2, chip=chip, network=network)], demands)

    open_ = front(10, "a", "n").compare(front(11, "b", "m"), ("one", "two"))
    assert open_.verdict.startswith("one and two are not separable (hypervolume of one larger at ")
    (beaten,) = open_.of("two")
    assert (beaten.standing, beaten.separable) == ("beaten", False)
    assert 0.5 < beaten.beaten_probability < 0.65
    # the same error for both: the order is certain although the intervals overlap
    shared = front(10, "a", "n").compare(front(11, "a", "m"), errors=Errors(Shares(1.0, 0.0)))
    assert shared.verdict == "this is better than other"
    assert shared.of("other")[0].beaten_probability == 1.0
    assert shared.of("other")[0].separable


def test_against_itself_and_against_nothing(two, demands) -> None:
    same = two[0].compare(two[0])
    assert same.coverage == (1.0, 1.0)
    assert (same.difference.value, same.difference.first_larger) == (0.0, 0.5)
    assert {p.standing for p in same.points} == {"equal"}
    assert "not separable" in same.verdict
    empty = Front.of([], demands)
    alone = two[0].compare(empty, ("some", "none"))
    assert alone.coverage == (None, 0.0)
    assert alone.epsilon == (None, None)
    assert alone.verdict == "some is better than none"
    assert alone.along[0].best == (10.0, None)
    assert "<table" in alone._repr_html_()
    with pytest.raises(InputError, match="neither this nor other has a point"):
        empty.compare(empty)


def test_single_and_equal_points(point, demands) -> None:
    one = Front.of([point(0, 20, 10)], demands)
    same = one.compare(Front.of([point(3, 20, 10)], demands))
    assert same.hypervolume == (pytest.approx(1.0), pytest.approx(1.0))
    assert same.epsilon == (0.0, 0.0)


def test_what_cannot_be_compared(point, demands, two) -> None:
    other = Demands.of(["error_pct", "energy_mj"])
    apart = Front.of([point(0, 20, 10, demands=other, others={"energy_mj": 1.0})], other)
    with pytest.raises(InputError, match="'latency_ms' is one of this and not of other"):
        two[0].compare(apart)
    seconds = Demands.of(["error_pct", replace(CATALOGUE["latency_ms"], unit="s", scale=1.0)])
    with pytest.raises(InputError, match="'latency_ms' has unit 'ms' in this and 's' in other"):
        two[0].compare(Front.of([point(0, 20, 10, demands=seconds)], seconds))
    more = Demands.of(["error_pct", replace(CATALOGUE["latency_ms"], goal="max")])
    with pytest.raises(InputError, match="'latency_ms' has goal 'min' in this and 'max' in other"):
        two[0].compare(Front.of([point(0, 20, 10, demands=more)], more))
    with pytest.raises(InputError, match="both fronts are called 'a'"):
        two[0].compare(two[1], ("a", "a"))


def test_the_order_of_objectives_does_not_count(point, demands, two) -> None:
    turned = Demands.of(["latency_ms", "error_pct"], {"latency_ms": "<= 50"})
    same = [(10, 12, "c"), (5, 20, "b"), (4, 30, "d")]
    trials = [point(i, e, ms, demands=turned, network=n) for i, (ms, e, n) in enumerate(same)]
    second = Front.of(trials, turned)
    assert two[0].compare(second).hypervolume == two[0].compare(two[1]).hypervolume


def test_it_shows_itself(two) -> None:
    found = two[0].compare(two[1], ("ours", "theirs"), logarithms=False)
    assert repr(found) == (
        "FrontComparison(theirs is better than ours; ours: 2 points, hypervolume 0.504, covers 67%; "
        "theirs: 3 points, hypervolume 0.510, covers 50%)"
    )
    table = found.to_frame()
    assert list(table["front"]) == ["ours", "ours", "theirs", "theirs", "theirs"]
    assert list(table["standing"]) == ["beats", "equal", "beaten", "equal", "stands"]
    assert list(found.measures().columns) == ["measure", "ours", "theirs"]
    assert "1 of 3 points of theirs are beaten, 1 of them surely" in found.sentences
    record = json.loads(json.dumps(found.to_record()))
    assert record["fronts"][0]["coverage"] == pytest.approx(2 / 3)
    assert record["points"][2]["beaten_by"] == [0]
