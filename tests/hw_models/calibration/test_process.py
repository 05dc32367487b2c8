"""Arithmetic behind a calibration: left-out formulas, scalars, half-widths."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.calibration.features import FEATURES, LENGTHS
from hw_models.calibration.interval import Width, conformal
from hw_models.calibration.process import Kernel, Residuals
from hw_models.calibration.scalars import fit_scalars

KERNEL = Kernel(structure=0.02, sibling=0.01, level=0.0025, alone=0.002)


def some(n: int = 12) -> Residuals:
    random = np.random.default_rng(0)
    return Residuals(KERNEL, random.normal(size=(n, len(FEATURES))) * LENGTHS / 8, random.normal(0, 0.1, n))


def test_left_out_is_what_a_fit_without_the_group_predicts() -> None:
    residuals, groups = some(), np.repeat(np.arange(4), 3)
    mean, variance = residuals.left_out(groups)
    for group in range(4):
        at = groups == group
        expected, sure = residuals.without(at).predict(residuals.features[at])
        np.testing.assert_allclose(mean[at], expected, rtol=1e-9)
        np.testing.assert_allclose(variance[at], sure, rtol=1e-6)


def test_far_networks_say_nothing_but_the_level() -> None:
    residuals = some()
    mean, variance = residuals.predict(residuals.features[:1] + 100 * LENGTHS)
    assert abs(mean[0]) < 0.1
    assert variance[0] == pytest.approx(KERNEL.prior_variance, rel=0.2)


def test_no_network_is_the_prior() -> None:
    nobody = Residuals(KERNEL, np.empty((0, len(FEATURES))), np.empty(0))
    mean, variance = nobody.predict(np.zeros((2, len(FEATURES))))
    assert mean.tolist() == [0.0, 0.0]
    assert variance.tolist() == [KERNEL.prior_variance] * 2


@pytest.mark.parametrize(("log_scale", "low", "high"), [(0.0, -0.02, 0.02), (0.7, 0.6, 0.72)])
def test_scalars_shrink_to_one_and_follow_what_is_far_off(log_scale: float, low: float, high: float) -> None:
    parts = np.random.default_rng(0).dirichlet((2, 2, 2), 10)
    found = fit_scalars(parts, np.full(10, log_scale), np.zeros((10, 10)))
    assert (low <= parts @ found).all()
    assert (parts @ found <= high).all()


def test_half_width_is_the_rank_that_holds_nine_tenths_of_the_next() -> None:
    errors = np.arange(1.0, 20.0)  # 19 errors: ceil(0.9 x 20) = 18th smallest
    assert conformal(errors) == 18.0
    assert Width.of(errors[:9], errors[:9], np.empty(0), np.empty(0)) is None


def test_half_width_never_falls_with_doubt() -> None:
    random = np.random.default_rng(0)
    sure = random.uniform(0.01, 0.1, 400)
    width = Width.of(random.normal(0, sure), sure, np.empty(0), np.empty(0))
    assert width is not None
    assert (np.diff(width.at(np.linspace(0, 0.2, 50))) >= 0).all()
    assert width.at(np.array([0.1]))[0] == pytest.approx(1.645 * 0.09, rel=0.3)
