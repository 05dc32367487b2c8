"""What measurements say of one chip in one way of running: its own setting, and other chips of its class."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.calibration.anchors import ENOUGH, Anchors
from hw_models.calibration.find import calibration_of, shipped, stale
from hw_models.calibration.process import Residuals
from hw_models.calibration.scalars import NEUTRAL, Scalars
from hw_models.calibration.setting import figures_hash, fingerprint
from hw_models.cost.laws.catalogue import law

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hw_models.calibration.setting import Calibration, Setting
    from hw_models.cost.arrays import FloatArray
    from hw_models.spec.accelerator import Accelerator

USUAL_LAYOUT: Final = "nchw"
"""Layout of what nobody says the layout of: PyTorch's."""


@dataclass(frozen=True)
class Asked:
    """What measurements are asked about.

    Attributes:
        precision, lowering: of the networks.
        runtime: "torch 2.4.0" or "torch"; None: not said. layout: likewise.
        crossfit: what must not have been seen, see `hw_models.cost.laws.catalogue`.
        calibrations: given by hand, by label of the chip.
        own: whether a chip's own calibration counts; anchored: whether those of other chips do.
    """

    precision: str
    lowering: str
    runtime: str | None = None
    layout: str | None = None
    crossfit: str | None = None
    calibrations: tuple[Calibration, ...] = ()
    own: bool = True
    anchored: bool = True


NOBODY: Final = Anchors(())
"""No other chip."""


@dataclass(frozen=True, eq=False)
class Standing:
    """What is known of a chip beyond the law of its class.

    Attributes:
        setting: fitted on it; None: nothing that fits was.
        anchors: other chips of its class.
        note: what a reader must know; "": nothing.
    """

    setting: Setting | None = None
    anchors: Anchors = NOBODY
    note: str = ""
    crossfit: str | None = None
    _solved: dict[str, Residuals] = field(default_factory=dict, init=False, repr=False)

    @property
    def scalars(self) -> Scalars:
        """Factors of time of the chip; 1 where it was not measured."""
        return NEUTRAL if self.setting is None else self.setting.without(self.crossfit)[0]

    @property
    def speaks(self) -> bool:
        """Whether any measurement says something."""
        return self.setting is not None or bool(self.anchors.settings)

    def residual(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(M,) mean and standard deviation of the log residual of networks with features (M, F)."""
        mean, variance = self.anchors.predict(features, self.crossfit)
        if self.setting is None:
            return mean, np.sqrt(variance)
        if "own" not in self._solved:
            own = self.setting.without(self.crossfit)[1]
            carried, _ = self.anchors.predict(own.features, self.crossfit)
            self._solved["own"] = Residuals(own.kernel, own.features, own.values - carried)
        beyond, more = self._solved["own"].predict(features)
        return mean + beyond, np.sqrt(variance + more)


NOTHING: Final = Standing()


def standing(chip: Accelerator, asked: Asked) -> Standing:
    """What measurements say of a chip.

    Raises:
        FileError: its calibration is malformed or of another version.
        InputError: the chip's figures changed since, or a calibration of another chip was given for it.
    """
    setting, note = _own(chip, asked) if asked.own else (None, "")
    anchors = NOBODY
    if asked.anchored and (setting is None or len(setting) < ENOUGH):
        anchors = Anchors(tuple(_others(chip, asked, setting)))
    return Standing(setting, anchors, note, asked.crossfit)


def measured_lowering(chip: Accelerator, asked: Asked) -> str:
    """The lowering that is asked about where the chip was measured in it, else the one it was measured in.

    That of most networks; the one asked about where the chip has no calibration at that precision.

    Raises:
        FileError: its calibration is malformed or of another version.
        InputError: the chip's figures changed since, or a calibration of another chip was given for it.
    """
    found = _calibration(chip, asked)
    ways = [s for s in found.settings if _fits(s, replace(asked, lowering=s.way.lowering))] if found else []
    if not ways or any(s.way.lowering == asked.lowering for s in ways):
        return asked.lowering
    return max(ways, key=len).way.lowering


def _own(chip: Accelerator, asked: Asked) -> tuple[Setting | None, str]:
    """The setting of a chip that fits best, or why there is none."""
    if asked.crossfit == f"device:{chip.name}":
        return None, ""
    found = _calibration(chip, asked)
    if found is None:
        return None, ""
    if not found.settings:
        return None, "its calibration has no setting"
    fits = [s for s in found.settings if _fits(s, asked)]
    if not fits:
        ways = "; ".join(str(s.way) for s in found.settings)
        return None, f"its calibration is of other ways of running: {ways}"
    best = max(fits, key=lambda s: _nearness(s, asked))
    if not _holds(best, chip.main_engine.kind):
        return None, "its calibration stands on another version of the law of its class: calibrate it again"
    return best, ""


def _calibration(chip: Accelerator, asked: Asked) -> Calibration | None:
    """The calibration of a chip that was given by hand, else the one that is found."""
    given = [c for c in asked.calibrations if c.chip == chip.label]
    for calibration in given:
        if calibration.figures != figures_hash(chip):
            raise stale(calibration, chip, "the calibration given")
    return given[0] if given else calibration_of(chip)


def _others(chip: Accelerator, asked: Asked, own: Setting | None) -> Iterable[Setting]:
    """The best setting of every other calibrated chip of the class."""
    kind = chip.main_engine.kind
    known = {c.chip: c for c in (*shipped(), *asked.calibrations) if c.kind == kind}
    runtime = asked.runtime or (own.way.run_by if own else None)
    for label, calibration in sorted(known.items()):
        if label.partition("@")[0] == chip.name or asked.crossfit == f"device:{label.partition('@')[0]}":
            continue
        like = Asked(asked.precision, asked.lowering, runtime, asked.layout)
        fits = [s for s in calibration.settings if _fits(s, like)]
        if fits and _holds(best := max(fits, key=lambda s: _nearness(s, like)), kind):
            yield best


def _fits(setting: Setting, asked: Asked) -> bool:
    way = setting.way
    runtime = (asked.runtime or "").partition(" ")[0]
    return (
        way.precision == asked.precision
        and way.lowering == asked.lowering
        and (not runtime or not way.runtime or way.runtime == runtime)
    )


def _nearness(setting: Setting, asked: Asked) -> tuple[bool, bool, tuple[int, ...], int]:
    """Same layout, same version, later version, more networks."""
    way, version = setting.way, (asked.runtime or "").partition(" ")[2]
    numbers = tuple(int(n) for n in re.findall(r"\d+", way.version))
    layout = way.layout in ("", asked.layout or USUAL_LAYOUT)
    return layout, bool(version) and f"{way.version} ".startswith(f"{version} "), numbers, len(setting)


def _holds(setting: Setting, kind: str) -> bool:
    """Whether the law that a setting stands on is the one of this release."""
    return setting.law == fingerprint(law(kind, setting.way.lowering, setting.way.run_by))
