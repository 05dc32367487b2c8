"""Organisations by name: those that ship, loaded when they are asked for, and those of plug-ins."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from hw_models.cost.tiled.organisation import TakesMappings
from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from hw_models.cost.tiled.organisation import Organisation
    from hw_models.spec.parts import Dataflow

GROUP: Final = "codesign.organisations"
"""Entry-point group of organisations that others bring."""

BUILT_IN: Final[dict[str, str]] = {
    "weight_stationary": "hw_models.cost.tiled.nest.organisations:WeightStationary",
    "output_stationary": "hw_models.cost.tiled.nest.organisations:OutputStationary",
    "input_stationary": "hw_models.cost.tiled.nest.organisations:InputStationary",
    "vector": "hw_models.cost.tiled.nest.organisations:Vector",
    "row_stationary": "hw_models.cost.tiled.row_stationary:RowStationary",
    "dot_product": "hw_models.cost.tiled.dot_product:DotProduct",
    "block": "hw_models.cost.tiled.block:Block",
    "decoupled_systolic": "hw_models.cost.tiled.decoupled:DecoupledSystolic",
}
"""`dataflow.kind` -> "module:name" of the class (or instance) that ships, imported when it is first used."""


def organisations() -> tuple[str, ...]:
    """Every name that `organisation` knows, plug-ins that load included, sorted."""
    from hw_models.registry import plugins

    return tuple(sorted({*BUILT_IN, *(p.name for p in plugins(GROUP) if not p.broken)}))


@cache
def organisation(kind: str) -> Organisation:
    """The organisation that `dataflow.kind` of a chip's engine names; ours come before plug-ins.

    Raises:
        UnknownNameError: there is none of that name.
        InputError: a plug-in of that name is installed but does not load.
    """
    if kind in BUILT_IN:
        module, _, name = BUILT_IN[kind].partition(":")
        return _instance(getattr(import_module(module), name))
    from hw_models.registry import plugin, plugins

    if kind in {p.name for p in plugins(GROUP)}:
        return _instance(plugin(GROUP, kind))
    known = organisations()
    raise UnknownNameError("organisation (dataflow.kind)", kind, known, f"known: {', '.join(known)}")


def taking_mappings() -> tuple[str, ...]:
    """Names of those that cost a mapping as it is given."""
    return tuple(kind for kind in organisations() if isinstance(organisation(kind), TakesMappings))


def misfits(dataflow: Dataflow) -> tuple[str, ...]:
    """What is wrong with a chip's `dataflow`: an unknown kind, an unknown or a missing parameter."""
    try:
        known = organisation(dataflow.kind).parameters
    except InputError as error:
        return (str(error),)
    unknown = [
        str(UnknownNameError(f"parameter of {dataflow.kind}", name, known, f"known: {', '.join(known)}"))
        for name in dataflow.parameters
        if name not in known
    ]
    lacking = [
        f"dataflow.parameters.{name} is missing; expected {p.meaning} in {p.unit}"
        for name, p in known.items()
        if p.default is None and name not in dataflow.parameters
    ]
    return (*unknown, *lacking)


def _instance(found: Any) -> Organisation:
    return cast("Organisation", found() if isinstance(found, type) else found)
