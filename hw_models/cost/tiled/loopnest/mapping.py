"""A given mapping: loops spread over the array, the order of the others, where each operand stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Final

from typing_extensions import override

from hw_models.errors import InputError, did_you_mean, nearest, sentence

OPERANDS: Final = ("output", "weight", "input")
"""Names of the three operands, in the order of every array of this package."""

OUTPUT, WEIGHT, INPUT = range(3)

Loops = tuple[tuple[str, int], ...]
"""Loops as (dimension, size), innermost first."""


@dataclass(frozen=True, slots=True)
class LoopNest:
    """One mapping of one contraction onto an array and a hierarchy of memories.

    Operands are cut apart on their own ("uneven"): `levels["weight"] = (2, 5, 7)` says that the first weight
    memory keeps what the two innermost temporal loops touch, the second what five touch, the third all seven.
    Sizes need not divide: the last pass over a dimension is then shorter, and is counted as it is.

    Attributes:
        spatial: axis of the array -> loops spread over it, each with the units it occupies.
        temporal: the other loops, innermost first.
        levels: operand -> per memory that holds it, innermost first, how many temporal loops lie at or
            below it; None: chosen by loop order, see `allocate`.
    """

    spatial: Mapping[str, Loops]
    temporal: Loops
    levels: Mapping[str, tuple[int, ...]] | None = None

    def __post_init__(self) -> None:
        for place, loops in (*self.spatial.items(), ("temporal", self.temporal)):
            for dim, size in loops:
                if size < 1:
                    raise InputError(f"{place}: loop '{dim}' has size {size}; expected 1 or more")
        for operand, cuts in (self.levels or {}).items():
            if operand not in OPERANDS:
                near = did_you_mean(nearest(operand, OPERANDS))
                known = f"operands are {', '.join(OPERANDS)}"
                raise InputError(sentence(f"levels: unknown operand '{operand}'", near, known))
            rising = all(a <= b for a, b in zip((0, *cuts), cuts, strict=False))
            if not cuts or not rising or cuts[-1] != len(self.temporal):
                expected = (
                    f"expected counts that never fall and end with {len(self.temporal)}, all temporal loops"
                )
                raise InputError(f"levels.{operand}: {list(cuts)}; {expected}")

    def extent(self, dim: str) -> int:
        """What the loops over `dim` cover together, spatial and temporal."""
        everywhere = (*(loop for loops in self.spatial.values() for loop in loops), *self.temporal)
        return prod(size for name, size in everywhere if name == dim)

    def units(self, dim: str) -> int:
        """Units of the array that `dim` is spread over."""
        return prod(size for loops in self.spatial.values() for name, size in loops if name == dim)

    def cuts(self, operand: str) -> tuple[int, ...]:
        """`levels` of one operand.

        Raises:
            InputError: the mapping leaves the levels open.
        """
        if self.levels is None or operand not in self.levels:
            raise InputError(f"the mapping does not say which memory keeps which loops of '{operand}'")
        return self.levels[operand]

    @override
    def __str__(self) -> str:
        across = "; ".join(f"{axis}: {_shown(loops)}" for axis, loops in self.spatial.items() if loops)
        return f"[{across}] {_shown(self.temporal) or '-'}"


def _shown(loops: Loops) -> str:
    return " ".join(f"{dim}{size}" for dim, size in loops)
