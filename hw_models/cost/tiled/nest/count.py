"""Counts of given mappings, in plain NumPy: cycles, bytes at every boundary, footprints. The reference.

A mapping cuts the loops twice. A local tile (`inner`) is what the memories beside the array hold at a time;
an outer tile is a whole number of local tiles and is what the last on-chip memory holds. Every boundary has
its order of loops: the operand that is stationary there is moved once, of the others one again for every trip
of the loop it lacks, and of an output every partial sum goes out and comes back. Each outer tile starts with
empty local memories.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.tiled.nest.spatial import FILTER, GROUP, GROUP_LOOPS, GROUPS, PIXEL, REDUCTION, Layout
from hw_models.cost.tiled.problem import FX, FY, OX, OY, C, G, K, N, Problems

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.tiled.nest.machine import Build

STATIONARY: Final = ("weight", "input", "output")
"""Operand that stays at a boundary, by its code."""

COUNTS: Final = (
    "mac_cycles",
    "array_weight",
    "array_input",
    "array_sum_read",
    "array_sum_write",
    "fill_weight",
    "fill_input",
    "fill_sum",
    "drain",
    "dram_weight",
    "dram_input",
    "dram_sum",
    "dram_output",
    "local_weight",
    "local_input",
    "local_output",
    "sram_weight",
    "sram_input",
    "sram_output",
    "first_weight",
    "first_input",
    "last_output",
    "first_local_weight",
    "first_local_input",
    "last_local_output",
    "local_tiles",
    "outer_tiles",
    "local_share",
    "outer_share",
    "descriptors",
)
"""Columns of the counts. Bytes that the array reads and writes; that cross from the last on-chip memory to
the local ones (`fill`) and back (`drain`); that cross from and to DRAM, in whole bursts; footprints of the
tiles with their second buffers; the first tile in and the last out; numbers of tiles, a full tile's share of
all MACs, transfers."""


@dataclass(frozen=True, eq=False)
class Mappings:
    """P mappings of one problem: local and outer tile (P, 8), stationary operand at both boundaries (P,)."""

    inner: IntArray
    outer: IntArray
    order_local: IntArray
    order_dram: IntArray

    def __len__(self) -> int:
        return len(self.inner)


def ceil_div(a: Any, b: Any) -> Any:
    """Quotient of integers, rounded up."""
    return -(-a // b)


def rounded(size: Any, burst: float) -> Any:
    """Bytes in whole bursts; as they are where the burst is not modelled."""
    return np.ceil(size / burst) * burst if burst else size


def windows(
    extent: int, tile: int, taps: int, tap_tile: int, stride: int, dilation: int, size: int, pad: int
) -> list[int]:
    """Input rows that each (pixel, tap) tile along one axis loads: its window, clipped to the rows stored.

    Rows between windows, and after the last one, come along, so that a whole pass never loads less than is
    stored.
    """
    found = []
    for o in range(0, extent, tile):
        last = min(o + tile, extent)
        for f in range(0, taps, tap_tile):
            end_tap = min(f + tap_tile, taps)
            first = o * stride - pad + f * dilation
            stop = (last - 1) * stride - pad + (end_tap - 1) * dilation + 1
            if end_tap == taps:
                stop = size if last == extent else max(stop, last * stride - pad)
            found.append(max(min(stop, size) - max(first if o or f else 0, 0), 0))
    return found


def count(problems: Problems, row: int, build: Build, layout: Layout, mappings: Mappings) -> FloatArray:
    """(P, `COUNTS`) of mappings of problem `row` on a build."""
    return _Counter(problems, row, build, layout, mappings).counts()


class _Counter:
    """One problem's counts, all mappings at once."""

    def __init__(
        self, problems: Problems, row: int, build: Build, layout: Layout, mappings: Mappings
    ) -> None:
        self.dims = problems.dims[row]
        self.problems, self.row, self.build, self.layout, self.m = problems, row, build, layout, mappings
        bits = (problems.weight_bits[row], problems.input_bits[row], problems.output_bits[row])
        self.weight_byte, self.input_byte, self.output_byte = (float(b) / 8.0 for b in bits)
        self.trips = [
            ceil_div(self.dims, tile).astype(np.float64) for tile in (mappings.inner, mappings.outer)
        ]
        self.total = [float(np.prod(self.dims[list(GROUP_LOOPS[g])])) for g in GROUPS]

    def group_trips(self, level: int, group: int) -> FloatArray:
        """(P,) tiles of a group of loops."""
        product: FloatArray = self.trips[level][:, list(GROUP_LOOPS[GROUPS[group]])].prod(axis=1)
        return product

    def group_sum(self, group: int, *, steps: bool) -> FloatArray:
        """(P,) sum over the local tiles of a group of its folds along the array, or of its steps."""
        loops, layout = GROUP_LOOPS[GROUPS[group]], self.layout
        tile, trips = self.m.inner, self.trips[0]
        total = np.zeros(len(self.m))
        for corner in np.ndindex(*(2,) * len(loops)):
            along, apart, times = np.ones(len(self.m)), np.ones(len(self.m)), np.ones(len(self.m))
            for loop, is_last in zip(loops, corner, strict=True):
                last = self.dims[loop] - (trips[:, loop] - 1) * tile[:, loop]
                extent = last if is_last else tile[:, loop]
                times = times * (1.0 if is_last else trips[:, loop] - 1.0)
                along, apart = (along, apart * extent) if loop in layout.apart else (along * extent, apart)
            folds = np.ceil(along / layout.width[group]) * apart
            if steps:
                folds = np.maximum(folds, layout.least[group]) + layout.fill[group]
            total += times * folds
        return total

    def axis_rows(self, axis: int, level: int, unit: float = 0.0) -> FloatArray:
        """(P,) rows loaded along an axis over all tiles of it; with `unit` bytes a row, bytes in bursts."""
        o, f = (OY, FY) if axis == 0 else (OX, FX)
        tile = self.m.outer if level else self.m.inner
        pairs, place = np.unique(tile[:, [o, f]], axis=0, return_inverse=True)
        p, r = self.problems, self.row
        sums = []
        for size, taps in pairs.tolist():
            rows = np.array(
                windows(
                    int(self.dims[o]),
                    size,
                    int(self.dims[f]),
                    taps,
                    int(p.stride[r, axis]),
                    int(p.dilation[r, axis]),
                    int(p.in_size[r, axis]),
                    int(p.pad[r, axis]),
                ),
                np.float64,
            )
            stored = float(p.in_size[r, axis])
            loaded = rounded(rows * unit, self.build.burst) if unit else rows
            sums.append(
                max(float(loaded.sum()), float(rounded(stored * unit, self.build.burst) if unit else stored))
            )
        return np.array(sums, np.float64)[place.ravel()]

    def window(self, axis: int, level: int) -> FloatArray:
        """(P,) input rows under one full tile."""
        o, f = (OY, FY) if axis == 0 else (OX, FX)
        tile = self.m.outer if level else self.m.inner
        p, r = self.problems, self.row
        span = (tile[:, o] - 1) * p.stride[r, axis] + (tile[:, f] - 1) * p.dilation[r, axis] + 1
        rows: FloatArray = np.minimum(span, p.in_size[r, axis]).astype(np.float64)
        return rows

    def tile_bytes(self, level: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Elements of weights, input bytes, output elements of one full tile; weights in byte too."""
        t = (self.m.outer if level else self.m.inner).astype(np.float64)
        weight = t[:, G] * t[:, K] * t[:, C] * t[:, FY] * t[:, FX] * self.weight_byte
        inputs = t[:, N] * t[:, G] * t[:, C] * self.window(0, level) * self.window(1, level) * self.input_byte
        return weight, inputs, t[:, N] * t[:, G] * t[:, K] * t[:, OY] * t[:, OX]

    def dram_input(self) -> FloatArray:
        """(P,) bytes of one pass over the inputs, stored n g y x c: runs of channels, pixels or rows."""
        dims, trips, b = self.dims, self.trips[1], self.input_byte
        outer, channels = self.m.outer, float(dims[C])
        rows, cols = self.axis_rows(0, 1), self.axis_rows(1, 1)
        per_image = float(dims[N] * dims[G])
        if not self.build.burst:
            exact: FloatArray = per_image * channels * rows * cols * b
            return exact
        full = rounded(outer[:, C] * b, self.build.burst) * (trips[:, C] - 1)
        last = rounded((dims[C] - (trips[:, C] - 1) * outer[:, C]) * b, self.build.burst)
        cut = (full + last) * rows * cols
        pixels = rows * self.axis_rows(1, 1, channels * b)
        width = float(self.problems.in_size[self.row, 1])
        lines = self.axis_rows(0, 1, width * channels * b)
        whole_row = (trips[:, OX] == 1) & (trips[:, FX] == 1)
        loaded: FloatArray = per_image * np.where(trips[:, C] > 1, cut, np.where(whole_row, lines, pixels))
        return loaded

    def dram_output(self) -> FloatArray:
        """(P,) bytes of one pass over the outputs, stored n g y x k."""
        dims, trips, b, burst = self.dims, self.trips[1], self.output_byte, self.build.burst
        outer = self.m.outer

        def runs(loop: int, unit: float) -> FloatArray:
            last = dims[loop] - (trips[:, loop] - 1) * outer[:, loop]
            summed: FloatArray = (trips[:, loop] - 1) * rounded(outer[:, loop] * unit, burst) + rounded(
                last * unit, burst
            )
            return summed

        per_image = float(dims[N] * dims[G])
        cut = runs(K, b) * float(dims[OY] * dims[OX])
        pixels = runs(OX, float(dims[K]) * b) * float(dims[OY])
        lines = runs(OY, float(dims[OX] * dims[K]) * b)
        whole = np.where(trips[:, OX] == 1, lines, pixels)
        stored: FloatArray = per_image * np.where(trips[:, K] > 1, cut, whole)
        return stored

    def counts(self) -> FloatArray:
        """(P, `COUNTS`)."""
        group, reduction, filters, pixels = self.total
        outputs = group * filters * pixels
        inner = [self.group_trips(0, g) for g in range(4)]
        outer = [self.group_trips(1, g) for g in range(4)]
        o1, o2 = self.m.order_local, self.m.order_dram
        build, acc = self.build, self.build.partial(self.output_byte)
        cycles = np.prod([self.group_sum(g, steps=True) for g in range(4)], axis=0)
        family = self.layout.family
        passes = inner[REDUCTION] if family == "output" else self.group_sum(REDUCTION, steps=False)
        weight = group * filters * reduction * self.weight_byte
        array_w: Any = weight * (inner[PIXEL] if family == "weight" else self.group_sum(PIXEL, steps=False))
        array_i: Any = group * pixels * reduction * self.input_byte
        array_i = array_i * (inner[FILTER] if family == "input" else self.group_sum(FILTER, steps=False))
        out_width = acc if build.local[2] else self.output_byte
        array_read, array_write = outputs * (passes - 1) * acc, outputs * ((passes - 1) * acc + out_width)
        fill_w = weight * np.where(o1 == 0, outer[PIXEL], inner[PIXEL]) if build.local[0] else array_w
        halo: Any = float(self.dims[N] * self.dims[G] * self.dims[C]) * self.input_byte
        halo = halo * self.axis_rows(0, 0) * self.axis_rows(1, 0)
        fill_i = halo * np.where(o1 == 1, outer[FILTER], inner[FILTER]) if build.local[1] else array_i
        visits = np.where(o1 == 2, outer[REDUCTION], inner[REDUCTION]) if build.local[2] else passes
        fill_sum, drain = outputs * (visits - 1) * acc, outputs * ((visits - 1) * acc + self.output_byte)
        dram_w = rounded(weight, build.burst) * np.where(o2 == 0, 1.0, outer[PIXEL])
        dram_i = self.dram_input() * np.where(o2 == 1, 1.0, outer[FILTER])
        spills = np.where(o2 == 2, 1.0, outer[REDUCTION]) - 1.0
        dram_sum = outputs * spills * acc
        dram_o = self.dram_output() + dram_sum
        held = self._held(inner, outer, visits)
        transfers = (
            outer[GROUP] * outer[FILTER] * outer[REDUCTION] * np.where(o2 == 0, 1.0, outer[PIXEL])
            + outer[GROUP] * outer[PIXEL] * outer[REDUCTION] * np.where(o2 == 1, 1.0, outer[FILTER])
            + outer[GROUP] * outer[PIXEL] * outer[FILTER] * (2.0 * spills + 1.0)
        )
        tiles = [np.prod(t, axis=0) for t in (inner, outer)]
        volume = float(np.prod(self.dims.astype(np.float64)))
        shares = [t.astype(np.float64).prod(axis=1) / volume for t in (self.m.inner, self.m.outer)]
        columns = (
            cycles,
            array_w,
            array_i,
            array_read,
            array_write,
            fill_w,
            fill_i,
            fill_sum,
            drain,
            dram_w,
            dram_i,
            dram_sum,
            dram_o,
            *held,
            *tiles,
            *shares,
            transfers,
        )
        return np.stack(np.broadcast_arrays(*columns), axis=1)

    def _held(
        self, inner: list[FloatArray], outer: list[FloatArray], visits: FloatArray
    ) -> list[FloatArray | float]:
        """Footprints of local and outer tiles with their second buffers, and the first and last tile."""
        build, acc = self.build, self.build.partial(self.output_byte)
        held: list[FloatArray | float] = []
        single: list[FloatArray | float] = []
        wide = np.where(visits > 1, acc, self.output_byte)
        for level, trips, doubled in ((0, inner, build.double_local), (1, outer, build.double_sram)):
            weight, inputs, outputs = self.tile_bytes(level)
            g, r, f, p = trips
            moves = (g * f * r > 1, g * p * r > 1, g * p * f > 1)
            sizes = (weight, inputs, outputs * (wide if level else acc))
            kept = build.local if level == 0 else (True, True, True)
            held += [
                s * np.where(m, 2.0 if doubled else 1.0, 1.0) if k else 0.0
                for s, m, k in zip(sizes, moves, kept, strict=True)
            ]
            once = (weight, inputs, outputs * self.output_byte)
            tile = [s if k else 0.0 for s, k in zip(once, kept, strict=True)]
            single = [*tile, *single]
        return [*held, *single]
