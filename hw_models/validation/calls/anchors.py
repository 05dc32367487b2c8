"""What other GPUs say of a convolution: a vendor's library chooses its algorithm by its shape, alike on all.

Products and vector operators have no such memory: by the same rule their error grows with a device left out.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.calibration.anchors import CARRIED
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from hw_models.cost.arrays import FloatArray
    from hw_models.validation.operators import OperatorGroup

    Bare = Callable[[OperatorGroup], FloatArray]

KEY: Final = ["shape", "precision"]
"""What tells one convolution from another."""


def carried(group: OperatorGroup, bare: Bare) -> FloatArray:
    """(U,) log of measured over predicted of each convolution on the vendor's other devices whose rows ship.

    The mean over those devices, beyond the median of each, times the part that carries over
    (`hw_models.calibration.anchors`); 0 of what is no convolution and where no other device measured it.
    Source: NeuSight's convolutions, V100, P100, T4, P4: with the device left out 19.8 % become 15.1 %.

    Args:
        group: operators of one device.
        bare: (U,) s of a group's operators without this.
    """
    out = np.zeros(len(group.operators))
    here = np.flatnonzero(group.operators.kind == OpKind.CONV)
    if not len(here) or not group.timed:
        return out
    table = _residuals(group.dataset, group.chip.vendor, bare)
    others = table.drop(columns=group.chip.name, errors="ignore")
    if not others.shape[1]:
        return out
    mean = others.mean(axis=1)
    asked = [(group.operators.shape[i], group.precision) for i in here]
    out[here] = CARRIED * mean.reindex(asked).fillna(0.0).to_numpy(np.float64)
    return out


@cache
def _residuals(dataset: str, vendor: str, bare: Bare) -> pd.DataFrame:
    """Log of measured over predicted by convolution and device, beyond the device's median."""
    import pandas as pd

    from hw_models.measured.loaders import load
    from hw_models.validation.operators import operator_groups

    shipped = load(datasets=[dataset])
    parts = []
    for group in operator_groups(shipped.records[dataset], shipped.devices).groups:
        here = group.operators.kind == OpKind.CONV
        if not group.timed or not here.any() or group.chip.vendor != vendor:
            continue
        with np.errstate(invalid="ignore"):
            residual = np.log(group.typical_s / bare(group))[here]
        told = np.isfinite(residual)
        parts.append(
            pd.DataFrame(
                {
                    "shape": np.array(group.operators.shape, dtype=object)[here][told],
                    "precision": group.precision,
                    "device": group.chip.name,
                    "residual": residual[told] - np.median(residual[told]),
                }
            )
        )
    if not parts:
        return pd.DataFrame(index=pd.MultiIndex.from_tuples([], names=KEY))
    return pd.concat(parts).pivot_table(index=KEY, columns="device", values="residual")
