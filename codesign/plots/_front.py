"""The front: what each non-dominated point costs and what it is worth, with intervals and what is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from codesign.plots._theme import INK, MUTED, axis_title, interval, known, layout, styles, unit_of

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from codesign.front import Front

KNOWN_COLUMNS: Final = ("network", "chip", "precision", "bound")
ROLES: Final = ("front", "left out", "dominated", "rejected")
GROUPED_BY: Final = ("chip", "network", "precision")
MOST_NAMES: Final = 16
"""Names that a legend can hold: of a family of chips every point may have a chip of its own."""
MOST_BARS: Final = 60
"""Points whose intervals can be told apart when drawn; those of more points are in the hover text alone."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One quantity of one point: value and 90 % interval in the unit of its column, and its fidelity."""

    value: float
    low: float | None = None
    high: float | None = None
    fidelity: str = ""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One dot: who it is, what it measures, how it stands to the others.

    Attributes:
        role: "front", "left out" (of the front, not chosen), "dominated" or "rejected" (beyond a limit).
        separable: False where its intervals overlap those of another point of the front in every objective.
        membership: how likely it is truly on the front, given all intervals; None: nobody asked.
    """

    id: str
    network: str
    chip: str
    precision: str
    bound: str
    role: str
    separable: bool
    readings: Mapping[str, Reading]
    membership: float | None = None

    @property
    def hover(self) -> str:
        """The text beside the cursor; names are escaped because plotly reads HTML."""
        who = f"<b>{escape(self.network)}</b> on <b>{escape(self.chip)}</b>"
        how = ", ".join(escape(x) for x in (self.precision, f"{self.bound}-bound" if self.bound else "") if x)
        lines = [f"{axis_title(c, unit=False)}: {told(c, r)}" for c, r in self.readings.items()]
        if self.role == "front" and not self.separable:
            lines.append("<i>not separable from a neighbour: intervals overlap</i>")
        if self.membership is not None and self.role != "rejected":
            lines.append(f"truly on the front: {self.membership:.0%}")
        return "<br>".join([who, *([how] if how else []), *lines, f"trial {escape(self.id)}"])


@dataclass(frozen=True, slots=True)
class FrontInfo:
    """What the figure of a front shows, before any drawing.

    Attributes:
        pairs: (x column, y column) that can be shown, the first by default.
        points: front first, then left out of it, dominated, rejected.
        n_unknown: points that have no place because a quantity is unknown.
        best: for each pair the ids of the points that are best in these two alone, in order of x.
    """

    pairs: tuple[tuple[str, str], ...]
    goals: Mapping[str, str]
    points: tuple[FrontPoint, ...]
    n_unknown: int
    best: Mapping[tuple[str, str], tuple[str, ...]]

    def count(self, role: str) -> int:
        """How many points have this role."""
        return sum(p.role == role for p in self.points)

    @property
    def caption(self) -> str:
        """One sentence that counts everything, the points without a place included."""
        blurred = sum(p.role == "front" and not p.separable for p in self.points)
        left = self.count("left out")
        front = (
            f"{self.count('front')} chosen of {self.count('front') + left}" if left else self.count("front")
        )
        parts = [
            f"{front} non-dominated, {self.count('dominated')} dominated",
            f"{self.count('rejected')} beyond a limit",
            f"{self.n_unknown} not placed because a quantity is unknown",
        ]
        if blurred:
            parts.append(f"{blurred} of the front not separable from a neighbour (hollow)")
        return "; ".join(parts) + f". {about_bars(self.count('front'))}"

    @property
    def grouped_by(self) -> str:
        """What colour and symbol tell apart: the first of chip, network and precision with few names."""
        names = {g: {getattr(p, g) for p in self.points if p.role == "front"} for g in GROUPED_BY}
        return next((g for g in GROUPED_BY if len(names[g]) <= MOST_NAMES), GROUPED_BY[-1])


def front(front: Front, *, x: str | None = None, y: str | None = None) -> go.Figure:
    """The points of a study in two of their quantities; a menu shows the other pairs.

    Args:
        front: a study's front, with the points that did not make it.
        x: column on the horizontal axis; default: the first cost (latency where there is one).
        y: column on the vertical axis; default: the first objective.
    """
    points = front.points
    goals = {**front.goals, **({"power_w": "min"} if "power_w" in points else {})}
    return front_figure(front_info(points, goals, x=x, y=y))


def front_info(
    points: pd.DataFrame, goals: Mapping[str, str], *, x: str | None = None, y: str | None = None
) -> FrontInfo:
    """Read what a front figure shows from the table of all points.

    Args:
        points: one row per point: id, role, network, chip, precision, bound, separable, and for each
            quantity q the columns q, q_low, q_high, q_fidelity.
        goals: objective -> "min" or "max"; quantities beside the objectives may follow with their goal.
        x: column on the horizontal axis.
        y: column on the vertical axis.
    """
    columns = [c for c in goals if c in points.columns]
    y = y or columns[0]
    x = x or next((c for c in ("latency_ms", *columns) if c in columns and c != y), y)
    first = (x, y)
    rest = [(b, a) for a, b in combinations(columns, 2) if {a, b} != {x, y}]
    placed = [_point(row, columns) for row in points.to_dict("records") if row["role"] != "unknown"]
    placed.sort(key=lambda p: (ROLES.index(p.role), p.chip, p.id))
    return FrontInfo(
        pairs=(first, *rest),
        goals={c: goals[c] for c in columns},
        points=tuple(placed),
        n_unknown=len(points) - len(placed),
        best={pair: _best_of_two(placed, pair, goals) for pair in (first, *rest)},
    )


def front_figure(info: FrontInfo) -> go.Figure:
    """Draw a front; a trace a chip (network, precision), hollow where not separable, the rest behind."""
    import plotly.graph_objects as go

    groups = _groups(info)
    figure = go.Figure()
    for name, members, style in groups:
        figure.add_trace(go.Scatter(name=name, mode="markers", hoverinfo="text", **style))
        figure.data[-1].hovertext = [p.hover for p in members]
    figure.add_trace(
        go.Scatter(
            name="best in these two alone",
            mode="lines",
            hoverinfo="skip",
            line={"color": INK, "width": 1, "dash": "dot", "shape": "hv"},
        )
    )
    drawn = info.count("front") <= MOST_BARS
    traces = [
        [_data(members, pair, bars_too=drawn) for _, members, _ in groups] + [_line(info, pair)]
        for pair in info.pairs
    ]
    axes = [axes_of(pair, info.goals) for pair in info.pairs]
    figure.update(data=traces[0])
    margin = {"l": 72, "r": 24, "t": 64, "b": 64}
    layout(figure, height=520, margin=margin, **{k.replace(".", "_"): v for k, v in axes[0].items()})
    if len(info.pairs) > 1:
        figure.update_layout(updatemenus=[menu(info.pairs, traces, axes)])
    return figure


def _groups(info: FrontInfo) -> list[tuple[str, list[FrontPoint], dict[str, Any]]]:
    on_front = [p for p in info.points if p.role == "front"]
    by = info.grouped_by
    look = styles(sorted({getattr(p, by) for p in on_front}))
    groups: list[tuple[str, list[FrontPoint], dict[str, Any]]] = []
    for role, text, visible in (
        ("rejected", "beyond a limit", "legendonly"),
        ("dominated", "dominated", True),
        ("left out", "of the front, left out", True),
    ):
        members = [p for p in info.points if p.role == role]
        if members:
            symbol = {"rejected": "x-thin-open", "left out": "circle-open"}.get(role, "circle")
            grey = {"color": MUTED, "size": 9 if role == "left out" else 6, "symbol": symbol}
            groups.append((f"{text} ({len(members)})", members, {"marker": grey, "visible": visible}))
    for name, (colour, symbol) in look.items():
        members = [p for p in on_front if getattr(p, by) == name]
        symbols = [symbol if p.separable else f"{symbol}-open" for p in members]
        marker = {"color": colour, "size": 11, "symbol": symbols, "line": {"width": 1.6, "color": colour}}
        groups.append((name, members, {"marker": marker}))
    return groups


def _data(members: Sequence[FrontPoint], pair: tuple[str, str], *, bars_too: bool) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for axis, column in zip("xy", pair, strict=True):
        readings = [p.readings.get(column) for p in members]
        data[axis] = [r.value if r else None for r in readings]
        if bars_too and members and members[0].role == "front":
            data[f"error_{axis}"] = bars(readings)
    return data


def about_bars(n: int) -> str:
    """What a caption says of the intervals of so many points."""
    return "Bars are 90 % intervals." if n <= MOST_BARS else "90 % intervals are in the hover text."


def bars(readings: Sequence[Reading | None]) -> dict[str, Any]:
    """Error bars from the intervals; none where there is no interval."""

    def reach(r: Reading | None, end: float | None) -> float:
        return abs(end - r.value) if r and end is not None else 0.0

    return {
        "type": "data",
        "symmetric": False,
        "array": [reach(r, r.high if r else None) for r in readings],
        "arrayminus": [reach(r, r.low if r else None) for r in readings],
        "thickness": 1,
        "width": 2,
    }


def _line(info: FrontInfo, pair: tuple[str, str]) -> dict[str, Any]:
    by_id = {p.id: p for p in info.points}
    chain = [by_id[i] for i in info.best[pair]]
    return {axis: [p.readings[c].value for p in chain] for axis, c in zip("xy", pair, strict=True)}


def axes_of(pair: tuple[str, str], goals: Mapping[str, str]) -> dict[str, Any]:
    """Titles and scales of both axes, as plotly's update takes them; all but per cent is logarithmic."""
    axes: dict[str, Any] = {}
    for axis, column in zip(("xaxis", "yaxis"), pair, strict=True):
        better = "lower" if goals[column] == "min" else "higher"
        axes[f"{axis}.title.text"] = f"{axis_title(column)} · {better} is better"
        axes[f"{axis}.type"] = "linear" if unit_of(column) == "%" else "log"
        axes[f"{axis}.autorange"] = True
    return axes


