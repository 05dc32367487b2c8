"""The parts of a chip's description: engines, memories, power modes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema  # noqa: TC002 - pydantic reads it at run time
from typing_extensions import override

from hw_models.errors import did_you_mean, nearest, sentence
from hw_models.spec.quantities import (
    Bytes,
    BytesPerSecond,
    Count,
    Hertz,
    JoulesPerByte,
    JoulesPerOp,
    OpsPerSecond,
    Seconds,
    Spec,
    TransfersPerSecond,
    Watts,
    problem,
)
from hw_models.workload.op import Precision

EngineKind = Literal["gpu", "cpu", "npu", "dsp", "mcu"]
Operand = Literal["weight", "input", "output"]
LoopName = Literal["n", "g", "k", "c", "oy", "ox", "fy", "fx"]
MemoryKind = Literal["sram", "cache", "dram", "flash", "host"]

PRECISIONS: Final = tuple(p.label for p in Precision if not p.label.startswith(("bool", "complex")))
"""Number formats that a unit can have a rate for: keys of every table by precision."""


def _known_precision(name: Any) -> Any:
    if isinstance(name, str) and name not in PRECISIONS:
        near, known = did_you_mean(nearest(name, PRECISIONS)), f"known: {', '.join(PRECISIONS)}"
        raise problem("precision", sentence(f"unknown precision '{name}'", near, known))
    return name


PrecisionName = Annotated[
    str, BeforeValidator(_known_precision), WithJsonSchema({"type": "string", "enum": list(PRECISIONS)})
]


class Dims(Spec):
    """Shape of an array of MAC units, rows first."""

    dims: tuple[Annotated[int, Field(ge=1)], ...] = Field(description="Sizes of one array, rows first.")
    count: int = Field(1, ge=1, description="How many such arrays the engine has.")
    source: str = Field(description="Key into the chip's `sources`.")
    note: str | None = Field(None, description="How it was derived, what disagrees with it.")


class Remark(Spec):
    """A limit or property that is words rather than a number."""

    text: str = Field(description="What holds.")
    source: str = Field(description="Key into the chip's `sources`.")


class _Named(Spec):
    """A part whose kind is its name unless it says otherwise ("sram", "npu")."""

    name: str = Field(description="A name of its own, by which other parts point at it.")

    @model_validator(mode="before")
    @classmethod
    def _kind_is_name(cls, given: Any) -> Any:
        kinds = get_args(cls.model_fields["kind"].annotation)
        if isinstance(given, Mapping) and "kind" not in given and given.get("name") in kinds:
            return {**given, "kind": given["name"]}
        return given

    @override
    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> dict[str, Any]:
        """An editor does not ask for the kind, which the name may say."""
        schema: dict[str, Any] = handler.resolve_ref_schema(handler(core))
        schema["required"] = [field for field in schema["required"] if field != "kind"]
        return schema


class Memory(_Named):
    """One level of storage of an engine or of the chip, all its instances taken together."""

    kind: MemoryKind = Field(
        description="dram, flash and host (the link to a host's memory) lie off the chip; "
        "may be left out where the name says it."
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
    read_bandwidth: BytesPerSecond | None = Field(
        None, description="Of the read ports, where they are their own; null: reads share `bandwidth`."
    )
    write_bandwidth: BytesPerSecond | None = Field(
        None, description="Of the write ports, where they are their own; null: writes share `bandwidth`."
    )
    read_energy: JoulesPerByte | None = Field(
        None, description="Energy of reading one byte; null: `access_energy`."
    )
    write_energy: JoulesPerByte | None = Field(
        None, description="Energy of writing one byte; null: `access_energy`."
    )
    leakage: Watts | None = Field(
        None,
        description="Power lost while it is on, whatever happens (DRAM: background); null: not modelled.",
    )
    holds: tuple[Operand, ...] | None = Field(None, description="Operands it keeps; null: all of them.")
    double_buffered: bool | None = Field(
        None, description="Whether half of it is filled while the other half is used; null: not stated."
    )
    instances: Count | None = Field(None, description="How many equal ones the capacity counts together.")
    burst: Bytes | None = Field(None, description="Least that one access moves; null: not modelled.")
    latency: Seconds | None = Field(None, description="From a request to its first byte; null: not modelled.")

    @property
    def off_chip(self) -> bool:
        """Whether it lies outside the chip: DRAM, flash, or a host's memory behind a link."""
        return self.kind in {"dram", "flash", "host"}


class Dataflow(Spec):
    """How the MAC array is organised: what `hw_models.cost.tiled` needs beyond rates and sizes."""

    kind: str = Field(description="Organisation by name, for example weight_stationary; see docs/chips.md.")
    unroll: tuple[tuple[LoopName, ...], ...] = Field(
        (), description="Per axis of the array the loops spread over it; empty: as the organisation does."
    )
    parameters: Mapping[str, Count] = Field(
        {}, description="Further figures of the organisation by name; its table says the unit of each."
    )
    source: str = Field(description="Key into the chip's `sources`.")
    note: str | None = Field(None, description="How it was derived, what disagrees with it.")


class Sparsity(Spec):
    """One supported way to skip zeros: pattern, precision and operand together, with the gain it brings."""

    pattern: str = Field(
        pattern=r"^[0-9]+:[0-9]+$", description="At most N of M neighbours are not zero, N:M."
    )
    precision: PrecisionName = Field(description="Number format it holds for.")
    operand: Operand = Field("weight", description="Which operand is sparse.")
    factor: Count = Field(description="Rate over the dense rate.")

    @property
    def name(self) -> str:
        """By which tables tell it apart: "2:4 weight int8"."""
        return f"{self.pattern} {self.operand} {self.precision}"


