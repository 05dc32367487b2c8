"""The Eyeriss chip on AlexNet and VGG-16: latency, DRAM and buffer traffic, busy PEs, power by layer.

Files are called `eyeriss_jssc17_NETWORK`. Shapes are those of the public networks (`SHAPES`) or stand in
columns of the file (`SHAPE_COLUMNS`); the batch is in the file's notes ("batch N=4") or in a column. The
share of zeros in the inputs, which the run-length code and the gated PEs depend on, is the file's; that of
the outputs is the next layer's, thinned by the pooling between them. Mappings, cycles and traffic follow
from the shape; what was fitted, on both networks together, is in `eyeriss_calibration.yaml`.

Source: Chen et al., JSSC 52(1), 2017, Tables V and VI.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.tiled.calibration import Calibration
from hw_models.cost.tiled.row_mapping import GLOBAL_BUFFER_ENERGY, HOP_ENERGY, RowLayer
from hw_models.cost.tiled.row_stationary import SPAD_READS, SPAD_WRITES, RowCost, RowMachine, row_cost
from hw_models.errors import FileError
from hw_models.measured.tables import dataset_name
from hw_models.shipped import shipped_yaml
from hw_models.spec.load import load_chip
from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.figures import read_figures

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hw_models.cost.arrays import FloatArray

QUANTITIES: Final = (
    "total_latency_ms",
    "processing_latency_ms",
    "dram_access_mb",
    "global_buffer_access_mb",
    "active_pes",
    "power_mw",
)

SHAPE_COLUMNS: Final = (
    "groups", "channels", "filters", "out_h", "out_w", "kernel_h", "kernel_w", "stride", "in_h", "in_w",
)  # fmt: skip
"""Columns of numbers that a file may have: channels and filters of one group, input without padding."""

TOTAL: Final = "TOTAL"
"""Name of the row that sums the others."""

_ALEXNET: Final = {
    "CONV1": (1, 3, 96, 55, 55, 11, 11, 4, 227, 227),
    "CONV2": (2, 48, 128, 27, 27, 5, 5, 1, 27, 27),
    "CONV3": (1, 256, 384, 13, 13, 3, 3, 1, 13, 13),
    "CONV4": (2, 192, 192, 13, 13, 3, 3, 1, 13, 13),
    "CONV5": (2, 192, 128, 13, 13, 3, 3, 1, 13, 13),
}

_VGG16_STAGES: Final = ((2, 64, 224), (2, 128, 112), (3, 256, 56), (3, 512, 28), (3, 512, 14))
"""Layers, filters and rows of each stage."""


def _vgg16() -> Iterator[tuple[str, tuple[int, ...]]]:
    channels = 3
    for stage, (layers, filters, rows) in enumerate(_VGG16_STAGES, 1):
        for layer in range(1, layers + 1):
            yield f"CONV{stage}-{layer}", (1, channels, filters, rows, rows, 3, 3, 1, rows, rows)
            channels = filters


SHAPES: Final[Mapping[str, Mapping[str, tuple[int, ...]]]] = {"alexnet": _ALEXNET, "vgg16": dict(_vgg16())}
"""Network -> layer -> shape, as `SHAPE_COLUMNS`. Source: Krizhevsky et al., NIPS 2012, with its two groups
and the 227 rows that make it work out; Simonyan and Zisserman, ICLR 2015."""

BATCH: Final = {"alexnet": 4, "vgg16": 3}
"""Images that the paper ran together, where a file does not say."""


@dataclass(frozen=True, slots=True)
class Run:
    """One layer as the chip ran it: shape, shares of zeros in its inputs and, as written, in its outputs.

    Attributes:
        pooled: whether the outputs were pooled before the next layer read them; `zeros_out` is after that.
    """

    layer: RowLayer
    zeros_in: float
    zeros_out: float
    pooled: bool


@cache
def eyeriss_calibration() -> Calibration:
    """The calibration that ships (`eyeriss_calibration.yaml`)."""
    return Calibration.of(shipped_yaml("hw_models.cost.tiled", "eyeriss_calibration.yaml"))


def figures_of(run: Run, machine: RowMachine, scalars: Mapping[str, float]) -> dict[str, float] | None:
    """Our figure for every quantity of a layer, in the file's units; None where nothing fits.

    Args:
        run: layer and zeros.
        machine: the chip, but for what `scalars` says.
        scalars: name -> value, as in the calibration.
    """
    zeros_out = run.zeros_out ** (1.0 / scalars["pooled_values"]) if run.pooled else run.zeros_out
    cost = row_cost(run.layer, machine, zeros_in=run.zeros_in, zeros_out=zeros_out)
    if cost is None:
        return None
    energy = _chip_energy(run, cost, scalars)
    return {
        "total_latency_ms": cost.total_s * 1e3,
        "processing_latency_ms": cost.processing_s * 1e3,
        "dram_access_mb": (cost.dram_read + cost.dram_write) / 1e6,
        "global_buffer_access_mb": cost.moved.buffer * machine.array.word / 1e6,
        "active_pes": float(cost.mapping.active),
        "power_mw": energy / cost.total_s * 1e3,
    }


def _chip_energy(run: Run, cost: RowCost, scalars: Mapping[str, float]) -> float:
    """Joules of the chip without its DRAM: clock and leakage, then everything in multiples of a MAC.

    A PE that meets a zero input is gated: neither its MAC nor its scratchpads take energy.
    """
    of_mac = 1.0 + SPAD_READS + SPAD_WRITES
    worked = run.layer.macs * (1.0 - run.zeros_in) * of_mac
    moved = GLOBAL_BUFFER_ENERGY * cost.moved.buffer + HOP_ENERGY * cost.moved.hops
    return scalars["clock_power"] * cost.total_s + scalars["mac_energy"] * (worked + moved)


def read_runs(path: Path) -> tuple[pd.DataFrame, list[Run | None]]:
    """The layers of a file in order, the sum left out, and how each ran; None where its shape is not known.

    Raises:
        FileError: the file is not what its name says.
    """
    numbers, sizes = ("zeros_in_ifmap_pct", *QUANTITIES), (*SHAPE_COLUMNS, "batch")
    frame = read_figures(path, texts=("layer",), numbers=numbers, may_hold=sizes, sizes=sizes)
    for line, share in frame["zeros_in_ifmap_pct"].items():
        if not (np.isnan(share) or 0 <= share <= 100):
            text = f"zeros_in_ifmap_pct: '{share:g}' given, expected per cent from 0 to 100"
            raise FileError.at(path, text, line=int(str(line)))
    network = dataset_name(path).removeprefix("eyeriss_jssc17_")
    named = SHAPES.get(network, {})
    noted = _batch_in_notes(path) or BATCH.get(network, 0)
    layers: list[RowLayer | None] = []
    for row in frame.to_dict("records"):
        given = [row[c] for c in SHAPE_COLUMNS]
        shape = named.get(str(row["layer"])) if np.isnan(given).any() else tuple(int(x) for x in given)
        batch = noted if np.isnan(row["batch"]) else int(row["batch"])
        layers.append(_layer(shape, batch) if shape and batch else None)
    zeros = (frame["zeros_in_ifmap_pct"] / 100).tolist()
    keep = (frame["layer"] != TOTAL).to_numpy()
    frame, at = frame[keep], np.flatnonzero(keep)
    return frame, _in_order([layers[i] for i in at], [zeros[i] for i in at])


def _batch_in_notes(path: Path) -> int:
    if not path.name.endswith(".csv"):
        return 0
    lines = path.read_text("utf-8").splitlines()
    found = re.search(r"batch N\s*=\s*(\d+)", "\n".join(x for x in lines if x.startswith("#")))
    return int(found[1]) if found else 0


def _layer(shape: Sequence[int], batch: int) -> RowLayer:
    groups, channels, filters, out_h, out_w, kernel_h, kernel_w, stride, in_h, in_w = shape
    return RowLayer(
        batch, groups, channels, filters, out_h, out_w, kernel_h, kernel_w, stride, stride, float(in_h * in_w)
    )


def _in_order(layers: Sequence[RowLayer | None], zeros: Sequence[float]) -> list[Run | None]:
    """Layers with the zeros of the one after them; the last one is taken to write as many as it reads."""
    runs: list[Run | None] = []
    for i, layer in enumerate(layers):
        after = layers[i + 1] if i + 1 < len(layers) else None
        if layer is None:
            runs.append(None)
        elif after is None:
            runs.append(Run(layer, zeros[i], zeros[i], pooled=False))
        else:
            runs.append(Run(layer, zeros[i], zeros[i + 1], pooled=after.stored < layer.oy * layer.ox))
    return runs


def predict(path: Path) -> Points:
    """Our figures beside those of the file, layer by layer and summed.

    Raises:
        FileError: the file is not what its name says.
    """
    calibration = eyeriss_calibration()
    machine, scalars = RowMachine.of(load_chip("eyeriss_v1")), calibration.values
    frame, runs = read_runs(path)
    ours = [None if run is None else figures_of(run, machine, scalars) for run in runs]
    network, skipped, rows = dataset_name(path).removeprefix("eyeriss_jssc17_"), Counter[str](), []
    for (_, row), figures in zip(frame.iterrows(), ours, strict=True):
        for quantity in QUANTITIES:
            if figures is None:
                skipped[f"layer '{row['layer']}': shape not known; columns {', '.join(SHAPE_COLUMNS)}"] += 1
            elif not row[quantity] > 0:
                skipped[f"no figure of {quantity}"] += 1
            else:
                rows.append((row["layer"], network, quantity, row[quantity], figures[quantity]))
    if ours and all(ours):
        rows += _summed(path, network, [x for x in ours if x])
    return Points(
        _frame(rows, calibration),
        fidelity="calibrated",
        fitted_on=calibration.fitted_on,
        split="fitted" if network in BATCH else "held_out",
        skipped=skipped,
    )


def _summed(path: Path, network: str, ours: Sequence[Mapping[str, float]]) -> Iterator[tuple[Any, ...]]:
    """The file's sum against ours: power over all of the time, PEs over the time of the passes."""
    every = read_figures(path, texts=("layer",), numbers=QUANTITIES)
    totals = every[every["layer"] == TOTAL]
    of = {q: np.array([x[q] for x in ours]) for q in QUANTITIES}
    total, passes = of["total_latency_ms"], of["processing_latency_ms"]
    for _, row in totals.iterrows():
        for quantity in QUANTITIES:
            weight = {"power_mw": total / total.sum(), "active_pes": passes / passes.sum()}.get(quantity)
            figure = of[quantity].sum() if weight is None else (of[quantity] * weight).sum()
            yield TOTAL, f"{network}|total", quantity, row[quantity], float(figure)


def _frame(rows: Sequence[tuple[Any, ...]], calibration: Calibration) -> pd.DataFrame:
    layer, mode, quantity, measured, predicted = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    value = np.array(predicted, np.float64)
    low, high = _interval(quantity, calibration)
    return point_frame(
        device="eyeriss_v1",
        mode=mode,
        quantity=quantity,
        measured=measured,
        predicted=value,
        low=value * low,
        high=value * high,
        layer=layer,
    )


def _interval(quantity: Sequence[str], calibration: Calibration) -> tuple[FloatArray, FloatArray]:
    unknown = (np.nan, np.nan)
    factors = np.array([calibration.intervals.get(q, unknown) for q in quantity], np.float64).reshape(-1, 2)
    return factors[:, 0], factors[:, 1]


SETS: Final = (
    TruthSet(
        name="eyeriss_jssc17_*",
        truth="silicon",
        predict=predict,
        why_not_shipped="figures typed from a paper; give their files by --data",
    ),
)
