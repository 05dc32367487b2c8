"""Known sets in a directory: found, read, and answered like a compiler where they are broken."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from hw_models.errors import FileError, InputError, UnknownNameError
from hw_models.measured.loaders import DATASETS, load
from hw_models.measured.reading import read

TIMM = DATASETS["timm_throughput"]
HEADER = (
    "device,mode,dtype,layout,torch,cuda,compiled,model,family,img_size,batch,samples_per_s,step_ms,"
    "params_m,gmacs,macts"
)
ROWS = (
    "rtx4090,infer,amp,nchw,2.9.1,12.8,1,resnet18,resnet,224,256,12800.0,20.0,11.69,1.82,2.48",
    "rtx4090,infer,amp,nchw,2.9.1,12.8,1,resnet34,resnet,224,256,6400.0,40.0,21.8,3.67,3.74",
    "rtx4090,infer,amp,nchw,2.9.1,12.8,1,resnet50,resnet,224,256,5120.0,50.0,25.56,4.11,11.11",
)

WriteTable = Callable[..., Path]


@pytest.fixture
def write_table(tmp_path: Path) -> WriteTable:
    """Write a csv of the given lines; the path."""

    def write(*rows: str, header: str = HEADER, name: str = "timm_throughput.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *(rows or ROWS)]) + "\n", encoding="utf-8")
        return path

    return write


def test_the_rows_that_ship_are_all_there_and_all_hold() -> None:
    measured = load(datasets=["timm_throughput"])
    records = measured.records["timm_throughput"]
    assert len(records) == 15_310
    assert len(records.set_aside) == 0
    frame = records.frame
    assert set(frame["device"]) == {"rtx3090", "rtx4090", "i9_10940x"}
    assert set(frame["licence"]) == {"Apache-2.0"}
    assert frame["mode"].nunique() == 13
    assert "infer|amp|nchw|torch2.4.0|compiled" in set(frame["mode"])


def test_a_row_in_the_columns_of_the_one_table(write_table: WriteTable) -> None:
    row = read(write_table(), TIMM).frame.iloc[0]
    assert row["mode"] == "infer|amp|nchw|torch2.9.1|compiled"
    assert (row["precision"], row["batch"], row["network"], row["img_size"]) == ("fp16", 256, "resnet18", 224)
    assert row["mean_s"] == pytest.approx(0.02)
    assert (row["params"], row["macs"], row["activations"]) == pytest.approx((11.69e6, 1.82e9, 2.48e6))
    assert row["row"] == 2


@pytest.mark.parametrize(
    "name", ["timm_throughput.csv.gz", "timm_throughput.parquet", "deep/er/timm_throughput.csv"]
)
def test_every_form_of_the_file_is_found(tmp_path: Path, write_table: WriteTable, name: str) -> None:
    plain = write_table()
    target = tmp_path / "data" / name
    target.parent.mkdir(parents=True)
    if name.endswith(".gz"):
        target.write_bytes(gzip.compress(plain.read_bytes()))
    elif name.endswith(".parquet"):
        pd.read_csv(plain, dtype={"torch": "str"}).to_parquet(target)
    else:
        target.write_bytes(plain.read_bytes())
    frame = load(tmp_path / "data").records["timm_throughput"].frame
    assert frame["network"].tolist() == ["resnet18", "resnet34", "resnet50"]
    assert frame["mode"].unique().tolist() == ["infer|amp|nchw|torch2.9.1|compiled"]


def test_the_same_rows_in_two_files_count_once(tmp_path: Path, write_table: WriteTable) -> None:
    plain = write_table()
    (tmp_path / "timm_throughput.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    records = load(tmp_path).records["timm_throughput"]
    assert len(records) == 3
    assert len(records.set_aside) == 3
    assert (
        records.set_aside["reason"].str.contains(r"exact duplicate of row 2 of .*timm_throughput\.csv").sum()
        == 1
    )


def test_wrong_rows_are_set_aside_with_file_row_and_column(write_table: WriteTable) -> None:
    wrong = ROWS[0].replace("12800.0", "12800 img/s").replace("resnet18", "resnet26")
    slipped = ROWS[1].replace("40.0", "0.04")
    records = read(write_table(ROWS[0], wrong, slipped), TIMM)
    assert len(records) == 1
    aside = records.set_aside.set_index("row")
    assert aside.loc[3, "column"] == "samples_per_s"
    assert aside.loc[3, "reason"] == "'12800 img/s' given, expected a plain number"
    assert aside.loc[4, "column"] == "mean_s"
    assert "factor of 0.001: mixed units" in aside.loc[4, "reason"]
    assert set(aside["device"]) == {"rtx4090"}


BROKEN = {
    "missing column": (
        (HEADER.replace("samples_per_s", "samples_per_sec"), *ROWS),
        "csv:1: samples_per_s: column is missing; Images per second.; did you mean 'samples_per_sec'?",
    ),
    "only a header": (
        (HEADER,),
        "timm_throughput.csv:1: holds no rows; expected a header and at least one row",
    ),
    "empty": (("",), "timm_throughput.csv:1: is empty; expected a header and at least one row"),
    "ragged": (
        (HEADER, ROWS[0], ROWS[1] + ",7,8,9"),
        "timm_throughput.csv: is not a table: Expected 16 fields in line 3, saw 19",
    ),
    "no row holds": (
        (HEADER, ROWS[0].replace("256", "-256")),
        "timm_throughput.csv:2: batch: no row holds; the first says: -256 given, expected more than 0",
    ),
}


@pytest.mark.parametrize("case", ["only a header", "no row holds"])
def test_a_file_without_rows_spares_the_others(tmp_path: Path, case: str) -> None:
    lines, message = BROKEN[case]
    (tmp_path / "timm_throughput.csv").write_text("\n".join(lines))
    header, row = "device,demo,model,input_shape,dtype,fps", 'RK3588 @single_core,d,m,"[1, 3, 8, 8]",INT8,90'
    (tmp_path / "rockchip_fps.csv").write_text(f"{header}\n{row}\n")
    found = load(tmp_path)
    assert list(found.records) == ["rockchip_fps"]
    [(name, error)] = found.hollow
    assert name == "timm_throughput"
    assert message in str(error)
    assert error.n_rows == len(lines) - 1


@pytest.mark.parametrize(("lines", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_answers_like_a_compiler(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    (tmp_path / "timm_throughput.csv").write_text("\n".join(lines))
    with pytest.raises(FileError) as refused:
        load(tmp_path)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "timm_throughput.csv",
            b"device,mode\n\xff\xfe,1\n",
            "csv:2: byte 12 is not UTF-8; expected UTF-8 text",
        ),
        ("timm_throughput.csv.gz", gzip.compress(b"device,mode\nx,y\n")[:-9], "gz: is damaged"),
        ("timm_throughput.parquet", b"PAR1 not really", "parquet: is not a parquet file"),
    ],
    ids=["not text", "cut off", "not parquet"],
)
def test_unreadable_bytes(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FileError) as refused:
        load(tmp_path)
    assert message in str(refused.value)


def test_a_directory_without_a_known_table_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; expected a directory"):
        load(tmp_path / "nowhere")
    with pytest.raises(
        FileError, match=r"holds no csv, csv\.gz or parquet file; expected timm_throughput\.csv"
    ):
        load(tmp_path)
    (tmp_path / "tim_throughput.csv").write_text("a\n1\n")
    with pytest.raises(FileError, match=r"found tim_throughput; .*did you mean 'timm_throughput'"):
        load(tmp_path)
    with pytest.raises(InputError, match="is a file; expected a directory"):
        load(tmp_path / "tim_throughput.csv")


def test_an_unknown_set_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'timm'"):
        load(datasets=["timm"])


def test_sets_without_a_reader_are_told(tmp_path: Path, write_table: WriteTable) -> None:
    write_table()
    (tmp_path / "somebody_else.csv").write_text("model,fps\nx,1\n")
    assert load(tmp_path).not_read == ("somebody_else.csv",)


def test_notes_before_the_header_move_no_row_numbers(write_table: WriteTable) -> None:
    records = read(write_table(header="# from a friend\n" + HEADER), TIMM)
    assert records.frame["row"].tolist() == [3, 4, 5]
