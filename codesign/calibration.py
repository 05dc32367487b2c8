"""`cd.calibrate`: a chip and what was measured on it, with networks rebuilt by their published names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.calibration.setting import Calibration
    from hw_models.measured.records import Records
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload


def calibrate(
    chip: Accelerator | str,
    records: Records | pd.DataFrame | str | Path,
    *,
    workloads: Mapping[str, Workload] | None = None,
    device: str | None = None,
    out: str | Path | None = None,
) -> Calibration:
    """Fit what measurements of a chip add to the law of its class, and how sure it is.

    Args:
        chip: that was measured: an accelerator, a name, or a chip file.
        records: measurements of whole networks on it: records, a table of their columns, or a file of them.
        workloads: networks by the name that the records give them; the others are rebuilt by that name.
        device: name of the chip in the records; None: the chip's own.
        out: file to write; `<chip>.calibration.yaml` beside the chip's file is found by itself. None: none.

    Raises:
        InputError: no row can be used; the message says why.
        FileError: a file that holds no records.
        NotCostableError: the chip lacks a peak or a bandwidth.
        StorageError: the file cannot be written.
    """
    from hw_models.calibration.calibrate import calibrate as fit
    from hw_models.calibration.file import write_calibration
    from hw_models.cost.estimate import as_accelerator
    from search_spaces.published.catalogue import published_network

    made = fit(as_accelerator(chip), records, workloads=workloads, resolver=published_network, device=device)
    if out is not None:
        write_calibration(made, out)
    return made
