"""Qualcomm AI Hub: latency, placement and memory of networks on phones, laptops and automotive boards.

Three files of one repository: `qualcomm_aihub_latency`, one row per network, component, precision, device and
runtime; `qualcomm_aihub_llm`, first token and tokens per second; `qualcomm_aihub_models`, what the networks
are. `QCS8275 (Proxy)` repeats the rows of `SA7255P ADP`; `device_names.csv` gives both one key, so that a row
of the one counts as a copy of the other's.

Source: qualcomm/ai-hub-models, `qai_hub_models/models/*/perf.yaml` and `info.yaml`, BSD-3-Clause.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.measured.published.base import (
    MEBIBYTE,
    MILLI,
    NO_BUILDER,
    Dataset,
    count_of,
    each,
    family_of,
    joined,
    side_of,
)
from hw_models.measured.schema import STEP, Column
from hw_models.measured.tables import read_table, typed

if TYPE_CHECKING:
    import pandas as pd

REPOSITORY: Final = "qualcomm/ai-hub-models @ b61a0090 (v0.47.0), qai_hub_models/models/*"
LICENCE: Final = "BSD-3-Clause"

PRECISIONS: Final = {"w8a8": "int8", "w16a16": "int16"}
"""Names of the file for precisions that specs call otherwise; the mixed schemes keep theirs."""
FLOAT: Final = "float"
"""FP16 on the NPU, as the README of the file says; elsewhere the file does not tell."""

MODEL: Final = Column("model", "text", "Network, by its directory upstream.", required=True)
COMPONENT: Final = Column("component", "text", "Part of it that was compiled alone.", required=True)
PRECISION: Final = Column("precision", "text", "float, w8a8, w8a16, ...", required=True)
DEVICE: Final = Column("device", "text", "Device, as AI Hub calls it.", required=True)
RUNTIME: Final = Column("runtime", "text", "tflite, qnn_dlc, onnx, ...", required=True)

LATENCY_COLUMNS: Final = (
    MODEL,
    COMPONENT,
    PRECISION,
    DEVICE,
    RUNTIME,
    Column("latency_ms", "number", "Time of one inference, batch 1.", required=True, positive=True),
    Column("peak_mem_mb_min", "number", "Lower end of the estimated peak memory."),
    Column("peak_mem_mb_max", "number", "Upper end of the estimated peak memory."),
    Column("primary_unit", "text", "NPU, GPU or CPU: where most layers ran."),
    Column("layers_total", "count", "Layers of the compiled network."),
    Column("layers_npu", "count", "Those on the NPU."),
    Column("layers_gpu", "count", "Those on the GPU."),
    Column("layers_cpu", "count", "Those on the CPU."),
    Column("qairt", "text", "Release of the SDK."),
    Column("input_resolution", "text", "Input, as the info page has it."),
    Column("params", "text", "Parameters, '83.92M'."),
)

LLM_COLUMNS: Final = (
    MODEL,
    PRECISION,
    COMPONENT,
    DEVICE,
    RUNTIME,
    Column("context_length", "count", "Tokens of context.", required=True, positive=True),
    Column("ttft_ms_min", "number", "Time to first token of a short prompt.", positive=True),
    Column("ttft_ms_max", "number", "Time to first token of a prompt that fills the context.", positive=True),
    Column("tokens_per_s", "number", "Tokens per second in decode.", positive=True),
)

MODEL_COLUMNS: Final = (
    MODEL,
    Column("input_resolution", "text", "Input."),
    Column("params", "text", "Parameters, '83.92M'."),
    Column("use_case", "text", "What it is for."),
    Column("source_repo", "text", "Where the network is from."),
)


def latency_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row; the unit that ran most of it stands in the mode, since units are scored apart."""
    import pandas as pd

    unit = raw["primary_unit"].str.lower()
    return pd.DataFrame(
        {
            "device": raw["device"],
            "engine": unit,
            "runtime": raw["runtime"],
            "runtime_version": "QAIRT " + raw["qairt"],
            "mode": joined(raw["precision"], raw["runtime"], raw["primary_unit"]),
            "scenario": STEP,
            "phase": "infer",
            "precision": _precision(raw["precision"], unit),
            "batch": 1.0,
            "network": raw["model"],
            "component": raw["component"],
            "family": each(raw["model"], family_of),
            "img_size": each(raw["input_resolution"], side_of),
            "input_shape": raw["input_resolution"],
            "mean_s": raw["latency_ms"] * MILLI,
            "peak_memory_bytes": raw["peak_mem_mb_max"] * MEBIBYTE,
            "peak_memory_low_bytes": raw["peak_mem_mb_min"] * MEBIBYTE,
            "params": each(raw["params"], count_of),
            "layers": raw["layers_total"],
            "layers_npu": raw["layers_npu"],
            "layers_gpu": raw["layers_gpu"],
            "layers_cpu": raw["layers_cpu"],
        }
    )


