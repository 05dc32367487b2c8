"""Knees of a front: the point that one would take without knowing what each objective is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from codesign.front.dominance import FloatArray, scaled
from hw_models.errors import UnknownNameError


def nearest_to_ideal(values: FloatArray) -> FloatArray:
    """(N,) distance to the ideal point, every objective scaled to 0..1 over the front; less is better.

    Args:
        values: (N, M) objectives, less is better.
    """
    distance: FloatArray = np.linalg.norm(scaled(values, values.min(axis=0), values.max(axis=0)), axis=1)
    return distance.round(12)


def trade_off(values: FloatArray) -> FloatArray:
    """(N,) minus what must be given up for a unit gained, by going to the best other point; less is better.

    Gains and losses are summed over the objectives, each scaled to 0..1 over the front. At 2 every other
    point costs at least twice what it brings; below 1 some other point is the better bargain.
    Source: Rachmawati and Srinivasan: Multiobjective evolutionary algorithm with controllable focus on the
    knees of the Pareto front, IEEE TEC 13(4), 2009, eq. 4, over the whole front.

    Args:
        values: (N, M) objectives, less is better.
    """
    places = scaled(values, values.min(axis=0), values.max(axis=0))
    found = np.full(len(values), np.inf)
    for i, here in enumerate(places):
        change = places - here
        lost, gained = np.maximum(change, 0.0).sum(axis=1), np.maximum(-change, 0.0).sum(axis=1)
        found[i] = (lost[gained > 0] / gained[gained > 0]).min(initial=np.inf)
    return -found.round(12)


KNEES: Final[dict[str, Callable[[FloatArray], FloatArray]]] = {
    "ideal": nearest_to_ideal,
    "trade_off": trade_off,
}
"""Kind of knee -> what the point of the front has least of."""


def knee_of(values: FloatArray, kind: str) -> int:
    """Position of the knee; of equal ones the first.

    Raises:
        UnknownNameError: a kind that there is not.
    """
    if kind not in KNEES:
        raise UnknownNameError("knee", kind, KNEES, f"known: {', '.join(KNEES)}")
    return int(np.argmin(KNEES[kind](values)))
