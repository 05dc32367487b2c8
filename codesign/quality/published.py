"""Accuracy as published with the weights, which were run at full precision.

FP32, TF32, BF16 and FP16 are taken as published. A narrower format loses accuracy by an amount that depends
on network and method and that nobody published for these weights. That drop is not modelled: the published
error is then the low end of an interval without a high end, and a front never lets such a one-sided figure
push out a point whose error is known (`codesign.front`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from codesign.quality.base import Quality, Rating
from hw_models.cost.base import Estimate

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

FULL_PRECISIONS: Final = ("fp64", "fp32", "tf32", "bf16", "fp16")
"""Formats at which published accuracy is taken to hold."""


@runtime_checkable
class HasPublishedTop1(Protocol):
    """A space whose networks come with a published top-1 accuracy."""

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
        """Exact as published at full precision; below it only a low end, marked `published_fp32`."""
        top1 = self.space.published_top1(network)
        if top1 is None:
            return Rating.unknown()
        # decimals as published: 100 - 83.59 must not read 16.409999
        error = round(100.0 - top1, 6)
        note = self.space.published_note(network)
        if precision in FULL_PRECISIONS:
            return Rating(Estimate(error, error, error, "published", "%"), (note,))
        drop = f"the drop at {precision} is not modelled: the error is at least the published one"
        return Rating(Estimate(error, error, None, "published_fp32", "%"), (note, drop))


def published_or_none(space: SearchSpace) -> Quality | None:
    """The published accuracy of a space that has one."""
    return Published(space) if isinstance(space, HasPublishedTop1) else None
