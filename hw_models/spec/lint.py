"""Whether a chip's numbers can be right together: peak and MACs, bus and bandwidth, dense and sparse, modes.

Each rule is one function; what a single number may be is in `plausible.py`. An error is a number that cannot
stand beside another of the same file; a warning is one that rarely does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from typing_extensions import override

from hw_models.errors import sentence
from hw_models.spec.plausible import implausible, pin_rates
from hw_models.units import show

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Engine, Memory, PowerMode
    from hw_models.spec.quantities import Sourced

TOLERANCE: Final = 0.05
"""Rounding of published figures: two figures of one thing may differ by 5 % without a word."""

CONTRADICTION: Final = 0.20
"""Two figures of one thing that differ by more than 20 % contradict each other; in between is a warning."""

RIDGE: Final = (0.5, 20_000.0)
"""Op per byte of off-chip traffic at which peak and bandwidth balance: the catalogue has 3.7 to 2,700."""

EFFICIENCY: Final = (1e9, 2e14)
"""Op/s per W of TDP: the catalogue has 0.018 TOPS/W (a CPU at fp32) to 10; analogue macros go far beyond."""

SLIPS: Final = {
    1000.0: "a prefix of 1000?",
    0.001: "a prefix of 1000?",
    8.0: "bits taken for bytes?",
    0.125: "bytes taken for bits?",
}
"""Ratio of given to expected -> what is usually behind it."""

Severity = Literal["error", "warning"]
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lint:
    """One thing about a chip's numbers that cannot be, or is unlikely to be, right.

    Attributes:
        severity: "error" or "warning".
        rule: short name of the rule.
        path: field, with names in place of list positions ("engines.npu.peak.int8").
        message: what was given, what was expected, and what slip would explain it.
    """

    severity: Severity
    rule: str
    path: str
    message: str

    @override
    def __str__(self) -> str:
        return f"{self.path}: {self.severity}: {self.message} [{self.rule}]"


def lint(chip: Accelerator) -> list[Lint]:
    """Everything that the rules find, errors first, else in the order of the rules."""
    found = [finding for rule in RULES for finding in rule(chip)]
    return sorted(found, key=lambda f: f.severity != "error")


def _error(rule: str, path: str, *said: str) -> Lint:
    return Lint("error", rule, path, sentence(*said))


def _warning(rule: str, path: str, *said: str) -> Lint:
    return Lint("warning", rule, path, sentence(*said))


def _peak_from_macs(chip: Accelerator) -> Iterator[Lint]:
    hints = {
        2.0: "a sparse peak given as dense?",
        4.0: "a sparse peak, and each MAC counted as two already?",
        0.5: "MAC/s given as op/s? one MAC is two ops",
    }
    for e in chip.engines:
        for precision in e.macs:
            if e.clock is None or precision not in e.peak:
                continue
            macs, clock = e.macs[precision], e.clock
            expected = (2 * macs.range[0] * clock.range[0], 2 * macs.range[1] * clock.range[1])
            product = show(2 * macs.value * clock.value, "op/s")
            said = f"2 x {macs.value:g} MAC x {show(clock.value, 'Hz')} = {product}"
            at = f"engines.{e.name}.peak.{precision}"
            yield from _agree("peak-macs", at, e.peak[precision], expected, said, hints)


def _macs_from_array(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        if e.array is None or not e.macs:
            continue
        size = math.prod(e.array.dims) * e.array.count
        closest = min(e.macs, key=lambda p: abs(math.log(e.macs[p].value / size)))
        shape = " x ".join(str(d) for d in e.array.dims)
        said = f"{e.array.count} x ({shape}) = {size} MAC"
        at = f"engines.{e.name}.macs.{closest}"
        yield from _agree("macs-array", at, e.macs[closest], (size, size), said, {2.0: "ops given as MACs?"})


def _bus_times_rate(chip: Accelerator) -> Iterator[Lint]:
    hints = {
        2.0: "is the rate a clock, with two transfers a cycle?",
        0.5: "is the bandwidth that of one channel or direction?",
    }
    for path, m in _memories(chip):
        if m.bus_bits is None or m.bandwidth is None:
            continue
        at = f"{path}.bandwidth"
        if m.rate is not None:
            ends = [bits / 8 * rate for bits, rate in zip(m.bus_bits.range, m.rate.range, strict=True)]
            product = show(m.bus_bits.value / 8 * m.rate.value, "byte/s")
            said = f"{m.bus_bits.value:g} bit x {m.rate} / 8 = {product}"
            yield from _agree("bus-rate", at, m.bandwidth, (ends[0], ends[1]), said, hints)
        else:
            yield from _pin_rate(at, m, m.bandwidth, m.bus_bits)


def _pin_rate(path: str, memory: Memory, bandwidth: Sourced, bus_bits: Sourced) -> Iterator[Lint]:
    """Without a stated rate, bandwidth over bus must be one of the technology's; a factor of 2 passes."""
    known = pin_rates(memory.technology)
    if known is None:
        return
    low, high = (x * 8 / bus_bits.value for x in bandwidth.range)
    if low <= 2 * known[1] and high >= known[0] / 2:
        return
    implied = f"{bandwidth} over {bus_bits.value:g} bit is {show(low, 'transfer/s')} a pin"
    grades = f"{memory.technology} runs at {show(known[0], 'transfer/s')} to {show(known[1], 'transfer/s')}"
    slip = "bits taken for bytes" if low > known[1] else "divided by 8 twice"
    yield _error("pin-rate", path, implied, grades, f"{slip}, or a prefix of 1000?")


