"""SCALE-Sim's golden traces: cycles, utilisation and traffic of single layers on systolic arrays.

What follows from the array alone comes from the closed forms of `hw_models.cost.tiled.systolic`; stalls, DRAM
traffic and the cycles at which an operand starts and stops from a replay of the simulator's memories. A file
names its case; the machine and layer behind it are those of `CASES`, or stand in columns of their own
(`COLUMNS`), or in the name: "M256 N128 K256, 32x32 WS", "128x128x128 on 16x16 OS",
"conv 224x224x3, 96 filters 11x11 stride 4, 32x32 WS".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hw_models.cost.tiled.systolic import DATAFLOWS, SystolicCounts, systolic_counts
from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.figures import read_figures
from hw_models.validation.truth.scalesim_demand import Run

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.validation.truth.scalesim_replay import Replay

CASES: Final[Mapping[str, Run]] = {
    "golden_trace_calc": Run("ws", 32, 32, (224, 224), (11, 11), (4, 4), 3, 96, (64, 64, 64), None),
    "golden_trace_user_ws": Run.of_gemm("ws", (32, 32), (256, 128, 256), bandwidth=10),
    "golden_trace_user_os": Run.of_gemm("os", (32, 32), (256, 128, 256), bandwidth=10),
    "golden_trace_user_is": Run.of_gemm("is", (32, 32), (256, 128, 256), bandwidth=10),
}
"""Machine and layer of the cases that the simulator's own tests run: buffers of 64 KiB, in USER mode 10 words
per cycle. Source: scalesim-project/SCALE-Sim @1d62b68, `test/general`."""

GEMM: Final = ("m", "n", "k")
CONV: Final = ("in_h", "in_w", "kernel_h", "kernel_w", "stride_h", "stride_w", "channels", "filters")
BUFFERS: Final = ("ifmap_kib", "filter_kib", "ofmap_kib")
COLUMNS: Final = ("rows", "cols", *GEMM, *CONV, *BUFFERS, "bandwidth")
"""Columns of numbers that a file may have beside `dataflow`: the array, a product or a convolution, sizes of
the buffers in KiB, words per cycle from DRAM (empty: the memory keeps up)."""

UNKNOWN: Final = f"machine and layer are not known; columns dataflow, {', '.join(COLUMNS)} would tell"

CELLS_BEYOND: Final = 60_000_000
"""Requests above which the memories are not replayed: some 10 s and 1 GB."""

_DIMS: Final = re.compile(r"\bm(\d+)[ _,x]*n(\d+)[ _,x]*k(\d+)", re.IGNORECASE)
_PRODUCT: Final = re.compile(r"\b(\d+)x(\d+)x(\d+) on\b", re.IGNORECASE)
_CONV: Final = re.compile(r"(\d+)x(\d+)x(\d+)\D+(\d+) filters (\d+)x(\d+)(?: stride (\d+))?", re.IGNORECASE)
_ARRAY: Final = re.compile(r"(?<![\dx])(\d+)x(\d+)[ _](ws|os|is)\b", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Case:
    """A run, and whether its memories are known; without them only what the array alone says can be told."""

    run: Run
    memory_known: bool = True

    @cached_property
    def counts(self) -> SystolicCounts:
        """Closed forms of the array."""
        run = self.run
        return systolic_counts(run.dataflow, *run.gemm, run.rows, run.cols)

    @cached_property
    def memory(self) -> Replay | None:
        """What the memories make of it; None where they are not known or the layer is too large."""
        traffic = self.counts.input_reads + self.counts.weight_reads + self.counts.output_writes
        if not self.memory_known or traffic > CELLS_BEYOND:
            return None
        from hw_models.validation.truth.scalesim_replay import replay

        return replay(self.run)


def case_of(name: str, row: Mapping[str, Any]) -> Case | None:
    """The case behind a row: by its columns, by its name, or from `CASES`; None where nothing tells."""
    if (run := _from_columns(row)) is not None:
        return run
    if name in CASES:
        return Case(CASES[name])
    found = _from_name(name)
    return None if found is None else Case(found, memory_known=False)


def _from_columns(row: Mapping[str, Any]) -> Case | None:
    def given(*columns: str) -> list[int]:
        values = [row.get(c, float("nan")) for c in columns]
        return [int(v) for v in values] if all(v == v for v in values) else []  # noqa: PLR0124  (NaN)

    dataflow, array, gemm, conv = (
        str(row.get("dataflow")).lower(),
        given("rows", "cols"),
        given(*GEMM),
        given(*CONV),
    )
    if dataflow not in DATAFLOWS or not array or not (gemm or conv):
        return None
    if gemm:
        run = Run.of_gemm(dataflow, (array[0], array[1]), (gemm[0], gemm[1], gemm[2]))
    else:
        high, wide, ky, kx, sy, sx, channels, filters = conv
        run = Run(dataflow, array[0], array[1], (high, wide), (ky, kx), (sy, sx), channels, filters)
    if not (sizes := given(*BUFFERS)):
        return Case(run, memory_known=False)
    bandwidth = given("bandwidth")
    return Case(
        replace(
            run, buffers_kib=(sizes[0], sizes[1], sizes[2]), bandwidth=bandwidth[0] if bandwidth else None
        )
    )


def _from_name(name: str) -> Run | None:
    array = _ARRAY.search(name)
    if array is None:
        return None
    rows, cols, dataflow = int(array[1]), int(array[2]), array[3].lower()
    if conv := _CONV.search(name):
        high, wide, channels, filters, ky, kx, stride = (int(x or 1) for x in conv.groups())
        return Run(dataflow, rows, cols, (high, wide), (ky, kx), (stride, stride), channels, filters)
    if gemm := _DIMS.search(name):
        m, n, k = (int(x) for x in gemm.groups())
    elif product := _PRODUCT.search(name):
        m, k, n = (int(x) for x in product.groups())
    else:
        return None
    return Run.of_gemm(dataflow, (rows, cols), (m, n, k))


def _total(case: Case) -> float | None:
    """Index of the last cycle: of the array alone where the memories are not known."""
    if not case.memory_known:
        return float(case.counts.cycles - 1)
    return None if case.memory is None else float(case.counts.cycles - 1 + case.memory.stall_cycles)


def _overall(case: Case) -> float | None:
    total = _total(case)
    return None if total is None else float(100 * case.counts.utilisation * case.counts.cycles / total)


def _compute(case: Case) -> float:
    """Work over array x cycles of a fold, to which SCALE-Sim adds cols - 1 where weights or inputs stay."""
    run, counts = case.run, case.counts
    extra = 0 if run.dataflow == "os" else run.cols - 1
    return float(100 * counts.utilisation * counts.cycles_per_fold / (counts.cycles_per_fold + extra))


def _writes(case: Case) -> float:
    """Outputs written, to which SCALE-Sim's output stationary adds rows + cols a fold."""
    run, counts = case.run, case.counts
    extra = counts.folds * (run.rows + run.cols) if run.dataflow == "os" else 0
    return float(counts.output_writes + extra)


