"""Peak of the live activations over the order in which kernels run.

A value occupies memory from the kernel that writes it to the last one that reads it, both included; inputs
of the network from the start, its outputs to the end. While a kernel runs, what it reads and what it
writes exist side by side, except where it can write in place: a kernel that reads every element of an
input only where it writes the same element of an output of the same size and format may take over that
input's memory, if nobody reads the input afterwards. Weights, and scratch space inside kernels, are not
counted; no fragmentation is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Lifetimes:
    """When each of B values exists.

    Attributes:
        value: (B,) which value.
        born: (B,) kernel that writes it first (0 for inputs of the network).
        dies: (B,) last kernel during which its memory is its own; where another value takes its memory
            over, the kernel before.
        buffer: (B,) position of the first of the values that share its memory, one after the other.
    """

    value: IntArray
    born: IntArray
    dies: IntArray
    buffer: IntArray

    @classmethod
    def of(
        cls,
        value: Sequence[int],
        born: Sequence[int],
        last_use: Sequence[int],
        in_place: Sequence[tuple[int, int]],
    ) -> Lifetimes:
        """Lifetimes from first and last use.

        Args:
            value: distinct values.
            born: kernel that writes each first.
            last_use: last kernel that touches each.
            in_place: pairs (input, output) of which the output may overwrite the input in the kernel that
                writes the output. Each input is taken over at most once, each output takes over at most
                one input.
        """
        start = dict(zip(value, born, strict=True))
        end = dict(zip(value, last_use, strict=True))
        heir: dict[int, int] = {}
        received: dict[int, int] = {}
        for source, target in in_place:
            if source not in heir and target not in received and end.get(source) == start.get(target):
                heir[source], received[target] = target, source
                end[source] -= 1
        place = {v: i for i, v in enumerate(value)}
        first = {v: v for v in value}
        for v in sorted(value, key=lambda v: start[v]):
            if v in received:
                first[v] = first[received[v]]
        columns = (value, born, [end[v] for v in value], [place[first[v]] for v in value])
        return cls(*(np.array(column, np.int64) for column in columns))

    def live_bytes(self, value_bytes: FloatArray, n_kernels: int) -> FloatArray:
        """(K,) bytes alive while each kernel runs; `value_bytes` by value."""
        size = value_bytes[self.value]
        exists = self.dies >= self.born
        change = np.bincount(self.born[exists], size[exists], n_kernels + 1)
        change -= np.bincount(self.dies[exists] + 1, size[exists], n_kernels + 1)
        live: FloatArray = np.cumsum(change[:n_kernels])
        return live

    def peak_bytes(self, value_bytes: FloatArray, n_kernels: int) -> float:
        """Largest of `live_bytes`."""
        return float(self.live_bytes(value_bytes, n_kernels).max(initial=0.0))
