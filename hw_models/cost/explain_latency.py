"""The lines that explain a latency: bound, counts, formulas, figures with sources, levers, mappings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import RESOURCES, Fidelity
from hw_models.cost.base import show
from hw_models.cost.chips import last_on_chip, vector_peak
from hw_models.cost.explain_calibrated import law_lines
from hw_models.cost.explain_energy import cited
from hw_models.cost.frame import bound_of, resource_seconds
from hw_models.cost.grid import DRAM_BYTES
from hw_models.cost.roofline import ISSUE, MAC, VECTOR
from hw_models.cost.sensitivity import levers
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from hw_models.cost.adjust import ClassConstants
    from hw_models.cost.base import Cost
    from hw_models.spec.accelerator import Accelerator

SLOWEST: Final = 5
INSIDE: Final = {
    "sram": "last on-chip memory, its busier port",
    "local": "busiest port of the memories inside that",
    "noc": "interconnect",
    "exposed": "first fill, last drain, stalls, tiles, DMA descriptors, parts one after the other",
}
"""Resources beside MACs, vector unit and external memory, in words."""

Line = tuple[str, str]


def shortfall_lines(cost: Cost) -> Iterator[Line]:
    """What keeps the network from running: demand, bound, gap, and the levers that would make it fit."""
    for s in cost.shortfalls:
        yield s.where, f"needs {s.demand}, there is {s.bound}: {s.gap} [{s.unit}]"
        yield "", f"would run with {' or '.join(s.levers)}"


def bound_lines(cost: Cost) -> Iterator[Line]:
    """The resource that answers for most of the latency, and what each answers for."""
    yield "bounding resource", bound_of(cost) or "unknown"
    if not cost.latency.is_known:
        return
    seconds = resource_seconds(cost)
    for name, part in zip(RESOURCES, seconds, strict=True):
        if part > 0:
            yield name, f"{show(float(part), 's')}, {part / seconds.sum():.1%} of the latency"


def count_lines(cost: Cost) -> Iterator[Line]:
    """Kernels, operations and bytes of the whole network."""
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


def formula_lines(cost: Cost) -> Iterator[Line]:
    """Totals over the peak; the quotient of the two times is the mean efficiency in force."""
    if not cost.latency.is_known:
        return
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
        depthwise = ", and depthwise MACs" if cost.detail.accelerator.main_engine.kind == "gpu" else ""
        yield "vector", f"{ops}{depthwise}: {show(float(alone[VECTOR]), 's')}"
    for name, meaning in INSIDE.items():
        seconds = float(alone[RESOURCES.index(name)])
        if seconds > 0:
            yield name, f"{meaning}: {show(seconds, 's')}"
    if d.start_s > 0:
        yield (
            "start",
            f"before and after the kernels, and between engines: {show(d.start_s, 's')}",
        )
    issue = float(d.seconds[0, ISSUE]) if len(d.seconds) else 0.0
    yield "issue", f"{k.n_instances} kernels x {show(issue, 's')} = {show(float(alone[ISSUE]), 's')}"


def latency_figures(cost: Cost) -> Iterator[Line]:
    """Every figure that the latency goes by, with range and source; class figures where the file has none."""
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
    if d.terms.fidelity == Fidelity.TILED:
        yield from _organisation_lines(chip)
    if d.lawful is not None:
        yield from law_lines(d)
    elif d.constants:
        yield from _class_lines(cost, d.constants)


def _class_lines(cost: Cost, c: ClassConstants) -> Iterator[Line]:
    """Constants of the class, or of the organisation, of the chip."""
    chip = cost.detail.accelerator
    issue = chip.main_engine.issue
    if cost.detail.terms.fidelity == Fidelity.ROOFLINE:
        yield "class efficiency, compute", ", ".join(f"{g} {v:g}" for g, v in c.compute.items())
        yield "class efficiency, bandwidth", ", ".join(f"{g} {v:g}" for g, v in c.bandwidth.items())
    of_class = f"{show(c.issue, 's')} [{show(c.issue_low, 's')} .. {show(c.issue_high, 's')}]: class figure"
    yield "start of a kernel", cited(issue, chip.sources) if issue else of_class
    yield "90 % interval of the class", f"x {c.low:g} .. x {c.high:g}"
    yield "class figures from", f"{c.source}; {c.obtained}"


def _organisation_lines(chip: Accelerator) -> Iterator[Line]:
    """The array and how it works, each parameter with its source or its default."""
    from hw_models.cost.tiled.registry import organisation

    engine = chip.main_engine
    flow, array = engine.dataflow, engine.array
    if flow is None:
        return
    yield "clock", cited(engine.clock, chip.sources)
    if array is not None:
        shape = " x ".join(map(str, array.dims)) + (f", {array.count} of them" if array.count > 1 else "")
        yield "MAC array", f"{shape}: {chip.sources.get(array.source, array.source)}"
    yield "organisation", f"{flow.kind}: {chip.sources.get(flow.source, flow.source)}"
    for name, parameter in organisation(flow.kind).parameters.items():
        unit = "" if parameter.unit == "1" else f" {parameter.unit}"
        given = flow.parameters.get(name)
        if given is not None:
            source = chip.sources.get(given.source, given.source)
            yield name, f"{given.value:g}{unit}: {parameter.meaning}; {source}"
        elif parameter.default is not None:
            yield name, f"{parameter.default:g}{unit} by default: {parameter.meaning}; {parameter.source}"


def lever_lines(cost: Cost) -> Iterator[Line]:
    """What the next chip should change, the lever that gains most first; each costed again, not derived."""
    for lever in levers(cost):
        told = f"x {lever.factor:g}: {show(lever.before_s, 's')} -> {show(lever.latency_s, 's')}"
        yield lever.name, f"{lever.elasticity:+.3f} % ({told})"


def slow_lines(cost: Cost) -> Iterator[Line]:
    """The slowest kernels, what binds them and how busy the MAC units are."""
    for row in _slowest(cost):
        part = f"{row['time_us']:.4g} us, {row['time_share']:.1%} of the latency"
        yield row["name"], f"{part}, bound by {row['bound']}, utilisation {row['utilisation']:.1%}"


def mapping_lines(cost: Cost) -> Iterator[Line]:
    """The mappings found or given for the slowest contractions, and how far from the best they can be."""
    for row in _slowest(cost):
        gap = row["mapping_gap"]
        if row["mapping"]:
            proven = "the best there is" if gap == 0 else f"at most {gap:.2%} slower than the best"
            yield row["name"], f"{row['mapping']}; {'given or by rule' if np.isnan(gap) else proven}"


def _slowest(cost: Cost) -> list[dict[str, Any]]:
    if not cost.latency.is_known:
        return []
    slow = cost.to_frame().sort_values("time_us", ascending=False).head(SLOWEST)
    return [{str(k): v for k, v in row.items()} for row in slow.to_dict("records")]
