"""The read and write buffers of SCALE-Sim v3.0.0, compiled loops over the lines of a demand.

Source: `scalesim/memory/{read_buffer,read_buffer_estimate_bw,write_buffer}.py` (MIT), oddities included: a
stall is added twice to the request that met it, and an open row that a drain takes along counts as a full one
unless it is the last of its drain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.tiled.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import IntArray

HIT: Final = 1
"""Cycles from a request to its word, from a buffer that has it as from DRAM."""

LOW, HIGH, KEPT, STEP, PARTS, READY, LINES, ROUNDS = range(8)
"""State of a reader in USER mode: first part in use and the one after the last, parts in use, parts by which
they move on, parts in all, last cycle of the last prefetch, cycles of one, prefetches after the first."""

FREE, BUSY_UNTIL, OPEN, ROWS, GONE, WRITTEN, BEGAN, ENDED = range(8)
"""State of the writer: free words, last cycle of the last drain, words in the open row, closed rows, rows
drained, words drained, first cycle of the first drain, last cycle of any."""

NEVER: Final = -1


@compiled
def drain(state: IntArray, rows: IntArray, width: int, chunk: int, cycle: int) -> int:
    """Write the oldest rows to DRAM, a row a cycle; the last cycle of it."""
    if state[OPEN] > 0:
        rows[state[ROWS]] = state[OPEN]
        state[ROWS] += 1
        state[OPEN] = 0
    end = min(state[GONE] + -(-chunk // width), state[ROWS])
    lines = end - state[GONE]
    words = lines * width - (width - rows[end - 1])
    if state[BEGAN] == NEVER:
        state[BEGAN] = cycle
    state[FREE] += words
    state[WRITTEN] += words
    state[GONE] = end
    state[BUSY_UNTIL] = cycle + lines - 1
    state[ENDED] = max(state[ENDED], state[BUSY_UNTIL])
    return int(state[BUSY_UNTIL])


@compiled
def write_line(
    state: IntArray, rows: IntArray, width: int, size: int, chunk: int, count: int, cycle: int
) -> int:
    """Take `count` words in; the cycle in which the last one found room."""
    for _ in range(count):
        state[OPEN] += 1
        state[FREE] -= 1
        if state[OPEN] == width:
            rows[state[ROWS]] = width
            state[ROWS] += 1
            state[OPEN] = 0
        if cycle < state[BUSY_UNTIL]:
            if state[FREE] <= 0:
                cycle = state[BUSY_UNTIL]
        elif state[FREE] < size - chunk:
            drain(state, rows, width, chunk, cycle)
    return cycle


@compiled
def drain_all(state: IntArray, rows: IntArray, width: int, chunk: int, cycle: int) -> None:
    """Write all that is left, without waiting for the drain before it."""
    while state[GONE] < state[ROWS] or state[OPEN] > 0:
        cycle = drain(state, rows, width, chunk, cycle) + 1


@compiled
def write_only(
    counts: IntArray, state: IntArray, rows: IntArray, width: int, size: int, chunk: int
) -> tuple[IntArray, IntArray]:
    """Cycles in which each line is asked for and in which its words were taken; reads never stall."""
    asked, taken = np.zeros(len(counts), np.int64), np.zeros(len(counts), np.int64)
    stalled = 0
    for i in range(len(counts)):
        asked[i] = i + stalled
        taken[i] = write_line(state, rows, width, size, chunk, counts[i], asked[i])
        stalled += taken[i] - asked[i]
    return asked, taken


@compiled
def prefetched(
    start: IntArray,
    address: NDArray[np.int32],
    asked: IntArray,
    n_addresses: int,
    part: int,
    kept: int,
    width: int,
) -> tuple[int, int, int]:
    """First cycle, last cycle and words of the DRAM reads of CALC mode, where prefetches are always in time.

    Args:
        start: (lines + 1,) first request of each line.
        address: of each request.
        asked: (lines,) cycle of each line.
        n_addresses: one more than the largest address.
        part: words of one part.
        kept: parts in use, and as many that are prefetched at once.
        width: words per cycle of the first fill.
    """
    where = np.full(n_addresses, -1, np.int64)
    oldest, newest, now, in_now, words = 0, kept - 1, 0, 0, 0
    first, begin, until, asked_first, due = 0, 0, 0, -1, -1
    for i in range(len(asked)):
        for j in range(start[i], start[i + 1]):
            if asked_first < 0:
                asked_first = asked[i]
            a = address[j]
            if where[a] >= oldest:
                continue
            where[a] = now
            in_now += 1
            if in_now < part:
                continue
            in_now = 0
            now += 1
            if now != newest + 1:
                continue
            if due < 0:
                until = asked_first - 1 - HIT
                begin = until - -(-kept * part // width) + 1
                first = begin + HIT
                due = kept
                words = kept * part
            else:
                words += kept * part
                due += kept
            oldest += kept
            newest += kept
            begin, until = until + 1, asked[i]
    if due < 0:
        parts = now + (1 if in_now > 0 else 0)
        until = -1 - HIT
        return until - -(-parts * part // width) + 1 + HIT, until + HIT, now * part + in_now
    return first, until + HIT, words + (now - due) * part + in_now


@compiled
def read_line(
    state: IntArray, part_at: IntArray, parts: IntArray, address: IntArray, begin: int, end: int, cycle: int
) -> int:
    """Serve the requests `address[begin:end]` of USER mode; the cycle in which the last word is there.

    Args:
        state: of the reader.
        part_at: (addresses + 1,) where the parts that hold an address stand in `parts`.
        parts: of the order of prefetches, by address.
        address: of all requests.
        begin: first request of the line.
        end: the one after its last.
        cycle: in which the line is asked for.
    """
    wait = HIT
    for j in range(begin, end):
        while True:
            low, high, found = state[LOW], state[HIGH], False
            for p in range(part_at[address[j]], part_at[address[j] + 1]):
                part = parts[p]
                if low <= part < high or (low >= high and (part >= low or part < high)):
                    found = True
                    break
            if found:
                break
            state[LOW] = (low + state[STEP]) % state[PARTS]
            state[HIGH] = (state[LOW] + state[KEPT]) % state[PARTS]
            state[ROUNDS] += 1
            state[READY] += state[LINES] + 1
            late = state[READY] - (cycle + wait)
            wait += late
            if late > 0:
                wait += late
    return int(cycle + wait)


@compiled
def serve_lines(inputs: Any, weights: Any, writer: Any, counts: IntArray) -> tuple[IntArray, int]:
    """Serve every line in USER mode; an operand that is late holds the whole array up.

    Args:
        inputs: state, `part_at`, `parts` of their reader as for `read_line`; start of each line, addresses.
        weights: the same.
        writer: state, rows, width, size and chunk as for `write_line`.
        counts: (lines,) words that each line writes.

    Returns:
        (3, lines) cycles in which each line got its inputs, weights and room for its outputs; stalls in all.
    """
    in_state, in_part_at, in_parts, in_start, in_address = inputs
    w_state, w_part_at, w_parts, w_start, w_address = weights
    state, rows, width, size, chunk = writer
    served, stalled = np.zeros((3, len(counts)), np.int64), 0
    for i in range(len(counts)):
        now = i + stalled
        served[0, i] = read_line(
            in_state, in_part_at, in_parts, in_address, in_start[i], in_start[i + 1], now
        )
        begin, end = w_start[i], w_start[i + 1]
        served[1, i] = read_line(w_state, w_part_at, w_parts, w_address, begin, end, now)
        served[2, i] = write_line(state, rows, width, size, chunk, counts[i], now)
        stalled += max(served[0, i] - HIT, served[1, i] - HIT, served[2, i]) - now
    return served, stalled