def _of_memory(field: str, operand: int, column: int) -> Callable[[Case], float | None]:
    def figure(case: Case) -> float | None:
        return None if case.memory is None else float(getattr(case.memory, field)[operand, column])

    return figure


def _traffic() -> Iterator[tuple[str, tuple[str, Callable[[Case], float | None]]]]:
    for level in ("SRAM", "DRAM"):
        for operand, of in enumerate(("IFMAP", "Filter", "OFMAP")):
            for column, edge in enumerate(("Start Cycle", "Stop Cycle")):
                at = f"{level.lower()}_start_stop_cycle"
                yield f"{level} {of} {edge}", (at, _of_memory(level.lower(), operand, column))
        yield "DRAM IFMAP Reads", ("dram_words", _of_memory("dram", 0, 2))
        yield "DRAM Filter Reads", ("dram_words", _of_memory("dram", 1, 2))
        yield "DRAM OFMAP Writes", ("dram_words", _of_memory("dram", 2, 2))


METRICS: Final[Mapping[str, tuple[str, Callable[[Case], float | None]]]] = {
    "Total Cycles": ("cycles", _total),
    "Total Cycles (incl. prefetch)": (
        "cycles",
        lambda case: None if case.memory is None else float(case.memory.cycles_with_prefetch),
    ),
    "Stall Cycles": ("cycles", lambda case: None if case.memory is None else float(case.memory.stall_cycles)),
    "Mapping Efficiency %": ("utilisation_pct", lambda case: float(100 * case.counts.mapping_efficiency)),
    "Compute Util %": ("utilisation_pct", _compute),
    "Overall Util %": ("utilisation_pct", _overall),
    "SRAM IFMAP Reads": ("sram_words", lambda case: float(case.counts.input_reads)),
    "SRAM Filter Reads": ("sram_words", lambda case: float(case.counts.weight_reads)),
    "SRAM OFMAP Writes": ("sram_words", _writes),
    **dict(_traffic()),
}
"""Metric as SCALE-Sim prints it -> the quantity it is one of, and our figure (None: cannot be told)."""


def predict(path: Path) -> Points:
    """Our figures beside those of the file.

    Raises:
        FileError: the file is not what its name says.
    """
    frame = read_figures(path, texts=("case", "metric"), numbers=("value",), may_hold=COLUMNS, sizes=COLUMNS)
    cases: dict[tuple[Any, ...], Case | None] = {}
    rows, skipped = [], Counter[str]()
    for line in frame.to_dict("records"):
        row = {str(k): v for k, v in line.items()}
        key = (row["case"], str(row.get("dataflow")), *(str(row[c]) for c in COLUMNS))
        if key not in cases:
            cases[key] = case_of(str(row["case"]), row)
        case, metric, value = cases[key], str(row["metric"]), float(row["value"])
        if case is None:
            skipped[
                f"case '{row['case']}': no machine and layer known; see columns {', '.join(COLUMNS)}"
            ] += 1
            continue
        if metric not in METRICS:
            skipped[f"metric '{metric}' is not one of SCALE-Sim's reports"] += 1
            continue
        quantity, figure = METRICS[metric]
        ours = figure(case)
        if ours is None:
            skipped["the memories are not known, or the layer is too large to replay them"] += 1
        elif value == 0:
            skipped[f"published as 0, ours is {ours:g}: no relative error"] += 1
        else:
            rows.append((case.run, row["case"], metric, quantity, value, ours))
    return Points(_frame(rows), fidelity="tiled", skipped=skipped)


def _frame(rows: list[tuple[Run, str, str, str, float, float]]) -> pd.DataFrame:
    return point_frame(
        device=[f"systolic {run.rows}x{run.cols}" for run, *_ in rows],
        mode=[f"{run.dataflow}|{'calc' if run.bandwidth is None else 'user'}" for run, *_ in rows],
        quantity=[row[3] for row in rows],
        measured=[row[4] for row in rows],
        predicted=[row[5] for row in rows],
        case=[row[1] for row in rows],
        metric=[row[2] for row in rows],
    )


SETS: Final = (
    TruthSet(
        name="scalesim_golden",
        truth="closed_form",
        predict=predict,
        shipped=Path(__file__).parent / "data" / "scalesim_golden.csv",
    ),
)
