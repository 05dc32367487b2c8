"""Accelerators as arrays over chips: the figures that the cost stages need, NaN where a figure is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from hw_models.errors import NotCostableError
from hw_models.lowering.folded import GRAPH_RUNTIMES
from hw_models.spec.quantities import CLASS_FIGURE, Sourced, Spec
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray
    from hw_models.spec.accelerator import Accelerator, Engine, Memory

ENGINE_KINDS: Final = ("gpu", "cpu", "npu", "dsp", "mcu")
"""Kinds of engine in the order of their codes."""

OUTER_KINDS: Final = ("dram", "flash", "host")
"""Kinds of off-chip memory in the order of their codes."""

MOVES: Final = (OpKind.VIEW, OpKind.LAYOUT)
"""Kinds that only move data, which any engine's copy unit does whether its list names them or not."""

N_PRECISIONS: Final = len(Precision)
_CODES: Final = {p.label: int(p) for p in Precision}
Edge = Literal["low", "value", "high"]

STORAGE_ONLY: Final[Mapping[Precision, tuple[Precision, ...]]] = {
    Precision.W8A16: (Precision.FP16, Precision.INT16),
    Precision.W4A16: (Precision.FP16, Precision.INT16),
}
"""Schemes that narrow weights alone: without a peak of their own they run at their activations' format."""

DEFAULT_PRECISIONS: Final = ("fp16", "int8", "fp32")
"""What a chip is costed at when no precision is asked for: the first of these that it has a peak for."""


