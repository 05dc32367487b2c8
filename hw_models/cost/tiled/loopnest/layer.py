"""What a loop nest computes: named loops, which operand each of them walks through, bits of an element."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import gcd, prod
from typing import TYPE_CHECKING, Final, Self

from hw_models.cost.tiled.loopnest.mapping import INPUT, OUTPUT, WEIGHT
from hw_models.cost.tiled.problem import FX, FY, LOOPS, OX, OY, C, G, K, N

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.cost.tiled.problem import Problems

_WALKS: Final = {OUTPUT: (N, G, K, OY, OX), WEIGHT: (G, K, C, FY, FX), INPUT: (N, G, C)}
"""Loops of a convolution that walk through each operand; the input's rows and columns are windows beside."""


@dataclass(frozen=True, slots=True)
class Window:
    """An axis of the input that two loops walk through together: i = outer_step * outer + tap_step * tap.

    Attributes:
        outer, tap: the loops, by name.
        outer_step, tap_step: stride and dilation.
        size: positions that are stored, padding left out; no tile reads more.
    """

    outer: str
    tap: str
    outer_step: int
    tap_step: int
    size: int

    def span(self, outer: float, tap: float) -> int:
        """Distinct positions that a tile of `outer` x `tap` reads; a part of a loop counts as none.

        Source: ZigZag 3.9.1, LayerNode.calc_pr_dimension_size, where tiles of one output with a dilation
            count more than they read; kept, for costs to be equal.
        """
        a, b = int(outer), int(tap)
        common = gcd(self.outer_step, self.tap_step)
        skipped = max(0, b - self.outer_step // common) * (a - self.tap_step // common)
        return min(self.size, a * b - skipped)


@dataclass(frozen=True)
class Layer:
    """One contraction.

    Attributes:
        name: for tables.
        sizes: loop -> extent, in the order they are declared.
        walks: per operand (output, weight, input) the loops that walk through it, windows left out; parts of
            units are multiplied in this order, since what fits exactly may depend on rounding.
        windows: axes of `windowed` that two loops share.
        windowed: the operand that has windows.
        bits: of one element: partial sum, weight, input, final output.
        order: operands in the order in which memory left over is handed out.
    """

    name: str
    sizes: dict[str, int]
    walks: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    windows: tuple[Window, ...] = ()
    windowed: int = INPUT
    bits: tuple[int, int, int, int] = (16, 8, 8, 8)
    order: tuple[int, int, int] = (OUTPUT, WEIGHT, INPUT)
    kind: str = field(default="", compare=False)

    @classmethod
    def of_problem(cls, problems: Problems, row: int = 0, *, partial_bits: int = 32, name: str = "") -> Self:
        """One row of `problems`, its loops named as there.

        Args:
            problems: contractions.
            row: which one.
            partial_bits: width of a partial sum.
            name: for tables.
        """
        sizes = dict(zip(LOOPS, (int(v) for v in problems.dims[row]), strict=True))
        stride, dilation, stored = problems.stride[row], problems.dilation[row], problems.in_size[row]
        windows = tuple(
            Window(outer, tap, int(stride[axis]), int(dilation[axis]), int(stored[axis]))
            for axis, (outer, tap) in enumerate((("oy", "fy"), ("ox", "fx")))
        )
        walks = tuple(tuple(LOOPS[i] for i in _WALKS[operand]) for operand in (OUTPUT, WEIGHT, INPUT))
        weight, inputs, output = (
            problems.weight_bits[row],
            problems.input_bits[row],
            problems.output_bits[row],
        )
        bits = (partial_bits, int(weight), int(inputs), int(output))
        return cls(name or f"problem{row}", sizes, (walks[0], walks[1], walks[2]), windows, INPUT, bits)

    @property
    def macs(self) -> int:
        """Multiply-accumulates: the product of all loops."""
        return prod(self.sizes.values())

    @cached_property
    def relevant(self) -> tuple[tuple[str, ...], ...]:
        """Per operand the loops that walk through it alone, in the order of `walks`."""
        shared = {dim for w in self.windows for dim in (w.outer, w.tap)}
        return tuple(
            tuple(d for d in walk if d in self.sizes and not (op == self.windowed and d in shared))
            for op, walk in enumerate(self.walks)
        )

    @cached_property
    def irrelevant(self) -> tuple[frozenset[str], ...]:
        """Per operand the loops longer than one over which it stays the same."""
        shared = {dim for w in self.windows for dim in (w.outer, w.tap)}
        return tuple(
            frozenset(
                d
                for d, size in self.sizes.items()
                if size != 1 and d not in walk and not (op == self.windowed and d in shared)
            )
            for op, walk in enumerate(self.walks)
        )

    def tile(self, operand: int, extents: Mapping[str, float]) -> float:
        """Elements of an operand that loops of these extents touch; a loop left out counts once."""
        elements: float = prod(extents.get(d, 1) for d in self.relevant[operand])
        if operand == self.windowed:
            for w in self.windows:
                elements *= w.span(extents.get(w.outer, 1), extents.get(w.tap, 1))
        return elements

    def elements(self, operand: int) -> int:
        """Elements of an operand as stored."""
        return int(self.tile(operand, self.sizes))
