"""Whether a chip's numbers can be right together: peak against MACs, bus against bandwidth, dense against sparse, modes.

Each rule is one function; what a single number may be is in `plausible.py`. An error is a number that cannot stand
beside another of the same file; a warning is one that rarely does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from hw_models import units
from hw_models.spec.plausible import implausible, pin_rates
from hw_models.spec.quantities import Sourced

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator, Engine, Memory

TOLERANCE: Final = 0.05
"""Rounding of published figures: two figures of one thing may differ by 5 %."""

CONTRADICTION: Final = 0.20
"""Beyond 20 % two figures of one thing contradict each other."""

RIDGE: Final = (0.5, 20_000.0)
"""Op/byte of off-chip traffic at which peak and bandwidth balance, over all chips of the catalogue with room on both sides."""

EFFICIENCY: Final = (1e9, 200e12)
"""Op/s per W: from CPUs at fp32 (0.02 TOPS/W) to analogue macros and int4 (200 TOPS/W), with room below."""


@dataclass(frozen=True, slots=True)
class Lint:
    """One thing about a chip's numbers that cannot be, or is unlikely to be, right.

    Attributes:
        severity: "error" or "warning".
        rule: short name of the rule.
        path: field, with names in place of list positions ("engines.npu.peak.int8").
        message: what was given, what was expected, and what slip would explain it.
    """

    severity: Literal["error", "warning"]
    rule: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.severity}: {self.message} [{self.rule}]"


def lint(chip: Accelerator) -> list[Lint]:
    """Everything that the rules find, errors first, else in the order of the rules."""
    found = [finding for rule in RULES for finding in rule(chip)]
    return sorted(found, key=lambda f: f.severity != "error")


def _peak_from_macs(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        for precision, macs in e.macs.items():
            path = f"engines.{e.name}.peak.{precision}"
            if precision not in e.peak:
                continue
            if e.clock is None:
                continue
            low, high = (2 * m * c for m, c in zip(macs.range, e.clock.range, strict=True))
            expected = (
                f"2 x {macs.value:g} MAC x {e.clock} = {units.show(2 * macs.value * e.clock.value, 'op/s')}"
            )
            hints = {2.0: "a sparse peak given as dense?", 0.5: "MAC/s given as op/s? one MAC is two ops"}
            yield from _agree("peak-macs", path, e.peak[precision], (low, high), expected, hints)


def _macs_from_array(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        if e.array is None or not e.macs:
            continue
        size = math.prod(e.array.dims) * e.array.count
        closest = min(e.macs.values(), key=lambda m: abs(math.log(max(m.value, 1e-9) / size)))
        shape = " x ".join(str(d) for d in e.array.dims)
        yield from _agree(
            "macs-array",
            f"engines.{e.name}.macs",
            closest,
            (size, size),
            f"{e.array.count} array(s) of {shape} = {size}",
            {},
        )


def _bus_times_rate(chip: Accelerator) -> Iterator[Lint]:
    for path, m in _memories(chip):
        if m.bus_bits is None or m.bandwidth is None:
            continue
        if m.rate is not None:
            low, high = (b / 8 * r for b, r in zip(m.bus_bits.range, m.rate.range, strict=True))
            expected = f"{m.bus_bits.value:g} bit x {m.rate} / 8 = {units.show(m.bus_bits.value / 8 * m.rate.value, 'byte/s')}"
            hints = {
                8.0: "bit/s given as byte/s?",
                0.125: "divided by 8 twice?",
                2.0: "is the rate the clock of a bus that transfers twice a cycle?",
                0.5: "is the bus counted twice?",
            }
            yield from _agree("bus-rate", f"{path}.bandwidth", m.bandwidth, (low, high), expected, hints)
        elif m.off_chip and (known := pin_rates(m.technology)) is not None:
            implied = tuple(x * 8 / m.bus_bits.value for x in m.bandwidth.range)
            if implied[1] < known[0] / 2 or implied[0] > known[1] * 2:
                slip = (
                    "; bit/s given as byte/s, or a prefix of 1000?"
                    if implied[0] > known[1]
                    else "; divided by 8, or a prefix of 1000?"
                )
                said = f"{m.bandwidth} over {m.bus_bits.value:g} bit is {units.show(implied[0], 'transfer/s')} a pin; {m.technology} runs at {units.show(known[0], 'transfer/s')} to {units.show(known[1], 'transfer/s')}"
                yield Lint("error", "pin-rate", f"{path}.bandwidth", said + slip)


def _sparse_is_not_dense(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        for precision, sparse in e.sparse_peak.items():
            dense = e.peak.get(precision)
            path = f"engines.{e.name}.peak.{precision}"
            if dense is None:
                yield Lint(
                    "warning",
                    "no-peak",
                    path,
                    f"only a sparse peak is given ({sparse}); state the dense one, or leave the precision out of sparse_peak",
                )
            elif dense.value >= sparse.value * (1 - TOLERANCE):
                yield Lint(
                    "error",
                    "sparse-dense",
                    path,
                    f"dense {dense} is not below sparse {sparse}; a sparse peak given as dense? expected about half of it",
                )
            elif not 1 - CONTRADICTION <= sparse.value / dense.value / 2 <= 1 + CONTRADICTION:
                ratio = sparse.value / dense.value
                yield Lint(
                    "warning",
                    "sparse-dense",
                    path,
                    f"sparse {sparse} is {ratio:.3g} times dense {dense}; structured sparsity doubles the rate",
                )


def _precisions_have_peaks(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        if not e.peak:
            if e is not chip.main_engine:
                yield Lint(
                    "warning",
                    "no-peak",
                    f"engines.{e.name}.peak",
                    f"engine '{e.name}' has a peak at no precision, so nothing can be costed on it",
                )
            continue
        for field in ("macs", "energy_per_op"):
            for precision in getattr(e, field):
                if precision not in e.peak:
                    said = f"precision '{precision}' has {field} but no peak; peaks: {', '.join(e.peak)}; state it, or leave the precision out"
                    yield Lint("warning", "no-peak", f"engines.{e.name}.{field}.{precision}", said)
    for mode in chip.power_modes:
        for name, peaks in mode.peak.items():
            for precision in peaks:
                if precision not in chip.engine(name).peak:
                    said = f"precision '{precision}' has a peak in mode '{mode.name}' but none at the maximum; peaks of '{name}': {', '.join(chip.engine(name).peak) or 'none'}"
                    yield Lint("error", "no-peak", f"power_modes.{mode.name}.peak.{name}.{precision}", said)


def _engines_have_memory(chip: Accelerator) -> Iterator[Lint]:
    shared = [m for m in chip.memory if not m.off_chip]
    for e in chip.engines:
        if not e.memory and not chip.memory:
            yield Lint(
                "error",
                "no-memory",
                f"engines.{e.name}",
                f"engine '{e.name}' has no memory, neither its own nor shared; list what its data lie in, sizes null where unknown",
            )
        elif not [m for m in e.memory if not m.off_chip] and not shared:
            yield Lint(
                "warning",
                "no-memory",
                f"engines.{e.name}",
                f"engine '{e.name}' has no on-chip memory, neither its own nor shared; list one, its capacity null if unknown",
            )


def _modes_are_below_maximum(chip: Accelerator) -> Iterator[Lint]:
    for mode in chip.power_modes:
        at = f"power_modes.{mode.name}"
        for field in ("peak", "vector_peak"):
            for name, peaks in getattr(mode, field).items():
                for precision, here in peaks.items():
                    top = getattr(chip.engine(name), field).get(precision)
                    if top is not None and here.value > top.range[1] * (1 + TOLERANCE):
                        yield Lint(
                            "error",
                            "mode-above-maximum",
                            f"{at}.{field}.{name}.{precision}",
                            f"{here} in mode '{mode.name}' is above the chip's maximum of {top}",
                        )
        for name, clock in mode.clock.items():
            top_clock = chip.engine(name).clock
            if (
                clock is not None
                and top_clock is not None
                and clock.value > top_clock.range[1] * (1 + TOLERANCE)
            ):
                yield Lint(
                    "error",
                    "mode-above-maximum",
                    f"{at}.clock.{name}",
                    f"{clock} in mode '{mode.name}' is above the chip's maximum of {top_clock}",
                )
        top_bandwidth = chip.dram.bandwidth if chip.dram else None
        if (
            mode.bandwidth
            and top_bandwidth
            and mode.bandwidth.value > top_bandwidth.range[1] * (1 + TOLERANCE)
        ):
            yield Lint(
                "error",
                "mode-above-maximum",
                f"{at}.bandwidth",
                f"{mode.bandwidth} in mode '{mode.name}' is above the chip's maximum of {top_bandwidth}",
            )
        if mode.cap and chip.tdp and mode.cap.value > chip.tdp.range[1] * (1 + TOLERANCE):
            yield Lint(
                "error",
                "cap-above-tdp",
                f"{at}.cap",
                f"cap of {mode.cap} is above the chip's TDP of {chip.tdp}",
            )


def _memories_shrink_inward(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        levels = [(f"engines.{e.name}.memory.{m.name}", m) for m in e.memory] + [
            (f"memory.{m.name}", m) for m in chip.memory
        ]
        for (path, inner), (_, outer) in zip(levels, levels[1:], strict=False):
            if inner.bandwidth and outer.bandwidth and inner.bandwidth.range[1] < outer.bandwidth.range[0]:
                said = f"'{inner.name}' at {inner.bandwidth} is slower than '{outer.name}' outside it at {outer.bandwidth}; bit/s given as byte/s, or memories not listed innermost first?"
                yield Lint("warning", "memory-order", f"{path}.bandwidth", said)
            if inner.capacity and outer.capacity and inner.capacity.range[0] > outer.capacity.range[1]:
                said = f"'{inner.name}' of {inner.capacity} is larger than '{outer.name}' outside it of {outer.capacity}; a prefix of 1000, or memories not listed innermost first?"
                yield Lint("warning", "memory-order", f"{path}.capacity", said)


def _balance(chip: Accelerator) -> Iterator[Lint]:
    peaks = [s.value for s in chip.main_engine.peak.values()]
    bandwidth = chip.dram.bandwidth if chip.dram else None
    if peaks and bandwidth and bandwidth.value:
        ridge = max(peaks) / bandwidth.value
        if not RIDGE[0] <= ridge <= RIDGE[1]:
            slip = (
                "; is the bandwidth too high, or the peak too low, by 1000?"
                if ridge < RIDGE[0]
                else "; is the bandwidth too low, or the peak too high, by 1000?"
            )
            said = f"{units.show(max(peaks), 'op/s')} over {bandwidth} balance at {ridge:.3g} op/byte; real chips lie between {RIDGE[0]:g} and {RIDGE[1]:g}"
            yield Lint(
                "error", "balance", f"memory.{chip.dram.name if chip.dram else ''}.bandwidth", said + slip
            )
    if peaks and chip.tdp and chip.tdp.value:
        rate = max(peaks) / chip.tdp.value
        if not EFFICIENCY[0] <= rate <= EFFICIENCY[1]:
            said = f"{units.show(max(peaks), 'op/s')} at {chip.tdp} is {units.show(rate, 'op/s')}/W; real chips lie between {units.show(EFFICIENCY[0], 'op/s')}/W and {units.show(EFFICIENCY[1], 'op/s')}/W; a prefix of 1000?"
            yield Lint("error", "efficiency", "tdp", said)
    if chip.idle_power and chip.tdp and chip.idle_power.range[0] > chip.tdp.range[1]:
        yield Lint(
            "error",
            "idle-above-tdp",
            "idle_power",
            f"idle power of {chip.idle_power} is above the TDP of {chip.tdp}",
        )


def _each_number_plausible(chip: Accelerator) -> Iterator[Lint]:
    for path, said in implausible(chip):
        yield Lint("error", "plausible", path, said)


def _sources_are_used(chip: Accelerator) -> Iterator[Lint]:
    from hw_models.spec.show import numbers

    used = (
        {n.source for _, n in numbers(chip)}
        | {r.source for r in chip.limits.values()}
        | {e.array.source for e in chip.engines if e.array}
    )
    words = " ".join((*chip.conflicts.values(), *chip.left_out))
    for key in chip.sources:
        if key not in used and key not in words:
            yield Lint(
                "warning",
                "unused-source",
                f"sources.{key}",
                f"source '{key}' is declared, and nothing names it",
            )


def _memories(chip: Accelerator) -> Iterator[tuple[str, Memory]]:
    for e in chip.engines:
        yield from ((f"engines.{e.name}.memory.{m.name}", m) for m in e.memory)
    yield from ((f"memory.{m.name}", m) for m in chip.memory)


def _agree(
    rule: str, path: str, given: Sourced, expected: tuple[float, float], said: str, hints: dict[float, str]
) -> Iterator[Lint]:
    """A finding where the range of `given` misses the range expected by more than rounding."""
    low, high = given.range
    if low <= expected[1] * (1 + TOLERANCE) and high >= expected[0] * (1 - TOLERANCE):
        return
    ratio = given.value / expected[1] if low > expected[1] else given.value / expected[0]
    hints = {
        1000.0: "a prefix of 1000?",
        0.001: "a prefix of 1000?",
        8.0: "bits for bytes?",
        0.125: "bytes for bits?",
        4.0: "a sparse peak, and MACs counted twice?",
    } | hints
    near = next((text for factor, text in hints.items() if abs(ratio / factor - 1) <= TOLERANCE), "")
    severity: Literal["error", "warning"] = "error" if abs(ratio - 1) > CONTRADICTION else "warning"
    yield Lint(
        severity,
        rule,
        path,
        f"{given} is {ratio:.3g} times what was expected: {said}" + (f"; {near}" if near else ""),
    )


RULES: Final[tuple[Callable[[Accelerator], Iterator[Lint]], ...]] = (
    _peak_from_macs,
    _macs_from_array,
    _bus_times_rate,
    _sparse_is_not_dense,
    _precisions_have_peaks,
    _engines_have_memory,
    _modes_are_below_maximum,
    _memories_shrink_inward,
    _balance,
    _each_number_plausible,
    _sources_are_used,
)
"""In the order in which their findings are shown."""