def _precision(name: pd.Series, unit: pd.Series) -> pd.Series:
    arithmetic = name.replace(PRECISIONS)
    return arithmetic.mask((arithmetic == FLOAT) & (unit == "npu"), "fp16").mask(
        (arithmetic == FLOAT) & (unit != "npu")
    )


def llm_records(raw: pd.DataFrame) -> pd.DataFrame:
    """Up to three records a row: prefill of a short and of a full prompt, decode.

    The longer time is a whole multiple of the shorter one, 32 in most rows: upstream runs a prompt in equal
    pieces. How many tokens a piece has is not stated, so those of a short prompt stay empty.
    """
    import pandas as pd

    common = pd.DataFrame(
        {
            "device": raw["device"],
            "engine": "npu",
            "runtime": raw["runtime"],
            "scenario": STEP,
            "precision": raw["precision"].replace(PRECISIONS),
            "batch": 1.0,
            "network": raw["model"],
            "component": raw["component"],
            "family": each(raw["model"], family_of),
        }
    )
    context = raw["context_length"]
    mode = joined(raw["precision"], raw["runtime"], "context" + context.astype("int64").astype("str"))
    short = common.assign(
        phase="prefill", mode=joined(mode, "first_piece"), mean_s=raw["ttft_ms_min"] * MILLI
    )
    full = common.assign(
        phase="prefill", mode=joined(mode, "full"), mean_s=raw["ttft_ms_max"] * MILLI, tokens=context
    )
    decode = common.assign(
        phase="decode", mode=joined(mode, "decode"), throughput_per_s=raw["tokens_per_s"], tokens=1.0
    )
    stacked = pd.concat([short, full, decode])
    return stacked[stacked[["mean_s", "throughput_per_s"]].notna().any(axis=1)]


def models(path: Path) -> pd.DataFrame:
    """What the networks are, by name: `input_resolution, params, use_case, source_repo`; params as a number.

    Raises:
        FileError: where the file is missing, unreadable, or lacks a column.
    """
    frame = typed(read_table(path), MODEL_COLUMNS).frame.set_index("model")
    return frame.assign(params=each(frame["params"], count_of).astype(np.float64))


SETS: Final = (
    Dataset(
        name="qualcomm_aihub_latency",
        columns=LATENCY_COLUMNS,
        to_records=latency_records,
        quantity="latency_ms",
        value="mean_s",
        source=f"{REPOSITORY}/perf.yaml",
        licence=LICENCE,
    ),
    Dataset(
        name="qualcomm_aihub_llm",
        columns=LLM_COLUMNS,
        to_records=llm_records,
        quantity="ttft_ms",
        value="mean_s",
        source=f"{REPOSITORY}/perf.yaml (llm_metrics)",
        licence=LICENCE,
        measures=("ttft_ms_min", "ttft_ms_max", "tokens_per_s"),
        not_costed=NO_BUILDER,
    ),
)
