"""pydantic's list of errors in a chip engineer's words: what is wrong, what was expected, the nearest."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hw_models.errors import did_you_mean, nearest, sentence
from hw_models.spec.accelerator import Accelerator
from hw_models.spec.quantities import Sourced

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from hw_models.spec.references import Location, Problem

EXPECTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "tuple_type": "a list ('- ' at the start of each entry)",
    "dict_type": "a mapping ('key: value')",
    "mapping_type": "a mapping ('key: value')",
    "model_type": "a mapping ('key: value')",
    "model_attributes_type": "a mapping ('key: value')",
    "too_short": "at least one entry",
    "greater_than_equal": "a number of at least 1",
    "string_pattern_mismatch": "lower-case letters, digits and '_', beginning with a letter or digit",
}
"""pydantic's error type -> what a file should have had."""


def explain(error: ValidationError) -> list[Problem]:
    """One problem for each mistake; errors that only follow from another are left out."""
    errors = [(_clean(e["loc"]), e) for e in error.errors()]
    misspelt = [loc for loc, e in errors if e["type"] == "extra_forbidden"]
    meant = {
        (*loc[:-1], near) for loc in misspelt for near in nearest(str(loc[-1]), _fields_at(loc[:-1]), n=1)
    }
    problems: list[Problem] = []
    for loc, e in errors:
        inside = any(other[: len(loc)] == loc and len(other) > len(loc) for other, _ in errors)
        follows = (e["type"] == "too_short" and inside) or (e["type"] == "missing" and loc in meant)
        found = (loc, _message(loc, e))
        if not follows and found not in problems:
            problems.append(found)
    return problems


def shown_path(loc: Location) -> str:
    """The location as messages have it: "memory.0.bandwidth", a number itself in place of its `value`."""
    steps = loc[:-1] if loc and loc[-1] == "value" else loc
    return ".".join(str(s) for s in steps)


def _clean(loc: tuple[int | str, ...]) -> Location:
    return tuple(step for step in loc if step != "[key]")


def _message(loc: Location, error: ErrorDetails) -> str:
    kind, given = error["type"], error["input"]
    if kind.startswith("spec_"):
        return error["msg"]
    if kind == "extra_forbidden":
        known = _fields_at(loc[:-1])
        near = nearest(str(loc[-1]), known)
        return (
            f"unknown field, {did_you_mean(near)}"
            if near
            else f"unknown field; known here: {', '.join(known)}"
        )
    if kind == "missing":
        return f"is missing; expected {_wanted(loc)}"
    if kind == "literal_error":
        return _literal(loc, str(given), error.get("ctx", {}))
    expected = EXPECTED.get(kind) or error["msg"][0].lower() + error["msg"][1:]
    return f"{_brief(given)} does not fit; expected {expected}"


def _brief(given: Any) -> str:
    if given is None:
        return "null"
    shown = repr(given)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _literal(loc: Location, given: str, ctx: Mapping[str, Any]) -> str:
    known = [
        part.strip().strip("'") for part in str(ctx.get("expected", "")).replace(" or ", ", ").split(",")
    ]
    what = str(loc[-1]).replace("_", " ")
    return sentence(
        f"unknown {what} '{given}'", did_you_mean(nearest(given, known)), f"known: {', '.join(known)}"
    )


def _wanted(loc: Location) -> str:
    model = _model_at(loc[:-1])
    if model is not None and issubclass(model, Sourced):
        return "a key of the file's 'sources'" if loc[-1] == "source" else "the figure, with its unit"
    field = None if model is None else model.model_fields.get(str(loc[-1]))
    literal = (
        get_args(field.annotation)
        if field is not None and isinstance(field.annotation, type(_LITERAL))
        else ()
    )
    if literal:
        return f"one of: {', '.join(map(str, literal))}"
    said = field.description if field is not None and field.description else f"a '{loc[-1]}'"
    return said[0].lower() + said[1:].rstrip(".")


_LITERAL: Final = Accelerator.model_fields["device_class"].annotation


def _fields_at(loc: Location) -> tuple[str, ...]:
    model = _model_at(loc)
    return () if model is None else tuple(model.model_fields)


def _model_at(loc: Location) -> type[BaseModel] | None:
    """The class that describes the part of a chip at `loc`."""
    found: Any = Accelerator
    for step in loc:
        if isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(str(step))
            found = _bare(None if field is None else field.annotation)
        else:
            found = _bare(_inside(found))
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _bare(kind: Any) -> Any:
    """`kind` without Annotated and without `| None`."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _bare(get_args(kind)[0])
    if origin in {Union, types.UnionType}:
        return _bare(next(a for a in get_args(kind) if a is not type(None)))
    return kind


def _inside(kind: Any) -> Any:
    """What a tuple or a mapping holds."""
    args = get_args(kind)
    if not args:
        return None
    return args[1] if get_origin(kind) is not tuple and len(args) > 1 else args[0]
