"""Measurements joined with what was run: each row with its network as a workload and its device as a chip.

The same join serves the check of a model (`validate`) and the fit of its constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.chips import Chips, lowering_as_run
from hw_models.errors import CodesignError
from hw_models.measured.loaders import DATASETS
from hw_models.measured.schema import STEP
from hw_models.measured.stand_ins import running
from hw_models.measured.threads import on_threads
from hw_models.validation.networks import Networks, Resolver
from hw_models.workload.named import NamedNetwork
from hw_models.workload.op import Precision

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
RAN: Final = [*NAME, "precision", "runtime", "runtime_version", "compiled", "layout", "scenario", "threads"]
"""What the rows of a group have in common."""

RUN: Final = ["dataset", "network", "component", "img_size", "input_shape", "params", "macs", "_release"]
"""What tells one network from another."""

TORCH: Final = "torch"

Name = tuple[str, str, str]
"""Data set, device and mode."""

Progress = Callable[[int, int, str], None]
"""Called with what is done, of how much, and what is being done."""


@dataclass(frozen=True, eq=False)
class Group:
    """Rows of one data set, device and mode that ran in the same way.

    Attributes:
        rows: their records.
        workloads: (N,) the network of each row, traced at batch 1; () where only the rows are wanted.
        precision, lowering, layout: how they ran.
        runtime, runtime_version: what executed them; None: not stated.
        scenario: one of `hw_models.measured.schema.SCENARIOS`.
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
    runtime: str | None = None
    runtime_version: str | None = None
    scenario: str = STEP

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
        column = DATASETS[self.dataset].value
        stated: np.ndarray = self.rows[column].to_numpy(np.float64)
        return self.rows["batch"].to_numpy() / stated if column == "throughput_per_s" else stated

    def kernels(self) -> Kernels:
        """What ran, one network a row, at each row's batch."""
        from hw_models.lowering import lower

        return lower(
            self.workloads, lowering=self.lowering, precision=self.precision, batch=self.batch.tolist()
        )


@dataclass(frozen=True, eq=False)
class Joined:
    """Groups to predict, and what could not be joined: `dataset, device, mode, reason, n`.

    Attributes:
        alone: the rows of every group and those whose network cannot be had, without their networks: what a
            prediction from published totals needs.
    """

    groups: tuple[Group, ...]
    skipped: pd.DataFrame
    alone: tuple[Group, ...]


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
    _elsewhere(frame, chips, reasons)
    if max_rows is not None:
        thin(frame, reasons, max_rows)
    alone = [_group(rows, chips, {}) for rows in _by_run(frame[reasons.isna()])]
    networks = _resolve(frame, Networks(resolver), reasons, progress)
    groups = [_group(rows, chips, networks) for rows in _by_run(frame[reasons.isna()])]
    skipped = count_reasons(_not_joined(frame, reasons), refused(records.set_aside))
    return Joined(tuple(groups), skipped, tuple(alone))


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


