"""Other demands on the same trials: nothing is evaluated, everything is judged anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codesign.front import Front
from codesign.objectives import Demands, Objective
from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from codesign.evaluate import Evaluation


def numbers(front: Front) -> list[int]:
    return [t.number for t in front.members]


@pytest.fixture
def front(point, demands) -> Front:
    mj = {0: 9.0, 1: 5.0, 2: 7.0, 3: 1.0, 4: 2.0}
    places = [(30, 5), (20, 10), (25, 11), (10, 40), (5, 60)]
    return Front.of(
        [point(i, e, ms, others={"energy_mj": mj[i]}) for i, (e, ms) in enumerate(places)], demands
    )


def test_a_tighter_and_a_wider_bound(front: Front) -> None:
    assert numbers(front) == [3, 1, 0]
    assert numbers(front.under({"latency_ms": "<= 20"})) == [1, 0]
    assert numbers(front.under({"latency_ms": "<= 100"})) == [4, 3, 1, 0]  # rejected before
    assert numbers(front.under({"latency_ms": None})) == [4, 3, 1, 0]
    assert len(front.under({"latency_ms": None}).trials) == 5


def test_a_dominated_point_is_on_the_front_of_other_objectives(front: Front) -> None:
    other = front.under(objectives=["latency_ms", "energy_mj"])
    assert numbers(other) == [0, 1, 3]
    assert 2 in numbers(front.under({"energy_mj": ">= 6"}))  # 1, which beat it, is out
    assert other.remarks[0] == (
        "judged anew under min latency_ms; min energy_mj; latency_ms <= 50: the search did not aim at it, "
        "one that does may find better"
    )


def test_a_rate_changes_power_and_what_keeps_up(point) -> None:
    demands = Demands.of(["error_pct", "power_w"], rate_hz=10)
    trials = [point(i, e, ms, demands=demands, others={"energy_mj": 3.0}, rate_hz=10.0)
              for i, (e, ms) in enumerate([(20, 40), (30, 20)])]  # fmt: skip
    front = Front.of(trials, demands)
    assert front.members[0].value("power_w") == pytest.approx(0.03)
    assert numbers(front) == [0]  # as frugal and more accurate
    faster = front.under(rate_hz=40)
    assert [str(c) for c in faster.demands.constraints] == ["throughput_ips >= 40"]
    assert numbers(faster) == [1]
    assert faster.members[0].value("power_w") == pytest.approx(0.12)


def test_objectives_of_ones_own(front: Front) -> None:
    def both(e: Evaluation) -> float:
        return 1e6 * (e.cost.latency.value or 0) * (e.cost.energy.value or 0)

    product = Objective("ms_mj", "min", both)
    assert numbers(front.under(objectives=["error_pct", product])) == [3]
    again = front.under(objectives=[product]).under({"ms_mj": "<= 40"}, ["error_pct"])
    assert numbers(again) == [3]


def test_what_there_is_not(front: Front) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'latency_ms'"):
        front.under({"latncy_ms": "<= 5"})
    with pytest.raises(UnknownNameError, match="unknown constraint to drop 'power_w'; bounds: latency_ms"):
        front.under({"power_w": None})
    with pytest.raises(InputError, match="expected '<= 10' or '>= 10' with a number in ms"):
        front.under({"latency_ms": "fast"})
    with pytest.raises(InputError, match="rate_hz=0 given, expected images per second above 0"):
        front.under(rate_hz=0)
    with pytest.raises(InputError, match="no objective given"):
        front.under(objectives=[])


def test_nothing_left_says_why(front: Front) -> None:
    empty = front.under({"latency_ms": "<= 1"})
    assert len(empty) == 0
    with pytest.raises(InputError, match="the front is empty: none of 5 trials is feasible"):
        empty.knee()
    with pytest.raises(InputError, match="none of its 3 points meets what was asked of them"):
        front.filter({"latency_ms": "<= 1"}).knee()
