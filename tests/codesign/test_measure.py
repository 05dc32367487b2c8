"""`cd.measure` and its commands: names to networks to numbers, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import codesign as cd
from codesign.cli import build_app
from hw_models.errors import CodesignError, FileError, InputError, NoisyMachineError
from hw_models.measured.records import Records
from hw_models.measured.timers.protocol import TimingPlan

FILES = Path(__file__).parents[1] / "hw_models" / "measured" / "importers" / "files"
LOOSE = TimingPlan(budget_s=0.15, warmup_s=0.1, operator_steps=3, allow_noise=True)
QUICK = ["--budget", "0.15", "--threads", "1", "--allow-noise"]


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 32, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def run(*args: str) -> str:
    result = CliRunner().invoke(build_app(), list(args), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_a_module_in_both_runtimes() -> None:
    for runtime in ("onnxruntime", "torch"):
        m = cd.measure(small(), runtime=runtime, input_shape=(1, 3, 32, 32), threads=1, plan=LOOSE)
        assert (m.network, m.runtime, m.precision, m.batch) == ("Sequential", runtime, "fp32", 1)
        assert any(o.shape == "n=1 g=1 k=32 c=3 oy=15 ox=15 fy=3 fx=3" for o in m.operators)


def test_timm_by_name_at_a_size_and_batch() -> None:
    first, second = cd.measure_many(
        ["timm:test_resnet@64", "timm:test_vit"], runtime="torch", batch=2, threads=1, plan=LOOSE
    )
    assert (first.network, first.batch) == ("test_resnet@64", 2)
    assert first.interleaved_with == ("test_vit",)
    assert any("oy=32" in (o.shape or "") for o in first.operators)
    assert any(o.kind == "aten::scaled_dot_product_attention" for o in second.operators)


def test_weights_are_those_of_the_module_and_it_stays_as_it_was() -> None:
    module = small()
    before = {n: t.clone() for n, t in module.state_dict().items()}
    cd.measure(module, runtime="torch", precision="bf16", input_shape="1x3x32x32", threads=1, plan=LOOSE)
    assert all(torch.equal(before[n], t) for n, t in module.state_dict().items())
    assert next(module.parameters()).dtype == torch.float32


def test_command_prints_a_table_and_writes_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ("from torch import nn", "def net():", "    return nn.Conv2d(3, 32, 3), (1, 3, 16, 16)", "")
    Path("mine_to_time.py").write_text("\n".join(lines))
    args = ("measure", "mine_to_time:net", "--runtime", "torch", *QUICK, "--as", "here", "--out", "r.csv")
    assert "p50 ms" in run(*args)
    run(*args)
    frame = Records.read("r.csv").frame
    assert set(frame["device"]) == {"here"}
    assert frame["operator"].isna().sum() == 2
    (row,) = json.loads(run(*args[:-2], "--json"))
    assert row["p50_s"] > 0
    assert row["machine"]["usable_cpus"] >= 1
    assert row["operators"][0]["operator"] == "aten::conv2d"


@pytest.mark.parametrize(
    ("options", "kind", "reason"),
    [
        ({"runtime": "tensorrt"}, InputError, "expected one of onnxruntime, torch"),
        ({"input_shape": None}, InputError, "no input shape given for Sequential"),
        ({"batch": 0}, InputError, "expected 1 or more"),
        ({"precision": "int8"}, InputError, "expected one of fp32, fp16, bf16"),
        ({"precision": "int8", "runtime": "torch"}, InputError, "expected one of fp32, fp16, bf16"),
        ({"device": "npu"}, InputError, "expected cpu or cuda"),
    ],
)
def test_what_cannot_be_measured(options: dict[str, object], kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind, match=reason):
        cd.measure(small(), **{"input_shape": "1x3x8x8", "plan": LOOSE, **options})  # type: ignore[arg-type]


def test_files_and_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        cd.measure(tmp_path / "none.onnx")
    with pytest.raises(CodesignError, match="did you mean 'resnet18'"):
        cd.measure("timm:resnet81", runtime="torch")
    with pytest.raises(InputError, match="is an ONNX file, which torch does not run"):
        cd.measure("none.onnx", runtime="torch")


def test_noise_is_refused_with_the_spread() -> None:
    plan = TimingPlan(budget_s=0.2, warmup_s=0.1, max_spread=1e-9, operator_steps=0)
    with pytest.raises(NoisyMachineError, match=r"spans .* of the median \(limit 0%\)"):
        cd.measure(small(), runtime="torch", input_shape="1x3x8x8", threads=1, plan=plan)


def test_import_profile_prints_and_writes(tmp_path: Path) -> None:
    vela = str(FILES / "tiny_int8_summary_Ethos_U55_High_End_Embedded.csv")
    out = tmp_path / "records.parquet"
    document = json.loads(run("import-profile", vela, "--json", "--out", str(out)))
    assert (document["tool"], document["truth"]) == ("vela", "model")
    assert document["rows"][0]["mean_s"] == pytest.approx(4.2562e-05)
    assert Records.read(out).frame["device"].tolist() == ["ethos_u55_128"]
    assert "ethos_u55_128" in run("import-profile", vela)


def test_import_profile_takes_a_clock(tmp_path: Path) -> None:
    layers = tmp_path / "layers.csv"
    layers.write_bytes((FILES / "tiny_int8_per-layer.csv").read_bytes())
    document = json.loads(run("import-profile", str(layers), "--clock", "1 GHz", "--json"))
    assert document["rows"][0]["mean_s"] == pytest.approx(5.04e-6)


def test_records_go_into_tables_alone(tmp_path: Path) -> None:
    vela = str(FILES / "tiny_int8_summary_Ethos_U55_High_End_Embedded.csv")
    args = ["import-profile", vela, "--out", str(tmp_path / "r.xlsx")]
    with pytest.raises(InputError, match=r"ends in \.csv"):
        CliRunner().invoke(build_app(), args, catch_exceptions=False)
