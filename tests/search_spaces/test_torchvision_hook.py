"""The finder that lets torchvision be imported beside a CPU build of torch."""

from __future__ import annotations

import _ctypes
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from search_spaces import torchvision_hook
from search_spaces.torchvision_hook import TorchvisionSchemas


class Library:
    """Stands for torch.library.Library and remembers what is declared."""

    declared: ClassVar[list[str]] = []

    def __init__(self, namespace: str, kind: str) -> None:
        assert (namespace, kind) == ("torchvision", "FRAGMENT")

    def define(self, schema: str) -> None:
        self.declared.append(schema)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.library, "Library", Library)
    monkeypatch.setattr(torchvision_hook, "_declared", [])
    monkeypatch.setattr(Library, "declared", [])
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))


def package(folder: Path, extension: bytes | None) -> Path:
    """A package `torchvision` with an extension of these bytes."""
    place = folder / "torchvision"
    place.mkdir()
    (place / "__init__.py").write_text("")
    if extension is not None:
        (place / "_C.so").write_bytes(extension)
    return place


def a_real_extension() -> bytes:
    """Some shared library that loads into this interpreter."""
    return Path(_ctypes.__file__).read_bytes()


def test_nothing_is_declared_where_the_extension_loads(tmp_path: Path) -> None:
    assert not torchvision_hook.repair(package(tmp_path, a_real_extension()))
    assert Library.declared == []
    assert not torchvision_hook.repaired()


def test_nothing_is_declared_where_there_is_no_extension(tmp_path: Path) -> None:
    assert not torchvision_hook.repair(package(tmp_path, None))
    assert Library.declared == []


def test_schemas_are_declared_where_the_extension_does_not_load(tmp_path: Path) -> None:
    assert torchvision_hook.repair(package(tmp_path, b"no shared library"))
    assert Library.declared == [
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ]
    assert torchvision_hook.repaired()


def test_the_finder_acts_once_and_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, b"no shared library")
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    torchvision_hook.uninstall()
    torchvision_hook.install()
    torchvision_hook.install()
    finders = [f for f in sys.meta_path if isinstance(f, TorchvisionSchemas)]
    assert len(finders) == 1
    assert finders[0].find_spec("torch", None) is None
    assert Library.declared == []
    assert finders[0].find_spec("torchvision", [str(tmp_path)]) is None
    assert len(Library.declared) == 2
    assert not any(isinstance(f, TorchvisionSchemas) for f in sys.meta_path)


def test_a_missing_torchvision_is_left_to_python(tmp_path: Path) -> None:
    assert TorchvisionSchemas().find_spec("torchvision", [str(tmp_path)]) is None
    assert Library.declared == []


def test_not_installed_where_torchvision_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision_hook.uninstall()
    monkeypatch.setitem(sys.modules, "torchvision", Any)
    torchvision_hook.install()
    assert not any(isinstance(f, TorchvisionSchemas) for f in sys.meta_path)


def test_timm_imports_in_a_fresh_interpreter() -> None:
    code = (
        "import sys, search_spaces; assert 'torch' not in sys.modules; import timm; print(timm.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == version("timm")
