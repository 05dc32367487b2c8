"""What holds for every published set: it ships whole or says why not, and a wrong row never gets in."""

from __future__ import annotations

from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from pyarrow.parquet import ParquetFile

from hw_models.errors import FileError, UnknownNameError
from hw_models.measured.devices import SHIPPED, read_devices, shipped_devices
from hw_models.measured.loaders import DATASETS, load
from hw_models.measured.reading import read
from hw_models.measured.records import Records
from hw_models.measured.tables import dataset_name, find_tables

if TYPE_CHECKING:
    from hw_models.measured.published.base import Dataset

ROWS = {
    "deepbench_conv": 1_128,
    "deepbench_conv_inference": 444,
    "deepbench_gemm": 2_259,
    "drobotics_rdkx5_latency": 120,
    "hailo_fps": 437,
    "hat_transformer_latency": 6_000,
    "llmcompass_ops": 84,
    "mlperf_automotive": 7,
    "mlperf_edge_closed": 1_372,
    "mlperf_edge_grid": 3_167,
    "mlperf_mobile": 13,
    "mlperf_tiny": 284,
    "neusight_conv": 19_875,
    "neusight_gemm": 134_662,
    "neusight_vector": 138_369,
    "paddleclas_latency": 222,
    "qualcomm_aihub_latency": 4_727,
    "qualcomm_aihub_llm": 37,
    "rockchip_fps": 212,
    "timm_throughput": 15_310,
    "vidur_llm_ops": 145_578,
    "vitis_ai_dpu_fps": 932,
}
"""Rows of each set that ships, as its source has them."""

SET_ASIDE = {
    "deepbench_conv": 12,
    "deepbench_conv_inference": 11,
    "hailo_fps": 4,
    "paddleclas_latency": 15,
    "qualcomm_aihub_latency": 395,
    "vidur_llm_ops": 302,
}
"""Rows of them that are copies or cannot be true."""

TI = (
    "branch,device,model,total_ms,offload_ms,runtime\n"
    "b1,am68a,cl-tfl-mobilenet_v1_1.0_224,1.72,1.7,tfl-py\n"
    "b1,am68a,od-tfl-ssd_mobilenet_v2_300_float,6.91,6.89,tfl-py\n"
    "b1,am69a,cl-ort-resnet18-v1,2.54,0.0,ort-cpp\n"
)


@pytest.fixture(scope="module")
def everything() -> dict[str, Records]:
    return dict(load().records)


def shipped_file(dataset: Dataset) -> Path:
    return next(p for p in find_tables(SHIPPED) if dataset_name(p) == dataset.name)


@cache
def some_rows(name: str) -> pd.DataFrame:
    """The first four rows of a set that differ in more than their figures, as text."""
    dataset = DATASETS[name]
    if dataset.why_not_shipped:
        return pd.read_csv(StringIO(TI), dtype="str", keep_default_na=False)
    path = shipped_file(dataset)
    if path.suffix == ".parquet":
        table = next(ParquetFile(path).iter_batches(400)).to_pandas().astype("str")
    else:
        table = pd.read_csv(path, dtype="str", keep_default_na=False, nrows=400)
    figures = list(dataset.measures or (dataset.quantity,))
    identity = [c.name for c in dataset.columns if c.name not in figures]
    good = table[(table[figures] != "").any(axis=1)]
    return good.drop_duplicates(identity).head(4).reset_index(drop=True)


def first_rows(dataset: Dataset) -> pd.DataFrame:
    return some_rows(dataset.name).copy()


def figure_of(dataset: Dataset, rows: pd.DataFrame) -> str:
    """A column with a measurement in every one of some rows."""
    figures = dataset.measures or (dataset.quantity,)
    return max(figures, key=lambda c: int((rows[c] != "").sum()))


def test_the_shipped_sets_are_all_there_and_every_row_is_accounted_for(
    everything: dict[str, Records],
) -> None:
    assert sorted(everything) == sorted(ROWS)
    aside = {
        name: records.set_aside["row"].nunique()
        for name, records in everything.items()
        if len(records.set_aside)
    }
    assert aside == SET_ASIDE
    for name, records in everything.items():
        rows = set(records.frame["row"]) | set(records.set_aside["row"])
        assert rows == set(range(2, ROWS[name] + 2)), name


