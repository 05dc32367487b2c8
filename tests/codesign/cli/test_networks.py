"""`codesign trace` and `codesign networks list`: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnx.parser
import pytest

from codesign.cli import main

BODY = "s = Constant<value_ints=[8,3,3,3]>() w = ConstantOfShape(s) a = Conv(x, w) y = mine.Swish6(a)"


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Conv, then an operator of a domain that nobody knows."""
    header = '<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>'
    text = f"{header} g (float[N,3,10,10] x) => (float[N,8,8,8] y) {{ {BODY} }}"
    path = tmp_path / "net.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    return str(path)


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        main([*args])
    return int(left.value.code or 0)


def test_json_has_totals_kinds_and_operators(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("trace", file, "--shape", "x=2x3x10x10", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    macs = 2 * 8 * 27 * 64
    assert (found["macs"], found["ops"], found["batch"]) == (macs, 2 * macs, 2)
    assert (found["parameters"], found["weight_bytes"]) == (216, 864)
    assert found["not_modelled"]["operators"] == {"mine::Swish6": 1}
    assert found["not_modelled"]["output_elements"] == 0.5
    assert [o["target"] for o in found["operators"]] == ["Conv", "mine::Swish6"]
    kinds = {k["kind"]: k for k in found["kinds"]}
    assert kinds["conv"]["macs"] == macs
    assert kinds["unknown"]["macs"] is None
    for column in ("read_bytes", "write_bytes"):
        assert sum(k[column] for k in found["kinds"]) == sum(o[column] for o in found["operators"])


@pytest.mark.parametrize("flags", [[], ["--ops"]], ids=["kinds", "operators"])
def test_text_shows_macs_and_ops_and_warns(
    file: str, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("trace", file, "--batch", "1", *flags) == 0
    out = capsys.readouterr().out
    assert (
        "net, batch 1: 2 operators, 13.82 kMAC = 27.65 kOP, 0 vector operations, 216 parameters (864 B)"
        in out
    )
    assert "warning: not modelled: 50.0% of output elements" in out
    assert "(1 x mine::Swish6)" in out
    assert "unknown" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("{file}",), "dynamic dimensions in 'x' (Nx3x10x10); give their sizes: --shape x=<N>x3x10x10"),
        (("{file}", "--shape", "x=1x3"), "shape 1x3 given for input 'x' has rank 2, expected rank 4"),
        (("{file}x",), "is no network: expected timm:NAME[@SIZE]"),
        (("{file}", "--shape", "1xx3"), "shape '1xx3' given, expected 1x3x224x224"),
        (("{file}", "--constant", "x"), "constant 'x' given, expected NAME=NUMBER"),
        (("/no/such/net.onnx",), "/no/such/net.onnx: no such file"),
    ],
)
def test_wrong_input_is_one_message_and_code_2(
    file: str, args: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("trace", *(a.format(file=file) for a in args)) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_networks_are_listed_by_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("networks", "list", "resnet18*", "--json") == 0
    assert "timm:resnet18" in json.loads(capsys.readouterr().out)
    assert run("networks", "list", "timm:resnet50") == 0
    assert capsys.readouterr().out == "timm:resnet50\n"
    assert run("networks", "list", "no_such_net") == 2
    assert "unknown timm architecture" in capsys.readouterr().err