@dataclass(frozen=True, eq=False)
class Chips:
    """C chips as arrays. P runs over `Precision`; every unknown is NaN.

    Attributes:
        names: (C,) names with the power mode in force.
        kind: (C,) code of the main engine in `ENGINE_KINDS`.
        mac_peak: (C, P) dense op/s of the MAC units of the main engine (1 MAC = 2 ops).
        vector_peak: (C, P) op/s of its vector unit.
        dram_bandwidth: (C,) byte/s of the outermost memory; `dram_capacity` (C,) bytes.
        outer_kind: (C,) code of that memory in `OUTER_KINDS`, -1: none. What a network makes goes to DRAM
            alone: flash cannot take it, and a host's memory behind a link is not spilt to.
        dram_burst, dram_latency: (C,) least bytes that one access of it moves, s to the first of them.
        sram_capacity, sram_bandwidth: (C,) bytes and byte/s of the outermost on-chip level.
        sram_read_bandwidth, sram_write_bandwidth: (C,) byte/s of ports of their own; NaN: they share the
            bandwidth.
        local_capacity: (C,) bytes of one instance of the largest memory inside that.
        vector_is_prior, sram_is_prior: (C,) a class figure stands in for vector rate, on-chip capacity.
        units, clock, tdp, idle, cap, issue: (C,) cores; Hz; W; W; W of the power mode; s of starting one
            kernel.
        mac_energy: (C, P) J/op; dram_energy, sram_energy: (C,) J/byte; process_nm: (C,).
        runs: (C, OpKind) whether the engine, or one that it falls back to, runs that kind of operator.
        accelerators: (C,) where all of it came from; edge: (C,) the end of its ranges that the figures are.
    """

    names: tuple[str, ...]
    kind: NDArray[np.int8]
    mac_peak: FloatArray
    vector_peak: FloatArray
    dram_bandwidth: FloatArray
    dram_capacity: FloatArray
    outer_kind: NDArray[np.int8]
    dram_burst: FloatArray
    dram_latency: FloatArray
    sram_capacity: FloatArray
    sram_bandwidth: FloatArray
    sram_read_bandwidth: FloatArray
    sram_write_bandwidth: FloatArray
    local_capacity: FloatArray
    vector_is_prior: NDArray[np.bool_]
    sram_is_prior: NDArray[np.bool_]
    units: FloatArray
    clock: FloatArray
    tdp: FloatArray
    idle: FloatArray
    cap: FloatArray
    issue: FloatArray
    mac_energy: FloatArray
    dram_energy: FloatArray
    sram_energy: FloatArray
    process_nm: FloatArray
    runs: NDArray[np.bool_]
    accelerators: tuple[Accelerator, ...]
    edge: tuple[Edge, ...]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, accelerators: Iterable[Accelerator], *, edge: Edge = "value") -> Chips:
        """Arrays of the chips' figures; `edge` takes the low or high end of the ranges that sources leave."""
        chips = tuple(accelerators)

        def column(read: Callable[[Accelerator], Sourced | None]) -> FloatArray:
            return np.array([_figure(read(c), edge) for c in chips], np.float64)

        def table(read: Callable[[Accelerator], Mapping[str, Sourced]]) -> FloatArray:
            rows = [_by_precision(read(c), edge) for c in chips]
            return np.array(rows, np.float64).reshape(len(chips), N_PRECISIONS)

        def outer(field: str) -> FloatArray:
            return column(lambda c: getattr(c.dram, field) if c.dram else None)

        def on_chip(field: str) -> FloatArray:
            return column(lambda c: getattr(level, field) if (level := last_on_chip(c)) else None)

        return cls(
            names=tuple(c.label for c in chips),
            kind=np.array([ENGINE_KINDS.index(c.main_engine.kind) for c in chips], np.int8),
            mac_peak=_storage_only(table(lambda c: c.main_engine.peak)),
            vector_peak=_narrower_at_wide_rate(table(lambda c: vector_peak(c.main_engine))),
            dram_bandwidth=outer("bandwidth"),
            dram_capacity=outer("capacity"),
            outer_kind=np.array([OUTER_KINDS.index(c.dram.kind) if c.dram else -1 for c in chips], np.int8),
            dram_burst=outer("burst"),
            dram_latency=outer("latency"),
            sram_capacity=on_chip("capacity"),
            sram_bandwidth=on_chip("bandwidth"),
            sram_read_bandwidth=on_chip("read_bandwidth"),
            sram_write_bandwidth=on_chip("write_bandwidth"),
            local_capacity=np.array([_local_capacity(c, edge) for c in chips], np.float64),
            vector_is_prior=np.zeros(len(chips), np.bool_),
            sram_is_prior=np.zeros(len(chips), np.bool_),
            units=column(lambda c: c.main_engine.units),
            clock=column(lambda c: c.main_engine.clock),
            tdp=column(lambda c: c.tdp),
            idle=column(lambda c: c.idle_power),
            cap=column(lambda c: c.power_mode.cap if c.power_mode else None),
            issue=column(lambda c: c.main_engine.issue),
            mac_energy=_storage_only(table(lambda c: c.main_engine.energy_per_op)),
            dram_energy=outer("access_energy"),
            sram_energy=on_chip("access_energy"),
            process_nm=column(lambda c: c.process_nm),
            runs=np.array([_runs(c) for c in chips], np.bool_).reshape(len(chips), len(OpKind)),
            accelerators=chips,
            edge=(edge,) * len(chips),
        )

    @cached_property
    def rate_is_prior(self) -> NDArray[np.bool_]:
        """(C,) a class figure stands in for a peak or for the bandwidth of the outer memory."""
        return np.array([_class_rates(c) for c in self.accelerators], np.bool_)

    @cached_property
    def ends(self) -> tuple[Chips, Chips]:
        """The same chips at the low and at the high end of every range that their sources leave."""
        return Chips.of(self.accelerators, edge="low"), Chips.of(self.accelerators, edge="high")

    @cached_property
    def costed(self) -> tuple[Accelerator, ...]:
        """(C,) the accelerators with every figure at the end of its range that the arrays are at."""
        pairs = zip(self.accelerators, self.edge, strict=True)
        return tuple(c if edge == "value" else at_edge(c, edge) for c, edge in pairs)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> Chips:
        """The chips at these positions, in this order; a position may come twice."""
        index = np.asarray(rows, np.intp)
        picked: dict[str, Any] = {
            f.name: tuple(value[i] for i in index) if isinstance(value, tuple) else value[index]
            for f in fields(self)
            for value in [getattr(self, f.name)]
        }
        return Chips(**picked)

    def followed_by(self, *others: Chips) -> Chips:
        """All chips of this and of the others, one after the other."""
        joined: dict[str, Any] = {}
        for field in fields(self):
            parts = [getattr(c, field.name) for c in (self, *others)]
            joined[field.name] = sum(parts, ()) if isinstance(parts[0], tuple) else np.concatenate(parts)
        return Chips(**joined)

    def with_priors(self, vector_per_mac: FloatArray, sram_capacity: FloatArray) -> Chips:
        """With class figures (C,) where the chip states none, marked as such.

        The vector rate is `vector_per_mac` times the best MAC peak.
        """
        best = np.fmax.reduce(self.mac_peak, axis=1, initial=np.nan) if len(self) else np.zeros(0)
        no_vector = np.array([not row.any() for row in np.isfinite(self.vector_peak)], np.bool_)
        no_sram = ~np.isfinite(self.sram_capacity)
        no_sram &= np.isfinite(sram_capacity)
        return replace(
            self,
            vector_peak=np.where(no_vector[:, None], (vector_per_mac * best)[:, None], self.vector_peak),
            vector_is_prior=no_vector,
            sram_capacity=np.where(no_sram, sram_capacity, self.sram_capacity),
            sram_is_prior=no_sram,
        )

    @property
    def costable(self) -> NDArray[np.bool_]:
        """(C,) whether some peak and the outer bandwidth are known."""
        return np.isfinite(self.mac_peak).any(axis=1) & np.isfinite(self.dram_bandwidth)


