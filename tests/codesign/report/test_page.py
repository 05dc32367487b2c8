"""The page by itself: complete, offline, escaped."""

from __future__ import annotations

import re
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from codesign.report.content import Card, Cell, Figure, Pick, Report, number_cell, table, text_cell
from codesign.report.page import render

HOSTILE = "<script>alert('x')</script>\"&"


@pytest.fixture(scope="module")
def report() -> Report:
    rows = table(
        ("Name", "Time [ms]"), [[text_cell(HOSTILE, HOSTILE), number_cell(4.0, 3.0, 6.0)]], numeric=(1,)
    )
    figure = Figure("plot-front", go.Figure(go.Scatter(x=[1], y=[2], name=HOSTILE)), "caption")
    second = Figure("plot-roofline", go.Figure(go.Scatter(x=[1], y=[2])), "caption")
    return Report(
        title="demo",
        question="Which one?",
        answer=f"{HOSTILE} it is.",
        cards=(Card("Latency", "4 ms", "3 to 6 ms", "prior"),),
        facts=(("seed", "0"),),
        warnings=(HOSTILE,),
        front=figure,
        front_table=rows,
        pick=Pick(HOSTILE, "why", (second,), rows, "note", ((HOSTILE, rows),)),
        chips=None,
        chips_table=rows,
        constraints=rows,
        gaps=(HOSTILE,),
        fidelity=rows,
        sources=rows,
        environment=rows,
        reproduce=(HOSTILE,),
    )


@pytest.fixture(scope="module")
def html(report: Report) -> str:
    return render(report)


def outside_plotly(html: str) -> str:
    """The page without the embedded library, by far its longest script."""
    scripts = re.findall(r"<script[^>]*>.*?</script>", html, flags=re.DOTALL)
    return html.replace(max(scripts, key=len), "")


def test_plotly_is_inside_once_and_the_page_is_small_enough(html: str) -> None:
    assert len(re.findall(r"plotly\.js v\d", html)) == 1
    assert len(html.encode()) < 6e6


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    own = outside_plotly(html)
    assert len(own) < 200_000
    assert not re.search(r"""(?:src|href|action)\s*=\s*["']?\s*(?:https?:)?//""", own)
    assert not re.search(r"<link[^>]+stylesheet|@import|url\(", own)
    assert 'href="data:,"' in own  # keeps browsers from asking for a favicon


def test_names_are_escaped_everywhere(html: str) -> None:
    assert HOSTILE not in html
    assert "alert('x')</script>" not in html
    assert html.count("&lt;script&gt;alert(&#39;x&#39;)") >= 10


def test_every_part_has_its_place(html: str) -> None:
    for anchor in ("front", "pick", "chips", "limits", "gaps", "fidelity", "sources", "reproduce"):
        assert f'id="{anchor}"' in html
        assert f'href="#{anchor}"' in html


def test_a_part_without_content_is_left_out(report: Report) -> None:
    html = render(replace(report, front=None, front_table=None, pick=None, chips_table=None, cards=()))
    assert 'id="pick"' not in html
    assert 'href="#front"' not in html
    assert 'id="gaps"' in html


def test_a_cell_sorts_by_its_number_and_shows_its_interval(html: str) -> None:
    assert '<td class="num" data-key="4.0">4.00<span class="under">3.00 to 6.00</span></td>' in html


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (number_cell(None), Cell("unknown")),
        (number_cell(float("nan"), 1.0, 2.0), Cell("unknown")),
        (text_cell(None), Cell("–")),
    ],
)
def test_unknown_is_said_and_sorts_last(cell: Cell, expected: Cell) -> None:
    assert cell == expected
