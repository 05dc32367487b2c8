"""DeepBench: matrix products and convolutions of 2016 to 2018, training and inference, on GPUs, CPUs, phones.

`deepbench_gemm`, `deepbench_conv` (forward and both backward passes) and `deepbench_conv_inference`.

Source: baidu-research/DeepBench, `results/`, Apache-2.0. Order of dimensions after `code/kernels/*.h`: width
before height, and of the filter s along the width and r along the height.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hw_models.measured.published.base import MILLI, Dataset, dims, each, joined
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

GEMM_COLUMNS: Final = (
    Column("device", "text", "Device.", required=True),
    Column("bench", "text", "train or inference.", required=True),
    Column("precision", "text", "As written upstream.", required=True),
    *(Column(c, "count", "Dimension of the product.", required=True, positive=True) for c in ("m", "n", "k")),
    Column("a_t", "text", "T where the first operand is transposed, else N."),
    Column("b_t", "text", "T where the second operand is transposed, else N."),
    Column("time_ms", "number", "Time of the product.", required=True, positive=True),
)

CONV_SIZES: Final = tuple(
    Column(c, "count", "Dimension of the convolution.", required=True, positive=not c.startswith("pad"))
    for c in ("w", "h", "c", "n", "k", "s", "r", "pad_w", "pad_h", "stride_h", "stride_v")
)
INFERENCE_COLUMNS: Final = (
    Column("device", "text", "Device.", required=True),
    Column("precision", "text", "As written upstream.", required=True),
    *CONV_SIZES,
    Column("fwd_ms", "number", "Time of the forward pass.", required=True, positive=True),
)
PASSES: Final = {
    "fwd_ms": ("forward", "infer"),
    "bwd_in_ms": ("backward_input", "train"),
    "bwd_w_ms": ("backward_weight", "train"),
}
"""Column of a time -> the pass and its phase."""
CONV_COLUMNS: Final = (
    Column("device", "text", "Device.", required=True),
    Column("bench", "text", "train.", required=True),
    Column("precision", "text", "As written upstream.", required=True),
    *CONV_SIZES,
    *(Column(name, "number", f"Time of the {p} pass.", positive=True) for name, (p, _) in PASSES.items()),
)

INT8: Final = re.compile(r"int8", re.IGNORECASE)
HALF: Final = re.compile(r"16 bit multiplication", re.IGNORECASE)
HALF_INPUTS: Final = re.compile(r"16 bit inputs", re.IGNORECASE)
FLOAT: Final = re.compile(r"float|single|32 bit", re.IGNORECASE)


def gemm_records(raw: pd.DataFrame) -> pd.DataFrame:
    """(m x k) by (k x n)."""
    shape = dims(batch=raw["m"] * 0 + 1, m=raw["m"], k=raw["n"], c=raw["k"])
    order = raw["a_t"].fillna("") + raw["b_t"].fillna("")
    return _records(raw).assign(
        mode=joined(raw["bench"], raw["precision"]),
        operator="gemm",
        function="gemm_" + order.str.lower(),
        shape=shape,
        mean_s=raw["time_ms"] * MILLI,
    )


def conv_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record for each pass that a row has."""
    import pandas as pd

    common = _records(raw).assign(operator="conv", shape=_conv_shape(raw))
    parts = [
        common.assign(
            mode=joined(raw["bench"], raw["precision"], name),
            phase=phase,
            function=f"conv_{name}",
            mean_s=raw[column] * MILLI,
        )
        for column, (name, phase) in PASSES.items()
    ]
    stacked = pd.concat(parts)
    return stacked[stacked["mean_s"].notna()]


def inference_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row."""
    return _records(raw).assign(
        mode=joined("inference", raw["precision"]),
        operator="conv",
        function="conv_forward",
        shape=_conv_shape(raw),
        mean_s=raw["fwd_ms"] * MILLI,
    )


def _records(raw: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    arithmetic = each(raw["precision"], _arithmetic)
    half = raw["precision"].map(lambda text: bool(HALF_INPUTS.search(text)))
    return pd.DataFrame(
        {
            "device": raw["device"],
            "scenario": STEP,
            "phase": "infer",
            "precision": arithmetic,
            "storage": pd.Series("fp16", raw.index, dtype="str").where(half & (arithmetic != "fp16")),
            "batch": 1.0,
        }
    )


def _arithmetic(text: str) -> str | None:
    """Precision of the multiplication; of '16 bit inputs, 32 bit multiplication' FP32."""
    for pattern, precision in ((INT8, "int8"), (HALF, "fp16"), (FLOAT, "fp32")):
        if pattern.search(text):
            return precision
    return None


def _conv_shape(raw: pd.DataFrame) -> pd.Series:
    return dims(
        n=raw["n"],
        g=raw["n"] * 0 + 1,
        k=raw["k"],
        c=raw["c"],
        oy=(raw["h"] + 2 * raw["pad_h"] - raw["r"]) // raw["stride_v"] + 1,
        ox=(raw["w"] + 2 * raw["pad_w"] - raw["s"]) // raw["stride_h"] + 1,
        fy=raw["r"],
        fx=raw["s"],
        stride_y=raw["stride_v"],
        stride_x=raw["stride_h"],
        pad_y=raw["pad_h"],
        pad_x=raw["pad_w"],
        in_y=raw["h"],
        in_x=raw["w"],
    )


SETS: Final = tuple(
    Dataset(
        name=name,
        columns=columns,
        to_records=to_records,
        quantity=quantity,
        value="mean_s",
        source="baidu-research/DeepBench @ da81ba78, results/",
        licence="Apache-2.0",
        measures=measures,
        operators="library",
    )
    for name, columns, to_records, quantity, measures in (
        ("deepbench_gemm", GEMM_COLUMNS, gemm_records, "time_ms", ()),
        ("deepbench_conv", CONV_COLUMNS, conv_records, "fwd_ms", tuple(PASSES)),
        ("deepbench_conv_inference", INFERENCE_COLUMNS, inference_records, "fwd_ms", ()),
    )
)
