"""NVDLA's performance sheet: cycles and traffic of every layer, and the totals of its networks.

The machine stands in the file's name, the layers in its columns. What a layer keeps in the outer memory
(image formats, fused pooling, transformed weights) is given by `in_kib`, `out_kib` and `w_kib`; of the cases
with a CVSRAM, what lies in it was placed by hand in the sheet, so the traffic left to DRAM is taken as given.

Source: nvdla/hw `perf/NVDLA_OpenSource_Performance.xlsx` @8e06b1b (NVIDIA Open NVDLA licence).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.tiled.dot_product import LayerCounts, Machine, layer_counts, port_cycles
from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.figures import read_figures
from hw_models.validation.truth.nvdla_sheet import GIVEN, SHAPE, SHEET_KB, Layers, Sheet
from hw_models.validation.truth.nvdla_totals import Row, total_points

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.cost.arrays import FloatArray
    from hw_models.validation.truth.nvdla_sheet import Marks

PLAIN: Final = ("dram_kib", "dram_cycles", "mac_cycles", "max_cycles")
PLACED: Final = ("dram_cycles_with_cvsram", "max_cycles_with_cvsram")
BOUNDS: Final = ("bound", "bound_with_cvsram")
"""What is compared: without a CVSRAM, with one, and the name of the slowest port."""

OUTSIDE: Final = re.compile(r"dram_kib_with_(\d+)MiB_cvsram")
"""The column of the traffic that a CVSRAM of that size leaves to the DRAM."""

CVSRAM_BANDWIDTH: Final = 25.0
"""GB/s of the on-chip SRAM, each way. Source: the sheet: 40 cycles a KiB at 1 GHz."""


def predict(path: Path) -> Points:
    """Every figure of the sheet beside ours, and the totals of its networks.

    Raises:
        FileError: the file is not what its name says.
    """
    every, outside = _read(path)
    known = every[list(SHAPE)].notna().all(axis=1)
    frame, sheet = every[known].reset_index(drop=True), Sheet.of(path.name)
    skipped = Counter({"no shape of the layer": int((~known).sum())})
    ours = counted(frame, sheet, outside)
    if outside and (n := int(frame[outside].notna().sum())):
        skipped[f"{outside}: taken as given, for what lies in the CVSRAM was chosen by hand"] = n
    totals, left = total_points(path, frame, ours, sheet)
    rows = [*_rows(frame, ours), *totals]
    skipped.update(left)
    return Points(_frame(rows, sheet), fidelity="tiled", skipped=skipped)


def _read(path: Path) -> tuple[pd.DataFrame, str]:
    """The rows, and the column of the traffic outside a CVSRAM ("" where there is none)."""
    texts, numbers = ("network", "layer", "type"), (*GIVEN, *PLAIN, *PLACED)
    header = read_figures(path, texts=texts, numbers=SHAPE, sizes=SHAPE).columns
    outside = [c for c in header if OUTSIDE.fullmatch(c)][:1]
    frame = read_figures(path, texts=texts, numbers=SHAPE, may_hold=(*numbers, *outside))
    return frame.reset_index(drop=True), "".join(outside)


def counted(frame: pd.DataFrame, sheet: Sheet, outside: str = "") -> dict[str, Any]:
    """Column -> ours, for every row; of `BOUNDS` the names of the bounds.

    Args:
        frame: the rows.
        sheet: the machine.
        outside: the column of the traffic outside a CVSRAM; "": there is none.
    """
    layers, machine = Layers.of(frame), sheet.machine
    counts = _counts(layers, machine)
    granule = max(16.0, sheet.macs / 16)
    coarse = replace(machine, parameter={**machine.parameter, "kernel_granule": granule})
    in_residual = _in_networks(frame, layers.residual)
    mac = np.where(in_residual, _counts(layers, coarse).mac_cycles, counts.mac_cycles)
    stored, images = layers.stored, layers.images
    once = stored.inputs + stored.weights / images + stored.outputs
    batched = _in_networks(frame, layers.fc, stored.weights)
    again = (counts.input_passes - 1) * stored.inputs
    again += np.where(batched, 0.0, stored.weights * (1 - 1 / images))
    dram = port_cycles(once + again, machine.bandwidth, machine.clock)
    figures = {
        "dram_kib": once / 1024,
        "dram_cycles": dram,
        "mac_cycles": mac,
        **_longest({"MAC": mac, "DRAM": dram}, "max_cycles", "bound"),
    }
    if not outside:
        return figures
    ports = _with_cvsram(frame, outside, layers, counts, machine)
    placed = _longest(ports, "max_cycles_with_cvsram", "bound_with_cvsram")
    return {**figures, "dram_cycles_with_cvsram": ports["DRAM"], **placed}


def _counts(layers: Layers, machine: Machine) -> LayerCounts:
    """Of one image; Winograd where the row says so."""
    fast = layer_counts(layers.problems, machine, layers.stored)
    slow = replace(machine, parameter={**machine.parameter, "winograd": 0.0})
    plain = layer_counts(layers.problems, slow, layers.stored)
    cycles = np.where(layers.winograd, fast.mac_cycles, plain.mac_cycles) / layers.images
    return replace(fast, mac_cycles=cycles)


def _in_networks(frame: pd.DataFrame, marked: Marks, weight: FloatArray | None = None) -> Marks:
    """(D,) whether a row's network has marked rows; with weights, whether they hold most of its weight.

    Two habits of the sheet go by network. Where blocks add (ResNet), filters are padded to a sixteenth of
    the MACs. Traffic of fully connected layers is shared by a batch where they are most of the network
    (AlexNet); else its cycles are those of one image.
    """
    share = np.ones(len(frame)) if weight is None else weight
    least = 0.0 if weight is None else 0.5
    network = frame["network"].to_numpy(str)
    chosen = np.zeros(len(frame), bool)
    for name in dict.fromkeys(network):
        rows = network == name
        chosen[rows] = share[rows & marked].sum() > least * share[rows].sum()
    return chosen


def _with_cvsram(
    frame: pd.DataFrame, column: str, layers: Layers, counts: LayerCounts, machine: Machine
) -> dict[str, FloatArray]:
    """Port -> cycles where a CVSRAM stands between buffer and DRAM, the DRAM's traffic as given."""
    stored, size = layers.stored, OUTSIDE.fullmatch(column)
    capacity = float(size[1]) * 2**20 if size else np.inf
    outside = frame[column].to_numpy(np.float64) * 1024
    kept = _resident(frame, stored.weights, capacity)
    inside = stored.inputs + np.where(kept, stored.weights, 0.0)
    outputs = stored.outputs / np.where(layers.residual, 2.0, 1.0)
    rate = CVSRAM_BANDWIDTH * 1e6 * SHEET_KB
    return {
        "MAC": np.where(np.isnan(outside), np.nan, counts.mac_cycles),
        "DRAM": port_cycles(outside, machine.bandwidth, machine.clock),
        "CVSRAM-R": port_cycles(inside, rate, machine.clock),
        "CVSRAM-W": port_cycles(outputs, rate, machine.clock),
    }