def menu(
    pairs: Sequence[tuple[str, str]],
    traces: Sequence[Sequence[dict[str, Any]]],
    axes: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """A menu that shows another pair of columns.

    Args:
        pairs: (x column, y column) of each button.
        traces: for each pair the data of every trace.
        axes: for each pair what `axes_of` gives.
    """
    buttons = []
    for pair, per_trace, layout_ in zip(pairs, traces, axes, strict=True):
        keys = sorted({k for d in per_trace for k in d})
        restyle = {
            k: [d.get(k, {"array": []} if k.startswith("error") else []) for d in per_trace] for k in keys
        }
        label = f"{axis_title(pair[1], unit=False)} over {axis_title(pair[0], unit=False).lower()}"
        buttons.append({"label": label, "method": "update", "args": [restyle, layout_]})
    return {
        "buttons": buttons,
        "x": 0.0,
        "y": 1.02,
        "xanchor": "left",
        "yanchor": "bottom",
        "bgcolor": "white",
        "bordercolor": MUTED,
        "font": {"size": 12.5},
    }


def _point(row: Mapping[Any, Any], columns: Sequence[str]) -> FrontPoint:
    readings = {}
    for column in columns:
        value = _number(row.get(column))
        if value is not None:
            low, high = _number(row.get(f"{column}_low")), _number(row.get(f"{column}_high"))
            readings[column] = Reading(value, low, high, str(row.get(f"{column}_fidelity") or ""))
    who = {c: "" if row.get(c) is None else str(row[c]) for c in KNOWN_COLUMNS}
    return FrontPoint(
        id=str(row["id"]),
        role=str(row["role"]),
        separable=bool(row.get("separable", True)),
        readings=readings,
        membership=_number(row.get("membership")),
        **who,
    )


def _best_of_two(
    points: Sequence[FrontPoint], pair: tuple[str, str], goals: Mapping[str, str]
) -> tuple[str, ...]:
    """Ids of the front points that no other beats in both quantities, in order of the first."""
    members = [p for p in points if p.role == "front" and all(c in p.readings for c in pair)]
    places = [(p.readings[pair[0]].value, p.readings[pair[1]].value) for p in members]
    return tuple(members[i].id for i in staircase(places, [goals[c] for c in pair]))


def staircase(places: Sequence[tuple[float, float]], goals: Sequence[str]) -> list[int]:
    """Positions of the places that no other beats in both numbers, in order of the first."""
    sign = [1.0 if goal == "min" else -1.0 for goal in goals]
    order = sorted(range(len(places)), key=lambda i: (sign[0] * places[i][0], sign[1] * places[i][1]))
    chain: list[int] = []
    for i in order:
        if not chain or sign[1] * places[i][1] < sign[1] * places[chain[-1]][1]:
            chain.append(i)
    return chain


def told(column: str, r: Reading) -> str:
    """A reading as the hover text has it: value, unit, interval, fidelity."""
    text = interval(r.value, r.low, r.high, unit_of(column))
    return f"{text} · {escape(r.fidelity)}" if r.fidelity else text


def _number(value: Any) -> float | None:
    return float(value) if known(value) else None
