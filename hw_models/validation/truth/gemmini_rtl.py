"""Layers on the RTL of Gemmini, 16 x 16: cycles for a given mapping, and with the tiles of its own library.

Cycles do not depend on the sizes of scratchpad and accumulator that a row states: its tiles are given, and
the library's were chosen for the default sizes whatever the row says. Rows of one shape and one tile differ
by up to 28 % between those machines for no cause that the file shows.

Source: FireSim runs of ucb-bar/dosa `data/firesim_test_data` @a7a3239 (BSD-2-Clause).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.tiled.calibration import gemmini_calibration
from hw_models.cost.tiled.decoupled.layer_cycles import Layer, Machine, Tile
from hw_models.cost.tiled.decoupled.machine import DecoupledMachine
from hw_models.cost.tiled.decoupled.mapping import TILE_ORDER, parse_mapping
from hw_models.cost.tiled.decoupled.sequence import layer_cycles
from hw_models.cost.tiled.decoupled.tiler import own_tile
from hw_models.errors import InputError
from hw_models.spec.load import load_chip
from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.figures import read_figures

if TYPE_CHECKING:
    import pandas as pd

CHIP: Final = "gemmini_16x16"
GIVEN, OWN, ANALYTICAL = "target.gemmini_cycle", "target.gemmini_auto_cycle", "target.cycle"
MODES: Final = {GIVEN: "given mapping", OWN: "own tiler"}
SHAPE: Final = tuple(f"prob.{letter}" for letter in (*TILE_ORDER, "Wstride", "Hstride"))
TILING: Final = "dse.auto_tiling"
TILING_ORDER: Final = "RSPQCKN"
SHIPPED: Final = Path(__file__).parent / "data" / "gemmini_rtl.csv"


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run.

    Attributes:
        line: of the file; quantity: column of the measured cycles.
        layer, tile: what ran.
        looked_at: candidates of the library's search before it ran.
        measured: cycles; analytical: those of the model that comes with the file.
    """

    line: int
    quantity: str
    layer: Layer
    tile: Tile
    looked_at: int
    measured: float
    analytical: float


@dataclass(frozen=True)
class Runs:
    """All runs of a file, and reason -> number of those left out."""

    runs: tuple[Run, ...]
    skipped: Counter[str] = field(default_factory=Counter)


def read_runs(path: Path) -> Runs:
    """The runs of a file.

    Raises:
        FileError: the file is not what its name says.
    """
    frame = read_figures(
        path, texts=("mapping.mapping",), numbers=(*SHAPE, GIVEN), may_hold=(OWN, ANALYTICAL)
    ).replace({ANALYTICAL: {0.0: np.nan}})
    runs, skipped = [], Counter[str]()
    for line, row in frame.iterrows():
        for quantity in MODES:
            if np.isnan(row[quantity]):
                skipped[f"no figure in {quantity}"] += 1
                continue
            try:
                layer = _layer(row)
                tile = _given_tile(row) if quantity == GIVEN else _own_tile(row)
            except InputError as error:
                skipped[str(error)] += 1
                continue
            looked_at = 0 if quantity == GIVEN else own_tile(layer, _machine().room(layer)).looked_at
            figures = (float(row[quantity]), float(row[ANALYTICAL]))
            runs.append(Run(int(str(line)), quantity, layer, tile, looked_at, *figures))
    return Runs(tuple(runs), skipped)


def run_cycles(run: Run, machine: Machine, tiler_cycles: float) -> float:
    """Predicted cycles of one run; the library's search for a tile comes before the layer."""
    return float(layer_cycles(run.layer, run.tile, machine).total) + tiler_cycles * run.looked_at


def predict(path: Path) -> Points:
    """Every run beside ours.

    Raises:
        FileError: the file is not what its name says.
    """
    found, calibration = read_runs(path), gemmini_calibration()
    runs, tiler = found.runs, calibration.values["tiler_cycles"]
    ours = np.array([run_cycles(run, _machine().core, tiler) for run in runs], np.float64)
    ends = [calibration.intervals[MODES[run.quantity]] for run in runs]
    frame = point_frame(
        device=CHIP,
        mode=[MODES[run.quantity] for run in runs],
        quantity=[run.quantity for run in runs],
        measured=[run.measured for run in runs],
        predicted=ours,
        low=ours * [low for low, _ in ends],
        high=ours * [high for _, high in ends],
        split=["fitted" if run.layer in _fitted_layers() else "held_out" for run in runs],
        line=[run.line for run in runs],
        layer=[_label(run.layer) for run in runs],
    )
    macs = [float(np.prod(np.array(run.layer[:6], np.float64))) for run in runs]
    return Points(
        frame=frame,
        fidelity="calibrated",
        fitted_on=calibration.fitted_on,
        split="mixed",
        skipped=dict(found.skipped),
        naive={"MACs / 256": np.array(macs) / 256.0, ANALYTICAL: np.array([run.analytical for run in runs])},
    )


@cache
def _machine() -> DecoupledMachine:
    return DecoupledMachine.of(load_chip(CHIP))


@cache
def _fitted_layers() -> frozenset[Layer]:
    return frozenset(run.layer for run in read_runs(SHIPPED).runs)


def _layer(row: pd.Series) -> Layer:
    columns, rows, filters, channels, taps_x, taps_y, stride_x, stride_y = (
        _whole(row, name) for name in SHAPE
    )
    return Layer(columns, rows, filters, channels, taps_x, taps_y, stride_x, stride_y, 1, 1, 1, 1, 1)


def _given_tile(row: pd.Series) -> Tile:
    extents = {letter: _whole(row, f"prob.{letter}") for letter in TILE_ORDER}
    mapping = parse_mapping(row["mapping.mapping"], extents)
    array = _machine().core.rows
    if any(x.spatial and x.factor > array for level in mapping.levels for x in level.loops):
        text = f"mapping spreads a loop over more than the array's {array}"
        raise InputError(text)
    return Tile(*mapping.tiles)


def _own_tile(row: pd.Series) -> Tile:
    parts = str(row.get(TILING, "")).split("_")
    if len(parts) != len(TILING_ORDER) or not all(p.isdigit() and int(p) > 0 for p in parts):
        text = f"{TILING} '{row.get(TILING, '')}' is no tile; expected seven sizes, {'_'.join(TILING_ORDER)}"
        raise InputError(text)
    size = dict(zip(TILING_ORDER, (int(p) for p in parts), strict=True))
    return Tile(*(size[letter] for letter in TILE_ORDER))


def _whole(row: pd.Series, name: str) -> int:
    value = float(row[name])
    if not value >= 1 or value != int(value):
        text = f"{name} is {value:g}; expected a whole number of at least 1"
        raise InputError(text)
    return int(value)


def _label(layer: Layer) -> str:
    return "x".join(str(n) for n in layer[:6]) + f" stride {layer.stride_x}"


SETS: Final = (TruthSet(name="gemmini_rtl", truth="silicon", predict=predict, shipped=SHIPPED),)

__all__ = ["SETS", "Run", "Runs", "predict", "read_runs", "run_cycles"]
