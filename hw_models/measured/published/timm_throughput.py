"""`timm_throughput`: images per second of timm networks on GPUs and CPUs under PyTorch.

Source: huggingface/pytorch-image-models, `results/benchmark-*.csv`, Apache-2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.measured.published.base import Dataset
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    Column(
        "device", "text", "Device, by its key in devices.csv or its name in device_names.csv.", required=True
    ),
    Column("mode", "text", "infer or train.", required=True),
    Column("dtype", "text", "amp (FP16 autocast) or fp32.", required=True),
    Column("layout", "text", "nchw or nhwc.", required=True),
    Column("torch", "text", "Release of PyTorch.", required=True),
    Column("cuda", "text", "Release of CUDA."),
    Column("compiled", "flag", "1 = torch.compile.", required=True),
    Column("model", "text", "timm architecture name.", required=True),
    Column("family", "text", "Group of related names."),
    Column("img_size", "count", "Input height and width in pixels.", required=True, positive=True),
    Column("batch", "count", "Images of one step.", required=True, positive=True),
    Column("samples_per_s", "number", "Images per second.", required=True, positive=True),
    Column("step_ms", "number", "Time of one batch.", positive=True),
    Column("params_m", "number", "Parameters in millions."),
    Column("gmacs", "number", "1e9 multiply-accumulates per image."),
    Column("macts", "number", "1e6 output elements of convolutions and matrix products per image."),
)

PRECISIONS: Final = {
    "amp": "fp16",
    "fp16": "fp16",
    "float16": "fp16",
    "half": "fp16",
    "bf16": "bf16",
    "bfloat16": "bf16",
    "fp32": "fp32",
    "float32": "fp32",
}
"""`dtype` of the file -> precision of the arithmetic; what stands in neither is kept as it is."""


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """The typed columns above as columns of the one table."""
    import pandas as pd

    how = raw["compiled"].map({1.0: "compiled", 0.0: "eager"})
    dtype = raw["dtype"].str.lower()
    mode = raw["mode"] + "|" + raw["dtype"] + "|" + raw["layout"] + "|torch" + raw["torch"] + "|" + how
    cuda = (" cuda" + raw["cuda"]).fillna("")
    return pd.DataFrame(
        {
            "device": raw["device"],
            "runtime": "torch",
            "runtime_version": raw["torch"] + cuda,
            "mode": mode,
            "scenario": STEP,
            "phase": raw["mode"].str.lower(),
            "precision": dtype.map(PRECISIONS).fillna(dtype),
            "batch": raw["batch"],
            "network": raw["model"],
            "family": raw["family"],
            "img_size": raw["img_size"],
            "layout": raw["layout"].str.lower(),
            "compiled": raw["compiled"],
            "mean_s": raw["step_ms"] * 1e-3,
            "throughput_per_s": raw["samples_per_s"],
            "params": raw["params_m"] * 1e6,
            "macs": raw["gmacs"] * 1e9,
            "activations": raw["macts"] * 1e6,
        }
    )


SETS: Final = (
    Dataset(
        name="timm_throughput",
        columns=COLUMNS,
        to_records=to_records,
        quantity="samples_per_s",
        value="throughput_per_s",
        source="huggingface/pytorch-image-models @ aa4b5850, results/benchmark-*.csv",
        licence="Apache-2.0",
    ),
)
