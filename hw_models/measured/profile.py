"""What is known of a run: times of its network and its operators; timers take them, importers read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from typing_extensions import override

from hw_models.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.measured.records import Records

QUANTILES: Final = {"p50_s": 0.5, "p90_s": 0.9, "p99_s": 0.99, "p99_9_s": 0.999}
"""Percentiles of a step's time, by the column of the records that holds them."""

MIN_STEPS: Final = {"p50_s": 1, "p90_s": 10, "p99_s": 100, "p99_9_s": 1000}
"""Steps from which a percentile says anything that the slowest step does not: 1 / (1 - q)."""


PLACEMENT: Final = ("layers", "layers_npu", "layers_gpu", "layers_cpu")
"""Columns of the records for `NetworkTime.layers`."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that repeated steps took; None where it is unknown, as p99.9 is after thirty steps.

    Attributes:
        n: steps behind the figures.
    """

    n: int | None = None
    mean_s: float | None = None
    std_s: float | None = None
    min_s: float | None = None
    p50_s: float | None = None
    p90_s: float | None = None
    p99_s: float | None = None
    p99_9_s: float | None = None
    max_s: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float] | np.ndarray) -> Times:
        """Figures of a sample of steps, shape (n,), in seconds.

        Raises:
            InputError: where there is no step.
        """
        steps = np.asarray(seconds, dtype=float)
        if not steps.size:
            raise InputError("no timed step given, expected at least one")
        known = {
            name: float(np.quantile(steps, q)) if steps.size >= MIN_STEPS[name] else None
            for name, q in QUANTILES.items()
        }
        spread = float(steps.std(ddof=1)) if steps.size > 1 else None
        ends = {"min_s": float(steps.min()), "max_s": float(steps.max())}
        return cls(n=steps.size, mean_s=float(steps.mean()), std_s=spread, **ends, **known)

    @property
    def best_s(self) -> float | None:
        """The median, or the mean where only that is known."""
        return self.p50_s if self.p50_s is not None else self.mean_s

    def to_row(self) -> dict[str, float | int | None]:
        """By column of the records."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """One operator of a network, as the runtime fused and named it.

    Attributes:
        name: the runtime's name of this node.
        kind: the runtime's name of what it does: "Conv", "aten::linear".
        shape: loop dimensions ("n=1 g=1 k=16 c=3 oy=32 ox=32 fy=3 fx=3") where they follow, else shapes.
        engine: what ran it; None where the tool does not say.
        line: where the file has it, 1 first.
    """

    name: str
    kind: str
    times: Times
    shape: str | None = None
    engine: str | None = None
    precision: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkTime:
    """One network (or one part of it) in one way of running it.

    Attributes:
        name: None where the file does not say which network it was.
        component: the part of it that was run alone.
        threads: of the host.
        compiled: whether a compiler fused operators; None where the tool does not say.
        input_shape: of the first input, (N, C, H, W) of an image.
        requests: steps in flight at once; where there are several the rate is no inverse of the time.
        layers: (all, on the NPU, on the GPU, on the CPU), where the tool tells the placement.
        peak_memory_bytes: most memory held at once, as the tool counts it.
        energy_j: of one step.
    """

    name: str | None
    times: Times
    component: str | None = None
    device: str | None = None
    engine: str | None = None
    precision: str | None = None
    batch: int | None = None
    runtime: str | None = None
    runtime_version: str | None = None
    clock_hz: float | None = None
    threads: int | None = None
    compiled: bool | None = None
    input_shape: tuple[int, ...] | None = None
    requests: int = 1
    throughput_per_s: float | None = None
    peak_memory_bytes: float | None = None
    energy_j: float | None = None
    mode: str | None = None
    macs: float | None = None
    layers: tuple[int | None, int | None, int | None, int | None] = (None, None, None, None)
    line: int | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a file does not say about its run and the records must know.

    Attributes:
        network: name of the network, as its registry has it.
        device: key of the device.
        clock_hz: of the engine; Vela's cycles by layer need it.
    """

    network: str | None = None
    device: str | None = None
    precision: str | None = None
    batch: int | None = None
    power_mode: str | None = None
    clock_hz: float | None = None


@dataclass(frozen=True)
class Profile:
    """A run, or several of them, from one file or one session of measuring.

    Attributes:
        tool: what wrote it: "onnxruntime", "trtexec", "vela".
        truth: "silicon"; "model" where the tool estimates, as Vela does, and never ran anything.
        networks: times of whole networks.
        operators: times of operators of one network, in the order they ran.
        notes: what a reader should know: units that were converted, rows that were left out and why.
    """

    tool: str
    truth: Literal["silicon", "model"] = "silicon"
    tool_version: str | None = None
    networks: tuple[NetworkTime, ...] = ()
    operators: tuple[OperatorTime, ...] = ()
    notes: tuple[str, ...] = ()
    file: str | None = None
    hash: str | None = None

    @override
    def __repr__(self) -> str:
        return f"Profile({self.tool}, {len(self.networks)} networks, {len(self.operators)} operators)"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.to_frame().head(20).dropna(axis=1, how='all').to_html(index=False)}"

    def to_frame(self) -> pd.DataFrame:
        """A row per network and then per operator; times in seconds, `share` of all operators' time."""
        import pandas as pd

        rows = [{"what": "network", **_row(n)} for n in self.networks]
        total = sum(t for o in self.operators if (t := o.times.best_s) is not None)
        for o in self.operators:
            seconds = o.times.best_s
            share = None if seconds is None or total <= 0 else seconds / total
            rows.append({"what": "operator", **_row(o), "share": share})
        return pd.DataFrame(rows)

    def to_records(self, facts: RunFacts | None = None, *, dataset: str = "profile") -> Records:
        """As records; what the file says wins nothing over `facts`: where both speak they must agree.

        Raises:
            InputError: where the device or the network is known from neither side, or the two differ.
        """
        from hw_models.measured.from_profile import records_of

        return records_of(self, facts or RunFacts(), dataset)


def _row(value: NetworkTime | OperatorTime) -> dict[str, object]:
    plain = {f.name: getattr(value, f.name) for f in fields(value) if f.name not in ("times", "layers")}
    if isinstance(value, NetworkTime):
        plain |= dict(zip(PLACEMENT, value.layers, strict=True))
    return {**plain, **value.times.to_row()}
