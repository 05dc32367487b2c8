"""What the double-buffered memories of SCALE-Sim make of a systolic array's requests: stalls, DRAM traffic.

Replays v3.0.0 (MIT), `scalesim/memory/double_buffered_scratchpad_mem.py`. It is the counterpart of what this
simulator prints, not a model of a chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.validation.truth import scalesim_buffers as buffers
from hw_models.validation.truth.scalesim_demand import NOTHING, Demand, Run, demands, fetch_order

if TYPE_CHECKING:
    from hw_models.cost.arrays import IntArray
    from hw_models.validation.truth.scalesim_demand import Addresses

WORDS_PER_KIB: Final = 1024
"""A word is one byte. Source: `single_layer_sim.py`, `word_size = 1`."""

CALC_BANDWIDTH: Final = 10
"""Words per cycle of the first fill in CALC mode. Source: `single_layer_sim.py`, "arbitrary"."""

PARTS: Final = 100
"""Parts that a buffer is cut into, half of them in use, half prefetched. Source: `read_buffer.py`."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What SCALE-Sim prints about the memories of one run.

    Attributes:
        stall_cycles: cycles in which the array waits; total_cycles: index of the last cycle.
        sram: (3, 2) first and last cycle in which inputs, weights and outputs cross the edge of the array.
        dram: (3, 3) first cycle, last cycle and words of their DRAM traffic.
    """

    stall_cycles: int
    total_cycles: int
    sram: IntArray
    dram: IntArray

    @property
    def cycles_with_prefetch(self) -> int:
        """From the first prefetch to the last write."""
        return int(self.dram[2, 1] - min(self.dram[0, 0], self.dram[1, 0]))


@dataclass(frozen=True, slots=True)
class _Writer:
    """The buffer of the outputs: its state, the words of each row, words of a row, its size, of one drain."""

    state: IntArray
    rows: IntArray
    width: int
    size: int
    chunk: int

    @classmethod
    def of(cls, run: Run, writes: int) -> _Writer:
        size = run.buffers_kib[2] * WORDS_PER_KIB
        state = np.array([size, 0, 0, 0, 0, 0, buffers.NEVER, 0], np.int64)
        width = run.cols if run.bandwidth is None else run.bandwidth
        return cls(state, np.zeros(writes + 1, np.int64), width, size, size // 2)


def replay(run: Run) -> Replay:
    """Run the requests of a layer through the memories."""
    asked_for = demands(run)
    writer = _Writer.of(run, len(asked_for[2].address))
    serve = _serve_calc if run.bandwidth is None else _serve_user
    served, stalls, reads = serve(run, asked_for, writer)
    buffers.drain_all(writer.state, writer.rows, writer.width, writer.chunk, served[2][-1])
    writes = writer.state[[buffers.BEGAN, buffers.ENDED, buffers.WRITTEN]]
    return Replay(
        stall_cycles=stalls,
        total_cycles=int(served[2].max()),
        sram=np.array([_first_and_last(s, d) for s, d in zip(served, asked_for, strict=True)]),
        dram=np.array([*reads, writes]),
    )


def _first_and_last(served: IntArray, demand: Demand) -> tuple[int, int]:
    busy = np.flatnonzero(np.diff(demand.start))
    return int(served[busy[0]]), int(served[busy[-1]])


def _serve_calc(
    run: Run, asked_for: tuple[Demand, Demand, Demand], writer: _Writer
) -> tuple[list[IntArray], int, list[tuple[int, int, int]]]:
    """CALC mode: reads are always in time, writes may still stall."""
    inputs, weights, outputs = asked_for
    asked, taken = buffers.write_only(
        np.diff(outputs.start), writer.state, writer.rows, writer.width, writer.size, writer.chunk
    )
    reads = [
        buffers.prefetched(
            demand.start,
            demand.address,
            asked,
            int(demand.address.max()) + 1,
            kib * WORDS_PER_KIB // PARTS,
            PARTS // 2,
            CALC_BANDWIDTH,
        )
        for demand, kib in zip((inputs, weights), run.buffers_kib, strict=False)
    ]
    stalls = int(taken[-1]) - (len(taken) - 1)
    return [asked + buffers.HIT, asked + buffers.HIT, taken], stalls, reads


def _serve_user(
    run: Run, asked_for: tuple[Demand, Demand, Demand], writer: _Writer
) -> tuple[list[IntArray], int, list[tuple[int, int, int]]]:
    """USER mode: a read waits for the prefetch that brings it."""
    inputs, weights, outputs = asked_for
    bandwidth = run.bandwidth or 1
    readers = [
        _reader(order, demand, kib * WORDS_PER_KIB, bandwidth)
        for order, demand, kib in zip(fetch_order(run), (inputs, weights), run.buffers_kib, strict=False)
    ]
    served, stalls = buffers.serve_lines(
        (*readers[0][:3], *inputs),
        (*readers[1][:3], *weights),
        (writer.state, writer.rows, writer.width, writer.size, writer.chunk),
        np.diff(outputs.start),
    )
    reads = [_dram_reads(state, first, bandwidth) for state, _, _, first in readers]
    return list(served), int(stalls), reads


def _reader(
    order: Addresses, demand: Demand, size: int, bandwidth: int
) -> tuple[IntArray, IntArray, IntArray, int]:
    """State of a read buffer, where its parts hold each address, and the lines of its first fill."""
    asked = order[order != NOTHING]
    per_part, half = -(-size // PARTS), -(-size // 2)
    n_parts = len(asked) // per_part + 1
    kept = min(n_parts, -(-half // per_part))
    step = min(n_parts - kept, -(-(size - half) // per_part))
    by_address = np.argsort(asked, kind="stable")
    counts = np.bincount(asked, minlength=int(demand.address.max()) + 1)
    part_at = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    first = min(-(-half // bandwidth), -(-len(order) // bandwidth))
    lines = -(-(size - half) // bandwidth)
    state = np.array([0, kept, kept, step, n_parts, -1, lines, 0], np.int64)
    return state, part_at, (by_address // per_part).astype(np.int64), first


def _dram_reads(state: IntArray, first: int, bandwidth: int) -> tuple[int, int, int]:
    words = (first + int(state[buffers.ROUNDS]) * int(state[buffers.LINES])) * bandwidth
    return -first, int(state[buffers.READY]), words