def default_precision(accelerator: Accelerator) -> str:
    """What a chip is costed at when no precision is asked for: the first of fp16, int8, fp32 with a peak.

    Raises:
        NotCostableError: the chip has a peak for none of them.
    """
    known = accelerator.main_engine.peak
    for name in DEFAULT_PRECISIONS:
        if name in known:
            return name
    has = ", ".join(known) or "none"
    raise NotCostableError(
        f"{accelerator.label}: no default precision, it has no peak at {', '.join(DEFAULT_PRECISIONS)}; "
        f"peaks known: {has}; name one with precision="
    )


def default_lowering(accelerator: Accelerator, runtime: str | None = None) -> str:
    """How networks come to such a chip: a compiling framework to GPUs and CPUs, else the vendor's compiler.

    The vendor's compiler of an NPU, DSP or microcontroller folds norms and merges what it can: "ideal".

    Args:
        accelerator: the chip.
        runtime: what executes, where it is told: on a CPU, ONNX Runtime and its like are "folded".
    """
    if accelerator.main_engine.kind == "cpu" and any(r in (runtime or "").lower() for r in GRAPH_RUNTIMES):
        return "folded"
    return "compiled" if accelerator.main_engine.kind in {"gpu", "cpu"} else "ideal"


def lowering_as_run(
    accelerator: Accelerator, runtime: str | None, compiled: object, layout: str | None
) -> str:
    """As a record says that PyTorch ran a network, else as is usual of the runtime on such a chip.

    Args:
        accelerator: the chip.
        runtime: what executed; None: not told.
        compiled: 1 or 0; anything else: not told.
        layout: "nchw" or "nhwc"; None: not told.
    """
    usual = default_lowering(accelerator, runtime)
    if usual == "folded" or compiled not in (0, 1):
        return usual
    return "compiled" if compiled else "eager_nhwc" if layout == "nhwc" else "eager"


def vector_peak(engine: Engine) -> Mapping[str, Sourced]:
    """Rates of the vector unit; of a GPU or CPU that states none its FP32 peak: those lanes run FP32."""
    if not engine.vector_peak and engine.kind in {"gpu", "cpu"} and "fp32" in engine.peak:
        return {"fp32": engine.peak["fp32"]}
    return engine.vector_peak


def _class_rates(chip: Accelerator) -> bool:
    figures = [*chip.main_engine.peak.values(), *([chip.dram.bandwidth] if chip.dram else [])]
    return any(f is not None and f.source == CLASS_FIGURE for f in figures)


def last_on_chip(accelerator: Accelerator) -> Memory | None:
    """The outermost on-chip memory, which all traffic passes: a shared one, else the main engine's own."""
    for levels in (accelerator.memory, accelerator.main_engine.memory):
        inside = [m for m in levels if not m.off_chip]
        if inside:
            return inside[-1]
    return None


def _local_capacity(accelerator: Accelerator, edge: Edge) -> float:
    """Bytes of one instance of the largest memory of the main engine inside the last on-chip one."""
    outer = last_on_chip(accelerator)
    inside = [m for m in accelerator.main_engine.memory if m is not outer and not m.off_chip]
    sizes = [_figure(m.capacity, edge) / (m.instances.value if m.instances else 1.0) for m in inside]
    return max((s for s in sizes if np.isfinite(s)), default=np.nan)


