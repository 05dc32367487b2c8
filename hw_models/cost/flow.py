"""Who writes and reads which value, as sets of kernels: what is alive after any of them, and what must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.lowering.network import LoweredNetwork

Mask = int
"""A set of kernels: bit k is kernel k."""


@dataclass(frozen=True, eq=False)
class Flow:
    """Values between K kernels, which are numbered in an order that works.

    A value exists from its first writer to the last kernel that touches it, both included; inputs of the
    network from the start, its outputs to the end. See `hw_models.cost.memory` for writing in place.

    Attributes:
        n_kernels: K.
        writes, reads: (X, 2) kernel and value.
        inputs, outputs: values that come from outside, that must be there in the end.
        in_place: (I, 2) pairs (input, output) of which the output may overwrite the input, should that die in
            the kernel that first writes the output.
        in_pieces: values whose writers each fill a part of their own, so in any order.
    """

    n_kernels: int
    writes: IntArray
    reads: IntArray
    inputs: IntArray
    outputs: IntArray
    in_place: IntArray
    in_pieces: frozenset[int] = frozenset()

    @classmethod
    def of(cls, net: LoweredNetwork) -> Self:
        """Of the activations of a lowered network."""
        known = np.zeros(len(net.elements), np.bool_)
        known[net.lifetimes.value] = True
        tables = []
        for edges in (net.writes, net.reads):
            kept = known[edges.value]
            tables.append(np.stack([edges.kernel[kept], edges.value[kept]], axis=1))
        filled = np.bincount(net.writes.value, net.writes.elements, len(net.elements))
        pieces = frozenset(np.flatnonzero(known & (filled <= net.elements)).tolist())
        inputs = net.inputs[known[net.inputs]]
        return cls(len(net.cls), tables[0], tables[1], inputs, net.outputs, net.in_place, pieces)

    @cached_property
    def values(self) -> tuple[int, ...]:
        """Every value that some kernel touches or that comes from outside."""
        tables = (self.writes[:, 1], self.reads[:, 1], self.inputs)
        return tuple(np.unique(np.concatenate(tables)).tolist())

    @cached_property
    def writers(self) -> dict[int, Mask]:
        """Kernels that write each value."""
        return self._masks(self.writes)

    @cached_property
    def touches(self) -> dict[int, Mask]:
        """Kernels that write or read each value; a value that none touches still lies there in kernel 0."""
        masks = self._masks(np.concatenate([self.writes, self.reads]))
        return {v: mask or 1 for v, mask in masks.items()}

    def _masks(self, table: IntArray) -> dict[int, Mask]:
        masks = dict.fromkeys(self.values, 0)
        for kernel, value in table.tolist():
            masks[value] |= 1 << kernel
        return masks

    @cached_property
    def before(self) -> tuple[Mask, ...]:
        """Kernels that must have run before each kernel: all it depends on, directly or not.

        Two kernels that touch a value stay in order if one of them writes it, unless both fill parts of it.
        """
        direct: list[Mask] = [0] * self.n_kernels
        for value in self.values:
            written = self.writers[value]
            free = value in self.in_pieces
            seen_writes = seen = 0
            for kernel in bits(self.touches[value] if written else 0):
                writes = bool(written >> kernel & 1)
                direct[kernel] |= (seen & ~seen_writes if free else seen) if writes else seen_writes
                seen |= 1 << kernel
                seen_writes |= 1 << kernel if writes else 0
        whole: list[Mask] = []
        for kernel, mask in enumerate(direct):
            reach = mask
            for earlier in bits(mask):
                reach |= whole[earlier]
            whole.append(reach & ~(1 << kernel))
        return tuple(whole)

    @cached_property
    def after(self) -> tuple[Mask, ...]:
        """Kernels that can only run after each kernel."""
        masks: list[Mask] = [0] * self.n_kernels
        for kernel, before in enumerate(self.before):
            for earlier in bits(before):
                masks[earlier] |= 1 << kernel
        return tuple(masks)

    def floors(self, size: FloatArray) -> FloatArray:
        """(K,) bytes that are alive in each kernel in every order.

        What it touches, and what some kernel before it wrote and some kernel after it touches, less what
        writing in place can save at most.
        """
        everything = (1 << self.n_kernels) - 1
        least = np.zeros(self.n_kernels)
        inputs, outputs = set(self.inputs.tolist()), set(self.outputs.tolist())
        for value in self.values:
            there = everything if value in inputs else closure(self.writers[value], self.after)
            needed = everything if value in outputs else closure(self.touches[value], self.before)
            for kernel in bits(there & needed):
                least[kernel] += size[value]
        for target, sources in self._overwritten(outputs).items():
            for kernel in bits(self.writers[target]):
                if any(
                    not self.touches[s] & self.after[kernel] for s in sources if self.touches[s] >> kernel & 1
                ):
                    least[kernel] -= size[target]
        return least

    def _overwritten(self, outputs: set[int]) -> dict[int, list[int]]:
        """Values that may take over memory, and whose."""
        found: dict[int, list[int]] = {}
        for source, target in self.in_place.tolist():
            if source not in outputs and source in self.touches and target in self.writers:
                found.setdefault(target, []).append(source)
        return found

    def live_bytes(self, size: FloatArray, order: Sequence[int] | None = None) -> FloatArray:
        """(K,) bytes alive while each kernel runs, in that order of kernels; None: as they are numbered."""
        walk = Walk(self, size)
        live, done = walk.start, 0
        out = np.zeros(self.n_kernels)
        for kernel in range(self.n_kernels) if order is None else order:
            out[kernel], live = walk.step(done, live, kernel)
            done |= 1 << kernel
        return out


def bits(mask: Mask) -> Iterator[int]:
    """Kernels of a set, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def closure(mask: Mask, beyond: Sequence[Mask]) -> Mask:
    """The set with all that lies before, or after, its members."""
    reach = mask
    for kernel in bits(mask):
        reach |= beyond[kernel]
    return reach


