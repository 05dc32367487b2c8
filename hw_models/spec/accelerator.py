"""What may be known about one chip: engines, memories outward, power modes, limits; a source on each number.

Everything inside is SI: op/s (one MAC is two ops), byte, byte/s, Hz, W, s, J, m2. None is unknown, not zero.
A chip is read from a file by `hw_models.spec.load.load_chip`; built in Python, it takes SI floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import InitErrorDetails, ValidationError
from typing_extensions import override

from hw_models.errors import InputError, UnknownNameError
from hw_models.spec.parts import PRECISIONS, Dims, Engine, EngineKind, Memory, MemoryKind, PowerMode, Remark
from hw_models.spec.quantities import Count, Dollars, Sourced, Spec, SquareMetres, Volts, Watts, problem
from hw_models.spec.references import broken_references

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PRECISIONS",
    "SCHEMA_VERSION",
    "Accelerator",
    "DeviceClass",
    "Dims",
    "Engine",
    "EngineKind",
    "Memory",
    "MemoryKind",
    "PowerMode",
    "Remark",
    "Sourced",
]

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


class Accelerator(Spec):
    """One chip, or one chip in one of its power modes."""

    schema_version: Literal[1] = Field(SCHEMA_VERSION, description="Version of this format.")
    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_]*$",
        description="Lower case, digits and underscores; also the name of the file.",
    )
    title: str = Field("", description="As people call it.")
    vendor: str = Field("", description="Who makes it.")
    device_class: DeviceClass = Field("other", description="Class by which tables group it.")
    sources: Mapping[str, str] = Field(
        description="Key -> where a number is from and how far it is to be trusted."
    )
    engines: tuple[Engine, ...] = Field(min_length=1, description="The first is the main one.")
    memory: tuple[Memory, ...] = Field(
        (), description="Shared by the engines, innermost first; the last may lie off the chip."
    )
    power_modes: tuple[PowerMode, ...] = Field((), description="Named operating points.")
    mode: str | None = Field(
        None, description="Power mode in force; null: the figures at the chip's maximum."
    )
    tdp: Watts | None = Field(None, description="Power the cooling must take at the maximum.")
    idle_power: Watts | None = Field(None, description="Power drawn when nothing runs.")
    process_nm: Count | None = Field(None, description="Process node in nm.")
    die_area: SquareMetres | None = Field(None, description="Area of the die, or of the core where it is IP.")
    voltage: Volts | None = Field(None, description="Supply of the logic; null: as usual at its node.")
    price: Dollars | None = Field(None, description="Price of one, in the form that the note names.")
    dram_price: Dollars | None = Field(None, description="Price of the external memory; null: unknown.")
    package_price: Dollars | None = Field(
        None, description="Price of package, assembly and test; null: unknown."
    )
    limits: Mapping[str, Remark] = Field(
        {}, description="What the chip demands or guarantees in words: safety, quantisation."
    )
    conflicts: Mapping[str, str] = Field(
        {}, description="Field -> what the sources say against each other, and how the file settles it."
    )
    left_out: tuple[str, ...] = Field((), description="What the file does not model or could not find.")

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        if found := broken_references(self.model_dump()):
            details = [
                InitErrorDetails(type=problem("reference", said), loc=loc, input=None) for loc, said in found
            ]
            raise ValidationError.from_exception_data("Accelerator", details)
        return self

    @override
    def __hash__(self) -> int:
        return hash((self.name, self.mode))

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
        """The outermost off-chip memory, which compulsory traffic crosses: DRAM, flash or a host link."""
        return next((m for m in reversed(self.memory) if m.off_chip), None)

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions the main engine has a dense peak for."""
        return tuple(self.main_engine.peak)

    @property
    def power_mode(self) -> PowerMode | None:
        """The power mode in force."""
        return next((m for m in self.power_modes if m.name == self.mode), None)

    def engine(self, name: str) -> Engine:
        """The engine called `name`.

        Raises:
            UnknownNameError: there is none.
        """
        for engine in self.engines:
            if engine.name == name:
                return engine
        raise UnknownNameError(f"engine of {self.name}", name, [e.name for e in self.engines])

    @property
    def costable(self) -> bool:
        """Whether a peak of the main engine and the bandwidth of the off-chip memory are known."""
        return not self._gaps()

    def missing(self) -> tuple[str, ...]:
        """Paths of the fields without which no cost can be told; empty if the chip is costable."""
        return tuple(path for path, _ in self._gaps())

    def why_not_costable(self) -> tuple[str, ...]:
        """One sentence for each path of `missing()`."""
        return tuple(f"{path}: {reason}" for path, reason in self._gaps())

    def _gaps(self) -> list[tuple[str, str]]:
        gaps = []
        if not self.main_engine.peak:
            gaps.append(
                (f"engines.{self.main_engine.name}.peak", "no dense peak of the main engine is known")
            )
        outer = self.dram
        if outer is None:
            gaps.append(("memory", "no off-chip memory is listed; one of kind dram, flash or host is needed"))
        elif outer.bandwidth is None:
            gaps.append((f"memory.{outer.name}.bandwidth", _UNKNOWN_BANDWIDTH[outer.kind == "host"]))
        return gaps

    def at_mode(self, name: str | None) -> Accelerator:
        """The chip at one of its power modes; None: as it is.

        Raises:
            InputError: the chip already is at another mode.
            UnknownNameError: no such mode; the message lists those there are.
        """
        if name is None or name == self.mode:
            return self
        if self.mode is not None:
            raise InputError(
                f"{self.label} is at a power mode already; load '{self.name}' again to take mode '{name}'"
            )
        mode = next((m for m in self.power_modes if m.name == name), None)
        if mode is None:
            names = [m.name for m in self.power_modes]
            known = f"modes: {', '.join(names)}" if names else f"{self.name} has no power modes"
            raise UnknownNameError(f"power mode of {self.name}", name, names, known)
        memory = self.memory
        if mode.states_bandwidth and self.dram is not None:
            memory = tuple(
                m.model_copy(update={"bandwidth": mode.bandwidth}) if m is self.dram else m for m in memory
            )
        engines = tuple(mode.applied_to(e) for e in self.engines)
        return self.model_copy(update={"mode": name, "engines": engines, "memory": memory})

    def scaled(
        self,
        *,
        peak: float = 1.0,
        vector_peak: float = 1.0,
        dram_bandwidth: float = 1.0,
        dram_capacity: float = 1.0,
        sram_bandwidth: float = 1.0,
        sram_capacity: float = 1.0,
        clock: float = 1.0,
    ) -> Accelerator:
        """The same chip with levers pulled: each factor multiplies every known figure of its kind.

        The result keeps its name and is for sensitivities, not for tables of chips.

        Args:
            peak: dense peaks of every engine.
            vector_peak: rates of the vector units.
            dram_bandwidth: of the memories off the chip.
            dram_capacity: of the memories off the chip.
            sram_bandwidth: of the memories on the chip, private ones included.
            sram_capacity: of the memories on the chip, private ones included.
            clock: of every engine; its rates and the bandwidths of the memories on the chip go with it.

        Raises:
            InputError: a factor that is not positive.
        """
        off_chip, on_chip = (dram_bandwidth, dram_capacity), (sram_bandwidth * clock, sram_capacity)
        for factor in (peak, vector_peak, clock, sram_bandwidth, sram_capacity, *off_chip):
            if not factor > 0:
                raise InputError(f"{factor!r} is not a factor; expected one above 0, for example peak=2.0")

        def memory(level: Memory) -> Memory:
            by = off_chip if level.off_chip else on_chip
            rates = ("bandwidth", "read_bandwidth", "write_bandwidth")
            figures = {name: _times(getattr(level, name), by[0]) for name in rates}
            figures["capacity"] = _times(level.capacity, by[1])
            return level.model_copy(update=figures)

        def engine(e: Engine) -> Engine:
            return e.model_copy(
                update={
                    "peak": {p: s.times(peak * clock) for p, s in e.peak.items()},
                    "vector_peak": {p: s.times(vector_peak * clock) for p, s in e.vector_peak.items()},
                    "clock": _times(e.clock, clock),
                    "memory": tuple(memory(m) for m in e.memory),
                }
            )

        engines, shared = tuple(engine(e) for e in self.engines), tuple(memory(m) for m in self.memory)
        return self.model_copy(update={"engines": engines, "memory": shared})

    def to_frame(self) -> pd.DataFrame:
        """A row for each number: field, value, unit, low, high, source, note."""
        from hw_models.spec.show import to_frame

        return to_frame(self)

    def _repr_html_(self) -> str:
        from hw_models.spec.show import to_html

        return to_html(self)

    @override
    def __repr__(self) -> str:
        from hw_models.spec.show import one_line

        return one_line(self)

    @override
    def __str__(self) -> str:
        return repr(self)


_UNKNOWN_BANDWIDTH: Final = {
    False: "the bandwidth of the off-chip memory is unknown",
    True: "no external memory by design: inputs, outputs and weights that do not fit cross "
    "the link to the host, whose bandwidth is unknown",
}
"""Why a chip cannot be costed, by whether the outermost memory is a host's."""


def _times(figure: Any, factor: float) -> Any:
    return None if figure is None else figure.times(factor)
