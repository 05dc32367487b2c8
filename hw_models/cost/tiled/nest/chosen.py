"""A mapping as people read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from hw_models.cost.tiled.problem import LOOPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.cost.tiled.nest.spatial import Layout

STATIONARY = ("weight", "input", "output")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The mapping of one contraction on one chip.

    Attributes:
        local, outer: tiles of the eight loops in the local memories and in the last on-chip memory.
        stationary_local, stationary_dram: operand that moves once between on-chip memories, and from DRAM.
        layout: how the contraction lies on the array.
    """

    local: tuple[int, ...]
    outer: tuple[int, ...]
    stationary_local: str
    stationary_dram: str
    layout: str

    @classmethod
    def of(cls, row: Any, layouts: Sequence[Layout]) -> Chosen:
        """From the 19 numbers of a search."""
        tiles = row.tolist()
        orders = STATIONARY[tiles[16]], STATIONARY[tiles[17]]
        return cls(tuple(tiles[:8]), tuple(tiles[8:16]), *orders, layouts[tiles[18]].name)

    @override
    def __str__(self) -> str:
        def tile(sizes: tuple[int, ...]) -> str:
            return (
                " ".join(f"{name}{size}" for name, size in zip(LOOPS, sizes, strict=True) if size > 1) or "1"
            )

        return (
            f"dram[{self.stationary_dram} stays] {tile(self.outer)} | "
            f"sram[{self.stationary_local} stays] {tile(self.local)} | array[{self.layout}]"
        )
