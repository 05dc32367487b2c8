"""Measurements joined with what was run: each row with its network as a workload and its device as a chip.

The same join serves the check of a model (`validate`) and the fit of its constants
(`benchmarks/fit_class_constants.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.errors import CodesignError
from hw_models.measured.loaders import DATASETS
from hw_models.validation.networks import Networks, Resolver

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.cost.arrays import IntArray, Kernels
    from hw_models.measured.devices import DeviceTable
    from hw_models.measured.records import Records
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload

PROGRESS_EVERY: Final = 20
"""Networks between two signs of life."""

NAME: Final = ["dataset", "device", "mode"]
RUN: Final = ["network", "img_size", "params", "runtime_version"]
Name = tuple[str, str, str]
"""Data set, device and mode."""

Progress = Callable[[int, int, str], None]
"""Called with what is done, of how much, and what is being done."""


@dataclass(frozen=True, eq=False)
class Group:
    """The rows of one data set, device and mode that a model can be asked about.

    Attributes:
        rows: their records.
        workloads: (N,) the network of each row, traced at batch 1.
        precision, lowering, layout: how they ran.
    """

    dataset: str
    device: str
    mode: str
    chip: Accelerator
    rows: pd.DataFrame
    workloads: tuple[Workload, ...]
    precision: str
    lowering: str
    layout: str | None

    @property
    def name(self) -> Name:
        """Data set, device and mode."""
        return self.dataset, self.device, self.mode

    @property
    def batch(self) -> IntArray:
        """(N,) inputs of one step."""
        return self.rows["batch"].to_numpy(np.int64)

    @property
    def step_s(self) -> np.ndarray:
        """(N,) measured seconds of one step, from the quantity that the file states."""
        value: np.ndarray = self.rows["batch"].to_numpy() / self.rows["throughput_per_s"].to_numpy()
        return value

    def kernels(self) -> Kernels:
        """What ran, one network a row, at each row's batch."""
        from hw_models.lowering import lower

        return lower(
            self.workloads, lowering=self.lowering, precision=self.precision, batch=self.batch.tolist()
        )


@dataclass(frozen=True, eq=False)
class Joined:
    """Groups to predict, and what could not be joined: `dataset, device, mode, reason, n`."""

    groups: tuple[Group, ...]
    skipped: pd.DataFrame


def join(
    records: Records,
    devices: DeviceTable,
    resolver: Resolver,
    *,
    max_rows: int | None = None,
    progress: Progress | None = None,
) -> Joined:
    """Give every row its chip and its network, and every row that has none its reason.

    Args:
        records: measurements of any of the known sets.
        devices: what the devices are.
        resolver: finds networks by name.
        max_rows: of each device and mode at most so many rows, spread evenly; None: all.
        progress: told after each network.
    """
    frame = records.frame
    reasons = _not_comparable(frame)
    chips = chips_of(frame, devices, reasons)
    if max_rows is not None:
        thin(frame, reasons, max_rows)
    networks = _resolve(frame, Networks(resolver), reasons, progress)
    groups = [
        _group(frame.loc[index], name, chips[name[:2]], networks)
        for name, index in _by_mode(frame[reasons.isna()])
    ]
    return Joined(tuple(groups), count_reasons(_not_joined(frame, reasons), refused(records.set_aside)))


def group_names(frame: pd.DataFrame) -> list[Name]:
    """Every data set, device and mode of a table, in the order of their first rows."""
    return list(frame[NAME].drop_duplicates().itertuples(index=False, name=None))


def count_reasons(*parts: pd.DataFrame) -> pd.DataFrame:
    """Rows by data set, device, mode and reason; a table without a column `n` has one line a row."""
    import pandas as pd

    counted = pd.concat([p if "n" in p else p.assign(n=1) for p in parts], ignore_index=True)
    by = [*NAME, "reason"]
    return counted.groupby(by, sort=False, dropna=False)["n"].sum().reset_index()


def _by_mode(frame: pd.DataFrame) -> Iterator[tuple[Name, pd.Index]]:
    """Rows by data set, device and mode, in the order of their first rows."""
    for (dataset, device, mode), rows in frame.groupby(NAME, sort=False):
        yield (str(dataset), str(device), str(mode)), rows.index


