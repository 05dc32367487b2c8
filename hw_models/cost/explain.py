"""Why a quantity of a cost is what it is: bound, counts, formula, sources, sensitivities, omissions."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import override

from hw_models.cost.arrays import GRID_UNITS, RESOURCES
from hw_models.cost.base import Cost, show
from hw_models.cost.chips import last_on_chip, vector_peak
from hw_models.cost.explain_energy import cited, figure_lines, part_lines
from hw_models.cost.explain_memory import Footprint, order_lines, peak_lines, place_lines
from hw_models.cost.frame import bound_of, resource_seconds
from hw_models.cost.grid import DRAM_BYTES
from hw_models.cost.roofline import ISSUE, MAC, VECTOR
from hw_models.errors import UnknownNameError
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOWEST: Final = 5
LEVERS: Final = {
    "mac": "peak of the MAC units",
    "vector": "rate of the vector unit",
    "dram": "bandwidth of the external memory",
    "sram": "bandwidth of the on-chip memory",
    "local": "bandwidth of the memories inside",
    "noc": "bandwidth of the interconnect",
    "exposed": "time that nothing hides: first fill, last drain, stalls",
    "issue": "speed of starting a kernel",
}


@dataclass(frozen=True)
class Section:
    """One part of an explanation: labelled lines."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Explanation:
    """Why one quantity is what it is. `str` is the text; `to_dict` the same for a machine."""

    what: str
    headline: str
    sections: tuple[Section, ...]

    @override
    def __str__(self) -> str:
        blocks = [self.headline]
        for section in self.sections:
            width = max((len(label) for label, _ in section.lines), default=0)
            body = "\n".join(f"  {label:<{width}}  {text}".rstrip() for label, text in section.lines)
            blocks.append(f"{section.title}\n{body}")
        return "\n\n".join(blocks)

    @override
    def __repr__(self) -> str:
        return f"Explanation({self.headline})"

    def to_dict(self) -> dict[str, object]:
        """JSON-able: what, headline, and the lines of each section."""
        lines = {s.title: [{"item": label, "text": text} for label, text in s.lines] for s in self.sections}
        return {"what": self.what, "headline": self.headline, "sections": lines}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th colspan=2>{escape(s.title)}</th></tr>"
            + "".join(f"<tr><td>{escape(label)}</td><td>{escape(text)}</td></tr>" for label, text in s.lines)
            for s in self.sections
        )
        return f"<table><caption>{escape(self.headline)}</caption>{rows}</table>"


def explain(cost: Cost, what: str = "latency") -> Explanation:
    """The explanation of one of the six quantities of a cost.

    Raises:
        UnknownNameError: `what` is none of them.
    """
    sections = {
        "latency": _latency,
        "energy": _energy,
        "power": _power,
        "peak_memory": _memory,
        "area": _stated,
        "price": _stated,
    }
    if what not in sections:
        raise UnknownNameError("quantity", what, sections, f"known: {', '.join(sections)}")
    estimate = cost.quantities[what]
    setting = f"{cost.precision}, batch {cost.batch}, lowering {cost.lowering}, model {cost.model}"
    found = sections[what](cost, what)
    warnings = Section("Warnings", tuple(("", w) for w in cost.warnings))
    omitted = Section("Not modelled", tuple(("", line) for line in cost.not_modelled))
    kept = tuple(s for s in (*found, warnings, omitted) if s.lines)
    return Explanation(
        what, f"{what.replace('_', ' ')} {estimate} of {cost.network} on {cost.chip}, {setting}", kept
    )


def _latency(cost: Cost, _: str) -> tuple[Section, ...]:
    return (
        Section("Bound", tuple(_bound(cost))),
        Section("Counts", tuple(_counts(cost))),
        Section("Time of each resource, alone", tuple(_formulas(cost))),
        Section("Figures", tuple(_figures(cost))),
        Section("Latency change when one figure grows by 1 %", tuple(_sensitivities(cost))),
        Section("Slowest kernels", tuple(_slowest(cost))),
    )


def _bound(cost: Cost) -> Iterator[tuple[str, str]]:
    seconds = resource_seconds(cost)
    yield "bounding resource", bound_of(cost) or "unknown"
    for name, part in zip(RESOURCES, seconds, strict=True):
        if part > 0:
            yield name, f"{show(float(part), 's')}, {part / seconds.sum():.1%} of the latency"


def _counts(cost: Cost) -> Iterator[tuple[str, str]]:
    k = cost.detail.kernels
    total = {
        n: float((k.counts @ getattr(k, n))[0])
        for n in ("macs", "vector_ops", "weight_bytes", "read_bytes", "write_bytes")
    }
    yield (
        "kernels",
        f"{k.n_instances}, of {k.n_distinct} distinct shapes, for {len(cost.detail.workload)} operators",
    )
    yield "MACs", f"{total['macs']:,.0f} ({show(2 * total['macs'], 'op')})"
    yield "vector operations", show(total["vector_ops"], "op")
    yield "weights", show(total["weight_bytes"], "byte")
    yield "activations in, out", f"{show(total['read_bytes'], 'byte')}, {show(total['write_bytes'], 'byte')}"
    yield "external traffic", show(float(cost.detail.counts.dram_bytes[0, 0]), "byte")


