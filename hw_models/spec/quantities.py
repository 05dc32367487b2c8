"""A number in a spec: value, range, source. One class for each SI unit that a field can have."""

from __future__ import annotations

import math
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
from pydantic_core import CoreSchema, PydanticCustomError
from typing_extensions import override

from hw_models import units
from hw_models.errors import UnitError

BORDER: Final = {"border": True}
"""Validation context of a file: quantities must be text with a unit. Without it, numbers are SI floats."""

QUANTITY_PATTERN: Final = r"^\s*\+?([0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*[A-Za-zµ].*$"
"""What an editor accepts as text with a unit; the loader knows the units themselves."""

CLASS_FIGURE: Final = "class_figure"
"""Key of a source whose figures are those of a chip's class and stand in for unknown ones of its own."""

Magnitude = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Spec(BaseModel):
    """Base of everything in a chip's description: frozen, and no field that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class Sourced(Spec):
    """A number with the range its sources leave and where it is from; subclasses fix the SI unit."""

    unit: ClassVar[str] = ""

    value: Magnitude = Field(description="Best figure.")
    low: Magnitude | None = Field(None, description="Lowest figure a source gives; null: no range.")
    high: Magnitude | None = Field(None, description="Highest figure a source gives; null: no range.")
    source: str = Field(description="Key into the chip's `sources`.")
    note: str | None = Field(None, description="How it was derived, what disagrees with it.")

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, given: Any) -> Any:
        if isinstance(given, Sourced) and given.unit and given.unit != cls.unit:
            raise problem("unit", f"is in {given.unit}; expected {cls.unit or 'a pure number'}")
        if isinstance(given, Mapping | BaseModel):
            return given
        if given is None:
            raise problem("null", "has no figure; expected {value: ..., source: ...}, or leave the entry out")
        bare = bool(cls.unit) and isinstance(given, int | float) and not isinstance(given, bool)
        example = f"{{value: {given}{' ' + cls.unit if bare else ''}, source: ...}}"
        said = f"{units.needs_unit(given, cls.unit)}, and a source" if bare else "needs a source"
        raise problem("source", f"{said}: {example}")

    @field_validator("value", "low", "high", mode="before")
    @classmethod
    def _from_text(cls, given: Any, info: ValidationInfo) -> Any:
        if given is None and info.field_name == "value":
            raise problem("null", "is null; leave the whole field null where the figure is unknown")
        if isinstance(given, bool):
            raise problem("type", f"{given} is not a quantity; expected a number")
        if isinstance(given, int | float) and cls.unit and info.context and info.context.get("border"):
            raise problem("unit", units.needs_unit(given, cls.unit))
        figure = _parsed(given, cls.unit) if isinstance(given, str) else given
        if isinstance(figure, int | float) and not 0 < figure < math.inf:
            expected = "expected a finite number above 0; what is unknown is null, never 0"
            raise problem("number", f"{given} cannot be; {expected}")
        return figure

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = self.range
        if not low <= self.value <= high:
            shown = (units.show(x, self.unit) for x in (low, self.value, high))
            said = "low {}, value {}, high {}".format(*shown)
            raise problem("range", f"out of order: {said}; expected low <= value <= high")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """(low, high), each the value itself where the sources give none."""
        return (self.value if self.low is None else self.low, self.value if self.high is None else self.high)

    @property
    def has_range(self) -> bool:
        """Whether the sources leave a range."""
        return self.low is not None or self.high is not None

    def times(self, factor: float) -> Self:
        """The same figure and range, scaled."""
        figures = {"value": self.value, "low": self.low, "high": self.high}
        return self.model_copy(update={k: x * factor for k, x in figures.items() if x is not None})

    @override
    def __str__(self) -> str:
        text = units.show(self.value, self.unit)
        return f"{text} ({self.range_text()})" if self.has_range else text

    def range_text(self) -> str:
        """Both ends of the range ("26 GB/s .. 32 GB/s"), or nothing where there is none."""
        return " .. ".join(units.show(x, self.unit) for x in self.range) if self.has_range else ""

    @override
    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> dict[str, Any]:
        """In a file a quantity is text with a unit, which the schema must say to editors."""
        schema: dict[str, Any] = handler.resolve_ref_schema(handler(core))
        if cls.unit:
            meaning, usual = units.QUANTITIES[cls.unit]
            text = {"type": "string", "pattern": QUANTITY_PATTERN, "examples": [f"512 {usual}"]}
            for key in ("value", "low", "high"):
                said = f"{schema['properties'][key]['description']} Text with a unit: {meaning}."
                kind = text if key == "value" else {"anyOf": [text, {"type": "null"}]}
                schema["properties"][key] = {"description": said, **kind}
        return schema


def problem(kind: str, message: str) -> PydanticCustomError:
    """A validation error whose text is final; its kind begins with "spec_"."""
    # the template is filled from the context, so that braces in a message stay what they are
    return PydanticCustomError(f"spec_{kind}", "{message}", {"message": message})


def _parsed(text: str, unit: str) -> float:
    if not unit:
        said = "is not filled in yet" if text.startswith(units.BLANK) else "is not a number"
        raise problem("unit", f"{text!r} {said}; expected a pure number, for example 512")
    try:
        return units.parse(text, unit)
    except UnitError as error:
        raise problem("unit", str(error)) from None


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


class Volts(Sourced):
    """A voltage in V."""

    unit = "V"


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
