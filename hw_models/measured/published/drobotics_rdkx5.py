"""`drobotics_rdkx5_latency`: networks on the RDK X5, with one thread and with several.

With one thread a frame follows the other; with several they overlap, so time and rate belong to a stream.

Source: D-Robotics/rdk_model_zoo, `samples/vision`, Apache-2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.measured.published.base import MILLI, Dataset, each, family_of, side_of
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

DEVICE: Final = "rdk_x5"
"""Key of the one board of the file, which has no column for it."""

CLASSIFIES: Final = r"(?i)yolo.*-cls$"
"""YOLO's classifiers run at 224 pixels; upstream states their operations at 640, as Ultralytics does."""

COLUMNS: Final = (
    Column("task", "text", "classification or yolo.", required=True),
    Column("model", "text", "Network.", required=True),
    Column("resolution", "text", "Input, '224x224'.", required=True),
    Column("params_m", "number", "Parameters in millions."),
    Column("gflops", "number", "1e9 operations, two a MAC."),
    Column("latency_ms_1thread", "number", "Time of a frame, one thread.", positive=True),
    Column("latency_ms_multithread", "number", "Time of a frame, several threads.", positive=True),
    Column("fps_1thread", "number", "Frames per second, one thread.", positive=True),
    Column("fps_multithread", "number", "Frames per second, several threads.", positive=True),
)


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record with one thread and one with several."""
    import pandas as pd

    common = pd.DataFrame(
        {
            "device": DEVICE,
            "engine": "npu",
            "runtime": "hobot_dnn",
            "phase": "infer",
            "precision": "int8",
            "batch": 1.0,
            "network": raw["model"],
            "family": each(raw["model"], family_of),
            "img_size": each(raw["resolution"], side_of),
            "input_shape": raw["resolution"],
            "params": raw["params_m"] * 1e6,
            "macs": (raw["gflops"] * 1e9 / 2).mask(raw["model"].str.contains(CLASSIFIES, regex=True)),
        }
    )
    one = common.assign(
        mode="1thread",
        scenario=STEP,
        threads=1.0,
        mean_s=raw["latency_ms_1thread"] * MILLI,
        throughput_per_s=raw["fps_1thread"],
    )
    several = common.assign(
        mode="multithread",
        scenario="stream",
        mean_s=raw["latency_ms_multithread"] * MILLI,
        throughput_per_s=raw["fps_multithread"],
    )
    stacked = pd.concat([one, several])
    return stacked[stacked[["mean_s", "throughput_per_s"]].notna().any(axis=1)]


SETS: Final = (
    Dataset(
        name="drobotics_rdkx5_latency",
        columns=COLUMNS,
        to_records=to_records,
        quantity="latency_ms",
        value="mean_s",
        source="D-Robotics/rdk_model_zoo @ be4f89bd, samples/vision",
        licence="Apache-2.0",
        measures=tuple(c.name for c in COLUMNS if "thread" in c.name),
    ),
)
