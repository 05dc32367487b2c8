"""Traces kept on disk: the same back, whole or not at all, never in the way."""

from __future__ import annotations

import errno
import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hw_models.workload import cache
from hw_models.workload.from_torch import trace

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no warning said yet."""
    monkeypatch.setenv("CODESIGN_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "_warned", [])
    return tmp_path


def network(width: int = 8) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def workload() -> Workload:
    return trace(network(), (1, 3, 9, 9), cache=False)


def same(a: Workload, b: Workload) -> None:
    """Every field, dtype included, is the same."""
    for name, value in vars(a).items():
        other = getattr(b, name)
        if isinstance(value, np.ndarray):
            assert value.dtype == other.dtype, name
            assert value.shape == other.shape, name
            assert value.tolist() == other.tolist(), name
        elif name not in {"_cached", "op_macs"}:
            assert value == other, name


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def test_kept_and_found_again(folder: Path) -> None:
    w, key = workload(), cache.key_of(["a"])
    assert cache.load(key) is None
    cache.store(key, w)
    found = cache.load(key)
    assert found is not None
    same(w, found)
    assert [p.suffix for p in files(folder)] == [".npz"]


def test_a_network_without_operators_is_kept_too() -> None:
    w = trace(nn.Identity(), (1, 4), cache=False)
    cache.store("k" * 40, w)
    found = cache.load("k" * 40)
    assert found is not None
    same(w, found)


@pytest.mark.parametrize("cut", [0, 1, 50, -1], ids=["empty", "one byte", "head", "all but one"])
def test_a_broken_file_counts_as_not_there(folder: Path, cut: int) -> None:
    key = cache.key_of(["a"])
    cache.store(key, workload())
    (file,) = files(folder)
    file.write_bytes(file.read_bytes()[:cut])
    assert cache.load(key) is None
    same(cache.cached(key, workload), workload())
    assert cache.load(key) is not None


def test_every_flipped_byte_is_noticed_or_harmless(folder: Path) -> None:
    w, key = workload(), cache.key_of(["a"])
    cache.store(key, w)
    (file,) = files(folder)
    whole = file.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 60)):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        found = cache.load(key)
        if found is not None:
            same(w, found)


def test_a_foreign_file_is_not_taken(folder: Path) -> None:
    mine, other = cache.key_of(["mine"]), cache.key_of(["other"])
    cache.store(other, workload())
    (file,) = files(folder)
    place = folder / "traces" / mine[:2] / f"{mine}.npz"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(file.read_bytes())
    assert cache.load(mine) is None


def test_a_pickle_is_never_read(folder: Path) -> None:
    key = cache.key_of(["a"])
    place = folder / "traces" / key[:2] / f"{key}.npz"
    place.parent.mkdir(parents=True)
    with place.open("wb") as file:
        np.savez(file, header=np.array([{"key": key}], dtype=object))
    assert cache.load(key) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_does_not_take_it_is_said_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cache.np, "savez_compressed", refuse)
    with pytest.warns(
        cache.CacheWarning, match=r"cannot be kept in .*; name another folder in CODESIGN_CACHE"
    ):
        first = trace(network(), (1, 3, 9, 9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = trace(network(), (1, 3, 9, 9))
    same(first, second)
    assert files(folder) == []  # no half-written file is left


def test_a_folder_that_is_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = folder / "file"
    blocked.write_text("")
    monkeypatch.setenv("CODESIGN_CACHE", str(blocked))
    with pytest.warns(cache.CacheWarning):
        trace(network(), (1, 3, 9, 9))


def test_switched_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODESIGN_CACHE", "off")
    trace(network(), (1, 3, 9, 9))
    assert cache.cache_dir() is None
    assert files(folder) == []


def test_small_tables(folder: Path) -> None:
    assert cache.load_json("a" * 40) is None
    cache.store_json("a" * 40, {"x": [1, 2]})
    assert cache.load_json("a" * 40) == {"x": [1, 2]}
    files(folder)[0].write_text("{")
    assert cache.load_json("a" * 40) is None


# -- what is found again -----------------------------------------------------------------------------------


def test_the_same_module_is_found_under_any_name(folder: Path) -> None:
    first = trace(network(), (1, 3, 9, 9), name="a")
    second = trace(network(), (1, 3, 9, 9), name="b")
    assert len(files(folder)) == 1
    assert (first.name, second.name) == ("a", "b")


class Scaled(nn.Module):
    """A module with an attribute, a small tensor, and a helper function."""

    def __init__(self, factor: float = 2.0, steps: int = 1, *, values: tuple[int, ...] = (1, 2)) -> None:
        super().__init__()
        self.factor, self.steps = factor, steps
        self.register_buffer("values", torch.tensor(values))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.steps):
            x = helper(x, self.factor)
        return x


def helper(x: Tensor, factor: float) -> Tensor:
    return x * factor


def other_helper(x: Tensor, factor: float) -> Tensor:
    return x * factor + 1


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (Scaled(3.0), (1, 4)),
        (Scaled(steps=2), (1, 4)),
        (Scaled(values=(1, 3)), (1, 4)),
        (Scaled().half(), (1, 4)),
        (Scaled(), (1, 5)),
        (Scaled(), (2, 4)),
        (nn.Sequential(Scaled()), (1, 4)),
    ],
    ids=["attribute", "steps", "values", "type", "shape", "batch", "structure"],
)
def test_another_network_is_another_trace(folder: Path, module: nn.Module, shape: tuple[int, ...]) -> None:
    trace(Scaled(), (1, 4))
    trace(module, shape)
    count = len(files(folder))
    assert count == (
        1 if isinstance(module, Scaled) and module.factor == 2.0 and _same_as_plain(module, shape) else 2
    )


def _same_as_plain(module: Scaled, shape: tuple[int, ...]) -> bool:
    """Half precision of a module without floating weights changes nothing."""
    plain = Scaled()
    return shape == (1, 4) and module.steps == plain.steps and torch.equal(module.values, plain.values)


def test_a_changed_function_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trace(Scaled(), (1, 4))
    monkeypatch.setitem(globals(), "helper", other_helper)
    second = trace(Scaled(), (1, 4))
    assert (len(first), len(second)) == (1, 2)


def test_what_cannot_be_hashed_is_traced_every_time(folder: Path) -> None:
    net = Scaled()
    net.pattern = re.compile("a")
    trace(net, (1, 4))
    assert files(folder) == []
