"""A fixed set of mappings for every contraction, tried on each chip: the quick way through many chips.

The set is made of the best mappings on reference chips. Which of them is best on a chip not seen before takes
a few microseconds; how far that is from the best of all mappings is not proven, so state the loss measured on
some of the chips beside any result. More bandwidth, more SRAM or a higher clock never make it slower, as the
set does not depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_models.cost.tiled.nest.solve import (
    Effort,
    Fleet,
    Forests,
    Solved,
    fleets,
    in_threads,
    machines_of,
    solve,
    unsolved,
)
from hw_models.cost.tiled.nest.tables import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.tiled.nest.machine import Build, Machine
    from hw_models.cost.tiled.nest.organisations import Nest
    from hw_models.cost.tiled.nest.spatial import Layout
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator


@dataclass(eq=False)
class Portfolio:
    """Best mappings of D contractions on reference chips, and their counts on every build met so far.

    Attributes:
        nest: the organisation.
        problems: the contractions.
        winners: per contraction and build (P, 19) mappings, each once; a build that was not among the
            reference chips tries those of all.
    """

    nest: Nest
    problems: Problems
    winners: list[dict[Build, IntArray]]
    counted: dict[Any, tuple[FloatArray, FloatArray, IntArray]] = field(default_factory=dict)

    @classmethod
    def of(cls, nest: Nest, problems: Problems, chips: Sequence[Accelerator], effort: Effort) -> Portfolio:
        """From the best mappings on these chips, one search for each."""
        machines = machines_of(nest, chips)
        found = solve(problems, machines, nest.layouts, effort, Forests())
        builds: dict[Build, list[int]] = {}
        for column, built in enumerate(machines):
            builds.setdefault(built.build, []).append(column)
        winners = [
            {
                build: np.unique(found.mapping[d, at][found.state[d, at] == 0].astype(np.int64), axis=0)
                for build, at in builds.items()
            }
            for d in range(len(problems))
        ]
        return cls(nest, problems, winners)

    def solve(self, machines: Sequence[Machine]) -> Solved:
        """The best of the set on each chip; the gap is unknown. A cell none of them fits is FULL."""
        out = unsolved(len(self.problems), len(machines))
        tasks = fleets(self.problems, machines, self.nest.layouts)

        def run(task: tuple[int, Fleet]) -> int:
            row, fleet = task
            return self._try(row, fleet, out)

        return in_threads(run, tasks, out)

    def counts(
        self, row: int, build: Build, layouts: Sequence[Layout]
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """Counts of the contraction's mappings on a build (P, 30), sizes by layout, mappings."""
        from hw_models.cost.tiled.nest.rows import count_rows

        key = (row, build, tuple(layouts))
        if key not in self.counted:
            shapes = [Shape.of(self.problems, row, build, layout) for layout in layouts]
            sizes = np.stack([s.sizes for s in shapes])
            widths = np.stack([np.array([x.width, x.least, x.fill], np.float64) for x in layouts])
            known = self.winners[row]
            mappings = (
                known[build] if build in known else np.unique(np.concatenate([*known.values()]), axis=0)
            )
            mappings = mappings[mappings[:, 18] < len(layouts)]
            local = np.where(np.array(build.local), 0, -1)
            place = np.array([*local, 0, 0, 0], np.int64)
            first = shapes[0]
            counted = count_rows(first.dims, first.geometry, build.burst, sizes, widths, place, mappings)
            self.counted[key] = (counted, sizes, mappings)
        return self.counted[key]

    def _try(self, row: int, fleet: Fleet, out: Solved) -> int:
        from hw_models.cost.tiled.nest.rows import pick_rows

        counted, sizes, mappings = self.counts(row, fleet.build, fleet.layouts)
        n = len(fleet.columns)
        priced, chosen = np.full((n, 12), np.nan), np.full(n, -1, np.int64)
        pick_rows(
            counted, sizes, mappings[:, 18].copy(), fleet.chips, fleet.ports, fleet.place, priced, chosen
        )
        at, fits = fleet.columns, chosen >= 0
        out.priced[row, at] = priced
        out.state[row, at] = np.where(fits, 0, 1)
        out.mapping[row, at[fits]] = mappings[chosen[fits]]
        return len(counted) * n
