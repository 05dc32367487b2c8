"""What int8 costs in accuracy where nobody measured it: a class figure over networks that were quantised.

Source: hailo-ai/hailo_model_zoo @ c83fc030 (MIT), top-1 on ImageNet before and after quantisation to int8;
`data/int8_drop.csv` has the mean of every network and says which rows were left out.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

SOURCE: Final = "hailo-ai/hailo_model_zoo @ c83fc030 (MIT): classifiers on ImageNet before and after int8"


@dataclass(frozen=True, slots=True)
class Drop:
    """Points of top-1 accuracy that a class of networks loses.

    Attributes:
        value: median; low, high: 5 % and 95 % quantile.
        n: networks behind it.
    """

    value: float
    low: float
    high: float
    n: int


@cache
def int8_drop() -> Drop:
    """What ImageNet classifiers lose at int8, in per cent points."""
    import numpy as np

    table = files("codesign.quality") / "data" / "int8_drop.csv"
    with table.open("r", encoding="utf-8") as lines:
        drops = [float(row["drop_points"]) for row in csv.DictReader(x for x in lines if x[0] != "#")]
    low, value, high = (float(q) for q in np.quantile(drops, (0.05, 0.5, 0.95)))
    return Drop(value, low, high, len(drops))
