"""Accuracy as published with the weights, which were run at full precision.

FP32, TF32, BF16 and FP16 are taken as published. A narrower format loses accuracy by an amount that depends
on network and method and that nobody published for these weights. At int8 the loss of other classifiers
stands in (`codesign.quality.int8_drop`), with fidelity `prior` and an interval. Any other format has no such
figure: the error is unknown there, and what is unknown is on no front.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from codesign.quality.base import Quality, Rating
from codesign.quality.int8_drop import int8_drop
from hw_models.cost.base import Estimate

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

FULL_PRECISIONS: Final = ("fp64", "fp32", "tf32", "bf16", "fp16")
"""Formats at which published accuracy is taken to hold."""


@runtime_checkable
class HasPublishedTop1(Protocol):
    """A space whose networks come with a published top-1 accuracy on ImageNet."""

    def published_top1(self, candidate: Candidate) -> float | None:
        """Top-1 accuracy in per cent; None where none is published."""
        ...

    def published_note(self, candidate: Candidate) -> str:
        """Which weights, and what they were run at."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """The published top-1 error of a space's networks."""

    space: HasPublishedTop1

    def rate(self, network: Candidate, precision: str) -> Rating:
        """Exact as published at full precision; at int8 with the drop of a class; unknown elsewhere."""
        top1 = self.space.published_top1(network)
        if top1 is None:
            return Rating.unknown()
        error = _error(100.0 - top1, 100.0 - top1, 100.0 - top1, "published")
        return at_precision(error, precision, self.space.published_note(network))


def at_precision(error: Estimate, precision: str, note: str) -> Rating:
    """A published error [%]: itself at full precision, at int8 with the drop of a class, else unknown."""
    if error.value is None or error.low is None or error.high is None:
        return Rating.unknown()
    if precision in FULL_PRECISIONS:
        return Rating(error, (note,))
    blind = f"the {precision} drop of this network is not modelled: nobody published it"
    if precision != "int8":
        return Rating(Estimate.unknown("%"), (note, f"{blind}, and no class figure stands in"))
    drop = int8_drop()
    told = f"{drop.value:.2f} points, 90 % {drop.low:.2g} to {drop.high:.2g}"
    return Rating(
        _error(error.value + drop.value, error.low + drop.low, error.high + drop.high, "prior"),
        (note, f"{blind}; the median of {drop.n} quantised classifiers ({told}) stands in"),
    )


def _error(value: float, low: float, high: float, fidelity: str) -> Estimate:
    """Decimals as published: 100 - 83.59 must not read 16.409999."""
    return Estimate(round(value, 6), round(low, 6), round(high, 6), fidelity, "%")


def published_or_none(space: SearchSpace) -> Quality | None:
    """The published accuracy of a space that has one."""
    return Published(space) if isinstance(space, HasPublishedTop1) else None