def _resident(frame: pd.DataFrame, weights: FloatArray, capacity: float) -> Marks:
    """(D,) whether weights are read from the CVSRAM for every image.

    So it is while the weights so far fit in it, in a network of which no operand is larger than it; else
    they pass once for the whole batch.
    """
    network = frame["network"].to_numpy(str)
    # rows without cycles of their own are parts of a combined one
    whole = frame[["max_cycles", "max_cycles_with_cvsram"]].notna().any(axis=1).to_numpy()
    kept = np.zeros(len(frame), bool)
    for name in dict.fromkeys(network):
        rows = network == name
        so_far = np.cumsum(np.where(rows & whole, weights, 0.0))
        kept |= rows & (so_far <= capacity) & (weights[rows].max() <= capacity)
    return kept


def _longest(ports: dict[str, FloatArray], cycles: str, bound: str) -> dict[str, Any]:
    """The slowest port of each row and its name; the first of equals."""
    table = np.stack(list(ports.values()), axis=1)
    names = np.array(list(ports))
    return {cycles: table.max(axis=1), bound: names[np.nan_to_num(table).argmax(axis=1)]}


def _rows(frame: pd.DataFrame, ours: dict[str, Any]) -> list[Row]:
    """(network, layer, quantity, theirs, ours) of every cell that is filled; of a bound 1 where equal."""
    found: list[Row] = []
    for column in (c for c in (*PLAIN, *PLACED, *BOUNDS) if c in frame.columns and c in ours):
        filled = frame[column].notna().to_numpy() & (frame[column] != "").to_numpy()
        for at in np.flatnonzero(filled):
            row, mine = frame.iloc[at], ours[column][at]
            theirs, own = (1.0, row[column] == mine) if column in BOUNDS else (row[column], mine)
            found.append((str(row["network"]), str(row["layer"]), column, float(theirs), float(own)))
    return found


def _frame(rows: list[Row], sheet: Sheet) -> pd.DataFrame:
    return point_frame(
        device=sheet.label,
        mode=[row[0] for row in rows],
        quantity=[row[2] for row in rows],
        measured=[row[3] for row in rows],
        predicted=[row[4] for row in rows],
        layer=[row[1] for row in rows],
    )


SETS: Final = (
    TruthSet(
        name="nvdla_layers_*",
        truth="closed_form",
        predict=predict,
        why_not_shipped="figures of NVIDIA's sheet; codesign validate --data DIR reads them",
    ),
)
