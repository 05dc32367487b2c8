"""How often a step is repeated, how sure its median is, and when the machine is too noisy to say.

Steps are taken in bursts, one burst of every network in turn and in random order, so that drift (heat,
clocks, other work) hits all networks alike. The first step of a burst is not timed where another network
ran before it: it would pay for the caches that the other one filled. Bursts, not steps, are what is
independent: the interval of the median is the percentile bootstrap over whole bursts.

The system counts how often it took a CPU away from this process. Such a step is known to be disturbed
whatever it took; leaving those out (`undisturbed`) tells what a quiet machine would show, and is marked.

Source: getrusage(2), ru_nivcsw; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13;
Kuensch, Annals of Statistics 17(3), 1989 (blocks); Hoefler and Belli, SC15 (median, interval,
interleaving).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from typing_extensions import override

from hw_models.errors import InputError, NoisyMachineError
from hw_models.measured.profile import Times

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

Step = Callable[[], float]
"""Runs one step to its end and returns the seconds it took."""

N_RESAMPLES: Final = 500
WORTH_SAYING: Final = 0.01
"""Share of interrupted steps from which they are a reason."""
LOOKS: Final = 1.25
"""Growth of the number of bursts from one look at the interval to the next."""
WARM_WINDOW: Final = 5
"""Steps whose median is compared with that of the window before it."""
WARM_TOLERANCE: Final = 0.05
"""Largest change from one window to the next that is called warm."""
MIN_BURSTS_TO_JUDGE: Final = 6
"""Below, even the range of the medians holds the median with less than 95 % (1 - 2 x 0.5^n)."""


@dataclass(frozen=True, slots=True)
class TimingPlan:
    """When to stop, and when to refuse.

    Attributes:
        confidence: of the interval of the median.
        half_width: wanted half-width of that interval, as a fraction of the median; timing stops there.
        max_spread: largest (p90 - p10) / median of the steps that is reported.
        budget_s: longest timing of one network, warm-up not counted.
        warmup_s: longest warm-up of one network.
        burst_s: about how long the timed steps of a burst take.
        min_bursts: fewest bursts before timing may stop.
        max_steps: most timed steps of a network.
        operator_steps: further steps in which operators are timed; 0: not at all.
        allow_noise: report what is noisy, marked, instead of refusing it.
        undisturbed: leave out the steps in which the system took a CPU away from this process.
        seed: of the order of networks and of the bootstrap.
    """

    confidence: float = 0.95
    half_width: float = 0.02
    max_spread: float = 0.25
    budget_s: float = 20.0
    warmup_s: float = 5.0
    burst_s: float = 0.05
    min_bursts: int = 20
    max_steps: int = 20_000
    operator_steps: int = 20
    allow_noise: bool = False
    undisturbed: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:
            raise InputError(f"confidence {self.confidence} given, expected 0.5 to below 1, such as 0.95")
        for name in ("half_width", "max_spread", "budget_s", "burst_s"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} {getattr(self, name)} given, expected a number above 0")


@dataclass(frozen=True, eq=False)
class Timing:
    """The steps of one network.

    Attributes:
        steps_s: seconds of each timed step, shape (n,).
        burst: which burst each step was of, shape (n,); bursts are numbered from 0.
        low_s: lower end of the interval of the median.
        high_s: upper end.
        interrupted: share of all steps in which the system took a CPU away; None where it does not tell.
        undisturbed: whether those steps were left out.
        noise: why the figures are not to be believed; "" where nothing speaks against them.
    """

    steps_s: np.ndarray
    burst: np.ndarray
    low_s: float
    high_s: float
    confidence: float
    warmup_steps: int
    interrupted: float | None = None
    undisturbed: bool = False
    noise: str = ""

    @property
    def times(self) -> Times:
        """Mean, percentiles and extremes."""
        return Times.of(self.steps_s)

    @property
    def median_s(self) -> float:
        """Median of all timed steps."""
        return float(np.median(self.steps_s))

    @property
    def half_width(self) -> float:
        """Half of the interval of the median, as a fraction of it."""
        return (self.high_s - self.low_s) / 2 / self.median_s

    @property
    def spread(self) -> float:
        """(p90 - p10) / median of the steps."""
        return _spread(self.steps_s)

    @property
    def repeat_spread(self) -> float:
        """(p90 - p10) / median of the bursts' medians: what short repeats would scatter."""
        return _spread(_medians(self.steps_s, self.burst))

    @override
    def __repr__(self) -> str:
        said = f"{self.median_s:.4g} s, {self.confidence:.0%} in {self.low_s:.4g} to {self.high_s:.4g} s"
        return f"Timing(median {said}, n={self.steps_s.size}{', noisy' if self.noise else ''})"


