"""The machine that a loop nest runs on: a MAC array with named axes, memories with ports, who serves whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from math import prod

from hw_models.cost.tiled.loopnest.mapping import INPUT, OPERANDS, OUTPUT, WEIGHT


class Way(IntEnum):
    """Which way data moves between a memory and its neighbours; order of the columns of access counts."""

    READ_DOWN = 0
    """Read out towards the array."""
    WRITE_UP = 1
    """Written by the level below, on its way out."""
    READ_UP = 2
    """Read out towards the level above."""
    WRITE_DOWN = 3
    """Written by the level above."""


@dataclass(frozen=True, slots=True)
class Port:
    """One physical port.

    Attributes:
        name: for messages.
        least_bits, bits: what the shortest and the widest access moves in a cycle.
        serves: (operand, way) that go through it, in order.
    """

    name: str
    least_bits: int
    bits: int
    serves: tuple[tuple[int, Way], ...]


@dataclass(frozen=True, slots=True)
class Store:
    """One memory; where it does not serve an axis of the array, there is one per unit along that axis.

    Attributes:
        name: for messages and tables.
        bits: capacity of one instance.
        read_pj, write_pj: energy of one access of a port's full width.
        operands: that it holds, in order.
        serves: axes of the array that one instance feeds.
        ports: physical ports.
        halved: whether half of it is always being filled.
    """

    name: str
    bits: int
    read_pj: float
    write_pj: float
    operands: tuple[int, ...]
    serves: tuple[str, ...]
    ports: tuple[Port, ...]
    halved: bool = False

    def port(self, operand: int, way: Way) -> Port | None:
        """The port that moves an operand this way; the last one where several are named."""
        found = [port for port in self.ports if (operand, way) in port.serves]
        return found[-1] if found else None


@dataclass(frozen=True, eq=False)
class Machine:
    """An array and its memories, innermost first.

    Attributes:
        name: for tables.
        axes: axis of the array -> units along it.
        mac_pj: energy of one MAC.
        stores: memories; of those that hold an operand, a later one lies further out.
        systolic: axes along which results move a unit per cycle instead of being broadcast.
    """

    name: str
    axes: dict[str, int]
    mac_pj: float
    stores: tuple[Store, ...]
    systolic: frozenset[str] = frozenset()

    @cached_property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Per operand the positions in `stores` of the memories that hold it, innermost first."""
        return tuple(
            tuple(i for i, store in enumerate(self.stores) if operand in store.operands)
            for operand in (OUTPUT, WEIGHT, INPUT)
        )

    @property
    def units(self) -> int:
        """MAC units of the array."""
        return prod(self.axes.values())

    def level_names(self, operand: int) -> tuple[str, ...]:
        """Names of the memories that hold an operand, innermost first."""
        return tuple(self.stores[i].name for i in self.levels[operand])

    def innermost(self) -> tuple[Store, ...]:
        """Memories that are the first one of each operand they hold."""
        return tuple(
            store
            for i, store in enumerate(self.stores)
            if all(self.levels[operand][0] == i for operand in store.operands)
        )

    def axes_at(self, operand: int) -> tuple[tuple[str, ...], ...]:
        """Per level of an operand, from the array itself to above its last memory, the axes fed there."""
        left, found = dict.fromkeys(self.axes), []
        for i in self.levels[operand]:
            here = tuple(axis for axis in self.stores[i].serves if axis in left)
            for axis in here:
                del left[axis]
            found.append(here)
        return (*found, tuple(left))

    def missing(self) -> tuple[str, ...]:
        """What an evaluation needs and this machine leaves out, in words."""
        held = {operand for store in self.stores for operand in store.operands}
        return tuple(f"no memory holds the {name}" for i, name in enumerate(OPERANDS) if i not in held)
