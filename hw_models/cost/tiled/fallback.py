"""Kernels that the main engine of a chip cannot run, on the engine that it names as `fallback`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hw_models.cost.adjust import Adjustment, class_priors
from hw_models.cost.arrays import Feasibility, Kernels, Terms
from hw_models.cost.chips import Chips, on_fallback
from hw_models.cost.roofline import Roofline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.cost.adjust import ClassConstants
    from hw_models.cost.base import TermsProvider

CANNOT: tuple[Feasibility, ...] = (Feasibility.PRECISION, Feasibility.OPERATOR)
"""Codes of what an engine lacks, and another one may have."""


def with_fallback(terms: Terms, kernels: Kernels, chips: Chips, provider: TermsProvider) -> Terms:
    """The terms, with those of the fallback engine where the main one cannot run a kernel and that one can.

    By the same provider where it supports that engine; else by the roofline with the constants of the
    engine's class, which `stands_in` marks. The arrays of `terms` are written to.
    """
    stopped = np.isin(terms.feasibility, CANNOT)
    if not stopped.any() or terms.mapping is None or terms.stands_in is None:
        return terms
    for c in np.flatnonzero(stopped.any(axis=0)):
        other = on_fallback(chips.accelerators[c])
        if other is None:
            continue
        rows = np.flatnonzero(stopped[:, c])
        tiled = provider.supports(other)
        part = kernels.take(rows)
        found = _alone(part, Chips.of([other], edge=chips.edge[c]), provider if tiled else None)
        ran = found.feasibility[:, 0] == Feasibility.OK
        rows, hit = rows[ran], np.flatnonzero(ran)
        terms.seconds[rows, c], terms.actions[rows, c] = found.seconds[hit, 0], found.actions[hit, 0]
        terms.feasibility[rows, c] = Feasibility.OK
        terms.demand[rows, c] = terms.bound[rows, c] = np.nan
        terms.stands_in[rows, c] = True if found.stands_in is None else found.stands_in[hit, 0]
        told = [None] * len(hit) if found.mapping is None else found.mapping[hit, 0]
        name = other.main_engine.name
        for row, mapping in zip(rows, told, strict=True):
            terms.mapping[row, c] = f"on {name}: {mapping or ('streamed' if tiled else 'roofline')}"
    return terms


def _alone(kernels: Kernels, chips: Chips, provider: TermsProvider | None) -> Terms:
    """Terms on one chip, class figures filled in; without a provider those of the roofline."""
    lowering = kernels.lowering[0] if kernels.lowering else "compiled"
    constants = class_priors().for_chips(chips, lowering)
    per_mac = np.array([c.vector_per_mac for c in constants])
    if provider is not None:
        return provider.terms(kernels, chips.with_priors(per_mac, np.full(len(chips), np.nan)))
    return _roofline(kernels, chips.with_priors(per_mac, _capacities(constants)), constants)


def _capacities(constants: Sequence[ClassConstants]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([c.sram_capacity for c in constants], np.float64)


def _roofline(kernels: Kernels, chips: Chips, constants: tuple[ClassConstants, ...]) -> Terms:
    terms = Roofline().terms(kernels, chips)
    return replace(terms, seconds=Adjustment.of(chips, constants).apply(terms.seconds, kernels))
