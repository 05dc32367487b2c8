"""Many contractions on many chips: chips of one build share a contraction's boxes, cells run in threads."""

from __future__ import annotations

import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from hw_models.cost.tiled.nest.machine import machine
from hw_models.cost.tiled.nest.tables import Figures, Shape
from hw_models.errors import CodesignError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.tiled.nest.machine import Build, Machine
    from hw_models.cost.tiled.nest.organisations import Nest
    from hw_models.cost.tiled.nest.spatial import Layout
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator

Objective = Literal["latency", "energy", "edp"]
OBJECTIVES: Final = ("latency", "energy", "edp")
CHUNK: Final = 256
"""Chips that one thread takes at a time."""

FIRST_BUDGET, GROWTH, LAST_TURN = 2_000, 8, 20
"""Boxes of the first turn and how it grows. The two orders of cutting take turns at a cell until one of them
proves its mapping: which does so soon depends on what bounds the chip."""

KEPT_BYTES: Final = 256 * 2**20
"""Boxes that stay in memory between calls."""

NO_FORMAT: Final = 3
"""State of a cell whose chip has no rate for the operands' format."""


@dataclass(frozen=True)
class Effort:
    """How far the search goes.

    Attributes:
        objective: what a mapping is chosen by; ties in latency go to the least energy, and the other way.
        slack: relative distance to the best mapping at which a search may stop; 0: the best.
        limit: boxes after which it stops with the gap that is left.
        thrift: share of latency that may be given up for less energy: of the mappings that take at most so
            much longer than the quickest, the one of least energy. 0: energy decides between equals alone, so
            that a kernel bound by its MACs may move many more bytes for the sake of a shorter first fill.
    """

    objective: Objective = "latency"
    slack: float = 0.0
    limit: int = 200_000
    thrift: float = 0.0


@dataclass(frozen=True, eq=False)
class Solved:
    """Best mappings of D contractions on C chips.

    Attributes:
        priced: (D, C, 12) latency, search energy, seconds of MACs, DRAM, last on-chip and local memory, bytes
            read and written of the three.
        state: (D, C) see `rows.FITS`; demand: (D, C, 2) bytes asked for and there, where nothing fits.
        gap: (D, C) proven distance to the best; mapping: (D, C, 19) tiles, orders and layout.
        boxes: looked at in all.
    """

    priced: FloatArray
    state: Any
    demand: FloatArray
    gap: FloatArray
    mapping: IntArray
    boxes: int


@dataclass(eq=False)
class Forests:
    """Boxes by contraction, build and layout; those used least lately go when memory is short.

    They depend on nothing else, so that what is kept changes no result.
    """

    kept: OrderedDict[Any, Any] = field(default_factory=OrderedDict)
    size: int = 0
    lock: Lock = field(default_factory=Lock)

    def of(self, problems: Problems, row: int, build: Build, layouts: Sequence[Layout]) -> list[Planted]:
        """One for each layout."""
        key = (_identity(problems, row), build, tuple(layouts))
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                found: list[Planted] = self.kept[key]
                return found
        grown = [Planted.of(Shape.of(problems, row, build, layout)) for layout in layouts]
        with self.lock:
            self.kept[key] = grown
            self.size += sum(p.nbytes for p in grown)
            while self.size > KEPT_BYTES and len(self.kept) > 1:
                _, old = self.kept.popitem(last=False)
                self.size -= sum(p.nbytes for p in old)
        return grown


@dataclass(frozen=True, eq=False)
class Planted:
    """The six trees of one contraction on one build and layout, with the tiles of their chains.

    Twice where there are two levels: cut by local tiles first, and by outer tiles first.
    """

    shape: Shape
    chains: list[FloatArray]
    tiles: IntArray
    starts: IntArray
    widths: FloatArray

    @classmethod
    def of(cls, shape: Shape) -> Planted:
        """Their chains; the trees grow when they are needed."""
        loops = shape.chains()
        starts = np.cumsum([0, *(len(rows) for rows in loops[:-1])]).astype(np.int64)
        tiles = np.concatenate([rows[:, [0, 1, 6, 7]] for rows in loops]).astype(np.int64)
        layout = shape.layout
        widths = np.array([layout.width, layout.least, layout.fill], np.float64)
        return cls(shape, loops, tiles, starts, widths)

    @cached_property
    def local_first(self) -> tuple[FloatArray, IntArray]:
        """Boxes and roots, cut by local tiles before outer ones."""
        return self.shape.forest(self.chains, local_first=True)

    @cached_property
    def outer_first(self) -> tuple[FloatArray, IntArray]:
        """The same, cut by outer tiles before local ones; where both are one, once is enough."""
        if self.shape.joined:
            return self.local_first
        return self.shape.forest(self.chains, local_first=False)

    @property
    def nbytes(self) -> int:
        """Memory that the boxes may take."""
        return 2 * 2 * sum(rows.nbytes for rows in self.chains)


