"""Architectures of timm: traced, right in MACs, found again on disk, refused with a reason."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hw_models.errors import InputError, UnknownNameError
from hw_models.workload import cache
from hw_models.workload.op import OpKind
from search_spaces.vision import timm_models
from search_spaces.vision.timm_models import is_timm_model, native_input, timm_architectures, timm_workload

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "timm_gmacs.csv"
with GOLDEN.open(encoding="utf-8", newline="") as _file:
    CASES = list(csv.DictReader(_file))


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    """Names read once; timm's and torch's own warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        timm_architectures()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, with nothing remembered."""
    monkeypatch.setenv("CODESIGN_CACHE", str(tmp_path))
    timm_models._remembered.cache_clear()
    return tmp_path


def traced(arch: str, *args: object, **options: bool) -> Workload:
    """A fresh trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return timm_workload(arch, *args, cache=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", CASES, ids=[row["case"] for row in CASES])
def test_macs_as_published(row: dict[str, str]) -> None:
    arch, size = row["case"].split("@")
    w = traced(arch)
    assert w.name == row["case"]
    assert native_input(arch)[1] == int(size)
    assert w.macs / 1e9 == pytest.approx(float(row["value"]), rel=float(row["tolerance"]))
    assert w.unmodelled_share() == {"output_elements": 0.0, "bytes": 0.0}
    _sound(w)


def _sound(w: Workload) -> None:
    """What holds for every graph: written before read, written once, shapes that fit."""
    written = {t for t in range(w.n_tensors) if int(w.tensor_kind[t]) in {0, 1, 2}}
    for op in w.ops:
        assert set(op.inputs) <= written, op
        assert not set(op.outputs) & set(op.inputs), op
        written |= set(op.outputs)
    assert set(w.outputs) <= written
    assert len(w.out_tensor) == len(set(w.out_tensor.tolist()))
    elementwise = w.op_kind == OpKind.ELEMENTWISE
    first = w.out_tensor[w.out_ptr[:-1]]
    assert np.array_equal(w.op_dims[elementwise, 0], w.tensor_elements[first[elementwise]])
    views = w.op_kind == OpKind.VIEW
    assert (w.tensor_storage[first[views]] != first[views]).all()
    assert w.outputs[0] in set(w.out_tensor.tolist())


def test_families_are_many() -> None:
    assert len({row["case"].split("_")[0].rstrip("0123456789") for row in CASES}) >= 40


def test_attention_of_a_vision_transformer_by_its_closed_form() -> None:
    w = traced("vit_tiny_patch16_224")
    tokens, width, depth, heads = 14 * 14 + 1, 192, 12, 3
    attention = [op for op in w.ops if op.kind == OpKind.ATTENTION]
    assert len(attention) == depth
    assert attention[0].loop == {"batch": 1, "heads": heads, "lq": tokens, "lk": tokens, "d": 64, "dv": 64}
    block = tokens * width * width * (3 + 1 + 8) + 2 * tokens * tokens * width
    assert w.macs == 196 * 768 * width + depth * block + width * 1000
    assert w.params == 5_717_416  # published: 5.72 M


def test_parameters_are_those_of_the_author() -> None:
    assert traced("resnet18").params == 11_689_512  # torchvision and timm: 11.69 M


@pytest.mark.parametrize(
    ("arch", "published_m"),
    [("repvgg_a0", 8.31), ("ghostnetv3_050", 2.85), ("levit_128", 9.19), ("resnet18", 11.69)],
)
def test_reparameterised_form_has_the_published_parameters(arch: str, published_m: float) -> None:
    """`params_m` of the torch 2.9.1 rows."""
    w = traced(arch, reparameterize=True)
    assert w.params / 1e6 == pytest.approx(published_m, abs=0.006)
    assert w.params <= traced(arch).params


@pytest.mark.parametrize(
    ("arch", "size", "tokens"),
    [("vit_tiny_patch16_224", 256, 257), ("vit_tiny_patch16_224", (224, 448), 393)],
)
def test_other_sizes_reach_the_constructor(arch: str, size: int | tuple[int, int], tokens: int) -> None:
    w = traced(arch, size)
    attention = next(op for op in w.ops if op.kind == OpKind.ATTENTION)
    assert attention.loop["lq"] == tokens
    assert w.name.endswith("@256" if size == 256 else "@224x448")


def test_names() -> None:
    assert is_timm_model("resnet50.a1_in1k")
    assert not is_timm_model("resnet5o")
    assert native_input("inception_v3") == (3, 299, 299)
    assert native_input("gluon_resnet50_v1b") == native_input("resnet50")
    assert not is_timm_model("ig_resnext101_32x16d")  # timm names a successor of another width
    assert traced("gluon_resnet50_v1b").name == "resnet50@224"
    with pytest.raises(
        UnknownNameError, match="unknown timm architecture 'resnet5O'; did you mean 'resnet50'"
    ):
        timm_workload("resnet5O")


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="image size 0 given, expected positive pixels"):
        timm_workload("resnet18", 0)
    with pytest.raises(InputError, match=r"inception_v3 does not run at 32x32 pixels \(native 299x299\)"):
        traced("inception_v3", 32)
    with pytest.raises(InputError, match=r"crossvit_tiny_240 (does not run )?at 7x7 pixels"):
        traced("crossvit_tiny_240", 7)


def test_kept_traces_need_neither_timm_nor_torch(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = timm_workload("test_resnet")
    assert timm_workload("test_resnet") is first
    code = (
        "import sys, json; from search_spaces.vision.timm_models import timm_workload, is_timm_model; "
        "w = timm_workload('test_resnet'); assert is_timm_model('resnet18'); "
        "print(json.dumps([w.macs, len(w), 'torch' in sys.modules or 'timm' in sys.modules]))"
    )
    timm_models._catalogue.cache_clear()
    timm_architectures()  # names are kept too
    environment = {**os.environ, "CODESIGN_CACHE": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [first.macs, len(first), False]


def test_other_releases_are_other_traces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del folder
    here = timm_models._key("resnet18", None, reparameterize=False)
    assert here != timm_models._key("resnet18", None, reparameterize=True)
    assert here != timm_models._key("resnet18", (256, 256), reparameterize=False)
    monkeypatch.setattr(timm_models, "_releases", lambda: ("timm 0", "torch 0"))
    assert here != timm_models._key("resnet18", None, reparameterize=False)
    assert cache.load(here) is None