class Walk:
    """What one more kernel does to the live bytes, given the kernels that have run.

    Args:
        flow: the values.
        size: (V,) bytes of each.
    """

    def __init__(self, flow: Flow, size: FloatArray) -> None:
        inputs, outputs = set(flow.inputs.tolist()), set(flow.outputs.tolist())
        self.start = float(sum(size[v] for v in inputs))
        self._births: list[list[tuple[int, Mask, float]]] = [[] for _ in range(flow.n_kernels)]
        self._deaths: list[list[tuple[int, Mask, float]]] = [[] for _ in range(flow.n_kernels)]
        self._takes: list[list[tuple[int, int, float]]] = [[] for _ in range(flow.n_kernels)]
        for value in flow.values:
            if value not in inputs:
                for kernel in bits(flow.writers[value]):
                    self._births[kernel].append((value, flow.writers[value], float(size[value])))
            if value not in outputs:
                for kernel in bits(flow.touches[value]):
                    self._deaths[kernel].append((value, flow.touches[value], float(size[value])))
        for source, target in flow.in_place.tolist():
            for kernel in bits(flow.writers.get(target, 0) & flow.touches.get(source, 0)):
                self._takes[kernel].append((source, target, float(size[source])))

    def alive_after(self, n: int) -> float:
        """Bytes alive after the first `n` kernels."""
        live, done = self.start, 0
        for kernel in range(n):
            _, live = self.step(done, live, kernel)
            done |= 1 << kernel
        return live

    def step(self, done: Mask, live: float, kernel: int) -> tuple[float, float]:
        """Bytes alive while a kernel runs, and after it.

        Args:
            done: kernels that have run.
            live: bytes alive after them.
            kernel: the next one.
        """
        born = {value: size for value, writers, size in self._births[kernel] if not writers & done}
        left = ~(done | 1 << kernel)
        dead = {value: size for value, touches, size in self._deaths[kernel] if not touches & left}
        during = live + sum(born.values())
        if self._takes[kernel]:
            during -= self._saved(kernel, born, dead)
        return during, live + sum(born.values()) - sum(dead.values())

    def _saved(self, kernel: int, born: dict[int, float], dead: dict[int, float]) -> float:
        given: set[int] = set()
        received: set[int] = set()
        saved = 0.0
        for source, target, size in self._takes[kernel]:
            free = source in dead and source not in given and source not in born
            if free and target in born and target not in received:
                given.add(source)
                received.add(target)
                saved += size
        return saved
