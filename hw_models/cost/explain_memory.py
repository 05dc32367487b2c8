"""The lines that explain a peak of memory: what is alive there, what a better order needs, where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arena import arena
from hw_models.cost.base import show
from hw_models.cost.chips import last_on_chip
from hw_models.cost.flow import Flow
from hw_models.cost.order import best_order

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.base import Cost
    from hw_models.lowering.network import LoweredNetwork

Line = tuple[str, str]

LISTED: Final = 8
"""Live values named one by one; the others are summed."""


@dataclass(frozen=True, eq=False)
class Footprint:
    """Live activations of the network of a cost.

    Attributes:
        net: as lowered.
        size: (V,) bytes of each value; live: (K,) bytes alive while each kernel runs.
    """

    net: LoweredNetwork
    size: FloatArray
    live: FloatArray

    @classmethod
    def of(cls, cost: Cost) -> Footprint:
        """As the cost lowered and priced it."""
        from hw_models.lowering import lowered
        from hw_models.lowering.precision import scheme_of
        from hw_models.lowering.pricing import element_bytes

        net = lowered(cost.detail.workload, lowering=cost.lowering, precision=cost.precision)
        size = net.elements * element_bytes(net, scheme_of(cost.precision), cost.batch)
        return cls(net, size, net.lifetimes.live_bytes(size, len(net.cls)))

    @property
    def peak(self) -> int:
        """Kernel in which most is alive; -1: no kernel at all."""
        return int(self.live.argmax()) if len(self.live) else -1

    def alive_at(self, kernel: int) -> list[tuple[str, float]]:
        """Values alive in a kernel, by who wrote them, and their bytes; largest first."""
        lives = self.net.lifetimes
        there = lives.value[(lives.born <= kernel) & (kernel <= lives.dies)].tolist()
        writer: dict[int, int] = {}
        for k, value in zip(self.net.writes.kernel.tolist(), self.net.writes.value.tolist(), strict=True):
            writer.setdefault(value, k)
        named = [(self._name(v, writer.get(v)), float(self.size[v])) for v in there]
        return sorted(named, key=lambda item: -item[1])

    def _name(self, value: int, writer: int | None) -> str:
        return f"input {value} of the network" if writer is None else f"output of {self.net.labels[writer]}"


def peak_lines(found: Footprint) -> Iterator[Line]:
    """The kernel of the peak and the values alive there."""
    if found.peak < 0:
        return
    yield "kernel", f"{found.peak + 1} of {len(found.live)}, {found.net.labels[found.peak]}"
    values = found.alive_at(found.peak)
    for name, size in values[:LISTED]:
        yield name, show(size, "byte")
    if len(values) > LISTED:
        rest = sum(size for _, size in values[LISTED:])
        yield f"{len(values) - LISTED} smaller ones", show(rest, "byte")


def order_lines(found: Footprint) -> Iterator[Line]:
    """The best order that was found, its bound, and what an allocator makes of the lowered one."""
    best = best_order(Flow.of(found.net), found.size)
    yield "order as lowered", show(best.scheduled, "byte")
    if best.peak < best.scheduled:
        moved = int((best.order != np.arange(len(best.order))).sum())
        yield "best order found", f"{show(best.peak, 'byte')}, {moved} kernels in another place"
    else:
        yield "best order found", "as lowered"
    told = "reached: no order needs less" if best.exact else "not reached: the search was cut to a beam"
    yield "lower bound of any order", f"{show(best.bound, 'byte')}, {told}"
    block = arena(found.net.lifetimes, found.size)
    more = block.total / block.bound - 1 if block.bound else 0.0
    lost = f"{more:.1%} lost between values, which begin every 16 byte"
    yield "one block, as lowered", f"{show(block.total, 'byte')}, {lost}"


def place_lines(cost: Cost, found: Footprint) -> Iterator[Line]:
    """How much lies in the last on-chip memory and how much in the memory outside."""
    chip, weights = cost.detail.accelerator, float(cost.detail.kernels.weights_bytes[0])
    level, outer = last_on_chip(chip), chip.dram
    capacity = float(cost.detail.chips.sram_capacity[0])
    most = float(found.live.max(initial=0.0))
    inside = most if outer is None or outer.kind != "dram" else min(most, np.nan_to_num(capacity, nan=0.0))
    if level is not None and np.isnan(capacity):
        yield level.name, "unknown size, so nothing is counted on to stay there"
    elif level is not None:
        fit = int((found.live <= capacity).sum())
        source = " (class figure)" if cost.detail.chips.sram_is_prior[0] else ""
        yield (
            f"{level.name}, {show(capacity, 'byte')}{source}",
            f"live activations fit in {fit} of {len(found.live)} kernels; {show(inside, 'byte')} at the peak",
        )
    if outer is not None:
        beyond = show(most - inside, "byte")
        told = f"weights {show(weights, 'byte')}, activations beyond the chip {beyond} at the peak"
        yield f"{outer.name}, {show(float(cost.detail.chips.dram_capacity[0]), 'byte')}", told
