"""Area and price of chips: as the file states them; the area of a described core, else, as it implies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import UNKNOWN_FIDELITY, Fidelity, GridQuantity
from hw_models.spec.area import implied_area
from hw_models.spec.silicon import DERIVED

if TYPE_CHECKING:
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.quantities import Sourced
    from hw_models.spec.silicon import Implied

CORES: Final = frozenset({"npu_ip", "research", "other"})
"""Classes whose file describes all of the silicon. Of a product it describes the engines alone, and what it
leaves out (host cores, image signal processors, links) may be most of the die."""


def area(chips: Chips) -> GridQuantity:
    """(C,) m2 with its range; NaN where it is neither stated nor implied."""
    return _quantity([_ends(c.die_area) or _implied(area_of_core(c)) for c in chips.accelerators])


def price(chips: Chips) -> GridQuantity:
    """(C,) USD with its range; NaN where the file states none."""
    return _quantity([_ends(c.price) for c in chips.accelerators])


def area_of_core(chip: Accelerator) -> Implied | None:
    """Area that follows from the description of a core; None of a product, or of too short a file."""
    described = chip.device_class in CORES and chip.main_engine.dataflow is not None
    return implied_area(chip) if described else None


def _ends(figure: Sourced | None) -> tuple[float, float, float, int] | None:
    """Value, low, high and fidelity of a figure in a chip's file: `prior` where it was derived from it."""
    if figure is None:
        return None
    fidelity = Fidelity.PRIOR if figure.source == DERIVED else Fidelity.STATED
    return (figure.value, *figure.range, fidelity)


def _implied(figure: Implied | None) -> tuple[float, float, float, int] | None:
    return None if figure is None else (figure.value, figure.low, figure.high, Fidelity.PRIOR)


def _quantity(rows: list[tuple[float, float, float, int] | None]) -> GridQuantity:
    unknown = (np.nan, np.nan, np.nan, UNKNOWN_FIDELITY)
    table = np.array([row or unknown for row in rows], np.float64).reshape(len(rows), 4).T
    return GridQuantity(table[0], table[1], table[2], table[3].astype(np.int8))
