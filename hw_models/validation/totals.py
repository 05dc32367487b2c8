"""Times of networks that cannot be rebuilt, from what tables publish of them: MACs, parameters, input size.

Far less than layers tell: of networks with the same totals one may take three times as long as another.
Such a prediction is a prior, with the interval that goes with it, and is scored apart from those of rebuilt
networks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.laws.dataflow import REFERENCE_PEAK
from hw_models.cost.laws.dpu import cores_of
from hw_models.measured.schema import STEP
from hw_models.shipped import shipped_yaml

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.cost.arrays import FloatArray
    from hw_models.spec.accelerator import Accelerator

NUMBERS: Final = re.compile(r"\d+")
COLOURS: Final = 3.0
"""Channels of an input whose description gives height and width alone."""
SOFTNESS: Final = 0.3
"""In what share of its capacity a chip begins to load weights for every step."""


@dataclass(frozen=True)
class TotalsConstants:
    """Constants of one runtime, tied over its chips.

    Attributes:
        macs: share of the MAC peak that MACs reach; maps: the same for the geometric mean of MACs and input
            elements, which stands for feature maps.
        start: s of an input.
        weights: parameters that a chip of 26 TOPS holds; load: bytes over the link for each that it does not;
            context: s of a step for each time that they fill the chip.
        low, high: the 90 % interval of the time of a step, as factors of the value.
    """

    macs: float
    maps: float
    start: float
    weights: float
    load: float
    context: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> TotalsConstants:
        """From a mapping of `totals.yaml`."""
        figures = {f.name: row[f.name] for f in fields(cls) if f.name not in {"low", "high"}}
        return cls(**figures, low=row["interval"]["low"], high=row["interval"]["high"])


def step_seconds(
    rows: pd.DataFrame, chip: Accelerator, *, crossfit: str | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(N,) s of a step, or from one step to the next in a stream, and both ends of the 90 % interval.

    NaN where the MACs or the input are not stated, or no constants are known of the runtime.

    Args:
        rows: records that ran in one way on the chip: one runtime, one scenario.
        chip: as configured for them.
        crossfit: what the constants must not have seen, see `hw_models.cost.laws.catalogue`.
    """
    constants = constants_of(group_of(rows, chip), crossfit) if len(rows) else None
    if constants is None:
        unknown = np.full(len(rows), np.nan)
        return unknown, unknown, unknown
    value = predicted(rows, chip, constants)
    return value, value * constants.low, value * constants.high


def group_of(rows: pd.DataFrame, chip: Accelerator) -> str:
    """Whose constants rows have: the runtime's, of DPUs those of the architecture of their cores."""
    runtime = str(rows["runtime"].iloc[0]) if isinstance(rows["runtime"].iloc[0], str) else "none"
    if runtime != "vitis_ai":
        return runtime
    from hw_models.cost.laws.dpu import law

    dpus = law("ideal")
    return f"{runtime}:{dpus.architectures.get(cores_of(chip)[0], dpus.usual)}"


@cache
def constants_of(group: str, crossfit: str | None = None) -> TotalsConstants | None:
    """The constants of a runtime; None: there are none."""
    data = shipped_yaml("hw_models.validation", "totals.yaml")
    if group not in data["groups"]:
        return None
    fitted = data["crossfit"].get(crossfit, {}).get(group, {}) if crossfit else {}
    return TotalsConstants.of({**data["groups"][group], **fitted})


def predicted(rows: pd.DataFrame, chip: Accelerator, constants: TotalsConstants) -> FloatArray:
    """(N,) s of a step by these constants; NaN where MACs or input are not stated."""
    batch = rows["batch"].fillna(1.0).to_numpy(np.float64)
    macs, inputs = rows["macs"].to_numpy(np.float64), input_elements(rows)
    peak = peak_at_work(chip, str(rows["scenario"].iloc[0]) == STEP, batch)
    busy = (macs / constants.macs + np.sqrt(macs * inputs) / constants.maps) / (peak / 2.0)
    params = rows["params"].fillna(0.0).to_numpy(np.float64)
    holds = constants.weights * _whole_peak(chip) / REFERENCE_PEAK
    beyond = SOFTNESS * np.logaddexp(0.0, (params / holds - 1.0) / SOFTNESS)
    link = chip.dram.bandwidth.value if chip.dram and chip.dram.bandwidth else np.nan
    loads = beyond * (constants.load * holds / link + constants.context)
    out: FloatArray = batch * (busy + constants.start) + loads
    return out


def peak_at_work(chip: Accelerator, alone: bool, batch: FloatArray) -> FloatArray:
    """(N,) op/s of the cores that a step uses: one of several where it has one input and is alone."""
    engine, whole = chip.main_engine, _whole_peak(chip)
    cores = engine.array.count if engine.array is not None else 1
    return np.where(alone & (batch < cores), whole * batch / cores, whole)


def _whole_peak(chip: Accelerator) -> float:
    peak = chip.main_engine.peak
    return (peak.get("int8") or max(peak.values(), key=lambda p: p.value)).value


def input_elements(rows: pd.DataFrame) -> FloatArray:
    """(N,) elements of one input by its description ("224x224x3", "[1, 3, 224, 224]"); NaN: not stated."""
    shapes = rows["input_shape"]
    side = rows["img_size"].to_numpy(np.float64)
    told = np.array([_elements(s) if isinstance(s, str) else np.nan for s in shapes], np.float64)
    return np.where(np.isnan(told), COLOURS * side**2, told)


def _elements(shape: str) -> float:
    """Elements of all inputs that a text describes, joined by commas where there are several."""
    several = [shape] if "[" in shape else shape.split(",")
    total = 0.0
    for one in several:
        sizes = [float(n) for n in NUMBERS.findall(one)]
        if not sizes:
            return np.nan
        total += float(np.prod(sizes)) * (COLOURS if len(sizes) == 2 else 1.0)
    return total
