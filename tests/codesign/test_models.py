"""Networks by timm name, file and function; what is said where a part of the name is wrong."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx.parser
import pytest

from codesign.models import parse_constants, parse_shapes, resolve_model
from hw_models.errors import CodesignError, FileError, InputError

CODE = """
from torch import nn
from hw_models.workload.from_torch import trace

def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())

def sized():
    return net(), (1, 3, 8, 8)

def read():
    return trace(net(), (1, 3, 16, 16), cache=False)

class Wide(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 8, 1)

made = net()

def broken():
    raise KeyError("weights")

def wrong():
    return 3

def needs(width):
    return net()
"""


RESNET18_CONVS = 1_813_561_344
RESNET18 = RESNET18_CONVS + 512 * 1000
"""1.81 GMAC at 224 pixels (torchvision); at 288 every feature map is 9/7 as wide."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a module of the user's and an ONNX file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_networks.py").write_text(CODE)
    (tmp_path / "my_broken.py").write_text("import there_is_no_such_package\n")
    (tmp_path / "my_typo.py").write_text("def f(:\n")
    text = '<ir_version: 10, opset_import: ["" : 21]> g (float[N,4] x) => (float y) { y = Relu(x) }'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "relu.onnx")
    path = list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in [m for m in sys.modules if m.startswith("my_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("spec", "options", "macs", "batch"),
    [
        ("timm:resnet18", {}, RESNET18, 1),
        ("timm:resnet18.a1_in1k@288", {}, RESNET18_CONVS * 81 // 49 + 512_000, 1),
        ("timm:resnet18", {"batch": 4}, 4 * RESNET18, 4),
        ("timm:resnet18", {"shape": "2x3x224x224"}, 2 * RESNET18, 2),
        ("my_networks:net", {}, 4 * 27 * 224 * 224, 1),
        ("my_networks:net", {"shape": (1, 3, 10, 10), "batch": 2}, 2 * 4 * 27 * 100, 2),
        ("my_networks:net", {"shape": "input=1x3x10x10"}, 4 * 27 * 100, 1),
        ("my_networks:sized", {}, 4 * 27 * 64, 1),
        ("my_networks:sized", {"shape": "1x3x4x4"}, 4 * 27 * 16, 1),
        ("my_networks:read", {}, 4 * 27 * 256, 1),
        ("my_networks:Wide", {}, 8 * 3 * 224 * 224, 1),
        ("my_networks:made", {}, 4 * 27 * 224 * 224, 1),
        ("relu.onnx", {"shape": "x=3x4"}, 0, 3),
        ("relu.onnx", {"shape": "3,4"}, 0, 3),
        ("relu.onnx", {"batch": 5}, 0, 5),
    ],
)
def test_resolved(here: Path, spec: str, options: dict[str, object], macs: int, batch: int) -> None:
    workload = resolve_model(spec, **options)
    assert workload.macs == macs
    assert workload.batch == batch


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet18", "'resnet18' is no network: expected timm:NAME.@SIZE., .*did you mean 'timm:resnet18'"),
        ("relu.onx", "did you mean 'relu.onnx'"),
        ("timn:resnet18", "unknown module 'timn'; did you mean 'timm'"),
        ("timm:resnet1", "unknown timm architecture 'resnet1'; did you mean 'resnet"),
        ("timm:resnet18@big", "size 'big' given for timm:resnet18, expected pixels such as 384 or 256x192"),
        ("my_network:net", "unknown module 'my_network'; did you mean 'my_networks'"),
        ("json.decodr:JSONDecoder", "unknown module 'json.decodr'; did you mean 'json.decoder'"),
        ("my_networks:nett", "unknown name 'my_networks:nett'; did you mean 'my_networks:net'"),
        ("my_networks:wrong", "my_networks:wrong is a int, expected an nn.Module"),
        (
            "my_networks:broken",
            r"calling my_networks:broken\(\) failed: KeyError: 'weights' \(.*my_networks.py:\d+\)",
        ),
        ("my_networks:needs", r"calling my_networks:needs\(\) failed: TypeError: .*'width'"),
        (
            "my_broken:net",
            "importing my_broken failed: ModuleNotFoundError: No module named 'there_is_no_such_package'",
        ),
        ("my_typo:net", "importing my_typo failed: SyntaxError"),
        ("gone.onnx", "gone.onnx: no such file; did you mean 'relu.onnx'|gone.onnx: no such file"),
    ],
)
def test_name_that_is_wrong(here: Path, spec: str, message: str) -> None:
    with pytest.raises((InputError, FileError), match=message):
        resolve_model(spec)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (
            "timm:resnet18",
            {"shape": "1x1x224x224"},
            "shape 1x1x224x224 given for timm:resnet18, expected one of the form 1x3x",
        ),
        (
            "timm:resnet18@288",
            {"shape": "1x3x224x224"},
            "size 288 and shape 1x3x224x224 given for timm:resnet18",
        ),
        ("timm:resnet18", {"constants": {"sr": 1}}, "only inputs of an ONNX file"),
        ("my_networks:read", {"shape": "1x3x4x4"}, "returns a workload, whose shapes are fixed"),
        ("my_networks:net", {"shape": "1x3"}, "cannot be traced"),
        ("relu.onnx", {}, "dynamic dimensions in 'x'.*--shape x=<N>x4"),
        ("relu.onnx", {"shape": "z=1x4"}, "unknown input 'z'; the inputs are 'x' .Nx4."),
    ],
)
def test_option_that_does_not_fit(here: Path, spec: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(CodesignError, match=message):
        resolve_model(spec, **options)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ("1x3x224x224", {"": (1, 3, 224, 224)}),
        ("1,3,224,224", {"": (1, 3, 224, 224)}),
        ((1, 3, 8, 8), {"": (1, 3, 8, 8)}),
        ("x=1x4", {"x": (1, 4)}),
        ("gpu_0/data:0=2x3", {"gpu_0/data:0": (2, 3)}),
        ("x:1,4", {"x": (1, 4)}),
        (["a=1x2", "b=3"], {"a": (1, 2), "b": (3,)}),
        ({"a": [1, 2]}, {"a": (1, 2)}),
        ((), {}),
    ],
)
def test_shapes_are_read(given: object, expected: dict[str, tuple[int, ...]]) -> None:
    assert parse_shapes(given) == expected


@pytest.mark.parametrize("text", ["1x3x", "axb", "x=", "=", "-1x3", "1 x 3"])
def test_text_that_is_no_shape(text: str) -> None:
    with pytest.raises(
        InputError, match=re.escape(f"shape '{text}' given, expected 1x3x224x224 or NAME=1x3x224x224")
    ):
        parse_shapes(text)
    with pytest.raises(InputError, match="two shapes given for input 'x'"):
        parse_shapes(["x=1x2", "x=1x3"])


def test_constants_are_read() -> None:
    assert parse_constants(["sr=16000", "flags=1,0"]) == {"sr": 16000.0, "flags": [1.0, 0.0]}
    for text in ("sr", "sr=", "=3", "sr=fast"):
        with pytest.raises(InputError, match="expected NAME=NUMBER, such as sr=16000"):
            parse_constants([text])
