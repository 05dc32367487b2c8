"""Which loops the array runs side by side: what a mapping rule asks for, limited by layer and memories.

Source: zigzag-dse 3.9.1 (MIT), SpatialMappingGeneratorStage; several loops on one axis only where a rule
asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING

from hw_models.cost.tiled.loopnest.machine import Way
from hw_models.cost.tiled.loopnest.mapping import OUTPUT

if TYPE_CHECKING:
    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.machine import Machine
    from hw_models.cost.tiled.loopnest.mapping import Loops
    from hw_models.cost.tiled.loopnest.zigzag_mapping import MappingRule

Units = dict[str, dict[str, int]]
"""Axis -> loop -> units of the array that it occupies."""


def assignments(
    machine: Machine, layer: Layer, rule: MappingRule, most: int = 3
) -> list[Mapping[str, Loops]]:
    """Spatial assignments of a layer: one where the rule names all axes, else the `most` with most units."""
    limits = _limits(machine, layer)
    asked = _reduced(machine, layer, rule, limits)
    open_axes = [axis for axis in machine.axes if axis not in asked]
    found = [asked] if not open_axes else _filled(machine, layer, rule, limits, asked)[:most]
    return [
        {axis: tuple(loops.items()) for axis, loops in _fitted(machine, layer, units).items()}
        for units in found
    ]


def _limits(machine: Machine, layer: Layer) -> Units:
    """Most units of each axis that each loop can keep busy, by extent and by the innermost ports."""
    limits = {
        axis: {dim: min(size, units) for dim, size in layer.sizes.items()}
        for axis, units in machine.axes.items()
    }
    for store in machine.innermost():
        for op in store.operands:
            port = store.port(op, Way.WRITE_UP if op == OUTPUT else Way.READ_DOWN)
            if port is None or layer.bits[op] == 0:
                continue
            fed = port.bits // layer.bits[op]
            for axis in store.serves:
                for dim in limits[axis]:
                    if dim not in layer.irrelevant[op]:
                        limits[axis][dim] = min(limits[axis][dim], fed)
    return limits


def _reduced(machine: Machine, layer: Layer, rule: MappingRule, limits: Units) -> Units:
    units: Units = {}
    for axis, loops in rule.spatial.items():
        if axis not in machine.axes:
            continue
        units[axis] = {dim: min(size, limits[axis][dim]) for dim, size in loops if dim in layer.sizes}
        while prod(units[axis].values()) > machine.axes[axis]:
            del units[axis][next(iter(units[axis]))]
    for dim, size in layer.sizes.items():
        while prod(loops.get(dim, 1) for loops in units.values()) > size:
            del units[next(axis for axis, loops in units.items() if dim in loops)][dim]
    return units


def _fitted(machine: Machine, layer: Layer, units: Units) -> Units:
    """Fewer units where an innermost memory cannot hold an element for each."""
    fitted = {axis: dict(units.get(axis, {})) for axis in machine.axes}
    for store in machine.innermost():
        for op in store.operands:
            places = [
                (axis, dim)
                for axis in store.serves
                for dim in fitted[axis]
                if dim not in layer.irrelevant[op]
            ]
            room = store.bits / layer.bits[op] if layer.bits[op] else float("inf")
            while places and prod(fitted[a][d] for a, d in places) > room:
                axis, dim = max(places, key=lambda place: fitted[place[0]][place[1]])
                if fitted[axis][dim] == 1:
                    break
                fitted[axis][dim] -= 1
    return fitted


def _filled(machine: Machine, layer: Layer, rule: MappingRule, limits: Units, asked: Units) -> list[Units]:
    """Every way to give the open axes one loop each, the best first: most units, then most even."""
    found = [u for u in _ways(machine, layer, rule, limits, asked) if _covers(layer, u)]

    def merit(units: Units) -> float:
        busy = prod(prod(loops.values()) for loops in units.values())
        widest = max(prod(loops.get(dim, 1) for loops in units.values()) for dim in layer.sizes)
        return -(busy + busy / widest - 1)

    return sorted(found, key=merit)


def _covers(layer: Layer, units: Units) -> bool:
    return all(prod(loops.get(d, 1) for loops in units.values()) <= size for d, size in layer.sizes.items())


def _ways(machine: Machine, layer: Layer, rule: MappingRule, limits: Units, asked: Units) -> Iterator[Units]:
    axis = next((axis for axis in machine.axes if axis not in asked), None)
    if axis is None:
        yield asked
        return
    hinted = tuple(d for d in rule.hints.get(axis, ()) if d in layer.sizes) or tuple(layer.sizes)
    for dim in hinted:
        most = limits[axis][dim]
        for size in (n for n in range(most, 0, -1) if most % n == 0):
            yield from _ways(machine, layer, rule, limits, {**asked, axis: {dim: size}})
