"""The roofline of N chips on one plot, with every kernel of a network where it lands on each of them.

Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from codesign.plots._kernels import KernelRow, kernel_rows, vector_peak
from codesign.plots._theme import figures, layout, styles
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from hw_models.cost.base import Cost


@dataclass(frozen=True, slots=True)
class Roof:
    """The bounds of one chip at one precision: op/s of its MAC units and byte/s of its outer memory.

    Attributes:
        vector_peak: op/s of the unit that runs everything but MACs; None: unknown.
        vector_is_prior: a class figure stands in for it.
    """

    chip: str
    precision: str
    peak: float
    bandwidth: float
    vector_peak: float | None = None
    vector_is_prior: bool = False

    @property
    def ridge(self) -> float:
        """Operational intensity [op/byte] from which on arithmetic bounds a kernel."""
        return self.peak / self.bandwidth

    def at(self, intensity: float) -> float:
        """Attainable op/s at an operational intensity [op/byte]."""
        return min(self.peak, intensity * self.bandwidth)


@dataclass(frozen=True, slots=True)
class Dot:
    """One kernel on one chip: operational intensity [op/byte] against attained op/s, and its time [s]."""

    chip: str
    label: str
    kind: str
    ops: float
    dram_bytes: float
    time_s: float
    bound: str
    share: float

    @property
    def intensity(self) -> float:
        """Operations for each byte that crosses to the outer memory."""
        return self.ops / self.dram_bytes

    @property
    def attained(self) -> float:
        """Operations per second of the kernel's own time."""
        return self.ops / self.time_s


@dataclass(frozen=True, slots=True)
class RooflineInfo:
    """What the figure shows.

    Attributes:
        roofs: one for each chip.
        dots: kernels that have a place: operations, bytes and time above zero.
        placeless: chip -> (kernels without a place, their share of the chip's time).
    """

    network: str
    roofs: tuple[Roof, ...]
    dots: tuple[Dot, ...]
    placeless: dict[str, tuple[int, float]]

    @property
    def span(self) -> tuple[float, float]:
        """Range of operational intensity [op/byte] that holds every dot and every ridge."""
        marks = [d.intensity for d in self.dots] + [r.ridge for r in self.roofs]
        return min(marks) / 4, max(marks) * 4

    @property
    def caption(self) -> str:
        """One sentence: ridge points, and what has no place on the plot."""
        ridges = "; ".join(f"{r.chip} ({r.precision}) {figures(r.ridge)} op/byte" for r in self.roofs)
        gaps = [f"{n} on {chip} ({part:.1%} of the time)" for chip, (n, part) in self.placeless.items() if n]
        what = "Operations are 2 x MACs plus vector operations; a dot is a kernel, its area the time."
        text = f"Ridge points: {ridges}. {what}"
        return (
            f"{text} Kernels without operations or traffic, not drawn: {', '.join(gaps)}." if gaps else text
        )


def roofline(cost: Cost, *others: Cost) -> go.Figure:
    """The kernels of one network under the roofs of one chip or several.

    Args:
        cost: a network on a chip.
        *others: the same network on other chips.
    """
    return roofline_figure(roofline_info([cost, *others]))


def roofline_info(costs: Sequence[Cost]) -> RooflineInfo:
    """Read roofs and dots from costs of one network.

    Args:
        costs: one for each chip.
    """
    roofs, dots, placeless = [], [], {}
    for cost in costs:
        roofs.append(_roof(cost))
        own = [_dot(cost.chip, row) for row in kernel_rows(cost)]
        placed = [d for d in own if d.ops > 0 and d.dram_bytes > 0 and d.time_s > 0]
        dots += placed
        kept = sum(d.share for d in placed)
        placeless[cost.chip] = (len(own) - len(placed), max(0.0, sum(d.share for d in own) - kept))
    return RooflineInfo(costs[0].network, tuple(roofs), tuple(dots), placeless)


def _roof(cost: Cost) -> Roof:
    chips = cost.detail.chips
    peak = float(chips.mac_peak[0, Precision[cost.precision.upper()]])
    rate, is_prior = vector_peak(cost) or (None, False)
    return Roof(cost.chip, cost.precision, peak, float(chips.dram_bandwidth[0]), rate, is_prior)


