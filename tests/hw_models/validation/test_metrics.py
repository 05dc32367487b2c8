"""Metric functions against arithmetic by hand, and what they may not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hw_models.validation import metrics

MEASURED = np.array([100.0, 200.0, 400.0, 800.0])
PREDICTED = np.array([110.0, 180.0, 600.0, 800.0])
# errors +0.1, -0.1, +0.5, 0; measured / predicted 0.909.., 1.111.., 0.666.., 1: median (0.909.. + 1) / 2


def test_errors_by_hand() -> None:
    assert metrics.mape(PREDICTED, MEASURED) == pytest.approx(0.7 / 4)
    assert metrics.bias(PREDICTED, MEASURED) == pytest.approx(0.5 / 4)
    assert metrics.absolute_error_quantile(PREDICTED, MEASURED, 0.5) == pytest.approx(0.1)
    # sorted 0, 0.1, 0.1, 0.5; position 2.7: 0.1 + 0.7 x 0.4
    assert metrics.absolute_error_quantile(PREDICTED, MEASURED, 0.9) == pytest.approx(0.38)


def test_the_one_scale_by_hand() -> None:
    scale = (100 / 110 + 1) / 2
    assert metrics.one_scale(PREDICTED, MEASURED) == pytest.approx(scale)
    by_hand = (abs(1.1 * scale - 1) + abs(0.9 * scale - 1) + abs(1.5 * scale - 1) + abs(scale - 1)) / 4
    assert metrics.mape_scaled(PREDICTED, MEASURED) == pytest.approx(by_hand)


def test_predictions_of_0_have_no_scale() -> None:
    assert metrics.one_scale(np.array([0.0, 2.0]), np.array([1.0, 1.0])) == 0.5
    assert metrics.mape_scaled(np.zeros(2), np.ones(2)) == 1.0


def test_kendall_by_hand() -> None:
    # of the six pairs of (1, 2, 3, 4) and (1, 3, 2, 4) five agree and one does not: (5 - 1) / 6
    assert metrics.kendall_tau(np.array([1.0, 3, 2, 4]), np.array([1.0, 2, 3, 4])) == pytest.approx(4 / 6)
    assert metrics.kendall_tau(np.ones(3), np.arange(3.0)) is None


def test_coverage_and_width_by_hand() -> None:
    low, high = np.array([90.0, 150, 500, np.nan]), np.array([120.0, 190, 700, np.nan])
    assert metrics.coverage(low, high, MEASURED) == pytest.approx(1 / 3), (
        "only 100 lies inside; one row has none"
    )
    # half-widths 15/110, 20/180, 100/600
    assert metrics.half_width(low, high, PREDICTED) == pytest.approx(15 / 110)
    assert metrics.coverage(low * np.nan, high, MEASURED) is None
    assert metrics.half_width(low * np.nan, high, PREDICTED) is None


def test_the_interval_holds_the_error_and_is_the_same_every_time() -> None:
    rng = np.random.default_rng(7)
    measured = rng.uniform(1, 2, 500)
    predicted = measured * rng.lognormal(0, 0.2, 500)
    first = metrics.mape_interval(predicted, measured)
    assert first is not None
    assert first == metrics.mape_interval(predicted, measured)
    assert first[0] < metrics.mape(predicted, measured) < first[1]
    # the standard error of a mean of 500 is s / sqrt(500); 90 % lies within 1.645 of it
    errors = np.abs(predicted / measured - 1)
    assert (first[1] - first[0]) / 2 == pytest.approx(1.645 * errors.std() / np.sqrt(500), rel=0.15)
    assert metrics.mape_interval(predicted[:1], measured[:1]) is None


POSITIVE = arrays(np.float64, st.shared(st.integers(2, 20), key="n"), elements=st.floats(0.1, 1e6))


@settings(max_examples=60, deadline=None)
@given(predicted=POSITIVE, measured=POSITIVE, scale=st.floats(0.01, 100))
def test_one_scale_takes_out_any_scale(predicted: np.ndarray, measured: np.ndarray, scale: float) -> None:
    assert metrics.mape_scaled(predicted * scale, measured) == pytest.approx(
        metrics.mape_scaled(predicted, measured), rel=1e-6, abs=1e-9
    )
    assert metrics.mape(measured, measured) == 0
    assert metrics.mape(predicted, measured) >= abs(metrics.bias(predicted, measured)) - 1e-9
