"""What a better chip would gain: the network costed again with one lever of the chip pulled at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.chips import Chips, last_on_chip, vector_peak
from hw_models.cost.grid import evaluate
from hw_models.spec.quantities import Seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hw_models.cost.adjust import ClassConstants
    from hw_models.cost.base import Cost, Detail
    from hw_models.cost.models import CostModel
    from hw_models.spec.accelerator import Accelerator

SMALL: Final = 1.01
"""Factor by which a rate is raised where time is smooth in it."""
STEP: Final = 1.1
"""The same where the best mapping may change with it."""
ROOFLINES: Final = ("roofline", "roofline_bound", "calibrated")
"""Models that time a kernel as a whole, whatever the array it runs on."""
DOUBLE: Final = 2.0
"""Factor by which a size grows."""


@dataclass(frozen=True)
class Lever:
    """One lever of a chip, and what pulling it does to the latency of a network.

    Attributes:
        name: what grows.
        factor: by how much.
        latency_s: with it; before_s: without.
    """

    name: str
    factor: float
    latency_s: float
    before_s: float

    @property
    def elasticity(self) -> float:
        """Per cent of latency for one per cent of the lever: the slope between two points in logarithms."""
        return float(np.log(self.latency_s / self.before_s) / np.log(self.factor))


def levers(cost: Cost) -> tuple[Lever, ...]:
    """Every lever that the chip's file has a figure for, the one that gains most first.

    The network is costed again for each, so that a tiled cost finds the best mapping of every variant. What
    was measured on a chip is no measurement of a variant: it stays as a factor on all.
    """
    before = cost.latency.value
    if before is None:
        return ()
    detail = cost.detail
    constants = detail.constants if detail.lawful is None else None
    found = list(_variants(detail.accelerator, cost.model, constants))
    chips = Chips.of([detail.accelerator, *(chip for _, _, chip in found)])
    same, *after = evaluate(detail.kernels, chips, _law_alone(detail)).quantities["latency"].value[0]
    if detail.lawful is not None:
        after = [seconds * before / same for seconds in after]
    pulled = [
        Lever(name, factor, float(seconds), before)
        for (name, factor, _), seconds in zip(found, after, strict=True)
        if np.isfinite(seconds)
    ]
    return tuple(sorted(pulled, key=lambda lever: lever.elasticity))


def _law_alone(detail: Detail) -> CostModel:
    """The model without what was measured on single chips."""
    model = detail.model
    if model.laws is None:
        return model
    return replace(model, laws=replace(model.laws, own=False, anchored=False))


def _variants(
    chip: Accelerator, model: str, constants: ClassConstants | None
) -> Iterator[tuple[str, float, Accelerator]]:
    engine, memory, inner = chip.main_engine, chip.dram, last_on_chip(chip)
    rate = STEP if engine.dataflow and model not in ROOFLINES else SMALL
    scaled: list[tuple[str, bool, dict[str, float]]] = [
        ("peak of the MAC units", not _has_array(chip, model), {"peak": rate}),
        ("rate of the vector unit", bool(vector_peak(engine)), {"vector_peak": rate}),
        ("clock", engine.clock is not None, {"clock": rate}),
        ("bandwidth of the external memory", memory is not None, {"dram_bandwidth": rate}),
        ("bandwidth of the on-chip memory", _has_rate(inner), {"sram_bandwidth": rate}),
        ("on-chip memory", inner is not None and inner.capacity is not None, {"sram_capacity": DOUBLE}),
    ]
    for name, known, by in scaled:
        if known:
            yield name, next(iter(by.values())), chip.scaled(**by)
    issue = engine.issue or (
        Seconds.model_validate({"value": constants.issue, "source": "class"}) if constants else None
    )
    if issue is not None:
        quick = engine.model_copy(update={"issue": issue.times(1.0 / rate)})
        yield "speed of starting a kernel", rate, _with_engine(chip, quick)
    if _has_array(chip, model) and engine.array is not None:
        names = ("rows of the MAC array", "columns of the MAC array")
        for axis in range(len(engine.array.dims)):
            name = names[axis] if axis < len(names) else f"axis {axis} of the MAC array"
            yield name, DOUBLE, wider(chip, axis)


def wider(chip: Accelerator, axis: int) -> Accelerator:
    """The chip with twice the MAC units along one axis of its array, and the peaks that follow."""
    engine = chip.main_engine
    if engine.array is None:
        return chip
    dims = tuple(n * 2 if i == axis else n for i, n in enumerate(engine.array.dims))
    more = {
        "array": engine.array.model_copy(update={"dims": dims}),
        "peak": {p: s.times(2.0) for p, s in engine.peak.items()},
        "macs": {p: s.times(2.0) for p, s in engine.macs.items()},
    }
    return _with_engine(chip, engine.model_copy(update=more))


def _with_engine(chip: Accelerator, engine: Any) -> Accelerator:
    return chip.model_copy(update={"engines": (engine, *chip.engines[1:])})


def _has_array(chip: Accelerator, model: str) -> bool:
    return chip.main_engine.array is not None and model not in ROOFLINES


def _has_rate(memory: Any) -> bool:
    rates = ("bandwidth", "read_bandwidth", "write_bandwidth")
    return memory is not None and any(getattr(memory, r) is not None for r in rates)
