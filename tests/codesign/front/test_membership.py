"""How likely a point is truly on the front: closed forms, shared errors, constraints."""

from __future__ import annotations

import json
from math import log
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from codesign.front import Front
from codesign.front.truths import (
    ENERGY_SHARES,
    ENERGY_WITH_LATENCY,
    INDEPENDENT,
    SHARES,
    Z_90,
    Errors,
    Shares,
    draws,
)
from codesign.objectives import CATALOGUE, Demands
from hw_models.errors import InputError, UnknownNameError

LATENCY, ENERGY, RATE = (CATALOGUE[n] for n in ("latency_ms", "energy_mj", "throughput_ips"))
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results" / "error_shares.json"
MANY = 20_000


def test_exact_points_are_certain(point, demands) -> None:
    found = Front.of([point(0, 20, 10), point(1, 25, 5), point(2, 25, 11)], demands).membership()
    assert [found.of(n) for n in range(3)] == [1.0, 1.0, 0.0]
    assert found.error(0) == pytest.approx(1e-3, rel=0.1)
    assert found.expected_size == 2.0
    assert repr(found) == "Membership(2 of 2 points at 90 % or more, 0 off the front above 50 %, 1000 draws)"


def test_two_points_in_closed_form(point, demands) -> None:
    # equal error, 8 ms and 10 ms, each 90 % within a factor of 1.5 either way, errors independent: the first
    # is truly faster with Phi(ln(10 / 8) / (sqrt(2) sigma)), sigma = ln(1.5) / 1.645
    front = Front.of([point(0, 20, 8, factor=1.5, chip="a"), point(1, 20, 10, factor=1.5, chip="b")], demands)
    found = front.membership(n_draws=MANY, errors=INDEPENDENT)
    exact = NormalDist().cdf(log(10 / 8) / (2**0.5 * log(1.5) / Z_90))
    assert found.of(0) == pytest.approx(exact, abs=4 * found.error(0))
    assert found.of(0) + found.of(1) == pytest.approx(1.0)
    assert found.of(0) != found.of(1)


def test_what_two_points_share_does_not_blur_their_order(point, demands) -> None:
    def first(chips: tuple[str, str], errors: Errors | None = None) -> float:
        pair = [
            point(i, 20, ms, factor=1.5, chip=c) for i, (ms, c) in enumerate(zip((8, 10), chips, strict=True))
        ]
        return Front.of(pair, demands).membership(n_draws=MANY, errors=errors).of(0)

    # of the variance of one error, what is not of the chip is left between two networks on one chip
    left = (2 * (1 - SHARES.chip)) ** 0.5 * log(1.5) / Z_90
    assert first(("a", "a")) == pytest.approx(NormalDist().cdf(log(10 / 8) / left), abs=0.015)
    assert first(("a", "a")) > first(("a", "b")) + 0.03
    # a power mode is the same chip
    assert first(("a@15W", "a@30W")) == pytest.approx(first(("a", "a")), abs=0.015)
    assert first(("a", "a"), Errors(Shares(1.0, 0.0))) == 1.0


def test_a_family_of_chips_shares_what_a_chip_shares(point, demands) -> None:
    area = Demands.of(["latency_ms", "area_mm2"])
    pair = [
        point(
            i, 20, ms, demands=area, chip=f"systolic_{i}", family=True, factor=1.5, others={"area_mm2": mm2}
        )
        for i, (ms, mm2) in enumerate([(8, 12.0), (10, 11.0)])
    ]
    drawn = draws(pair, [CATALOGUE["area_mm2"]], 50, 0, Errors())
    assert np.allclose(drawn[:, 0, 0] / drawn[:, 1, 0], 12 / 11)  # area errs for the whole family
    assert len(np.unique(drawn[:, 0, 0])) == 50


def test_quality_errs_once_for_a_network(point) -> None:
    error = CATALOGUE["error_pct"]
    trials = [
        point(0, 20, 8, network="n", chip="a", points=1.0),
        point(1, 20, 9, network="n", chip="b", points=1.0),
        point(2, 20, 9, network="m", chip="b", points=1.0),
    ]
    drawn = draws(trials, [error, CATALOGUE["top1_pct"]], 200, 0, Errors())
    assert (drawn[:, 0, 0] == drawn[:, 1, 0]).all()
    assert abs(np.corrcoef(drawn[:, 1, 0], drawn[:, 2, 0])[0, 1]) < 0.2
    assert np.allclose(drawn[:, :, 0] + drawn[:, :, 1], 100.0)


def test_the_ends_of_an_interval_are_its_5_and_95_per_cent_points(point) -> None:
    lopsided = point(0, 20, 10, factor=1.0)
    wide = point(1, 20, 10, factor=2.0)
    drawn = draws([lopsided, wide], [LATENCY], MANY, 0, Errors())[:, :, 0]
    assert (drawn[:, 0] == 10.0).all()
    assert np.quantile(drawn[:, 1], (0.05, 0.5, 0.95)) == pytest.approx([5, 10, 20], rel=0.03)


