"""`cd.coverage`: before any latency, which operators of a network run where on a chip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.lowering.coverage import Coverage
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload


def coverage(
    workload: Workload,
    chip: Accelerator | str,
    precision: str | None = None,
    *,
    placements: pd.DataFrame | str | Path | None = None,
) -> Coverage:
    """Which operators run on the chip's main engine, which fall back, which nobody runs.

    Args:
        workload: the network.
        chip: an accelerator, the name of one that ships, or a chip file; "name@mode" names a power mode.
        precision: None: the chip's default.
        placements: measurements on this device that say where layers ran: a table of records or its file;
            None: those that ship for the device, if any.

    Raises:
        UnknownNameError: no such chip or precision.
        NotCostableError: no precision is given and the chip has no peak.
        FileError: the file of placements cannot be read.
    """
    from hw_models.cost.chips import default_precision
    from hw_models.cost.estimate import as_accelerator
    from hw_models.lowering.coverage import coverage as gate
    from hw_models.measured.records import Records

    accelerator = as_accelerator(chip)
    named = precision or default_precision(accelerator)
    if isinstance(placements, str | Path):
        placements = Records.read(placements).frame
    told = _shipped(accelerator) if placements is None else placements
    if told is not None:
        told = told[told["precision"] == named]
    return gate(workload, accelerator, named, placements=told)


def _shipped(chip: Accelerator) -> pd.DataFrame | None:
    """Records that ship of this chip by its name and that tell where layers ran; None: there are none."""
    from hw_models.measured.devices import shipped_devices
    from hw_models.measured.loaders import load

    table, name = shipped_devices(), "qualcomm_aihub_latency"
    called = {
        device for (dataset, _, device), key in table.names.items() if (dataset, key) == (name, chip.name)
    }
    if not called:
        return None
    frame = load(datasets=[name]).records[name].frame
    mine = frame[frame["device"].isin(called)]
    return mine if len(mine) else None
