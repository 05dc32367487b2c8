"""`codesign chips calibrate`, as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from codesign.cli.chips import register
from hw_models.cost.estimate import estimate
from hw_models.errors import InputError
from hw_models.measured.records import Records
from hw_models.spec.load import PACKAGED, load_chip
from search_spaces.vision.timm_models import timm_workload

NAMES = ("resnet18", "resnet34")


def run(*args: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return CliRunner().invoke(app, ["chips", "calibrate", *args])


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    """A chip file and records of two networks that take twice what the law says."""
    file, table = tmp_path / "my_gpu.yaml", tmp_path / "records.csv"
    text = (PACKAGED / "a40.yaml").read_text("utf-8")
    file.write_text(text.replace("name: a40", "name: my_gpu", 1), encoding="utf-8")
    chip = load_chip(file)
    times = [estimate(timm_workload(n, 224), chip, model="calibrated", batch=32).latency.value for n in NAMES]
    frame = pd.DataFrame({"network": NAMES, "img_size": 224, "mean_s": [2 * t for t in times if t]})
    cells = {"dataset": "timm_throughput", "device": "my_gpu", "phase": "infer", "precision": "fp16"}
    frame = frame.assign(**cells, batch=32, runtime="torch", compiled=1, source="made for the test")
    Records.from_frame(frame).to_csv(table)
    return file, table


def test_writes_beside_the_chip_and_the_estimate_finds_it(own: tuple[Path, Path]) -> None:
    file, table = own
    result = run(str(file), "--records", str(table), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["file"] == str(file.with_name("my_gpu.calibration.yaml"))
    assert told["settings"][0]["networks"] == 2
    cost = estimate(timm_workload("resnet18", 224), load_chip(file), model="calibrated", batch=32)
    assert cost.latency.fidelity == "calibrated"


def test_records_of_another_device_are_refused(own: tuple[Path, Path]) -> None:
    _, table = own
    result = run("a40", "--records", str(table))
    assert isinstance(result.exception, InputError)
    assert "the records are of 'my_gpu', not of a40; give device='my_gpu'" in str(result.exception)


def test_a_file_that_is_not_found_by_itself_is_said_to_be_named(own: tuple[Path, Path]) -> None:
    file, table = own
    elsewhere = file.with_name("kept.yaml")
    named = run(str(file), "--records", str(table), "--out", str(elsewhere)).stdout
    assert f'calibration="{elsewhere}")' in "".join(named.splitlines())
    beside = run(str(file), "--records", str(table)).stdout
    assert beside.splitlines()[-1].startswith("codesign estimate timm:resnet50 --chip")
