"""What may be known about one chip: engines, memories outward, power modes, limits; each number with its source.

Everything inside is SI: op/s (one MAC is two ops), byte, byte/s, Hz, W, s, J, m2. None means unknown, never zero. A
chip is read from a file by `hw_models.spec.load.load_chip`; built in Python, it takes SI floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from hw_models.errors import InputError, UnknownNameError, did_you_mean, nearest, sentence
from hw_models.spec.quantities import (
    Bytes,
    BytesPerSecond,
    Count,
    Dollars,
    Hertz,
    JoulesPerByte,
    JoulesPerOp,
    OpsPerSecond,
    Seconds,
    Sourced,
    Spec,
    SquareMetres,
    TransfersPerSecond,
    Watts,
)
from hw_models.spec.references import broken_references
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Accelerator", "Dims", "Engine", "Memory", "PowerMode", "Remark", "Sourced"]

SCHEMA_VERSION: Final = 1

DeviceClass = Literal[
    "gpu",
    "datacenter",
    "cpu",
    "mobile_soc",
    "laptop_npu",
    "edge_module",
    "edge_npu",
    "fpga_npu",
    "automotive_soc",
    "mcu_npu",
    "npu_ip",
    "research",
    "other",
]
EngineKind = Literal["gpu", "cpu", "npu", "dsp", "mcu"]
MemoryKind = Literal["sram", "cache", "dram", "flash", "host"]

PRECISIONS: Final = tuple(p.label for p in Precision)


def _known_precision(name: Any) -> Any:
    if isinstance(name, str) and name not in PRECISIONS:
        said = sentence(
            f"unknown precision '{name}'",
            did_you_mean(nearest(name, PRECISIONS)),
            f"known: {', '.join(PRECISIONS)}",
        )
        raise PydanticCustomError("spec_precision", "{message}", {"message": said})
    return name


PrecisionName = Annotated[str, BeforeValidator(_known_precision)]


class Dims(Spec):
    """Shape of an array of MAC units, rows first."""

    dims: tuple[Annotated[int, Field(ge=1)], ...] = Field(description="Sizes of one array, rows first.")
    count: int = Field(1, ge=1, description="How many such arrays the engine has.")
    source: str = Field(description="Key into the chip's `sources`.")
    note: str | None = None


class Remark(Spec):
    """A limit or property that is words rather than a number."""

    text: str
    source: str = Field(description="Key into the chip's `sources`.")


class _Named(Spec):
    """A part whose kind is its name unless it says otherwise ("sram", "npu")."""

    @model_validator(mode="before")
    @classmethod
    def _kind_is_name(cls, given: Any) -> Any:
        if (
            isinstance(given, Mapping)
            and "kind" not in given
            and given.get("name") in get_args(cls.model_fields["kind"].annotation)
        ):
            return {**given, "kind": given["name"]}
        return given


class Memory(_Named):
    """One level of storage of an engine or of the chip, all its instances taken together."""

    name: str
    kind: MemoryKind = Field(
        description="dram, flash and host (the link to a host's memory) are off the chip; may be left out where the name says it."
    )
    technology: str | None = Field(
        None, description="For example LPDDR5, HBM2e, GDDR6X; energy priors go by it."
    )
    capacity: Bytes | None = Field(None, description="Size; null: unknown.")
    bandwidth: BytesPerSecond | None = Field(None, description="Peak, reads plus writes; null: unknown.")
    bus_bits: Count | None = Field(None, description="Width of the data bus in bits.")
    rate: TransfersPerSecond | None = Field(None, description="Data rate of one pin.")
    access_energy: JoulesPerByte | None = Field(
        None, description="Energy of moving one byte; null: not modelled."
    )

    @property
    def off_chip(self) -> bool:
        """Whether it lies outside the chip: DRAM, flash, or a host's memory behind a link."""
        return self.kind in {"dram", "flash", "host"}


class Engine(_Named):
    """One kind of compute unit, with the operators and precisions it runs."""

    name: str
    kind: EngineKind = Field(description="May be left out where the name says it.")
    peak: Mapping[PrecisionName, OpsPerSecond] = Field(
        {}, description="Dense, of the unit that runs MACs, by precision; one MAC is two ops."
    )
    vector_peak: Mapping[PrecisionName, OpsPerSecond] = Field(
        {}, description="Of the general vector unit (a GPU's CUDA cores), by precision; empty: unknown."
    )
    sparse_peak: Mapping[PrecisionName, OpsPerSecond] = Field(
        {}, description="With structured sparsity; never used as a dense peak."
    )
    units: Count | None = Field(None, description="Cores, SMs, NPU instances that the peak counts together.")
    clock: Hertz | None = Field(None, description="Clock at which the peak is stated.")
    macs: Mapping[PrecisionName, Count] = Field(
        {}, description="MACs per cycle of the whole engine, by precision."
    )
    array: Dims | None = Field(None, description="Shape of the MAC array.")
    memory: tuple[Memory, ...] = Field(
        (), description="Private memories, innermost first; the chip's shared ones follow."
    )
    operators: tuple[str, ...] | None = Field(
        None, description="Kinds of operator it runs; null: not stated, taken as all."
    )
    fallback: str | None = Field(None, description="Engine that takes what this one cannot run.")
    energy_per_op: Mapping[PrecisionName, JoulesPerOp] = Field(
        {}, description="Energy of one op; empty: not modelled."
    )
    issue: Seconds | None = Field(None, description="Fixed time of starting one kernel; null: unknown.")


