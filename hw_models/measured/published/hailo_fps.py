"""`hailo_fps`: frames per second of the Hailo model zoo, INT8, batch 1 and 8, streamed through the device.

Frames overlap on the device, so the rate is not one over the latency. Two columns are read with care:

- `hw_metric_kind` says `drop` in the tables of Hailo-8L where the column holds the metric itself. No accuracy
  is read here, so these rows stay.
- `zoo_version` was taken from the first `v1.2.3` of a row, which for TensorFlow's slim networks is a part of
  the link to their code; then the release of the zoo is not known.

Rows with shifted cells (a link where the input size belongs) are set aside.

Source: hailo-ai/hailo_model_zoo, `docs/public_models/`, MIT.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.measured.published.base import Dataset, each, family_of, side_of
from hw_models.measured.schema import Column

if TYPE_CHECKING:
    import pandas as pd

BATCHES: Final = {"fps_b1": 1.0, "fps_b8": 8.0}

COLUMNS: Final = (
    Column("device", "text", "hailo-8, hailo-8l, hailo-15l, ...", required=True),
    Column("model", "text", "Network, by its name in the zoo.", required=True),
    Column("input_hwc", "text", "Input, '224x224x3'.", required=True),
    Column("params_m", "number", "Parameters in millions."),
    Column("ops_g", "number", "1e9 operations, two a MAC."),
    Column("fps_b1", "number", "Frames per second, batch 1.", positive=True),
    Column("fps_b8", "number", "Frames per second, batch 8.", positive=True),
    Column("zoo_version", "text", "Release of the zoo."),
    Column("model_source", "text", "Link to the code of the network."),
)

SIZES: Final = re.compile(r"\d+x\d+(?:x\d+)?(?:\s*,\s*\d+x\d+(?:x\d+)?)*")


def shifted(raw: pd.DataFrame) -> dict[int, str]:
    """Reason of each row whose cells stand in the wrong columns."""
    reason = "is no size such as '224x224x3': the cells of this row are shifted"
    cells = raw["input_hwc"].dropna().items()
    return {int(str(row)): reason for row, cell in cells if not SIZES.fullmatch(str(cell))}


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record for each batch size that a row has."""
    import pandas as pd

    named_by_link = np.array(
        [
            isinstance(v, str) and isinstance(link, str) and v in link
            for v, link in zip(raw["zoo_version"], raw["model_source"], strict=True)
        ]
    )
    common = pd.DataFrame(
        {
            "device": raw["device"],
            "engine": "npu",
            "runtime": "hailort",
            "runtime_version": ("zoo " + raw["zoo_version"]).mask(named_by_link),
            "scenario": "stream",
            "phase": "infer",
            "precision": "int8",
            "network": raw["model"],
            "family": each(raw["model"], family_of),
            "img_size": each(raw["input_hwc"], side_of),
            "input_shape": raw["input_hwc"],
            "params": raw["params_m"] * 1e6,
            "macs": raw["ops_g"] * 1e9 / 2,
        }
    )
    parts = [
        common.assign(batch=batch, mode=f"batch{batch:.0f}", throughput_per_s=raw[column])
        for column, batch in BATCHES.items()
    ]
    stacked = pd.concat(parts)
    return stacked[stacked["throughput_per_s"].notna()]


SETS: Final = (
    Dataset(
        name="hailo_fps",
        columns=COLUMNS,
        to_records=to_records,
        quantity="fps",
        value="throughput_per_s",
        source="hailo-ai/hailo_model_zoo @ c83fc030 (zoo v2.17 and v5.2), docs/public_models/",
        licence="MIT",
        measures=tuple(BATCHES),
        wrong_rows={"input_hwc": shifted},
    ),
)
