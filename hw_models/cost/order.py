"""The order of kernels with the least peak of live activations: exact where branches are few, else a beam.

What is alive after a set of kernels has run depends on the set alone, so that an order is a path through sets
and its peak the largest step on it. Kernels that come before or after every other one cut the network into
segments, which are searched one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import override

from hw_models.cost.flow import Flow, Mask, Walk

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray

STATES: Final = 10_000
"""Sets of kernels visited in one segment before the search becomes a beam: about a second."""

BEAM: Final = 32
"""Sets kept per step of the beam."""


@dataclass(frozen=True, eq=False)
class Order:
    """An order of kernels and the peak of live bytes that it has.

    Attributes:
        order: (K,) kernels, by their number in the flow.
        peak: bytes; scheduled: bytes of the order in which they are numbered.
        bound: bytes below which no order can stay.
    """

    order: IntArray
    peak: float
    scheduled: float
    bound: float

    @property
    def exact(self) -> bool:
        """Whether no order has a smaller peak."""
        return self.peak <= self.bound

    @override
    def __repr__(self) -> str:
        told = "the least there is" if self.exact else f"no less than {self.bound:,.0f} possible"
        return f"Order(peak {self.peak:,.0f} bytes, {told}; {self.scheduled:,.0f} as scheduled)"


def best_order(flow: Flow, size: FloatArray, *, states: int = STATES, beam: int = BEAM) -> Order:
    """The order with the smallest peak that was found, and the bound.

    Args:
        flow: the values between the kernels.
        size: (V,) bytes of each value.
        states: sets of kernels visited in one segment before the search becomes a beam.
        beam: sets kept per step of the beam.

    Source: minimax path over the sets that are closed under dependence, best first (Dijkstra 1959). A kernel
    that neither raises the peak nor leaves more alive may as well run at once: whatever else has run before
    it, it then makes no more and frees no less.
    """
    scheduled, least = flow.live_bytes(size), flow.floors(size)
    order = np.arange(flow.n_kernels)
    target = float(least.max(initial=0.0))
    peaks = {part: float(scheduled[part[0] : part[1]].max()) for part in _segments(flow)}
    bound = target
    walk = Walk(flow, size)
    for (start, stop), peak in sorted(peaks.items(), key=lambda item: -item[1]):
        if peak <= target:
            break
        found = _Segment(flow, walk, start, stop, target).search(peak, states, beam)
        if found.path is not None:
            order[start:stop] = found.path
        bound, target = max(bound, found.bound), max(target, found.peak)
    peak = float(flow.live_bytes(size, order.tolist()).max(initial=0.0))
    return Order(order, peak, float(scheduled.max(initial=0.0)), min(bound, peak))


def _segments(flow: Flow) -> list[tuple[int, int]]:
    """Ranges of kernels between those that every other kernel comes before or after."""
    n = flow.n_kernels
    everything = (1 << n) - 1
    pairs = zip(flow.before, flow.after, strict=True)
    fixed = [k for k, (before, after) in enumerate(pairs) if before | after | 1 << k == everything]
    edges = sorted({0, n, *fixed, *(k + 1 for k in fixed)})
    return list(pairwise(edges))


@dataclass(frozen=True)
class _Found:
    """A path through a segment, None where none beats the order as numbered; its peak; a bound, 0: none."""

    path: list[int] | None
    peak: float
    bound: float


class _Segment:
    """Kernels that all come after those before them and before those after them.

    Args:
        flow: all kernels.
        walk: what each of them does to the live bytes.
        start, stop: range of kernels.
        target: bytes that need not be undercut.
    """

    def __init__(self, flow: Flow, walk: Walk, start: int, stop: int, target: float) -> None:
        self.walk, self.target, self.before = walk, target, flow.before
        self.kernels = range(start, stop)
        self.first: Mask = (1 << start) - 1
        self.last: Mask = (1 << stop) - 1
        self.alive = walk.alive_after(start)

    def moves(self, done: Mask, live: float, peak: float) -> list[tuple[int, float, float]]:
        """Kernels that may run next, bytes alive meanwhile and after; one alone where it costs nothing."""
        found = []
        for kernel in self.kernels:
            if done >> kernel & 1 or self.before[kernel] & ~done:
                continue
            during, after = self.walk.step(done, live, kernel)
            if during <= peak and after <= live:
                return [(kernel, during, after)]
            found.append((kernel, during, after))
        return found

    def search(self, scheduled: float, states: int, beam: int) -> _Found:
        """The path with the least peak below that of the order as numbered."""
        found, bound = self._best_first(scheduled, states)
        if found is None:
            found = self._beam(scheduled, beam)
        return _Found(found.path, found.peak, bound if bound > self.target else 0.0)

    def _best_first(self, scheduled: float, states: int) -> tuple[_Found | None, float]:
        """The best path and the bound; no path where there were too many sets to visit."""
        came: dict[Mask, tuple[Mask, int]] = {}
        live: dict[Mask, float] = {self.first: self.alive}
        reached: dict[Mask, float] = {self.first: self.target}
        queue = [(self.target, 0, self.first)]
        visited: set[Mask] = set()
        while queue:
            peak, depth, done = heappop(queue)
            if done == self.last:
                return _Found(_path(came, done), peak, peak), peak
            if done in visited:
                continue
            if len(visited) == states:
                return None, peak
            visited.add(done)
            for kernel, during, after in self.moves(done, live[done], peak):
                then, worst = done | 1 << kernel, max(peak, during)
                if worst < min(scheduled, reached.get(then, scheduled)):
                    reached[then], live[then], came[then] = worst, after, (done, kernel)
                    heappush(queue, (worst, depth - 1, then))
        return _Found(None, scheduled, scheduled), scheduled

    def _beam(self, scheduled: float, width: int) -> _Found:
        """A good path, a few sets kept per step."""
        kept: dict[Mask, tuple[float, float]] = {self.first: (self.target, self.alive)}
        came: dict[Mask, tuple[Mask, int]] = {}
        for _ in self.kernels:
            reached: dict[Mask, tuple[float, float]] = {}
            for done, (peak, live) in kept.items():
                for kernel, during, after in self.moves(done, live, peak):
                    then, worst = done | 1 << kernel, max(peak, during)
                    if worst < min(scheduled, reached.get(then, (scheduled, 0.0))[0]):
                        reached[then], came[then] = (worst, after), (done, kernel)
            best = sorted(reached.items(), key=lambda item: (item[1], item[0]))[:width]
            kept = dict(best)
        if not kept:
            return _Found(None, scheduled, 0.0)
        return _Found(_path(came, self.last), kept[self.last][0], 0.0)


def _path(came: dict[Mask, tuple[Mask, int]], done: Mask) -> list[int]:
    path = []
    while done in came:
        done, kernel = came[done]
        path.append(kernel)
    return path[::-1]