def at_edge(part: Spec, edge: Edge) -> Any:
    """The same part of a chip with every figure at the low or high end of its range, the ranges left out.

    What has no range is returned as it is, so that most of a chip is shared with the original.
    """
    if isinstance(part, Sourced):
        return part if not part.has_range else part.model_copy(update=_end(part, edge))
    update = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        moved = _moved(value, edge)
        if moved is not value:
            update[name] = moved
    return part.model_copy(update=update) if update else part


def _end(figure: Sourced, edge: Edge) -> dict[str, float | None]:
    return {"value": _figure(figure, edge), "low": None, "high": None}


def _moved(value: Any, edge: Edge) -> Any:
    if isinstance(value, Spec):
        return at_edge(value, edge)
    if isinstance(value, tuple):
        moved = tuple(_moved(v, edge) for v in value)
        return value if all(a is b for a, b in zip(moved, value, strict=True)) else moved
    if isinstance(value, Mapping):
        moved_values = {k: _moved(v, edge) for k, v in value.items()}
        return value if all(moved_values[k] is v for k, v in value.items()) else moved_values
    return value


def _figure(sourced: Sourced | None, edge: Edge) -> float:
    if sourced is None:
        return np.nan
    end: float | None = getattr(sourced, edge)
    return sourced.value if end is None else end


def _by_precision(figures: Mapping[str, Sourced], edge: Edge) -> list[float]:
    row = [np.nan] * N_PRECISIONS
    for name, figure in figures.items():
        row[_CODES[name]] = _figure(figure, edge)
    return row


def _storage_only(table: FloatArray) -> FloatArray:
    """Fill the columns of weight-only schemes from their activations' format, first known first."""
    for scheme, formats in STORAGE_ONLY.items():
        for p in formats:
            table[:, scheme] = np.where(np.isnan(table[:, scheme]), table[:, p], table[:, scheme])
    return table


def _narrower_at_wide_rate(table: FloatArray) -> FloatArray:
    """Where no rate is stated for a format, FP32 stands, else the fastest: a lane takes any element."""
    base = table[:, Precision.FP32]
    if table.size:
        base = np.where(np.isnan(base), np.fmax.reduce(table, axis=1), base)
    return np.where(np.isnan(table), base[:, None], table)


def runs_itself(engine: Engine) -> NDArray[np.bool_]:
    """(OpKind,) whether an engine runs that kind of operator; what its file leaves open it runs."""
    taken = np.zeros(len(OpKind), np.bool_)
    taken[list(MOVES)] = True
    if engine.operators is None:
        taken[:] = True
    else:
        taken[[k for k in OpKind if k.label in engine.operators]] = True
    return taken


def _runs(accelerator: Accelerator) -> NDArray[np.bool_]:
    """For every kind of operator, whether the main engine or one of its fallbacks takes it."""
    engines = {e.name: e for e in accelerator.engines}
    taken = np.zeros(len(OpKind), np.bool_)
    engine: Engine | None = accelerator.main_engine
    seen: set[str] = set()
    while engine is not None and engine.name not in seen:
        seen.add(engine.name)
        taken |= runs_itself(engine)
        engine = engines.get(engine.fallback) if engine.fallback else None
    return taken


def on_fallback(chip: Accelerator) -> Accelerator | None:
    """The chip with the fallback of its main engine in that one's place; None: it names none."""
    main = chip.main_engine
    if main.fallback is None:
        return None
    engine = chip.engine(main.fallback)
    rest = tuple(e for e in chip.engines if e.name not in (main.name, engine.name))
    # the engine that could not run it is gone, so that fallbacks in a circle end
    if engine.fallback not in {e.name for e in rest}:
        engine = engine.model_copy(update={"fallback": None})
    return chip.model_copy(update={"engines": (engine, *rest)})


def fallbacks(chip: Accelerator) -> list[Accelerator]:
    """The chip, then the chip on the fallback of its main engine, on that one's, and so on."""
    found = [chip]
    while (other := on_fallback(found[-1])) is not None:
        found.append(other)
    return found