def test_quantities_of_one_root_err_together(point) -> None:
    trial = point(0, 20, 10, factor=1.5, others={"energy_mj": 3.0}, rate_hz=30.0)
    names = ("latency_ms", "throughput_ips", "energy_mj", "power_w")
    drawn = draws([trial], [CATALOGUE[n] for n in names], MANY, 0, Errors())[:, 0]
    assert np.allclose(drawn[:, 0] * drawn[:, 1], 1e3)
    assert np.allclose(drawn[:, 3], drawn[:, 2] * 30 / 1e3)
    logs = np.log(drawn)
    assert np.corrcoef(logs[:, 0], logs[:, 2])[0, 1] == pytest.approx(
        ENERGY_WITH_LATENCY
        * sum(
            (a * b) ** 0.5
            for a, b in [
                (SHARES.chip, ENERGY_SHARES.chip),
                (SHARES.network, ENERGY_SHARES.network),
                (SHARES.own, ENERGY_SHARES.own),
            ]
        ),
        abs=0.03,
    )


def test_shares_are_those_that_were_measured() -> None:
    measured = json.loads(RESULTS.read_text())
    assert (SHARES.chip, SHARES.network) == pytest.approx(
        (measured["latency"]["chip"], measured["latency"]["network"]), abs=0.005
    )
    assert (ENERGY_SHARES.chip, ENERGY_SHARES.network) == pytest.approx(
        (measured["energy"]["chip"], measured["energy"]["network"]), abs=0.005
    )
    assert pytest.approx(measured["energy_with_latency"]["within_chips"], abs=0.005) == ENERGY_WITH_LATENCY


def test_beyond_a_limit_by_its_best_figure_alone(point, demands) -> None:
    # 55 ms against a bound of 50: truly within it with Phi(ln(50 / 55) / sigma)
    front = Front.of([point(0, 30, 20), point(1, 20, 55, factor=1.5)], demands)
    assert [t.number for t in front.members] == [0]
    found = front.membership(n_draws=MANY)
    exact = NormalDist().cdf(log(50 / 55) / (log(1.5) / Z_90))
    assert found.of(1) == pytest.approx(exact, abs=4 * found.error(1))
    assert found.of(0) == 1.0


def test_what_cannot_run_or_is_unknown_is_never_a_member(point, demands) -> None:
    trials = [
        point(0, 30, 20),
        point(1, 1, None),
        point(2, 1, 1, state="cannot_run", problem="no peak"),
        point(3, None, 1),
    ]
    found = Front.of(trials, demands).membership()
    assert [found.of(n) for n in range(4)] == [1.0, 0.0, 0.0, 0.0]
    assert list(found.to_frame()["id"]) == [0]


def test_same_seed_same_draws_whoever_stands_beside(point, demands) -> None:
    one, two, three = (point(i, 20 - i, 8 + i, factor=1.4) for i in range(3))
    alone = draws([two], [LATENCY], 100, 5, Errors())[:, 0, 0]
    beside = draws([one, two, three], [ENERGY, LATENCY], 100, 5, Errors())[:, 1, 1]
    assert (alone == beside).all()
    front = Front.of([one, two, three], demands)
    assert front.membership(seed=1).probability == front.membership(seed=1).probability
    assert front.membership(seed=1).probability != front.membership(seed=2).probability


def test_giving_up_hopeless_points_changes_nothing(point, demands, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    trials = [
        point(i, float(e), float(ms), factor=1.2, points=0.5, chip=f"c{i % 3}")
        for i, (e, ms) in enumerate(zip(rng.uniform(10, 40, 60), rng.uniform(1, 60, 60), strict=True))
    ]
    front = Front.of(trials, demands)
    quick = front.membership().probability
    monkeypatch.setattr("codesign.front.membership.FAR", 50.0)
    assert front.membership().probability == quick


def test_members_in_tables_and_json(point, demands) -> None:
    front = Front.of([point(0, 20, 10, factor=1.5), point(1, 19.5, 10.5, factor=1.5)], demands)
    table = front.to_frame()
    assert table["membership"].between(0, 1).all()
    record = front.to_records()[0]
    assert record["membership"] == front.membership().of(record["id"])
    assert record["membership_error"] > 0
    assert "membership" in front.points
    assert "<table" in front.membership()._repr_html_()
    # a chosen part of a front is still held against every trial
    assert front.thin({"error_pct": 1}).membership().probability == front.membership().probability


def test_wrong_settings(point, demands) -> None:
    front = Front.of([point(0, 20, 10)], demands)
    with pytest.raises(InputError, match="n_draws=0 given, expected a positive integer"):
        front.membership(n_draws=0)
    with pytest.raises(
        InputError, match=r"shares chip=0\.8 and network=0.5 given, expected parts of a whole"
    ):
        Shares(0.8, 0.5)
    with pytest.raises(InputError, match=r"energy_with_latency=1\.5 given, expected a correlation"):
        Errors(energy_with_latency=1.5)
    with pytest.raises(UnknownNameError, match="unknown trial '9'"):
        front.membership().of(9)


def test_empty(demands) -> None:
    found = Front.of([], demands).membership()
    assert found.expected_size == 0.0
    assert list(found.to_frame().columns)[:2] == ["id", "network"]
