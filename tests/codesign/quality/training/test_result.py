"""What a training tells: intervals, slices, and the same after JSON."""

from __future__ import annotations

import json

import pytest

from codesign.quality.training.result import Count, Epoch, Score, TrainingResult, wilson


def test_wilson_by_hand():
    """For 10 of 100: centre (0.1 + z^2/200) / (1 + z^2/100) with z = 1.645."""
    low, high = wilson(10, 100)
    zz = 1.6448536**2
    centre = (0.1 + zz / 200) / (1 + zz / 100)
    half = 1.6448536 * (0.1 * 0.9 / 100 + zz / 40000) ** 0.5 / (1 + zz / 100)
    assert (low, high) == pytest.approx((100 * (centre - half), 100 * (centre + half)))
    assert wilson(0, 50)[0] == 0.0
    assert wilson(0, 50)[1] == pytest.approx(100 * zz / (50 + zz), rel=1e-6)  # the known upper end at zero
    assert wilson(50, 50)[1] == 100.0
    assert wilson(0, 0) == (0.0, 100.0)


def test_the_worst_slice_has_enough_images():
    score = Score(
        "test", Count(1000, 100), {"night": Count(200, 60), "snow": Count(29, 29), "rain": Count(90, 9)}
    )
    assert score.worst_slice == "night"
    assert score.worst_error("full training").value == 30.0
    assert Score("test", Count(5, 1)).worst_error("").value is None


def test_a_result_survives_json():
    val = Score("val", Count(10, 3), {"night": Count(4, 2)})
    epochs = tuple(Epoch(n, 1.0 / n, val, 0.1, 5, 0.2, 50, 32) for n in (1, 2))
    result = TrainingResult(2, 2, 2, epochs, val, Score("test", Count(9, 1)), (0.5,), (0.2,), "", ("note",))
    assert TrainingResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert result.at(1).test is None
    assert result.at(1).fidelity == "short training"
    assert (result.error.value, result.at(1).error.value) == (pytest.approx(100 / 9), 30.0)
