"""MLPerf Inference, edge: `mlperf_edge_grid`, MobileNets on small boards, and `mlperf_edge_closed`, the rest.

Of a SingleStream run a step is one input, of a MultiStream run eight. An Offline run has a rate alone: its
latencies are waiting times in one long queue and are not read. Those of a Server run include waiting.
`board` was derived from the name of the system and is right where `processor` is not.

Source: mlcommons/inference_results_v2.0, v2.1, v3.0, v4.1, Apache-2.0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.measured.published.base import MILLI, Dataset, each, family_of, joined
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

SCENARIO: Final = {"singlestream": STEP, "multistream": STEP, "offline": "offline", "server": "server"}
INPUTS_OF_A_QUERY: Final = {"singlestream": 1.0, "multistream": 8.0}
"""MLPerf Inference rules, since v2.0."""

LATENCIES: Final = {
    "mean_s": "latency_mean_ms",
    "p50_s": "latency_p50_ms",
    "p90_s": "latency_p90_ms",
    "p99_s": "latency_p99_ms",
}

COMMON: Final = (
    Column("round", "text", "v2.0, v2.1, ...", required=True),
    Column("submitter", "text", "Who measured.", required=True),
    Column("board", "text", "Board, derived from the name of the system."),
    Column("system", "text", "Key of the submission, with runtime and power settings.", required=True),
    Column("system_name", "text", "Name of the system."),
    Column("accelerator", "text", "Accelerator, as submitted."),
    Column("framework", "text", "Runtime with its version.", required=True),
    Column("model", "text", "Network.", required=True),
    Column("scenario", "text", "SingleStream, MultiStream, Offline, Server.", required=True),
    Column("samples_per_s", "number", "Rate of an Offline run.", positive=True),
    Column("avg_power_w", "number", "Wall power averaged over the logged run.", positive=True),
    *(Column(name, "number", "Time of a query.", positive=True) for name in LATENCIES.values()),
)
GRID_COLUMNS: Final = COMMON
CLOSED_COLUMNS: Final = (
    *COMMON,
    Column("division", "text", "closed or open.", required=True),
    Column("n_acc", "count", "Accelerators; 0: the CPU alone."),
)

INTEGRATED: Final = re.compile(r"\b(?:Mali|Adreno|metal)\b", re.IGNORECASE)
"""GPUs that are a part of the board's SoC."""
ON_GPU: Final = re.compile(r"OpenCL|GPU|-gpu-|metal", re.IGNORECASE)
POWER: Final = re.compile(r"power\.\w+-fan\.\w+|MaxQ|(?<=_)\d+w(?=-)", re.IGNORECASE)
RELEASE: Final = re.compile(r"\bv?(\d+\.\d[\w.]*|master)\b")
QUANTIZED: Final = re.compile(r"(?<!non-)quantized|uint8|int8")
FLOATING: Final = re.compile(r"non-quantized|float|fp32")
SIDE: Final = re.compile(r"(?<![\d.])(\d{2,4})(?:x\1)?(?=$|[-_])")
SIDES: Final = frozenset(range(96, 1281, 32))
"""Image sides of the networks of the grid; other numbers in names are depths and versions."""


def of_no_scenario(raw: pd.DataFrame) -> dict[int, str]:
    """Rows of a scenario that is not known: whether their times include waiting cannot be told."""
    given = raw["scenario"].dropna()
    strange = given[~given.str.lower().isin(list(SCENARIO))]
    expected = "expected SingleStream, MultiStream, Offline or Server"
    return {int(str(row)): f"'{cell}' given, {expected}" for row, cell in strange.items()}


