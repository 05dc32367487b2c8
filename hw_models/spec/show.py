"""A chip as one line, as a tidy table, as HTML, and as the report of `codesign chips show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hw_models import units
from hw_models.spec.quantities import Sourced

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Memory


@dataclass(frozen=True, slots=True)
class ChipReport:
    """Everything a file says about a chip, and what it does not.

    Attributes:
        chip: what is reported on.
        numbers: (field, number) in the order of the file.
        facts: (field, text, source) of what is words.
        warnings: what the linter says about the numbers.
    """

    chip: Accelerator
    numbers: tuple[tuple[str, Sourced], ...]
    facts: tuple[tuple[str, str, str], ...]
    warnings: tuple[str, ...]

    @property
    def rows(self) -> list[dict[str, str]]:
        """A row for each number, as text with units."""
        return [
            {
                "field": field,
                "value": units.show(number.value, number.unit),
                "range": number.range_text(),
                "source": number.source,
                "note": number.note or "",
            }
            for field, number in self.numbers
        ]

    def to_dict(self) -> dict[str, Any]:
        """The report for programs: numbers in SI, null where unknown."""
        chip = self.chip
        return {
            "name": chip.label,
            "title": chip.title,
            "vendor": chip.vendor,
            "device_class": chip.device_class,
            "costable": chip.costable,
            "missing": list(chip.missing()),
            "why_not_costable": list(chip.why_not_costable()),
            "modes": [m.name for m in chip.power_modes],
            "numbers": [{"field": f, "unit": n.unit, **n.model_dump()} for f, n in self.numbers],
            "facts": [{"field": f, "text": text, "source": source} for f, text, source in self.facts],
            "sources": dict(chip.sources),
            "conflicts": dict(chip.conflicts),
            "left_out": list(chip.left_out),
            "warnings": list(self.warnings),
        }


def chip_report(chip: Accelerator) -> ChipReport:
    """What `codesign chips show` prints, as data."""
    from hw_models.spec.lint import lint

    warnings = tuple(f"{w.path}: {w.message}" for w in lint(chip))
    return ChipReport(chip, tuple(numbers(chip)), tuple(_facts(chip)), warnings)


def numbers(chip: Accelerator) -> Iterator[tuple[str, Sourced]]:
    """Every number of the chip with its field, names in place of list positions: "memory.dram.bandwidth"."""
    yield from _walk(chip, "")


def _walk(node: object, path: str) -> Iterator[tuple[str, Sourced]]:
    if isinstance(node, Sourced):
        yield path, node
    elif isinstance(node, BaseModel):
        for field in type(node).model_fields:
            yield from _walk(getattr(node, field), f"{path}.{field}" if path else field)
    elif isinstance(node, Mapping):
        for key, child in node.items():
            yield from _walk(child, f"{path}.{key}")
    elif isinstance(node, tuple):
        for child in node:
            if isinstance(child, BaseModel):
                yield from _walk(child, f"{path}.{getattr(child, 'name', '')}")


def _facts(chip: Accelerator) -> Iterator[tuple[str, str, str]]:
    for engine in chip.engines:
        at = f"engines.{engine.name}"
        if engine.array:
            count = f"{engine.array.count} x " if engine.array.count > 1 else ""
            yield (
                f"{at}.array",
                f"{count}({' x '.join(str(d) for d in engine.array.dims)})",
                engine.array.source,
            )
        if engine.operators is not None:
            yield f"{at}.operators", ", ".join(engine.operators), ""
        if engine.fallback:
            yield f"{at}.fallback", engine.fallback, ""
    for memory in chip.memory:
        if memory.technology:
            yield f"memory.{memory.name}.technology", memory.technology, ""
    for key, remark in chip.limits.items():
        yield f"limits.{key}", remark.text, remark.source


def one_line(chip: Accelerator) -> str:
    """Label, peaks, bandwidth and whether it can be costed."""
    state = "" if chip.costable else f"; not costable, missing {', '.join(chip.missing())}"
    return f"<Accelerator {chip.label}: {peaks_text(chip)}; {_memory_text(chip.dram)}{state}>"


def peaks_text(chip: Accelerator) -> str:
    """Dense peaks of the main engine: "fp16 71 TOPS, int8 284 TOPS"."""
    return (
        ", ".join(f"{p} {units.show(s.value, s.unit)}" for p, s in chip.main_engine.peak.items()) or "no peak"
    )


def _memory_text(memory: Memory | None) -> str:
    if memory is None:
        return "no off-chip memory"
    speed = "unknown" if memory.bandwidth is None else units.show(memory.bandwidth.value, "byte/s")
    return f"{memory.technology or memory.name} {speed}"


def to_frame(chip: Accelerator) -> pd.DataFrame:
    """A row for each number: field, value, unit, low, high (SI; NaN: no range), source, note."""
    import pandas as pd

    rows = [(field, n.value, n.unit, n.low, n.high, n.source, n.note) for field, n in numbers(chip)]
    frame = pd.DataFrame(rows, columns=["field", "value", "unit", "low", "high", "source", "note"])
    return frame.astype({"value": float, "low": float, "high": float})


def to_html(chip: Accelerator) -> str:
    """A small table for notebooks: every number, its source as the tool tip."""
    head = f"<b>{escape(chip.title or chip.name)}</b> <code>{escape(chip.label)}</code>"
    if not chip.costable:
        head += f"<br>not costable: {escape('; '.join(chip.why_not_costable()))}"
    rows = []
    for field, number in numbers(chip):
        origin = escape(chip.sources.get(number.source, ""), quote=True)
        cells = (escape(field), escape(str(number)), f"<span title='{origin}'>{escape(number.source)}</span>")
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"{head}<table><tr><th>field</th><th>value</th><th>source</th></tr>{''.join(rows)}</table>"
