"""What the figure of two fronts shows: sides, who is beaten, pairs of axes, hover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codesign.evaluate import Evaluation, PointCost
from codesign.front import Front
from codesign.objectives import Demands
from codesign.plots import fronts, fronts_figure, fronts_info
from codesign.search.trial import Trial
from hw_models.cost.base import Estimate
from search_spaces.candidate import Candidate

if TYPE_CHECKING:
    from codesign.front.comparison import FrontComparison

DEMANDS = Demands.of(["error_pct", "latency_ms", "energy_mj"])


def front(*places: tuple[str, float, float, float]) -> Front:
    """A front of (network, error, ms, mJ), latency and energy within a factor of 1.3."""

    def trial(i: int, network: str, error: float, ms: float, mj: float) -> Trial:
        seconds, joule = (
            Estimate(v, v / 1.3, v * 1.3, "tiled", u) for v, u in ((ms / 1e3, "s"), (mj / 1e3, "J"))
        )
        e = Evaluation(Candidate(arch=network, chip="c"), network=network, chip="c", precision="int8",
                       cost=PointCost(latency=seconds, energy=joule),
                       error=Estimate(error, error, error, "published", "%"))  # fmt: skip
        return Trial(i, e, DEMANDS.judge(e))

    return Front.of([trial(i, *place) for i, place in enumerate(places)], DEMANDS)


@pytest.fixture
def held() -> FrontComparison:
    joint = front(("a<b>", 10, 10, 5), ("b", 20, 5, 4))
    return joint.compare(front(("c", 12, 12, 6), ("d", 30, 4, 3)), ("joint", "fixed"))


def test_every_point_stands_on_its_side(held: FrontComparison) -> None:
    info = fronts_info(held)
    assert [p.id for p in info.of("joint")] == ["0", "1"]
    assert [p.id for p in info.of("fixed", beaten=True)] == ["0"]
    assert [p.id for p in info.of("fixed", beaten=False)] == ["1"]
    assert info.pairs[0] == ("latency_ms", "error_pct")
    assert len(info.pairs) == 3
    assert "beaten by a point of the other (hollow): 0 of 2 of joint, 1 of 2 of fixed" in info.caption
    assert fronts_info(held, x="energy_mj", y="latency_ms").pairs[0] == ("energy_mj", "latency_ms")


def test_hover_says_who_beats_whom_and_escapes(held: FrontComparison) -> None:
    first, *_, beaten, _ = fronts_info(held).points
    assert first.hover.startswith("<b>a&lt;b&gt;</b> on <b>c</b>, int8<br>Top-1 error: 10.0 %")
    assert "beats trial 0" in first.hover
    assert "Latency: 12.0 ms (9.23 to 15.6) · tiled" in beaten.hover
    assert "beaten by trial 0, truly at " in beaten.hover


def test_the_figure_has_a_colour_a_front_and_hollow_marks(held: FrontComparison) -> None:
    figure = fronts_figure(fronts_info(held))
    marks = {t.name: t for t in figure.data if t.mode == "markers"}
    assert set(marks) == {"joint (2)", "fixed (1)", "fixed, beaten (1)"}
    assert marks["fixed, beaten (1)"].marker.symbol == "diamond-open"
    assert marks["fixed (1)"].marker.color == marks["fixed, beaten (1)"].marker.color
    lines = [t for t in figure.data if t.mode == "lines"]
    assert [list(t.x) for t in lines] == [[5.0, 10.0], [4.0, 12.0]]
    (menu,) = figure.layout.updatemenus
    assert [b.label for b in menu.buttons][:1] == ["Top-1 error over latency"]
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.yaxis.type == "linear"


def test_an_empty_side_is_drawn(held: FrontComparison) -> None:
    alone = held.fronts[0].compare(Front.of([], DEMANDS), ("joint", "none"))
    assert [t.name for t in fronts(alone).data][:1] == ["joint (2)"]
