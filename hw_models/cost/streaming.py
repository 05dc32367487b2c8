"""The rate of a stream: inputs that overlap on cores, in a pipeline or between host and engine.

The time from one result to the next is not the latency: several cores work side by side and share the
external memory, a pipeline takes the next input while the last is still on its way, and the host prepares
one input while the engine runs another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np

from hw_models.cost.arrays import Feasibility, Fidelity, GridQuantity
from hw_models.cost.base import Estimate
from hw_models.cost.calibrated import Lawful
from hw_models.cost.chips import Chips, default_precision
from hw_models.cost.grid import Prepared, evaluate, way_of
from hw_models.cost.models import CostModel, cost_model
from hw_models.errors import NotCostableError

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload

RATE: Final = "1/s"


@runtime_checkable
class StreamLaw(Protocol):
    """What a class law adds where its engines overlap inputs: see `hw_models.cost.laws.base.Law`."""

    def stream(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """(W, C) s from one step to the next when all is busy; terms (U, C, R) as `apply` gives them."""

    def stream_interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of it: the 90 % interval of what the law was not fitted on."""


def stream_seconds(
    kernels: Kernels, chips: Chips, model: CostModel, latency: GridQuantity | None = None
) -> GridQuantity:
    """(W, C) s from one step to the next in a stream of steps, each of its network's batch.

    By the law of each chip's class where it knows how inputs overlap. Elsewhere an engine runs one step at a
    time: its kernels count, what the host does before and after is hidden behind the step before. The chips'
    own ranges and what was measured on them enter as they do in a latency.

    Args:
        kernels: of the networks.
        chips: C of them.
        model: that costs them.
        latency: by the same model, where the caller has it.
    """
    n = len(chips)
    slow, fast = chips.ends
    prepared = Prepared.of(chips.followed_by(slow, fast), model, *way_of(kernels))
    terms = prepared.terms(kernels)
    seconds = np.asarray(kernels.counts @ prepared.kernel_seconds(terms))
    latency = evaluate(kernels, chips, model).quantities["latency"] if latency is None else latency
    with np.errstate(invalid="ignore", divide="ignore"):
        ends = np.log([latency.low / latency.value, latency.high / latency.value])
    adjustment = prepared.adjustment
    for law, columns in adjustment.parts() if isinstance(adjustment, Lawful) else ():
        if isinstance(law, StreamLaw):
            own, first = prepared.chips.take(columns), columns[columns < n]
            seconds[:, columns] = law.stream(terms.seconds[:, columns], kernels, own)
            with np.errstate(invalid="ignore", divide="ignore"):
                sooner = np.log(seconds[:, first + 2 * n] / seconds[:, first])
                later = np.log(seconds[:, first + n] / seconds[:, first])
            least, most = np.log(law.stream_interval(prepared.chips.take(first)))
            ends[0][:, first], ends[1][:, first] = -np.hypot(least, sooner), np.hypot(most, later)
        else:  # what was measured one after the other says less of a stream: the class's interval at least
            first = columns[columns < n]
            least, most = np.log(law.interval(prepared.chips.take(first)))
            ends[0][:, first] = np.minimum(ends[0][:, first], least)
            ends[1][:, first] = np.maximum(ends[1][:, first], most)
    if isinstance(adjustment, Lawful):
        seconds[:, :n] *= np.exp(adjustment.residual(kernels, n)[0])
    known = np.isfinite(latency.value) & np.isfinite(seconds[:, :n])
    value = np.where(known, seconds[:, :n], np.nan)
    low, high = value * np.exp(ends)
    return GridQuantity(value, low, high, latency.fidelity)


def stream_rate(
    workload: Workload,
    chip: Accelerator | str,
    *,
    precision: str | None = None,
    batch: int = 1,
    model: str | CostModel = "calibrated",
    lowering: str | None = None,
) -> Estimate:
    """Inputs per second of a network on a chip that is kept busy, with the 90 % interval.

    Args:
        workload: the network.
        chip: an accelerator, the name of one that ships, or a chip file.
        precision: what contractions run at; None: the first of fp16, int8, fp32 that the chip has a peak for.
        batch: inputs of one step.
        model: name of a cost model that knows classes of engines, or such a model.
        lowering: see `hw_models.cost.estimate.estimate`.

    Raises:
        NotCostableError: the chip lacks a peak or a bandwidth, or cannot run the network.
    """
    from hw_models.cost.estimate import as_accelerator, usual_lowering
    from hw_models.lowering import lower

    chip = as_accelerator(chip)
    if not chip.costable:
        raise NotCostableError(f"{chip.label} is not costable: {'; '.join(chip.why_not_costable())}")
    assembly = cost_model(model)
    precision = precision or default_precision(chip)
    lowering = lowering or usual_lowering(chip, precision, None, assembly)
    kernels = lower([workload], lowering=lowering, precision=precision, batch=batch)
    chips = Chips.of([chip])
    one = evaluate(kernels, chips, assembly)
    found = stream_seconds(kernels, chips, assembly, one.quantities["latency"])
    if not np.isfinite(found.value[0, 0]):
        code = Feasibility(int(one.feasibility[0, 0]))
        raise NotCostableError(f"{workload.name} has no rate on {chip.label}: {code.name.lower()}")
    value, low, high = (batch / float(a[0, 0]) for a in (found.value, found.high, found.low))
    return Estimate(value, low, high, Fidelity(int(found.fidelity[0, 0])).label, RATE)
