"""Many contractions on many chips: chips of one build share a contraction's boxes, cells run in threads."""

from __future__ import annotations

import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from hw_models.cost.tiled.nest.tables import Figures, Shape
from hw_models.errors import CodesignError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.tiled.nest.machine import Build, Machine
    from hw_models.cost.tiled.nest.spatial import Layout
    from hw_models.cost.tiled.problem import Problems

Objective = Literal["latency", "energy", "edp"]
OBJECTIVES: Final = ("latency", "energy", "edp")
CHUNK: Final = 256
"""Chips that one thread takes at a time."""

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
    """

    objective: Objective = "latency"
    slack: float = 0.0
    limit: int = 1_000_000


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
            self.size += sum(p.boxes.nbytes for p in grown)
            while self.size > KEPT_BYTES and len(self.kept) > 1:
                _, old = self.kept.popitem(last=False)
                self.size -= sum(p.boxes.nbytes for p in old)
        return grown


@dataclass(frozen=True, eq=False)
class Planted:
    """The six trees of one contraction on one build and layout, with the tiles of their chains."""

    shape: Shape
    boxes: FloatArray
    roots: IntArray
    tiles: IntArray
    starts: IntArray
    widths: FloatArray

    @classmethod
    def of(cls, shape: Shape) -> Planted:
        """Grow them."""
        boxes, roots, loops = shape.forest()
        starts = np.cumsum([0, *(len(rows) for rows in loops[:-1])]).astype(np.int64)
        tiles = np.concatenate([rows[:, [0, 1, 6, 7]] for rows in loops]).astype(np.int64)
        layout = shape.layout
        widths = np.array([layout.width, layout.least, layout.fill], np.float64)
        return cls(shape, boxes, roots, tiles, starts, widths)


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
    shape = (len(problems), len(machines))
    out = Solved(
        np.full((*shape, 12), np.nan),
        np.full(shape, NO_FORMAT, np.int8),
        np.full((*shape, 2), np.nan),
        np.full(shape, np.nan),
        np.zeros((*shape, 19), np.int32),
        0,
    )
    groups: dict[Any, list[int]] = {}
    for column, machine in enumerate(machines):
        groups.setdefault((machine.build, machine.sram, machine.local, len(machine.buffers)), []).append(
            column
        )
    formats = sorted(set(zip(problems.weight_bits.tolist(), problems.input_bits.tolist(), strict=True)))
    tasks: list[tuple[int, Fleet]] = []
    for (build, *_), columns in groups.items():
        laid = tuple(layouts(build))
        for bits in formats:
            rows = np.nonzero((problems.weight_bits == bits[0]) & (problems.input_bits == bits[1]))[
                0
            ].tolist()
            for start in range(0, len(columns), CHUNK):
                fleet = Fleet.of(machines, columns[start : start + CHUNK], bits, laid)
                if fleet is not None:
                    tasks += [(row, fleet) for row in rows]

    def run(task: tuple[int, Fleet]) -> int:
        return task[1].run(problems, task[0], effort, forests, out, beside)

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cells = sum(len(fleet.columns) for _, fleet in tasks)
    if workers > 1 and cells > SERIAL_CELLS:
        with ThreadPoolExecutor(workers) as pool:
            boxes = sum(pool.map(run, tasks))
    else:
        boxes = sum(run(task) for task in tasks)
    return Solved(out.priced, out.state, out.demand, out.gap, out.mapping, boxes)


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
        from hw_models.cost.tiled.nest.rows import WRONG, price_row, search_row

        planted = forests.of(problems, row, self.build, self.layouts)
        n, chips = len(self.columns), self.chips
        if beside is not None:
            chips = chips.copy()
            chips[:, -beside.shape[-1] :] = beside[row, self.columns]
        best, pruned = np.full((n, 2), np.inf), np.full((n, 1), np.inf)
        mapping = np.zeros((n, 19), np.int64)
        extra = self.mac_energy * problems.macs[row]
        seen = 0
        for tag, p in enumerate(planted):
            seen += search_row(
                p.boxes,
                p.roots,
                p.tiles,
                p.starts,
                p.shape.sizes,
                chips,
                self.ports,
                self.place,
                extra,
                OBJECTIVES.index(effort.objective),
                effort.slack,
                effort.limit,
                tag,
                best,
                mapping,
                pruned,
            )
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
            out.gap[row, at[found]] = best[found, 0] / np.minimum(pruned[found, 0], best[found, 0]) - 1.0
        elif effort.slack == 0.0:
            out.gap[row, at] = np.where((state == 0) & np.isinf(pruned[:, 0]), 0.0, np.nan)
        return seen


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
