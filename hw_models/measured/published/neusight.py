"""NeuSight: matrix products, convolutions and vector operators alone, FP32 with TF32 off, on six GPUs.

`neusight_gemm` (bmm, linear), `neusight_conv` and `neusight_vector` (element by element, softmax, LayerNorm).

Source: sitar-lab/NeuSight, `scripts/asplos/data/dataset*`, MIT.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hw_models.measured.published.base import MILLI, Dataset, dims, each, joined
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

COMMON: Final = (
    Column("device", "text", "GPU, as its driver calls it.", required=True),
    Column("op", "text", "Operator.", required=True),
    Column("source", "text", "Part of the data set.", required=True),
    Column("latency_ms", "number", "Time of the operator.", required=True, positive=True),
    Column("kernel_kind", "text", "Stem of the kernel's name."),
)
GEMM_COLUMNS: Final = (
    *COMMON,
    *(
        Column(c, "count", "Dimension of a product.", required=True, positive=True)
        for c in ("b", "m", "n", "k")
    ),
)
CONV_COLUMNS: Final = (
    *COMMON,
    *(
        Column(c, "count", "Dimension of a square convolution.", required=True, positive=c != "pad")
        for c in ("b", "c_in", "c_out", "kernel", "in_hw", "stride", "pad")
    ),
)
VECTOR_COLUMNS: Final = (
    *COMMON,
    Column("b", "count", "Rows.", required=True, positive=True),
    Column("h", "count", "Elements of a row.", required=True, positive=True),
)

ROW_OPERATORS: Final = {"softmax": "softmax", "ln": "norm"}
"""Vector operators that work along a row; all others go element by element."""
OF_TWO_TENSORS: Final = ("add", "sub", "mul", "div", "pow")
"""Operators of two tensors; with a `u` at the end they are of one tensor and a number."""
PART: Final = re.compile(r"\b(train|test)\b")


def gemm_records(raw: pd.DataFrame) -> pd.DataFrame:
    """Products of (m x n) by (n x k), `b` of them: dimensions as torch.bmm names them, the sum runs over `n`.

    The file does not say so, its times do: one tile of 64 x 128 explains the bmm of the P100 to 4 % when read
    this way, and to 13 % with the sum over `k`; the tiles that the kernels are named after agree.
    """
    shape = dims(batch=raw["b"], m=raw["m"], k=raw["k"], c=raw["n"])
    return _records(raw).assign(operator="gemm", shape=shape)


def conv_records(raw: pd.DataFrame) -> pd.DataFrame:
    """Square convolutions."""
    out = (raw["in_hw"] + 2 * raw["pad"] - raw["kernel"]) // raw["stride"] + 1
    one = raw["b"] * 0 + 1
    shape = dims(
        n=raw["b"],
        g=one,
        k=raw["c_out"],
        c=raw["c_in"],
        oy=out,
        ox=out,
        fy=raw["kernel"],
        fx=raw["kernel"],
        stride_y=raw["stride"],
        stride_x=raw["stride"],
        pad_y=raw["pad"],
        pad_x=raw["pad"],
        in_y=raw["in_hw"],
        in_x=raw["in_hw"],
    )
    return _records(raw).assign(operator="conv", shape=shape)


def vector_records(raw: pd.DataFrame) -> pd.DataFrame:
    """Rows of `h` elements, `b` of them."""
    operator = raw["op"].map(ROW_OPERATORS).fillna("elementwise")
    rows = dims(rows=raw["b"], width=raw["h"])
    reads = 1 + raw["op"].isin(OF_TWO_TENSORS)
    shape = rows.where(operator != "elementwise", dims(elements=raw["b"] * raw["h"], reads=reads))
    return _records(raw).assign(operator=operator, shape=shape)


def _records(raw: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "device": raw["device"],
            "runtime": "torch",
            "mode": joined(raw["op"], each(raw["source"], _part)),
            "scenario": STEP,
            "phase": "infer",
            "precision": "fp32",
            "batch": 1.0,
            "function": raw["op"],
            "kernel": raw["kernel_kind"],
            "mean_s": raw["latency_ms"] * MILLI,
        }
    )


def _part(source: str) -> str:
    match = PART.search(source)
    return match[1] if match else source


SETS: Final = tuple(
    Dataset(
        name=name,
        columns=columns,
        to_records=to_records,
        quantity="latency_ms",
        value="mean_s",
        source="sitar-lab/NeuSight @ 6945927d, scripts/asplos/data/dataset*",
        licence="MIT",
        operators="host",
    )
    for name, columns, to_records in (
        ("neusight_gemm", GEMM_COLUMNS, gemm_records),
        ("neusight_conv", CONV_COLUMNS, conv_records),
        ("neusight_vector", VECTOR_COLUMNS, vector_records),
    )
)
