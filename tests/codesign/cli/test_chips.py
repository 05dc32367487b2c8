"""`codesign chips`, as a user meets it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from codesign.cli.chips import register
from hw_models.errors import CodesignError
from hw_models.spec.load import CHIPS_ENV, PACKAGED, list_chips, load_chip

TOY = Path(__file__).parents[2] / "hw_models" / "spec" / "toy_npu.yaml"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


def run(*args: str | os.PathLike[str]) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return CliRunner().invoke(app, ["chips", *map(os.fspath, args)])


def test_list_says_what_is_missing() -> None:
    result = run("list", "hailo*")
    assert result.exit_code == 0
    assert "no: memory.host.bandwidth" in result.stdout
    assert "26 TOPS" in result.stdout
    assert "4 chips, 0 costable" in result.stdout


def test_list_all_as_json() -> None:
    rows = json.loads(run("list", "--json").stdout)
    assert [row["name"] for row in rows] == list_chips()
    orin = next(row for row in rows if row["name"] == "jetson_agx_orin_64")
    assert orin["costable"] is True
    assert orin["peak_op_per_s"]["int8"] == 85.5e12
    assert orin["bandwidth_byte_per_s"] == 204.8e9
    assert orin["modes"] == ["MAXN", "50W", "30W", "15W"]
    assert next(row for row in rows if row["name"] == "hailo_8")["bandwidth_byte_per_s"] is None


def test_list_by_class() -> None:
    rows = json.loads(run("list", "--class", "mcu*", "--json").stdout)
    assert {row["device_class"] for row in rows} == {"mcu_npu"}
    assert sum(row["costable"] for row in rows) >= 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("list", "rtx490"), "unknown chip or pattern 'rtx490'; did you mean 'rtx4090'"),
        (("list", "--class", "gpus"), "unknown class of chips 'gpus'; did you mean 'gpu'"),
        (("show", "rtx490"), "unknown chip 'rtx490'; did you mean 'rtx4090'"),
        (("show", "jetson_agx_orin_64", "--mode", "20W"), "modes: MAXN, 50W, 30W, 15W"),
        (("new", "My-NPU"), "'My-NPU' cannot be a chip's name; expected lower-case letters, digits and '_'"),
        (("new", "my_npu", "--from", "hailo8"), "unknown chip 'hailo8'; did you mean 'hailo_8'"),
        (("new", "my_npu", "--out", "/no/such/folder"), "'/no/such/folder' is not a folder"),
    ],
)
def test_wrong_input_is_one_message(args: tuple[str, ...], message: str) -> None:
    result = run(*args)
    assert isinstance(result.exception, CodesignError)
    assert message in str(result.exception)


def test_a_broken_file_is_listed_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("schema_version: 1\nname: mine\n", encoding="utf-8")
    monkeypatch.setenv(CHIPS_ENV, str(tmp_path))
    result = run("list")
    assert result.exit_code == 0
    assert "broken: mine:" in result.stdout
    assert "engines: is missing" in result.stdout
    row = next(r for r in json.loads(run("list", "mine", "--json").stdout) if r["name"] == "mine")
    assert row["costable"] is False
    assert "sources: is missing" in row["error"]


def test_show_has_value_range_source_conflict_and_what_is_left_out() -> None:
    out = run("show", "jetson_thor_t5000").stdout
    assert re.search(
        r"engines\.gpu\.peak\.fp8 .*517\.5 TOPS .*517\.5 TOPS \.\. 1\.035 POPS .*hf_t5000_derived", out
    )
    assert "Sources disagree\n  engines.gpu.peak.fp8: 517.5 TFLOPS" in out
    assert "Left out\n  CUDA-core rate and clock" in out
    assert "[thor_forum] NVIDIA developer forum" in out
    assert "cap 40 W" in out


def test_show_says_why_a_chip_is_not_costable() -> None:
    out = run("show", "hailo_8").stdout
    assert "not costable:\n  missing memory.host.bandwidth: no external memory by design" in out


def test_show_as_json_is_si_with_null_for_unknown() -> None:
    report = json.loads(run("show", "jetson_agx_orin_64", "--mode", "30W", "--json").stdout)
    assert report["name"] == "jetson_agx_orin_64@30W"
    figures = {n["field"]: n for n in report["numbers"]}
    assert figures["engines.gpu.peak.int8"]["value"] == 20.5e12
    assert figures["memory.dram.bandwidth"]["low"] is None
    assert report["sources"][figures["memory.dram.bandwidth"]["source"]].startswith("branes-ai")


def test_check_passes_the_packaged_and_the_toy() -> None:
    result = run("check", TOY, PACKAGED / "rtx4090.yaml")
    assert result.exit_code == 0
    assert f"{TOY}: ok: <Accelerator toy_npu" in result.stdout


def test_check_of_broken_files_exits_2_and_says_everything() -> None:
    broken = TOY.parent / "broken"
    result = run("check", broken / "several_mistakes.yaml", TOY, broken / "lint_bits_for_bytes.yaml")
    assert result.exit_code == 2
    assert result.stdout.count(": error: ") == 5
    assert f"{TOY}: ok" in result.stdout
    rows = json.loads(run("check", broken / "lint_source_unused.yaml", "--json").stdout)
    assert [(row["severity"], row["path"], row["line"]) for row in rows] == [("warning", "sources.page", 7)]


def test_warnings_alone_pass() -> None:
    result = run("check", TOY.parent / "broken" / "lint_source_unused.yaml")
    assert result.exit_code == 0
    assert "warning: source 'page' is declared" in result.stdout


def test_new_is_a_form_that_passes_once_it_is_filled_in(tmp_path: Path) -> None:
    result = run("new", "my_npu", "--out", tmp_path)
    file = tmp_path / "my_npu.yaml"
    assert result.exit_code == 0
    assert f"codesign chips check {file}" in result.stdout
    unfilled = run("check", file)
    assert unfilled.exit_code == 2
    blanks = [line for line in file.read_text(encoding="utf-8").splitlines() if "value: ___" in line]
    assert unfilled.stdout.count("is not filled in yet") == len(blanks) == 5
    text = file.read_text(encoding="utf-8")
    for blank, figure in (
        ("___ MHz", "1000 MHz"),
        ("___ TOPS", "4.096 TOPS"),
        ("___ MiB", "2 MiB"),
        ("___ GB/s", "12.8 GB/s"),
    ):
        text = text.replace(blank, figure)
    file.write_text(text.replace("value: ___", "value: 2048"), encoding="utf-8")
    filled = run("check", file)
    assert filled.exit_code == 0, filled.stdout
    assert filled.stdout.splitlines() == [f"{file}: ok: {load_chip(file)!r}"]
    assert load_chip(file).costable


def test_every_line_of_the_form_is_valid_when_its_comment_is_taken_off(tmp_path: Path) -> None:
    run("new", "my_npu", "--out", tmp_path)
    file = tmp_path / "my_npu.yaml"
    text = re.sub(
        r"(?m)^(\s*)# ?(?=\s*(?:-? ?\w+: |\w+:\s*#|\w+: *\{|- name|  ))",
        r"\1",
        file.read_text(encoding="utf-8"),
    )
    for blank, figure in (
        ("___ MHz", "1000 MHz"),
        ("___ TOPS", "4.096 TOPS"),
        ("___ MiB", "2 MiB"),
        ("___ GB/s", "12.8 GB/s"),
    ):
        text = text.replace(blank, figure)
    lines = [
        line
        for line in text.replace("value: ___", "value: 2048").splitlines()
        if "yaml-language-server" not in line
    ]
    file.write_text(
        "\n".join(line for line in lines if not line.startswith(("# ", "All fields", "A chip"))),
        encoding="utf-8",
    )
    chip = load_chip(file)
    assert chip.at_mode("15W").main_engine.peak["int8"].value == 2e12
    assert chip.price is not None


def test_new_from_a_chip_starts_right_and_never_overwrites(tmp_path: Path) -> None:
    assert run("new", "my_hailo", "--from", "hailo_8", "--out", tmp_path).exit_code == 0
    assert run("check", tmp_path / "my_hailo.yaml").exit_code == 0
    assert load_chip(tmp_path / "my_hailo.yaml").name == "my_hailo"
    before = (tmp_path / "my_hailo.yaml").read_text(encoding="utf-8")
    again = run("new", "my_hailo", "--out", tmp_path)
    assert "exists and is not overwritten" in str(again.exception)
    assert (tmp_path / "my_hailo.yaml").read_text(encoding="utf-8") == before


def test_schema_describes_the_file_for_editors(tmp_path: Path) -> None:
    file = tmp_path / "chip.schema.json"
    assert run("schema", "--out", file).exit_code == 0
    schema = json.loads(file.read_text(encoding="utf-8"))
    assert schema == json.loads(run("schema").stdout)
    assert set(schema["required"]) == {"schema_version", "name", "sources", "engines"}
    bandwidth = schema["$defs"]["BytesPerSecond"]["properties"]["value"]
    assert re.fullmatch(bandwidth["pattern"], "204.8 GB/s")
    assert not re.fullmatch(bandwidth["pattern"], "204.8")
    assert schema["$defs"]["Count"]["properties"]["value"]["type"] == "number"
    assert "kind" not in schema["$defs"]["Memory"]["required"]
