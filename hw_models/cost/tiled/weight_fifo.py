"""A matrix unit whose weights stream through a FIFO: time of a network from its aggregates alone.

Weights come from DRAM tile by tile, wait in the FIFO, are shifted into the array, and then every row of
activations that needs them passes. A tile therefore costs the longer of its rows, and its fetch and shift: a
unit that waits for weights has an empty FIFO, so that a tile starts to shift only when all of it is there.
With the published counters of the five networks that are bound by weights this closes within a few per cent:
their share of cycles in which weights shift is 256 out of 1,605.

Source: Jouppi et al., "In-Datacenter Performance Analysis of a Tensor Processing Unit", ISCA 2017, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class WeightFifo:
    """The unit: rows and columns of its array, clock in Hz, bandwidth of the weights in byte/s.

    Attributes:
        weight_bytes: of one weight.
    """

    rows: int
    cols: int
    clock: float
    bandwidth: float
    weight_bytes: float = 1.0

    @property
    def fetch(self) -> float:
        """Cycles in which a tile of weights comes from DRAM."""
        return self.rows * self.cols * self.weight_bytes / self.bandwidth * self.clock

    @property
    def shift(self) -> float:
        """Cycles in which a tile moves into the array, a row a cycle."""
        return float(self.rows)


@dataclass(frozen=True, eq=False)
class WeightPasses:
    """Parts of networks that reuse their weights alike, (N,) each.

    Attributes:
        weights: in all.
        uses: rows of activations that pass each weight: MACs per weight.
        fill: share of a tile that holds weights.
        row_cycles: cycles that a row takes, 1 at full rate.
    """

    weights: FloatArray
    uses: FloatArray
    fill: FloatArray
    row_cycles: FloatArray


@dataclass(frozen=True, eq=False)
class FifoCycles:
    """Cycles of such parts, (N,) each.

    Attributes:
        total: first tile to last.
        active: rows pass; shift: nothing but weights moving into the array; wait: nothing but DRAM.
    """

    total: FloatArray
    active: FloatArray
    shift: FloatArray
    wait: FloatArray


def fifo_cycles(unit: WeightFifo, passes: WeightPasses) -> FifoCycles:
    """Cycles of a unit that does nothing else; activations, inputs and outputs are not modelled."""
    tiles = passes.weights / (unit.rows * unit.cols * passes.fill)
    rows = passes.uses * passes.row_cycles
    period = np.maximum(rows, unit.fetch + unit.shift)
    waiting = rows < unit.fetch + unit.shift
    # the shift of a tile hides behind the rows of the one before, where there are enough of them
    shift = np.where(waiting, np.minimum(unit.shift, period - rows), 0.0)
    return FifoCycles(tiles * period, tiles * rows, tiles * shift, tiles * (period - rows - shift))


def tile_fill(side: FloatArray, tile: float) -> FloatArray:
    """Share of the tiles that a square matrix fills; NaN stays NaN."""
    filled: FloatArray = (side / (tile * np.ceil(side / tile))) ** 2
    return filled
