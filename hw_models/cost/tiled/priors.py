"""What stands around tiled terms until a chip is calibrated: the interval, figures of the class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_models.cost.adjust import ClassConstants, ClassPriors, class_priors
from hw_models.shipped import shipped_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.cost.chips import Chips


@dataclass(frozen=True, slots=True)
class Interval:
    """Factors of the latency between which 90 % of measured ones are expected, and where they are from."""

    low: float
    high: float
    source: str
    obtained: str


@dataclass(frozen=True)
class TiledPriors:
    """Intervals by organisation; rates that a chip's file leaves open come from the constants of its class.

    Nothing stretches the terms: what an array, a port or a memory loses is in them.
    """

    classes: ClassPriors
    default: Interval
    organisations: Mapping[str, Interval]

    @classmethod
    def of(cls, data: Mapping[str, Any], classes: ClassPriors) -> TiledPriors:
        """From the structure of `tiled_priors.yaml`."""
        rows = {kind: Interval(**row) for kind, row in data["organisations"].items()}
        return cls(classes, Interval(**data["default"]), rows)

    def for_chips(self, chips: Chips, lowering: str) -> tuple[ClassConstants, ...]:
        """(C,) constants of each chip: the class's vector rate and issue time, efficiencies of 1."""
        of_class = self.classes.for_chips(chips, lowering)
        flows = [c.main_engine.dataflow for c in chips.accelerators]
        intervals = [self.organisations.get(f.kind, self.default) if f else self.default for f in flows]
        return tuple(_bare(c, i) for c, i in zip(of_class, intervals, strict=True))


def _bare(constants: ClassConstants, interval: Interval) -> ClassConstants:
    return replace(
        constants,
        compute=dict.fromkeys(constants.compute, 1.0),
        bandwidth=dict.fromkeys(constants.bandwidth, 1.0),
        vector=1.0,
        sram_capacity=np.nan,
        low=interval.low,
        high=interval.high,
        source=interval.source,
        obtained=interval.obtained,
    )


@cache
def tiled_priors() -> TiledPriors:
    """The intervals that ship (`tiled_priors.yaml`)."""
    return TiledPriors.of(shipped_yaml("hw_models.cost", "tiled_priors.yaml"), class_priors())
