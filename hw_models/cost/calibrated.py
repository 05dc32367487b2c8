"""The stage `adjust` of model `calibrated`: the law of each chip's class, then what was measured on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import Fidelity
from hw_models.cost.chips import ENGINE_KINDS
from hw_models.cost.combine import kernel_seconds, shares
from hw_models.cost.laws.catalogue import law, usual_runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.chips import Chips
    from hw_models.cost.laws.base import Law


@dataclass(frozen=True)
class Laws:
    """What the model `calibrated` is asked to go by.

    Attributes:
        runtime: what executes, "torch 2.4.0" or "torch"; None: what the chip's calibration has, else the
            class's law.
        crossfit: what the laws' constants must not have seen, see `hw_models.cost.laws.catalogue`; None:
            nothing.
    """

    runtime: str | None = None
    crossfit: str | None = None


PLAIN: Final = Laws()
"""Whatever is at hand: calibrations that lie beside the chips' files, laws fitted on everything."""


@dataclass(frozen=True, eq=False)
class Lawful:
    """C chips with the law of each.

    Attributes:
        chips: with class figures where their files have none.
        of: (C,) the law of each chip.
        start: (C,) s that an inference takes once, beside its kernels.
    """

    chips: Chips
    of: tuple[Law, ...]
    start: FloatArray

    @classmethod
    def prepare(cls, chips: Chips, lowering: str, laws: Laws) -> Lawful:
        """The law of each chip's main engine under a lowering."""
        of = tuple(
            law(ENGINE_KINDS[k], lowering, laws.runtime or usual_runtime(chip), laws.crossfit)
            for k, chip in zip(chips.kind, chips.accelerators, strict=True)
        )
        start = np.zeros(len(chips))
        for one, columns in _alike(of):
            start[columns] = one.start(chips.take(columns))
        return cls(chips, of, start)

    @property
    def fidelity(self) -> NDArray[np.int8]:
        """(C,) code of what a latency is where no class figure stands in for one of the chip's."""
        return np.full(len(self.chips), Fidelity.ROOFLINE, np.int8)

    def apply(self, seconds: FloatArray, kernels: Kernels) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds as each chip's class runs them."""
        out = np.empty_like(seconds)
        for one, columns in _alike(self.of):
            out[:, columns] = one.apply(seconds[:, columns], kernels, self.chips.take(columns))
        return out

    def kernel_seconds(self, seconds: FloatArray) -> FloatArray:
        """(U, C) time of each kernel, resources overlapping as each chip's law says."""
        return self._combined(seconds, kernel_seconds, seconds.shape[:2])

    def shares(self, seconds: FloatArray) -> FloatArray:
        """(U, C, R) seconds of a kernel that each resource answers for."""
        return self._combined(seconds, shares, seconds.shape)

    def interval(self) -> FloatArray:
        """(2, C) factors of latency between which 90 % of what was not fitted lies."""
        ends = np.empty((2, len(self.chips)))
        for one, columns in _alike(self.of):
            ends[:, columns] = one.interval(self.chips.take(columns))
        return ends

    def parts(self) -> list[tuple[Law, NDArray[np.intp]]]:
        """Each law with the columns of its chips."""
        return _alike(self.of)

    def board_power(self) -> FloatArray:
        """(3, C) W at the wall while a network runs: value, low, high; NaN where no law has it."""
        watts = np.full((3, len(self.chips)), np.nan)
        for one, columns in _alike(self.of):
            if (of_board := getattr(one, "board_power", None)) is not None:
                watts[:, columns] = of_board(self.chips.take(columns))
        return watts

    def _combined(
        self,
        seconds: FloatArray,
        combine: Callable[[FloatArray, float], FloatArray],
        shape: tuple[int, ...],
    ) -> FloatArray:
        out = np.empty(shape)
        for one, columns in _alike(self.of):
            out[:, columns] = combine(seconds[:, columns], one.overlap)
        return out


def _alike(laws: tuple[Law, ...]) -> list[tuple[Law, NDArray[np.intp]]]:
    """Each law with the columns of its chips."""
    columns: dict[int, list[int]] = {}
    for i, one in enumerate(laws):
        columns.setdefault(id(one), []).append(i)
    return [(laws[c[0]], np.array(c, np.intp)) for c in columns.values()]
