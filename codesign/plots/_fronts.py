"""Two fronts in one figure: which points of either the other beats, and whether the intervals can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from codesign.plots._front import MOST_BARS, Reading, about_bars, axes_of, bars, menu, staircase, told
from codesign.plots._theme import MUTED, PALETTE, axis_title, layout

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from codesign.front.comparison import FrontComparison, Held
    from codesign.objectives import Objective

SYMBOLS: Final = ("circle", "diamond")
COLOURS: Final = PALETTE[:2]


@dataclass(frozen=True, slots=True)
class FrontsPoint:
    """One dot: a point of one of the fronts, and how it stands to the other.

    Attributes:
        side: name of its front.
        beaten: whether a point of the other beats it by best figures.
        hover: the text beside the cursor.
    """

    side: str
    id: str
    beaten: bool
    hover: str
    readings: Mapping[str, Reading]


@dataclass(frozen=True, slots=True)
class FrontsInfo:
    """What the figure of two fronts shows, before any drawing.

    Attributes:
        names: of the fronts.
        pairs: (x column, y column) that can be shown, the first by default.
        points: those of the first, then of the second.
        caption: the verdict and what the marks mean.
    """

    names: tuple[str, str]
    pairs: tuple[tuple[str, str], ...]
    goals: Mapping[str, str]
    points: tuple[FrontsPoint, ...]
    caption: str

    def of(self, side: str, *, beaten: bool | None = None) -> tuple[FrontsPoint, ...]:
        """The points of one front; beaten ones or the others alone."""
        return tuple(p for p in self.points if p.side == side and beaten in (None, p.beaten))


def fronts(comparison: FrontComparison, *, x: str | None = None, y: str | None = None) -> go.Figure:
    """Two fronts in two of their objectives; a menu shows the other pairs.

    Args:
        comparison: what `front.compare(other)` gives.
        x: column on the horizontal axis; default: latency, else the second objective.
        y: column on the vertical axis; default: the first objective.
    """
    return fronts_figure(fronts_info(comparison, x=x, y=y))


def fronts_info(comparison: FrontComparison, *, x: str | None = None, y: str | None = None) -> FrontsInfo:
    """Read what the figure shows from a comparison."""
    front = comparison.fronts[0]
    columns = list(front.goals)
    y = y or columns[0]
    x = x or next((c for c in ("latency_ms", *columns) if c in columns and c != y), y)
    rest = [(b, a) for a, b in combinations(columns, 2) if {a, b} != {x, y}]
    counted = [
        f"{sum(p.standing == 'beaten' for p in comparison.of(n))} of {len(comparison.of(n))} of {n}"
        for n in comparison.names
    ]
    return FrontsInfo(
        names=comparison.names,
        pairs=((x, y), *rest),
        goals=front.goals,
        points=tuple(_point(p, front.demands.objectives) for p in comparison.points),
        caption=f"{comparison.verdict}; beaten by a point of the other (hollow): {', '.join(counted)}. "
        f"{about_bars(len(comparison.points))}",
    )


def fronts_figure(info: FrontsInfo) -> go.Figure:
    """Draw two fronts: a colour and a symbol each, hollow where beaten; dotted: best in the two shown."""
    import plotly.graph_objects as go

    figure = go.Figure()
    groups: list[Sequence[FrontsPoint]] = []
    for name, colour, symbol in zip(info.names, COLOURS, SYMBOLS, strict=True):
        for beaten in (False, True):
            members = info.of(name, beaten=beaten)
            if not members:
                continue
            marker = {
                "color": colour,
                "size": 10,
                "symbol": f"{symbol}-open" if beaten else symbol,
                "line": {"width": 1.6, "color": colour},
            }
            text = f"{name}, beaten ({len(members)})" if beaten else f"{name} ({len(members)})"
            figure.add_trace(go.Scatter(name=text, mode="markers", hoverinfo="text", marker=marker))
            figure.data[-1].hovertext = [p.hover for p in members]
            groups.append(members)
    for name, colour in zip(info.names, COLOURS, strict=True):
        line = {"color": colour, "width": 1, "dash": "dot", "shape": "hv"}
        title = f"{name}: best in these two alone"
        figure.add_trace(go.Scatter(name=title, mode="lines", hoverinfo="skip", line=line))
    look = [_traces(info, groups, pair) for pair in info.pairs]
    figure.update(data=look[0])
    axes = [axes_of(pair, info.goals) for pair in info.pairs]
    margin = {"l": 72, "r": 24, "t": 64, "b": 64}
    layout(figure, height=520, margin=margin, **{k.replace(".", "_"): v for k, v in axes[0].items()})
    if len(info.pairs) > 1:
        figure.update_layout(updatemenus=[menu(info.pairs, look, axes)])
    figure.update_traces(error_x_color=MUTED, error_y_color=MUTED, selector={"mode": "markers"})
    return figure


def _traces(
    info: FrontsInfo, groups: Sequence[Sequence[FrontsPoint]], pair: tuple[str, str]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for members in groups:
        data: dict[str, Any] = {}
        for axis, column in zip("xy", pair, strict=True):
            readings = [p.readings[column] for p in members]
            data[axis] = [r.value for r in readings]
            if len(info.points) <= MOST_BARS:
                data[f"error_{axis}"] = bars(readings)
        found.append(data)
    for name in info.names:
        places = [tuple(p.readings[c].value for c in pair) for p in info.of(name)]
        chain = staircase([(x, y) for x, y in places], [info.goals[c] for c in pair])
        found.append({axis: [places[i][k] for i in chain] for k, axis in enumerate("xy")})
    return found


def _point(held: Held, objectives: Sequence[Objective]) -> FrontsPoint:
    e = held.trial.evaluation
    readings = {}
    for o in objectives:
        q = held.trial.quantity(o)
        assert q.value is not None  # a point of a front has all its objectives
        readings[o.name] = Reading(q.value, q.low, q.high, q.fidelity)
    who = f"<b>{escape(e.network)}</b> on <b>{escape(e.chip)}</b>, {escape(e.precision)}"
    lines = [f"{axis_title(n, unit=False)}: {told(n, r)}" for n, r in readings.items()]
    if held.by:
        lines.append(f"beaten by {_numbers(held.by)}, truly at {held.beaten_probability:.0%}")
    if held.over:
        lines.append(f"beats {_numbers(held.over)}")
    hover = "<br>".join([who, *lines, f"{escape(held.side)}, trial {held.trial.number}"])
    return FrontsPoint(held.side, str(held.trial.number), held.standing == "beaten", hover, readings)


def _numbers(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"trial {', '.join(map(str, numbers[:5]))}{more}"
