"""How a study file would name what a study was given; what was made in Python is marked as such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codesign.config import IN_PYTHON, CustomObjective
from codesign.objectives import CATALOGUE
from hw_models.errors import InputError
from search_spaces.catalogue import CHIP_FAMILIES, reference
from search_spaces.product import ChipList, Product

if TYPE_CHECKING:
    from codesign.objectives import Objective
    from hw_models.spec.accelerator import Accelerator
    from search_spaces.space import SearchSpace


def space_names(space: SearchSpace) -> dict[str, Any]:
    """The settings `space` and `chips` of a space."""
    networks = space.networks if isinstance(space, Product) else space
    named = reference(networks) or f"{IN_PYTHON}{networks.name}"
    if not isinstance(space, Product):
        return {"space": named, "chips": ()}
    if not isinstance(space.chips, ChipList):
        family = reference(space.chips)
        known = family if family in CHIP_FAMILIES else f"{IN_PYTHON}{space.chips.name}"
        return {"space": named, "chips": (known,)}
    return {"space": named, "chips": tuple(chip_name(c) for c in space.chips.chips)}


def chip_name(chip: Accelerator) -> str:
    """Name of a chip that ships, or its mark."""
    from hw_models.spec.load import load_chip

    try:
        same = load_chip(chip.label) == chip
    except InputError:
        same = False
    return chip.label if same else f"{IN_PYTHON}{chip.label}"


def objective_name(wanted: Objective) -> str | CustomObjective:
    """Name of an objective of the catalogue, or what a run folder remembers of another one."""
    if CATALOGUE.get(wanted.name) == wanted:
        return wanted.name
    return CustomObjective(name=wanted.name, goal=wanted.goal, unit=wanted.unit)
