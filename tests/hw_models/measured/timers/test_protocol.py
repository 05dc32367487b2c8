"""Warm-up, repeats, intervals and refusal, on clocks that tests hold in their hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from hw_models.errors import InputError, NoisyMachineError
from hw_models.measured.profile import Times
from hw_models.measured.timers import protocol
from hw_models.measured.timers.protocol import TimingPlan, median_interval, time_interleaved


class Clock:
    """A time that steps alone move on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ran: list[str] = []

    def perf_counter(self) -> float:
        return self.now

    def step(self, name: str, seconds: Iterator[float]) -> Callable[[], float]:
        def run() -> float:
            taken = next(seconds)
            self.now += taken
            self.ran.append(name)
            return taken

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    held = Clock()
    monkeypatch.setattr(protocol, "time", held)
    return held


def noise(median: float, spread: float, seed: int = 0) -> Iterator[float]:
    random = np.random.default_rng(seed)
    while True:
        yield median * float(np.exp(spread * random.standard_normal()))


def test_quiet_machine_stops_as_soon_as_the_median_is_known(clock: Clock) -> None:
    plan = TimingPlan(half_width=0.02, budget_s=100)
    (timing,) = time_interleaved({"net": clock.step("net", noise(0.01, 0.02))}, plan).values()
    assert timing.noise == ""
    assert timing.half_width <= 0.02
    assert timing.low_s <= timing.median_s <= timing.high_s
    assert timing.median_s == pytest.approx(0.01, rel=0.02)
    assert clock.now < 3
    assert timing.burst.max() + 1 >= plan.min_bursts
    assert np.bincount(timing.burst).tolist() == [5] * (timing.burst.max() + 1)


def test_noisy_machine_is_refused_with_the_spread(clock: Clock) -> None:
    with pytest.raises(NoisyMachineError) as caught:
        time_interleaved({"net": clock.step("net", noise(0.01, 0.3))}, TimingPlan(budget_s=5))
    text = str(caught.value)
    assert "net: p10 to p90 of" in text
    assert "(limit 25%)" in text
    assert "--allow-noise" in text


def test_allowed_noise_is_marked(clock: Clock) -> None:
    plan = TimingPlan(budget_s=5, allow_noise=True)
    timing = time_interleaved({"net": clock.step("net", noise(0.01, 0.3))}, plan)["net"]
    assert "spans" in timing.noise
    assert timing.spread == pytest.approx(2 * np.sinh(1.2816 * 0.3), rel=0.1)
    assert "noisy" in repr(timing)


def test_a_budget_too_short_for_an_interval_is_refused(clock: Clock) -> None:
    with pytest.raises(NoisyMachineError, match=r"2 bursts in 2 s, an interval needs 6"):
        time_interleaved({"net": clock.step("net", noise(1.0, 0.001))}, TimingPlan(budget_s=1.5))


def test_warm_up_waits_for_a_steady_state(clock: Clock) -> None:
    def falling() -> Iterator[float]:
        for i in range(100):
            yield 0.01 * (1 + 2 * 0.8**i)
        yield from noise(0.01, 0.01)

    timing = time_interleaved({"net": clock.step("net", falling())}, TimingPlan())["net"]
    assert timing.warmup_steps > 15
    assert timing.times.max_s is not None
    assert timing.times.max_s < 0.0115


def test_networks_take_turns_and_drift_hits_all_alike(clock: Clock) -> None:
    """The clock slows by half over the run: side by side, the ratio of two networks stays what it is."""

    def drifting(base: float) -> Iterator[float]:
        while True:
            yield base * (1 + clock.now / 20)

    steps = {"a": clock.step("a", drifting(0.01)), "b": clock.step("b", drifting(0.02))}
    plan = TimingPlan(budget_s=3, max_spread=9, half_width=1e-6, allow_noise=True)
    timings = time_interleaved(steps, plan)
    assert timings["b"].median_s / timings["a"].median_s == pytest.approx(2, rel=0.03)
    turns = "".join(clock.ran)[40:]
    assert max(len(run) for run in turns.replace("b", " ").split()) <= 14


def test_the_step_after_another_network_is_not_timed(clock: Clock) -> None:
    def cold_after(other: str, name: str) -> Iterator[float]:
        while True:
            yield 0.02 if clock.ran and clock.ran[-1] == other else 0.01

    steps = {"a": clock.step("a", cold_after("b", "a")), "b": clock.step("b", cold_after("a", "b"))}
    timings = time_interleaved(steps, TimingPlan())
    assert timings["a"].times.max_s == timings["b"].times.max_s == 0.01