def _not_comparable(frame: pd.DataFrame) -> pd.Series:
    """Reason of each row that is no inference of a whole network; missing where there is none."""
    import pandas as pd

    reasons = pd.Series(None, index=frame.index, dtype="object")
    reasons[frame["phase"] != "infer"] = "training is not modelled"
    reasons[frame["network"].isna()] = "no network is named"
    reasons[frame["throughput_per_s"].isna()] = "no rate is given"
    return reasons


def chips_of(
    frame: pd.DataFrame, devices: DeviceTable, reasons: pd.Series
) -> dict[tuple[str, str], Accelerator]:
    """The chip of each (data set, device); rows on one that is unknown or not costable get the reason."""
    chips: dict[tuple[str, str], Accelerator] = {}
    for names, rows in frame[reasons.isna()].groupby(["dataset", "device"], sort=False):
        dataset, device = (str(n) for n in names)
        try:
            key = devices.key(dataset, DATASETS[dataset].device_column, device)
            chip = devices.accelerator(key)
        except CodesignError as error:
            reasons[rows.index] = str(error)
            continue
        if not chip.costable:
            reasons[rows.index] = f"not costable: {'; '.join(chip.why_not_costable())}"
        for precision, some in rows.groupby("precision"):
            if chip.costable and precision not in chip.precisions:
                reasons[some.index] = f"no {precision} peak of {chip.title} is known"
        chips[dataset, device] = chip
    return chips


def thin(frame: pd.DataFrame, reasons: pd.Series, max_rows: int) -> None:
    """Keep `max_rows` of every device and mode, evenly spread over the file."""
    for _, index in _by_mode(frame[reasons.isna()]):
        keep = np.unique(np.linspace(0, len(index) - 1, min(max_rows, len(index))).round().astype(int))
        reasons[index.delete(keep)] = f"left out: at most {max_rows} rows of a device and mode were asked for"


def _resolve(
    frame: pd.DataFrame, networks: Networks, reasons: pd.Series, progress: Progress | None
) -> dict[int, Workload]:
    """Row -> workload; rows whose network cannot be had as it was run get the reason."""
    found: dict[int, Workload] = {}
    asked = frame[reasons.isna()]
    runs = list(asked.groupby(RUN, sort=False, dropna=False).indices.values())
    for done, positions in enumerate(runs):
        row = asked.iloc[positions[0]]
        if progress and done % PROGRESS_EVERY == 0:
            progress(done, len(runs), f"networks: {row['network']}")
        size = int(row["img_size"]) if row["img_size"] > 0 else None  # NaN where the file gives none
        workload = networks.as_run(row["network"], size, row["params"], str(row["runtime_version"]))
        if isinstance(workload, str):
            reasons[asked.index[positions]] = workload
        else:
            found |= dict.fromkeys(asked.index[positions].tolist(), workload)
    if progress and runs:
        progress(len(runs), len(runs), "networks")
    return found


def _group(rows: pd.DataFrame, name: Name, chip: Accelerator, networks: dict[int, Workload]) -> Group:
    first = rows.iloc[0]
    layout = first["layout"]
    return Group(
        dataset=name[0],
        device=name[1],
        mode=name[2],
        chip=chip,
        rows=rows,
        workloads=tuple(networks[i] for i in rows.index),
        precision=str(first["precision"]),
        lowering="compiled" if first["compiled"] == 1 else "eager",
        layout=layout if isinstance(layout, str) else None,
    )


def _not_joined(frame: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    """Rows that passed every check and have no chip or no network."""
    return frame.assign(reason=reasons)[reasons.notna()][[*NAME, "reason"]]


def refused(set_aside: pd.DataFrame) -> pd.DataFrame:
    """Rows that some check did not let pass, once each; `Records.set_aside` has which row repeats which."""
    rows = set_aside.drop_duplicates(["file", "row"])
    cell = rows["column"].where(rows["column"] == "", rows["column"] + " ")
    why = rows["reason"].str.replace(
        r"duplicate of row \d+( of [^,]*)?", "duplicate of another row", regex=True
    )
    return rows.assign(reason="set aside: " + cell + why)[[*NAME, "reason"]]
