"""The tiled provider of terms: contractions by the organisation of each chip's array, the rest streamed.

What the main engine cannot run goes to the engine that it names as `fallback`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hw_models.cost.roofline import Roofline
from hw_models.cost.tiled.assembly import Assembly, Place, contracted
from hw_models.cost.tiled.fallback import with_fallback
from hw_models.cost.tiled.kernels import Contractions
from hw_models.cost.tiled.organisation import Aim, Aims, RunsOthers
from hw_models.cost.tiled.registry import misfits, organisation
from hw_models.cost.tiled.streaming import streamed
from hw_models.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hw_models.cost.arrays import IntArray, Kernels, Terms
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator


@dataclass(frozen=True)
class Tiled:
    """Finds, or is given, how each contraction is cut into tiles, and bounds every level of memory.

    Args:
        aim: what mappings are chosen by, where the organisation has that choice.
    """

    aim: Aim = "latency"
    contract: ClassVar[int] = 1
    name: ClassVar[str] = "tiled"

    def supports(self, chip: Accelerator) -> bool:
        """Whether the file states the organisation of the array and all that the organisation needs."""
        return not self.missing(chip)

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """Paths of the fields that tiled terms need and the chip's file leaves open; empty: none."""
        engine = chip.main_engine
        gaps = list(chip.missing())
        if engine.dataflow is None:
            return (*gaps, f"engines.{engine.name}.dataflow")
        try:
            found = organisation(engine.dataflow.kind)
        except InputError as error:
            return (*gaps, f"engines.{engine.name}.dataflow.kind: {error}")
        gaps += [f"engines.{engine.name}.{said}" for said in misfits(engine.dataflow)]
        return tuple(dict.fromkeys([*gaps, *found.missing(chip)]))

    def terms(self, kernels: Kernels, chips: Chips) -> Terms:
        """Seconds each resource needs alone (U, C, R) and actions (U, C, A), mapping and proven gap."""
        work = Contractions.of(kernels)
        out = Assembly.of(streamed(kernels, chips, Roofline().crossing(kernels.reuse_bytes, chips)))
        for kind, columns in _by_organisation(self, chips):
            out.known[columns] = True
            found, mine = organisation(kind), chips.take(columns)
            if self.aim != "latency" and isinstance(found, Aims):
                found = found.aiming(self.aim)
            others = found.stream_terms(kernels, mine.costed) if isinstance(found, RunsOthers) else None
            if others is not None:
                out.stream(columns, others)
            if len(work):
                here = Place(kernels, work, mine, out.actions[:, columns])
                out.put(columns, here, contracted(found, here))
            if others is not None:
                out.follow(columns, others)
        return with_fallback(out.finish(kernels, chips), kernels, chips, self)


def _by_organisation(provider: Tiled, chips: Chips) -> Iterator[tuple[str, IntArray]]:
    """Chips of one organisation together, those that cannot be told left out."""
    kinds: dict[str, list[int]] = {}
    for c, chip in enumerate(chips.accelerators):
        dataflow = chip.main_engine.dataflow
        if dataflow is not None and provider.supports(chip):
            kinds.setdefault(dataflow.kind, []).append(c)
    for kind, columns in kinds.items():
        yield kind, np.array(columns, np.int64)