class Quantisation(Spec):
    """One scheme of quantised arithmetic that the engine runs."""

    precision: PrecisionName = Field(description="Number format it holds for.")
    symmetric: bool = Field(description="Whether zero points are all zero.")
    granularity: Literal["per_tensor", "per_channel", "per_group"] = Field(
        description="What shares one scale."
    )
    group: int | None = Field(None, ge=1, description="Weights that share a scale, where it is per group.")
    source: str = Field(description="Key into the chip's `sources`.")


class Engine(_Named):
    """One kind of compute unit, with the operators and precisions it runs."""

    kind: EngineKind = Field(description="May be left out where the name says it.")
    peak: Mapping[PrecisionName, OpsPerSecond] = Field(
        {}, description="precision -> dense rate of the unit that runs MACs; one MAC is two ops."
    )
    vector_peak: Mapping[PrecisionName, OpsPerSecond] = Field(
        {}, description="precision -> rate of the general vector unit (a GPU's CUDA cores); empty: unknown."
    )
    sparse_peak: Mapping[PrecisionName, OpsPerSecond] = Field(
        {}, description="precision -> rate with structured sparsity; never used as a dense peak."
    )
    units: Count | None = Field(None, description="Cores, SMs, NPU instances that the peak counts together.")
    clock: Hertz | None = Field(None, description="Clock at which the peak is stated.")
    macs: Mapping[PrecisionName, Count] = Field(
        {}, description="precision -> MACs per cycle of the whole engine."
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
        {}, description="precision -> energy of one op; empty: not modelled."
    )
    issue: Seconds | None = Field(None, description="Fixed time of starting one kernel; null: unknown.")
    dataflow: Dataflow | None = Field(
        None, description="How the array works, for the tiled model; null: not stated."
    )
    accumulator_bits: Count | None = Field(None, description="Width of a partial sum; null: unknown.")
    sparsity: tuple[Sparsity, ...] = Field((), description="Supported sparse formats; any other runs dense.")
    quantisation: tuple[Quantisation, ...] | None = Field(
        None, description="Legal schemes of quantised arithmetic; null: not stated."
    )
    leakage: Watts | None = Field(
        None, description="Power lost in the logic while it is on, whatever happens; null: not modelled."
    )

    @property
    def sparse_formats(self) -> tuple[Sparsity, ...]:
        """Sparse formats that it runs faster: those stated, and what a `sparse_peak` implies.

        Such a peak is that of 2:4 sparse weights, at its ratio to the dense peak, unless `sparsity` says
        otherwise for that precision. Source: NVIDIA A100 white paper 2020, fine-grained structured sparsity,
        the one kind that vendors quote such peaks for.
        """
        stated = {s.precision for s in self.sparsity}
        implied = (
            Sparsity(pattern="2:4", precision=name, operand="weight", factor=_ratio(sparse, self.peak[name]))
            for name, sparse in self.sparse_peak.items()
            if name in self.peak and name not in stated
        )
        return (*self.sparsity, *implied)


def _ratio(sparse: OpsPerSecond, dense: OpsPerSecond) -> Count:
    note = "sparse peak over dense peak"
    return Count(value=sparse.value / dense.value, low=None, high=None, source=sparse.source, note=note)


class PowerMode(Spec):
    """A named operating point. What it leaves out stays as the chip has it; what it sets to null is unknown.

    Of an engine that `peak` lists, every rate that the mode does not state is unknown: a GPU whose int8 peak
    falls with the clock does not keep its vector rate.
    """

    name: str = Field(description='What users write: load_chip(..., mode="30W").')
    cap: Watts | None = Field(None, description="Power budget of the mode; null: no cap stated.")
    peak: Mapping[str, Mapping[PrecisionName, OpsPerSecond]] = Field(
        {}, description="engine -> precision -> dense peak."
    )
    vector_peak: Mapping[str, Mapping[PrecisionName, OpsPerSecond]] = Field(
        {}, description="engine -> precision -> vector rate."
    )
    clock: Mapping[str, Hertz | None] = Field({}, description="engine -> clock.")
    bandwidth: BytesPerSecond | None = Field(None, description="Of the off-chip memory.")

    @model_serializer(mode="wrap")
    def _keep_left_out_apart_from_unknown(self, serialised: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialised(self)
        if not self.states_bandwidth:
            del fields["bandwidth"]
        return fields

    @property
    def states_bandwidth(self) -> bool:
        """Whether the mode says something about the bandwidth, be it that it is unknown."""
        return "bandwidth" in self.model_fields_set

    def applied_to(self, engine: Engine) -> Engine:
        """The engine as it runs in this mode."""
        update: dict[str, Any] = {}
        if engine.name in self.peak:
            update |= {"peak": self.peak[engine.name], "vector_peak": {}, "sparse_peak": {}}
            update["sparsity"] = engine.sparse_formats  # a ratio, which the clock leaves alone
        if engine.name in self.vector_peak:
            update["vector_peak"] = self.vector_peak[engine.name]
        if engine.name in self.clock:
            update["clock"] = self.clock[engine.name]
        return engine.model_copy(update=update)
