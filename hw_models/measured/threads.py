"""A CPU of which a run used some cores alone: what a measurement says of the number of its threads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hw_models.errors import InputError

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.quantities import Sourced


def on_threads(chip: Accelerator, threads: float | None) -> Accelerator:
    """The chip with the peaks of as many cores of its CPU as there were threads.

    The same chip where it is no CPU, where threads or cores are not told, or where every core has a thread.

    Args:
        chip: as described, all its cores.
        threads: of the run; None or NaN: not told.

    Raises:
        InputError: a number of threads below 1.
    """
    engine = chip.main_engine
    if engine.kind != "cpu" or engine.units is None or threads is None or math.isnan(threads):
        return chip
    if threads < 1:
        raise InputError(f"{threads:g} threads given for {chip.label}, expected at least 1")
    share = threads / engine.units.value
    if share >= 1.0:
        return chip
    changed: dict[str, object] = {
        name: _scaled(getattr(engine, name), share) for name in ("peak", "vector_peak")
    }
    changed["units"] = _of(engine.units, share)
    return chip.model_copy(update={"engines": (engine.model_copy(update=changed), *chip.engines[1:])})


def _scaled(figures: Mapping[str, Sourced], share: float) -> dict[str, Sourced]:
    return {name: _of(figure, share) for name, figure in figures.items()}


def _of(figure: Sourced, share: float) -> Sourced:
    ends = {end: v * share for end in ("low", "high") if (v := getattr(figure, end)) is not None}
    return figure.model_copy(update={"value": figure.value * share, **ends})