@dataclass(slots=True)
class _Taken:
    """What has been taken of one network so far."""

    name: str
    step: Step
    per_burst: int
    settle: bool
    steps: list[float] = field(default_factory=list)
    burst: list[int] = field(default_factory=list)
    interrupted: list[bool] = field(default_factory=list)
    bursts: int = 0
    next_look: int = 0
    spent_s: float = 0.0
    warmup_steps: int = 0
    warm: bool = True

    def take(self) -> None:
        begin = time.perf_counter()
        if self.settle:
            self.step()
        for _ in range(self.per_burst):
            before = _interruptions()
            self.steps.append(self.step())
            self.interrupted.append(_interruptions() != before)
            self.burst.append(self.bursts)
        self.bursts += 1
        self.spent_s += time.perf_counter() - begin

    def kept(self, plan: TimingPlan) -> tuple[np.ndarray, np.ndarray]:
        """Steps that count and their bursts."""
        keep = ~np.array(self.interrupted) if plan.undisturbed else np.ones(len(self.steps), dtype=bool)
        return np.array(self.steps)[keep], np.array(self.burst)[keep]

    def finished(self, plan: TimingPlan) -> bool:
        """Whether the interval is narrow enough, or the budget is spent."""
        if self.spent_s >= plan.budget_s or len(self.steps) >= plan.max_steps:
            return True
        if self.bursts < max(plan.min_bursts, self.next_look):
            return False
        self.next_look = int(self.bursts * LOOKS) + 1
        steps, burst = self.kept(plan)
        if np.unique(burst).size < plan.min_bursts:
            return False
        low, high = median_interval(steps, burst, plan.confidence, plan.seed)
        return (high - low) / 2 <= plan.half_width * float(np.median(steps))


def time_interleaved(steps: Mapping[str, Step], plan: TimingPlan) -> dict[str, Timing]:
    """Time several networks side by side.

    Args:
        steps: one step of each network, by name.
        plan: when to stop, and when to refuse.

    Raises:
        NoisyMachineError: where a spread or an interval is above its limit when the budget is spent; every
            such network is named with its spread.
        InputError: where nothing is to be timed, or a step returns no time.
    """
    if not steps:
        raise InputError("no network given, expected at least one to time")
    taken = {name: _warm(name, step, plan, settle=len(steps) > 1) for name, step in steps.items()}
    random = np.random.default_rng(plan.seed)
    open_ones = list(taken)
    while open_ones:
        for at in random.permutation(len(open_ones)):
            taken[open_ones[at]].take()
        open_ones = [name for name in open_ones if not taken[name].finished(plan)]
    timings = {name: _judged(t, plan) for name, t in taken.items()}
    noisy = {name: t.noise for name, t in timings.items() if t.noise}
    if noisy and not plan.allow_noise:
        raise NoisyMachineError(noisy)
    return timings


def median_interval(
    steps_s: np.ndarray, burst: np.ndarray, confidence: float, seed: int = 0
) -> tuple[float, float]:
    """Interval of the median by the percentile bootstrap over whole bursts; (n,), (n,) -> (low, high)."""
    groups = np.split(steps_s, np.flatnonzero(np.diff(burst)) + 1)
    random = np.random.default_rng(seed)
    if len({g.size for g in groups}) == 1:
        table = np.stack(groups)
        drawn = random.integers(len(groups), size=(N_RESAMPLES, len(groups)))
        medians = np.median(table[drawn].reshape(N_RESAMPLES, -1), axis=1)
    else:
        choices = (random.integers(len(groups), size=len(groups)) for _ in range(N_RESAMPLES))
        medians = np.array([np.median(np.concatenate([groups[i] for i in c])) for c in choices])
    tail = (1 - confidence) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    return float(low), float(high)


