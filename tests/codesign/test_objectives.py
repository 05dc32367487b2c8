"""Objectives and constraints as data, and the verdict: unknown is never good."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codesign.evaluate import Evaluation, PointCost
from codesign.objectives import CATALOGUE, Constraint, Demands, Objective, Quantity, objective
from hw_models.cost.base import Estimate
from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate


def evaluation(**changes: object) -> Evaluation:
    """Ten milliseconds, forty millijoules, 21.5 % error; the rest unknown."""
    cost = PointCost(
        latency=Estimate(0.010, 0.008, 0.013, "roofline", "s"),
        energy=Estimate(0.040, 0.020, 0.080, "prior", "J"),
    )
    known = {
        "cost": cost,
        "error": Estimate(21.5, 21.5, 21.5, "published", "%"),
        "facts": {"params_m": 25.6, "macs_g": 4.1},
    }
    return Evaluation(Candidate(a=1), **{**known, **changes})


UNITS = {"pct", "ms", "ips", "mj", "w", "mb", "m", "g", "mm2", "usd", "score"}


def test_every_entry_of_the_catalogue_has_a_unit_in_its_name_a_title_and_a_lever() -> None:
    for name, o in CATALOGUE.items():
        assert o.name == name
        assert o.title
        assert o.lever
        assert name.rpartition("_")[2] in UNITS


def test_readings_are_in_the_unit_of_the_name() -> None:
    e = evaluation(rate_hz=30.0)
    read = {n: o.read(e) for n, o in CATALOGUE.items()}
    assert read["latency_ms"] == Quantity(10.0, 8.0, 13.0, "roofline")
    assert read["energy_mj"] == Quantity(40.0, 20.0, 80.0, "prior")
    assert read["error_pct"] == Quantity(21.5, 21.5, 21.5, "published")
    assert read["top1_pct"] == Quantity(78.5, 78.5, 78.5, "published")
    assert read["params_m"].value == 25.6
    # 40 mJ an image at 30 images a second
    assert read["power_w"].value == pytest.approx(1.2)
    assert (read["power_w"].low, read["power_w"].high) == (pytest.approx(0.6), pytest.approx(2.4))
    throughput = read["throughput_ips"]
    assert (throughput.value, throughput.low, throughput.high) == (100.0, pytest.approx(1 / 0.013), 125.0)
    for name in ("peak_memory_mb", "area_mm2", "price_usd", "rated_power_w"):
        assert read[name] == Quantity(None)


def test_power_without_energy_is_the_cap_and_says_so() -> None:
    cap = Estimate(15.0, None, None, "cap", "W")
    cost = PointCost(latency=evaluation().cost.latency, power=cap)
    assert CATALOGUE["power_w"].read(evaluation(cost=cost, rate_hz=30.0)) == Quantity(15.0, None, None, "cap")
    assert CATALOGUE["power_w"].read(evaluation(cost=PointCost(), rate_hz=30.0)) == Quantity(None)


def test_idle_power_is_drawn_between_images_where_it_is_stated() -> None:
    # busy 30 x 10 ms of a second: 1.2 W from energy, 2 W idle for the other 0.7 s
    idle = evaluation(rate_hz=30.0, facts={"idle_power_w": 2.0})
    read = CATALOGUE["power_w"].read(idle)
    assert (read.value, read.low, read.high) == tuple(pytest.approx(x + 1.4) for x in (1.2, 0.6, 2.4))
    # a chip that cannot keep up never waits
    assert CATALOGUE["power_w"].read(evaluation(rate_hz=200.0, facts={"idle_power_w": 2.0})).value == 8.0


def test_power_of_a_batch_counts_its_images() -> None:
    # a batch of 8 costs 40 mJ together: 30 images a second are 3.75 batches a second
    assert CATALOGUE["power_w"].read(evaluation(rate_hz=30.0, batch=8)).value == pytest.approx(0.15)
    assert CATALOGUE["throughput_ips"].read(evaluation(batch=8)).value == pytest.approx(800.0)


@pytest.mark.parametrize(
    ("text", "op", "bound"),
    [("<= 10", "<=", 10.0), (">=78.5", ">=", 78.5), ("< 1e-3", "<=", 1e-3), (" <= 10 ms ", "<=", 10.0)],
)
def test_constraints_are_read_from_text(text: str, op: str, bound: float) -> None:
    c = Constraint.parse(CATALOGUE["latency_ms"], text)
    assert (c.op, c.bound, c.name) == (op, bound, "latency_ms")


@pytest.mark.parametrize("text", ["10", "== 10", "<= ten", "<= nan", "<= inf", "", "<= 10 20", "<= --3"])
def test_what_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="constraint on 'latency_ms'"):
        Constraint.parse(CATALOGUE["latency_ms"], text)


def test_a_bound_in_another_unit_is_refused() -> None:
    with pytest.raises(InputError, match="unit 's' given, expected ms as the name says"):
        Constraint.parse(CATALOGUE["latency_ms"], "<= 0.01 s")


@given(value=st.floats(-1e6, 1e6), bound=st.floats(-1e6, 1e6), op=st.sampled_from(["<=", ">="]))
def test_excess_is_positive_exactly_where_the_bound_is_broken(value: float, bound: float, op: str) -> None:
    c = Constraint(CATALOGUE["latency_ms"], op, bound)
    met = value <= bound if op == "<=" else value >= bound
    assert (c.excess(value) <= 0) == met


def verdict(e: Evaluation, constraints=(), objectives=("error_pct", "latency_ms"), **options):
    return Demands.of(objectives, dict(constraints), **options).judge(e)


def test_met_broken_and_near() -> None:
    met = verdict(evaluation(), {"latency_ms": "<= 20"})
    assert (met.status, met.uncertain, met.reasons) == ("feasible", (), ())
    assert met.excess["latency_ms"] == pytest.approx(-0.5)
    near = verdict(evaluation(), {"latency_ms": "<= 12"})
    assert (near.status, near.uncertain) == ("feasible", ("latency_ms",))
    broken = verdict(evaluation(), {"latency_ms": "<= 5"})
    assert (broken.status, broken.reasons) == ("infeasible", ("latency_ms is 10, bound <= 5",))
    assert broken.excess["latency_ms"] == pytest.approx(1.0)


def test_unknown_never_meets_a_constraint() -> None:
    open_ = verdict(evaluation(), {"price_usd": "<= 100"})
    assert (open_.status, open_.reasons) == ("unknown", ("price_usd is unknown",))
    assert open_.excess == {"price_usd": None}
    let_in = verdict(evaluation(), {"price_usd": "<= 100"}, allow_unknown=True)
    assert (let_in.status, let_in.assumed) == ("feasible", ("price_usd",))
    # a broken bound counts more than an unknown one
    both = verdict(evaluation(), {"price_usd": "<= 100", "latency_ms": "<= 1"}, allow_unknown=True)
    assert both.status == "infeasible"


def test_an_unknown_objective_is_unknown_even_where_unknown_constraints_are_let_in() -> None:
    v = verdict(evaluation(), objectives=("error_pct", "area_mm2"), allow_unknown=True)
    assert (v.status, v.reasons) == ("unknown", ("area_mm2 is unknown",))


def test_a_bound_inside_the_interval_leaves_the_verdict_uncertain() -> None:
    e = evaluation(error=Estimate(21.5, 21.0, 23.0, "prior", "%"))
    for bounds, uncertain in [
        ({"error_pct": "<= 22"}, True),
        ({"top1_pct": ">= 78"}, True),
        ({"error_pct": "<= 25"}, False),
        ({"top1_pct": ">= 75"}, False),
    ]:
        v = verdict(e, bounds)
        assert (v.status, v.uncertain) == ("feasible", tuple(bounds) if uncertain else ())
    assert verdict(e, {"error_pct": "<= 21.2"}).status == "infeasible"


def test_an_open_end_reaches_across_every_bound_on_its_side() -> None:
    e = evaluation(cost=PointCost(latency=Estimate(0.010, 0.008, None, "roofline", "s")))
    assert verdict(e, {"latency_ms": "<= 20"}).uncertain == ("latency_ms",)
    assert verdict(e, {"latency_ms": "<= 7"}).uncertain == ()
    assert Quantity(10.0, 8.0, None).ends == (8.0, math.inf)
    assert Quantity(10.0).ends == (10.0, 10.0)
    assert all(math.isnan(x) for x in Quantity(None).ends)


def test_a_required_rate_is_a_constraint() -> None:
    e = evaluation(rate_hz=200.0)
    v = verdict(e, rate_hz=200.0)
    assert (v.status, v.reasons) == ("infeasible", ("throughput_ips is 100, bound >= 200",))
    stated = Demands.of(["latency_ms"], {"throughput_ips": ">= 50"}, rate_hz=200.0)
    assert [str(c) for c in stated.constraints] == ["throughput_ips >= 50"]


def test_what_cannot_run_is_not_modelled_or_failed() -> None:
    cannot = verdict(evaluation(state="cannot_run", problem="needs 9 GB, has 8 GB"))
    assert (cannot.status, cannot.reasons) == ("infeasible", ("needs 9 GB, has 8 GB",))
    blind = verdict(evaluation(state="unknown", problem="no bandwidth"))
    assert (blind.status, blind.reasons) == ("unknown", ("no bandwidth",))
    failed = verdict(evaluation(state="failed", problem="no such layer"))
    assert (failed.status, failed.reasons, failed.quantities) == ("failed", ("no such layer",), {})
    half = evaluation(unmodelled_share=0.25)
    assert verdict(half).reasons == (
        "25% of the bytes are not modelled, more than 20%; allow_unmodelled lets it in",
    )
    assert verdict(half, allow_unmodelled=True).status == "feasible"
    assert verdict(evaluation(unmodelled_share=0.2)).status == "feasible"


def test_own_objectives() -> None:
    own = Objective("ms_per_gmac", "min", lambda e: e.cost.latency.value * 1e3 / e.facts["macs_g"])
    assert own.read(evaluation()).value == pytest.approx(10 / 4.1)
    assert Objective("none", "min", lambda _: None).read(evaluation()) == Quantity(None)
    for bad in (math.nan, math.inf, "fast", True):
        with pytest.raises(InputError, match="objective 'bad' returned"):
            Objective("bad", "min", lambda _, bad=bad: bad).read(evaluation())
    with pytest.raises(InputError, match=r"objective 'bad' raised KeyError: 'nothing'"):
        Objective("bad", "min", lambda e: e.facts["nothing"]).read(evaluation())
    with pytest.raises(InputError, match="goal 'less' of the objective 'bad' given, expected 'min' or 'max'"):
        Objective("bad", "less", lambda _: 0.0)


def test_names_that_do_not_exist() -> None:
    with pytest.raises(UnknownNameError) as error:
        objective("latency")
    assert str(error.value).startswith(
        "unknown objective 'latency'; did you mean 'latency_ms'?; known: error_pct, top1_pct"
    )
