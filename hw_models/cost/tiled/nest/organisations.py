"""The organisations that this package brings: systolic arrays by stationary operand, and vector units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from typing_extensions import override

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled.nest.chosen import Chosen
from hw_models.cost.tiled.nest.machine import Machine, gaps, machine
from hw_models.cost.tiled.nest.solve import Effort, Forests, Solved, solve
from hw_models.cost.tiled.nest.spatial import Family, Layout, systolic_layouts, vector_layouts
from hw_models.cost.tiled.organisation import Aim, Parameter, TiledTerms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.tiled.nest.machine import Build
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator

STATES: Final = (Feasibility.OK, Feasibility.CAPACITY, Feasibility.UNKNOWN, Feasibility.PRECISION)
"""Feasibility of the states of a cell, see `hw_models.cost.tiled.nest.rows`."""

TRAFFIC: Final = ("dram_read", "dram_write", "sram_read", "sram_write", "local_read", "local_write")
DESCRIBED_CELLS: Final = 10_000
"""Cells up to which mappings are described; a larger grid keeps numbers only."""

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


EFFORTS: Final[Mapping[Aim, Effort]] = {
    "latency": Effort(),
    "thrifty": Effort(thrift=0.01),
    "energy": Effort(objective="energy"),
    "edp": Effort(objective="edp"),
}


@dataclass(frozen=True)
class Nest:
    """What the four organisations share.

    Attributes:
        effort: what mappings are chosen by, and how far the search goes.
    """

    effort: Effort = field(default_factory=Effort)
    forests: Forests = field(default_factory=Forests, repr=False, compare=False)

    kind: ClassVar[str] = ""
    parameters: ClassVar[Mapping[str, Parameter]] = {"issue_cycles": ISSUE, "dma_cycles": DMA}

    def aiming(self, aim: Aim) -> Nest:
        """The same, choosing its mappings by `aim`."""
        return replace(self, effort=EFFORTS[aim])

    def layouts(self, build: Build) -> tuple[Layout, ...]:
        """Ways to lay a contraction on the array."""
        raise NotImplementedError

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """Paths of the fields that this organisation needs and the chip's file leaves open."""
        return gaps(chip)

    def terms(self, problems: Problems, chips: Sequence[Accelerator]) -> TiledTerms:
        """Seconds each resource needs alone and actions counted, each problem on each chip."""
        return self._solved(problems, chips, None)

    def terms_beside(
        self, problems: Problems, chips: Sequence[Accelerator], beside: FloatArray
    ) -> TiledTerms:
        """The same, each mapping chosen with the bytes that move beside its contraction."""
        return self._solved(problems, chips, beside)

    def terms_given(
        self, problems: Problems, chips: Sequence[Accelerator], mappings: Sequence[Any]
    ) -> TiledTerms:
        """The same for mappings that are given, see `hw_models.cost.tiled.nest.given`.

        Raises:
            InputError: a mapping that cannot be read or does not fit its problem.
        """
        from hw_models.cost.tiled.nest.given import given_terms

        return given_terms(problems, chips, mappings, self.layouts, self.parameters)

    def terms_given_beside(
        self, problems: Problems, chips: Sequence[Accelerator], mappings: Sequence[Any], beside: FloatArray
    ) -> TiledTerms:
        """The same with the bytes that move beside each contraction, as `terms_beside` counts them.

        Raises:
            InputError: a mapping that cannot be read or does not fit its problem.
        """
        from hw_models.cost.tiled.nest.given import given_terms

        return given_terms(problems, chips, mappings, self.layouts, self.parameters, beside)

    def _solved(
        self, problems: Problems, chips: Sequence[Accelerator], beside: FloatArray | None
    ) -> TiledTerms:
        able = [column for column, chip in enumerate(chips) if not self.missing(chip)]
        machines = [machine(chips[column], self.parameters) for column in able]
        moved = None if beside is None else np.ascontiguousarray(beside[:, able])
        solved = solve(problems, machines, self.layouts, self.effort, self.forests, moved)
        return terms_of(problems, len(chips), able, machines, solved, self)


def terms_of(
    problems: Problems, n_chips: int, able: list[int], machines: list[Machine], solved: Solved, nest: Nest
) -> TiledTerms:
    """The contract's arrays; chips that lack a figure are UNKNOWN."""
    shape = (len(problems), n_chips)
    seconds = np.full((*shape, len(RESOURCES)), np.inf)
    actions = np.full((*shape, len(ACTIONS)), np.nan)
    code = np.full(shape, Feasibility.UNKNOWN, np.int8)
    demand, bound, gap = (np.full(shape, np.nan) for _ in range(3))
    for place, column in enumerate(able):
        built, priced, state = machines[place], solved.priced[:, place], solved.state[:, place]
        code[:, column] = np.array(STATES, np.int8)[state]
        fits = state == 0
        latency, _, mac, dram, sram, local = priced[:, :6].T
        known = {p for p in built.sram if built.buffers[p].port.known}
        near = {p for p in built.local if p >= 0}
        hidden = np.maximum(np.maximum(mac, local), np.maximum(sram, dram))
        columns: dict[str, Any] = {
            "mac": mac,
            "vector": 0.0,
            "dram": dram,
            "sram": sram if known else np.nan,
            "local": local if any(built.buffers[p].port.known for p in near) else np.nan,
            "noc": np.nan,
            "exposed": latency - hidden,
            "issue": 0.0,
        }
        for resource, name in enumerate(RESOURCES):
            seconds[:, column, resource] = np.where(fits, columns[name], np.inf)
        traffic: dict[str, Any] = {name: priced[:, 6 + i] for i, name in enumerate(TRAFFIC)}
        if not near:
            traffic |= {"local_read": 0.0, "local_write": 0.0}
        counted: dict[str, Any] = {"mac": problems.macs, "vector_op": 0.0, **traffic, "noc": np.nan}
        for action, name in enumerate(ACTIONS):
            actions[:, column, action] = np.where(fits, counted[name], np.nan)
        demand[:, column] = np.where(state == 1, solved.demand[:, place, 0], np.nan)
        bound[:, column] = np.where(state == 1, solved.demand[:, place, 1], np.nan)
        gap[:, column] = solved.gap[:, place]
    mapping = None
    if problems and len(problems) * n_chips <= DESCRIBED_CELLS:
        mapping = np.full(shape, None, object)
        for place, column in enumerate(able):
            layouts = nest.layouts(machines[place].build)
            for row in np.nonzero(solved.state[:, place] == 0)[0]:
                mapping[row, column] = Chosen.of(solved.mapping[row, place], layouts)
    return TiledTerms(seconds, actions, code, demand, bound, gap, mapping)


class _Systolic(Nest):
    family: ClassVar[Family]
    parameters: ClassVar[Mapping[str, Parameter]] = {**Nest.parameters, "array_buffers": BUFFERS}

    @override
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


class Vector(Nest):
    """Independent lanes of a SIMD unit, over filters, pixels or groups."""

    kind: ClassVar[str] = "vector"

    @override
    def layouts(self, build: Build) -> tuple[Layout, ...]:
        return vector_layouts(build)
