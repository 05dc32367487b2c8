"""The organisations that this package brings: systolic arrays by stationary operand, and vector units."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled.nest.count import Mappings, count
from hw_models.cost.tiled.nest.machine import Machine, gaps, machine
from hw_models.cost.tiled.nest.price import demands, price
from hw_models.cost.tiled.nest.spatial import Family, Layout, systolic_layouts, vector_layouts
from hw_models.cost.tiled.organisation import Parameter, TiledTerms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hw_models.cost.arrays import IntArray
    from hw_models.cost.tiled.nest.machine import Build
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator

ISSUE: Final = Parameter(
    "cycle", "time that the control takes for each local tile, not hidden", 0.0, "a bound"
)
DMA: Final = Parameter(
    "cycle", "time to set up each DMA transfer from or to DRAM, not hidden", 0.0, "a bound"
)
BUFFERS: Final = Parameter(
    "1",
    "2: the array loads its next fold while it works on this one; 1: fold after fold",
    2.0,
    "Jouppi et al., ISCA 2017, section 2: weights of TPU v1 are double buffered in the array",
)


@dataclass(frozen=True)
class _Nest:
    objective: Literal["latency", "energy", "edp"] = "latency"

    kind: ClassVar[str] = ""
    parameters: ClassVar[Mapping[str, Parameter]] = {"issue_cycles": ISSUE, "dma_cycles": DMA}

    def layouts(self, build: Build) -> tuple[Layout, ...]:
        raise NotImplementedError

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """Paths of the fields that this organisation needs and the chip's file leaves open."""
        return gaps(chip)

    def terms(self, problems: Problems, chips: Sequence[Accelerator]) -> TiledTerms:
        """Seconds each resource needs alone and actions counted, each problem on each chip."""
        shape = (len(problems), len(chips))
        seconds = np.full((*shape, len(RESOURCES)), np.inf)
        actions = np.full((*shape, len(ACTIONS)), np.nan)
        code = np.full(shape, Feasibility.UNKNOWN, np.int8)
        demand, bound, gap = (np.full(shape, np.nan) for _ in range(3))
        for column, chip in enumerate(chips):
            if self.missing(chip):
                continue
            built = machine(chip, self.parameters)
            for row in range(len(problems)):
                self._cell(problems, row, built, (seconds, actions, code, demand, bound, gap), column)
        return TiledTerms(seconds, actions, code, demand, bound, gap)

    def _cell(self, problems: Problems, row: int, chip: Machine, out: tuple, column: int) -> None:  # type: ignore[type-arg]
        seconds, actions, code, demand, bound, gap = out
        rate = chip.rate(problems.weight_bits[row], problems.input_bits[row])
        if rate is None:
            code[row, column] = Feasibility.PRECISION
            return
        best = None
        for layout in self.layouts(chip.build):
            mappings = _candidates(problems.dims[row], layout)
            counts = count(problems, row, chip.build, layout, mappings)
            found = price(counts, chip, layout, *rate)
            i = int(np.lexsort((found.energy, found.latency))[0])
            if best is None or found.latency[i] < best[0].latency[best[1]]:
                best = (found, i, counts)
        assert best is not None
        found, i, counts = best
        if found.excess[i] > 0:
            small = int(found.excess.argmin())
            code[row, column] = Feasibility.CAPACITY
            over = demands(counts[small : small + 1], chip)[0] - [b.capacity for b in chip.buffers]
            at = int(over.argmax())
            bound[row, column] = chip.buffers[at].capacity
            demand[row, column] = over[at] + bound[row, column]
            return
        code[row, column] = Feasibility.OK
        seconds[row, column] = found.seconds[i]
        actions[row, column] = found.actions[i]
        actions[row, column, 0] = problems.macs[row]


def _candidates(dims: IntArray, layout: Layout) -> Mappings:
    """A first, thin set of mappings: tiles by powers of two."""
    cuts = (0, 1, 2, 4, 6, 16)
    inner, outer = [], []
    for f, c, p in product(cuts, repeat=3):
        t = dims.copy()
        t[2], t[3] = max(t[2] >> f, 1), max(t[3] >> c, 1)
        t[4] = max(t[4] >> p, 1)
        t[5] = max(t[5] >> (p if dims[4] == 1 else p // 2), 1)
        t[0] = 1
        if p == 16 or layout.width[0] > 1 or dims[1] > 1:
            t[1] = min(dims[1], layout.width[0]) if p < 16 else 1
        if f == c == p == 16:
            t[:] = 1
        inner.append(t)
    for t in inner:
        for f, c, p in product((0, 1, 3, 16), repeat=3):
            m = -(-dims // t)
            u = m.copy()
            u[2], u[3] = max(m[2] >> f, 1), max(m[3] >> c, 1)
            u[4], u[5] = max(m[4] >> p, 1), max(m[5] >> (p if dims[4] == 1 else 0 if p < 16 else 16), 1)
            u[0] = 1
            u[1] = max(m[1] >> (p // 2), 1)
            if p == 16:
                u[6:] = 1
            outer.append((t, np.minimum(u * t, dims)))
    first = np.array([a for a, _ in outer])
    second = np.array([b for _, b in outer])
    pairs = np.unique(np.concatenate([first, second], axis=1), axis=0)
    order = np.indices((3, 3)).reshape(2, -1)
    n = len(pairs)
    return Mappings(
        np.tile(pairs[:, :8], (9, 1)),
        np.tile(pairs[:, 8:], (9, 1)),
        np.repeat(order[0], n),
        np.repeat(order[1], n),
    )


class _Systolic(_Nest):
    family: ClassVar[Family]
    parameters: ClassVar[Mapping[str, Parameter]] = {**_Nest.parameters, "array_buffers": BUFFERS}

    def layouts(self, build: Build) -> tuple[Layout, ...]:
        return systolic_layouts(self.family, build)


class WeightStationary(_Systolic):
    """Weights stay in the array while pixels stream: rows hold the reduction, columns filters."""

    kind: ClassVar[str] = "weight_stationary"
    family: ClassVar[Family] = "weight"


class OutputStationary(_Systolic):
    """Sums stay in the array while the reduction streams: rows hold pixels, columns filters."""

    kind: ClassVar[str] = "output_stationary"
    family: ClassVar[Family] = "output"


class InputStationary(_Systolic):
    """Inputs stay in the array while filters stream: rows hold the reduction, columns pixels."""

    kind: ClassVar[str] = "input_stationary"
    family: ClassVar[Family] = "input"


class Vector(_Nest):
    """Independent lanes of a SIMD unit, over filters, pixels or groups."""

    kind: ClassVar[str] = "vector"

    def layouts(self, build: Build) -> tuple[Layout, ...]:
        return vector_layouts(build)
