"""Plug-ins: found by entry point, and visible when they are broken."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hw_models import registry
from hw_models.errors import InputError, UnknownNameError
from hw_models.spec.catalogue import catalogue
from hw_models.spec.load import PACKAGED, load_chip

HERE = Path(__file__).parent


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points that stand for installed packages; a test adds its own."""
    found: list[EntryPoint] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: [e for e in found if e.group == group])
    registry.plugins.cache_clear()
    yield found
    registry.plugins.cache_clear()


def test_a_folder_of_chips(
    installed: list[EntryPoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (PACKAGED / "rtx4090.yaml").read_text(encoding="utf-8")
    (tmp_path / "theirs.yaml").write_text(text.replace("name: rtx4090", "name: theirs"), encoding="utf-8")
    monkeypatch.setattr("hw_models.spec.load.theirs", tmp_path, raising=False)
    installed.append(EntryPoint("vendor", "hw_models.spec.load:theirs", "codesign.chips"))
    assert load_chip("theirs").name == "theirs"


def test_a_broken_plugin_stays_visible(installed: list[EntryPoint]) -> None:
    installed.append(EntryPoint("gone", "no_such_package:chips", "codesign.chips"))
    installed.append(EntryPoint("odd", "os:sep", "codesign.chips"))
    broken = dict(catalogue("rtx*").broken)
    assert broken == {
        "plug-in gone (no_such_package:chips)": "ModuleNotFoundError: No module named 'no_such_package'"
    }
    assert [p.name for p in registry.broken_plugins()] == ["gone"]
    with pytest.raises(
        InputError, match=r"plug-in 'gone' of codesign\.chips .* does not load: ModuleNotFoundError"
    ):
        registry.plugin("codesign.chips", "gone")


def test_what_is_no_folder_is_broken(installed: list[EntryPoint]) -> None:
    installed.append(EntryPoint("odd", "os:name", "codesign.chips"))
    assert "is not a folder; expected a folder of chip files" in registry.broken_plugins()[0].error


def test_unknown_names(installed: list[EntryPoint]) -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown plug-in group 'codesign\.chip'; did you mean 'codesign\.chips'"
    ):
        registry.plugins("codesign.chip")
    installed.append(EntryPoint("json", "json:loads", "codesign.importers"))
    with pytest.raises(
        UnknownNameError, match=r"unknown plug-in of codesign\.importers 'jason'; did you mean 'json'"
    ):
        registry.plugin("codesign.importers", "jason")
    import json

    assert registry.plugin("codesign.importers", "json") is json.loads
