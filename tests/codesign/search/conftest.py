"""The toy studies as fixtures."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOY = Path(__file__).with_name("toy_study.py")


def _load(file: Path = TOY) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    return sys.modules.get("toy_study") or _load()


@pytest.fixture(scope="session")
def toy_program() -> list[str]:
    return [sys.executable, str(TOY)]


@pytest.fixture(scope="session")
def joint() -> ModuleType:
    return sys.modules.get("joint_study") or _load(TOY.with_name("joint_study.py"))
