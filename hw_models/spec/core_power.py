"""Power that a chip's description implies: of the core at its peak and on average, leakage, DRAM."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Final

from hw_models.spec.silicon import (
    Implied,
    Part,
    covered,
    lanes_by_precision,
    macs_by_precision,
    on_chip,
    silicon_priors,
    sourced_by,
)

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Memory

PJ: Final = 1e-12
KIB: Final = 1024.0


def peak_power(chip: Accelerator) -> Implied | None:
    """W of the chip's engines and memories when all of it switches, without the external memory.

    Needed are a node from 3 to 65 nm, and clock and MACs of every engine; None else. Each engine runs at the
    precision that takes most.

    Source: NVDLA primer; energy of arithmetic from Horowitz 2014 and Jouppi 2021.
    """
    node, prior = covered(chip), silicon_priors()["power"]
    if node is None or not all(e.clock and macs_by_precision(e) for e in chip.engines):
        return None
    said = sourced_by(*prior["mac_source"], *prior["delivery"]["source"])
    parts = []
    for engine in chip.engines:
        clock = engine.clock.value if engine.clock else 0.0
        units = engine.units.value if engine.units else 1.0
        working = max(count * mac_energy(p, node) for p, count in macs_by_precision(engine).items())
        lanes = (count * mac_energy(p, node) for p, count in lanes_by_precision(engine).items())
        for name, joules in (
            ("macs", working),
            ("vector", max(lanes, default=0.0)),
            ("control", units * prior["control_macs"]["value"] * mac_energy("int8", node)),
        ):
            parts.append(_part(f"engines.{engine.name}.{name}", clock * joules, said))
    fastest = max(e.clock.value for e in chip.engines if e.clock)
    for path, memory in on_chip(chip):
        if memory.capacity is not None:
            like = memory.capacity.value / KIB * prior["sram_macs_per_kib"]["value"]
            parts.append(_part(path, fastest * like * mac_energy("int8", node), said))
    return Implied(tuple(p for p in parts if p.value > 0), "W")


def average_power(chip: Accelerator) -> Implied | None:
    """W on average over a network, by the share of the peak that the primer's sizes have."""
    peak, prior = peak_power(chip), silicon_priors()["power"]["average"]
    if peak is None:
        return None
    parts = (
        Part(p.name, p.value * prior["value"], p.low * prior["low"], p.high * prior["high"], p.source)
        for p in peak
    )
    return Implied(tuple(parts), "W")


def leakage(area: float, *, name: str = "leakage") -> Part:
    """W that `area` m2 of silicon loses while it is on."""
    prior = silicon_priors()["power"]["leakage_mw_per_mm2"]
    value, low, high = (prior[end] * 1e-3 * area / 1e-6 for end in ("value", "low", "high"))
    return Part(name, value, low, high, sourced_by(*prior["source"]))


def dram_power(memory: Memory) -> Part | None:
    """W of an external memory and its interface at full bandwidth; None: bandwidth or technology unknown."""
    prior = silicon_priors()["dram"]
    technology = (memory.technology or "").lower()
    rate = next((r for kind, r in prior["pj_per_bit"].items() if technology.startswith(kind)), None)
    if rate is None or memory.bandwidth is None:
        return None
    value, low, high = (8 * memory.bandwidth.value * end * PJ for end in rate)
    return Part(f"memory.{memory.name}", value, low, high, sourced_by(*prior["source"]))


def mac_energy(precision: str, node_nm: float) -> float:
    """J of one MAC with its registers and clock; a power law through the two nodes of its source."""
    priors = silicon_priors()
    table, (coarse, fine) = priors["power"]["mac_pj"], priors["power"]["nodes_nm"]
    at_coarse, at_fine = table[priors["mac"]["as"].get(precision, precision)]
    ratio = (at_coarse / at_fine) ** (log(node_nm / fine) / log(coarse / fine))
    joules: float = at_fine * ratio * priors["power"]["delivery"]["value"] * PJ
    return joules


def _part(name: str, watts: float, said: str) -> Part:
    """With the spread of the delivery, the widest of the factors."""
    delivery = silicon_priors()["power"]["delivery"]
    low, high = (watts * delivery[end] / delivery["value"] for end in ("low", "high"))
    return Part(name, watts, low, high, said)
