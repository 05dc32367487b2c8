"""`llmcompass_ops`: matrix products, softmax, LayerNorm and GELU on an A100, FP16.

Products have a time. The other rows have a rate in 1e9 elements per second, as plotted upstream.

Source: PrincetonUniversity/LLMCompass, `ae/figure5/*/real_hardware`, BSD-3-Clause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.measured.published.base import MILLI, Dataset, dims
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    Column("op", "text", "matmul, softmax, layernorm, gelu.", required=True),
    Column("device", "text", "GPU.", required=True),
    Column("m", "count", "Rows.", required=True, positive=True),
    Column("k", "count", "Length of the sum of a product.", positive=True),
    Column("n", "count", "Columns.", positive=True),
    Column("latency_ms", "number", "Time of a product.", positive=True),
    Column("rate", "text", "'101.7Tflops', or 1e9 elements per second."),
)

KINDS: Final = {"matmul": "gemm", "softmax": "softmax", "layernorm": "norm", "gelu": "elementwise"}
GIGA: Final = 1e9


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row that has a time, or a rate that gives one."""
    import pandas as pd

    kind = raw["op"].map(KINDS).fillna(raw["op"])
    columns = raw["n"].fillna(1)
    rate = pd.to_numeric(raw["rate"], errors="coerce") * GIGA
    time_s = (raw["latency_ms"] * MILLI).fillna(raw["m"] * columns / rate)
    shape = dims(batch=raw["m"] * 0 + 1, m=raw["m"], k=columns, c=raw["k"].fillna(1)).where(kind == "gemm")
    shape = shape.mask(kind.isin(["softmax", "norm"]), dims(rows=raw["m"], width=columns))
    shape = shape.mask(kind == "elementwise", dims(elements=raw["m"] * columns))
    records = pd.DataFrame(
        {
            "device": raw["device"],
            "mode": raw["op"],
            "scenario": STEP,
            "phase": "infer",
            "precision": "fp16",
            "batch": 1.0,
            "operator": kind,
            "function": raw["op"],
            "shape": shape,
            "mean_s": time_s,
        }
    )
    return records[records["mean_s"].notna()]


SETS: Final = (
    Dataset(
        name="llmcompass_ops",
        columns=COLUMNS,
        to_records=to_records,
        quantity="latency_ms",
        value="mean_s",
        source="PrincetonUniversity/LLMCompass @ 2e015fd2, ae/figure5/*/real_hardware",
        licence="BSD-3-Clause",
        operators="host",
    ),
)
