"""Quantities as text: what is read, what is refused, and that text and number are one thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_models import units
from hw_models.errors import UnitError


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("204.8 GB/s", "byte/s", 204.8e9),
        ("204.8GB/s", "byte/s", 204.8e9),
        ("8 Gbit/s", "byte/s", 1e9),
        ("1 GiB/s", "byte/s", 2**30),
        ("2 MiB", "byte", 2**21),
        ("16 b", "byte", 2),
        ("4.096 Tmac/s", "op/s", 8.192e12),
        ("4 TMAC/s", "op/s", 8e12),
        ("4 TOPS", "op/s", 4e12),
        ("35.6 TFLOPS", "op/s", 35.6e12),
        ("1 TFLOP/s", "op/s", 1e12),
        ("6400 MT/s", "transfer/s", 6.4e9),
        ("1.5 GHz", "Hz", 1.5e9),
        ("450 mW", "W", 0.45),
        ("20 us", "s", 20e-6),
        ("20 µs", "s", 20e-6),
        ("1 pJ/mac", "J/op", 0.5e-12),
        ("8 pJ/bit", "J/byte", 64e-12),
        ("455 mm2", "m2", 455e-6),
        ("455 mm^2", "m2", 455e-6),
        ("1_999 USD", "USD", 1999),
        ("1e3 W", "W", 1000),
    ],
)
def test_parse(text: str, unit: str, value: float) -> None:
    assert units.parse(text, unit) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("512", "byte/s", "needs a unit, for example '512 byte/s' or '512 GB/s'"),
        ("512", "W", "needs a unit, for example '512 W'"),
        (
            "512 GB",
            "byte/s",
            "'GB' is of the wrong dimension; expected bytes per second, for example '512 GB/s'",
        ),
        (
            "512 Hz",
            "byte/s",
            "'Hz' is of the wrong dimension; expected bytes per second, for example '512 GB/s'",
        ),
        ("4 TOPS", "Hz", "'TOPS' is of the wrong dimension; expected a frequency, for example '512 MHz'"),
        ("fast", "byte/s", "'fast' is not a quantity; expected bytes per second, for example '512 GB/s'"),
        ("", "byte", "'' is not a quantity; expected bytes, for example '512 MiB'"),
        (
            "___ TOPS",
            "op/s",
            "'___ TOPS' is not filled in yet; expected operations per second, for example '512 TOPS'",
        ),
        ("9 W**9**9**9", "W", "unknown unit 'W**9**9**9'; expected a power, for example '512 W'"),
        (
            "1 __import__('os')",
            "W",
            "unknown unit \"__import__('os')\"; expected a power, for example '512 W'",
        ),
    ],
)
def test_refusals(text: str, unit: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        units.parse(text, unit)
    assert str(caught.value) == message


def test_nearest_unit_is_offered() -> None:
    with pytest.raises(UnitError, match=r"unknown unit 'gb/s'; did you mean 'GB/s'"):
        units.parse("512 gb/s", "byte/s")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (204.8e9, "byte/s", "204.8 GB/s"),
        (2**21, "byte", "2 MiB"),
        (24e9, "byte", "24 GB"),
        (4e12, "op/s", "4 TOPS"),
        (999.99e9, "op/s", "1 TOPS"),
        (455e-6, "m2", "455 mm2"),
        (8, "", "8"),
        (1999, "USD", "1999 USD"),
        (3.2e-12, "J/op", "3.2 pJ/op"),
    ],
)
def test_show(value: float, unit: str, text: str) -> None:
    assert units.show(value, unit) == text


@given(
    st.floats(1e-12, 1e18), st.sampled_from(["byte", "byte/s", "op/s", "Hz", "W", "s", "J/byte", "m2", "USD"])
)
def test_exact_text_is_read_back_as_the_same_float(value: float, unit: str) -> None:
    assert units.parse(units.exact(value, unit), unit) == value