class PowerMode(Spec):
    """A named operating point. What it leaves out stays as the chip has it; what it sets to null is unknown in it.

    Of an engine that `peak` lists, every rate that the mode does not state is unknown in the mode: a GPU whose int8 peak
    falls with the clock does not keep its vector rate.
    """

    name: str
    cap: Watts | None = Field(None, description="Power budget of the mode; null: no cap stated.")
    peak: Mapping[str, Mapping[PrecisionName, OpsPerSecond]] = Field(
        {}, description="engine -> precision -> dense peak."
    )
    vector_peak: Mapping[str, Mapping[PrecisionName, OpsPerSecond]] = Field(
        {}, description="engine -> precision -> vector rate."
    )
    clock: Mapping[str, Hertz | None] = Field({}, description="engine -> clock.")
    bandwidth: BytesPerSecond | None = Field(None, description="Of the off-chip memory.")


class Accelerator(Spec):
    """One chip, or one chip in one of its power modes."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_]*$",
        description="Lower case, digits and underscores; the name of the file.",
    )
    title: str = Field("", description="As people call it.")
    vendor: str = Field("", description="Who makes it.")
    device_class: DeviceClass = Field(
        "other", description="Class whose prior an uncalibrated chip carries; other: the widest prior."
    )
    sources: Mapping[str, str] = Field(description="Key -> where it is from and how far it is to be trusted.")
    engines: tuple[Engine, ...] = Field(min_length=1, description="The first is the main one.")
    memory: tuple[Memory, ...] = Field(
        (), description="Shared by the engines, innermost first; the last may be off the chip."
    )
    power_modes: tuple[PowerMode, ...] = ()
    mode: str | None = Field(
        None, description="Power mode in force; null: the figures at the chip's maximum."
    )
    tdp: Watts | None = Field(None, description="Power the cooling must take at the maximum.")
    idle_power: Watts | None = Field(None, description="Power drawn when nothing runs.")
    process_nm: Count | None = Field(None, description="Process node in nm.")
    die_area: SquareMetres | None = None
    price: Dollars | None = None
    limits: Mapping[str, Remark] = Field(
        {}, description="What the chip demands or guarantees in words: safety, quantisation."
    )
    conflicts: Mapping[str, str] = Field(
        {}, description="Field -> what the sources say against each other; the field is null or a range."
    )
    left_out: tuple[str, ...] = Field((), description="What the file does not model or could not find.")

    def __hash__(self) -> int:
        return hash((self.name, self.mode))

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        problems = broken_references(self.model_dump())
        if problems:
            details = [
                InitErrorDetails(
                    type=PydanticCustomError("spec_reference", "{message}", {"message": said}),
                    loc=loc,
                    input=None,
                )
                for loc, said in problems
            ]
            raise ValidationError.from_exception_data("Accelerator", details)
        return self

    @property
    def label(self) -> str:
        """Name with the power mode in force, as it stands in grids: "jetson_agx_orin_64@30W"."""
        return self.name if self.mode is None else f"{self.name}@{self.mode}"

    @property
    def main_engine(self) -> Engine:
        """The engine that runs a network unless another is named."""
        return self.engines[0]

    @property
    def dram(self) -> Memory | None:
        """The outermost off-chip memory, which the compulsory traffic crosses: DRAM, else flash or a host link."""
        return next((m for m in reversed(self.memory) if m.off_chip), None)

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions the main engine has a dense peak for."""
        return tuple(self.main_engine.peak)

    def engine(self, name: str) -> Engine:
        """The engine called `name`.

        Raises:
            UnknownNameError: there is none.
        """
        for engine in self.engines:
            if engine.name == name:
                return engine
        raise UnknownNameError(f"engine of {self.name}", name, [e.name for e in self.engines])

    def missing(self) -> tuple[str, ...]:
        """Paths of the fields without which no cost can be told; empty if the chip is costable."""
        return tuple(path for path, _ in self._gaps())

    def why_not_costable(self) -> tuple[str, ...]:
        """One sentence for each path of `missing()`."""
        return tuple(f"{path}: {reason}" for path, reason in self._gaps())

    @property
    def costable(self) -> bool:
        """Whether a peak of the main engine and the bandwidth of the off-chip memory are known."""
        return not self._gaps()

    def _gaps(self) -> list[tuple[str, str]]:
        gaps = []
        if not self.main_engine.peak:
            gaps.append(
                (f"engines.{self.main_engine.name}.peak", "no dense peak of the main engine is known")
            )
        outer = self.dram
        if outer is None:
            gaps.append(("memory", "no off-chip memory is listed; one of kind dram, flash or host is needed"))
        elif outer.bandwidth is None and outer.kind == "host":
            reason = "no external memory by design, so inputs, outputs and weights that do not fit cross the host link, whose bandwidth is unknown"
            gaps.append((f"memory.{outer.name}.bandwidth", reason))
        elif outer.bandwidth is None:
            gaps.append((f"memory.{outer.name}.bandwidth", "the bandwidth of the off-chip memory is unknown"))
        return gaps

    def at_mode(self, name: str | None) -> Accelerator:
        """The chip at one of its power modes; None: at its maximum.

        Raises:
            InputError: the chip already is at another mode.
            UnknownNameError: no such mode; the message lists those there are.
        """
        if name == self.mode:
            return self
        if self.mode is not None:
            raise InputError(
                f"{self.label} is already at a power mode; load '{self.name}' again to take mode {name!r}"
            )
        modes = {m.name: m for m in self.power_modes}
        if name not in modes:
            known = f"modes: {', '.join(modes)}" if modes else f"{self.name} has no power modes"
            raise UnknownNameError(f"power mode of {self.name}", str(name), modes, known)
        mode = modes[name]
        engines = tuple(_engine_at(e, mode) for e in self.engines)
        memory = self.memory
        if "bandwidth" in mode.model_fields_set:
            memory = tuple(
                m.model_copy(update={"bandwidth": mode.bandwidth}) if m is self.dram else m for m in memory
            )
        return self.model_copy(update={"mode": name, "engines": engines, "memory": memory})

    @property
    def power_mode(self) -> PowerMode | None:
        """The power mode in force."""
        return next((m for m in self.power_modes if m.name == self.mode), None)

    def scaled(
        self,
        *,
        peak: float = 1.0,
        vector_peak: float = 1.0,
        dram_bandwidth: float = 1.0,
        dram_capacity: float = 1.0,
        sram_capacity: float = 1.0,
        sram_bandwidth: float = 1.0,
    ) -> Accelerator:
        """The same chip with levers pulled: each factor multiplies every figure of its kind that is known.

        The result keeps its name and is for sensitivities, not for tables of chips. `sram_*` are all on-chip memories.

        Raises:
            InputError: a factor that is not positive.
        """
        for lever, factor in (
            ("peak", peak),
            ("vector_peak", vector_peak),
            ("dram_bandwidth", dram_bandwidth),
            ("dram_capacity", dram_capacity),
            ("sram_capacity", sram_capacity),
            ("sram_bandwidth", sram_bandwidth),
        ):
            if not factor > 0:
                raise InputError(
                    f"{lever}={factor!r} is not a factor; expected a number above 0, for example {lever}=2.0"
                )

        def memory(m: Memory) -> Memory:
            by_bandwidth, by_capacity = (
                (dram_bandwidth, dram_capacity) if m.off_chip else (sram_bandwidth, sram_capacity)
            )
            return m.model_copy(
                update={
                    "bandwidth": m.bandwidth and m.bandwidth.times(by_bandwidth),
                    "capacity": m.capacity and m.capacity.times(by_capacity),
                }
            )

        def engine(e: Engine) -> Engine:
            return e.model_copy(
                update={
                    "peak": {p: s.times(peak) for p, s in e.peak.items()},
                    "vector_peak": {p: s.times(vector_peak) for p, s in e.vector_peak.items()},
                    "memory": tuple(memory(m) for m in e.memory),
                }
            )

        return self.model_copy(
            update={
                "engines": tuple(engine(e) for e in self.engines),
                "memory": tuple(memory(m) for m in self.memory),
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """A row for each number: field, value, unit, low, high, source, note."""
        from hw_models.spec.show import to_frame

        return to_frame(self)

    def _repr_html_(self) -> str:
        from hw_models.spec.show import to_html

        return to_html(self)

    def __repr__(self) -> str:
        from hw_models.spec.show import one_line

        return one_line(self)

    __str__ = __repr__


def _engine_at(engine: Engine, mode: PowerMode) -> Engine:
    update: dict[str, Any] = {}
    if engine.name in mode.peak:
        update |= {"peak": mode.peak[engine.name], "vector_peak": {}, "sparse_peak": {}}
    if engine.name in mode.vector_peak:
        update["vector_peak"] = mode.vector_peak[engine.name]
    if engine.name in mode.clock:
        update["clock"] = mode.clock[engine.name]
    return engine.model_copy(update=update)
