"""From kernels to contractions: which products a kernel's MACs are, and what of each operand is stored how.

A convolution or matrix product is one contraction, attention is two (queries by keys, weights by values); a
transposed convolution is one for each phase of its stride. Equal contractions of different kernels are one
row, so that a mapping is looked for once; equal means that the kernels move the same bytes, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import GEOMETRY
from hw_models.cost.tiled.problem import Problems
from hw_models.lowering.precision import SCHEMES
from hw_models.workload.op import BITS, OpKind, Precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hw_models.cost.arrays import FloatArray, IntArray, Kernels

BITS_PER_BYTE: Final = 8.0
WEIGHT_BITS: Final = np.array(
    [float(SCHEMES[p.label].weight_bits if p.label in SCHEMES else BITS[p]) for p in Precision]
)
"""Bits of one stored weight by the format in which the MACs run."""
ACTIVATION_BITS: Final = np.array(
    [float(BITS[SCHEMES[p.label].activation if p.label in SCHEMES else p]) for p in Precision]
)
"""Bits of one stored activation by the same."""

Row = tuple[tuple[int, ...], tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int], bool]
"""Loop extents, strides, dilations, input size, padding, whether the second operand was computed."""


@dataclass(frozen=True, eq=False)
class Contractions:
    """The contractions of a table of kernels.

    Attributes:
        problems: (D) distinct ones; `problems.kernel` is the first kernel that has each.
        row: (P,) kernel of each part.
        part: (P,) its position in `problems`.
        n_kernels: U.
        given: (D,) the mapping that each is to run with; None: to be found.
    """

    problems: Problems
    row: IntArray
    part: IntArray
    n_kernels: int
    given: tuple[Any, ...] = ()

    @classmethod
    def of(cls, kernels: Kernels) -> Contractions:
        """The contractions of every kernel with MACs.

        Raises:
            FileError: as many mappings given as a kernel has contractions are not.
        """
        distinct: dict[tuple[Row, int, tuple[Any, ...]], int] = {}
        given: list[Any] = []
        first: list[int] = []
        row: list[int] = []
        part: list[int] = []
        for u in np.flatnonzero(kernels.macs > 0).tolist():
            math, moved = int(kernels.math[u]), _moved(kernels, u)
            parts = list(_parts(kernels, u))
            for found, mapping in zip(parts, _given(kernels, u, len(parts)), strict=True):
                key = (found, math, (*moved, id(mapping)) if mapping else moved)
                position = distinct.setdefault(key, len(distinct))
                if position == len(first):
                    first.append(u)
                    given.append(mapping)
                row.append(u)
                part.append(position)
        rows = [key for key, _, _ in distinct]
        math_of = np.array([math for _, math, _ in distinct], np.int64)

        def table(column: int, width: int) -> IntArray:
            return np.array([r[column] for r in rows], np.int64).reshape(len(rows), width)

        computed = np.array([r[5] for r in rows], np.bool_)
        activation = ACTIVATION_BITS[math_of]
        problems = Problems(
            dims=table(0, 8),
            stride=table(1, 2),
            dilation=table(2, 2),
            in_size=table(3, 2),
            pad=table(4, 2),
            weight_bits=np.where(computed, activation, WEIGHT_BITS[math_of]),
            input_bits=activation,
            output_bits=activation.copy(),
            weight_is_activation=computed,
            kernel=np.array(first, np.int64),
        )
        of_kernels, of_problems = np.array(row, np.int64), np.array(part, np.int64)
        return cls(problems, of_kernels, of_problems, kernels.n_distinct, tuple(given))

    def __len__(self) -> int:
        return len(self.row)

    def sum(self, values: FloatArray) -> FloatArray:
        """(U, ...) sum of (D, ...) over the parts of each kernel; NaN only where a part of it is."""
        total = np.zeros((self.n_kernels, *values.shape[1:]))
        np.add.at(total, self.row, values[self.part])
        return total

    @cached_property
    def once(self) -> FloatArray:
        """(D, 2) bytes that the operands are: inputs with weights, which are read, and outputs, written."""
        p = self.problems
        read = p.input_elements * p.input_bits + p.weight_elements * p.weight_bits
        return np.stack([read, p.output_elements * p.output_bits], axis=-1) / BITS_PER_BYTE

    @cached_property
    def between_bytes(self) -> FloatArray:
        """(U,) bytes that one part of a kernel writes and the next one reads: the scores of an attention."""
        write = self.once[:, 1]
        last = np.append(self.row[1:] != self.row[:-1], True)[: len(self.row)]
        total = np.zeros(self.n_kernels)
        np.add.at(total, self.row[~last], write[self.part[~last]])
        return total


def _moved(kernels: Kernels, u: int) -> tuple[float, ...]:
    """What a kernel moves, by which the same contraction may be worth another mapping; NaN told as -1."""
    columns = (kernels.weight_bytes, kernels.read_bytes, kernels.write_bytes, kernels.reuse_bytes)
    return tuple(float(np.nan_to_num(c[u], nan=-1.0)) for c in columns)


def _given(kernels: Kernels, u: int, parts: int) -> Sequence[Any]:
    """A mapping for each contraction of a kernel, None where it is to be found."""
    given = None if kernels.given is None else kernels.given[u]
    if given is None:
        return [None] * parts
    if len(given) != parts:
        raise given[0].error(f"{len(given)} mappings for a kernel of {parts} contractions; expected {parts}")
    mappings: Sequence[Any] = given
    return mappings


def _parts(kernels: Kernels, u: int) -> Iterator[Row]:
    kind, dims = int(kernels.kind[u]), [int(d) for d in kernels.dims[u]]
    computed = not kernels.weight_bytes[u] > 0
    if kind == OpKind.ATTENTION:
        batch, heads, lq, lk, d, dv = dims[:6]
        yield _gemm(batch * heads, lq, lk, d, computed=True)
        yield _gemm(batch * heads, lq, dv, lk, computed=True)
    elif kind == OpKind.GEMM:
        yield _gemm(*dims[:4], computed=computed)
    elif kind == OpKind.CONV:
        geometry = dict(zip(GEOMETRY, kernels.geometry[u].tolist(), strict=True))
        if geometry["transposed"]:
            yield from _phases(dims, geometry, computed=computed)
        else:
            pairs = ((geometry[f"{n}_y"], geometry[f"{n}_x"]) for n in ("stride", "dilation", "in", "pad"))
            stride, dilation, size, pad = pairs
            yield (tuple(dims), stride, dilation, size, pad, computed)


def _gemm(batch: int, m: int, k: int, c: int, *, computed: bool) -> Row:
    return (1, batch, k, c, 1, m, 1, 1), (1, 1), (1, 1), (1, m), (0, 0), computed


def _phases(dims: list[int], geometry: dict[str, int], *, computed: bool) -> Iterator[Row]:
    """Dense convolutions over the input, one for each phase of the stride; those of equal taps are one.

    Output position s q + r sees only the taps congruent to r modulo s: ceil((f - r) / s) of them. All phases
    together do exactly the MACs of the transposed convolution, read its weights once and write its output.
    Source: Shi et al., "Is the deconvolution layer the same as a convolutional layer?", 2016.
    """
    n, g, k, c, oy, ox, fy, fx = dims
    size = (geometry["in_y"], geometry["in_x"])
    count: dict[tuple[int, int], int] = {}
    for ry in range(min(geometry["stride_y"], fy)):
        for rx in range(min(geometry["stride_x"], fx)):
            taps = (-((ry - fy) // geometry["stride_y"]), -((rx - fx) // geometry["stride_x"]))
            count[taps] = count.get(taps, 0) + 1
    for (ty, tx), phases in count.items():
        extent = (n, g, k * phases, c, oy, ox, ty, tx)
        dilation = (geometry["dilation_y"], geometry["dilation_x"])
        yield extent, (1, 1), dilation, size, (ty // 2, tx // 2), computed
