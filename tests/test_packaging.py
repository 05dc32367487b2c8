"""What a newcomer's first minute stands on: cheap imports, one-way imports, data that really ships."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "timm", "torchvision", "optuna", "onnx", "plotly", "pandas", "pint", "scipy", "moocore")


def _loaded_after(statement: str) -> tuple[set[str], float]:
    """Modules loaded by a statement in a fresh interpreter, and the seconds of CPU time it took."""
    code = (
        "import json, sys, time; before = time.process_time(); "
        f"{statement}; took = time.process_time() - before; print(json.dumps([sorted(sys.modules), took]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    modules, took = json.loads(out.stdout)
    return {name.partition(".")[0] for name in modules}, took


@pytest.mark.parametrize("package", ["hw_models", "search_spaces", "codesign"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    modules, took = _loaded_after(f"import {package}")
    assert not modules & set(HEAVY)
    assert took < 0.5


def test_loading_a_chip_needs_no_torch() -> None:
    modules, _ = _loaded_after("import hw_models; hw_models.load_chip('rtx4090')")
    assert not modules & {"torch", "timm", "optuna", "onnx"}


def test_help_is_quick_and_lists_every_command() -> None:
    start = time.process_time()
    out = subprocess.run(
        [sys.executable, "-m", "codesign", "--help"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"},
    )  # fmt: skip
    assert time.process_time() - start < 5
    commands = "demo doctor chips spaces trace estimate explain compare search front report validate"
    for command in commands.split():
        assert f" {command} " in out.stdout, command


def test_every_dependency_is_pinned_in_the_tested_set() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    names = {w.partition(">")[0].partition("[")[0].strip().lower() for w in wanted}
    assert names - pinned - {"codesign"} == set()


def test_a_wheel_carries_the_data(tmp_path: Path) -> None:
    packages = ("hw_models", "search_spaces", "codesign")
    tracked = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout.split()
    source = tmp_path / "source"  # a copy: a build leaves files behind
    for name in tracked:
        if (ROOT / name).is_file() and (name.startswith(packages) or "/" not in name):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            tmp_path,
            source,
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("codesign-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in tracked if name.startswith(packages)} <= names