def _by_run(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Rows that ran in the same way, in the order of their first rows."""
    for positions in frame.groupby(RAN, sort=False, dropna=False).indices.values():
        yield frame.iloc[positions]


def _not_comparable(frame: pd.DataFrame) -> pd.Series:
    """Reason of each row that is no inference of a whole network; missing where there is none."""
    import pandas as pd

    reasons = pd.Series(None, index=frame.index, dtype="object")
    scenario = frame["scenario"].fillna(STEP)
    stated = frame["dataset"].map({name: d.value for name, d in DATASETS.items()})
    value = sum(frame[c].where(stated == c, 0.0) for c in stated.unique())
    value = value.where((scenario == STEP) | (stated == "throughput_per_s"), frame["throughput_per_s"])
    reasons[frame["batch"].isna()] = "the batch is not stated"
    reasons[scenario.isin(["offline", "server"])] = "how queries were queued and batched is not stated"
    reasons[frame["precision"].isna()] = "no precision is given"
    reasons[value.isna()] = "no rate is given" if set(stated) == {"throughput_per_s"} else "no time is given"
    reasons[frame["n_devices"] > 1] = "several devices worked together"
    reasons[frame["network"].isna()] = "no network is named"
    reasons[frame["phase"].isin(["prefill", "decode"])] = "tokens of a language model are not modelled"
    reasons[frame["phase"] == "train"] = "training is not modelled"
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
            if chip.costable and not _has_peak(running(chip, str(precision)), str(precision)):
                reasons[some.index] = f"no {precision} peak of {chip.title} is known"
        chips[dataset, device] = chip
    return chips


def _has_peak(chip: Accelerator, precision: str) -> bool:
    """Whether products run at that precision, weight-only schemes included."""
    codes = {p.label: p for p in Precision}
    return precision in codes and bool(np.isfinite(Chips.of([chip]).mac_peak[0, codes[precision]]))


def _elsewhere(frame: pd.DataFrame, chips: dict[tuple[str, str], Accelerator], reasons: pd.Series) -> None:
    """Rows that ran on another kind of engine than the one that the device's figures describe."""
    for (dataset, device, engine), rows in frame[reasons.isna()].groupby(
        ["dataset", "device", "engine"], sort=False
    ):
        kind = chips[str(dataset), str(device)].main_engine.kind
        if engine != kind:
            reasons[rows.index] = f"ran on the {engine}; of this device the figures of its {kind} are known"


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
    asked = frame[reasons.isna()].copy()
    # one release of PyTorch merges branches and another does not; elsewhere the release changes no network
    asked["_release"] = asked["runtime_version"].where(asked["runtime"] == TORCH).fillna("")
    parts = asked.groupby(["dataset", "network"])["component"].transform("nunique")
    # parameters of a network that was measured in parts are those of no part
    asked.loc[parts > 1, ["params", "macs"]] = np.nan
    runs = list(asked.groupby(RUN, sort=False, dropna=False).indices.values())
    for done, positions in enumerate(runs):
        row = asked.iloc[positions[0]]
        if progress and done % PROGRESS_EVERY == 0:
            progress(done, len(runs), f"networks: {row['network']}")
        release = str(row["_release"]) if row["runtime"] == TORCH else None
        workload = networks.as_run(named(row), release)
        if isinstance(workload, str):
            reasons[asked.index[positions]] = workload
        else:
            found |= dict.fromkeys(asked.index[positions].tolist(), workload)
    if progress and runs:
        progress(len(runs), len(runs), "networks")
    return found


def named(row: pd.Series) -> NamedNetwork:
    """The network of a record, as whoever builds it is asked for it."""

    def text(column: str) -> str:
        return row[column] if isinstance(row[column], str) else ""

    def number(column: str) -> float | None:
        return float(row[column]) if row[column] > 0 else None

    return NamedNetwork(
        dataset=str(row["dataset"]),
        name=str(row["network"]),
        component=text("component"),
        img_size=int(row["img_size"]) if row["img_size"] > 0 else None,
        input_shape=text("input_shape"),
        params=number("params"),
        macs=number("macs"),
    )


def _group(
    rows: pd.DataFrame, chips: dict[tuple[str, str], Accelerator], networks: dict[int, Workload]
) -> Group:
    first = rows.iloc[0]
    chip = configured(chips[first["dataset"], first["device"]], first)
    chip = on_threads(running(chip, str(first["precision"])), first["threads"])

    def text(column: str) -> str | None:
        return first[column] if isinstance(first[column], str) else None

    return Group(
        dataset=first["dataset"],
        device=first["device"],
        mode=str(first["mode"]),
        chip=chip,
        rows=rows,
        workloads=tuple(networks[i] for i in rows.index if i in networks),
        precision=str(first["precision"]),
        lowering=lowering_as_run(chip, text("runtime"), first["compiled"], text("layout")),
        layout=text("layout"),
        runtime=text("runtime"),
        runtime_version=text("runtime_version"),
        scenario=text("scenario") or STEP,
    )


def configured(chip: Accelerator, row: pd.Series) -> Accelerator:
    """The chip as it was set up for a record, where the set says more of it than the table of devices."""
    set_up = DATASETS[str(row["dataset"])].configured
    return set_up(chip, {str(k): v for k, v in row.items()}) if set_up else chip


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
