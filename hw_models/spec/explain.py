"""pydantic's list of errors in the words of a chip engineer: what is wrong, what was expected, the nearest valid name."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hw_models.errors import did_you_mean, nearest, sentence
from hw_models.spec.accelerator import Accelerator
from hw_models.spec.quantities import Sourced
from hw_models.spec.references import Location, Problem


def explain(error: ValidationError) -> list[Problem]:
    """One problem for each mistake, with pydantic's follow-up errors taken out."""
    errors = [(_clean(e["loc"]), e) for e in error.errors()]
    misspelt = {loc[:-1]: _model_at(loc[:-1]) for loc, e in errors if e["type"] == "extra_forbidden"}
    guessed = {
        (*loc[:-1], near)
        for loc, e in errors
        if e["type"] == "extra_forbidden"
        for near in _nearest_field(loc)
    }
    problems: list[Problem] = []
    for loc, e in errors:
        follow_up = e["type"] == "too_short" and any(
            other[: len(loc)] == loc and len(other) > len(loc) for other, _ in errors
        )
        if follow_up or (e["type"] == "missing" and loc in guessed):
            continue
        message = _message(
            loc, e["type"], e["msg"], e["input"], e.get("ctx", {}), known=_fields(misspelt.get(loc[:-1]))
        )
        if (loc, message) not in problems:
            problems.append((loc, message))
    return problems


def shown_path(loc: Location) -> str:
    """The location as it stands in messages: "memory.0.bandwidth", the number itself in place of its `value`."""
    steps = loc[:-1] if loc and loc[-1] == "value" else loc
    return ".".join(str(s) for s in steps)


def _clean(loc: tuple[int | str, ...]) -> Location:
    return tuple(step for step in loc if step != "[key]")


def _nearest_field(loc: Location) -> tuple[str, ...]:
    return nearest(str(loc[-1]), _fields(_model_at(loc[:-1])), n=1)


def _fields(model: type[BaseModel] | None) -> tuple[str, ...]:
    return () if model is None else tuple(model.model_fields)


def _message(
    loc: Location, kind: str, text: str, given: Any, ctx: Mapping[str, Any], *, known: tuple[str, ...]
) -> str:
    if kind.startswith("spec_"):
        return text
    if kind == "extra_forbidden":
        near = nearest(str(loc[-1]), known)
        return (
            f"unknown field, {did_you_mean(near)}"
            if near
            else f"unknown field; known here: {', '.join(known)}"
        )
    if kind == "missing":
        return f"is missing; expected {_wanted(loc)}"
    if kind == "literal_error":
        return _literal(loc, str(given), str(ctx.get("expected", "")))
    if kind == "string_pattern_mismatch":
        return f"{given!r} cannot be a name; expected lower-case letters, digits and '_', beginning with a letter or digit"
    if kind in {"greater_than_equal", "finite_number"}:
        return f"{given!r} cannot be; expected a finite number of at least {ctx.get('ge', 0)}"
    if kind == "too_short":
        return "is empty; expected at least one entry"
    return f"{_brief(given)} does not fit; {text[0].lower()}{text[1:]}"


def _brief(given: Any) -> str:
    shown = repr(given)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _literal(loc: Location, given: str, expected: str) -> str:
    known = [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]
    if loc == ("schema_version",):
        return f"version {given} is not supported; this release reads version {', '.join(known)}"
    return sentence(
        f"unknown {str(loc[-1]).replace('_', ' ')} '{given}'",
        did_you_mean(nearest(given, known)),
        f"known: {', '.join(known)}",
    )


def _wanted(loc: Location) -> str:
    model = _model_at(loc[:-1])
    field = None if model is None else model.model_fields.get(str(loc[-1]))
    if model is not None and issubclass(model, Sourced) and loc[-1] == "source":
        return "a key of the file's 'sources'"
    return (field.description if field is not None and field.description else f"a '{loc[-1]}'").rstrip(".")


def _model_at(loc: Location) -> type[BaseModel] | None:
    """The class that describes the part of a chip at `loc`."""
    found: Any = Accelerator
    for step in loc:
        if isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(str(step))
            found = None if field is None else field.annotation
        else:
            found = _inside(found)
        found = _bare(found)
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
