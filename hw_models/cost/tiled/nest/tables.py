"""What the search reads: the chains of one contraction on one build, the figures of one chip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_models.cost.tiled.nest.count import rounded
from hw_models.cost.tiled.nest.machine import Energies
from hw_models.cost.tiled.nest.spatial import FILTER, GROUP, PIXEL, REDUCTION, Layout
from hw_models.cost.tiled.organisation import BESIDE
from hw_models.cost.tiled.problem import FX, FY, OX, OY, C, G, K, N

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.tiled.nest.machine import Build, Machine
    from hw_models.cost.tiled.problem import Problems

FAMILIES = ("weight", "output", "input")


@dataclass(frozen=True, eq=False)
class Shape:
    """One contraction on one build and layout: sizes that all its mappings share.

    Attributes:
        dims: (8,) extents; geometry: (2, 4) stride, dilation, rows stored, padding along y and x.
        sizes: as `search.evaluate` reads them.
    """

    dims: Any
    geometry: Any
    layout: Layout
    build: Build
    sizes: FloatArray

    @classmethod
    def of(cls, problems: Problems, row: int, build: Build, layout: Layout) -> Shape:
        """The problem of that row."""
        dims = problems.dims[row]
        axes = (problems.stride[row], problems.dilation[row], problems.in_size[row], problems.pad[row])
        weight, inputs, outputs = (
            float(bits[row]) / 8.0
            for bits in (problems.weight_bits, problems.input_bits, problems.output_bits)
        )
        n, g, k, c, oy, ox, fy, fx = (float(d) for d in dims)
        total = g * k * c * fy * fx * weight
        sizes = np.array(
            [
                total,
                float(rounded(total, build.burst)),
                g * n * oy * ox * c * fy * fx * inputs,
                g * k * n * oy * ox,
                build.partial(outputs),
                outputs,
                weight,
                inputs,
                n * g,
                n * g * c * inputs,
                n * g * oy * ox,
                FAMILIES.index(layout.family),
                n * g * k * c * oy * ox * fy * fx,
                float(any(build.local)),
                layout.skew,
                2.0 if build.double_local else 1.0,
                2.0 if build.double_sram else 1.0,
                k,
                float(build.single),
                0.0,
                *(c, fy, fx),
                *(n, oy, ox),
                *(
                    sum(1 << i for i, loop in enumerate(three) if loop in layout.apart)
                    for three in ((C, FY, FX), (N, OY, OX))
                ),
                *(part[REDUCTION] for part in (layout.width, layout.least, layout.fill)),
                *(part[PIXEL] for part in (layout.width, layout.least, layout.fill)),
            ],
            np.float64,
        )
        return cls(dims, np.stack(axes, axis=1).astype(np.int64), layout, build, sizes)

    @property
    def joined(self) -> bool:
        """Whether nothing lies between the last on-chip memory and the array."""
        return not any(self.build.local)

    def forest(self, loops: list[FloatArray], *, local_first: bool) -> tuple[FloatArray, Any]:
        """Boxes of the six trees one after the other, and where each begins.

        `local_first`: boxes are cut by their local tiles before their outer ones, else the other way.
        """
        from hw_models.cost.tiled.nest.trees import AXIS, FEATURES, PLAIN, tree

        boxes, roots, start = [], [], 0
        for i, rows in enumerate(loops):
            flags, local = np.zeros(FEATURES, np.bool_), np.zeros(FEATURES, np.bool_)
            flags[[7] if i in {2, 3} else [14, 15] if i >= 4 else []] = True
            local[[0, 2, 4, 5] if i < 4 else [0, 2, 4, 6, 8, 10]] = True
            used = PLAIN if i < 4 else AXIS
            boxes.append(tree(rows, flags, local if local_first else ~local, used, start))
            roots.append(start)
            start += len(boxes[-1])
        return np.concatenate(boxes), np.array(roots, np.int64)

    def chains(self) -> list[FloatArray]:
        """Chains of the six loops g, n, k, c, y with its taps, x with its taps."""
        from hw_models.cost.tiled.nest.trees import axis_chains, plain_chains

        dims, layout, s = self.dims, self.layout, self.sizes
        width, least, fill, burst = layout.width, layout.least, layout.fill, self.build.burst
        return [
            plain_chains(int(dims[G]), width[GROUP], self.joined, width[GROUP], 0.0, 0.0, 0.0, 0.0),
            plain_chains(int(dims[N]), 1, self.joined, 1.0, 0.0, 0.0, 0.0, 0.0),
            plain_chains(
                int(dims[K]),
                max(width[FILTER], int(burst / s[5])),
                self.joined,
                width[FILTER],
                least[FILTER],
                fill[FILTER],
                s[5],
                burst,
            ),
            plain_chains(
                int(dims[C]),
                max(width[REDUCTION], int(burst / s[7])),
                self.joined,
                1.0,
                0.0,
                0.0,
                s[7],
                burst,
            ),
            axis_chains(
                int(dims[OY]),
                int(dims[FY]),
                self.geometry[0],
                1,
                self.joined,
                self.geometry[1, 2] * dims[C] * s[7],
                dims[OX] * dims[K] * s[5],
                burst,
            ),
            axis_chains(
                int(dims[OX]),
                int(dims[FX]),
                self.geometry[1],
                width[PIXEL],
                self.joined,
                dims[C] * s[7],
                dims[K] * s[5],
                burst,
            ),
        ]


@dataclass(frozen=True, eq=False)
class Figures:
    """One chip at one precision, as `search.evaluate` reads it; `chip` ends with the bytes of `BESIDE`."""

    chip: FloatArray
    ports: FloatArray
    place: Any
    mac_energy: float

    @classmethod
    def of(cls, machine: Machine, mac_rate: float, mac_energy: float) -> Figures:
        """The chip's own figures; energies of the search where it lacks some."""
        build, energies = machine.build, Energies.of(machine, mac_energy)
        cycle = float(build.rows * build.cols * build.count) / mac_rate
        chip = [cycle, machine.issue, machine.dma, machine.dram_latency, *machine.dram.row, *energies.dram]
        chip += [0.0] * len(BESIDE)
        ports = [
            [*b.port.row, b.capacity, *local, *sram]
            for b, local, sram in zip(machine.buffers, energies.local, energies.sram, strict=True)
        ]
        place = np.array([*machine.local, *machine.sram], np.int64)
        return cls(np.array(chip), np.array(ports), place, energies.mac)