def machines_of(nest: Nest, chips: Sequence[Accelerator]) -> list[Machine]:
    """Chips of one organisation, none of which may lack a figure."""
    return [machine(chip, nest.parameters) for chip in chips]


def solve(
    problems: Problems,
    machines: Sequence[Machine],
    layouts: Callable[[Build], Sequence[Layout]],
    effort: Effort,
    forests: Forests,
    beside: FloatArray | None = None,
) -> Solved:
    """The best mapping of every contraction on every chip.

    Args:
        problems: the contractions.
        machines: the chips.
        layouts: ways to lay a contraction on an array.
        effort: how far the search goes.
        forests: boxes kept from before.
        beside: (D, C, 4) bytes that move beside each contraction, in the order of `BESIDE`; None: none.

    Raises:
        CodesignError: the recount of a winner disagrees with the search, which is a defect of ours.
    """
    out = unsolved(len(problems), len(machines))

    def run(task: tuple[int, Fleet]) -> int:
        return task[1].run(problems, task[0], effort, forests, out, beside)

    return in_threads(run, fleets(problems, machines, layouts), out)


def unsolved(n_problems: int, n_machines: int) -> Solved:
    """Cells without a rate for their format."""
    shape = (n_problems, n_machines)
    return Solved(
        np.full((*shape, 12), np.nan),
        np.full(shape, NO_FORMAT, np.int8),
        np.full((*shape, 2), np.nan),
        np.full(shape, np.nan),
        np.zeros((*shape, 19), np.int32),
        0,
    )


def fleets(
    problems: Problems, machines: Sequence[Machine], layouts: Callable[[Build], Sequence[Layout]]
) -> list[tuple[int, Fleet]]:
    """Tasks of one contraction and chips of one build; all that share boxes come one after the other."""
    groups: dict[Any, list[int]] = {}
    for column, m in enumerate(machines):
        key = (m.build, m.sram, m.local, len(m.buffers))
        groups.setdefault(key, []).append(column)
    formats = sorted(set(zip(problems.weight_bits.tolist(), problems.input_bits.tolist(), strict=True)))
    tasks: list[tuple[int, Fleet]] = []
    for (build, *_), columns in groups.items():
        laid = tuple(layouts(build))
        for bits in formats:
            rows = np.nonzero((problems.weight_bits == bits[0]) & (problems.input_bits == bits[1]))[
                0
            ].tolist()
            some = [
                Fleet.of(machines, columns[start : start + CHUNK], bits, laid)
                for start in range(0, len(columns), CHUNK)
            ]
            tasks += [(row, fleet) for row in rows for fleet in some if fleet is not None]
    return tasks


