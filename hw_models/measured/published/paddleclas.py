"""`paddleclas_latency`: ImageNet networks of PaddleClas on a V100 (TensorRT, FP32) and two CPUs (FP32).

The file has no column for the device: each of its columns of times is one. The lists upstream name a network
in several sections; where the times are the same it is one measurement.

Source: PaddlePaddle/PaddleClas, `docs/zh_CN/models/ImageNet1k/model_list.md`, Apache-2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hw_models.measured.published.base import MILLI, Dataset, each, family_of
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd


class _Run(NamedTuple):
    """What a column of times was measured on."""

    device: str
    engine: str
    runtime: str
    batch: float
    threads: float | None
    mode: str


RUNS: Final = {
    **{
        f"bs{b}_ms": _Run("V100", "gpu", "tensorrt", float(b), None, f"tensorrt|fp32|batch{b}")
        for b in (1, 4, 8)
    },
    **{
        f"sd855_{t}t_ms": _Run("Snapdragon 855 CPU", "cpu", "paddle_lite", 1.0, float(t), f"fp32|{t}thread")
        for t in (1, 2, 4)
    },
    "xeon6148_ms": _Run("Xeon Gold 6148", "cpu", "paddle", 1.0, None, "fp32"),
}

COLUMNS: Final = (
    Column("model", "text", "Network.", required=True),
    *(Column(name, "number", f"Time on {run.device}.", positive=True) for name, run in RUNS.items()),
    Column("flops_g", "number", "1e9 multiply-accumulates."),
    Column("params_m", "number", "Parameters in millions."),
)


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record for each time that a row has."""
    import pandas as pd

    common = pd.DataFrame(
        {
            "scenario": STEP,
            "phase": "infer",
            "precision": "fp32",
            "network": raw["model"],
            "family": each(raw["model"], family_of),
            "params": raw["params_m"] * 1e6,
            "macs": raw["flops_g"] * 1e9,
        }
    )
    parts = [common.assign(**run._asdict(), mean_s=raw[name] * MILLI) for name, run in RUNS.items()]
    stacked = pd.concat([p.astype({"threads": "float64"}) for p in parts])
    return stacked[stacked["mean_s"].notna()]


SETS: Final = (
    Dataset(
        name="paddleclas_latency",
        columns=COLUMNS,
        to_records=to_records,
        quantity="latency_ms",
        value="mean_s",
        source="PaddlePaddle/PaddleClas @ d178931f, docs/zh_CN/models/ImageNet1k/model_list.md",
        licence="Apache-2.0",
        measures=tuple(RUNS),
    ),
)
