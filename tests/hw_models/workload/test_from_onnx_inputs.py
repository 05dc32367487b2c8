"""What the reader says about files that are none, and about shapes that do not fit."""

from __future__ import annotations

import random
import re
from pathlib import Path

import onnx
import onnx.parser
import pytest

from hw_models.errors import CodesignError, FileError, InputError, TraceError
from hw_models.workload import TensorKind
from hw_models.workload.from_onnx import read_onnx

CONV = "s = Constant<value_ints=[4,3,3,3]>() w = ConstantOfShape(s) y = Conv<pads=[1,1,1,1]>(image, w)"
TWO = "y = MatMul(left, right)"


def model(folder: Path, inputs: str, outputs: str, body: str) -> Path:
    text = f'<ir_version: 10, opset_import: ["" : 21]> g ({inputs}) => ({outputs}) {{ {body} }}'
    path = folder / "net.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def test_missing_file_offers_what_lies_beside_it(tmp_path: Path) -> None:
    model(tmp_path, "float[2] x", "float[2] y", "y = Relu(x)")
    with pytest.raises(FileError, match=r"nett\.onnx: no such file; did you mean 'net\.onnx'\?"):
        read_onnx(tmp_path / "nett.onnx")
    with pytest.raises(FileError, match="is a folder, expected an ONNX file"):
        read_onnx(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (random.Random(0).randbytes(4096), "is not an ONNX model"),
        (b"", "is not an ONNX model"),
        (b"name: resnet50\nlayers: 50\n", "is not an ONNX model"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "is not an ONNX model"),
    ],
    ids=["random", "empty", "text", "image"],
)
def test_bytes_that_are_no_model(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(FileError, match=message) as error:
        read_onnx(path)
    assert str(error.value).startswith(f"{path}: ")


def test_every_cut_of_a_model_is_refused_or_read(tmp_path: Path) -> None:
    whole = model(tmp_path, "float[1,3,8,8] image", "float y", CONV).read_bytes()
    for length in range(0, len(whole) - 1, 7):
        cut = tmp_path / "cut.onnx"
        cut.write_bytes(whole[:length])
        with pytest.raises(CodesignError):
            read_onnx(cut)


def test_empty_graph(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    x = onnx.helper.make_tensor_value_info("x", 1, [2])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [x], [])), path)
    with pytest.raises(FileError, match="holds an empty graph: no operator to read"):
        read_onnx(path)


def test_graph_that_reads_what_nothing_writes(tmp_path: Path) -> None:
    path = model(tmp_path, "float[2] x", "float[2] y", "y = Add(x, ghost)")
    with pytest.raises(TraceError, match=r"net.onnx: operator Add .* reads 'ghost'"):
        read_onnx(path)


def test_operators_that_do_not_fit_together(tmp_path: Path) -> None:
    path = model(tmp_path, "float[2,3] left, float[4,5] right", "float y", TWO)
    with pytest.raises(
        TraceError, match=r"operator MatMul 'y' does not accept its inputs \('left' 2x3, 'right' 4x5\)"
    ):
        read_onnx(path)


def test_dynamic_dimensions_name_input_dimensions_and_flag(tmp_path: Path) -> None:
    path = model(tmp_path, "float[batch,3,height,width] image", "float y", CONV)
    with pytest.raises(InputError) as error:
        read_onnx(path)
    assert str(error.value) == (
        "dynamic dimensions in 'image' (batchx3xheightxwidth); give their sizes: "
        "--shape image=<batch>x3x<height>x<width>, for example --shape image=1x3x224x224"
    )
    flag = re.search(r"for example --shape image=(\S+)", str(error.value))
    assert flag is not None
    shape = tuple(int(d) for d in flag[1].split("x"))
    assert read_onnx(path, shapes={"image": shape}).macs == 4 * 27 * 224 * 224
    assert read_onnx(path, shapes=shape).macs == 4 * 27 * 224 * 224
    assert read_onnx(path, shapes={"height": [8], "width": [8]}, batch=2).macs == 2 * 4 * 27 * 64


