"""Intervals against arithmetic by hand and against draws that they must hold."""

from __future__ import annotations

import numpy as np
import pytest

from codesign.quality.predictor.conformal import cv_plus, folds, places
from hw_models.errors import InputError


def test_which_of_the_sorted_ends_counts() -> None:
    # Barber et al. 2021, definition of the conformal quantile: the ceil((1 - alpha)(n + 1))-th smallest
    assert [places(n, 0.9) for n in (9, 10, 19, 99, 100)] == [9, 10, 18, 90, 91]
    with pytest.raises(InputError, match="8 rows given, expected at least 9 for a coverage of 90%"):
        places(8, 0.9)
    with pytest.raises(InputError, match="expected at least 19"):
        places(18, 0.95)


def test_every_row_is_left_out_once() -> None:
    parts = folds(43, seed=1)
    assert sorted(np.concatenate(parts).tolist()) == list(range(43))
    assert {len(p) for p in parts} == {4, 5}
    assert all((a == b).all() for a, b in zip(parts, folds(43, seed=1), strict=True))


def test_ends_by_hand() -> None:
    # two models of one new network: means 1 and 2, spreads 1 and 2; off by 1, 2 and by 1, 2, 3
    low, high = cv_plus(
        [np.array([1.0]), np.array([2.0])],
        [np.array([1.0]), np.array([2.0])],
        [np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0])],
        0.5,
    )
    # upper ends 2, 3, 4, 6, 8: ceil(6 / 2) = the third; lower ends 0, -1, 0, -2, -4: the third from above
    assert (low[0], high[0]) == (-1.0, 4.0)


def test_ninety_per_cent_of_new_draws_are_held() -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(60):
        y = rng.normal(size=100)
        parts = folds(100, seed=0)
        means = [np.delete(y, p).mean() for p in parts]
        off = [np.abs(y[p] - m) for p, m in zip(parts, means, strict=True)]
        low, high = cv_plus([np.array([m]) for m in means], [np.ones(1)] * 10, off, 0.9)
        new = rng.normal(size=500)
        held.append(((new >= low) & (new <= high)).mean())
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)
