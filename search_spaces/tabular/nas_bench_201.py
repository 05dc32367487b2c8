"""NAS-Bench-201 as a table: 15,625 cells, trained on three data sets and timed on many devices.

Isomorphic cells have results of their own in the table (standard deviation 0.3 points), so they stay
distinct; what a cell computes is counted on the edges that lie on a path from input to output.
Source: Dong, Yang: NAS-Bench-201, ICLR 2020.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from search_spaces.knobs import Choice
from search_spaces.paths import POOLED, Steps, path_features
from search_spaces.tabular.table import TableSpace

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate

OPERATORS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES: Final = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""From node, to node; node 0 is the cell's input, node 3 its output."""
KNOBS: Final = tuple(f"op_{i}_{j}" for i, j in EDGES)
PATHS: Final = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""Positions of the edges of every path from input to output."""

CELLS: Final = 5
"""Cells of each of three stages, of 16, 32 and 64 channels on 32, 16 and 8 pixels."""
STAGES: Final = ((16, 32), (32, 16), (64, 8))

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def live(operators: IntArray) -> NDArray[np.bool_]:
    """(n, 6) which edges lie on a path from input to output that no `none` cuts; of (n, 6) operators."""
    alive = np.zeros(operators.shape, bool)
    for path in PATHS:
        whole = (operators[:, list(path)] != 0).all(1)
        alive[:, list(path)] |= whole[:, None]
    return alive


def counted(operators: IntArray) -> FloatArray:
    """(n, 27) what a cell computes, dead edges left out: sizes, operators, and what its paths tell.

    Columns: log of MACs and of parameters of the live convolutions; live skips, 1x1, 3x3 and pools; then
    `path_features` of convolutions, 3x3 ones, pools and steps of any kind but skips.
    """
    alive = live(operators)
    of = [(alive & (operators == k)).sum(1) for k in range(len(OPERATORS))]
    taps = of[2] + 9.0 * of[3]
    macs = CELLS * taps * sum(c * c * p * p for c, p in STAGES)
    params = CELLS * (taps * sum(c * c for c, _ in STAGES) + (of[2] + of[3]) * sum(2 * c for c, _ in STAGES))
    convolves, pools = np.isin(operators, (2, 3)), operators == 4
    kinds = np.stack([convolves, operators == 3, pools, operators > 1], 2).astype(np.float64)
    steps = Steps(EDGES, operators != 0, kinds, convolves, np.where(pools, POOLED, 1.0))
    sizes = [np.log(macs + STEM_MACS), np.log(params + STEM_PARAMS), *of[1:]]
    return np.column_stack([*sizes, path_features(steps)]).astype(np.float64)


STEM_MACS: Final = 7_783_040.0
"""MACs of the network around its cells: stem, reductions, classifier, at 32 x 32 pixels and 10 classes."""
STEM_PARAMS: Final = 73_306.0
"""Parameters of the same."""


def effective(candidate: Candidate) -> Candidate:
    """The live edges alone."""
    whole = [path for path in PATHS if all(candidate[KNOBS[edge]] != OPERATORS[0] for edge in path)]
    return candidate.only({KNOBS[edge] for path in whole for edge in path})


def load(directory: str | Path) -> TableSpace:
    """The table with a column for each accuracy and for each device's latency [ms].

    Args:
        directory: where `nb201_accuracy.parquet` and `nb201_latency.parquet` lie.
    """
    import pandas as pd

    where = Path(directory)
    rows = pd.read_parquet(where / "nb201_accuracy.parquet").merge(
        pd.read_parquet(where / "nb201_latency.parquet"), on="arch", validate="one_to_one"
    )
    features = counted(rows[list(KNOBS)].to_numpy(np.int64))
    named = rows.assign(**{k: [OPERATORS[v] for v in rows[k]] for k in KNOBS})
    return TableSpace("nas_bench_201", {k: Choice(OPERATORS) for k in KNOBS}, named, features, effective)
