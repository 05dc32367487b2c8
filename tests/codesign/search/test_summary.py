"""What stands in the way of a search, and what would help most, told from its own trials."""

from __future__ import annotations

from codesign.evaluate import Evaluation, PointCost
from codesign.objectives import Demands
from codesign.search.summary import Change, Summary, summarise
from codesign.search.trial import Trial
from hw_models.cost.base import Estimate
from search_spaces.candidate import Candidate

MS = 1e-3


def trial(number: int, depth: int, chip: str, seconds: float | None, joules: float | None = 1e-3) -> Trial:
    def known(value: float | None, unit: str) -> Estimate:
        return Estimate.unknown(unit) if value is None else Estimate(value, value, value, "roofline", unit)

    cost = PointCost(latency=known(seconds, "s"), energy=known(joules, "J"))
    evaluation = Evaluation(Candidate(depth=depth, chip=chip), chip=chip, cost=cost)
    return Trial(number, evaluation, DEMANDS.judge(evaluation))


DEMANDS = Demands.of(["latency_ms"], {"latency_ms": "<= 10", "energy_mj": "<= 5", "throughput_ips": ">= 400"})


def summary(trials: list[Trial]) -> Summary:
    return summarise(trials, DEMANDS, 0)


def test_the_knobs_that_help_most() -> None:
    """Slow chip 40, 60, 80, 120 ms, fast chip 20, 30: its median is 25; depth 1 has 40 and 20, so 30."""
    table = [
        (1, "slow", 40),
        (2, "slow", 60),
        (3, "slow", 80),
        (4, "slow", 120),
        (1, "fast", 20),
        (2, "fast", 30),
    ]
    told = summary([trial(i, d, c, ms * MS) for i, (d, c, ms) in enumerate(table)])
    latency = {r.name: r for r in told.rejections}["latency_ms"]
    assert (latency.rejected, latency.median, latency.nearest) == (6, 50.0, 20.0)
    assert latency.helps == (Change("chip", "fast", 25.0, 2), Change("depth", 1, 30.0, 2))
    assert latency.levers.startswith(
        "chip=fast (median 25 ms in 2 trials); depth=1 (median 30 ms in 2 trials); "
    )
    assert latency.levers.endswith("a narrower precision, or a chip with more bandwidth and compute")


def test_a_bound_from_below() -> None:
    """Inferences per second are 1 / latency: 12.5 and 10 on one chip, 50 and 40 on the other."""
    table = [(1, "a", 80), (2, "a", 100), (1, "b", 20), (2, "b", 25)]
    told = summary([trial(i, d, c, ms * MS) for i, (d, c, ms) in enumerate(table)])
    rate = {r.name: r for r in told.rejections}["throughput_ips"]
    assert rate.helps[0] == Change("chip", "b", 45.0, 2)
    assert rate.nearest == 50.0


def test_one_value_is_no_lever() -> None:
    told = summary([trial(i, 1, "a", 50 * MS) for i in range(4)])
    assert told.rejections[0].helps == ()
    assert "lever: a smaller network or input" in str(told.rejections[0])


def test_unknown_everywhere_is_counted_and_said() -> None:
    told = summary([trial(i, i, "a", 1 * MS, None) for i in range(3)])
    assert told.unknown == 3
    assert told.why_nothing.splitlines()[:2] == [
        "nothing is feasible among 3 trials",
        "what rejects most: energy_mj <= 5 cannot be told for 3 trials; allow_unknown lets them in, marked",
    ]


def test_known_for_some_only() -> None:
    told = summary([trial(0, 1, "a", 1 * MS, None), trial(1, 1, "b", 1 * MS, 9e-3)])
    assert str(told.rejections[0]).endswith(
        "or a chip of a newer node; it cannot be told for 1 trials; allow_unknown lets them in, marked"
    )
