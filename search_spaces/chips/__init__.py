"""Families of chips that can be searched: knobs in, an `Accelerator` with area, power and price out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.lazy import lazy_names

if TYPE_CHECKING:
    from search_spaces.chips.family import ChipFamily as ChipFamily
    from search_spaces.chips.soc import Soc as Soc
    from search_spaces.chips.systolic import Systolic as Systolic
    from search_spaces.chips.vector import Vector as Vector

_HOMES: Final = {
    "ChipFamily": "search_spaces.chips.family",
    "Soc": "search_spaces.chips.soc",
    "Systolic": "search_spaces.chips.systolic",
    "Vector": "search_spaces.chips.vector",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  (a list of the table's keys)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
