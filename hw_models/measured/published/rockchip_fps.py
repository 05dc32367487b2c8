"""`rockchip_fps`: frames per second of the RKNN model zoo, one core of the NPU, one frame after the other.

Source: airockchip/rknn_model_zoo, README benchmark table, Apache-2.0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.measured.published.base import Dataset, each, family_of
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    Column("device", "text", "SoC, one core where it says so.", required=True),
    Column("demo", "text", "Example of the zoo.", required=True),
    Column("model", "text", "Network.", required=True),
    Column("input_shape", "text", "Input, '[1, 3, 224, 224]'.", required=True),
    Column("dtype", "text", "INT8 or FP16.", required=True),
    Column("fps", "number", "Frames per second of one core.", required=True, positive=True),
)

IMAGE: Final = re.compile(r"\[1, (?:[13], (\d+), \1|(\d+), \2, [13])\]")


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row."""
    import pandas as pd

    return pd.DataFrame(
        {
            "device": raw["device"],
            "engine": "npu",
            "runtime": "rknn",
            "mode": raw["dtype"],
            "scenario": STEP,
            "phase": "infer",
            "precision": raw["dtype"].str.lower(),
            "batch": 1.0,
            "network": raw["demo"] + "/" + raw["model"],
            "family": each(raw["model"], family_of),
            "img_size": each(raw["input_shape"], _side),
            "input_shape": raw["input_shape"],
            "throughput_per_s": raw["fps"],
        }
    )


def _side(shape: str) -> float:
    match = IMAGE.fullmatch(shape)
    return float(match[1] or match[2]) if match else np.nan


SETS: Final = (
    Dataset(
        name="rockchip_fps",
        columns=COLUMNS,
        to_records=to_records,
        quantity="fps",
        value="throughput_per_s",
        source="airockchip/rknn_model_zoo @ bad6c733, README.md",
        licence="Apache-2.0",
    ),
)
