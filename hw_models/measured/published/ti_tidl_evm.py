"""`ti_tidl_evm_latency`: networks on TI's evaluation boards, whole and inside the accelerator.

`offload_ms` is 0 where the runtime does not tell it (the C++ ones). Networks run at 8 bits, the default of
these
tests, on one core of the accelerator: AM69A with four is as fast as AM68A with one.

Source: TexasInstruments/edgeai-tidl-tools, `test_data/refs-am*/` on four branches. TI's text file licence
does not let the file ship here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hw_models.measured.published.base import MILLI, Dataset, each, family_of, joined, one_core
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from hw_models.spec.accelerator import Accelerator

COLUMNS: Final = (
    Column("branch", "text", "Release of the SDK.", required=True),
    Column("device", "text", "Evaluation board.", required=True),
    Column("model", "text", "Network; its prefix is the task and the runtime.", required=True),
    Column("total_ms", "number", "Time of an inference.", required=True, positive=True),
    Column("offload_ms", "number", "Part of it inside the accelerator; 0: not told."),
    Column("runtime", "text", "tfl-py, ort-cpp, ...", required=True),
)


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """The whole inference, and where it is told what ran inside the accelerator."""
    import pandas as pd

    common = pd.DataFrame(
        {
            "device": raw["device"],
            "engine": "npu",
            "runtime": "tidl",
            "runtime_version": raw["branch"],
            "mode": joined(raw["runtime"], raw["branch"]),
            "scenario": STEP,
            "phase": "infer",
            "precision": "int8",
            "batch": 1.0,
            "network": raw["model"],
            "family": each(raw["model"], family_of),
        }
    )
    whole = common.assign(mean_s=raw["total_ms"] * MILLI)
    inside = common.assign(
        component="accelerator",
        mode=joined(common["mode"], "accelerator"),
        mean_s=raw["offload_ms"] * MILLI,
    )
    return pd.concat([whole, inside[raw["offload_ms"] > 0]])


def configured(board: Accelerator, row: Mapping[Any, Any]) -> Accelerator:  # noqa: ARG001  (every row alike)
    """One core of the accelerator."""
    return one_core(board)


SETS: Final = (
    Dataset(
        name="ti_tidl_evm_latency",
        columns=COLUMNS,
        to_records=to_records,
        quantity="total_ms",
        value="mean_s",
        source="TexasInstruments/edgeai-tidl-tools @ 95ba2c7e, test_data/refs-am*/ on 4 branches",
        licence="TI text file licence",
        configured=configured,
        why_not_shipped="TI's text file licence does not let it",
    ),
)
