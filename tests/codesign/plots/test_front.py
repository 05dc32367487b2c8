"""What the figure of a front shows: roles, pairs of axes, hover, what is unknown."""

from __future__ import annotations

import pandas as pd
import pytest

from codesign.plots import front_figure, front_info

GOALS = {"error_pct": "min", "latency_ms": "min", "energy_mj": "min"}


@pytest.fixture
def points() -> pd.DataFrame:
    columns = [
        "id",
        "role",
        "network",
        "chip",
        "precision",
        "bound",
        "separable",
        "error_pct",
        "latency_ms",
        "energy_mj",
    ]
    rows = [
        ("0", "front", "fast", "orin@15W", "int8", "dram", True, 30.0, 1.0, 5.0),
        ("1", "front", "right", "orin@15W", "int8", "mac", False, 20.0, 8.0, 9.0),
        ("2", "front", "frugal", "npu", "int8", "mac", True, 25.0, 9.0, 1.0),
        ("3", "dominated", "poor", "npu", "int8", "mac", True, 31.0, 9.5, 9.0),
        ("4", "rejected", "slow", "npu", "int8", "mac", True, 15.0, 90.0, 9.0),
        ("5", "unknown", "dark", "soc", "int8", "", True, 10.0, 1.0, None),
    ]
    frame = pd.DataFrame(rows, columns=columns)
    frame["latency_ms_low"], frame["latency_ms_high"] = frame.latency_ms * 0.5, frame.latency_ms * 2
    frame["latency_ms_fidelity"] = "prior"
    return frame


def test_every_point_is_counted_once(points: pd.DataFrame) -> None:
    info = front_info(points, GOALS)
    assert [info.count(role) for role in ("front", "dominated", "rejected")] == [3, 1, 1]
    assert info.n_unknown == 1
    assert "1 not placed because a quantity is unknown" in info.caption
    assert "1 of the front not separable" in info.caption


def test_the_first_pair_is_error_over_latency_and_all_pairs_are_there(points: pd.DataFrame) -> None:
    info = front_info(points, GOALS)
    assert info.pairs[0] == ("latency_ms", "error_pct")
    assert {frozenset(p) for p in info.pairs} == {
        frozenset(p)
        for p in (("latency_ms", "error_pct"), ("energy_mj", "error_pct"), ("energy_mj", "latency_ms"))
    }
    assert front_info(points, GOALS, x="energy_mj", y="latency_ms").pairs[0] == ("energy_mj", "latency_ms")


def test_the_line_joins_what_is_best_in_the_two_shown(points: pd.DataFrame) -> None:
    info = front_info(points, GOALS)
    assert info.best["latency_ms", "error_pct"] == ("0", "1")
    assert info.best["energy_mj", "error_pct"] == ("2", "1")


def test_more_is_better_turns_the_line_around(points: pd.DataFrame) -> None:
    frame = points.assign(top1_pct=100 - points.error_pct)
    info = front_info(frame, {"top1_pct": "max", "latency_ms": "min"})
    assert info.best["latency_ms", "top1_pct"] == ("0", "1")


def test_hover_tells_who_how_and_how_sure(points: pd.DataFrame) -> None:
    info = front_info(points, GOALS)
    hover = next(p for p in info.points if p.id == "1").hover
    for part in (
        "right",
        "orin@15W",
        "int8",
        "mac-bound",
        "8.00 ms (4.00 to 16.0) · prior",
        "not separable",
        "trial 1",
    ):
        assert part in hover


def test_a_hostile_name_is_harmless_in_hover(points: pd.DataFrame) -> None:
    points.loc[0, "network"] = "<a href='javascript:alert(1)'>x</a>"
    info = front_info(points, GOALS)
    assert "<a" not in next(p for p in info.points if p.id == "0").hover


def test_the_figure_has_a_trace_a_chip_and_a_toggle_for_the_rest(points: pd.DataFrame) -> None:
    figure = front_figure(front_info(points, GOALS))
    names = [t.name for t in figure.data]
    assert names == ["beyond a limit (1)", "dominated (1)", "npu", "orin@15W", "best in these two alone"]
    assert figure.data[0].visible == "legendonly"
    orin = figure.data[3]
    assert list(orin.marker.symbol) == ["square", "square-open"]
    assert list(orin.error_x.array) == [1.0, 8.0]
    assert figure.layout.xaxis.title.text == "Latency [ms] · lower is better"
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.yaxis.type == "linear"


def test_every_button_of_the_menu_moves_every_trace(points: pd.DataFrame) -> None:
    figure = front_figure(front_info(points, GOALS))
    buttons = figure.layout.updatemenus[0].buttons
    assert [b.label for b in buttons] == [
        "Top-1 error over latency",
        "Top-1 error over energy per inference",
        "Latency over energy per inference",
    ]
    for button in buttons:
        restyle, relayout = button.args
        assert all(len(values) == len(figure.data) for values in restyle.values())
        assert {"xaxis.title.text", "yaxis.title.text", "xaxis.type"} <= set(relayout)


def test_a_front_without_points_is_an_empty_figure(points: pd.DataFrame) -> None:
    figure = front_figure(front_info(points.iloc[:0], GOALS))
    assert [t.name for t in figure.data] == ["best in these two alone"]


def test_points_left_out_and_how_likely_points_are(points: pd.DataFrame) -> None:
    points["membership"] = [0.95, 0.4, 0.5, 0.1, 0.0, 0.0]
    points.loc[2, "role"] = "left out"
    info = front_info(points, GOALS)
    assert info.count("left out") == 1
    assert info.caption.startswith("2 chosen of 3 non-dominated, 1 dominated; 1 beyond a limit")
    hover = {p.id: p.hover for p in info.points}
    assert "truly on the front: 40%" in hover["1"]
    assert "truly" not in hover["4"]  # beyond a limit
    names = [t.name for t in front_figure(info).data]
    assert "of the front, left out (1)" in names


def test_many_chips_are_told_apart_by_network(points: pd.DataFrame) -> None:
    assert front_info(points, GOALS).grouped_by == "chip"
    many = pd.concat([points.iloc[:1]] * 70, ignore_index=True)
    many["id"], many["chip"] = many.index.astype(str), [f"systolic_{i}" for i in many.index]
    many["network"] = ["small", "large"] * 35
    info = front_info(many, GOALS)
    assert info.grouped_by == "network"
    assert info.caption.endswith("90 % intervals are in the hover text.")
    figure = front_figure(info)
    assert [t.name for t in figure.data] == ["large", "small", "best in these two alone"]
    assert figure.data[0].error_x.array is None
