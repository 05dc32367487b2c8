"""What a network needs that a chip has not: demand, bound, gap, unit, and levers that would make it fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import override

from hw_models.cost.arrays import Feasibility
from hw_models.cost.base import show
from hw_models.cost.grid import room
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from hw_models.cost.arrays import Kernels, Terms
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator


@dataclass(frozen=True)
class Shortfall:
    """One reason why a network does not run on a chip.

    Attributes:
        where: the kernel, or "the whole network".
        code: what kind of reason.
        demand, bound, gap: what is needed, what there is, what is between; with their unit where it is a
            size.
        unit: "byte", or what else is counted: "precision", "operator", "field".
        levers: what would make it fit, each on its own.
    """

    where: str
    code: Feasibility
    demand: str
    bound: str
    gap: str
    unit: str
    levers: tuple[str, ...]

    @override
    def __str__(self) -> str:
        need = f"{self.where} needs {self.demand}, there is {self.bound}: {self.gap}"
        return f"{need}; it would run with {' or '.join(self.levers)}" if self.levers else need

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        fields = ("where", "demand", "bound", "gap", "unit")
        code = {"feasibility": self.code.name.lower(), "levers": list(self.levers)}
        return {**{f: getattr(self, f) for f in fields}, **code}


def shortfalls(kernels: Kernels, terms: Terms, chip: Accelerator, chips: Chips) -> tuple[Shortfall, ...]:
    """Every reason of one network on one chip, each once, kernels in the order they run in."""
    found = [*_of_kernels(kernels, terms, chip), *_of_room(kernels, chips, chip)]
    return tuple({(s.code, s.demand, s.bound): s for s in reversed(found)}.values())[::-1]


def _of_kernels(kernels: Kernels, terms: Terms, chip: Accelerator) -> Iterator[Shortfall]:
    for row, label in zip(kernels.index, kernels.labels, strict=True):
        code = Feasibility(int(terms.feasibility[row, 0]))
        demand, bound = float(terms.demand[row, 0]), float(terms.bound[row, 0])
        if code == Feasibility.PRECISION:
            yield _precision(label, Precision(int(kernels.math[row])).label, chip)
        elif code == Feasibility.OPERATOR:
            yield _operator(label, OpKind(int(kernels.kind[row])).label, chip)
        elif code == Feasibility.CAPACITY and np.isfinite(demand) and np.isfinite(bound):
            yield _bytes(f"the smallest tile of {label}", demand, bound, _tile_levers(demand, chip))


def _precision(label: str, precision: str, chip: Accelerator) -> Shortfall:
    engine = chip.main_engine
    has = tuple(engine.peak)
    levers = (
        *(f"precision {p}" for p in has),
        f"a fallback of {engine.name} that runs {precision}",
        f"engines.{engine.name}.peak.{precision} in the chip's file, if the chip has it",
    )
    known = f"a peak at {', '.join(has) or 'none'}"
    gap = f"no known peak at {precision}; known: {', '.join(has) or 'none'}"
    return Shortfall(label, Feasibility.PRECISION, precision, known, gap, "precision", levers)


def _operator(label: str, kind: str, chip: Accelerator) -> Shortfall:
    engine = chip.main_engine
    levers = (f"a fallback of {engine.name} that runs {kind}", f"{kind} done on another engine or the host")
    gap = f"{engine.name} does not run {kind} and no fallback does"
    return Shortfall(
        label, Feasibility.OPERATOR, kind, ", ".join(engine.operators or ()), gap, "operator", levers
    )


def _tile_levers(demand: float, chip: Accelerator) -> tuple[str, ...]:
    array = chip.main_engine.array
    levers = [f"an on-chip memory of {show(demand, 'byte')}", "narrower operands"]
    if array is not None and max(array.dims) > 1:
        levers.append("a smaller array, whose tiles are smaller")
    return tuple(levers)


def _of_room(kernels: Kernels, chips: Chips, chip: Accelerator) -> Iterator[Shortfall]:
    """Weights and live activations that have no room where they must be."""
    outer, inner = (float(r[0]) for r in room(chips))
    alive, weights = float(kernels.peak_activation_bytes[0]), float(kernels.weights_bytes[0])
    stored = weights + (alive if np.isinf(inner) else 0.0)
    smaller = ("a smaller batch or image", "narrower activations")
    if alive > inner:
        levers = (f"an on-chip memory of {show(alive, 'byte')}", *smaller)
        yield _bytes("the whole network's live activations", alive, inner, levers, " on the chip")
    if stored > outer:
        name = chip.dram.name if chip.dram else "memory"
        more = (f"a {name} of {show(stored, 'byte')}", "narrower weights", *smaller)
        yield _bytes("the whole network's weights and live activations", stored, outer, more, f" of {name}")


def _bytes(where: str, demand: float, bound: float, levers: tuple[str, ...], place: str = "") -> Shortfall:
    gap = f"{show(demand - bound, 'byte')} too little"
    need, has = show(demand, "byte"), f"{show(bound, 'byte')}{place}"
    return Shortfall(where, Feasibility.CAPACITY, need, has, gap, "byte", levers)
