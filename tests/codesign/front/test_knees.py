"""Knees: two meanings, each by hand."""

from __future__ import annotations

import numpy as np
import pytest

from codesign.front import Front
from codesign.front.knees import knee_of, trade_off
from hw_models.errors import UnknownNameError


def test_the_two_kinds_need_not_agree() -> None:
    # the second is nearer to (0, 0): 0.5 against 0.506; from it to the third 0.14 buys 0.15
    nearer = np.array([[0.0, 1.0], [0.3, 0.4], [0.44, 0.25], [1.0, 0.0]])
    assert knee_of(nearer, "ideal") == 1
    assert knee_of(nearer, "trade_off") == 2


def test_trade_offs_by_hand() -> None:
    # from (0, 1) to (0.4, 0.3): 0.4 lost, 0.7 gained; back 0.7 for 0.4, on to (1, 0) 0.6 for 0.3; from there
    # 0.3 for 0.6
    found = -trade_off(np.array([[0.0, 10.0], [4.0, 3.0], [10.0, 0.0]]))
    assert found == pytest.approx([4 / 7, 7 / 4, 1 / 2])


def test_equal_and_single_points() -> None:
    assert knee_of(np.array([[1.0, 2.0]]), "trade_off") == 0
    assert knee_of(np.array([[1.0, 2.0], [1.0, 2.0]]), "trade_off") == 0


def test_knees_of_a_front(point, demands) -> None:
    front = Front.of([point(0, 30, 5), point(1, 12, 12), point(2, 10, 40)], demands)
    assert front.knee().number == front.knee("trade_off").number == 1
    assert Front.of([point(7, 30, 5)], demands).knee("trade_off").number == 7
    with pytest.raises(UnknownNameError, match="unknown knee 'elbow'; known: ideal, trade_off"):
        front.knee("elbow")