def test_batch_alone_sizes_an_open_leading_dimension(tmp_path: Path) -> None:
    path = model(tmp_path, "float[N,3,8,8] image", "float y", CONV)
    with pytest.raises(InputError, match=r"or only --batch 1, as no other dimension is open"):
        read_onnx(path)
    workload = read_onnx(path, batch=5)
    assert (workload.batch, workload.macs) == (5, 5 * 4 * 27 * 64)
    assert workload.shape(workload.outputs[0]) == (5, 4, 8, 8)


def test_batch_of_a_file_with_a_fixed_one(tmp_path: Path) -> None:
    path = model(tmp_path, "float[2,3,8,8] image", "float y", CONV)
    assert read_onnx(path).batch == 2
    assert read_onnx(path, batch=6).macs == 6 * 4 * 27 * 64


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            {"image": (3, 8, 8)},
            "shape 3x8x8 given for input 'image' has rank 3, expected rank 4: batchx3x8x8",
        ),
        ({"imagee": (1, 3, 8, 8)}, "unknown input 'imagee'; did you mean 'image'?"),
        ({"image": (1, 4, 8, 8)}, "the file fixes it at batchx3x8x8: dimension 1 is 3, not 4"),
        ({"image": (0, 3, 8, 8)}, "expected positive dimensions"),
        ({"bach": (1,)}, "did you mean 'batch'?"),
    ],
    ids=["rank", "name", "fixed", "zero", "symbol"],
)
def test_shapes_that_do_not_fit(tmp_path: Path, shapes: dict[str, tuple[int, ...]], message: str) -> None:
    path = model(tmp_path, "float[batch,3,8,8] image", "float y", CONV)
    with pytest.raises(InputError, match=re.escape(message)):
        read_onnx(path, shapes=shapes)


def test_one_name_is_one_number(tmp_path: Path) -> None:
    path = model(tmp_path, "float[n,k] left, float[k,m] right", "float y", TWO)
    with pytest.raises(InputError, match=r"dimension 'k' is 3 in 'left' but 4 in 'right'"):
        read_onnx(path, shapes={"left": (2, 3), "right": (4, 5)})
    with pytest.raises(InputError, match=r"a shape without a name given, but the network has 2 inputs"):
        read_onnx(path, shapes=(2, 3))
    with pytest.raises(InputError, match=r"dimension 'n' is 7 in what was given for it but 2 in 'left'"):
        read_onnx(path, shapes={"left": (2, 3), "n": (7,)})
    workload = read_onnx(path, shapes={"left": (2, 3), "m": (5,)})
    assert workload.macs == 2 * 3 * 5
    assert read_onnx(path, shapes={"left": (2, 3), "m": (5,)}, batch=4).macs == 4 * 3 * 5


def test_scalar_input_takes_a_value_not_a_shape(tmp_path: Path) -> None:
    path = model(tmp_path, "float[2] x, float rate", "float y", "y = Mul(x, rate)")
    path = tmp_path / "net.onnx"
    loaded = onnx.load(path)
    loaded.graph.input[1].type.tensor_type.shape.SetInParent()
    onnx.save(loaded, path)
    with pytest.raises(
        InputError, match=r"'rate' is a scalar and has no shape; give its value: --constant rate=3"
    ):
        read_onnx(path, shapes={"rate": (3,)})
    with pytest.raises(InputError, match=r"unknown input 'rat'; did you mean 'rate'"):
        read_onnx(path, constants={"rat": 3})
    workload = read_onnx(path, constants={"rate": 3})
    assert [workload.tensor(t).kind for t in range(workload.n_tensors)].count(TensorKind.INPUT) == 1


def test_input_without_a_rank(tmp_path: Path) -> None:
    path = model(tmp_path, "float x", "float y", "y = Relu(x)")
    loaded = onnx.load(path)
    loaded.graph.input[0].type.tensor_type.ClearField("shape")
    onnx.save(loaded, path)
    with pytest.raises(InputError, match=r"input 'x' states no rank; give its shape: --shape x=<d0>x<d1>"):
        read_onnx(path)
    assert read_onnx(path, shapes={"x": (2, 3)}).shape(0) == (2, 3)
