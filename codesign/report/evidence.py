"""What stands behind the numbers of a report: where each is from, and what the page was written with."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Final

from codesign.report.content import Cell, Table, table, text_cell

if TYPE_CHECKING:
    from hw_models.cost.base import Cost
    from hw_models.spec.accelerator import Accelerator

PACKAGES: Final = ("codesign", "torch", "timm", "optuna", "moocore", "numpy", "pandas", "plotly")

USED: Final = (
    "peak",
    "vector_peak",
    "bandwidth",
    "capacity",
    "cap",
    "tdp",
    "idle_power",
    "process_nm",
    "energy_per_op",
    "access_energy",
    "issue",
)
"""Fields of a chip's file that a cost or a limit reads: the last step of the path but for a precision."""


def sources_table(
    cost: Cost | None, chips: Sequence[Accelerator], others: Iterable[tuple[str, str, str, str]]
) -> Table:
    """Every number used, with where it is from: the chosen point in full, then the figures of every chip.

    Args:
        cost: the chosen point; None: there is none.
        chips: every chip that the report shows.
        others: (about, what, value, source) of what is no chip's: accuracies, limits.
    """
    rows = [_row(*other) for other in others]
    if cost is not None:
        rows += _cost_rows(cost)
    for chip in chips:
        rows += _chip_rows(chip)
    return table(("About", "Number", "Value", "Source"), rows)


def _cost_rows(cost: Cost) -> list[list[Cell]]:
    """Figures behind the chosen point as its explanation cites them, class constants and priors included."""
    rows = []
    for what, title in (("latency", "Figures"), ("energy", "Energies")):
        for section in cost.explain(what).sections:
            if section.title == title:
                for label, text in section.lines:
                    value, _, source = text.partition(": ")
                    rows.append(
                        _row(
                            f"{cost.network} on {cost.chip}",
                            label,
                            value,
                            source or "hw_models/cost/class_priors.yaml",
                        )
                    )
    return rows


def _chip_rows(chip: Accelerator) -> list[list[Cell]]:
    from hw_models import units
    from hw_models.spec.show import numbers

    rows = []
    for field, number in numbers(chip):
        if set(field.split(".")[-2:]) & set(USED) and not field.startswith("power_modes"):
            value = units.show(number.value, number.unit)
            if number.low is not None or number.high is not None:
                low, high = number.range
                value += f" ({units.show(low, number.unit)} to {units.show(high, number.unit)})"
            said = chip.sources.get(number.source, number.source)
            rows.append(_row(chip.label, field, value, f"{said}; {number.note}" if number.note else said))
    if chip.power_mode is not None and chip.power_mode.cap is not None:
        cap = chip.power_mode.cap
        rows.append(
            _row(
                chip.label,
                "power mode cap",
                units.show(cap.value, cap.unit),
                chip.sources.get(cap.source, cap.source),
            )
        )
    return rows


def _row(about: str, what: str, value: str, source: str) -> list[Cell]:
    return [text_cell(about), text_cell(what), text_cell(value), text_cell(source)]


def environment_rows() -> list[tuple[str, str]]:
    """Versions that the page was written with."""
    rows = [("Python", platform.python_version()), ("System", platform.platform())]
    for package in PACKAGES:
        try:
            rows.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            rows.append((package, "not installed"))
    return rows
