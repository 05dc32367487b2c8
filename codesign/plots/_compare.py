"""One network on several chips: latency, energy and power side by side, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from codesign.plots._theme import PALETTE, axis_title, interval, known, layout, unit_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from hw_models.cost.base import Cost, Estimate

SHOWN: Final = {"latency_ms": ("latency", 1e3), "energy_mj": ("energy", 1e3), "power_w": ("power", 1.0)}
"""Column -> quantity of a cost and the factor from SI to the column's unit."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One quantity on one chip in the unit of its column; fidelity as it is printed ("prior", "cap")."""

    value: float
    low: float
    high: float
    fidelity: str


@dataclass(frozen=True, slots=True)
class CompareRow:
    """One chip; a quantity that is unknown has no mark."""

    chip: str
    precision: str
    marks: Mapping[str, Mark]

    @property
    def label(self) -> str:
        """Chip and precision, as the axis names them."""
        return f"{self.chip} · {self.precision}"


@dataclass(frozen=True, slots=True)
class CompareInfo:
    """What the figure shows; fastest chip first, those of unknown latency last."""

    network: str
    rows: tuple[CompareRow, ...]
    limits: Mapping[str, float]

    @property
    def caption(self) -> str:
        """One sentence that says what the bars are and what is missing."""
        missing = {c: sum(c not in r.marks for r in self.rows) for c in SHOWN}
        gaps = [f"{axis_title(c, unit=False).lower()} of {n}" for c, n in missing.items() if n]
        text = "Bars are 90 % intervals; hollow power marks are the cap of the power mode, not a model."
        return f"{text} Unknown: {', '.join(gaps)}." if gaps else text


def compare(costs: Sequence[Cost], *, limits: Mapping[str, float] | None = None) -> go.Figure:
    """One network's latency, energy and power on several chips.

    Args:
        costs: one for each chip.
        limits: column ("latency_ms") -> upper limit, drawn as a line.
    """
    return compare_figure(compare_info(costs, limits=limits))


def compare_info(costs: Sequence[Cost], *, limits: Mapping[str, float] | None = None) -> CompareInfo:
    """Read the marks of each chip from its cost."""
    rows = [CompareRow(c.chip, c.precision, _marks(c)) for c in costs]
    rows.sort(
        key=lambda r: (r.marks["latency_ms"].value if "latency_ms" in r.marks else float("inf"), r.chip)
    )
    return CompareInfo(costs[0].network, tuple(rows), {k: v for k, v in (limits or {}).items() if k in SHOWN})


def compare_figure(info: CompareInfo) -> go.Figure:
    """Draw one panel a quantity, chips as rows, fastest on top."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(cols=len(SHOWN), shared_yaxes=True, horizontal_spacing=0.03)
    labels = [r.label for r in info.rows]
    for column, (name, colour) in enumerate(zip(SHOWN, PALETTE, strict=False), start=1):
        members = [r for r in info.rows if name in r.marks]
        marks = [r.marks[name] for r in members]
        said = [
            "<br>".join(
                (
                    f"<b>{escape(r.label)}</b>",
                    interval(m.value, m.low, m.high, unit_of(name)),
                    escape(m.fidelity),
                )
            )
            for r, m in zip(members, marks, strict=True)
        ]
        symbol = ["circle-open" if m.fidelity == "cap" else "circle" for m in marks]
        bars = {
            "type": "data", "symmetric": False, "thickness": 1.4, "width": 4, "color": colour,
            "array": [m.high - m.value for m in marks], "arrayminus": [m.value - m.low for m in marks],
        }  # fmt: skip
        look = {"color": colour, "size": 10, "symbol": symbol, "line": {"width": 1.8, "color": colour}}
        dots = go.Scatter(
            x=[m.value for m in marks],
            y=[r.label for r in members],
            mode="markers",
            marker=look,
            error_x=bars,
            hovertext=said,
            hoverinfo="text",
        )
        figure.add_trace(dots, row=1, col=column)
        if name in info.limits:
            figure.add_vline(
                x=info.limits[name],
                row=1,
                col=column,
                line={"color": PALETTE[1], "dash": "dash", "width": 1.4},
            )
        figure.update_xaxes(title_text=axis_title(name), type="log", dtick=1, row=1, col=column)
    layout(
        figure,
        height=130 + 30 * max(3, len(labels)),
        showlegend=False,
        margin={"l": 230, "r": 24, "t": 24, "b": 56},
    )
    figure.update_yaxes(
        categoryorder="array", categoryarray=labels[::-1], range=[-0.6, len(labels) - 0.4], ticks=""
    )
    return figure


def _marks(cost: Cost) -> dict[str, Mark]:
    marks = {}
    for column, (quantity, factor) in SHOWN.items():
        estimate: Estimate = getattr(cost, quantity)
        if known(estimate.value):
            low = estimate.value if estimate.low is None else estimate.low
            high = estimate.value if estimate.high is None else estimate.high
            marks[column] = Mark(
                estimate.value * factor, low * factor, high * factor, fidelity(cost, quantity)
            )
    return marks


def fidelity(cost: Cost, quantity: str) -> str:
    """How a quantity came about, in a word; power without an energy model is the cap of the power mode."""
    if quantity == "power" and cost.power_source == "cap":
        return "cap"
    return str(getattr(cost, quantity).fidelity)
