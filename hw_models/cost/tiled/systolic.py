"""Closed forms of a systolic array: exact cycles, folds, utilisation and operand traffic of a product.

A product of (m x k) inputs by (k x n) weights runs on an array of `rows` x `cols` MAC units in folds: two of
its three loops are spread over the array, `ceil` of each over its axis, and the third streams through it. All
functions take integers or integer arrays that broadcast against each other.

Source: Samajdar et al., "A Systematic Methodology for Characterizing Scalability of DNN Accelerators using
SCALE-Sim", ISPASS 2020, section III; SCALE-Sim v3.0.0 (MIT), `scalesim/compute/systolic_compute_*.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from hw_models.errors import UnknownNameError

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray

DATAFLOWS: Final = ("ws", "os", "is")
"""Weight, output and input stationary: which operand stays in the array while the others pass."""


class Spread(NamedTuple):
    """Which extents of a product lie along the array and which one streams through it.

    Attributes:
        along_rows, along_cols: extents that are cut into folds.
        streamed: steps that one fold takes, the array being full.
    """

    along_rows: IntArray
    along_cols: IntArray
    streamed: IntArray


@dataclass(frozen=True, eq=False)
class SystolicCounts:
    """What a product costs a systolic array whose memories never stall it.

    Attributes:
        row_folds, col_folds: times the array is filled along each axis; folds: their product.
        cycles_per_fold: from the first operand that enters to the last result that leaves.
        cycles: of all folds, one after the other. SCALE-Sim reports the index of the last one, `cycles - 1`.
        mapping_efficiency: share of the array that holds work, mean over folds.
        utilisation: MACs over cycles x array.
        input_reads, weight_reads, output_writes: elements that cross the edge of the array; where the
            reduction is cut into folds, every partial sum is written once.
    """

    row_folds: IntArray
    col_folds: IntArray
    folds: IntArray
    cycles_per_fold: IntArray
    cycles: IntArray
    mapping_efficiency: FloatArray
    utilisation: FloatArray
    input_reads: IntArray
    weight_reads: IntArray
    output_writes: IntArray


def gemm_of_conv(
    in_size: Any, kernel: Any, stride: Any, channels: Any, filters: Any
) -> tuple[IntArray, IntArray, IntArray]:
    """(m, n, k) of a convolution without padding; a last window that juts out of the input counts in full.

    Args:
        in_size: (..., 2) rows and columns of the input.
        kernel: (..., 2) taps along each.
        stride: (..., 2) steps along each.
        channels: (...) of the input.
        filters: (...) output channels.

    Source: SCALE-Sim v3.0.0, `topology_utils.py::topo_calc_hyperparams`.
    """
    taps, steps = np.asarray(kernel, np.int64), np.asarray(stride, np.int64)
    windows = -(-(np.asarray(in_size, np.int64) - taps + steps) // steps)
    return (
        np.asarray(windows.prod(axis=-1)),
        np.asarray(filters, np.int64),
        np.asarray(taps.prod(axis=-1) * np.asarray(channels, np.int64)),
    )


def spread(dataflow: str, m: Any, n: Any, k: Any) -> Spread:
    """How a dataflow lays a product on the array.

    Raises:
        UnknownNameError: no such dataflow.

    Source: SCALE-Sim v3.0.0, `topology_utils.py::calc_spatio_temporal_params`.
    """
    outer, width, depth = (np.asarray(x, np.int64) for x in (m, n, k))
    if dataflow == "ws":
        return Spread(depth, width, outer)
    if dataflow == "os":
        return Spread(outer, width, depth)
    if dataflow == "is":
        return Spread(depth, outer, width)
    raise UnknownNameError("systolic dataflow", dataflow, DATAFLOWS, f"known: {', '.join(DATAFLOWS)}")


def cycles_per_fold(dataflow: str, streamed: Any, rows: Any, cols: Any) -> IntArray:
    """Cycles of one fold, nothing overlapped with the next.

    Weight and input stationary: `rows` to load the operand that stays, `streamed` to pass the other through,
    `rows + cols - 2` until the last sum has crossed the array. Output stationary: no load; the results leave
    while the last ones are still being summed.

    Source: SCALE-Sim v3.0.0. The ISPASS 2020 paper gives 2 rows + cols + streamed - 2 for all three.
    """
    load = 0 if dataflow == "os" else np.asarray(rows, np.int64)
    return np.asarray(load + rows + cols + np.asarray(streamed, np.int64) - 2)


def double_buffered_cycles(folds: Any, streamed: Any, rows: Any, cols: Any) -> IntArray:
    """Cycles of all folds of an array that loads the next stationary operand while it works on this one.

    The load takes `rows` cycles a fold and hides where a fold streams for longer; the first load, and the
    `rows + cols - 2` until the last sum is out, never hide.

    Source: Jouppi et al., "In-Datacenter Performance Analysis of a Tensor Processing Unit", ISCA 2017,
    section 2: the matrix unit holds one 64 KiB tile of weights plus one for double buffering.
    """
    busy = np.asarray(folds, np.int64) * np.maximum(streamed, rows)
    return np.asarray(busy + rows + np.asarray(rows, np.int64) + cols - 2)


def systolic_counts(dataflow: str, m: Any, n: Any, k: Any, rows: Any, cols: Any) -> SystolicCounts:
    """Exact counts of the product (m x k) by (k x n) on an array, its memories fast enough.

    Args:
        dataflow: one of `DATAFLOWS`.
        m: rows of the inputs and of the outputs.
        n: columns of the weights and of the outputs.
        k: extent of the reduction.
        rows: of the array.
        cols: of the array.

    Raises:
        UnknownNameError: no such dataflow.
    """
    along_rows, along_cols, streamed = spread(dataflow, m, n, k)
    high, wide = np.asarray(rows, np.int64), np.asarray(cols, np.int64)
    row_folds, col_folds = -(-along_rows // high), -(-along_cols // wide)
    folds, once = row_folds * col_folds, cycles_per_fold(dataflow, streamed, high, wide)
    held, by_row, by_col = along_rows * along_cols, along_rows * streamed, along_cols * streamed
    # operands that enter through the rows come again for every fold of columns, and the other way round
    reads_by_row, crossing_cols = by_row * col_folds, by_col * row_folds
    inputs, weights, outputs = {
        "ws": (reads_by_row, held, crossing_cols),
        "os": (reads_by_row, crossing_cols, held),
        "is": (held, reads_by_row, crossing_cols),
    }[dataflow]
    units = high * wide
    return SystolicCounts(
        row_folds=row_folds,
        col_folds=col_folds,
        folds=folds,
        cycles_per_fold=once,
        cycles=folds * once,
        mapping_efficiency=np.asarray(held / (folds * units)),
        utilisation=np.asarray(held * streamed / (folds * once * units)),
        input_reads=np.asarray(inputs),
        weight_reads=np.asarray(weights),
        output_writes=np.asarray(outputs),
    )