def test_what_ships_states_its_source_and_licence(everything: dict[str, Records]) -> None:
    readme = (SHIPPED / "README.md").read_text()
    for name, records in everything.items():
        frame = records.frame
        assert set(frame["licence"]) == {DATASETS[name].licence}
        assert set(frame["licence"]) <= {"Apache-2.0", "MIT", "BSD-3-Clause"}, "others may not ship"
        assert frame["source"].notna().all()
        assert f"{ROWS[name]:,}" in readme, f"{name} is missing in the README beside the data"


def test_what_may_not_ship_says_why() -> None:
    absent = {d.name: d.why_not_shipped for d in DATASETS.values() if d.name not in ROWS}
    assert absent == {"ti_tidl_evm_latency": "TI's text file licence does not let it"}


def test_every_record_has_what_a_comparison_needs(everything: dict[str, Records]) -> None:
    for name, records in everything.items():
        frame = records.frame
        assert frame[["device", "mode", "scenario", "phase"]].notna().all(axis=None), name
        assert (frame["network"].notna() ^ frame["operator"].notna()).all(), name
        assert frame[["mean_s", "p50_s", "throughput_per_s", "energy_j"]].notna().any(axis=1).all(), name
        stream = frame["scenario"] == "stream"
        assert not (stream & frame["energy_j"].notna()).any(), name


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_a_copied_row_is_set_aside_and_named(tmp_path: Path, dataset: Dataset) -> None:
    rows = first_rows(dataset)
    records = written(tmp_path, dataset, pd.concat([rows, rows.iloc[[1]]]))
    assert records.set_aside["row"].tolist() == [len(rows) + 2]
    assert records.set_aside["reason"].tolist() == ["exact duplicate of row 3"]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
@pytest.mark.parametrize(
    ("cell", "reason"),
    [("-1.5", "-1.5 given, expected more than 0"), ("12 ms", "'12 ms' given, expected a plain number")],
    ids=["negative", "with a unit"],
)
def test_a_wrong_figure_is_set_aside_and_named(
    tmp_path: Path, dataset: Dataset, cell: str, reason: str
) -> None:
    rows = first_rows(dataset)
    figure = figure_of(dataset, rows)
    rows.loc[2, figure] = cell
    records = written(tmp_path, dataset, rows)
    told = records.set_aside[records.set_aside["column"] == figure]
    assert told["row"].tolist() == [4]
    assert told["reason"].iloc[0].startswith(reason)
    assert told["dataset"].iloc[0] == dataset.name
    assert told[["device", "mode"]].ne("").all(axis=None), "skipped rows are counted by device and mode"


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_a_missing_name_is_set_aside_and_named(tmp_path: Path, dataset: Dataset) -> None:
    rows = first_rows(dataset)
    needed = next(c.name for c in dataset.columns if c.required and c.holds == "text")
    rows.loc[0, needed] = ""
    records = written(tmp_path, dataset, rows)
    told = records.set_aside
    assert told[["row", "column"]].to_numpy().tolist() == [[2, needed]]
    assert told["reason"].iloc[0].startswith("is missing; ")
    assert 2 not in set(records.frame["row"])


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_a_missing_column_names_the_nearest(tmp_path: Path, dataset: Dataset) -> None:
    figure = figure_of(dataset, rows := first_rows(dataset))
    with pytest.raises(FileError, match=f"csv:1: {figure}: column is missing; .*did you mean '{figure}_x'"):
        written(tmp_path, dataset, rows.rename(columns={figure: f"{figure}_x"}))


@pytest.mark.parametrize("name", ["neusight_gemm", "vidur_llm_ops", "rockchip_fps"])
def test_a_repeat_in_another_unit_is_told_by_its_repeats(tmp_path: Path, name: str) -> None:
    dataset = DATASETS[name]
    rows = first_rows(dataset)
    figure = figure_of(dataset, rows)
    value = float(rows.loc[0, figure])
    repeats = [
        rows.iloc[[0]].assign(**{figure: f"{v:.9g}"}) for v in (1.01 * value, 0.99 * value, 1e3 * value)
    ]
    records = written(tmp_path, dataset, pd.concat([rows, *repeats]))
    assert len(records) == len(rows) + 2, "honest repeats stay"
    assert records.set_aside["row"].tolist() == [len(rows) + 4]
    assert "by a factor of 1000: mixed units" in records.set_aside["reason"].iloc[0]


