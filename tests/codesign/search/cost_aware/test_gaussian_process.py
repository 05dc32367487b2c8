import numpy as np
import pytest
from scipy.optimize import check_grad

from codesign.search.cost_aware.gaussian_process import (
    PRIOR,
    Distances,
    GaussianProcess,
    Inputs,
    _loss,
    covariance,
    fit_hyper_parameters,
    relative_noise,
)


@pytest.fixture
def inputs() -> Inputs:
    rng = np.random.default_rng(0)
    return Inputs(np.eye(3)[rng.integers(3, size=(30, 2))].reshape(30, 6), rng.normal(size=(30, 2)))


@pytest.fixture
def targets(inputs: Inputs) -> np.ndarray:
    return np.sin(inputs.features[:, 0]) + inputs.knobs[:, 0]


def test_the_gradient_is_that_of_the_loss(inputs: Inputs, targets: np.ndarray) -> None:
    y = (targets - targets.mean()) / targets.std()
    d, ratio = Distances.of(inputs, inputs), relative_noise(targets)
    off = check_grad(lambda t: _loss(t, d, y, ratio)[0], lambda t: _loss(t, d, y, ratio)[1], PRIOR + 0.1)
    assert off < 1e-4


def test_covariance_is_what_the_formulas_say() -> None:
    a = Inputs(np.array([[1.0, 0.0]]), np.array([[0.0]]))
    b = Inputs(np.array([[0.0, 0.0]]), np.array([[2.0]]))
    theta = np.log([2.0, 4.0, 3.0, 0.5, 1.0, 0.1])
    s = np.sqrt(5) * 2 / 0.5
    expected = 2 * np.exp(-1 / 4) + 3 * (1 + s + s * s / 3) * np.exp(-s) + 1 * 0.0
    assert covariance(a, b, theta)[0, 0] == pytest.approx(expected)


def test_an_equal_row_is_predicted_as_measured_and_others_less_surely(
    inputs: Inputs, targets: np.ndarray
) -> None:
    theta = fit_hyper_parameters(inputs, targets)
    process = GaussianProcess.given(inputs, targets, theta)
    told = process.predict(inputs)
    far = process.predict(Inputs(inputs.knobs[:1], inputs.features[:1] + 9.0))
    assert np.abs(told.mean - targets).max() < 0.3
    assert far.variance[0] > 4 * told.variance.max()


def test_believing_a_point_equals_a_new_process_that_was_told_its_mean(
    inputs: Inputs, targets: np.ndarray
) -> None:
    process = GaussianProcess.given(inputs, targets, PRIOR)
    new = Inputs(inputs.knobs[:6], inputs.features[:6] + 0.7)
    told = process.predict(new)
    told.believe(2)
    told.believe(4)
    again = process.also(new.take(np.array([2, 4])), told.mean[[2, 4]]).predict(new)
    assert told.mean == pytest.approx(again.mean, rel=1e-3)
    assert told.variance == pytest.approx(again.variance, rel=1e-3)


def test_noise_is_the_same_in_points_of_error(inputs: Inputs) -> None:
    process = GaussianProcess.given(inputs, np.log(np.linspace(5.0, 20.0, 30)), PRIOR)
    deviation = np.sqrt(process.noise(np.log(np.array([5.0, 10.0, 20.0])))) * np.array([5.0, 10.0, 20.0])
    assert deviation == pytest.approx(np.full(3, deviation[0]))


def test_later_results_join_as_if_they_had_been_there(inputs: Inputs, targets: np.ndarray) -> None:
    first, later = np.arange(20), np.arange(20, 30)
    process = GaussianProcess.given(inputs.take(first), targets[first], PRIOR)
    grown = process.also(inputs.take(later), targets[later])
    y = (targets - process.centre) / process.scale
    assert grown.targets == pytest.approx(y)
    k = np.linalg.inv(grown.inverse.T @ grown.inverse)
    assert k[:20, :20] == pytest.approx(np.linalg.inv(process.inverse.T @ process.inverse))
    off = ~np.eye(30, dtype=bool)
    assert k[off] == pytest.approx(covariance(inputs, inputs, PRIOR)[off])


def test_predictions_of_parts_join(inputs: Inputs, targets: np.ndarray) -> None:
    process = GaussianProcess.given(inputs, targets, PRIOR)
    whole = process.predict(inputs)
    rows = np.arange(len(inputs))
    parts = process.predict(inputs.take(rows[:10])).join(process.predict(inputs.take(rows[10:])))
    assert parts.mean == pytest.approx(whole.mean)
    assert parts.deviation == pytest.approx(whole.deviation)


def test_equal_targets_are_no_division_by_zero(inputs: Inputs) -> None:
    process = GaussianProcess.given(inputs, np.full(30, 7.0), PRIOR)
    assert process.predict(inputs).mean == pytest.approx(np.full(30, 7.0))