def grid_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row; the names of the networks tell precision and image size."""
    precision = each(raw["model"], _precision)
    gpu = (raw["framework"] + " " + raw["system"]).map(lambda text: bool(ON_GPU.search(text)))
    device = (
        raw["board"].fillna(raw["accelerator"].mask(raw["accelerator"] == "-")).fillna(raw["system_name"])
    )
    return _records(raw).assign(
        device=device.fillna(raw["system"]),
        engine=np.where(gpu, "gpu", "cpu"),
        precision=precision,
        mode=joined(raw["framework"], precision, raw["scenario"], raw["round"]),
        img_size=each(raw["model"], _side),
    )


def closed_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row; a card is the device, a GPU inside an SoC an engine of its board."""
    named = raw["accelerator"].mask(raw["accelerator"] == "-")
    inside = (
        named.map(lambda name: bool(INTEGRATED.search(name)), na_action="ignore").fillna(False).astype(bool)
    )
    alone = named.mask(inside)
    engine = np.where(
        alone.str.contains("AI 100").fillna(False), "npu", np.where(named.notna(), "gpu", "cpu")
    )
    count = raw["n_acc"].where(raw["n_acc"] > 1)
    several = ("x" + count.astype("Int64").astype("str")).mask(count.isna())
    return _records(raw).assign(
        device=alone.fillna(raw["board"]).fillna(raw["system_name"]).fillna(raw["system"]),
        engine=engine,
        n_devices=raw["n_acc"].where(raw["n_acc"] > 0),
        mode=joined(raw["framework"], raw["scenario"], _power_mode(raw), several),
    )


def _records(raw: pd.DataFrame) -> pd.DataFrame:
    """What both files have in common."""
    import pandas as pd

    how = raw["scenario"].str.lower()
    records = pd.DataFrame(
        {
            "power_mode": _power_mode(raw),
            "runtime": raw["framework"],
            "runtime_version": each(raw["framework"], _release),
            "scenario": how.map(SCENARIO),
            "phase": "infer",
            "batch": how.map(INPUTS_OF_A_QUERY),
            "network": raw["model"],
            "family": each(raw["model"], family_of),
            "throughput_per_s": raw["samples_per_s"].where(how == "offline"),
            "power_w": raw["avg_power_w"],
            "source": "mlcommons/inference_results_"
            + raw["round"]
            + ", "
            + raw["submitter"]
            + "/"
            + raw["system"],
        }
    )
    for ours, theirs in LATENCIES.items():
        records[ours] = raw[theirs].where(how != "offline") * MILLI
    single = raw["avg_power_w"].where(how == "singlestream")
    return records.assign(energy_j=single * records["mean_s"])


def _power_mode(raw: pd.DataFrame) -> pd.Series:
    return each(raw["system"], lambda name: match[0] if (match := POWER.search(name)) else None)


def _release(framework: str) -> str | None:
    match = RELEASE.search(framework)
    return match[1] if match else None


def _precision(network: str) -> str | None:
    if QUANTIZED.search(network):
        return "int8"
    return "fp32" if FLOATING.search(network) else None


def _side(network: str) -> float:
    found = [int(m[1]) for m in SIDE.finditer(network)]
    return next((float(n) for n in found if n in SIDES), np.nan)


COMMITS: Final = "v2.0 @ 425a0d30, v2.1 @ 91f7859b, v3.0 @ 1948f9b5"
SETS: Final = (
    Dataset(
        name="mlperf_edge_grid",
        columns=GRID_COLUMNS,
        to_records=grid_records,
        quantity="latency_mean_ms",
        value="mean_s",
        energy="energy_mj",
        source=f"mlcommons/inference_results, {COMMITS}; open division, Krai and cTuning",
        licence="Apache-2.0",
        device_column="board",
        wrong_rows={"scenario": of_no_scenario},
    ),
    Dataset(
        name="mlperf_edge_closed",
        columns=CLOSED_COLUMNS,
        to_records=closed_records,
        quantity="latency_mean_ms",
        value="mean_s",
        energy="energy_mj",
        source=f"mlcommons/inference_results, {COMMITS}, v4.1 @ 198fc467; every other edge submission",
        licence="Apache-2.0",
        device_column="accelerator",
        wrong_rows={"scenario": of_no_scenario},
    ),
)