def test_of_two_repeats_in_two_units_neither_gets_in(tmp_path: Path) -> None:
    dataset = DATASETS["vidur_llm_ops"]
    rows = first_rows(dataset)
    slipped = rows.iloc[[0]].assign(latency_ms=str(1e3 * float(rows.loc[0, "latency_ms"])))
    records = written(tmp_path, dataset, pd.concat([rows, slipped]))
    assert records.set_aside["row"].tolist() == [2, len(rows) + 2]


def test_a_device_that_is_not_described_keeps_its_name_and_is_told(tmp_path: Path) -> None:
    rows = first_rows(DATASETS["hailo_fps"]).assign(device="hailo-99")
    rows.to_csv(tmp_path / "hailo_fps.csv", index=False)
    measured = load(tmp_path)
    assert set(measured.records["hailo_fps"].frame["device"]) == {"hailo-99"}
    with pytest.raises(UnknownNameError, match="unknown device 'hailo-99'; did you mean"):
        measured.devices.key("hailo_fps", "device", "hailo-99")


def test_two_names_of_one_device_are_one_device_by_the_table_alone(tmp_path: Path) -> None:
    """Other names than the ones that ship: nothing is keyed to a device's name."""
    dataset = DATASETS["rockchip_fps"]
    rows = first_rows(dataset).assign(device="zeta devkit")
    twin = rows.assign(device="Proxy of it")
    (tmp_path / "device_names.csv").write_text(
        "dataset,column,name_in_file,key\n"
        "rockchip_fps,device,zeta devkit,zeta\nrockchip_fps,device,Proxy of it,zeta\n"
    )
    (tmp_path / "devices.csv").write_text(
        (SHIPPED / "devices.csv").read_text().splitlines()[0] + "\nzeta,Zeta,Nobody,npu" + "," * 13 + "\n"
    )
    path = tmp_path / "rockchip_fps.csv"
    pd.concat([twin, rows]).to_csv(path, index=False)
    devices = read_devices(tmp_path).over(shipped_devices())
    records = read(path, dataset, devices)
    assert set(records.frame["device"]) == {"zeta devkit"}, "the name most like the key stays"
    assert records.set_aside["row"].tolist() == [2, 3, 4, 5]
    assert records.set_aside["reason"].iloc[0] == (
        "exact duplicate of row 6, which names the device 'zeta devkit'"
    )
    assert len(read(path, dataset).frame) == 8, "without a table they are two devices"


@pytest.mark.parametrize(
    "name", ["mlperf_edge_grid", "mlperf_edge_closed", "mlperf_mobile", "mlperf_automotive"]
)
def test_a_scenario_that_is_not_known_is_set_aside(tmp_path: Path, name: str) -> None:
    rows = first_rows(DATASETS[name])
    rows.loc[1, "scenario"] = "Interactive"
    records = written(tmp_path, DATASETS[name], rows)
    assert records.set_aside["row"].tolist() == [3]
    assert records.set_aside["reason"].iloc[0] == (
        "'Interactive' given, expected SingleStream, MultiStream, Offline or Server"
    )


def test_what_was_read_survives_a_trip_to_disk(tmp_path: Path, everything: dict[str, Records]) -> None:
    for name in ("mlperf_edge_grid", "qualcomm_aihub_latency", "deepbench_conv"):
        path = tmp_path / f"{name}.parquet"
        everything[name].to_parquet(path)
        pd.testing.assert_frame_equal(Records.read(path, strict=True).frame, everything[name].frame)


def written(folder: Path, dataset: Dataset, rows: pd.DataFrame) -> Records:
    """The records of a csv with these rows."""
    path = folder / f"{dataset.name}.csv"
    rows.replace({np.nan: ""}).to_csv(path, index=False)
    return read(path, dataset, shipped_devices())
