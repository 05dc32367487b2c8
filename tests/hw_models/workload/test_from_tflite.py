"""TFLite files as networks: shapes, counts, and files that are none."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from hw_models.errors import FileError
from hw_models.validation.truth.int8_networks import workload_of
from hw_models.workload.from_tflite import read_tflite
from hw_models.workload.op import OpKind, Precision

TINY = Path(__file__).parent / "data" / "tiny.tflite"
"""Written by benchmarks/tflite_writer.py from `LINES`, weights random."""

LINES = [
    "input 16x16x3",
    "conv 8 3x3 /2 relu",
    "dw 3x3 /1 relu6",
    "conv 8 1x1",
    "add @1 relu",
    "pool max 2x2 /2",
    "sigmoid",
    "resize 2",
    "concat @4",
    "mean",
    "reshape 1x16",
    "fc 4",
    "softmax",
]


def test_the_same_rows_as_the_network_it_was_written_from() -> None:
    read, meant = read_tflite(TINY), workload_of("tiny", LINES)
    assert [o.kind for o in read.ops] == [o.kind for o in meant.ops]
    assert [o.dims for o in read.ops] == [o.dims for o in meant.ops]
    assert [o.attrs["fn"] for o in read.ops] == [o.attrs["fn"] for o in meant.ops]
    assert read.meta["unknown"] == []


def test_macs_by_hand() -> None:
    # 8x8 outputs: 3x3x3 taps to 8, 3x3 of 8, 8 to 8; then 16 to 4
    macs = 64 * (27 * 8 + 9 * 8 + 8 * 8) + 16 * 4
    assert int(read_tflite(TINY).op_macs.sum()) == macs


def test_images_come_channels_first_and_int8() -> None:
    read = read_tflite(TINY)
    first = next(iter(read.ops))
    assert first.kind is OpKind.CONV
    assert read.tensor(first.inputs[0]).shape == (1, 3, 16, 16)
    assert read.tensor(first.inputs[0]).precision is Precision.INT8
    assert first.attrs["padding"] == "same"
    assert first.attrs["stride"] == [2, 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no TFLite model"),
        (b"\x00" * 64, "no TFLite model"),
        (b"\xff\xff\xff\x7fTFL3" + b"\x00" * 40, "a broken TFLite model"),
    ],
    ids=["empty", "zeros", "offset beyond the end"],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    with pytest.raises(FileError, match=said):
        read_tflite(path)


def test_a_missing_file() -> None:
    with pytest.raises(FileError, match=r"nowhere\.tflite: cannot be read"):
        read_tflite("nowhere.tflite")


def test_every_cut_of_a_file_is_refused_or_read(tmp_path: Path) -> None:
    whole, path = TINY.read_bytes(), tmp_path / "cut.tflite"
    for size in range(8, len(whole), 397):
        path.write_bytes(whole[:size])
        with suppress(FileError):  # any other exception is a defect
            read_tflite(path)
