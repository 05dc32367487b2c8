"""The lines that explain a calibrated latency: the law, what was measured, how sure both are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hw_models.calibration.setting import Setting
    from hw_models.calibration.standing import Standing
    from hw_models.cost.base import Detail

Line = tuple[str, str]


def law_lines(detail: Detail) -> Iterator[Line]:
    """Law, calibration, residual and interval of the one chip."""
    lawful = detail.lawful
    if lawful is None:
        return
    stands = lawful.standings[0]
    yield "law of the class", str(getattr(lawful.of[0], "source", "") or type(lawful.of[0]).__name__)
    if stands.setting is None:
        yield (
            "calibration",
            f"none that fits{': ' + stands.note if stands.note else ''}; the law stands alone",
        )
    else:
        yield from _setting_lines(stands.setting)
    mean, sure = lawful.residual(detail.kernels, 1)
    if stands.speaks:
        yield "networks like this one", _residual(float(mean[0, 0]), float(sure[0, 0]), stands)
    low, high = np.exp(lawful.ends(sure)[:, 0, 0])
    held = "left out of the calibration" if stands.setting and stands.setting.width else "and chips left out"
    yield "90 % interval", f"x {low:.3g} .. x {high:.3g}: what holds 90 % of families {held}"


def _setting_lines(setting: Setting) -> Iterator[Line]:
    score, scalars = setting.score, setting.scalars
    yield (
        "calibration",
        f"{setting.way}: {len(setting)} networks, batch {setting.batch[0]} to {setting.batch[1]}; families "
        f"left out: mean error {score['mape']:.1%}, by the law alone {score['law_mape']:.1%}",
    )
    yield (
        "scalars of the chip",
        f"compute efficiency {1 / scalars.compute:.3f}, bandwidth efficiency {1 / scalars.bandwidth:.3f}, "
        f"fixed cost {scalars.fixed:.3f}: x the law",
    )


def _residual(mean: float, sure: float, stands: Standing) -> str:
    """What near networks say, here and on other chips of the class."""
    others = len(stands.anchors.settings)
    where = ["on this chip"] if stands.setting else []
    where += [f"on {others} other chip{'s' if others > 1 else ''} of the class"] if others else []
    return f"measured x {np.exp(mean):.3f} of what law and scalars say (+- {sure:.1%}), {' and '.join(where)}"
