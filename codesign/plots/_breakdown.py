"""Where the time and the energy of one network on one chip go, by class of kernel."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from codesign.plots._kernels import kernel_rows
from codesign.plots._theme import PALETTE, figures, layout

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from hw_models.cost.base import Cost


@dataclass(frozen=True, slots=True)
class Slice:
    """All kernels of one class: how many, their time [s] and energy [J]; energy None: not modelled."""

    kind: str
    kernels: int
    time_s: float
    energy_j: float | None


@dataclass(frozen=True, slots=True)
class BreakdownInfo:
    """What the figure shows; slices by falling time."""

    network: str
    chip: str
    slices: tuple[Slice, ...]

    @property
    def time_s(self) -> float:
        """Time of all kernels together."""
        return sum(s.time_s for s in self.slices)

    @property
    def energy_j(self) -> float | None:
        """Energy of all kernels together; None where that of any class is unknown."""
        known = [s.energy_j for s in self.slices if s.energy_j is not None]
        return sum(known) if len(known) == len(self.slices) else None

    @property
    def caption(self) -> str:
        """One sentence on where most of it goes."""
        if not self.slices or not self.time_s:
            return "No kernel takes time."
        top = self.slices[0]
        text = f"{top.kind} kernels take {top.time_s / self.time_s:.0%} of the time"
        total = self.energy_j
        if total:
            dear = max(self.slices, key=lambda s: s.energy_j or 0.0)
            return f"{text}; {dear.kind} kernels {(dear.energy_j or 0.0) / total:.0%} of the energy."
        return f"{text}; energy is not modelled on this chip."


def breakdown(cost: Cost) -> go.Figure:
    """Time and energy of a network on a chip, by class of kernel."""
    return breakdown_figure(breakdown_info(cost))


def breakdown_info(cost: Cost) -> BreakdownInfo:
    """Sum a cost's kernels by class."""
    sums: dict[str, list[float]] = {}
    for row in kernel_rows(cost):
        entry = sums.setdefault(row.kind, [0, 0.0, 0.0])
        entry[0] += 1
        entry[1] += row.time_s
        entry[2] += row.energy_j if row.energy_j is not None else float("nan")
    slices = [Slice(kind, int(n), t, None if e != e else e) for kind, (n, t, e) in sums.items()]  # noqa: PLR0124 - NaN
    return BreakdownInfo(cost.network, cost.chip, tuple(sorted(slices, key=lambda s: (-s.time_s, s.kind))))


def breakdown_figure(info: BreakdownInfo) -> go.Figure:
    """Draw two bars a class side by side, the largest on top; a class without energy has no second bar."""
    from plotly.subplots import make_subplots

    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    rows = info.slices[::-1]
    kinds = [f"{s.kind} ({s.kernels})" for s in rows]
    _bars(figure, 1, kinds, [s.time_s * 1e3 for s in rows], "ms")
    if info.energy_j is not None:
        _bars(figure, 2, kinds, [(s.energy_j or 0.0) * 1e3 for s in rows], "mJ")
    else:
        said = {
            "text": "energy is not modelled",
            "showarrow": False,
            "xref": "x2 domain",
            "yref": "y2 domain",
            "x": 0.5,
            "y": 0.5,
        }
        figure.add_annotation(**said)
    layout(
        figure,
        height=140 + 30 * max(3, len(rows)),
        showlegend=False,
        margin={"l": 150, "r": 24, "t": 40, "b": 56},
    )
    figure.update_xaxes(title_text="Time [ms]", rangemode="tozero", col=1)
    figure.update_xaxes(title_text="Energy [mJ]", rangemode="tozero", col=2)
    figure.update_yaxes(showgrid=False, ticks="")
    return figure


def _bars(figure: go.Figure, column: int, kinds: list[str], values: list[float], unit: str) -> None:
    import plotly.graph_objects as go

    total = sum(values) or 1.0
    shares = [f"{v / total:.0%}" for v in values]
    said = [f"{escape(k)}<br>{figures(v)} {unit}, {s}" for k, v, s in zip(kinds, values, shares, strict=True)]
    look = {
        "marker": {"color": PALETTE[column - 1]},
        "text": shares,
        "textposition": "auto",
        "textangle": 0,
        "cliponaxis": False,
    }
    bar = go.Bar(x=values, y=kinds, orientation="h", hovertext=said, hoverinfo="text", **look)
    figure.add_trace(bar, row=1, col=column)
