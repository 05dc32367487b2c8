"""`vitis_ai_dpu_fps`: frames per second of the Vitis AI model zoo on FPGA boards, INT8, end to end.

With one thread a frame follows the other; with several they overlap on the cores of the DPU, so their rate is
not one over a latency.

Source: Xilinx/Vitis-AI, `model_zoo/README.md` (branch 2.5) and the sheet of master, Apache-2.0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.measured.dpu_config import dpu_of, with_dpu
from hw_models.measured.published.base import Dataset, each, family_of, joined
from hw_models.measured.schema import STEP, Column

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from hw_models.spec.accelerator import Accelerator

COLUMNS: Final = (
    Column("board", "text", "Board.", required=True),
    Column("config", "text", "Cores of the DPU and their clock.", required=True),
    Column("model", "text", "Network.", required=True),
    Column("zoo_name", "text", "Its name in the zoo, with input size and operations."),
    Column("framework", "text", "pt, tf or tf2."),
    Column("input_hw", "text", "Input, '224x224'."),
    Column("gops", "number", "1e9 operations, two a MAC, after pruning."),
    Column("pruned", "number", "Share that was pruned away."),
    Column("fps_single_thread", "number", "Frames per second, one thread.", positive=True),
    Column("fps_multi_thread", "number", "Frames per second, several threads.", positive=True),
    Column("dpu_mhz", "number", "Clock of the DPU.", positive=True),
)

CLOCK: Final = re.compile(r"(?:@\s*|running at (?:\dPE@)?)(\d+)(?:\s*MHz)?", re.IGNORECASE)
SIDES: Final = re.compile(r"(\d+)x\1")


def to_records(raw: pd.DataFrame) -> pd.DataFrame:
    """One record with one thread and one with several, where the row has them."""
    import pandas as pd

    clock = raw["dpu_mhz"].fillna(each(raw["config"], _clock_mhz))
    common = pd.DataFrame(
        {
            "device": raw["board"],
            "engine": "npu",
            "clock_hz": clock * 1e6,
            "runtime": "vitis_ai",
            "phase": "infer",
            "precision": "int8",
            "batch": each(raw["config"], _inputs).fillna(1.0),
            "network": raw["model"],
            "family": each(raw["model"], family_of),
            "img_size": each(raw["input_hw"], _side),
            "input_shape": raw["input_hw"],
            "macs": raw["gops"] * 1e9 / 2,
        }
    )
    one = common.assign(
        mode=joined(raw["config"], "1thread"),
        scenario=STEP,
        threads=1.0,
        throughput_per_s=raw["fps_single_thread"],
    )
    several = common.assign(
        mode=joined(raw["config"], "multithread"), scenario="stream", throughput_per_s=raw["fps_multi_thread"]
    )
    stacked = pd.concat([one, several])
    return stacked[stacked["throughput_per_s"].notna()]


def configured(board: Accelerator, row: Mapping[Any, Any]) -> Accelerator:
    """The board with the DPU of a record: the first words of its mode, at the clock that it states.

    With words that describe no DPU it is the board as its row has it, under a name of its own: what was
    measured with a known DPU says nothing of that one.
    """
    clock, config = row.get("clock_hz"), str(row["mode"]).split("|", maxsplit=1)[0]
    clock_hz = clock if isinstance(clock, float) and clock > 0 else None
    if dpu_of(config, clock_hz) is None:
        return board.model_copy(update={"name": f"{board.name}_of_unknown_dpu"})
    return with_dpu(board, config, clock_hz)


def _inputs(config: str) -> float:
    """Inputs of one step: those that the cores take at once."""
    dpu = dpu_of(config)
    return float(dpu.inputs_of_a_step) if dpu else 1.0


def _clock_mhz(config: str) -> float:
    match = CLOCK.search(config)
    return float(match[1]) if match else np.nan


def _side(text: str) -> float:
    match = SIDES.fullmatch(text)
    return float(match[1]) if match else np.nan


SETS: Final = (
    Dataset(
        name="vitis_ai_dpu_fps",
        columns=COLUMNS,
        to_records=to_records,
        quantity="fps",
        value="throughput_per_s",
        source="Xilinx/Vitis-AI 2.5 @ efe6bc9e model_zoo/README.md, master @ b2b22792 model zoo sheet",
        licence="Apache-2.0",
        device_column="board",
        measures=("fps_single_thread", "fps_multi_thread"),
        configured=configured,
    ),
)
