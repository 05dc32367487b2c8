"""Area of the die that a chip's description implies: MACs, SRAM, interface and control.

It stands beside the description, and not among the costs, because it follows from the description alone. The
price of the die is in `die_cost`, the power of the core in `core_power`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.spec.silicon import (
    Implied,
    Part,
    along_nodes,
    covered,
    lanes_by_precision,
    macs_by_precision,
    on_chip,
    silicon_priors,
    sourced_by,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Engine, Memory

UM2: Final = 1e-12
MM2: Final = 1e-6
GB: Final = 1e9


def implied_area(chip: Accelerator) -> Implied | None:
    """Area in m2 of what the description lists; None where it does not say enough.

    Needed are a node from 3 to 65 nm and the MACs of every engine (or its peak and clock). Memories of
    unknown size and an external memory of unknown bandwidth are left out. IP cores (`npu_ip`) have no
    interface of their own.
    """
    node = covered(chip)
    if node is None or not all(macs_by_precision(e) for e in chip.engines):
        return None
    parts: list[Part] = []
    for engine in chip.engines:
        parts += _engine_parts(engine, node)
    parts += [
        sram_area(m.capacity.value, node, banks=m.instances.value if m.instances else None, name=path)
        for path, m in on_chip(chip)
        if m.capacity is not None
    ]
    outer = chip.dram
    if outer is not None and chip.device_class != "npu_ip" and (phy := phy_area(outer)) is not None:
        parts.append(phy)
    return Implied(tuple(parts), "m2")


def mac_area(precision: str, count: float, node_nm: float, *, name: str = "macs") -> Part:
    """Area of MAC units of one precision: arithmetic, and the registers, sums and wires that go with each.

    Source: Horowitz 2014 for the arithmetic; NVDLA primer and TPU v1 for the rest.
    """
    priors = silicon_priors()
    table, beside = priors["mac"], priors["beside_a_mac"]
    shrink = _density(node_nm) / _density(table["node_nm"])
    arithmetic = arithmetic_um2(precision)
    value, low, high = (count * (arithmetic + beside[end]) * shrink * UM2 for end in ("um2", "low", "high"))
    return Part(name, value, low, high, sourced_by(*table["source"], *beside["source"]))


def arithmetic_um2(precision: str) -> float:
    """Multiplier and adder of one MAC in um2 at the reference node."""
    table = silicon_priors()["mac"]
    figure: float = table["um2"][table["as"].get(precision, precision)]
    return figure


def sram_area(capacity: float, node_nm: float, *, banks: float | None = None, name: str = "sram") -> Part:
    """Area of an SRAM of `capacity` bytes; many small banks take more than a few large ones.

    Source: bit cells as published; share of the cells from NVDLA, TPU v1, TPUv4i.
    """
    prior = silicon_priors()["sram"]
    around = 1.0 if banks is None else 1.0 + prior["periphery_bytes"] * banks / capacity
    cells = capacity * 8 * _density(node_nm) * UM2 * around
    value, low, high = (cells / prior[end] for end in ("efficiency", "high", "low"))
    return Part(name, value, low, high, sourced_by("cells", *prior["source"]))


def phy_area(memory: Memory) -> Part | None:
    """Interface to an external memory by its bandwidth; None: bandwidth or technology unknown."""
    prior = silicon_priors()["phy"]
    technology = (memory.technology or "").lower()
    rate = next((a for kind, a in prior["mm2_per_gb_s"].items() if technology.startswith(kind)), None)
    if rate is None or memory.bandwidth is None:
        return None
    value = rate * memory.bandwidth.value / GB * MM2
    ends = (value * prior["low"], value * prior["high"])
    return Part(f"memory.{memory.name}.phy", value, *ends, sourced_by(*prior["source"]))


def _engine_parts(engine: Engine, node: float) -> list[Part]:
    """Its MACs, its vector lanes where they are known, and its control."""
    at, priors = f"engines.{engine.name}", silicon_priors()
    found = [_widest(f"{at}.macs", macs_by_precision(engine), node)]
    if lanes := lanes_by_precision(engine):
        found.append(_widest(f"{at}.vector", lanes, node))
    if engine.kind in priors["programmable"]["kinds"]:
        found = [_programmable(part) for part in found]
    control = priors["control"]
    shrink = _density(node) / _density(control["node_nm"])
    units = engine.units.value if engine.units else 1.0
    value, low, high = (units * control[end] * shrink * MM2 for end in ("mm2", "low", "high"))
    return [*found, Part(f"{at}.control", value, low, high, sourced_by(*control["source"]))]


def _programmable(part: Part) -> Part:
    """With what an instruction-driven engine has about its lanes."""
    prior = silicon_priors()["programmable"]
    value, low, high = part.value * prior["factor"], part.low * prior["low"], part.high * prior["high"]
    return Part(part.name, value, low, high, f"{part.source}; {sourced_by(*prior['source'])}")


def _widest(name: str, counts: Mapping[str, float], node: float) -> Part:
    """The precision that needs most: units of one precision serve the others too."""
    parts = (mac_area(precision, count, node, name=name) for precision, count in counts.items())
    return max(parts, key=lambda part: part.value)


def _density(node_nm: float) -> float:
    """um2 of a bit cell."""
    return along_nodes(silicon_priors()["bit_cell"]["um2"], node_nm)
