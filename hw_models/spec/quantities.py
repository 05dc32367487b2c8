"""A number in a spec: value, range, source. One class for each SI unit that a field can have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from hw_models import units
from hw_models.errors import UnitError

BORDER: Final = {"border": True}
"""Validation context of a file: quantities must be text with a unit. Without it, numbers are SI floats."""

Magnitude = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Spec(BaseModel):
    """Base of everything in a chip's description: frozen, and no field that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Sourced(Spec):
    """A number with the range its sources leave and where it is from; subclasses fix the SI unit."""

    unit: ClassVar[str] = ""

    value: Magnitude = Field(description="Best figure.")
    low: Magnitude | None = Field(
        None, description="Lowest figure a source gives; null: the sources give no range."
    )
    high: Magnitude | None = Field(
        None, description="Highest figure a source gives; null: the sources give no range."
    )
    source: str = Field(description="Key into the chip's `sources`.")
    note: str | None = Field(None, description="How it was derived, what disagrees with it.")

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, given: Any) -> Any:
        if isinstance(given, Mapping | BaseModel):
            return given
        example = (
            "{value: "
            + (str(given) if isinstance(given, str) else f"{given} {cls.unit}".rstrip())
            + ", source: ...}"
        )
        if cls.unit and isinstance(given, int | float) and not isinstance(given, bool):
            raise _problem("unit", f"{units.needs_unit(given, cls.unit)}, and a source: {example}")
        raise _problem("source", f"needs a source: {example}")

    @field_validator("value", "low", "high", mode="before")
    @classmethod
    def _from_text(cls, given: Any, info: ValidationInfo) -> Any:
        if given is None or isinstance(given, bool):
            return given
        if isinstance(given, str) and cls.unit:
            try:
                return units.parse(given, cls.unit)
            except UnitError as error:
                raise _problem("unit", str(error)) from None
        if isinstance(given, int | float) and cls.unit and info.context and info.context.get("border"):
            raise _problem("unit", units.needs_unit(given, cls.unit))
        return given

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = self.range
        if not low <= self.value <= high:
            said = f"low {units.show(low, self.unit)}, value {units.show(self.value, self.unit)}, high {units.show(high, self.unit)}"
            raise _problem("range", f"out of order: {said}; expected low <= value <= high")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """(low, high), each the value itself where the sources give none."""
        return (self.value if self.low is None else self.low, self.value if self.high is None else self.high)

    def times(self, factor: float) -> Self:
        """The same figure and range, scaled."""
        scaled = {
            key: x * factor for key in ("value", "low", "high") if (x := getattr(self, key)) is not None
        }
        return self.model_copy(update=scaled)

    def __str__(self) -> str:
        text = units.show(self.value, self.unit)
        if self.low is None and self.high is None:
            return text
        low, high = self.range
        return f"{text} ({units.show(low, self.unit)} .. {units.show(high, self.unit)})"

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """In a file a quantity is text with a unit, which the schema must say to editors."""
        schema = handler.resolve_ref_schema(handler(core))
        if cls.unit:
            meaning, usual = units.QUANTITIES[cls.unit]
            text = {
                "type": "string",
                "pattern": r"^\s*[+]?[0-9._]+([eE][+-]?[0-9]+)?\s*[A-Za-zµ].*$",
                "examples": [f"512 {usual}"],
            }
            for key in ("value", "low", "high"):
                prop = schema["properties"][key]
                kept = {k: prop[k] for k in ("description", "title") if k in prop}
                kept["description"] = f"{kept['description']} Text with a unit: {meaning}."
                schema["properties"][key] = kept | (
                    text if key == "value" else {"anyOf": [text, {"type": "null"}]}
                )
        return schema


def _problem(kind: str, message: str) -> PydanticCustomError:
    # the template is filled from the context, so that braces in a message stay what they are
    return PydanticCustomError(f"spec_{kind}", "{message}", {"message": message})  # type: ignore[arg-type]


class Count(Sourced):
    """A pure number: cores, lanes, bits, MACs per cycle."""


class Bytes(Sourced):
    """A size in byte."""

    unit = "byte"


class BytesPerSecond(Sourced):
    """A bandwidth in byte/s."""

    unit = "byte/s"


class OpsPerSecond(Sourced):
    """A rate of operations in op/s; one MAC is two ops."""

    unit = "op/s"


class TransfersPerSecond(Sourced):
    """Data rate of one pin of a memory bus in transfer/s."""

    unit = "transfer/s"


class Hertz(Sourced):
    """A clock in Hz."""

    unit = "Hz"


class Watts(Sourced):
    """A power in W."""

    unit = "W"


class Seconds(Sourced):
    """A time in s."""

    unit = "s"


class JoulesPerOp(Sourced):
    """An energy in J/op; one MAC is two ops."""

    unit = "J/op"


class JoulesPerByte(Sourced):
    """An energy in J/byte."""

    unit = "J/byte"


class SquareMetres(Sourced):
    """An area in m2."""

    unit = "m2"


class Dollars(Sourced):
    """A price in USD."""

    unit = "USD"
