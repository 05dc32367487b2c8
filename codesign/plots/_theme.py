"""The look of every figure: palette, fonts, axis titles with units. No figure sets a colour of its own.

Source: Okabe and Ito, "Color Universal Design" (2008): colours that stay apart under every common colour
blindness; their yellow is left out because it does not read on white.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, isnan, log10
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    import plotly.graph_objects as go

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")
"""Distinct on white, also for colour-blind eyes and in grey print."""

MUTED: Final = "#B8BEC6"
"""For what stays in the background: dominated points, grid."""

INK: Final = "#1F2933"
"""Text and axes."""

SYMBOLS: Final = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "x",
    "star",
    "hexagon",
    "cross",
    "triangle-down",
)
"""Shape repeats what colour says, so that neither is needed alone."""

FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

UNWANTED_BUTTONS: Final = ("sendChartToCloud", "lasso2d", "select2d", "autoScale2d", "toggleSpikelines")
"""plotly's own buttons that figures do without; the first would upload the figure."""

UNITS: Final = {
    "pct": "%",
    "ms": "ms",
    "us": "µs",
    "s": "s",
    "mj": "mJ",
    "j": "J",
    "w": "W",
    "mb": "MB",
    "mib": "MiB",
    "mm2": "mm²",
    "usd": "USD",
    "fps": "1/s",
}
"""Suffix of a column name -> the unit as it is printed."""

WORDS: Final = {
    "error": "Top-1 error",
    "top1": "Top-1 accuracy",
    "energy": "Energy per inference",
    "latency": "Latency",
    "peak_memory": "Peak memory",
    "rated_power": "Rated power",
}
"""Stems of column names that read better with more words."""


def axis_title(column: str, *, unit: bool = True) -> str:
    """A column name as people read it: "latency_ms" -> "Latency [ms]".

    Args:
        column: name with its unit as the last part.
        unit: False leaves the unit out.
    """
    stem, _, suffix = column.rpartition("_")
    if not stem or suffix not in UNITS:
        stem, suffix = column, ""
    words = WORDS.get(stem, stem.replace("_", " ").capitalize())
    return f"{words} [{UNITS[suffix]}]" if suffix and unit else words


def unit_of(column: str) -> str:
    """The printed unit of a column, "" where its name carries none."""
    stem, _, suffix = column.rpartition("_")
    return UNITS.get(suffix, "") if stem else ""


def styles(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker symbol of each name in order of appearance; no pair twice within 63 names."""
    distinct = list(dict.fromkeys(names))
    return {
        name: (PALETTE[i % len(PALETTE)], SYMBOLS[(i + i // len(PALETTE)) % len(SYMBOLS)])
        for i, name in enumerate(distinct)
    }


def layout(figure: go.Figure, *, height: int = 480, **extra: Any) -> go.Figure:
    """Apply the house layout to a figure and return it.

    Args:
        figure: the figure to dress.
        height: pixels.
        **extra: further layout properties, which win over the house's.
    """
    import plotly.io as pio

    figure.update_layout(
        template=pio.templates["plotly_white"],
        font={"family": FONT, "size": 13, "color": INK},
        height=height,
        margin={"l": 72, "r": 24, "t": 48, "b": 64},
        hoverlabel={
            "align": "left",
            "bgcolor": "white",
            "font": {"family": FONT, "size": 12.5, "color": INK},
        },
        legend={"orientation": "v", "x": 1.01, "y": 1.0, "xanchor": "left", "title": {"font": {"size": 12}}},
        modebar={"remove": list(UNWANTED_BUTTONS)},
        title={"x": 0.0, "xref": "paper", "xanchor": "left", "font": {"size": 16}},
    )
    line = {"showline": True, "linecolor": INK, "ticks": "outside", "gridcolor": "#E6E9ED", "zeroline": False}
    figure.update_xaxes(**line)
    figure.update_yaxes(**line)
    figure.update_layout(**extra)
    return figure


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number at all: neither None nor NaN."""
    return value is not None and not isnan(value)


def figures(value: float | None, digits: int = 3) -> str:
    """A number at `digits` significant figures, mostly without an exponent; "unknown" for None and NaN."""
    if not known(value):
        return "unknown"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        text = f"{value:.{digits}g}"
        rounded = float(text)
        return f"{rounded:,.0f}" if abs(rounded) >= 10**digits else _plain(rounded, digits)
    return f"{value:.{digits - 1}e}"


def interval(
    value: float | None, low: float | None, high: float | None, unit: str = "", *, digits: int = 3
) -> str:
    """A value with unit and 90 % interval: "12.3 ms (9.8 to 15.1)"."""
    if not known(value):
        return "unknown"
    text = f"{figures(value, digits)} {unit}".rstrip()
    if not known(low) or not known(high) or low == value == high:
        return text
    return f"{text} ({figures(low)} to {figures(high)})"


def _plain(value: float, digits: int) -> str:
    decimals = max(0, digits - 1 - floor(log10(abs(value))))
    return f"{value:.{decimals}f}"
