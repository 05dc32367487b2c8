"""TPU v1 on the six applications of its paper, from their published aggregates: weights, uses of each, batch.

A file gives for each application millions of weights, MACs per byte of weights and the batch. How many layers
of which kind it has stands in the paper's Table 1 (`LAYERS`) or in columns of the file (`LAYER_COLUMNS`).
Nothing is fitted. What the aggregates cannot tell, and what stands in its place:

- Shapes of matrices. Their tiles are taken as full, but where the paper names a size. The lower end of our
  interval has sides that end anywhere in a tile.
- Which of a CNN's weights are its fully connected tail: `TAIL_SHARE` of them, as in two public networks of
  the time. CNN1's figure hangs on it: the ends of its interval are what the one and the other would give.
- Depth of a convolution's features: that of equal layers of 3 x 3 taps with the weights that remain.
- Host, activation unit and dependencies between layers take no time; LSTM1 shows that they do.

The shares of cycles that the paper counted are predicted, never used. Those of the weight-bound applications
come out; those of the CNNs do not: their array stood idle where ours is busy with shallower features, so
that CNN1's rate is right for a reason that is only partly right.

Source: Jouppi et al., "In-Datacenter Performance Analysis of a Tensor Processing Unit", ISCA 2017, Tables 1
and 3.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw_models.cost.tiled.weight_fifo import FifoCycles, WeightFifo, WeightPasses, fifo_cycles, tile_fill
from hw_models.spec.load import load_chip
from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.figures import read_figures

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hw_models.cost.arrays import FloatArray

LAYER_COLUMNS: Final = ("fc_layers", "conv_layers", "vector_layers", "matrix_side")
"""Columns of numbers that a file may have: layers of each kind, rows and columns of a usual matrix."""


class Layers(NamedTuple):
    """Layers of each kind of one application, and the size of its matrices; NaN: not published."""

    fc: float
    conv: float
    vector: float
    side: float = np.nan


LAYERS: Final = {
    "MLP0": Layers(5, 0, 0),
    "MLP1": Layers(4, 0, 0),
    "LSTM0": Layers(24, 0, 34),
    "LSTM1": Layers(37, 0, 19, side=600),
    "CNN0": Layers(0, 16, 0),
    "CNN1": Layers(4, 72, 0),
}
"""Source: Table 1; the 600 x 600 matrices of LSTM1 are in section 7."""

ALEXNET_SHARE: Final = 58_621_952 / 60_954_656
VGG16_SHARE: Final = 123_633_664 / 138_344_128
"""Weights of the fully connected layers over all, without biases. Source: the networks' published shapes."""

TAIL_SHARE: Final = (ALEXNET_SHARE + VGG16_SHARE) / 2
"""The same for a CNN with fully connected layers that says no more."""

TAPS: Final = 9.0
"""Of a usual convolution, 3 x 3."""

LSTM_ROW_CYCLES: Final = 2.0
"""Half rate: LSTMs have 16-bit activations. Source: section 2 gives the rates; that these networks use the
wider format is inferred, their counters of active cycles are twice what 8 bit would take."""

COUNTERS: Final = ("array_active_pct", "weight_shift_pct")
"""Shares of cycles that the file may have and that follow from the same model."""


def unit_of(name: str = "tpu_v1") -> WeightFifo:
    """The matrix unit of a chip's file."""
    chip = load_chip(name)
    engine, outer = chip.main_engine, chip.dram
    if not (engine.array and engine.clock and outer and outer.bandwidth):
        raise ValueError(name)
    return WeightFifo(engine.array.dims[0], engine.array.dims[1], engine.clock.value, outer.bandwidth.value)


class Applications(NamedTuple):
    """(N,) aggregates of applications: weights, MACs per weight, batch, and layers of each kind."""

    weights: FloatArray
    uses: FloatArray
    batch: FloatArray
    fc: FloatArray
    conv: FloatArray
    vector: FloatArray
    side: FloatArray

    @property
    def macs(self) -> FloatArray:
        """MACs of one batch."""
        return self.weights * self.uses


