"""Names and numbers as figures print them."""

from __future__ import annotations

import math

import pytest

from codesign.plots._theme import axis_title, figures, interval, styles, unit_of


@pytest.mark.parametrize(
    ("column", "title"),
    [
        ("latency_ms", "Latency [ms]"),
        ("error_pct", "Top-1 error [%]"),
        ("energy_mj", "Energy per inference [mJ]"),
        ("power_w", "Power [W]"),
        ("macs", "Macs"),
    ],
)
def test_an_axis_has_a_name_and_a_unit(column: str, title: str) -> None:
    assert axis_title(column) == title


def test_a_unit_is_read_from_the_last_part_only() -> None:
    assert (unit_of("power_w"), unit_of("w"), unit_of("bits_per_key")) == ("W", "", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (math.nan, "unknown"),
        (0.0, "0"),
        (12.345, "12.3"),
        (1.0, "1.00"),
        (0.012345, "0.0123"),
        (999.6, "1,000"),
        (123456.0, "123,000"),
        (2.5e9, "2.50e+09"),
    ],
)
def test_three_significant_figures(value: float | None, text: str) -> None:
    assert figures(value) == text


def test_an_interval_is_shown_only_where_it_is_known() -> None:
    assert interval(4.0, 3.0, 6.0, "ms") == "4.00 ms (3.00 to 6.00)"
    assert interval(4.0, None, 6.0, "ms") == "4.00 ms"
    assert interval(4.0, 4.0, 4.0, "ms") == "4.00 ms"
    assert interval(math.nan, 3.0, 6.0, "ms") == "unknown"


def test_colour_and_symbol_together_never_repeat() -> None:
    look = styles(f"chip{i}" for i in range(40))
    assert len(set(look.values())) == 40
