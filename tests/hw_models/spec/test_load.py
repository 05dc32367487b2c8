"""Finding chips by name, by file, by mode; own folders; the same object for the same file."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from hw_models.errors import FileError, InputError, UnknownNameError
from hw_models.spec.load import CHIPS_ENV, PACKAGED, list_chips, load_chip


def test_by_name_and_by_file_are_the_same() -> None:
    assert (
        load_chip("rtx4090")
        == load_chip(PACKAGED / "rtx4090.yaml")
        == load_chip(str(PACKAGED / "rtx4090.yaml"))
    )


def test_mode_by_argument_and_in_the_name() -> None:
    chip = load_chip("jetson_agx_orin_64", mode="30W")
    assert chip == load_chip("jetson_agx_orin_64@30W")
    assert chip.label == "jetson_agx_orin_64@30W"
    assert chip.power_mode is not None
    assert chip.power_mode.cap is not None
    assert chip.power_mode.cap.value == 30


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        (
            "rtx4900",
            None,
            "unknown chip 'rtx4900'; did you mean 'rtx4090' or 'rtx3090'?; "
            "run `codesign chips list` for all of them, or give a path to a .yaml file",
        ),
        (
            "jetson_agx_orin_64",
            "31W",
            "unknown power mode of jetson_agx_orin_64 '31W'; did you mean '30W' or '15W'?; "
            "modes: MAXN, 50W, 30W, 15W",
        ),
        ("rtx4090", "30W", "unknown power mode of rtx4090 '30W'; rtx4090 has no power modes"),
    ],
)
def test_unknown_names(name: str, mode: str | None, message: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_chip(name, mode)
    assert str(caught.value) == message


def test_two_modes_contradict() -> None:
    with pytest.raises(InputError, match="names the power mode '30W', and mode='15W' another"):
        load_chip("jetson_agx_orin_64@30W", mode="15W")


def test_a_file_with_its_mode_and_a_folder_with_an_at_sign(tmp_path: Path) -> None:
    folder = tmp_path / "a@b"
    folder.mkdir()
    file = folder / "mine.yaml"
    text = (PACKAGED / "jetson_agx_orin_64.yaml").read_text()
    file.write_text(text.replace("jetson_agx_orin_64", "mine"))
    assert load_chip(file).label == "mine"
    assert load_chip(f"{file}@15W").label == "mine@15W"


def test_a_chip_at_a_mode_takes_no_other() -> None:
    with pytest.raises(InputError, match="is at a power mode already; load 'jetson_agx_orin_64' again"):
        load_chip("jetson_agx_orin_64@30W").at_mode("15W")


def test_list_by_pattern() -> None:
    assert list_chips("jetson_agx*") == ["jetson_agx_orin_32", "jetson_agx_orin_64"]
    assert list_chips("JETSON_AGX*") == list_chips("jetson_agx*")
    assert list_chips("no_such_chip") == []
    assert list_chips() == sorted(list_chips())


def test_own_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PACKAGED / "rtx4090.yaml").read_text(encoding="utf-8")
    (tmp_path / "rtx4090.yaml").write_text(text.replace("title: GeForce", "title: My"), encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("name: rtx4090", "name: mine"), encoding="utf-8")
    monkeypatch.setenv(CHIPS_ENV, os.pathsep.join([str(tmp_path), ""]))
    assert load_chip("rtx4090").title == "My RTX 4090"
    assert load_chip("mine").name == "mine"
    assert "mine" in list_chips("m*")


def test_own_folder_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHIPS_ENV, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="which is not a folder; expected folders of chip files, parted by"):
        list_chips()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "rtx4090.yaml"
    shutil.copy(PACKAGED / "rtx4090.yaml", file)
    first = load_chip(file)
    assert load_chip(file) is first
    file.write_text(
        file.read_text(encoding="utf-8").replace("tdp: {value: 450 W", "tdp: {value: 400 W"), encoding="utf-8"
    )
    os.utime(file, ns=(1, 1))
    second = load_chip(file)
    assert second.tdp is not None
    assert second.tdp.value == 400


def test_a_missing_file() -> None:
    with pytest.raises(FileError, match=r"nowhere\.yaml: cannot be read: No such file or directory"):
        load_chip("nowhere.yaml")


def test_all_packaged_chips_load_in_time() -> None:
    for name in list_chips():
        load_chip(name)  # warm: imports and units
    from hw_models.spec import load

    load._read_once.cache_clear()
    start = time.process_time()
    for name in list_chips():
        load_chip(name)
    assert time.process_time() - start < 1.5
