"""Elastic networks: published sizes, closed form against trace, canonical forms, training, export."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import search_spaces  # noqa: F401  (before torchvision: without its native part it has to be helped)
from hw_models.errors import InputError, UnknownNameError
from hw_models.workload.op import OpKind
from search_spaces.candidate import Candidate
from search_spaces.catalogue import load_space, reference
from search_spaces.closed_form import differences
from search_spaces.knobs import Choice, IntRange
from search_spaces.space import filled
from search_spaces.testing.conformance import problems
from search_spaces.vision import elastic_cnn, elastic_resnet, elastic_vit
from search_spaces.vision.elastic_cnn import ElasticCnn
from search_spaces.vision.elastic_resnet import ElasticResnet
from search_spaces.vision.elastic_vit import ElasticVit

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from search_spaces.vision.elastic import ElasticSpace

SPACES: dict[str, ElasticSpace] = {s.name: s for s in (ElasticCnn(), ElasticResnet(), ElasticVit())}
FIGURES = Path(__file__).parents[2] / "golden" / "elastic_spaces.csv"


def golden() -> list[dict[str, str]]:
    with FIGURES.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def smallest(space: ElasticSpace, **values: str | float | bool) -> Candidate:
    """Every knob at its first value but these."""
    return space.canonical(filled(space, Candidate(values)))


def traced(space: ElasticSpace, candidate: Candidate, batch: int = 1) -> Workload:
    import torch

    from hw_models.workload.from_torch import trace

    side = int(candidate["resolution"])
    with torch.device("meta"):
        module = space.build(candidate)
    return trace(module, (batch, 3, side, side), cache=False)


def quantity(workload: Workload, name: str) -> float:
    if name in {"params", "macs"}:
        return float(getattr(workload, name))
    ops = [o for o in workload.ops if o.kind in {OpKind.CONV, OpKind.GEMM}]
    if name == "macs_without_attention":
        return sum(o.macs for o in ops)
    assert name == "activations"  # what convolutions and linear layers write, as timm's tables count
    return sum(workload.tensor(o.outputs[0]).elements for o in ops)


@pytest.mark.parametrize("row", golden(), ids=lambda r: f"{r['case']}-{r['quantity']}")
def test_published_figures(row: dict[str, str]) -> None:
    name, _, network = row["case"].partition("/")
    space = SPACES[name]
    found = quantity(space.workload(space.known[network]), row["quantity"])
    assert found == pytest.approx(float(row["value"]), rel=float(row["tolerance"]), abs=0), row["source"]


@pytest.mark.parametrize(
    ("space", "network", "theirs"),
    [
        ("elastic_cnn", "mobilenetv3_large_100", "mobilenet_v3_large"),
        ("elastic_resnet", "resnet50", "resnet50"),
        ("elastic_vit", "vit_base_patch16_224", "vit_b_16"),
    ],
)
def test_as_torchvision_builds_it(space: str, network: str, theirs: str) -> None:
    import torch
    from torchvision.models import get_model

    from hw_models.workload.from_torch import trace

    with torch.device("meta"):
        module = get_model(theirs, weights=None)
    other = trace(module, (1, 3, 224, 224), cache=False)
    mine = SPACES[space].workload(SPACES[space].known[network])
    assert (mine.macs, mine.params) == (other.macs, other.params)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_as_timm_builds_it(space: ElasticSpace) -> None:
    from search_spaces.vision.timm_models import timm_workload

    for name, candidate in space.known.items():
        side = int(candidate["resolution"])
        mine, other = space.workload(candidate), timm_workload(name, side, cache=False)
        assert (name, mine.macs, mine.params) == (name, other.macs, other.params)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_spaces_conform(space: ElasticSpace) -> None:
    assert problems(space, samples=5) == []
    assert load_space(space.name) == space
    assert reference(space) == space.name


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_closed_form_is_the_trace_in_every_field(space: ElasticSpace) -> None:
    rng = np.random.default_rng(5)
    for candidate in [next(iter(space.known.values())), *(space.sample(rng) for _ in range(6))]:
        assert differences(space.workload(candidate), traced(space, candidate)) == []


def test_a_window_that_does_not_fit_is_padded_also_in_the_closed_form() -> None:
    space = SPACES["elastic_vit"]
    for window, padded in (
        (7, 0),
        (8, 4),
    ):  # a grid of 14: two windows of 7, or two of 8 with 2 tokens too many
        candidate = smallest(space, resolution=224, patch=16, window=window, attention_2="window")
        written = space.workload(candidate)
        assert differences(written, traced(space, candidate)) == []
        tiles = [o.loop for o in written.ops if o.kind == OpKind.ATTENTION]
        assert tiles[1] == {"batch": 4, "heads": 3, "lq": window**2, "lk": window**2, "d": 64, "dv": 64}
        assert tiles[0]["lq"] == 196  # without a class token
        assert sum(o.attrs["fn"] in {"pad", "slice"} for o in written.ops) * 4 == padded * 3


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_at_another_batch_as_traced_there(space: ElasticSpace) -> None:
    extra = {"attention_1": "window"} if space.name == "elastic_vit" else {}
    candidate = smallest(space, **extra)
    written, there = space.workload(candidate).at_batch(3), traced(space, candidate, batch=3)
    assert np.array_equal(written.op_dims, there.op_dims)
    assert np.array_equal(written.tensor_elements, there.tensor_elements)


def test_sizes_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"resolution": Choice((128,)), "features": Choice((640,)), "kernel_1": Choice((3,))}
    monkeypatch.setattr(elastic_cnn, "STAGES", elastic_cnn.STAGES[:1])
    monkeypatch.setattr(elastic_cnn, "DEPTHS", IntRange(1, 2))
    monkeypatch.setattr(elastic_cnn, "KERNELS", few["kernel_1"])
    monkeypatch.setattr(elastic_cnn, "KNOBS", {**elastic_cnn._knobs(), **few})
    assert problems(ElasticCnn()) == []
    # widths 16, 24, 32 with 4, 5, 5 distinct expansions, depth 1 or 2, excitation, activation; first block 4
    assert ElasticCnn().size == 2 * 2 * 4 * ((1 + 4) + (1 + 5) + (1 + 5))
    two = {f"{k}_{at}": Choice((0.5, 0.25)) for k in ("width", "ratio") for at in range(1, 5)}
    one = {f"depth_{at}": Choice((1,)) for at in range(1, 5)} | {"resolution": Choice((128,))}
    monkeypatch.setattr(elastic_resnet, "KNOBS", {**elastic_resnet.KNOBS, **two, **one})
    assert problems(ElasticResnet()) == []
    assert ElasticResnet().size == 2 * 2 * 2**4 * (1 + 2**4)
    few = {f"heads_{at}": Choice((3,)) for at in range(1, 5)} | {"width": Choice((192,))}
    few |= {f"ratio_{at}": Choice((2.0,)) for at in range(1, 5)} | {"depth": Choice((4,))}
    monkeypatch.setattr(elastic_vit, "KNOBS", {**elastic_vit.KNOBS, **few})
    assert problems(ElasticVit()) == []


def test_sizes() -> None:
    assert ElasticResnet().size == 7 * 2 * 2 * 4 * 6 * 10 * 4 * 4**4 * (1 + 5**4)
    assert ElasticCnn().size == pytest.approx(4.03e22, rel=1e-3)
    assert ElasticVit().size == pytest.approx(1.34e12, rel=1e-2)


def test_equal_networks_have_one_candidate() -> None:
    cnn = SPACES["elastic_cnn"]
    large = cnn.known["mobilenetv3_large_100"]
    assert "expand_1_3" not in large  # the first stage has two blocks
    assert cnn.canonical(large.replace(expand_1_3=6.0)) == large
    # 2.5 x 16 and 2.3 x 16 both round to 40 channels
    assert cnn.canonical(large.replace(expand_1_1=2.5))["expand_1_1"] == 2.3
    assert cnn.canonical(large.replace(expand_1_2=2.5))["expand_1_2"] == 2.5  # 60 -> 64, not 56
    resnet = SPACES["elastic_resnet"]
    assert not any(k.startswith("ratio") for k in resnet.known["resnet18"])
    whole = resnet.known["resnet50"].replace(width_1=1, width_2=np.float64(1))  # as people and numpy write it
    assert resnet.canonical(whole).key == resnet.known["resnet50"].key
    vit = SPACES["elastic_vit"]
    base = vit.known["vit_base_patch32_224"]
    assert vit.canonical(base.replace(window=7, attention_1="window")) == base  # 7 x 7 tokens are the image
    assert vit.canonical(base.replace(window=4, attention_1="window"))["attention_1"] == "window"


def test_wrong_candidates_are_refused() -> None:
    cnn = SPACES["elastic_cnn"]
    large = cnn.known["mobilenetv3_large_100"]
    with pytest.raises(
        InputError, match=r"knob 'expand_3_4' of the space 'elastic_cnn' is not set, expected"
    ):
        cnn.canonical(large.only(k for k in large if k != "expand_3_4"))
    with pytest.raises(InputError, match=r"knob 'depth_1' .*: 9 given, expected an integer from 1 to 4"):
        cnn.canonical(large.replace(depth_1=9))
    with pytest.raises(UnknownNameError, match="did you mean 'depth_1'"):
        cnn.canonical(large.replace(deph_1=1))


def test_neighbours_of_a_published_network() -> None:
    cnn = SPACES["elastic_cnn"]
    large = cnn.known["mobilenetv3_large_100"]
    near = cnn.neighbours(large)
    assert large.replace(width_5=120) in near
    assert cnn.canonical(large.replace(depth_1=3, expand_1_3=2.3)) in near
    here = cnn.workload(large)
    alike = [n for n in near if differences(cnn.workload(n), here) == []]
    assert alike == []
    # knobs that apply: 3 and 4 for each of 5 stages have 1 or 2 steps, so have the expansions of 14 blocks
    assert 23 + 14 <= len(near) <= 2 * (23 + 14)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_a_larger_knob_never_costs_less(space: ElasticSpace) -> None:
    here = next(iter(space.known.values()))
    for name in ("resolution", "depth_2", "width_2", "kernel_2", "expand_2_1", "ratio_2", "heads_2", "depth"):
        knob = space.knobs.get(name)
        if knob is None or name not in here:
            continue
        macs = [space.workload(space.canonical(filled(space, here.replace(**{name: v})))).macs for v in knob]
        assert macs == sorted(macs)


TINY: dict[str, dict[str, str | float | bool]] = {
    "elastic_cnn": {"excite_2": True, "activation": "relu"},
    "elastic_resnet": {"block": "bottleneck", "stem": "deep", "shortcut": "average"},
    "elastic_vit": {"patch": 16, "window": 7, "attention_2": "window"},
}


@pytest.mark.parametrize("name", SPACES)
def test_the_module_trains_and_exports(name: str, tmp_path: Path) -> None:
    import torch

    from hw_models.workload.from_onnx import read_onnx

    space = type(SPACES[name])(n_classes=5)
    candidate = smallest(space, **TINY[name])
    module, side = space.build(candidate), int(candidate["resolution"])
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    loss = torch.nn.functional.cross_entropy(module(images), torch.tensor([0, 4]))
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    by_graph = name == "elastic_vit"  # the other exporter is older and ten times as fast
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporters
        torch.onnx.export(module.eval(), (images[:1],), tmp_path / "x.onnx", dynamo=by_graph, verbose=False)
    written, read = space.workload(candidate), read_onnx(tmp_path / "x.onnx")
    assert read.op_modelled.all()
    assert read.macs == written.macs
    assert sum(p.numel() for p in module.parameters()) == written.params


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("elastic_cnn", "mobilenetv3_large_100"),
        ("elastic_resnet", "resnet50d"),
        ("elastic_resnet", "resnet18"),
        ("elastic_vit", "vit_tiny_patch16_224"),
    ],
)
def test_with_the_weights_of_timm_it_says_what_timm_says(name: str, network: str) -> None:
    import timm
    import torch

    space = SPACES[name]
    theirs, mine = timm.create_model(network).eval(), space.build(space.known[network]).eval()
    pairs = zip(mine.state_dict().items(), theirs.state_dict().values(), strict=True)
    # timm's last layer but one of MobileNetV3 is a 1x1 convolution of one pixel, ours a linear layer
    mine.load_state_dict({path: weight.reshape(own.shape) for (path, own), weight in pairs})
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = theirs(image), mine(image)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_a_token_is_seen_within_its_window_alone() -> None:
    import torch

    from search_spaces.vision.architectures.windowed_vit import VitBlock
    from search_spaces.vision.elastic_vit import Block

    grid, window = 6, 4  # padded to 8: windows of rows and columns 0..3 and 4..5
    torch.manual_seed(0)
    block = VitBlock(16, Block(2, 8, 32, window), grid)
    tokens = torch.randn(1, grid**2, 16)
    changed = tokens.clone()
    changed[0, 1 * grid + 5, 0] += 1  # row 1, column 5; a norm takes out what all channels share
    with torch.inference_mode():
        moved = (block(changed) - block(tokens)).abs().amax(2).view(grid, grid) > 1e-6
    expected = torch.zeros(grid, grid, dtype=torch.bool)
    expected[:4, 4:] = True
    assert torch.equal(moved, expected)


def test_workloads_need_no_torch_and_milliseconds() -> None:
    code = (
        "import sys, numpy as np; from search_spaces.catalogue import load_space\n"
        "for n in ('elastic_cnn', 'elastic_resnet', 'elastic_vit'):\n"
        "    s = load_space(n); s.workload(s.sample(np.random.default_rng(0))); s.size\n"
        "print({'torch', 'timm', 'pandas', 'optuna'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
    rng = np.random.default_rng(0)
    for space in SPACES.values():
        drawn = [space.sample(rng) for _ in range(10)]
        start = time.process_time()
        for candidate in drawn:
            space.workload(candidate)
        assert (time.process_time() - start) / len(drawn) < 0.02  # about 3 ms; a trace takes 100
