"""A measurement: one network on this machine, with its spread, its operators and the machine's facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from typing_extensions import override

from hw_models.errors import InputError
from hw_models.measured.profile import NetworkTime, OperatorTime, Profile, RunFacts, Times
from hw_models.measured.timers.machine import Machine, this_machine
from hw_models.measured.timers.protocol import Timing, TimingPlan, time_interleaved

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.measured.records import Records
    from hw_models.measured.timers.runner import Runner


@dataclass(frozen=True, eq=False)
class Measurement:
    """One network, timed.

    Attributes:
        device: "cpu" or "cuda"; the name of the device is the machine's.
        timing: steps, interval of the median, spread, and what speaks against them.
        peak_memory_bytes: while loading and in the first steps, weights included; None where not told.
        interleaved_with: networks that were timed side by side with this one.
    """

    network: str
    runtime: str
    runtime_version: str
    device: str
    precision: str | None
    batch: int | None
    threads: int
    compiled: bool
    input_shape: tuple[int, ...] | None
    timing: Timing
    operators: tuple[OperatorTime, ...]
    peak_memory_bytes: float | None
    machine: Machine
    interleaved_with: tuple[str, ...] = ()

    @property
    def times(self) -> Times:
        """Mean, percentiles and extremes of a step in seconds."""
        return self.timing.times

    @property
    def noisy(self) -> bool:
        """Whether something speaks against the figures; they are reported because noise was allowed."""
        return bool(self.timing.noise)

    @property
    def operator_overhead_s(self) -> float | None:
        """What the profiler adds to each operator: their sum less the network's median, over their number.

        None where operators were not timed; 0 where they sum to less, as kernels that overlap do.
        """
        seconds = [s for o in self.operators if (s := o.times.p50_s) is not None]
        return max(sum(seconds) - self.timing.median_s, 0.0) / len(seconds) if seconds else None

    @override
    def __repr__(self) -> str:
        t = self.timing
        mark = f", NOISY: {t.noise}" if self.noisy else ""
        return (
            f"Measurement({self.network}, {self.runtime} {self.runtime_version}, {self.machine.name}, "
            f"{self.precision}, batch {self.batch}: median {t.median_s * 1e3:.4g} ms, {t.confidence:.0%} in "
            f"{t.low_s * 1e3:.4g} to {t.high_s * 1e3:.4g} ms, n={t.steps_s.size}{mark})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.to_frame().head(20).dropna(axis=1, how='all').to_html(index=False)}"

    def to_profile(self) -> Profile:
        """In the form that imported profiles have; a size behind '@' stands in the input's shape alone."""
        marks = [*(["noisy"] if self.noisy else []), *(["undisturbed"] if self.timing.undisturbed else [])]
        network = NetworkTime(
            self.network.partition("@")[0],
            self.times,
            device=self.machine.name,
            engine="gpu" if self.device == "cuda" else "cpu",
            precision=self.precision,
            batch=self.batch,
            runtime=self.runtime,
            runtime_version=self.runtime_version,
            threads=self.threads,
            compiled=self.compiled,
            input_shape=self.input_shape,
            peak_memory_bytes=self.peak_memory_bytes,
            mode="|".join(marks) or None,
        )
        notes = (self.timing.noise,) if self.noisy else ()
        return Profile(self.runtime, "silicon", self.runtime_version, (network,), self.operators, notes)

    def to_frame(self) -> pd.DataFrame:
        """A row for the network, then one per operator; times in seconds."""
        return self.to_profile().to_frame()

    def to_records(self, *, device: str | None = None, dataset: str = "measured") -> Records:
        """As records; `device` is this machine's key in `devices.csv`; else its CPU's or GPU's name."""
        profile = self.to_profile()
        if device is not None:
            profile = replace(profile, networks=tuple(replace(n, device=device) for n in profile.networks))
        return profile.to_records(RunFacts(), dataset=dataset)

    def to_row(self) -> dict[str, object]:
        """One flat row: figures with units in the names, interval, spread, noise, and the machine."""
        t = self.timing
        return {
            "network": self.network,
            "runtime": f"{self.runtime} {self.runtime_version}",
            "device": self.device,
            "precision": self.precision,
            "batch": self.batch,
            "threads": self.threads,
            **self.times.to_row(),
            "median_low_s": t.low_s,
            "median_high_s": t.high_s,
            "confidence": t.confidence,
            "spread": t.spread,
            "repeat_spread": t.repeat_spread,
            "warmup_steps": t.warmup_steps,
            "interrupted": t.interrupted,
            "undisturbed": t.undisturbed,
            "noise": t.noise or None,
            "peak_memory_bytes": self.peak_memory_bytes,
            "operator_overhead_s": self.operator_overhead_s,
            "interleaved_with": list(self.interleaved_with),
            "machine": self.machine.to_row(),
        }


def measure_runners(
    openers: Sequence[Callable[[], Runner]],
    plan: TimingPlan,
) -> tuple[Measurement, ...]:
    """Open each network, time them all side by side, then their operators one after the other.

    Args:
        openers: each loads one network; they are called one after the other, so that memory is told apart.
        plan: how often, how sure, how noisy at most.

    Raises:
        NoisyMachineError: where the machine is too noisy and noise is not allowed.
        InputError: where no network is given, or two have one name.
    """
    machine = this_machine()
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for open_one in openers:
            runner = stack.enter_context(open_one())
            if runner.name in runners:
                raise InputError(f"network '{runner.name}' given twice, expected different networks")
            runners[runner.name] = runner
        steps = {name: runner.step for name, runner in runners.items()}
        timings = time_interleaved(steps, plan)
        taken = {
            n: r.operators(plan.operator_steps) if plan.operator_steps else () for n, r in runners.items()
        }
        return tuple(
            Measurement(
                network=name,
                runtime=runner.runtime,
                runtime_version=runner.runtime_version,
                device=runner.device,
                precision=runner.precision,
                batch=runner.batch,
                threads=runner.threads,
                compiled=runner.compiled,
                input_shape=runner.input_shape,
                timing=timings[name],
                operators=taken[name],
                peak_memory_bytes=runner.peak_memory_bytes,
                machine=replace(machine, gpu=runner.gpu),
                interleaved_with=tuple(n for n in runners if n != name),
            )
            for name, runner in runners.items()
        )
