"""Kernels that a chip's main engine does not run itself, as the fallback that its file names runs them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hw_models.cost.arrays import Feasibility
from hw_models.cost.chips import Chips, fallbacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw_models.cost.arrays import Kernels, Terms

    Alone = Callable[[Chips, Kernels], Terms]


def on_fallbacks(terms: Terms, kernels: Kernels, chips: Chips, alone: Alone) -> Terms:
    """The terms, with those of a fallback where the main engine lacks a kernel's operator or precision.

    Args:
        terms: (U, C, R) of the kernels on the main engines.
        kernels: U distinct ones.
        chips: C of them.
        alone: terms of kernels on one chip by the same model.
    """
    from hw_models.lowering.placement import engine_of_kernels

    engines = engine_of_kernels(kernels, chips)
    if not engines.any():
        return terms
    parts = ("seconds", "actions", "feasibility", "demand", "bound")
    out = replace(terms, **{name: getattr(terms, name).copy() for name in parts})
    for c in np.flatnonzero(engines.any(axis=0)):
        chain = fallbacks(chips.accelerators[c])
        for engine in np.unique(engines[:, c][engines[:, c] > 0]):
            rows = np.flatnonzero(engines[:, c] == engine)
            found = alone(Chips.of([chain[engine]], edge=chips.edge[c]), kernels.take(rows))
            ran = found.feasibility[:, 0] == Feasibility.OK
            for name in parts:
                getattr(out, name)[rows[ran], c] = getattr(found, name)[ran, 0]
    return out
