"""Where time and energy go, and chips side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codesign.plots import (
    BreakdownInfo,
    breakdown_figure,
    breakdown_info,
    compare_figure,
    compare_info,
    kernel_rows,
)
from codesign.plots._breakdown import Slice
from hw_models.cost.estimate import compare as compare_chips

if TYPE_CHECKING:
    from hw_models.cost.base import Cost


def test_classes_sum_to_the_whole_and_the_slowest_is_first(costs: list[Cost]) -> None:
    info = breakdown_info(costs[0])
    assert info.time_s == pytest.approx(costs[0].latency.value)
    assert info.energy_j == pytest.approx(costs[0].energy.value)
    assert [s.time_s for s in info.slices] == sorted((s.time_s for s in info.slices), reverse=True)
    assert sum(s.kernels for s in info.slices) == len(kernel_rows(costs[0]))


def test_unknown_energy_is_said_and_never_drawn_as_zero(costs: list[Cost]) -> None:
    info = breakdown_info(costs[1])
    assert info.energy_j is None
    assert "energy is not modelled" in info.caption
    figure = breakdown_figure(info)
    assert len(figure.data) == 1
    assert figure.layout.annotations[-1].text == "energy is not modelled"


def test_the_caption_says_where_most_of_it_goes() -> None:
    info = BreakdownInfo("net", "chip", (Slice("conv", 3, 3e-3, 1e-3), Slice("gemm", 1, 1e-3, 3e-3)))
    assert info.caption == "conv kernels take 75% of the time; gemm kernels 75% of the energy."


def test_chips_are_compared_fastest_first_with_their_unknowns(costs: list[Cost]) -> None:
    info = compare_info(costs, limits={"latency_ms": 33.3, "price_usd": 5})
    times = [r.marks["latency_ms"].value for r in info.rows]
    assert times == sorted(times)
    assert dict(info.limits) == {"latency_ms": 33.3}
    nvdla = next(r for r in info.rows if r.chip == "nvdla_2048")
    assert "energy_mj" not in nvdla.marks
    assert nvdla.marks["power_w"].fidelity == "cap"
    assert "Unknown: energy per inference of 1" in info.caption


def test_marks_are_in_the_units_of_their_axes(costs: list[Cost]) -> None:
    row = compare_info(costs[:1]).rows[0]
    latency, energy = costs[0].latency.value, costs[0].energy.value
    assert latency is not None
    assert energy is not None
    assert row.marks["latency_ms"].value == pytest.approx(1e3 * latency)
    assert row.marks["energy_mj"].value == pytest.approx(1e3 * energy)


def test_a_cap_is_a_hollow_mark_and_a_limit_is_a_line(costs: list[Cost]) -> None:
    figure = compare_figure(compare_info(costs, limits={"latency_ms": 33.3}))
    power = figure.data[2]
    assert dict(zip(power.y, power.marker.symbol, strict=True))["nvdla_2048 · int8"] == "circle-open"
    assert [s.x0 for s in figure.layout.shapes] == [33.3]
    assert [figure.layout[a].title.text for a in ("xaxis", "xaxis2", "xaxis3")] == [
        "Latency [ms]",
        "Energy per inference [mJ]",
        "Power [W]",
    ]


def test_what_compare_gives_can_be_drawn_and_names_who_is_missing(costs: list[Cost]) -> None:
    comparison = compare_chips(
        costs[0].detail.workload, ["jetson_agx_orin_64@15W", "hailo_8"], precision="int8"
    )
    info = compare_info(comparison)
    assert [r.chip for r in info.rows] == ["jetson_agx_orin_64@15W"]
    assert info.caption.endswith("Not costable: hailo_8.")
