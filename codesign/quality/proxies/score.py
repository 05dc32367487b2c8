"""What a proxy says of one network: a number that only ranks, of a type that cannot pass for an accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from codesign.quality.base import RANK_SCORE, RANK_UNIT, Rating
from hw_models.cost.base import Estimate
from hw_models.errors import InputError

PROXY: Final = "proxy"
"""Fidelity of a rank score."""


@dataclass(frozen=True, slots=True)
class ProxyScore:
    """A rank score: more is said to be better, among scores of one proxy on one set of batches alone.

    It has no error, no accuracy and no conversion to a number.

    Attributes:
        proxy: name of what was computed.
        value: of the score; None: there is none.
        scale: what the number is ("ln", "count", ...).
        reason: why there is none.

    Raises:
        InputError: a value that is not finite, or neither a value nor a reason.
    """

    proxy: str
    value: float | None
    scale: str
    reason: str = ""

    def __post_init__(self) -> None:
        if self.value is None and not self.reason:
            msg = f"proxy '{self.proxy}' without a value given, expected the reason why there is none"
            raise InputError(msg)
        if self.value is not None and not math.isfinite(self.value):
            msg = f"proxy '{self.proxy}': {self.value} given, expected a finite number, or None and a reason"
            raise InputError(msg)

    @classmethod
    def of(cls, proxy: str, value: float, scale: str) -> ProxyScore:
        """The score; where it is NaN or infinite there is none."""
        if math.isfinite(value):
            return cls(proxy, float(value), scale)
        return cls(proxy, None, scale, f"{proxy} of this network is {value}")

    @property
    def estimate(self) -> Estimate:
        """The score as quantities go: fidelity `proxy`, unit `rank score`, no interval."""
        if self.value is None:
            return Estimate.unknown(RANK_UNIT)
        return Estimate(self.value, None, None, PROXY, RANK_UNIT)

    def rating(self, notes: tuple[str, ...] = ()) -> Rating:
        """A rating whose error is unknown, and which has the score beside it."""
        said = (*notes, self.reason) if self.reason else notes
        return Rating(Estimate.unknown("%"), said, {RANK_SCORE: self.estimate})

    @override
    def __str__(self) -> str:
        told = f"none: {self.reason}" if self.value is None else f"{self.value:.6g} ({self.scale}, a rank)"
        return f"{self.proxy} {told}"
