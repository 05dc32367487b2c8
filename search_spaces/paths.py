"""What the paths through a network tell of it without training: by dynamic programming over its graph.

The graph's steps stand on its edges, as in a cell. Three questions are asked of all paths from the input to
the output at once: how many there are, how much of each kind of step they hold (mean, variance, least,
most), and how the output's signal is made up, by the path it took. A step that normalises its output hands
on a signal of unit variance, whatever came in; any other hands on what came in, so a skip beside a
convolution keeps its share.
Source: Ioffe, Szegedy: Batch Normalization, ICML 2015, and De, Smith: Batch Normalization Biases Residual
Blocks Towards the Identity Function, NeurIPS 2020, for the variance of sums over branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CUT: Final = -1.0
"""Least and most of a graph whose output no path reaches."""
POOLED: Final = 0.5
"""Variance that a 3x3 mean over neighbouring pixels leaves. Source: own choice; pixels are much alike."""


@dataclass(frozen=True)
class Steps:
    """The steps of n graphs that have e edges between the same nodes.

    Attributes:
        edges: (from, to) of each; all edges into a node stand before those out of it. The first edge starts
            at the input, the last one ends at the output.
        whole: (n, e) False where an edge is cut.
        amounts: (n, e, k) how much of each of k kinds of step an edge holds; of the first kind are steps
            with weights.
        renews: (n, e) whether the signal leaves with unit variance.
        gain: (n, e) else the variance that leaves by the variance that comes.
    """

    edges: Sequence[tuple[int, int]]
    whole: BoolArray
    amounts: FloatArray
    renews: BoolArray
    gain: FloatArray


def path_features(steps: Steps) -> FloatArray:
    """(n, 7 + 5 k) of the paths from input to output.

    Columns: whether there is one; log(1 + paths); for each kind mean, variance, least and most over the
    paths; log(1 + variance of the output's signal); its shares that met 0, 1, 2 and more
    weighted steps; for each kind the mean over the signal.
    """
    paths = _over_paths(steps)
    return np.concatenate([paths, _over_signal(steps)], axis=1)


def _over_paths(steps: Steps) -> FloatArray:
    n, _, k = steps.amounts.shape
    source, sink, size = _ends(steps)
    number, total, squares = np.zeros((size, n)), np.zeros((size, n, k)), np.zeros((size, n, k))
    least, most = np.full((size, n, k), np.inf), np.full((size, n, k), -np.inf)
    number[source], least[source], most[source] = 1.0, 0.0, 0.0
    for e, (i, j) in enumerate(steps.edges):
        held, whole = steps.amounts[:, e], steps.whole[:, e, None]
        number[j] += whole[:, 0] * number[i]
        total[j] += whole * (total[i] + held * number[i][:, None])
        squares[j] += whole * (squares[i] + 2 * held * total[i] + held * held * number[i][:, None])
        least[j] = np.minimum(least[j], np.where(whole, least[i] + held, np.inf))
        most[j] = np.maximum(most[j], np.where(whole, most[i] + held, -np.inf))
    some = number[sink] > 0
    mean = total[sink] / np.maximum(number[sink], 1.0)[:, None]
    variance = np.maximum(squares[sink] / np.maximum(number[sink], 1.0)[:, None] - mean**2, 0.0)
    ends = [np.where(some[:, None], x[sink], CUT) for x in (least, most)]
    return np.column_stack([some, np.log1p(number[sink]), mean, variance, *ends])


def _over_signal(steps: Steps) -> FloatArray:
    n, _, k = steps.amounts.shape
    source, sink, size = _ends(steps)
    by_depth, held = np.zeros((size, n, DEPTHS)), np.zeros((size, n, k))
    by_depth[source, :, 0] = 1.0
    for e, (i, j) in enumerate(steps.edges):
        came = by_depth[i].sum(1)
        flows = steps.whole[:, e] & (came > 0)
        leaves = np.where(steps.renews[:, e], 1.0, steps.gain[:, e] * came) * flows
        scale = (leaves / np.where(came > 0, came, 1.0))[:, None]
        here = np.where(steps.amounts[:, e, :1] > 0, _deeper(by_depth[i]), by_depth[i])
        by_depth[j] += scale * here
        held[j] += scale * held[i] + leaves[:, None] * steps.amounts[:, e]
    variance = by_depth[sink].sum(1)
    unit = np.where(variance > 0, variance, 1.0)[:, None]
    return np.column_stack([np.log1p(variance), by_depth[sink] / unit, held[sink] / unit])


DEPTHS: Final = 4
"""Shares of the signal that are told apart: none, one, two, and three or more weighted steps."""


def _deeper(by_depth: FloatArray) -> FloatArray:
    moved = np.zeros_like(by_depth)
    moved[:, 1:] = by_depth[:, :-1]
    moved[:, -1] += by_depth[:, -1]
    return moved


def _ends(steps: Steps) -> tuple[int, int, int]:
    return steps.edges[0][0], steps.edges[-1][1], 1 + max(j for _, j in steps.edges)
