"""MLPerf Tiny, Mobile and Automotive: `mlperf_tiny`, `mlperf_mobile`, `mlperf_automotive`.

Source: mlcommons/tiny_results v1.0 to v1.3, mobile_results v4.0 and v5.0, automotive_results_v0.5;
Apache-2.0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.measured.published.base import MILLI, NO_BUILDER, Dataset, each, joined
from hw_models.measured.published.mlperf_edge import of_no_scenario
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    import pandas as pd

CLOCK: Final = re.compile(r"([\d.]+)\s*([MG])(?:Hz)?", re.IGNORECASE)
HERTZ: Final = {"m": 1e6, "g": 1e9}

TINY_COLUMNS: Final = (
    Column("round", "text", "v1.0, v1.1, ...", required=True),
    Column("submitter", "text", "Who measured.", required=True),
    Column("system", "text", "Board.", required=True),
    Column("task", "text", "ic, kws, vww, ad, sww: each has one reference network.", required=True),
    Column("kind", "text", "performance or energy run.", required=True),
    Column("throughput_ips_median", "number", "Inferences per second.", positive=True),
    Column("energy_uj_per_inf_median", "number", "Energy of an inference in microjoules.", positive=True),
    Column("power_mw_median", "number", "Power in milliwatts.", positive=True),
    Column("freq", "text", "Clock, '120 MHz'."),
)

MOBILE_COLUMNS: Final = (
    Column("round", "text", "mobile-v4.0, ...", required=True),
    Column("submitter", "text", "Who measured.", required=True),
    Column("system", "text", "SoC.", required=True),
    Column("task", "text", "Task: each has one reference network.", required=True),
    Column("sut", "text", "Runtime.", required=True),
    Column("scenario", "text", "SingleStream or Offline.", required=True),
    Column("samples_per_s", "number", "Rate of an Offline run.", positive=True),
    Column("latency_p90_ms", "number", "90th percentile.", positive=True),
    Column("latency_mean_ms", "number", "Mean.", positive=True),
)

AUTOMOTIVE_COLUMNS: Final = (
    Column("round", "text", "automotive-v0.5, ...", required=True),
    Column("submitter", "text", "Who measured.", required=True),
    Column("system", "text", "Key of the submission, with runtime.", required=True),
    Column("model", "text", "Network.", required=True),
    Column("scenario", "text", "singlestream.", required=True),
    Column("latency_mean_ms", "number", "Mean.", required=True, positive=True),
    Column("latency_min_ms", "number", "Fastest.", positive=True),
    Column("latency_p999_ms", "number", "99.9th percentile.", positive=True),
)


def tiny_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row; an energy run may clock the board lower than a performance run."""
    import pandas as pd

    return pd.DataFrame(
        {
            "device": raw["system"],
            "clock_hz": each(raw["freq"], _hertz),
            "mode": joined(raw["round"], raw["submitter"], raw["kind"]),
            "scenario": STEP,
            "phase": "infer",
            "batch": 1.0,
            "network": "mlperf_tiny/" + raw["task"],
            "family": raw["task"],
            "throughput_per_s": raw["throughput_ips_median"],
            "energy_j": raw["energy_uj_per_inf_median"] * 1e-6,
            "power_w": raw["power_mw_median"] * MILLI,
        }
    )


def _hertz(text: str) -> float:
    match = CLOCK.search(text)
    return float(match[1]) * HERTZ[match[2].lower()] if match else np.nan


def mobile_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row; of an Offline run the rate alone."""
    import pandas as pd

    offline = raw["scenario"].str.lower() == "offline"
    return pd.DataFrame(
        {
            "device": raw["system"],
            "runtime": raw["sut"],
            "mode": joined(raw["round"], raw["sut"], raw["scenario"]),
            "scenario": np.where(offline, "offline", STEP),
            "phase": "infer",
            "batch": np.where(offline, np.nan, 1.0),
            "network": "mlperf_mobile/" + raw["task"],
            "family": raw["task"],
            "mean_s": raw["latency_mean_ms"].mask(offline) * MILLI,
            "p90_s": raw["latency_p90_ms"].mask(offline) * MILLI,
            "throughput_per_s": raw["samples_per_s"].where(offline),
        }
    )


def automotive_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record a row."""
    import pandas as pd

    return pd.DataFrame(
        {
            "device": raw["system"],
            "mode": joined(raw["round"], raw["scenario"]),
            "scenario": STEP,
            "phase": "infer",
            "batch": 1.0,
            "network": "mlperf_automotive/" + raw["model"],
            "family": raw["model"],
            "mean_s": raw["latency_mean_ms"] * MILLI,
            "min_s": raw["latency_min_ms"] * MILLI,
            "p99_9_s": raw["latency_p999_ms"] * MILLI,
        }
    )


SETS: Final = (
    Dataset(
        name="mlperf_tiny",
        columns=TINY_COLUMNS,
        to_records=tiny_records,
        quantity="throughput_ips_median",
        value="throughput_per_s",
        energy="energy_uj_per_inf_median",
        source="mlcommons/tiny_results v1.0 @ c7761cf8, v1.1 @ c32ef94d, v1.2 @ cadb3623, v1.3 @ cd605ea0",
        licence="Apache-2.0",
        device_column="system",
    ),
    Dataset(
        name="mlperf_mobile",
        columns=MOBILE_COLUMNS,
        to_records=mobile_records,
        quantity="latency_mean_ms",
        value="mean_s",
        source="mlcommons/mobile_results v4.0 @ 5a937a58, v5.0 @ 82adb4f8",
        licence="Apache-2.0",
        device_column="system",
        wrong_rows={"scenario": of_no_scenario},
    ),
    Dataset(
        name="mlperf_automotive",
        columns=AUTOMOTIVE_COLUMNS,
        to_records=automotive_records,
        quantity="latency_mean_ms",
        value="mean_s",
        source="mlcommons/automotive_results_v0.5 @ 6117c36f",
        licence="Apache-2.0",
        device_column="system",
        wrong_rows={"scenario": of_no_scenario},
        not_costed=NO_BUILDER,
    ),
)
