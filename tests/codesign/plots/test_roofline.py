"""What the roofline shows: roofs and ridge points by hand, dots of a real cost under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codesign.plots import Dot, Roof, RooflineInfo, kernel_rows, roofline_figure, roofline_info

if TYPE_CHECKING:
    from hw_models.cost.base import Cost

ORIN = Roof("orin", "int8", peak=100e12, bandwidth=200e9, vector_peak=5e12)


def test_the_ridge_point_is_peak_over_bandwidth() -> None:
    assert ORIN.ridge == 500.0
    assert ORIN.at(500.0) == 100e12
    assert ORIN.at(50.0) == 10e12
    assert ORIN.at(5000.0) == 100e12


def test_a_dot_is_operations_over_bytes_and_over_time() -> None:
    dot = Dot("orin", "conv1", "conv", ops=8e6, dram_bytes=4e5, time_s=2e-6, bound="mac", share=0.5)
    assert dot.intensity == 20.0
    assert dot.attained == 4e12


def test_roofs_have_the_figures_of_the_chip_files(costs: list[Cost]) -> None:
    info = roofline_info(costs)
    assert [(r.chip, r.precision) for r in info.roofs] == [(c.chip, c.precision) for c in costs]
    for roof, cost in zip(info.roofs, costs, strict=True):
        chip = cost.detail.accelerator
        assert roof.peak == chip.main_engine.peak[cost.precision].value
        assert chip.dram is not None
        assert chip.dram.bandwidth is not None
        assert roof.bandwidth == chip.dram.bandwidth.value


def test_every_dot_lies_under_the_roofs(costs: list[Cost]) -> None:
    info = roofline_info(costs)
    assert info.dots
    for dot in info.dots:
        roof = next(r for r in info.roofs if r.chip == dot.chip)
        bound = roof.at(dot.intensity) + (roof.vector_peak or 0.0)
        assert dot.attained <= bound * (1 + 1e-9)


def test_what_has_no_place_is_counted(costs: list[Cost]) -> None:
    info = roofline_info(costs)
    for cost in costs:
        drawn = sum(d.chip == cost.chip for d in info.dots)
        left_out, share = info.placeless[cost.chip]
        assert drawn + left_out == len(kernel_rows(cost))
        assert share == pytest.approx(1 - sum(d.share for d in info.dots if d.chip == cost.chip))


def test_the_caption_names_ridges_and_left_out_kernels() -> None:
    caption = RooflineInfo("net", (ORIN,), (), {"orin": (3, 0.021)}).caption
    assert "orin (int8) 500 op/byte" in caption
    assert "Kernels without operations or traffic, not drawn: 3 on orin (2.1% of the time)." in caption


def test_the_figure_is_log_log_with_a_roof_a_chip_and_safe_hover(costs: list[Cost]) -> None:
    figure = roofline_figure(roofline_info(costs))
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert figure.layout.xaxis.title.text == "Operational intensity [op/byte]"
    named = [t.name for t in figure.data if t.name and "vector" not in t.name]
    assert named == [f"{c.chip} ({c.precision})" for c in costs]
    hover = "".join(text for t in figure.data for text in (t.hovertext or ()))
    assert "op/byte" in hover
    assert "% of the time" in hover
