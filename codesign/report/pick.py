"""The chosen point in detail: its roofline, where time and energy go, its kernels, what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from codesign.plots import (
    KernelRow,
    breakdown_figure,
    breakdown_info,
    kernel_rows,
    roofline_figure,
    roofline_info,
)
from codesign.report.content import Cell, Figure, Pick, Table, number_cell, share_cell, table, text_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.cost.base import Cost

KERNEL_TITLES: Final = (
    "#",
    "Kernel",
    "Class",
    "MMAC",
    "Mop",
    "DRAM [kB]",
    "Intensity [op/B]",
    "Time [µs]",
    "Share",
    "Energy [µJ]",
    "Bound by",
    "Utilisation",
)
NUMERIC: Final = (0, *range(3, 10), 11)


def describe_pick(cost: Cost, others: Sequence[Cost], why: str) -> Pick:
    """The part of the report on one point.

    Args:
        cost: the chosen network on the chosen chip.
        others: the same network on chips to draw beside it in the roofline.
        why: in a sentence, how the point was chosen.
    """
    roofline = roofline_info([cost, *others])
    breakdown = breakdown_info(cost)
    rows = kernel_rows(cost)
    return Pick(
        title=f"{cost.network} on {cost.chip} at {cost.precision}",
        why=why,
        figures=(
            Figure("plot-roofline", roofline_figure(roofline), roofline.caption),
            Figure("plot-breakdown", breakdown_figure(breakdown), breakdown.caption),
        ),
        kernels=table(KERNEL_TITLES, [_kernel(i, r) for i, r in enumerate(rows)], numeric=NUMERIC),
        kernels_note=_kernels_note(cost, rows),
        explained=tuple(_explained(cost)),
    )


def _kernels_note(cost: Cost, rows: Sequence[KernelRow]) -> str:
    blind = [r for r in rows if not r.modelled]
    said = (
        f"{len(rows)} kernels, lowering '{cost.lowering}', batch {cost.batch}; their times sum to the latency"
    )
    if not blind:
        return f"{said}."
    share = sum(r.share for r in blind)
    return f"{said}. {len(blind)} hold operators without a rule and take {share:.1%} of the time."


def _kernel(at: int, row: KernelRow) -> list[Cell]:
    intensity = row.operations / row.dram_bytes if row.dram_bytes > 0 else None
    return [
        Cell(str(at), at),
        text_cell(row.label, f"operators: {row.ops}; {row.precision}"),
        text_cell(row.kind if row.modelled else f"{row.kind} (no rule)"),
        number_cell(row.macs / 1e6),
        number_cell(row.operations / 1e6),
        number_cell(row.dram_bytes / 1e3),
        number_cell(intensity),
        number_cell(row.time_s * 1e6),
        share_cell(row.share),
        number_cell(None if row.energy_j is None else row.energy_j * 1e6),
        text_cell(row.bound),
        share_cell(row.utilisation),
    ]


def _explained(cost: Cost) -> list[tuple[str, Table]]:
    """What binds, what the figures are, what would help: the cost's own explanation as tables."""
    wanted = {
        "latency": ("Bound", "Latency change when one figure grows by 1 %"),
        "energy": ("Parts", "Energy change when one figure grows by 1 %"),
    }
    found = []
    for what, titles in wanted.items():
        for section in cost.explain(what).sections:
            if section.title in titles:
                title = (
                    f"{what.capitalize()}: {section.title.lower()}"
                    if len(section.title) < 10
                    else section.title
                )
                rows = [[text_cell(label), text_cell(text)] for label, text in section.lines]
                found.append((title, table(("", ""), rows)))
    return found
