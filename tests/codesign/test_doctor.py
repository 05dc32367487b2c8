"""What the doctor finds: versions against ranges, broken plug-ins, missing extras, chips that do not load."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from codesign import doctor
from codesign.cli import build_app
from codesign.doctor import Check, Health, examine
from hw_models import registry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def health() -> Health:
    return examine()


def find(health: Health, name: str) -> Check:
    return next(c for c in health.checks if c.name == name)


def test_this_installation_is_well(health: Health) -> None:
    assert health.ok, [c for c in health.checks if c.state == "fail"]
    assert {c.area for c in health.checks} >= {"python", "packages", "torch", "extras", "chips", "storage"}


def test_every_requirement_is_looked_at(health: Health) -> None:
    names = {c.name for c in health.checks if c.area == "packages"}
    assert {"torch", "timm", "optuna", "numpy", "ruamel.yaml"} <= names
    assert find(health, "numpy").found == metadata.version("numpy")


def test_chips_are_counted(health: Health) -> None:
    assert "costable" in find(health, "catalogue").found


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("2.13.0+cpu", ">=2.6", True),
        ("5.0.0", "<6,>=5.0", True),
        ("6.0", "<6,>=5.0", False),
        ("4.9.9", ">=5.0", False),
        ("5", ">=5.0", True),
        ("2.10", ">=2.9", True),
        ("1.0", "", True),
    ],
)
def test_a_version_is_held_against_its_range(version: str, wanted: str, *, fits: bool) -> None:
    assert doctor._satisfies(version, wanted) is fits


def test_a_package_that_is_missing_or_too_old_fails_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"numpy": None, "optuna": "3.0.0"}
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, "999"))
    monkeypatch.setattr(doctor, "_satisfies", lambda version, _: version != "3.0.0")
    found = {c.name: c for c in doctor._packages()}
    assert (found["numpy"].state, found["numpy"].found) == ("fail", "not installed")
    assert found["numpy"].advice.startswith("pip install 'numpy>=")
    assert found["optuna"].state == "fail"
    assert "3.0.0, but" in found["optuna"].found


def test_a_missing_extra_is_a_note_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "nbclient" else real(name))
    notebook = next(c for c in doctor._extras() if c.name == "notebook")
    assert notebook == Check(
        "extras", "notebook", "note", "missing nbclient", "pip install 'codesign[notebook]'"
    )


def test_a_broken_plugin_stays_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = registry.Plugin(
        "codesign.chips", "acme", "acme.chips:folder", "acme-chips", error="ImportError: x"
    )
    monkeypatch.setattr(registry, "plugins", lambda group: (broken,) if group == "codesign.chips" else ())
    (check,) = doctor._plugins()
    assert (check.state, check.found) == ("fail", "ImportError: x")
    assert "acme-chips" in check.advice


def test_a_chip_that_does_not_load_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.yaml").write_text("schema_version: 1\nname: bad\n", "utf-8")
    monkeypatch.setenv("CODESIGN_CHIPS", str(tmp_path))
    found = [c for c in doctor._chips() if c.state == "fail"]
    assert [c.name for c in found] == ["bad"]
    assert "bad.yaml:" in found[0].found


def test_a_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 5e8

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage)
    found = {c.name: c for c in doctor._storage()}
    assert found["working folder"].state == "warn"
    assert found["working folder"].found.startswith("0.5 GB free")


def test_a_look_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Check]:
        raise OSError("disk gone")

    broken.__name__ = "_storage"
    monkeypatch.setattr(doctor, "_storage", broken)
    for name in ("_torchvision", "_packages", "_extras", "_chips", "_plugins"):
        monkeypatch.setattr(doctor, name, list)
    check = examine().checks[-1]
    assert (check.area, check.state, check.found) == ("storage", "fail", "OSError: disk gone")


def test_the_command_prints_json() -> None:
    result = CliRunner().invoke(build_app(), ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert {"area", "name", "state", "found", "advice"} == set(rows[0])
