"""The seam of a class law: the stage `adjust` of the one path, finer than the class constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.chips import Chips


class Law(Protocol):
    """How engines of one class run kernels: constants tied over the class, keyed to no device.

    A law sees shapes and public figures alone, so that it carries over to any chip of its class. Pure: the
    same arguments, the same bytes. More bandwidth, more lanes or a faster clock never make it slower.
    """

    @property
    def overlap(self) -> float:
        """The p of the p-norm over a kernel's resources (`hw_models.cost.combine.kernel_seconds`)."""
        ...

    def apply(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds as the class runs them; unknown (NaN) stays unknown."""
        ...

    def start(self, chips: Chips) -> FloatArray:
        """(C,) s that an inference takes before its first and after its last kernel, once."""
        ...

    def interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of latency: the 90 % interval of a network and chip that it was not fitted on."""
        ...
