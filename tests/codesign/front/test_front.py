"""Fronts: what nothing beats, ties kept, and the tools to choose."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign.evaluate import Evaluation, PointCost
from codesign.front import Front, non_dominated
from codesign.objectives import Demands
from codesign.search.trial import Trial
from hw_models.cost.base import Estimate
from hw_models.errors import InputError
from search_spaces.candidate import Candidate

DEMANDS = Demands.of(["error_pct", "latency_ms"], {"latency_ms": "<= 50"})


def trial(
    n: int, error: float, ms: float | None, *, spread: float = 0.0, int8: bool = False, **more
) -> Trial:
    """A trial with this error (-0.4 to +1.9 where int8) and latency, whose interval is +- `spread` of it."""
    latency = Estimate.unknown("s")
    if ms is not None:
        latency = Estimate(ms / 1e3, ms / 1e3 * (1 - spread), ms / 1e3 * (1 + spread), "roofline", "s")
    err = Estimate(error, error, error, "published", "%")
    if int8:
        err = Estimate(error, error - 0.4, error + 1.9, "prior", "%")
    e = Evaluation(Candidate(arch=f"net{n}", chip="c"), network=f"net{n}", chip="c", precision="int8" if int8
    else "fp16",
                   cost=PointCost(latency=latency), error=err, **more)  # fmt: skip
    return Trial(n, e, DEMANDS.judge(e))


def numbers(front: Front) -> list[int]:
    return [t.number for t in front.members]


def test_dominance_by_hand() -> None:
    front = Front.of(
        [trial(0, 30, 5), trial(1, 20, 10), trial(2, 25, 11), trial(3, 10, 40), trial(4, 5, 60)], DEMANDS
    )
    assert numbers(front) == [3, 1, 0]  # 2 is beaten by 1; 4 is over the limit of 50 ms
    assert list(front.points["role"]) == ["front", "front", "dominated", "front", "rejected"]


def test_ties_stay_and_what_is_unknown_does_not() -> None:
    front = Front.of([trial(0, 20, 10), trial(1, 20, 10), trial(2, 20, 11), trial(3, 1, None)], DEMANDS)
    assert numbers(front) == [0, 1]
    assert list(front.points["role"]) == ["front", "front", "dominated", "unknown"]


def test_fidelity_is_shown_and_gives_no_privilege() -> None:
    assert numbers(Front.of([trial(0, 20, 10), trial(1, 20, 5, int8=True)], DEMANDS)) == [1]
    assert numbers(Front.of([trial(0, 20, 5), trial(1, 20, 6, int8=True)], DEMANDS)) == [0]


POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6), st.booleans()), max_size=30)


@given(POINTS)
def test_properties(points: list[tuple[int, int, bool]]) -> None:
    trials = [trial(i, e, ms, int8=q) for i, (e, ms, q) in enumerate(points)]
    front = Front.of(trials, DEMANDS)
    assert Front.of(front, DEMANDS) == front
    assert numbers(Front.of(trials[::-1], DEMANDS)) == numbers(front)
    on = set(numbers(front))
    for i, (e, ms, _) in enumerate(points):
        beaten = any(e2 <= e and ms2 <= ms and (e2 < e or ms2 < ms) for e2, ms2, _ in points)
        assert (i not in on) == beaten


def test_non_dominated_of_nothing() -> None:
    assert non_dominated(np.zeros((0, 2))).shape == (0,)


def test_separable() -> None:
    same, other = trial(0, 20, 10, spread=0.3), trial(1, 20.0, 10.0, spread=0.3)
    near = trial(2, 15, 12, spread=0.3)
    front = Front.of([same, other, near], DEMANDS)
    # 0 and 1 overlap in both; 2 overlaps in latency only: its error is told apart
    assert front.not_separable == {2: (), 0: (1,), 1: (0,)}
    blurred = Front.of(
        [trial(0, 20, 10, spread=0.3, int8=True), trial(1, 18, 12, spread=0.3, int8=True)], DEMANDS
    )
    assert blurred.not_separable == {0: (1,), 1: (0,)}
    assert list(blurred.to_frame()["separable"]) == [False, False]


def test_remarks_say_what_a_reader_must_know() -> None:
    front = Front.of([trial(0, 20, 10, spread=0.1), trial(1, 19, 11, spread=0.1, int8=True)], DEMANDS)
    assert front.fidelities == {"error_pct": ("prior", "published"), "latency_ms": ("roofline",)}
    assert front.remarks == (
        "error_pct mixes prior and published",
        "2 of 2 points are not separable from another: their intervals overlap in every objective",
    )


def test_knee_is_nearest_to_the_ideal() -> None:
    front = Front.of([trial(0, 30, 5), trial(1, 12, 12), trial(2, 10, 40)], DEMANDS)
    assert front.knee().number == 1  # scaled (0.1, 0.2) against (1, 0) and (0, 1)
    assert Front.of([trial(7, 30, 5)], DEMANDS).knee().number == 7
    with pytest.raises(InputError, match="the front is empty: none of 1 trials is feasible"):
        Front.of([trial(0, 30, 90)], DEMANDS).knee()


def test_filter_and_choose() -> None:
    front = Front.of([trial(0, 30, 5), trial(1, 20, 10), trial(2, 10, 40)], DEMANDS)
    assert numbers(front.filter({"latency_ms": "<= 20"})) == [1, 0]
    assert numbers(front.filter(where=lambda t: t.number > 0)) == [2, 1]
    assert numbers(front.filter({"price_usd": "<= 10"})) == []
    assert front.choose("error_pct", {"latency_ms": "<= 20"}).number == 1
    assert front.choose("throughput_ips").number == 0
    with pytest.raises(
        InputError, match="none of the 3 points of the front has a known error_pct and meets latency_ms <= 1;"
    ):
        front.choose("error_pct", {"latency_ms": "<= 1"})


def test_hypervolume_by_hand() -> None:
    front = Front.of([trial(0, 30, 5), trial(1, 20, 10), trial(2, 10, 40)], DEMANDS)
    # strips of 10 % each to the reference (40 %, 50 ms): 10 x 45 + 10 x 40 + 10 x 10
    assert front.hypervolume({"error_pct": 40, "latency_ms": 50}) == pytest.approx(950.0)
    assert Front.of([], DEMANDS).hypervolume({"error_pct": 40, "latency_ms": 50}) == 0.0
    with pytest.raises(InputError, match="reference point without 'latency_ms'"):
        front.hypervolume({"error_pct": 40})


def test_maximised_objectives() -> None:
    demands = Demands.of(["top1_pct", "latency_ms"])
    trials = [trial(0, 30, 5), trial(1, 20, 10), trial(2, 25, 11)]
    front = Front.of([Trial(t.number, t.evaluation, demands.judge(t.evaluation)) for t in trials], demands)
    assert numbers(front) == [1, 0]
    assert front.goals == {"top1_pct": "max", "latency_ms": "min"}
    assert front.hypervolume({"top1_pct": 60, "latency_ms": 20}) == pytest.approx(10 * 15 + 10 * 10)


def test_records_for_json() -> None:
    front = Front.of([trial(3, 20, 10, spread=0.1, int8=True, notes=("a note",))], DEMANDS)
    (record,) = json.loads(json.dumps(front.to_records()))
    shown = ("id", "network", "chip", "precision", "arch", "error_pct", "latency_ms", "feasible", "separable")
    assert {k: record[k] for k in shown} == {
        "id": 3, "network": "net3", "chip": "c", "precision": "int8", "arch": "net3", "error_pct": 20.0,
        "latency_ms": 10.0, "feasible": True, "separable": True,
    }  # fmt: skip
    assert record["energy_mj"] is None
    assert record["fidelity"]["error_pct"] == "prior"
    assert record["fidelity"]["energy_mj"] is None
    assert (record["low"]["error_pct"], record["high"]["error_pct"]) == (19.6, 21.9)
    assert record["low"]["latency_ms"] == pytest.approx(9.0)
    assert record["notes"] == ["a note"]


def test_it_shows_itself() -> None:
    assert repr(trial(3, 20, 10)) == "Trial(3: net3 on c (fp16), error_pct 20, latency_ms 10, feasible)"
    front = Front.of([trial(i, 60 - i, i + 1) for i in range(30)], DEMANDS)
    assert repr(front) == "Front(30 of 30 trials, min error_pct, min latency_ms)"
    assert "<table" in front._repr_html_()
    assert len(front.to_frame()) == 30
    assert list(Front.of([], DEMANDS).to_frame()["error_pct"]) == []
    assert Front.of([], DEMANDS).to_records() == []
