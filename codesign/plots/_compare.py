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
    from hw_models.cost.frame import Comparison

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
    """What the figure shows; fastest chip first, those of unknown latency last; `left_out`: not costable."""

    network: str
    rows: tuple[CompareRow, ...]
    limits: Mapping[str, float]
    left_out: tuple[str, ...] = ()

    @property
    def caption(self) -> str:
        """One sentence that says what the bars are and what is missing."""
        missing = {c: sum(c not in r.marks for r in self.rows) for c in SHOWN}
        gaps = [f"{axis_title(c, unit=False).lower()} of {n}" for c, n in missing.items() if n]
        text = "Bars are 90 % intervals; hollow power marks are the cap of the power mode, not a model."
        text += f" Unknown: {', '.join(gaps)}." if gaps else ""
        return text + (f" Not costable: {', '.join(self.left_out)}." if self.left_out else "")


def compare(costs: Comparison | Sequence[Cost], *, limits: Mapping[str, float] | None = None) -> go.Figure:
    """One network's latency, energy and power on several chips.

    Args:
        costs: what `hw_models.cost.estimate.compare` gives, or one cost for each chip.
        limits: column ("latency_ms") -> upper limit, drawn as a line.
    """
    return compare_figure(compare_info(costs, limits=limits))


def compare_info(
    costs: Comparison | Sequence[Cost], *, limits: Mapping[str, float] | None = None
) -> CompareInfo:
    """Read the marks of each chip from its cost; chips that could not be costed are named."""
    given = costs if isinstance(costs, Sequence) else costs.costs
    found = [c for c in given if not isinstance(c, tuple)]
    rows = [CompareRow(c.chip, c.precision, _marks(c)) for c in found]
    rows.sort(
        key=lambda r: (r.marks["latency_ms"].value if "latency_ms" in r.marks else float("inf"), r.chip)
    )
    return CompareInfo(
        network=found[0].network if found else "",
        rows=tuple(rows),
        limits={k: v for k, v in (limits or {}).items() if k in SHOWN},
        left_out=tuple(c[0] for c in given if isinstance(c, tuple)),
    )


def compare_figure(info: CompareInfo) -> go.Figure:
    """Draw one panel a quantity, chips as rows, fastest on top."""
    from plotly.subplots import make_subplots

    figure = make_subplots(cols=len(SHOWN), shared_yaxes=True, horizontal_spacing=0.03)
    labels = [r.label for r in info.rows]
    for at, (name, colour) in enumerate(zip(SHOWN, PALETTE, strict=False), start=1):
        figure.add_trace(_panel(info.rows, name, colour), row=1, col=at)
        if name in info.limits:
            line = {"color": PALETTE[1], "dash": "dash", "width": 1.4}
            figure.add_vline(x=info.limits[name], row=1, col=at, line=line)
        figure.update_xaxes(title_text=axis_title(name), type="log", dtick=1, row=1, col=at)
    margin = {"l": 230, "r": 24, "t": 24, "b": 56}
    layout(figure, height=130 + 30 * max(3, len(labels)), showlegend=False, margin=margin)
    reach = [-0.6, len(labels) - 0.4]
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1], range=reach, ticks="")
    return figure


def _panel(rows: Sequence[CompareRow], name: str, colour: str) -> go.Scatter:
    """One quantity of every chip that has it: dots with their intervals, hollow where it is a cap."""
    import plotly.graph_objects as go

    members = [r for r in rows if name in r.marks]
    marks = [r.marks[name] for r in members]
    said = [
        "<br>".join(
            (f"<b>{escape(r.label)}</b>", interval(m.value, m.low, m.high, unit_of(name)), m.fidelity)
        )
        for r, m in zip(members, marks, strict=True)
    ]
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [m.high - m.value for m in marks],
        "arrayminus": [m.value - m.low for m in marks],
        "thickness": 1.4,
        "width": 4,
        "color": colour,
    }
    symbol = ["circle-open" if m.fidelity == "cap" else "circle" for m in marks]
    look = {"color": colour, "size": 10, "symbol": symbol, "line": {"width": 1.8, "color": colour}}
    place = {"x": [m.value for m in marks], "y": [r.label for r in members]}
    return go.Scatter(**place, mode="markers", marker=look, error_x=bars, hovertext=said, hoverinfo="text")


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
