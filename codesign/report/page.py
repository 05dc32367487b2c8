"""From the content of a report to one HTML file with style, script and figures inside."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codesign.report.content import Figure, Report

CONFIG = {"displaylogo": False, "responsive": True}
"""plotly's own controls; no logo, because it links out of the file."""


def render(report: Report) -> str:
    """The page as text; autoescape is on for everything that is not our own style, script or figure."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=FunctionLoader(_part),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("report.html.j2").render(
        report=report,
        style=_part("report.css"),
        script=_part("report.js"),
        plotlyjs=get_plotlyjs(),
        draw=_draw,
    )


def _part(name: str) -> str:
    return (files("codesign.report") / name).read_text(encoding="utf-8")


def _draw(figure: Figure) -> Any:
    from markupsafe import Markup

    html = figure.figure.to_html(full_html=False, include_plotlyjs=False, div_id=figure.id, config=CONFIG)
    return Markup(html)  # safe: plotly escapes '<', '>' and '/' inside its JSON
