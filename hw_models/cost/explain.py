"""Why a quantity of a cost is what it is: bound, counts, formula, sources, sensitivities, omissions."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from typing_extensions import override

from hw_models.cost.arrays import GRID_UNITS
from hw_models.cost.base import Cost, show
from hw_models.cost.explain_energy import cited, figure_lines, part_lines
from hw_models.cost.explain_latency import (
    bound_lines,
    count_lines,
    formula_lines,
    latency_figures,
    lever_lines,
    mapping_lines,
    shortfall_lines,
    slow_lines,
)
from hw_models.cost.explain_memory import Footprint, order_lines, peak_lines, place_lines
from hw_models.cost.silicon import area_of_core
from hw_models.errors import UnknownNameError


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
    sections = (
        ("Why it does not run", shortfall_lines),
        ("Bound", bound_lines),
        ("Counts", count_lines),
        ("Time of each resource, alone", formula_lines),
        ("Figures", latency_figures),
        ("Latency change when one figure grows by 1 %", lever_lines),
        ("Slowest kernels", slow_lines),
        ("Mappings of the slowest contractions", mapping_lines),
    )
    return tuple(Section(title, tuple(lines(cost))) for title, lines in sections)


def _energy(cost: Cost, _: str) -> tuple[Section, ...]:
    if cost.latency.value is None:
        return (Section("Unknown", (("", cost.reason or "the latency is unknown"),)),)
    parts, growth = part_lines(cost)
    return (
        Section("Parts", tuple(parts)),
        Section("Counts", tuple(count_lines(cost))),
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
    implied = area_of_core(chip) if what == "area" and figure is None else None
    if implied is not None:
        lines = tuple((p.name, f"{show(p.value, 'm2')}, {p.source}") for p in implied)
        return (Section("Follows from the description of the core", lines),)
    return (
        Section(
            "Stated by the chip's file", ((f"{what} [{GRID_UNITS[what]}]", cited(figure, chip.sources)),)
        ),
    )