def _warm(name: str, step: Step, plan: TimingPlan, *, settle: bool) -> _Taken:
    """Run until the median of a window is that of the window before it; then choose the length of a burst."""
    begin = time.perf_counter()
    seen: list[float] = []
    warm = False
    while not warm and (len(seen) < 2 or time.perf_counter() - begin < plan.warmup_s):
        seconds = step()
        if not np.isfinite(seconds) or seconds <= 0:
            raise InputError(f"a step of '{name}' took {seconds} s, expected a time above 0")
        seen.append(seconds)
        if len(seen) >= 2 * WARM_WINDOW:
            now = float(np.median(seen[-WARM_WINDOW:]))
            before = float(np.median(seen[-2 * WARM_WINDOW : -WARM_WINDOW]))
            warm = abs(now - before) <= WARM_TOLERANCE * before
    typical = float(np.median(seen[-WARM_WINDOW:]))
    per_burst = int(np.clip(round(plan.burst_s / typical), 1, plan.max_steps // plan.min_bursts))
    return _Taken(name, step, per_burst, settle, warmup_steps=len(seen), warm=warm)


def _judged(taken: _Taken, plan: TimingPlan) -> Timing:
    """The figures; where no step was undisturbed, those of all steps, marked."""
    if plan.undisturbed and all(taken.interrupted):
        alone = _judged(taken, replace(plan, undisturbed=False))
        reason = f"all {len(taken.steps)} steps were interrupted by other work, none is left out"
        return replace(alone, noise="; ".join(filter(None, (reason, alone.noise))))
    steps, burst = taken.kept(plan)
    timing = Timing(
        steps,
        burst,
        *median_interval(steps, burst, plan.confidence, plan.seed),
        confidence=plan.confidence,
        warmup_steps=taken.warmup_steps,
        interrupted=None if resource is None else float(np.mean(taken.interrupted)),
        undisturbed=plan.undisturbed,
    )
    return replace(timing, noise=_noise(timing, taken, plan))


def _noise(timing: Timing, taken: _Taken, plan: TimingPlan) -> str:
    """What speaks against the figures, with the numbers."""
    reasons = []
    bursts = int(np.unique(timing.burst).size)
    if timing.spread > plan.max_spread:
        reasons.append(
            f"p10 to p90 of {timing.steps_s.size} steps spans {timing.spread:.0%} of the median "
            f"(limit {plan.max_spread:.0%})"
        )
    if bursts < MIN_BURSTS_TO_JUDGE:
        reasons.append(f"{bursts} bursts in {taken.spent_s:.3g} s, an interval needs {MIN_BURSTS_TO_JUDGE}")
    elif timing.half_width > plan.half_width:
        reasons.append(
            f"the median is known to {timing.half_width:.1%} after {taken.spent_s:.3g} s "
            f"(wanted {plan.half_width:.1%})"
        )
    if not taken.warm and reasons:
        reasons.append(f"no steady state in {taken.warmup_steps} steps of warm-up")
    if reasons and WORTH_SAYING <= (timing.interrupted or 0) < 1:
        left = "left out" if plan.undisturbed else "can be left out"
        reasons.append(f"{timing.interrupted:.0%} of the steps were interrupted by other work ({left})")
    return "; ".join(reasons)


def _interruptions() -> int:
    """How often the system took a CPU away from this process; 0 for ever where it does not tell."""
    return 0 if resource is None else int(resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw)


def _medians(steps_s: np.ndarray, burst: np.ndarray) -> np.ndarray:
    return np.array([np.median(g) for g in np.split(steps_s, np.flatnonzero(np.diff(burst)) + 1)])


def _spread(values: np.ndarray) -> float:
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return float((high - low) / middle)
