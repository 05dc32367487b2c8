"""`hat_transformer_latency`: encoders and decoders of a translation supernet on a GPU and a CPU.

A network is known by its averages over layers alone: embedding, layers, width of the feed-forward part,
heads. Mean and standard deviation are of runs trimmed by 10 %.

Source: mit-han-lab/hardware-aware-transformers, `latency_dataset/`, MIT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.measured.published.base import MILLI, NO_BUILDER, Dataset, joined
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

ENCODER: Final = (
    Column("encoder_embed_dim", "count", "Width of the embedding.", required=True, positive=True),
    Column("encoder_layer_num", "count", "Layers.", required=True, positive=True),
    Column("encoder_ffn_embed_dim_avg", "number", "Width of the feed-forward part.", required=True),
    Column("encoder_self_attention_heads_avg", "number", "Heads.", required=True),
)
DECODER: Final = (
    Column("decoder_embed_dim", "count", "Width of the embedding.", required=True, positive=True),
    Column("decoder_layer_num", "count", "Layers.", required=True, positive=True),
    Column("decoder_ffn_embed_dim_avg", "number", "Width of the feed-forward part.", required=True),
    Column("decoder_self_attention_heads_avg", "number", "Heads.", required=True),
    Column("decoder_ende_attention_heads_avg", "number", "Heads of attention on the encoder.", required=True),
    Column("decoder_arbitrary_ende_attn_avg", "number", "Encoder layers attended to.", required=True),
)
COLUMNS: Final = (
    Column("task", "text", "Pair of languages, with its data set.", required=True),
    Column("device", "text", "gpu_titanxp, cpu_xeon, ...", required=True),
    *ENCODER,
    *DECODER,
    Column("latency_mean_encoder", "number", "Mean time of the encoder in ms.", positive=True),
    Column("latency_mean_decoder", "number", "Mean time of the decoder in ms.", positive=True),
    Column("latency_std_encoder", "number", "Standard deviation in ms."),
    Column("latency_std_decoder", "number", "Standard deviation in ms."),
)


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record for the encoder and one for the decoder."""
    import pandas as pd

    stacked = pd.concat([_part(raw, "encoder", ENCODER), _part(raw, "decoder", DECODER)])
    return stacked[stacked["mean_s"].notna()]


def _part(raw: pd.DataFrame, part: str, columns: tuple[Column, ...]) -> pd.DataFrame:
    import pandas as pd

    figures = [raw[c.name].map("{:g}".format).astype("str") for c in columns]
    return pd.DataFrame(
        {
            "device": raw["device"],
            "runtime": "torch",
            "mode": joined(raw["task"], part),
            "scenario": STEP,
            "phase": "infer",
            "precision": "fp32",
            "batch": 1.0,
            "network": "hat/" + raw["task"] + "/" + joined(*figures).str.replace("|", "-"),
            "component": part,
            "family": "hat",
            "mean_s": raw[f"latency_mean_{part}"] * MILLI,
            "std_s": raw[f"latency_std_{part}"] * MILLI,
        }
    )


SETS: Final = (
    Dataset(
        name="hat_transformer_latency",
        columns=COLUMNS,
        to_records=to_records,
        quantity="latency_ms",
        value="mean_s",
        source="mit-han-lab/hardware-aware-transformers @ 70e5a279, latency_dataset/",
        licence="MIT",
        measures=("latency_mean_encoder", "latency_mean_decoder"),
        not_costed=NO_BUILDER,
    ),
)