def application_cycles(apps: Applications, unit: WeightFifo, tail: float, fill: FloatArray) -> FifoCycles:
    """Cycles of one batch: convolutions, and matrices whose weights are used once an image.

    Args:
        apps: N applications.
        unit: what they run on.
        tail: share of the weights in the fully connected layers of networks that have both kinds.
        fill: (N,) of the tiles of matrices and of convolutions whose depth nobody gave.
    """
    convolves = apps.uses > 1.5 * apps.batch
    share = np.where(convolves, np.where((apps.fc > 0) & (apps.conv > 0), tail, 0.0), 1.0)
    rest = np.where(share < 1, 1 - share, np.nan)
    of_convolutions = (apps.uses - share * apps.batch) / rest
    layers = np.where(apps.conv > 0, apps.conv, np.nan)
    depth = np.sqrt(rest * apps.weights / layers / TAPS)
    shallow, square = (tile_fill(x, unit.rows) for x in (depth, apps.side))
    row_cycles = np.where(apps.vector > 0, LSTM_ROW_CYCLES, 1.0)
    matrices = WeightPasses(
        share * apps.weights, apps.batch, np.where(np.isnan(square), fill, square), row_cycles
    )
    convolutions = WeightPasses(
        np.nan_to_num(rest) * apps.weights,
        np.nan_to_num(of_convolutions),
        np.where(np.isnan(shallow), fill, shallow),
        row_cycles,
    )
    both = [fifo_cycles(unit, part) for part in (matrices, convolutions)]
    return FifoCycles(
        *(getattr(both[0], x) + getattr(both[1], x) for x in ("total", "active", "shift", "wait"))
    )


def tops(apps: Applications, unit: WeightFifo, cycles: FifoCycles) -> FloatArray:
    """(N,) 1e12 operations a second; a MAC is two."""
    rate: FloatArray = 2.0 * apps.macs / cycles.total * unit.clock / 1e12
    return rate


def loose_fill(apps: Applications, unit: WeightFifo) -> FloatArray:
    """(N,) fill of tiles where the sides of matrices end anywhere in a tile: half of one is lost on each."""
    side = np.sqrt(apps.weights / np.maximum(apps.fc + apps.conv, 1.0))
    fill: FloatArray = (side / (side + unit.rows / 2)) ** 2
    return fill


def predict(path: Path) -> Points:
    """Our figures beside those of the file.

    Raises:
        FileError: the file is not what its name says.
    """
    numbers = ("weights_m", "ops_per_weight_byte", "batch", "measured_tops")
    frame = read_figures(path, texts=("app",), numbers=numbers, may_hold=(*LAYER_COLUMNS, *COUNTERS))
    told = (frame[list(numbers[:3])] > 0).all(axis=1)
    skipped = Counter({"no weights, uses of them or batch": int((~told).sum())})
    frame = frame[told]
    apps, unit = _applications(frame), unit_of()
    full = np.ones(len(frame))
    cycles = application_cycles(apps, unit, TAIL_SHARE, full)
    value = tops(apps, unit, cycles)
    ends = [
        tops(apps, unit, application_cycles(apps, unit, tail, fill))
        for tail in (ALEXNET_SHARE, VGG16_SHARE)
        for fill in (full, loose_fill(apps, unit))
    ]
    # at best the shift of weights hides behind their fetch
    hidden = 2.0 * apps.macs / (cycles.total - cycles.shift) * unit.clock / 1e12
    rows = [
        _points(frame, "measured_tops", value, np.min(ends, axis=0), np.max([*ends, hidden], axis=0)),
        *(
            _points(frame, column, 100 * share / cycles.total, np.full(len(frame), np.nan))
            for column, share in zip(COUNTERS, (cycles.active, cycles.shift), strict=True)
        ),
    ]
    points = _joined(rows)
    published = (points["measured"] > 0).to_numpy()
    skipped["no figure, or 0, which has no relative error"] = int((~published).sum())
    return Points(points[published].reset_index(drop=True), fidelity="tiled", skipped=skipped)


def _applications(frame: pd.DataFrame) -> Applications:
    unknown = Layers(np.nan, np.nan, np.nan)
    known = np.array([LAYERS.get(str(app), unknown) for app in frame["app"]], np.float64).reshape(-1, 4)
    given = frame[list(LAYER_COLUMNS)].to_numpy(np.float64)
    fc, conv, vector, side = np.where(np.isnan(given), known, given).T
    weights, uses, batch = (
        frame[c].to_numpy(np.float64) for c in ("weights_m", "ops_per_weight_byte", "batch")
    )
    fc, conv, vector = (np.nan_to_num(x) for x in (fc, conv, vector))
    return Applications(1e6 * weights, uses, batch, fc, conv, vector, side)


def _points(
    frame: pd.DataFrame, column: str, value: FloatArray, low: FloatArray, high: FloatArray | None = None
) -> pd.DataFrame:
    """Rows of one quantity."""
    return point_frame(
        device="tpu_v1",
        mode="applications",
        quantity=column,
        measured=frame[column].to_numpy(np.float64),
        predicted=value,
        low=low,
        high=low if high is None else high,
        app=frame["app"].to_numpy(object),
    )


def _joined(rows: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(rows, ignore_index=True)


SETS: Final = (
    TruthSet(
        name="tpu_v1_isca17",
        truth="silicon",
        predict=predict,
        why_not_shipped="figures typed from a paper; give its file by --data",
    ),
)
