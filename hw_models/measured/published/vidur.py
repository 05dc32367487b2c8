"""`vidur_llm_ops`: operators of one layer of language models at 16 bit, by tokens and tensor-parallel ways.

Rows that differ in their time alone are repeats. Shapes are those of vidur's profiler
(`vidur/profiling/mlp/mlp_impl.py`): heads, MLP and vocabulary are split `tp` ways; a gated MLP has gate and
up projection in one product, and its activation reads two halves.

Source: microsoft/vidur, `data/profiling/compute/*/*/*/mlp.csv`, MIT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.measured.published.base import MILLI, Dataset, dims, joined
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

SIZES: Final = ("n_head", "n_kv_head", "n_embd", "n_expanded_embd", "vocab_size", "tokens", "tp")

COLUMNS: Final = (
    Column("device", "text", "GPU.", required=True),
    Column("model", "text", "Language model.", required=True),
    *(Column(name, "count", "Size of the model or the run.", required=True, positive=True) for name in SIZES),
    Column("use_gated_mlp", "text", "True or False.", required=True),
    Column("op", "text", "Operator of the layer.", required=True),
    Column("latency_ms", "number", "Median time.", required=True, positive=True),
)

OPERATORS: Final = {
    "attn_pre_proj": "gemm",
    "attn_post_proj": "gemm",
    "mlp_up_proj": "gemm",
    "mlp_down_proj": "gemm",
    "input_layernorm": "norm",
    "post_attention_layernorm": "norm",
    "emb": "gather",
    "attn_rope": "elementwise",
    "mlp_act": "elementwise",
    "add": "elementwise",
}
"""Operator of the file -> kind of operator as traces name it."""


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row; an operator that is not known keeps its name and has no shape."""
    import pandas as pd

    return pd.DataFrame(
        {
            "device": raw["device"],
            "runtime": "torch",
            "mode": joined(raw["op"], "tp" + raw["tp"].astype("int64").astype("str")),
            "scenario": STEP,
            "phase": "infer",
            "precision": "fp16",
            "batch": 1.0,
            "component": raw["model"],
            "family": raw["model"],
            "operator": raw["op"].map(OPERATORS).fillna(raw["op"]),
            "function": raw["op"],
            "shape": _shapes(raw),
            "tokens": raw["tokens"],
            "p50_s": raw["latency_ms"] * MILLI,
        }
    )


def _shapes(raw: pd.DataFrame) -> pd.Series:
    """Loop dimensions of what one of the `tp` GPUs computes."""
    import pandas as pd

    tokens, width, tp = raw["tokens"], raw["n_embd"], raw["tp"]
    head = width / raw["n_head"]
    heads, kv_heads = raw["n_head"] / tp, np.maximum(raw["n_kv_head"] / tp, 1)
    hidden = raw["n_expanded_embd"] / tp
    gate = 1 + (raw["use_gated_mlp"].str.lower() == "true")
    figures = {  # of a product outputs and inputs, of an operator element by element outputs and tensors read
        "attn_pre_proj": ((heads + 2 * kv_heads) * head, width),
        "attn_post_proj": (width, heads * head),
        "mlp_up_proj": (hidden * gate, width),
        "mlp_down_proj": (width, hidden),
        "emb": (tokens * width, 1),
        "attn_rope": (tokens * (heads + kv_heads) * head, 1),
        "mlp_act": (tokens * hidden, gate),
        "add": (tokens * width, 2),
    }
    outputs, inputs = tokens, width
    for op, (first, second) in figures.items():
        here = raw["op"] == op
        outputs, inputs = outputs.mask(here, first), inputs.mask(here, second)
    kind = raw["op"].map(OPERATORS)
    product, along, single = kind == "gemm", kind == "norm", kind == "elementwise"
    shapes = (
        dims(batch=tokens[product] * 0 + 1, m=tokens[product], k=outputs[product], c=inputs[product]),
        dims(rows=tokens[along], width=width[along]),
        dims(elements=outputs[kind == "gather"]),
        dims(elements=outputs[single], reads=inputs[single]),
    )
    shape: pd.Series = pd.concat(shapes).reindex(raw.index)
    return shape


SETS: Final = (
    Dataset(
        name="vidur_llm_ops",
        columns=COLUMNS,
        to_records=to_records,
        quantity="latency_ms",
        value="p50_s",
        source="microsoft/vidur @ 7d475133, data/profiling/compute/*/*/*/mlp.csv",
        licence="MIT",
        operators="device",
    ),
)
