"""The table of measurements: what it lets in, what it sets aside, what survives a trip to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.errors import FileError, InputError, StorageError
from hw_models.measured.records import Records, concat
from hw_models.measured.schema import BY_NAME, COLUMNS, RECORDS_FORMAT

UNITS = ("_s", "_j", "_w", "_hz", "_bytes")
COUNTS = {"params", "macs", "activations"}
GOOD = {
    "dataset": "own",
    "device": "rtx4090",
    "phase": "infer",
    "mode": "infer|amp",
    "precision": "fp16",
    "batch": 8,
    "network": "resnet18",
    "mean_s": 0.02,
    "throughput_per_s": 400.0,
    "source": "a test",
}


def frame(*changes: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([{**GOOD, **change} for change in changes])


def test_every_column_has_a_place_and_the_order_is_the_schema() -> None:
    records = Records.from_frame(frame({}))
    assert list(records.frame.columns) == [c.name for c in COLUMNS]
    assert len(records) == 1
    assert np.isnan(records.frame["energy_j"].iloc[0]), "not given is unknown, never 0"


def test_repeats_that_differ_in_time_all_stay() -> None:
    records = Records.from_frame(frame({}, {"mean_s": 0.0201}, {"mean_s": 0.0199}))
    assert records.frame["mean_s"].tolist() == [0.02, 0.0201, 0.0199]


def test_exact_duplicates_are_set_aside_and_name_the_first() -> None:
    records = Records.from_frame(frame({}, {"network": "resnet34"}, {}, {}))
    assert len(records) == 2
    assert records.set_aside["row"].tolist() == [4, 5]
    assert set(records.set_aside["reason"]) == {"exact duplicate of row 2"}


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"mean_s": -0.02}, "mean_s", "-0.02 given, expected more than 0"),
        ({"throughput_per_s": 0}, "throughput_per_s", "0 given, expected more than 0"),
        ({"mean_s": "20 ms"}, "mean_s", "'20 ms' given, expected a plain number in seconds"),
        ({"mean_s": float("inf")}, "mean_s", "'inf' given, expected a plain number in seconds"),
        (
            {"device": None},
            "device",
            "is missing; Key of the device in devices.csv, or the name as measured.",
        ),
        ({"phase": ""}, "phase", "is missing; infer, train, prefill or decode."),
        ({"scenario": "multistream"}, "scenario", "is none of step, stream, offline, server"),
        ({"p50_s": 0.02e-3}, "mean_s", "differs from p50_s by a factor of 1000: mixed units"),
        (
            {"layers": 10, "layers_npu": 9, "layers_cpu": 2},
            "layers",
            "is less than the layers placed on engines",
        ),
        ({"batch": 1.5}, "batch", "1.5 given, expected a whole number"),
        ({"compiled": 2}, "compiled", "2 given, expected 0 or 1"),
        ({"network": None}, "network", "neither a network nor an operator is named"),
        (
            {"mean_s": None, "throughput_per_s": None},
            "mean_s",
            "neither a time, a rate nor an energy is given",
        ),
        (
            {"mean_s": 20.0},
            "mean_s",
            "batch / throughput and the time of a step differ by a factor of 1000: mixed units",
        ),
        ({"p50_s": 0.03, "p99_s": 0.02}, "p99_s", "is less than p50_s: mixed units or swapped columns"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "+".join(value),
)
def test_a_wrong_row_is_named_and_set_aside(change: dict[str, object], column: str, reason: str) -> None:
    table = frame({"network": "resnet34"}, change)
    records = Records.from_frame(table, file="own.csv")
    assert records.frame["network"].tolist() == ["resnet34"]
    aside = records.set_aside.iloc[0]
    assert (aside["file"], aside["row"], aside["column"], aside["reason"]) == ("own.csv", 3, column, reason)
    with pytest.raises(FileError) as refused:
        Records.from_frame(table, file="own.csv", strict=True)
    assert f"own.csv:3: {column}: {reason}" in str(refused.value)


def test_unknown_and_missing_columns_are_refused_with_the_nearest_name() -> None:
    table = frame({}).rename(columns={"phase": "phas"})
    with pytest.raises(FileError) as refused:
        Records.from_frame(table, file="own.csv")
    assert str(refused.value).splitlines() == [
        "own.csv:1: phas: unknown column; did you mean 'phase' or 'hash' or 'params'?",
        "own.csv:1: phase: column is missing; infer, train, prefill or decode.",
    ]


@pytest.mark.parametrize("name", ["own.csv", "own.csv.gz", "own.parquet"])
def test_a_trip_to_disk_changes_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    records = Records.from_frame(frame({}, {"p50_s": 0.1 + 0.2, "clock_hz": 1.41e9, "shape": "m=64, n=64"}))
    _write(records, path)
    again = Records.read(path, strict=True)
    pd.testing.assert_frame_equal(again.frame, records.frame)


@pytest.mark.parametrize("name", ["own.csv.gz", "own.parquet"])
def test_the_same_records_are_the_same_bytes(tmp_path: Path, name: str) -> None:
    records = Records.from_frame(frame({}))
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        _write(records, tmp_path / folder / name)
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    Records.from_frame(frame({})).to_csv(path)
    path.write_text(path.read_text().replace(f"format={RECORDS_FORMAT}", "format=99"))
    with pytest.raises(FileError, match=r"own\.csv:1: format version 99 found; expected .*=2"):
        Records.read(path)


def test_the_first_version_is_read_with_its_new_columns_empty(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    old = ["scenario", "storage", "component", "function", "peak_memory_bytes", "layers", "n_devices"]
    table = Records.from_frame(frame({})).frame.drop(columns=old)
    path.write_text("# codesign_records_format=1\n" + table.to_csv(index=False))
    again = Records.read(path, strict=True).frame
    assert again[old].isna().all(axis=None)
    assert again["mean_s"].tolist() == [0.02]


def test_a_stream_may_be_faster_than_one_over_its_time() -> None:
    records = Records.from_frame(frame({"scenario": "stream", "throughput_per_s": 4000.0}))
    assert len(records) == 1


def test_repeats_inside_a_file_are_no_copies_and_copies_in_another_file_are() -> None:
    twice = Records.from_frame(frame({}, {}), file="one.csv", copies=None)
    thrice = Records.from_frame(frame({}, {}, {}), file="two.csv", copies=None)
    joined = concat([twice, thrice])
    assert joined.frame["file"].tolist() == ["one.csv", "one.csv", "two.csv"]
    assert joined.frame["row"].tolist() == [2, 3, 4]


def test_equal_repeats_of_a_file_survive_a_trip_to_disk_and_a_line_written_twice_does_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.csv"
    Records.from_frame(frame({}, {}), file="one.csv", copies=None).to_csv(path)
    assert len(Records.read(path)) == 2
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    again = Records.read(path)
    assert (len(again), again.set_aside["reason"].tolist()) == (2, ["exact duplicate of row 3"])


def test_two_files_glued_together_are_not_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    Records.from_frame(frame({}, {"network": "resnet34"})).to_csv(path)
    path.write_text(path.read_text() * 2)
    again = Records.read(path)
    assert len(again) == 2
    assert again.set_aside[["file", "row"]].drop_duplicates().shape == (4, 2), "version, header, two copies"
    with pytest.raises(FileError):
        Records.read(path, strict=True)


def test_a_table_without_a_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    frame({}).to_csv(path, index=False)
    with pytest.raises(FileError, match="no format version found"):
        Records.read(path)


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    records = Records.from_frame(frame({}))
    for write, name in ((records.to_csv, "a.csv"), (records.to_parquet, "a.parquet")):
        with pytest.raises(StorageError, match="could not be written"):
            write(tmp_path / "no" / "such" / name)


def test_concat_keeps_one_of_a_row_that_two_files_share() -> None:
    one = Records.from_frame(frame({}), file="one.csv")
    two = Records.from_frame(frame({}, {"network": "resnet34"}), file="two.csv")
    joined = concat([one, two])
    assert joined.frame["network"].tolist() == ["resnet18", "resnet34"]
    assert joined.set_aside["reason"].tolist() == ["exact duplicate of row 2 of one.csv"]
    with pytest.raises(InputError):
        concat([])


def test_the_table_cannot_be_changed_from_outside() -> None:
    records = Records.from_frame(frame({}))
    taken = records.frame
    taken.loc[0, "device"] = "other"
    assert records.frame["device"].iloc[0] == "rtx4090"
    with pytest.raises(AttributeError):
        records.set_aside = pd.DataFrame()  # type: ignore[misc]


@settings(max_examples=25, deadline=None)
@given(
    times=st.lists(st.floats(-1.0, 1.0, allow_nan=False), min_size=1, max_size=8),
)
def test_rows_are_either_kept_or_set_aside_never_lost(times: list[float]) -> None:
    rows = [{"mean_s": t, "throughput_per_s": None, "network": f"n{i}"} for i, t in enumerate(times)]
    records = Records.from_frame(frame(*rows))
    assert len(records) + records.set_aside["row"].nunique() == len(times)
    assert (records.frame["mean_s"] > 0).all()


def test_numeric_columns_say_their_unit() -> None:
    without = [
        c.name for c in COLUMNS if c.holds == "number" and not c.name.endswith(UNITS) and c.name not in COUNTS
    ]
    assert not without


def _write(records: Records, path: Path) -> None:
    (records.to_parquet if path.suffix == ".parquet" else records.to_csv)(path)


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(COLUMNS)
