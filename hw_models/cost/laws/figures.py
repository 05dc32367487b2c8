"""Public figures of NPUs that nobody states: the class's typical ones in their place, and said so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.shipped import shipped_yaml
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator

CLASS: Final = "class_of_npus"
"""Key of the class's figures among a chip's sources."""
STANDS_FOR: Final[Mapping[str, str]] = {"w8a16": "int16", "w4a16": "int16"}
"""Formats whose MACs run at the rate of another."""


@dataclass(frozen=True)
class ClassFigures:
    """The class's typical chip.

    Attributes:
        int8: op/s; bandwidth: byte/s.
        ratio: peak by format over the 8-bit peak.
        source: where they are from.
    """

    int8: float
    bandwidth: float
    ratio: Mapping[str, float]
    source: str

    def int8_peak(self, chips: Chips) -> FloatArray:
        """(C,) op/s at 8 bits, from another format's peak where that is not stated; NaN: no peak at all."""
        peak: FloatArray = chips.mac_peak[:, Precision.INT8]
        for name, ratio in self.ratio.items():
            other = chips.mac_peak[:, Precision[name.upper()]] / ratio
            peak = np.where(np.isnan(peak), other, peak)
        return peak

    def peak(self, accelerator: Accelerator, precision: str) -> float:
        """op/s at a format, by the class's ratio from one that is stated; the typical peak where none is."""
        stated = accelerator.main_engine.peak
        for name in ("int8", *self.ratio):
            if name in stated:
                return stated[name].value / self.ratio.get(name, 1.0) * self.ratio.get(precision, 1.0)
        return self.int8 * self.ratio.get(precision, 1.0)


@cache
def class_figures() -> ClassFigures:
    """The figures that ship (`npu.yaml`, `typical`)."""
    return ClassFigures(**shipped_yaml("hw_models.cost.laws", "npu.yaml")["typical"])


def with_class_figures(accelerator: Accelerator, precisions: Iterable[str]) -> Accelerator:
    """The chip with a peak for every format that is known to run on it, and with a bandwidth.

    For a chip that was seen to run a format, or of which only the name is known: a figure that its file has
    stays; one that it lacks is the class's, by the class's ratio of formats where another peak is stated.
    Results rest on a prior then: their fidelity is at most that. A chip of another kind, or without external
    memory, is returned as it is.
    """
    main, dram = accelerator.main_engine, accelerator.dram
    if main.kind != "npu" or dram is None or dram.kind != "dram":
        return accelerator
    figures = class_figures()
    wanted = {STANDS_FOR.get(p, p) for p in precisions if p not in main.peak}
    missing = {p: figures.peak(accelerator, p) for p in sorted(wanted - set(main.peak))}
    if not missing and dram.bandwidth is not None:
        return accelerator
    peak = {**_dump(main.peak), **{p: _figure(value) for p, value in missing.items()}}
    data: dict[str, Any] = accelerator.model_dump()
    data["sources"] = {**data["sources"], CLASS: f"typical of the class: {figures.source}"}
    data["engines"] = [{**data["engines"][0], "peak": peak}, *data["engines"][1:]]
    if dram.bandwidth is None:
        at = next(i for i, level in enumerate(accelerator.memory) if level is dram)
        data["memory"] = [
            {**level, "bandwidth": _figure(figures.bandwidth)} if i == at else level
            for i, level in enumerate(data["memory"])
        ]
    return type(accelerator).model_validate(data)


def is_prior(accelerator: Accelerator) -> bool:
    """Whether a figure of the class stands in for one of the chip's."""
    return CLASS in accelerator.sources


def _dump(peak: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figure.model_dump() for name, figure in peak.items()}


def _figure(value: float) -> dict[str, Any]:
    return {"value": value, "source": CLASS, "note": "not stated; typical of the class"}
