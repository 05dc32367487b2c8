"""The timm zoo against the published table it is made from."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
from collections import defaultdict
from importlib.resources import files

import pytest

from search_spaces.candidate import Candidate
from search_spaces.vision.timm_zoo import TimmZoo

ZOO = TimmZoo()


@pytest.fixture(scope="module")
def published() -> dict[tuple[str, int], dict[str, float]]:
    """(architecture, size) -> weights -> top-1, from the file as timm publishes it."""
    pairs: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    file = files("search_spaces.vision") / "data" / "timm_imagenet_top1.csv.gz"
    with gzip.open(str(file), "rt") as lines:
        for row in csv.DictReader(lines):
            pairs[row["model"].partition(".")[0], int(row["img_size"])][row["model"]] = float(row["top1"])
    return pairs


def test_every_published_pair_is_in_the_space_or_listed(published) -> None:
    here = {f"{c['arch']}@{c['img_size']}" for c in ZOO.candidates()}
    assert here | set(ZOO.left_out()) == {f"{a}@{s}" for a, s in published}
    assert not here & set(ZOO.left_out())
    assert all(ZOO.left_out().values())
    assert len(here) > 1150


def test_networks_made_for_unit_tests_are_no_candidates() -> None:
    assert not any(str(c["arch"]).startswith("test_") for c in ZOO.candidates())
    assert ZOO.left_out()["test_resnet@160"] == "a tiny network made for timm's own unit tests"


def test_every_top1_is_the_published_one(published) -> None:
    for c in ZOO.candidates():
        e = ZOO.entry(c)
        assert published[e.arch, e.img_size][e.weights] == ZOO.published_top1(c)
        assert e.n_weights == len(published[e.arch, e.img_size])


def test_of_several_weights_the_default_ones_count() -> None:
    resnet = Candidate(arch="resnet50", img_size=288)
    assert ZOO.entry(resnet).weights == "resnet50.a1_in1k"  # timm 1.0: the first of resnet50's tags
    assert ZOO.published_top1(resnet) == 81.24
    assert (
        ZOO.published_note(resnet)
        == "top-1 as published for resnet50.a1_in1k (timm's default, of 10 weights)"
    )
    # vit_base_patch16_224's default tag is augreg2_in21k_ft_in1k
    assert ZOO.entry(Candidate(arch="vit_base_patch16_224", img_size=224)).weights.endswith(
        ".augreg2_in21k_ft_in1k"
    )


def test_a_size_that_is_not_published_becomes_the_nearest() -> None:
    assert ZOO.canonical(Candidate(arch="resnet50", img_size=480)) == Candidate(arch="resnet50", img_size=288)
    assert ZOO.canonical(Candidate(arch="resnet50", img_size=256)) == Candidate(arch="resnet50", img_size=224)


def test_neighbours_are_alike() -> None:
    near = ZOO.neighbours(Candidate(arch="resnet50", img_size=224))
    assert Candidate(arch="resnet50", img_size=288) in near
    assert sum(str(n["arch"]).startswith("resnet") for n in near) >= 4
    mine = ZOO.entry(Candidate(arch="resnet50", img_size=224)).params_m
    assert all(0.8 < ZOO.entry(n).params_m / mine < 1.25 for n in near)


def test_looking_at_the_space_needs_no_torch() -> None:
    code = (
        "import sys; from search_spaces.vision.timm_zoo import TimmZoo; z = TimmZoo(); z.size; z.knobs; "
        "print({'torch', 'timm', 'pandas'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_the_default_tags_are_those_of_the_installed_timm() -> None:
    timm = pytest.importorskip("timm")
    defaults = [ZOO.entry(c) for c in ZOO.candidates() if ZOO.entry(c).is_default]
    for e in defaults[::40]:
        assert timm.models.get_pretrained_cfg(e.arch).tag == e.weights.partition(".")[2]


def test_its_networks_train_and_export() -> None:
    from search_spaces.testing.networks import of_export, of_training

    for arch, size in (("mobilenetv3_small_050", 224), ("efficientvit_m0", 224)):
        candidate = Candidate(arch=arch, img_size=size)
        assert [*of_training(ZOO, candidate), *of_export(ZOO, candidate)] == []