def in_threads(
    run: Callable[[tuple[int, Fleet]], int], tasks: Sequence[tuple[int, Fleet]], out: Solved
) -> Solved:
    """Run all tasks, which fill `out`, on every core there is; their order changes nothing."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers > 1 and sum(len(fleet.columns) for _, fleet in tasks) > SERIAL_CELLS:
        with ThreadPoolExecutor(workers) as pool:
            boxes = sum(pool.map(run, tasks))
    else:
        boxes = sum(run(task) for task in tasks)
    return replace(out, boxes=boxes)


SERIAL_CELLS: Final = 8
"""Cells up to which starting threads costs more than it brings."""


@dataclass(frozen=True, eq=False)
class Fleet:
    """Chips of one build at one number format, as arrays."""

    columns: IntArray
    layouts: tuple[Layout, ...]
    build: Build
    chips: FloatArray
    ports: FloatArray
    place: IntArray
    mac_energy: FloatArray

    @classmethod
    def of(
        cls,
        machines: Sequence[Machine],
        columns: Sequence[int],
        bits: tuple[float, float],
        laid: tuple[Layout, ...],
    ) -> Fleet | None:
        """Those of the chips that have a rate for the format; None: no chip has."""
        rates = {c: machines[c].rate(*bits) for c in columns}
        able = [c for c in columns if rates[c] is not None]
        if not able:
            return None
        figures = [Figures.of(machines[c], *rates[c]) for c in able]  # type: ignore[misc]
        return cls(
            np.array(able),
            laid,
            machines[able[0]].build,
            np.stack([f.chip for f in figures]),
            np.stack([f.ports for f in figures]),
            figures[0].place,
            np.array([f.mac_energy for f in figures]),
        )

    def run(
        self,
        problems: Problems,
        row: int,
        effort: Effort,
        forests: Forests,
        out: Solved,
        beside: FloatArray | None,
    ) -> int:
        """Fill one contraction's cells of these chips."""
        from hw_models.cost.tiled.nest.rows import WRONG, price_row

        planted = forests.of(problems, row, self.build, self.layouts)
        n, chips = len(self.columns), self.chips
        if beside is not None:
            chips = chips.copy()
            chips[:, -beside.shape[-1] :] = beside[row, self.columns]
        extra = self.mac_energy * problems.macs[row]
        best, mapping = np.full((n, 2), np.inf), np.zeros((n, 19), np.int64)
        unlimited = np.full(n, np.inf)
        seen, pruned = self._improve(planted, chips, extra, effort, unlimited, best, mapping)
        least = np.minimum(pruned[:, 0], best[:, 0])
        if effort.thrift and effort.objective == "latency":
            ceiling = best[:, 0] * (1.0 + effort.thrift)
            frugal = replace(effort, objective="energy")
            seen += self._improve(planted, chips, extra, frugal, ceiling, best, mapping)[0]
        priced, demand = np.full((n, 12), np.nan), np.full((n, 2), np.nan)
        state = np.zeros(n, np.int8)
        first = planted[0].shape
        price_row(
            first.dims,
            first.geometry,
            first.build.burst,
            np.stack([p.shape.sizes for p in planted]),
            np.stack([p.widths for p in planted]),
            chips,
            self.ports,
            self.place,
            extra,
            best,
            mapping,
            priced,
            demand,
            state,
        )
        if (state == WRONG).any():
            raise CodesignError(
                f"defect: the recount of a mapping of {first.dims.tolist()} disagrees with its search; "
                "please report it with the chip's file"
            )
        at = self.columns
        out.priced[row, at], out.demand[row, at], out.state[row, at] = priced, demand, state
        out.mapping[row, at] = mapping
        if effort.objective == "latency":
            found = state == 0
            out.gap[row, at[found]] = best[found, 0] / least[found] - 1.0
        elif effort.slack == 0.0:
            out.gap[row, at] = np.where((state == 0) & np.isinf(pruned[:, 0]), 0.0, np.nan)
        return seen

    def _improve(
        self,
        planted: Sequence[Planted],
        chips: FloatArray,
        extra: FloatArray,
        effort: Effort,
        ceiling: FloatArray,
        best: FloatArray,
        mapping: IntArray,
    ) -> tuple[int, FloatArray]:
        """Better `best` and `mapping` in place; boxes looked at, (n, 1) bound of what was not opened."""
        from hw_models.cost.tiled.nest.rows import search_row

        n, seen, pruned = len(best), 0, np.full((len(best), 1), np.inf)
        objective = OBJECTIVES.index(effort.objective)
        for tag, p in enumerate(planted):
            undone, proven, budget = np.arange(n), np.full((n, 1), np.inf), FIRST_BUDGET
            for turn in range(LAST_TURN):
                boxes, roots = p.local_first if turn % 2 == 0 else p.outer_first
                if turn % 2 == 0 and turn:
                    budget = min(budget * GROWTH, effort.limit)
                here, tiles, left = best[undone], mapping[undone], np.full((len(undone), 1), np.inf)
                most = min(budget, effort.limit)
                spent = search_row(
                    boxes,
                    roots,
                    p.tiles,
                    p.starts,
                    p.shape.sizes,
                    chips[undone],
                    self.ports[undone],
                    self.place,
                    extra[undone],
                    objective,
                    ceiling[undone],
                    effort.slack,
                    most,
                    tag,
                    here,
                    tiles,
                    left,
                )
                best[undone], mapping[undone], proven[undone] = here, tiles, left
                seen += int(spent.sum())
                undone = undone[spent >= most]
                if not len(undone) or (turn % 2 and budget >= effort.limit):
                    break
            pruned = np.minimum(pruned, proven)
        return seen, pruned


def _identity(problems: Problems, row: int) -> tuple[Any, ...]:
    """What tells one contraction from another."""
    return (
        *problems.dims[row].tolist(),
        *problems.stride[row].tolist(),
        *problems.dilation[row].tolist(),
        *problems.in_size[row].tolist(),
        *problems.pad[row].tolist(),
        float(problems.weight_bits[row]),
        float(problems.input_bits[row]),
        float(problems.output_bits[row]),
    )
