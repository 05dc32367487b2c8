"""The stage `adjust` of model `calibrated`: the law of each chip's class, then what was measured on it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import Fidelity
from hw_models.cost.chips import ENGINE_KINDS
from hw_models.cost.combine import kernel_seconds, shares
from hw_models.cost.laws.catalogue import law_of, usual_runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hw_models.calibration.setting import Calibration
    from hw_models.calibration.standing import Standing
    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.chips import Chips
    from hw_models.cost.laws.base import Law
    from hw_models.spec.accelerator import Accelerator


@dataclass(frozen=True)
class Laws:
    """What the model `calibrated` is asked to go by.

    Attributes:
        runtime: what executes, "torch 2.4.0" or "torch"; None: what the chip's calibration has, else the
            class's law.
        crossfit: what the laws' constants must not have seen, see `hw_models.cost.laws.catalogue`; None:
            nothing.
        layout: of the tensors, "nchw" or "nhwc"; None: not said.
        calibrations: to use beside those that lie beside the chips' files, or in their place.
        own: whether a chip's own calibration counts; anchored: whether those of other chips of its class do.
    """

    runtime: str | None = None
    crossfit: str | None = None
    layout: str | None = None
    calibrations: tuple[Calibration, ...] = ()
    own: bool = True
    anchored: bool = True


PLAIN: Final = Laws()
"""Whatever is at hand: calibrations that lie beside the chips' files, laws fitted on everything."""


@dataclass(frozen=True, eq=False)
class Lawful:
    """C chips with the law of each.

    Attributes:
        chips: with class figures where their files have none.
        of: (C,) the law of each chip.
        start: (C,) s that an inference takes once, beside its kernels.
        standings: (C,) what measurements say of each chip.
    """

    chips: Chips
    of: tuple[Law, ...]
    start: FloatArray
    standings: tuple[Standing, ...]

    @classmethod
    def prepare(cls, chips: Chips, lowering: str, laws: Laws, precision: str | None = None) -> Lawful:
        """The law of each chip's main engine under a lowering, and its calibration at a precision.

        Args:
            chips: with class figures where their files have none.
            lowering: of the networks.
            laws: what to go by.
            precision: of the networks; None: calibrations are left out.

        Raises:
            FileError: a calibration is malformed or of another version.
            InputError: a chip's figures changed since it was calibrated.
        """
        standings = _standings(chips, lowering, laws, precision)
        of = tuple(
            law_of(chip, lowering, laws.runtime or _runtime(stands, chip), laws.crossfit)
            for chip, stands in zip(chips.accelerators, standings, strict=True)
        )
        start = np.zeros(len(chips))
        for one, columns in _alike(of):
            start[columns] = one.start(chips.take(columns))
        start *= [s.scalars.fixed for s in standings]
        return cls(chips, of, start, standings)

    @property
    def fidelity(self) -> NDArray[np.int8]:
        """(C,) code of what a latency is where no class figure stands in for one of the chip's."""
        measured = [s.setting is not None for s in self.standings]
        return np.where(measured, Fidelity.CALIBRATED, Fidelity.ROOFLINE).astype(np.int8)

    def apply(self, seconds: FloatArray, kernels: Kernels) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds as each chip's class runs them, and as the chip does."""
        out = np.empty_like(seconds)
        for one, columns in _alike(self.of):
            out[:, columns] = one.apply(seconds[:, columns], kernels, self.chips.take(columns))
        for c, stands in enumerate(self.standings):
            if stands.setting is not None:
                out[:, c] = stands.scalars.apply(out[:, c])
        return out

    def residual(self, kernels: Kernels, n: int) -> tuple[FloatArray, FloatArray]:
        """(W, n) mean and standard deviation of log of measured over predicted, of the first n chips.

        0 and NaN where no measurement says anything. Network by network: the last bits of a product of
        matrices depend on how many rows it has, and a cost must not depend on what is costed beside it.
        """
        shape = (kernels.n_networks, n)
        mean, sure = np.zeros(shape), np.full(shape, np.nan)
        found: dict[str, FloatArray] = {}
        for c, stands in enumerate(self.standings[:n]):
            if not stands.speaks:
                continue
            from hw_models.calibration.features import network_features

            kind = ENGINE_KINDS[self.chips.kind[c]]
            if kind not in found:
                found[kind] = network_features(kernels, kind)
            told = [stands.residual(one) for one in np.split(found[kind], len(found[kind]))]
            mean[:, c], sure[:, c] = np.array(told)[..., 0].T
        return mean, sure

    def ends(self, sure: FloatArray) -> FloatArray:
        """(2, W, n) logarithms of the ends of the interval over the value, by `sure` (W, n) of `residual`.

        By what its own calibration left out where a chip has one, else the law's for a chip it never saw.
        """
        n = sure.shape[1]
        out = np.repeat(np.log(self.interval()[:, None, :n]), len(sure), axis=1)
        for c, stands in enumerate(self.standings[:n]):
            if stands.setting is not None and stands.setting.width is not None:
                half = np.maximum(stands.setting.width.at(sure[:, c]), stands.setting.floor)
                out[:, :, c] = -half, half
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


def _standings(chips: Chips, lowering: str, laws: Laws, precision: str | None) -> tuple[Standing, ...]:
    """What measurements say of each chip; one at an end of its ranges stands as the chip itself."""
    from hw_models.calibration.standing import NOTHING, Asked, standing

    if precision is None or not (laws.own or laws.anchored):
        return (NOTHING,) * len(chips)
    told = {f.name: getattr(laws, f.name) for f in fields(Laws)}
    asked = Asked(precision=precision, lowering=lowering, **told)
    found = {id(chip): chip for chip in chips.accelerators}
    by_chip = {key: standing(chip, asked) for key, chip in found.items()}
    return tuple(by_chip[id(chip)] for chip in chips.accelerators)


def _runtime(stands: Standing, chip: Accelerator) -> str | None:
    """What executes where nobody says: what the chip was calibrated with, else what is usual there."""
    return stands.setting.way.run_by if stands.setting is not None else usual_runtime(chip)


def _alike(laws: tuple[Law, ...]) -> list[tuple[Law, NDArray[np.intp]]]:
    """Each law with the columns of its chips."""
    columns: dict[int, list[int]] = {}
    for i, one in enumerate(laws):
        columns.setdefault(id(one), []).append(i)
    return [(laws[c[0]], np.array(c, np.intp)) for c in columns.values()]
