"""Which operand of a convolution or product crosses the edge of a systolic array in which cycle.

The order of addresses is that of SCALE-Sim v3.0.0 (MIT), `scalesim/compute/operand_matrix.py` and
`systolic_compute_{ws,os,is}.py`; the replay of its memories needs it to the letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hw_models.cost.tiled.systolic import cycles_per_fold, gemm_of_conv, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Addresses = NDArray[np.int32]

NOTHING = -1
"""Address of a unit that has no request in a cycle."""


@dataclass(frozen=True, slots=True)
class Run:
    """One layer on one machine, as SCALE-Sim is told about it.

    A product of (m x k) by (k x n) has in_size (m, k), kernel (1, k), one channel and n filters.

    Attributes:
        dataflow: "ws", "os" or "is".
        rows, cols: of the array.
        in_size, kernel, stride: along y and x; channels, filters: of the layer.
        buffers_kib: of inputs, weights and outputs.
        bandwidth: words per cycle from and to DRAM; None: SCALE-Sim's CALC mode, where the memory keeps up.
    """

    dataflow: str
    rows: int
    cols: int
    in_size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    channels: int
    filters: int
    buffers_kib: tuple[int, int, int] = (64, 64, 64)
    bandwidth: int | None = None

    @classmethod
    def of_gemm(
        cls, dataflow: str, array: tuple[int, int], gemm: tuple[int, int, int], bandwidth: int | None = None
    ) -> Run:
        """The product of (m x k) by (k x n), gemm being (m, n, k)."""
        m, n, k = gemm
        return cls(dataflow, *array, (m, k), (1, k), (1, 1), 1, n, bandwidth=bandwidth)

    @property
    def gemm(self) -> tuple[int, int, int]:
        """(m, n, k) of the product that it comes down to."""
        m, n, k = gemm_of_conv(self.in_size, self.kernel, self.stride, self.channels, self.filters)
        return int(m), int(n), int(k)

    def input_matrix(self) -> Addresses:
        """(m, k) address of every input of every window; `NOTHING` where a window juts out of the input."""
        high, wide = self.in_size
        windows = -(-(wide - self.kernel[1] + self.stride[1]) // self.stride[1])
        m, _, k = self.gemm
        at_y, at_x = np.divmod(np.arange(m)[:, None], windows)
        tap_y, rest = np.divmod(np.arange(k)[None, :], self.kernel[1] * self.channels)
        tap_x, channel = np.divmod(rest, self.channels)
        y, x = at_y * self.stride[0] + tap_y, at_x * self.stride[1] + tap_x
        inside = (y < high) & (x < wide)
        return np.where(inside, (y * wide + x) * self.channels + channel, NOTHING).astype(np.int32)

    def weight_matrix(self) -> Addresses:
        """(k, n) address of every weight."""
        _, n, k = self.gemm
        return (np.arange(n)[None, :] * k + np.arange(k)[:, None]).astype(np.int32)

    def output_matrix(self) -> Addresses:
        """(m, n) address of every output."""
        m, n, _ = self.gemm
        return np.arange(m * n, dtype=np.int32).reshape(m, n)


class Demand(NamedTuple):
    """Requests of one operand: line i asks for `address[start[i] : start[i + 1]]`, left to right."""

    start: NDArray[np.int64]
    address: Addresses


def demands(run: Run) -> tuple[Demand, Demand, Demand]:
    """Requests for inputs, for weights, of outputs: a line per cycle in which nothing stalls."""
    m, n, k = run.gemm
    streamed = int(spread(run.dataflow, m, n, k).streamed)
    lines = int(cycles_per_fold(run.dataflow, streamed, run.rows, run.cols))
    found: tuple[list[Demand], list[Demand], list[Demand]] = ([], [], [])
    for blocks in _folds(run):
        for kept, block in zip(found, blocks, strict=True):
            kept.append(_lines(block, lines))
    inputs, weights, outputs = (_joined(parts) for parts in found)
    return inputs, weights, outputs


class _Block(NamedTuple):
    """Addresses of one fold: first line, rows of requests, and whether column j comes j lines later."""

    first: int
    addresses: Addresses
    skewed: bool


def _folds(run: Run) -> Iterator[tuple[_Block, _Block, _Block]]:
    """Blocks of inputs, weights and outputs, fold by fold: along the rows first, then along the columns."""
    inputs, weights, outputs = run.input_matrix(), run.weight_matrix(), run.output_matrix()
    m, n, k = run.gemm
    reach = spread(run.dataflow, m, n, k)
    for c in range(0, int(reach.along_cols), run.cols):
        for r in range(0, int(reach.along_rows), run.rows):
            row, col = slice(r, r + run.rows), slice(c, c + run.cols)
            if run.dataflow == "ws":
                yield (
                    _Block(run.rows, inputs[:, row], True),
                    _loaded(weights[row, col], run.rows),
                    _Block(2 * run.rows - 1, outputs[:, col], True),
                )
            elif run.dataflow == "os":
                drained = _loaded(outputs[row, col], run.rows)
                yield (
                    _Block(0, inputs[row].T, True),
                    _Block(0, weights[:, col], True),
                    _Block(k - 1 + drained.first, drained.addresses, True),
                )
            else:
                yield (
                    _loaded(inputs.T[row, col], run.rows),
                    _Block(run.rows, weights[row].T, True),
                    _Block(2 * run.rows - 1, outputs[col].T, True),
                )


def _loaded(tile: Addresses, rows: int) -> _Block:
    """A tile that passes the edge last row first, so that its first row ends up at the top of the array."""
    return _Block(rows - len(tile), tile[::-1], False)


def _lines(block: _Block, lines: int) -> Demand:
    height, width = block.addresses.shape
    dense = np.full((lines, width), NOTHING, np.int32)
    for j in range(width):
        first = block.first + (j if block.skewed else 0)
        dense[first : first + height, j] = block.addresses[:, j]
    asked = dense != NOTHING
    return Demand(asked.sum(axis=1), dense[asked])


def _joined(parts: list[Demand]) -> Demand:
    counts = np.concatenate([p.start for p in parts])
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Demand(start, np.concatenate([p.address for p in parts]))


def fetch_order(run: Run) -> tuple[Addresses, Addresses]:
    """Addresses of inputs and of weights in the order in which a prefetcher asks DRAM for them."""
    inputs, weights = run.input_matrix(), run.weight_matrix()
    if run.dataflow == "ws":
        return _diagonals(_stack(inputs, run.rows)), _stack(weights, run.cols).ravel()
    if run.dataflow == "os":
        return _diagonals(_stack(inputs.T, run.rows)), _diagonals(_stack(weights, run.cols))
    return _stack(inputs.T, run.cols).ravel(), _diagonals(_stack(weights.T, run.rows))


def _stack(matrix: Addresses, width: int) -> Addresses:
    """Panels of `width` columns, one below the other, the last one padded."""
    short = -matrix.shape[1] % width
    padded = np.pad(matrix, ((0, 0), (0, short)), constant_values=NOTHING)
    return np.concatenate([padded[:, c : c + width] for c in range(0, padded.shape[1], width)])


def _diagonals(matrix: Addresses) -> Addresses:
    """Anti-diagonals one after the other, each from its lowest row up: as a skewed demand asks for them."""
    rows, cols = np.indices(matrix.shape)
    order = np.lexsort((cols.ravel(), (rows + cols).ravel()))
    return matrix.ravel()[order]