def _formulas(cost: Cost) -> Iterator[tuple[str, str]]:
    """Totals over the peak; the quotient of the two times is the mean efficiency in force."""
    d, k = cost.detail, cost.detail.kernels
    alone = (k.counts @ np.nan_to_num(d.seconds))[0]
    amounts = (
        (
            "mac",
            2 * k.macs * (d.seconds[:, MAC] > 0),
            "op",
            float(d.chips.mac_peak[0, Precision[cost.precision.upper()]]),
            "op/s",
        ),
        ("dram", d.actions[:, DRAM_BYTES].sum(axis=1), "byte", float(d.chips.dram_bandwidth[0]), "byte/s"),
    )
    for name, amount, unit, rate, per in amounts:
        total, seconds = float((k.counts @ amount)[0]), float(alone[RESOURCES.index(name)])
        if seconds > 0 and rate > 0:
            share = total / rate / seconds
            yield name, f"{show(total, unit)} / ({show(rate, per)} x {share:.3f}) = {show(seconds, 's')}"
    if np.isfinite(d.seconds[:, VECTOR]).all():
        ops = show(float(d.counts.vector_ops.sum()), "op")
        yield "vector", f"{ops}, and a GPU's depthwise MACs: {show(float(alone[VECTOR]), 's')}"
    issue = float(d.seconds[0, ISSUE]) if len(d.seconds) else 0.0
    yield "issue", f"{k.n_instances} kernels x {show(issue, 's')} = {show(float(alone[ISSUE]), 's')}"


def _figures(cost: Cost) -> Iterator[tuple[str, str]]:
    d, chip = cost.detail, cost.detail.accelerator
    engine, memory = chip.main_engine, chip.dram
    used = dict.fromkeys(Precision(int(p)).label for p in d.kernels.math[d.kernels.macs > 0])
    for name in used:
        yield f"peak {name}", cited(engine.peak.get(name), chip.sources)
    vector = vector_peak(engine)
    if vector:
        for name, figure in vector.items():
            yield f"vector rate {name}", cited(figure, chip.sources)
    elif d.constants:
        rate = float(np.nanmax(d.chips.vector_peak[0]))
        yield (
            "vector rate",
            f"{show(rate, 'op/s')}: prior, {d.constants.vector_per_mac} x best MAC peak",
        )
    if memory:
        yield f"bandwidth of {memory.technology or memory.name}", cited(memory.bandwidth, chip.sources)
    level = last_on_chip(chip)
    if level and level.capacity:
        yield f"capacity of {level.name}", cited(level.capacity, chip.sources)
    elif d.constants:
        yield "on-chip capacity", f"{show(d.constants.sram_capacity, 'byte')}: prior of the class"
    if d.constants:
        c = d.constants
        yield "class efficiency, compute", ", ".join(f"{g} {v:g}" for g, v in c.compute.items())
        yield "class efficiency, bandwidth", ", ".join(f"{g} {v:g}" for g, v in c.bandwidth.items())
        of_class = (
            f"{show(c.issue, 's')} [{show(c.issue_low, 's')} .. {show(c.issue_high, 's')}]: class figure"
        )
        yield "start of a kernel", cited(engine.issue, chip.sources) if engine.issue else of_class
        yield "90 % interval of the class", f"x {c.low:g} .. x {c.high:g}"
        yield "class figures from", f"{c.source}; {c.obtained}"


def _sensitivities(cost: Cost) -> Iterator[tuple[str, str]]:
    seconds = resource_seconds(cost)
    for name, part in zip(RESOURCES, seconds, strict=True):
        yield LEVERS[name], f"{-part / seconds.sum():+.3f} %"


def _slowest(cost: Cost) -> Iterator[tuple[str, str]]:
    frame = cost.to_frame().sort_values("time_us", ascending=False).head(SLOWEST)
    for row in frame.itertuples():
        part = f"{row.time_us:.4g} us, {row.time_share:.1%} of the latency"
        yield str(row.name), f"{part}, bound by {row.bound}, utilisation {row.utilisation:.1%}"


def _energy(cost: Cost, _: str) -> tuple[Section, ...]:
    if cost.latency.value is None:
        return (Section("Unknown", (("", cost.reason or "the latency is unknown"),)),)
    parts, growth = part_lines(cost)
    return (
        Section("Parts", tuple(parts)),
        Section("Counts", tuple(_counts(cost))),
        Section("Energies", tuple(figure_lines(cost))),
        Section("Energy change when one figure grows by 1 %", tuple(growth)),
    )


def _power(cost: Cost, _: str) -> tuple[Section, ...]:
    d = cost.detail
    cap, tdp = float(d.chips.cap[0]), float(d.chips.tdp[0])
    lines = [
        ("source", cost.power_source or "unknown: neither energy nor a cap is known"),
        ("energy per inference", str(cost.energy)),
        ("latency", str(cost.latency)),
        (f"cap of mode {d.accelerator.mode or '(none)'}", show(cap, "W")),
        ("TDP", show(tdp, "W")),
    ]
    return (
        Section("Energy per inference times rate, inferences without a pause; else the cap", tuple(lines)),
    )


def _memory(cost: Cost, _: str) -> tuple[Section, ...]:
    k = cost.detail.kernels
    lines = (
        ("weights as stored", show(float(k.weights_bytes[0]), "byte")),
        ("live activations at their peak", show(float(k.peak_activation_bytes[0]), "byte")),
        ("memory of the chip", show(float(cost.detail.chips.dram_capacity[0]), "byte")),
    )
    found = Footprint.of(cost)
    return (
        Section("Parts, over the lowered order", lines),
        Section("Alive at the peak", tuple(peak_lines(found))),
        Section("Order of the kernels, live activations", tuple(order_lines(found))),
        Section("Where it lies", tuple(place_lines(cost, found))),
    )


def _stated(cost: Cost, what: str) -> tuple[Section, ...]:
    chip = cost.detail.accelerator
    figure = {"area": chip.die_area, "price": chip.price}[what]
    return (
        Section(
            "Stated by the chip's file", ((f"{what} [{GRID_UNITS[what]}]", cited(figure, chip.sources)),)
        ),
    )
