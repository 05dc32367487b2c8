"""A chip as one line, as a tidy table, as HTML, and as the report of `codesign chips show`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from pydantic import BaseModel

from hw_models import units
from hw_models.spec.quantities import Sourced

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.spec.accelerator import Accelerator, Memory


@dataclass(frozen=True, slots=True)
class ChipReport:
    """Everything a file says about a chip, and what it does not.

    Attributes:
        title, summary: two lines that head the page.
        numbers: (field, number) in the order of the file.
        facts: (field, text, source) of what is words.
        sources, conflicts: by key and by field.
        left_out, missing: what is not modelled; why the chip cannot be costed.
        warnings: what the linter says about the numbers.
    """

    title: str
    summary: str
    numbers: tuple[tuple[str, Sourced], ...]
    facts: tuple[tuple[str, str, str], ...]
    sources: dict[str, str]
    conflicts: dict[str, str]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def rows(self) -> list[dict[str, str]]:
        """A row for each number, as text with units."""
        return [
            {
                "field": field,
                "value": units.show(number.value, number.unit),
                "range": ""
                if number.low is None and number.high is None
                else f"{units.show(number.range[0], number.unit)} .. {units.show(number.range[1], number.unit)}",
                "source": number.source,
                "note": number.note or "",
            }
            for field, number in self.numbers
        ]


def chip_report(chip: Accelerator) -> ChipReport:
    """What `codesign chips show` prints, as data."""
    from hw_models.spec.lint import lint

    return ChipReport(
        title=f"{chip.title} ({chip.vendor}, {chip.device_class})",
        summary=one_line(chip),
        numbers=tuple(numbers(chip)),
        facts=tuple(_facts(chip)),
        sources=dict(chip.sources),
        conflicts=dict(chip.conflicts),
        left_out=chip.left_out,
        missing=chip.why_not_costable(),
        warnings=tuple(f"{w.path}: {w.message}" for w in lint(chip)),
    )


def numbers(chip: Accelerator) -> Iterator[tuple[str, Sourced]]:
    """Every number of the chip with its field, names in place of list positions: "memory.dram.bandwidth"."""
    yield from _walk(chip, "")


def _walk(node: object, path: str) -> Iterator[tuple[str, Sourced]]:
    if isinstance(node, Sourced):
        yield path, node
    elif isinstance(node, BaseModel):
        for field in type(node).model_fields:
            yield from _walk(getattr(node, field), f"{path}.{field}" if path else field)
    elif isinstance(node, dict):
        for key, child in node.items():
            yield from _walk(child, f"{path}.{key}")
    elif isinstance(node, tuple):
        for child in node:
            if isinstance(child, BaseModel):
                yield from _walk(child, f"{path}.{getattr(child, 'name', '')}")


def _facts(chip: Accelerator) -> Iterator[tuple[str, str, str]]:
    for engine in chip.engines:
        if engine.array:
            text = f"{engine.array.count} x " if engine.array.count > 1 else ""
            yield (
                f"engines.{engine.name}.array",
                text + " x ".join(str(d) for d in engine.array.dims),
                engine.array.source,
            )
        if engine.operators is not None:
            yield f"engines.{engine.name}.operators", ", ".join(engine.operators), ""
        if engine.fallback:
            yield f"engines.{engine.name}.fallback", engine.fallback, ""
    for memory in chip.memory:
        if memory.technology:
            yield f"memory.{memory.name}.technology", memory.technology, ""
    for key, remark in chip.limits.items():
        yield f"limits.{key}", remark.text, remark.source


def one_line(chip: Accelerator) -> str:
    """Label, best peak, bandwidth and whether it can be costed."""
    peaks = (
        ", ".join(f"{p} {units.show(s.value, s.unit)}" for p, s in chip.main_engine.peak.items()) or "no peak"
    )
    state = "" if chip.costable else f"; not costable, missing {', '.join(chip.missing())}"
    return f"<Accelerator {chip.label}: {peaks}; {_memory_text(chip.dram)}{state}>"


def _memory_text(memory: Memory | None) -> str:
    if memory is None:
        return "no off-chip memory"
    speed = (
        "unknown" if memory.bandwidth is None else units.show(memory.bandwidth.value, memory.bandwidth.unit)
    )
    return f"{memory.technology or memory.name} {speed}"


def to_frame(chip: Accelerator) -> pd.DataFrame:
    """A row for each number: field, value, unit, low, high (SI, NaN where the sources give no range), source, note."""
    import pandas as pd

    rows = [(field, n.value, n.unit, n.low, n.high, n.source, n.note) for field, n in numbers(chip)]
    frame = pd.DataFrame(rows, columns=["field", "value", "unit", "low", "high", "source", "note"])
    return frame.astype({"value": float, "low": float, "high": float})


def to_html(chip: Accelerator) -> str:
    """A small table for notebooks: every number with its source."""
    head = f"<b>{escape(chip.title)}</b> <code>{escape(chip.label)}</code>"
    if not chip.costable:
        head += f"<br>not costable: {escape('; '.join(chip.why_not_costable()))}"
    cells = "".join(
        f"<tr><td>{escape(field)}</td><td>{escape(str(n))}</td><td title='{escape(chip.sources.get(n.source, ''), quote=True)}'>{escape(n.source)}</td></tr>"
        for field, n in numbers(chip)
    )
    return f"{head}<table><tr><th>field</th><th>value</th><th>source</th></tr>{cells}</table>"
