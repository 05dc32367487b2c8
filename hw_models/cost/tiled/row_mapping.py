"""Row-stationary mappings: how a convolution is laid on an array of PEs with scratchpads, and what moves.

A PE holds one row of filter taps and slides it along a row of inputs. `ky` x `e` PEs form a set that works on
e rows of outputs; r sets take different channels and t sets different filters at a time, each PE p filters
and q channels; the global buffer keeps partial sums of m filters and n images. The letters are the paper's.

Every layer has one mapping, found by its shape: of those that keep nearly as many PEs busy as can be, the
one with the least DRAM traffic, then the least energy on the chip. The rule is inferred: by it the active PEs
of all 18 layers that the paper reports come out, and the traffic of the global buffer for AlexNet to the last
digit.

Source: Chen, Krishna, Emer and Sze, "Eyeriss: An Energy-Efficient Reconfigurable Accelerator for Deep
Convolutional Neural Networks", JSSC 52(1), 2017, sections III to V.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from typing_extensions import override

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray

BUSY_SHARE: Final = 0.9
"""Least share of the most PEs that can be busy. Source: inferred, the largest tenth under which the published
numbers of active PEs come out."""

RUN_LENGTH: Final = 64.0 / 48.0
"""Bits of a run-length code over those of the values that are not zero: three 16-bit values and their runs in
64 bits. Source: section V.B."""

GLOBAL_BUFFER_ENERGY: Final = 6.0
"""Of a 16-bit access, in MACs. Source: Chen et al., ISCA 2016, Table IV."""

HOP_ENERGY: Final = 2.0
"""Of 16 bits from PE to PE, in MACs. Source: the same."""


@dataclass(frozen=True, slots=True)
class RowLayer:
    """A convolution: n images, g groups, c channels and k filters of each, ky x kx taps.

    Attributes:
        stored: elements of one channel of one image as they lie in DRAM, without padding.
        span_y, span_x: rows and columns of inputs that one window covers; 0: ky and kx, taps without gaps.
    """

    n: int
    g: int
    c: int
    k: int
    oy: int
    ox: int
    ky: int
    kx: int
    stride_y: int
    stride_x: int
    stored: float
    span_y: int = 0
    span_x: int = 0

    def rows_for(self, outputs: Any) -> Any:
        """Rows of the padded input that rows of outputs need."""
        return (outputs - 1) * self.stride_y + (self.span_y or self.ky)

    def columns_for(self, outputs: int) -> int:
        """Columns of the same."""
        return (outputs - 1) * self.stride_x + (self.span_x or self.kx)

    @property
    def outputs(self) -> float:
        """Elements of the output."""
        return float(self.n * self.g * self.k * self.oy * self.ox)

    @property
    def macs(self) -> float:
        """Multiply-accumulates."""
        return self.outputs * self.c * self.ky * self.kx


@dataclass(frozen=True, slots=True)
class RowArray:
    """An array of PEs and the memories around it.

    Attributes:
        rows, cols: of PEs.
        inputs, weights, sums: words of a PE's three scratchpads.
        buffer: bytes of the global buffer for inputs and sums; filters: bytes for the next pass's filters.
        row_limit: outputs of one row that a pass can take; a longer row is cut.
        word: bytes of a word.
    """

    rows: int
    cols: int
    inputs: int
    weights: int
    sums: int
    buffer: float
    filters: float
    row_limit: int
    word: float = 2.0


@dataclass(frozen=True, slots=True)
class RowMapping:
    """One mapping, by the paper's letters.

    Attributes:
        e: rows of outputs of a set; m, n: filters and images whose sums the global buffer keeps.
        p, q: filters and channels in a PE; r, t: sets for different channels and filters.
        width: outputs of a row that a pass takes; strips, pieces: parts that rows and columns are cut into.
        active: busy PEs.
    """

    e: int
    m: int
    n: int
    p: int
    q: int
    r: int
    t: int
    width: int
    strips: int
    pieces: int
    active: int

    @override
    def __str__(self) -> str:
        letters = " ".join(f"{x}={getattr(self, x)}" for x in "mnepqrt")
        return f"{letters}, {self.active} PEs"


@dataclass(frozen=True, slots=True)
class RowTraffic:
    """Words that a layer moves under a mapping.

    Attributes:
        weights, inputs, outputs: from and to DRAM, uncompressed.
        buffer: between the global buffer and the array; hops: from PE to PE.
    """

    weights: float
    inputs: float
    outputs: float
    buffer: float
    hops: float


def run_length_share(zeros: float) -> float:
    """Size of activations once they are run-length coded, over their size as they are; never above 1."""
    return min(1.0, (1.0 - zeros) * RUN_LENGTH)


def least_buffer(layer: RowLayer, array: RowArray) -> float:
    """Bytes of global buffer without which nothing can start: a row of sums and the input rows it needs."""
    width = min(layer.ox, array.row_limit)
    return float((width + layer.rows_for(1) * layer.columns_for(width)) * array.word)


def foldable(layer: RowLayer, array: RowArray) -> RowLayer:
    """The layer with kernels that a PE and a column of PEs take: what is cut off becomes channels."""
    parts_y = -(-layer.ky // array.rows)
    parts_x = -(-layer.kx // min(array.inputs, array.weights))
    if parts_y * parts_x == 1:
        return layer
    return replace(
        layer,
        c=layer.c * parts_y * parts_x,
        ky=-(-layer.ky // parts_y),
        kx=-(-layer.kx // parts_x),
        stored=layer.stored / (parts_y * parts_x),
        span_y=0,
        span_x=0,
    )


def best_mapping(layer: RowLayer, array: RowArray, zeros: float) -> RowMapping | None:
    """The mapping that the rule finds; None where nothing fits.

    Args:
        layer: with kernels that fit (`foldable`).
        array: what it runs on.
        zeros: share of the inputs that is zero, as far as it is known when a mapping is chosen.
    """
    pieces = -(-layer.ox // array.row_limit)
    width = -(-layer.ox // pieces)
    found = _candidates(layer, array, width, pieces)
    if not found.shape[1]:
        return None
    e, m, n, p, q, r, t = found
    active = e * r * t * layer.ky
    busy = active >= BUSY_SHARE * active.max()
    found, active = found[:, busy], active[busy]
    moved = _moved(layer, found, width, pieces)
    dram = moved.weights + moved.inputs * run_length_share(zeros)
    on_chip = GLOBAL_BUFFER_ENERGY * moved.buffer + HOP_ENERGY * moved.hops
    best = int(np.lexsort((-active, on_chip, np.round(dram)))[0])
    e, m, n, p, q, r, t = (int(x) for x in found[:, best])
    return RowMapping(e, m, n, p, q, r, t, width, -(-layer.oy // e), pieces, int(active[best]))


def traffic(layer: RowLayer, mapping: RowMapping) -> RowTraffic:
    """What moves under a mapping, exact but for the overlap of neighbouring strips, which is averaged."""
    letters = np.array([[getattr(mapping, x)] for x in "emnpqrt"])
    moved = _moved(layer, letters, mapping.width, mapping.pieces)
    return RowTraffic(
        weights=float(moved.weights[0]),
        inputs=float(moved.inputs[0]),
        outputs=layer.outputs,
        buffer=float(moved.buffer[0]),
        hops=float(moved.hops[0]),
    )


def cycles(layer: RowLayer, mapping: RowMapping, port: float) -> float:
    """Cycles of all passes: in each the slower of MACs and of partial sums through the buffer's port.

    Before a pass brings out its first sum, each of the ky PEs of a column has to go once through the taps,
    channels and filters that it holds.

    Args:
        layer: with kernels that fit.
        mapping: of it.
        port: words that the buffer reads, and as many that it writes, in a cycle.
    """
    of_pe = mapping.p * mapping.q * layer.kx
    macs = mapping.width * of_pe * mapping.n
    heights = np.minimum(mapping.e, layer.oy - mapping.e * np.arange(mapping.strips))
    sums = mapping.p * mapping.t * heights * mapping.width * mapping.n / port
    one_round = float(np.maximum(macs, sums).sum()) + mapping.strips * layer.ky * of_pe
    rounds = -(-layer.c // (mapping.q * mapping.r)) * (layer.k // (mapping.p * mapping.t))
    return one_round * rounds * layer.g * (layer.n // mapping.n) * mapping.pieces


@dataclass(frozen=True, eq=False)
class _Moved:
    weights: FloatArray
    inputs: FloatArray
    buffer: FloatArray
    hops: FloatArray


def _divisors(number: int) -> IntArray:
    every = np.arange(1, number + 1)
    divisors: IntArray = every[number % every == 0]
    return divisors


def _candidates(layer: RowLayer, array: RowArray, width: int, pieces: int) -> IntArray:
    """(7, candidates) letters e, m, n, p, q, r, t of every mapping that fits."""
    column = array.rows // layer.ky
    most_q = max(1, min(layer.c, array.inputs // layer.kx))
    divisors = _divisors(layer.k)
    heights = np.arange(1, min(layer.oy, array.cols * column) + 1)
    # beyond the width of the array, only the highest sets that cut the rows into so many strips
    highest = np.append(np.diff(-(-layer.oy // heights)) < 0, True)
    letters = np.meshgrid(
        heights[(heights <= array.cols) | highest],
        divisors,
        np.unique([1, layer.n]),
        divisors[divisors <= array.sums],
        np.arange(1, most_q + 1),
        _divisors(column),
        divisors[divisors <= column * array.cols],
        indexing="ij",
        sparse=True,
    )
    e, m, n, p, q, r, t = letters
    # a set wider than the array is cut into parts that lie one above the other; those cannot be chained
    sets = np.where(e <= array.cols, column * (array.cols // e), column // -(-e // array.cols))
    fits = (r * t <= sets) & ((r == 1) | (e <= array.cols))
    fits = fits & (m % (p * t) == 0) & (p * q * layer.kx <= array.weights)
    fits = fits & ((n == 1) | ((e == layer.oy) & (pieces == 1)))
    fits = fits & (p * t * q * r * layer.ky * layer.kx * array.word <= array.filters)
    held = m * n * e * width + n * q * r * layer.rows_for(e) * layer.columns_for(width)
    fits = fits & (held * array.word <= array.buffer)
    return np.stack([np.broadcast_to(x, fits.shape)[fits] for x in letters])


def _moved(layer: RowLayer, letters: IntArray, width: int, pieces: int) -> _Moved:
    e, m, n, p, q, r, t = letters.astype(np.float64)
    strips, passes = np.ceil(layer.oy / e), np.ceil(layer.c / (q * r))
    high, wide = layer.rows_for(layer.oy), layer.columns_for(layer.ox)
    rows = strips * layer.rows_for(0) + layer.oy * layer.stride_y
    again = rows / high * (pieces * layer.columns_for(width)) / wide
    images = layer.n * layer.g * layer.c * again
    filters = layer.g * layer.k * layer.c * layer.ky * layer.kx
    return _Moved(
        weights=filters * (layer.n / n) * strips * pieces,
        inputs=images * layer.stored * (layer.k / m),
        buffer=2.0 * layer.outputs * passes + images * high * wide * (layer.k / (p * t)),
        hops=layer.outputs * passes * (layer.ky * r - 1.0),
    )
