"""Laws by kind of engine and runtime: the finest that there is, else the class constants as a law.

A law is a module of this package with `KIND`, the kind of its engines; `RUNTIMES`, first words of the
runtimes that it is of, empty where it is of the class as a whole; and `law(lowering, crossfit)`. One with
`BY_RUNTIME` tells runtimes apart itself: `law(lowering, crossfit, runtime)`.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Final

from hw_models.cost.laws.constants import ConstantsLaw

if TYPE_CHECKING:
    from hw_models.cost.laws.base import Law
    from hw_models.spec.accelerator import Accelerator

N_FOLDS: Final = 5
SEAMS: Final = ("base", "catalogue", "constants")
"""Modules of the package that are no law of a class."""


def family_fold(family: str) -> int:
    """0 to 4: the fold in which a family is left out, the same in every fit and check."""
    return int(hashlib.sha256(family.encode()).hexdigest(), 16) % N_FOLDS


def without_family(family: str) -> str:
    """`crossfit` of a law whose constants never saw the fold of a family: "family:3"."""
    return f"family:{family_fold(family)}"


def without_device(device: str) -> str:
    """`crossfit` of a law whose constants never saw a device: "device:rtx3090"."""
    return f"device:{device}"


@cache
def law(kind: str, lowering: str, runtime: str | None = None, crossfit: str | None = None) -> Law:
    """The law of engines of a kind: the runtime's own where there is one, else the class's.

    Args:
        kind: of `hw_models.cost.chips.ENGINE_KINDS`.
        lowering: "ideal", "eager" or "compiled".
        runtime: what executes, "torch 2.4.0": its first word counts; None: not said.
        crossfit: what its constants must not have seen, see `without_family`, `without_device`; a law that
            never saw it is the law itself. None: nothing.

    Raises:
        InputError: there are no constants for that lowering.
    """
    word = (runtime or "").split(" ", maxsplit=1)[0].split("|", maxsplit=1)[0]
    of_kind = [m for m in _modules() if kind == m.KIND]
    own = [m for m in of_kind if word and word in m.RUNTIMES]
    of_class = [m for m in of_kind if not m.RUNTIMES]
    for module in (*own, *of_class):
        told = (runtime,) if getattr(module, "BY_RUNTIME", False) else ()
        found: Law = module.law(lowering, crossfit, *told)
        return found
    return ConstantsLaw.of(kind, lowering)


def law_of(chip: Accelerator, lowering: str, runtime: str | None = None, crossfit: str | None = None) -> Law:
    """The law of one chip: that of its kind and runtime, unless it was fitted on chips of another size.

    A module tells by `covers(chip)` how far its law reaches; beyond that the class constants stand.

    Raises:
        InputError: there are no constants for that lowering.
    """
    kind = chip.main_engine.kind
    found = law(kind, lowering, runtime, crossfit)
    reaches = getattr(found, "covers", None)
    return found if reaches is None or reaches(chip) else _constants(kind, lowering)


@cache
def _constants(kind: str, lowering: str) -> ConstantsLaw:
    return ConstantsLaw.of(kind, lowering)


def usual_runtime(chip: Accelerator) -> str | None:
    """The runtime whose law is of chips built as this one; None: no law is of such chips alone.

    For a chip of which nobody says what executes: a module tells by `is_of(chip)` whether its law is of it,
        from the architecture that a vendor publishes.
    """
    kind = chip.main_engine.kind
    found = (m for m in _modules() if kind == m.KIND and hasattr(m, "is_of") and m.is_of(chip))
    module = next(found, None)
    return None if module is None else str(module.RUNTIMES[0])


@cache
def _modules() -> tuple[Any, ...]:
    """Every module of the package that is a law, by name."""
    from hw_models.cost import laws

    names = sorted(m.name for m in iter_modules(laws.__path__) if m.name not in SEAMS)
    found = [import_module(f"{laws.__name__}.{name}") for name in names]
    return tuple(m for m in found if hasattr(m, "KIND") and hasattr(m, "law"))