def _dot(chip: str, row: KernelRow) -> Dot:
    return Dot(chip, row.label, row.kind, row.operations, row.dram_bytes, row.time_s, row.bound, row.share)


def roofline_figure(info: RooflineInfo) -> go.Figure:
    """Draw roofs as lines, ridge points as rings, kernels as dots whose area is their share of the time."""
    import plotly.graph_objects as go

    look = styles(r.chip for r in info.roofs)
    figure = go.Figure()
    for roof in info.roofs:
        colour, symbol = look[roof.chip]
        figure.add_traces([*_lines(roof, info.span, colour), _ridge(roof, colour)])
        figure.add_trace(_cloud([d for d in info.dots if d.chip == roof.chip], roof.chip, colour, symbol))
    layout(figure, height=520)
    log = {"type": "log", "dtick": 1}
    figure.update_xaxes(title_text="Operational intensity [op/byte]", exponentformat="none", **log)
    figure.update_yaxes(title_text="Attained rate [op/s]", tickformat="~s", **log)
    return figure


def _lines(roof: Roof, span: tuple[float, float], colour: str) -> list[go.Scatter]:
    import plotly.graph_objects as go

    low, high = span
    common = {"mode": "lines", "legendgroup": roof.chip, "hoverinfo": "skip"}
    xs = [low, roof.ridge, high]
    solid = {"x": xs, "y": [roof.at(x) for x in xs], "line": {"color": colour, "width": 2}}
    lines = [go.Scatter(name=f"{roof.chip} ({roof.precision})", **solid, **common)]
    if roof.vector_peak is not None:
        start = max(low, roof.vector_peak / roof.bandwidth)
        dashed = {
            "x": [start, high],
            "y": [roof.vector_peak] * 2,
            "line": {"color": colour, "width": 1.2, "dash": "dash"},
        }
        name = "vector unit (class prior)" if roof.vector_is_prior else "vector unit"
        lines.append(go.Scatter(name=name, **dashed, **common))
    return lines


def _ridge(roof: Roof, colour: str) -> go.Scatter:
    import plotly.graph_objects as go

    said = [
        f"<b>{escape(roof.chip)}</b>",
        f"ridge point {figures(roof.ridge)} op/byte",
        f"{_rate(roof.peak)} at {escape(roof.precision)}, {figures(roof.bandwidth / 1e9)} GB/s",
    ]
    ring = {"symbol": "circle-open", "size": 9, "color": colour, "line": {"width": 2}}
    common = {"mode": "markers", "hoverinfo": "text", "showlegend": False, "legendgroup": roof.chip}
    return go.Scatter(x=[roof.ridge], y=[roof.peak], marker=ring, hovertext=["<br>".join(said)], **common)


def _cloud(dots: Sequence[Dot], chip: str, colour: str, symbol: str) -> go.Scatter:
    import plotly.graph_objects as go

    sizes = [5 + 40 * d.share**0.5 for d in dots]
    marker = {
        "color": colour,
        "symbol": symbol,
        "opacity": 0.55,
        "size": sizes,
        "line": {"width": 0.6, "color": "white"},
    }
    common = {"mode": "markers", "hoverinfo": "text", "showlegend": False, "legendgroup": chip}
    xs, ys = [d.intensity for d in dots], [d.attained for d in dots]
    return go.Scatter(x=xs, y=ys, marker=marker, hovertext=[_hover(d) for d in dots], **common)


def _hover(dot: Dot) -> str:
    lines = [
        f"<b>{escape(dot.label)}</b> on {escape(dot.chip)}",
        f"{escape(dot.kind)}, {escape(dot.bound)}-bound",
        f"{figures(dot.time_s * 1e6)} µs, {dot.share:.1%} of the time",
        f"{_rate(dot.attained)} at {figures(dot.intensity)} op/byte",
        f"{figures(dot.ops / 1e6)} Mop, {figures(dot.dram_bytes / 1e3)} kB",
    ]
    return "<br>".join(lines)


def _rate(ops_per_s: float) -> str:
    for factor, unit in ((1e12, "Top/s"), (1e9, "Gop/s"), (1e6, "Mop/s")):
        if ops_per_s >= factor:
            return f"{figures(ops_per_s / factor)} {unit}"
    return f"{figures(ops_per_s)} op/s"
