"""Loops spread over the array: how many units each really keeps busy, and what is left to run in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod
from typing import TYPE_CHECKING

from hw_models.errors import InputError, UnknownNameError, did_you_mean, nearest, sentence

if TYPE_CHECKING:
    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.machine import Machine
    from hw_models.cost.tiled.loopnest.mapping import LoopNest, Loops

Factors = tuple[tuple[tuple[str, float], ...], ...]
"""Per level of an operand, from the array outward, the loops spread between it and the level below."""


@dataclass(frozen=True)
class Spread:
    """A spatial assignment, brought to a layer's extents.

    Attributes:
        units: axis -> loops and the units they occupy.
        mean: the same with the units busy on average: 100 channels on 32 units are four passes of 25.
        whole: the same, rounded down.
        passes: loop -> passes in time that remain, loops with one left out, in the layer's order.
    """

    machine: Machine
    layer: Layer
    units: Mapping[str, Mapping[str, int]]
    mean: Mapping[str, Mapping[str, float]]
    whole: Mapping[str, Mapping[str, float]]

    def at_levels(self, operand: int, *, whole: bool = False) -> Factors:
        """Per level of an operand the loops that are spread below it, merged over axes."""
        spread, levels = self.whole if whole else self.mean, []
        for axes in self.machine.axes_at(operand):
            merged: dict[str, float] = {}
            for axis in axes:
                for dim, units in spread.get(axis, {}).items():
                    merged[dim] = merged[dim] * units if dim in merged else units
            levels.append(tuple(merged.items()))
        return tuple(levels)

    @cached_property
    def passes(self) -> dict[str, int]:
        """Loop -> passes in time that remain.

        Source: ZigZag 3.9.1, LomaEngine.get_temporal_loops.
        """
        left = dict(self.layer.sizes)
        for level in self.at_levels(self.layer.order[1]):
            for dim, units in level:
                if dim in left:
                    left[dim] = ceil(left[dim] / units)
                    if left[dim] == 1:
                        del left[dim]
        return {dim: size for dim, size in left.items() if size > 1}

    @property
    def drain(self) -> int:
        """Cycles in which the last results leave a systolic array.

        Source: ZigZag 3.9.1, CostModelEvaluation.calc_overall_latency.
        """
        axes = (axis for axis in self.machine.systolic if axis in self.units)
        return sum(max(prod(self.units[axis].values()) - 1, 0) for axis in axes)


def spread_over(machine: Machine, layer: Layer, spatial: Mapping[str, Loops]) -> Spread:
    """Bring a spatial assignment to a layer: loops it lacks are dropped, shorter ones take fewer units.

    Source: ZigZag 3.9.1, SpatialMappingConversionStage.generate_limited_user_spatial_mapping.

    Raises:
        UnknownNameError: an axis that the array lacks.
        InputError: more units than an axis has.
    """
    units: dict[str, dict[str, int]] = {}
    for axis, loops in spatial.items():
        if axis not in machine.axes:
            raise UnknownNameError("axis of the array", axis, machine.axes)
        units[axis] = {dim: min(size, layer.sizes[dim]) for dim, size in loops if dim in layer.sizes}
        used = prod(units[axis].values())
        if used > machine.axes[axis]:
            raise InputError(f"axis {axis}: loops occupy {used} units; it has {machine.axes[axis]}")
    mean: dict[str, dict[str, float]] = {}
    whole: dict[str, dict[str, float]] = {}
    for axis, loops_here in units.items():
        mean[axis], whole[axis] = {}, {}
        for dim, size in loops_here.items():
            mean[axis][dim] = _busy(layer.sizes[dim], dim, axis, size, units, mean)
            busy = _busy(layer.sizes[dim], dim, axis, size, units, whole)
            whole[axis][dim] = int(busy)
    return Spread(machine, layer, units, mean, whole)


def _busy(
    extent: int,
    dim: str,
    axis: str,
    size: int,
    units: Mapping[str, Mapping[str, int]],
    before: Mapping[str, Mapping[str, float]],
) -> float:
    """Units busy on average; of several axes with the same loop the first of the widest takes the rest."""
    widest = max(loops.get(dim, 0) for loops in units.values())
    if axis != next(a for a, loops in units.items() if loops.get(dim, 0) == widest):
        return size
    early = prod(loops[dim] for a, loops in before.items() if a != axis and dim in loops)
    return extent / ceil(extent / (size * early)) / early


@dataclass(frozen=True, slots=True)
class TimeLoops:
    """The loops in time, innermost first.

    Attributes:
        dims: names.
        sizes: passes of a full turn: what must fit.
        means: passes on average, shorter last turns counted: what moves.
    """

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    means: tuple[float, ...]


def time_loops(spread: Spread, nest: LoopNest) -> TimeLoops:
    """The temporal loops of a mapping, checked against what the array leaves to do.

    Raises:
        UnknownNameError: a loop that the layer lacks.
        InputError: the loops over a dimension do not cover it, or more than cover it.
    """
    sizes = spread.layer.sizes
    left = {dim: spread.passes.get(dim, 1) for dim in sizes}
    means: list[float] = []
    for dim, size in nest.temporal:
        if dim not in left:
            near = did_you_mean(nearest(dim, sizes))
            raise UnknownNameError("loop", dim, sizes, sentence(near, f"the layer has {', '.join(sizes)}"))
        turns = ceil(left[dim] / size)
        means.append(size if turns * size == left[dim] else left[dim] / turns)
        left[dim] = turns
    short = [dim for dim, turns in left.items() if turns > 1]
    if short:
        dim = short[0]
        done = prod(size for name, size in nest.temporal if name == dim)
        raise InputError(f"the loops over '{dim}' make {done} of {spread.passes[dim]} passes")
    return TimeLoops(tuple(d for d, _ in nest.temporal), tuple(s for _, s in nest.temporal), tuple(means))