def test_order_and_interval_follow_from_the_seed(clock: Clock) -> None:
    def once() -> tuple[float, ...]:
        steps = {n: clock.step(n, noise(0.01, 0.05, seed=3)) for n in "ab"}
        plan = TimingPlan(budget_s=1, seed=5, allow_noise=True)
        return tuple(
            x for t in time_interleaved(steps, plan).values() for x in (t.low_s, t.high_s, t.median_s)
        )

    first = once()
    clock.now = 0.0
    clock.ran.clear()
    assert once() == pytest.approx(first, rel=1e-12)


def test_interval_holds_the_median_as_often_as_it_says() -> None:
    """Bursts that share a disturbance: an interval over single steps would be far too narrow."""
    random = np.random.default_rng(0)
    burst = np.repeat(np.arange(40), 10)
    held = single = 0
    for trial in range(120):
        steps = 1 + 0.1 * random.standard_normal(40)[burst] + 0.03 * random.standard_normal(400)
        low, high = median_interval(steps, burst, 0.95, seed=trial)
        held += low <= 1 <= high
        low, high = median_interval(steps, np.arange(400), 0.95, seed=trial)
        single += low <= 1 <= high
    assert held / 120 >= 0.88
    assert single / 120 < 0.7


def test_interval_of_bursts_of_unequal_length() -> None:
    low, high = median_interval(np.array([1.0, 1, 1, 2, 2, 3]), np.array([0, 0, 0, 1, 1, 2]), 0.9)
    assert 1 <= low <= high <= 3


def test_percentiles_that_the_sample_cannot_tell_are_unknown() -> None:
    few, many = Times.of(np.arange(1, 31)), Times.of(np.linspace(1, 2, 1001))
    assert (few.n, few.p50_s, few.max_s) == (30, 15.5, 30)
    assert few.p90_s == pytest.approx(27.1)
    assert few.p99_s is few.p99_9_s is None
    assert many.p99_9_s == pytest.approx(1.999)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_step_without_a_time_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="expected a time above 0"):
        time_interleaved({"net": lambda: bad}, TimingPlan())


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"confidence": 95}, "such as 0.95"), ({"max_spread": 0}, "above 0"), ({"budget_s": -1.0}, "above 0")],
)
def test_a_plan_that_cannot_be(given: dict[str, float], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        TimingPlan(**given)  # type: ignore[arg-type]


def test_interrupted_steps_are_told_apart_and_can_be_left_out(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fourth step loses the CPU for 4 ms, as on a machine with other work."""
    taken = {"steps": 0, "interruptions": 0}

    def shared() -> Iterator[float]:
        for quiet in noise(0.01, 0.02):
            taken["steps"] += 1
            taken["interruptions"] += taken["steps"] % 4 == 0
            yield quiet + (0.004 if taken["steps"] % 4 == 0 else 0)

    monkeypatch.setattr(protocol, "_interruptions", lambda: taken["interruptions"])
    with pytest.raises(
        NoisyMachineError, match=r"25% of the steps were interrupted by other work \(can be left"
    ):
        time_interleaved({"net": clock.step("net", shared())}, TimingPlan(budget_s=5))
    timing = time_interleaved({"net": clock.step("net", shared())}, TimingPlan(undisturbed=True))["net"]
    assert timing.noise == ""
    assert timing.interrupted == pytest.approx(0.25, abs=0.02)
    assert timing.median_s == pytest.approx(0.01, rel=0.01)
    assert timing.times.max_s is not None
    assert timing.times.max_s < 0.0115


def test_nothing_but_interrupted_steps(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(10**6))
    monkeypatch.setattr(protocol, "_interruptions", lambda: next(calls))
    steps = {"net": clock.step("net", noise(0.01, 0.02))}
    with pytest.raises(NoisyMachineError, match=r"net: all \d+ steps were interrupted"):
        time_interleaved(steps, TimingPlan(budget_s=1, undisturbed=True))
    timing = time_interleaved(steps, TimingPlan(budget_s=1, undisturbed=True, allow_noise=True))["net"]
    assert timing.undisturbed is False
    assert timing.interrupted == 1
    assert "none is left out" in timing.noise