def _sparse_is_not_dense(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        for precision, sparse in e.sparse_peak.items():
            dense = e.peak.get(precision)
            at = f"engines.{e.name}.peak.{precision}"
            if dense is None:
                here = f"engines.{e.name}.sparse_peak.{precision}"
                yield _warning(
                    "no-peak", here, f"only a sparse peak is given ({sparse})", "state the dense one"
                )
            elif dense.value >= sparse.value * (1 - TOLERANCE):
                said = f"dense {dense} is not below sparse {sparse}"
                yield _error(
                    "sparse-dense", at, said, "a sparse peak given as dense? expected about half of it"
                )
            elif abs(sparse.value / dense.value / 2 - 1) > CONTRADICTION:
                said = f"sparse {sparse} is {sparse.value / dense.value:.3g} times dense {dense}"
                yield _warning("sparse-dense", at, said, "structured sparsity doubles the rate")


def _precisions_have_peaks(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        have = ", ".join(e.peak) or "none"
        if not e.peak and e is not chip.main_engine:
            said = f"engine '{e.name}' has a peak at no precision, so nothing can be costed on it"
            yield _warning("no-peak", f"engines.{e.name}", said)
        tables: dict[str, Mapping[str, Sourced]] = {"macs": e.macs, "energy_per_op": e.energy_per_op}
        for field, table in tables.items():
            for precision in table:
                if e.peak and precision not in e.peak:
                    said = f"precision '{precision}' has {field} but no peak; peaks: {have}"
                    at = f"engines.{e.name}.{field}.{precision}"
                    yield _warning("no-peak", at, said, "state its peak, or leave the precision out")


def _engines_have_memory(chip: Accelerator) -> Iterator[Lint]:
    shared = any(not m.off_chip for m in chip.memory)
    for e in chip.engines:
        if not e.memory and not chip.memory:
            said = f"engine '{e.name}' has no memory, neither its own nor shared"
            yield _error(
                "no-memory", f"engines.{e.name}", said, "list what its data lie in, sizes null if unknown"
            )
        elif not shared and all(m.off_chip for m in e.memory):
            said = f"engine '{e.name}' has no on-chip memory, neither its own nor shared"
            yield _warning("no-memory", f"engines.{e.name}", said, "list one, its capacity null if unknown")


def _modes_below_maximum(chip: Accelerator) -> Iterator[Lint]:
    for mode in chip.power_modes:
        at = f"power_modes.{mode.name}"
        for path, here, top in _pairs(chip, mode):
            if top is None:
                what = "a peak" if path.startswith("peak.") else "a vector rate"
                said = f"precision '{path.rpartition('.')[2]}' has {what} in mode '{mode.name}'"
                yield _error("no-peak", f"{at}.{path}", said + " and none at the maximum", "state that too")
            elif here.value > top.range[1] * (1 + TOLERANCE):
                said = f"{here} in mode '{mode.name}' is above the chip's maximum of {top}"
                yield _error("mode-above-maximum", f"{at}.{path}", said)
        if mode.cap and chip.tdp and mode.cap.value > chip.tdp.range[1] * (1 + TOLERANCE):
            said = f"cap of {mode.cap} in mode '{mode.name}' is above the chip's TDP of {chip.tdp}"
            yield _error("cap-above-tdp", f"{at}.cap", said)


def _pairs(chip: Accelerator, mode: PowerMode) -> Iterator[tuple[str, Sourced, Sourced | None]]:
    """Every figure of a mode with the one that it replaces; what replaces an unknown clock is left out."""
    for name, peaks in mode.peak.items():
        for precision, here in peaks.items():
            yield f"peak.{name}.{precision}", here, chip.engine(name).peak.get(precision)
    for name, peaks in mode.vector_peak.items():
        for precision, here in peaks.items():
            yield f"vector_peak.{name}.{precision}", here, chip.engine(name).vector_peak.get(precision)
    for name, clock in mode.clock.items():
        top = chip.engine(name).clock
        if clock is not None and top is not None:
            yield f"clock.{name}", clock, top
    if mode.bandwidth and chip.dram and chip.dram.bandwidth:
        yield "bandwidth", mode.bandwidth, chip.dram.bandwidth


def _memories_outward(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        own = [(f"engines.{e.name}.memory.{m.name}", m) for m in e.memory]
        levels = own + [(f"memory.{m.name}", m) for m in chip.memory]
        for (path, inner), (_, outer) in pairwise(levels):
            yield from _ordered(path, inner, outer)


def _ordered(path: str, inner: Memory, outer: Memory) -> Iterator[Lint]:
    order = "or memories not listed innermost first?"
    fast, slow = inner.bandwidth, outer.bandwidth
    if fast and slow and fast.range[1] < slow.range[0]:
        said = f"'{inner.name}' at {fast} is slower than '{outer.name}' outside it at {slow}"
        yield _warning("memory-order", f"{path}.bandwidth", said, f"bits taken for bytes, {order}")
    small, large = inner.capacity, outer.capacity
    if small and large and small.range[0] > large.range[1]:
        said = f"'{inner.name}' of {small} is larger than '{outer.name}' outside it of {large}"
        yield _warning("memory-order", f"{path}.capacity", said, f"a prefix of 1000, {order}")


def _balance(chip: Accelerator) -> Iterator[Lint]:
    best = max((s.value for s in chip.main_engine.peak.values()), default=None)
    bandwidth = chip.dram.bandwidth if chip.dram else None
    if best and bandwidth and chip.dram:
        ridge = best / bandwidth.value
        if not RIDGE[0] <= ridge <= RIDGE[1]:
            said = f"{show(best, 'op/s')} and {bandwidth} balance at {ridge:.3g} op/byte"
            wide = f"chips lie between {RIDGE[0]:g} and {RIDGE[1]:g}"
            at = f"memory.{chip.dram.name}.bandwidth"
            yield _error("balance", at, said, wide, "a prefix of 1000 in one of them?")
    if best and chip.tdp:
        rate = best / chip.tdp.value
        if not EFFICIENCY[0] <= rate <= EFFICIENCY[1]:
            said = f"{show(best, 'op/s')} at {chip.tdp} is {show(rate, 'op/s')} per W"
            wide = f"chips lie between {show(EFFICIENCY[0], 'op/s')} and {show(EFFICIENCY[1], 'op/s')} per W"
            yield _error("efficiency", "tdp", said, wide, "a prefix of 1000 in one of them?")
    if chip.idle_power and chip.tdp and chip.idle_power.range[0] > chip.tdp.range[1]:
        yield _error("idle-above-tdp", "idle_power", f"{chip.idle_power} is above the TDP of {chip.tdp}")


def _sparse_formats_hold(chip: Accelerator) -> Iterator[Lint]:
    """No pattern skips more than it leaves out, at a precision that has a peak, beside a sparse peak."""
    for e in chip.engines:
        seen: set[str] = set()
        for found in e.sparsity:
            at = f"engines.{e.name}.sparsity.{found.name}"
            n, m = (int(x) for x in found.pattern.split(":"))
            if not 0 < n < m:
                said = f"pattern {found.pattern} leaves nothing out"
                yield _error("sparse-format", at, said, "expected N:M with N below M, for example 2:4")
                continue
            if found.factor.range[1] > m / n * (1 + TOLERANCE):
                said = f"factor {found.factor} is above the {m / n:g} that {found.pattern} can bring"
                yield _error("sparse-format", at, said)
            if found.precision not in e.peak and e.peak:
                said = f"precision '{found.precision}' has a sparse format but no peak"
                yield _warning("no-peak", at, said, f"peaks: {', '.join(e.peak)}")
            if found.name in seen:
                yield _error("sparse-format", at, f"'{found.name}' is stated twice")
            seen.add(found.name)
            sparse, dense = e.sparse_peak.get(found.precision), e.peak.get(found.precision)
            if sparse and dense and found.operand == "weight":
                ratio = sparse.value / dense.value
                if abs(ratio / found.factor.value - 1) > TOLERANCE:
                    said = f"factor {found.factor} beside a sparse peak of {ratio:.3g} times the dense one"
                    yield _warning("sparse-format", at, said)


def _quantisation_holds(chip: Accelerator) -> Iterator[Lint]:
    for e in chip.engines:
        for found in e.quantisation or ():
            at = f"engines.{e.name}.quantisation.{found.precision}"
            if (found.granularity == "per_group") != (found.group is not None):
                said = f"granularity {found.granularity} with group {found.group}"
                yield _error("quantisation", at, said, "a group belongs to per_group, and to nothing else")
            if e.peak and found.precision not in e.peak:
                said = f"precision '{found.precision}' has a scheme but no peak"
                yield _warning("no-peak", at, said, f"peaks: {', '.join(e.peak)}")


def _energy_outward(chip: Accelerator) -> Iterator[Lint]:
    """A byte costs more the farther it comes from."""
    for e in chip.engines:
        own = [(f"engines.{e.name}.memory.{m.name}", m) for m in e.memory]
        for (path, inner), (_, outer) in pairwise(own + [(f"memory.{m.name}", m) for m in chip.memory]):
            for way in ("read_energy", "write_energy"):
                near, far = (getattr(m, way) or m.access_energy for m in (inner, outer))
                if near and far and near.range[0] > far.range[1]:
                    said = (
                        f"a byte of '{inner.name}' at {near} costs more than one of '{outer.name}' at {far}"
                    )
                    field = way if getattr(inner, way) else "access_energy"
                    yield _warning(
                        "energy-order", f"{path}.{field}", said, "energy of an access, not of a byte?"
                    )


def _leakage_within_idle(chip: Accelerator) -> Iterator[Lint]:
    parts: list[Engine | Memory] = [*chip.engines, *(m for _, m in _memories(chip))]
    lost = sum(part.leakage.range[0] for part in parts if part.leakage)
    for field in ("idle_power", "tdp"):
        cap = getattr(chip, field)
        if cap and lost > cap.range[1] * (1 + TOLERANCE):
            said = f"leakage of all parts, {show(lost, 'W')}, is above {cap}"
            yield _error("leakage", field, said, "a prefix of 1000 in one of them?")
            return


def _each_number(chip: Accelerator) -> Iterator[Lint]:
    for path, said in implausible(chip):
        yield _error("plausible", path, said)


def _sources_are_used(chip: Accelerator) -> Iterator[Lint]:
    from hw_models.spec.show import numbers

    used = {n.source for _, n in numbers(chip)} | {r.source for r in chip.limits.values()}
    for e in chip.engines:
        used |= {part.source for part in (e.array, e.dataflow, *(e.quantisation or ())) if part}
    words = " ".join((*chip.conflicts.values(), *chip.left_out))
    for key in chip.sources:
        if key not in used and key not in words:
            yield _warning(
                "unused-source", f"sources.{key}", f"source '{key}' is declared, and nothing names it"
            )


def _conflicts_name_fields(chip: Accelerator) -> Iterator[Lint]:
    """A conflict must be about a part of the chip that the file has, be it null."""
    lists = {"engines": [e.name for e in chip.engines], "memory": [m.name for m in chip.memory]}
    for field in chip.conflicts:
        top, *rest = field.split(".")
        part_is_there = top not in lists or (bool(rest) and rest[0] in lists[top])
        if top not in type(chip).model_fields or not part_is_there:
            expected = "expected a path such as 'memory.dram.bandwidth'"
            yield _warning(
                "conflict-field", f"conflicts.{field}", f"'{field}' is no field of this chip", expected
            )


def _memories(chip: Accelerator) -> Iterator[tuple[str, Memory]]:
    for e in chip.engines:
        yield from _own(e)
    yield from ((f"memory.{m.name}", m) for m in chip.memory)


def _own(engine: Engine) -> Iterator[tuple[str, Memory]]:
    yield from ((f"engines.{engine.name}.memory.{m.name}", m) for m in engine.memory)


def _agree(
    rule: str, path: str, given: Sourced, expected: Range, said: str, hints: Mapping[float, str]
) -> Iterator[Lint]:
    """A finding where the range of `given` misses the range expected by more than rounding."""
    low, high = given.range
    if low <= expected[1] * (1 + TOLERANCE) and high >= expected[0] * (1 - TOLERANCE):
        return
    ratio = low / expected[1] if low > expected[1] else high / expected[0]
    slips = {**SLIPS, **hints}
    hint = next((slips[s] for s in slips if abs(ratio / s - 1) <= TOLERANCE), "")
    severity: Severity = "error" if abs(ratio - 1) > CONTRADICTION else "warning"
    yield Lint(severity, rule, path, sentence(f"{given} is {ratio:.3g} times what was expected", said, hint))


RULES: Final[tuple[Callable[[Accelerator], Iterator[Lint]], ...]] = (
    _peak_from_macs,
    _macs_from_array,
    _bus_times_rate,
    _sparse_is_not_dense,
    _precisions_have_peaks,
    _engines_have_memory,
    _modes_below_maximum,
    _memories_outward,
    _balance,
    _sparse_formats_hold,
    _quantisation_holds,
    _energy_outward,
    _leakage_within_idle,
    _each_number,
    _sources_are_used,
    _conflicts_name_fields,
)
"""In the order in which their findings are shown."""
