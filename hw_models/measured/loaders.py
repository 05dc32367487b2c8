"""The sets of measurements that are known by name; a directory of them as records with their devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hw_models.errors import FileError, UnknownNameError, did_you_mean, nearest, sentence
from hw_models.measured.devices import SHIPPED, DeviceTable, read_devices, shipped_devices
from hw_models.measured.published import (
    deepbench,
    drobotics_rdkx5,
    hailo_fps,
    hat,
    llmcompass,
    mlperf_edge,
    mlperf_small,
    neusight,
    paddleclas,
    qualcomm_aihub,
    rockchip_fps,
    ti_tidl_evm,
    timm_throughput,
    vidur,
    vitis_ai_dpu,
)
from hw_models.measured.reading import read
from hw_models.measured.records import concat
from hw_models.measured.tables import NoRowsError, dataset_name, find_tables

if TYPE_CHECKING:
    from hw_models.measured.published.base import Dataset
    from hw_models.measured.records import Records

MODULES: Final = (
    timm_throughput,
    qualcomm_aihub,
    hailo_fps,
    rockchip_fps,
    drobotics_rdkx5,
    ti_tidl_evm,
    vitis_ai_dpu,
    mlperf_edge,
    mlperf_small,
    neusight,
    vidur,
    llmcompass,
    deepbench,
    hat,
    paddleclas,
)
"""Sources; each has its sets in `SETS`."""

DATASETS: Final[Mapping[str, Dataset]] = {d.name: d for module in MODULES for d in module.SETS}

BESIDE: Final = (
    "devices",
    "device_names",
    "naive_baselines_timm",
    "naive_baselines_other",
    "timm_imagenet_top1",
    "qualcomm_aihub_models",
)
"""Tables that stand beside the measurements and are none of cost."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What a directory holds.

    Attributes:
        records: by data set, in the order of `DATASETS`.
        devices: those described there, the shipped ones behind them.
        not_read: files with rows of sets that have no reader.
        hollow: sets with a file without a row that holds, and what is said of it; the others are read.
    """

    records: Mapping[str, Records]
    devices: DeviceTable
    not_read: tuple[str, ...]
    hollow: tuple[tuple[str, NoRowsError], ...] = ()


def load(
    data: str | Path | None = None,
    *,
    datasets: Sequence[str] | None = None,
    others: Callable[[str], bool] | None = None,
) -> Measured:
    """Read the known files in `data` and below; None: the rows that ship.

    Args:
        data: directory with files of the known names (csv, csv.gz, parquet); `devices` and `device_names`
            tables there go before the shipped ones.
        datasets: names of the sets wanted; None: all.
        others: whether somebody else reads the file of that name; with such a file there may be no records.

    Raises:
        UnknownNameError: a set that is not known.
        InputError: `data` is not a directory.
        FileError: no known file, or a file that cannot be read as what its name says; no row anywhere.
    """
    wanted = list(DATASETS) if datasets is None else list(datasets)
    for name in wanted:
        if name not in DATASETS:
            raise UnknownNameError("data set", name, DATASETS, f"known: {', '.join(DATASETS)}")
    directory = SHIPPED if data is None else Path(data)
    files = find_tables(directory)
    devices = shipped_devices() if data is None else read_devices(directory).over(shipped_devices())
    records, hollow = _read_all(wanted, files, devices)
    read_elsewhere = others or (lambda _: False)
    if not records and not any(read_elsewhere(dataset_name(p)) for p in files):
        raise hollow[0][1] if hollow else _nothing_known(directory, files, wanted)
    known = {*DATASETS, *BESIDE}
    unread = [p for p in files if dataset_name(p) not in known and not read_elsewhere(dataset_name(p))]
    not_read = tuple(str(p.relative_to(directory)) for p in unread) if data else ()
    return Measured(records, devices, not_read, tuple(hollow))


def _read_all(
    wanted: Sequence[str], files: Sequence[Path], devices: DeviceTable
) -> tuple[dict[str, Records], list[tuple[str, NoRowsError]]]:
    """The records of each set, and the files that have none."""
    records: dict[str, Records] = {}
    hollow: list[tuple[str, NoRowsError]] = []
    for name in wanted:
        parts = []
        for path in (p for p in files if dataset_name(p) == name):
            try:
                parts.append(read(path, DATASETS[name], devices))
            except NoRowsError as error:
                hollow.append((name, error))
        if parts:
            records[name] = concat(parts)
    return records, hollow


def _nothing_known(directory: Path, files: Sequence[Path], wanted: Sequence[str]) -> FileError:
    given = sorted({dataset_name(p) for p in files})
    close = [n for g in given for n in nearest(g, wanted)]
    what = (
        f"holds no known table; found {', '.join(given)}" if given else "holds no csv, csv.gz or parquet file"
    )
    expected = f"expected {', '.join(f'{name}.csv' for name in wanted)} (or .csv.gz, .parquet) in it or below"
    return FileError.at(directory, sentence(what, expected, did_you_mean(close)))
