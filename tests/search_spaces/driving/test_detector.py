"""The space of detectors: published networks, other people's modules, a trace in every field."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch

from hw_models.errors import InputError
from hw_models.workload.from_torch import trace
from hw_models.workload.op import OpKind
from search_spaces.candidate import Candidate
from search_spaces.closed_form import differences
from search_spaces.driving.backbones import resnet
from search_spaces.driving.detector import KNOBS, PUBLISHED, Detector
from search_spaces.graph_module import graph_module
from search_spaces.graph_writer import GraphWriter
from search_spaces.testing.conformance import problems
from search_spaces.testing.inputs import zeros_for
from search_spaces.vision.architectures.yolox import yolox

SPACE = Detector()
TINY = Candidate(
    backbone="mobilenet_v2", width=0.25, neck="bifpn", neck_width=64, neck_depth=1, levels=4, head="retina",
    head_depth=1, act="relu", resolution="256x416",
)  # fmt: skip


def test_the_space_holds_to_the_contract() -> None:
    assert problems(SPACE, samples=15) == []  # traced and trained below


# Ge et al., YOLOX, table of the repository: 5.06, 8.97, 25.3, 54.2 and 99.1 M; 6.45, 26.8, 73.8, 155.6 and
# 281.9 GFLOPs, which count norms and activations too
@pytest.mark.parametrize(
    ("size", "params_m", "gflops"),
    [("tiny", 5.06, 6.45), ("s", 8.97, 26.8), ("m", 25.3, 73.8), ("l", 54.2, 155.6), ("x", 99.1, 281.9)],
)
def test_yolox_as_published(size, params_m, gflops) -> None:
    w = SPACE.workload(PUBLISHED[f"yolox_{size}"])
    assert w.params / 1e6 == pytest.approx(params_m, rel=2e-3)
    assert 2 * w.macs / 1e9 == pytest.approx(gflops, rel=7e-3)


def test_yolox_is_the_one_of_the_published_networks() -> None:
    with torch.device("meta"):
        other = yolox("s")
    traced = trace(other, (1, 3, 640, 640), cache=False)
    w = SPACE.workload(PUBLISHED["yolox_s"])
    assert (w.macs, w.params) == (traced.macs, traced.params)


@pytest.mark.parametrize(("name", "parameters"), [("retinanet", 34_014_999), ("fcos", 32_269_600)])
def test_detectors_of_torchvision(name, parameters) -> None:
    # torchvision/models/detection, `num_params` of the COCO weights; its norms are frozen, so that the scales
    # and shifts of ResNet-50's 26,560 normalised channels are no parameters there
    w = Detector(classes=91).workload(PUBLISHED[f"{name}_resnet50_fpn"])
    assert w.params - 2 * 26_560 == parameters


def test_backbones_carry_the_parameters_of_their_papers() -> None:
    # torchvision's counts without the classifier (and without MobileNetV2's last 1x1 convolution)
    known = {
        "resnet18": 11_689_512 - 513_000,
        "resnet34": 21_797_672 - 513_000,
        "resnet50": 25_557_032 - 2_049_000,
        "resnet101": 44_549_160 - 2_049_000,
        "mobilenet_v2": 3_504_872 - 1_281_000 - 320 * 1280 - 2 * 1280,
    }
    for backbone, parameters in known.items():
        module = SPACE.build(TINY.replace(backbone=backbone, width=1.0)).get_submodule("backbone")
        assert sum(p.numel() for p in module.parameters()) == parameters


def test_a_resnet_says_what_torchvision_says_with_its_weights() -> None:
    from torchvision.models import get_model
    from torchvision.models._utils import IntermediateLayerGetter

    torch.manual_seed(0)
    theirs = IntermediateLayerGetter(
        get_model("resnet50", weights=None).eval(), {"layer2": "c3", "layer3": "c4", "layer4": "c5"}
    )
    w = GraphWriter("resnet")
    mine = graph_module(w, resnet(w, w.input((1, 3, 64, 96)), "backbone", layers=50)).eval()
    mine.get_submodule("backbone").load_state_dict(theirs.state_dict())
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        for own, other in zip(mine(image), theirs(image).values(), strict=True):
            torch.testing.assert_close(own, other, atol=1e-4, rtol=1e-4)


def test_equal_numbers_are_equal_candidates() -> None:
    whole, fraction = (SPACE.canonical(TINY.replace(width=width)) for width in (1, 1.0))
    assert whole.key == fraction.key


def _every_part() -> list[Candidate]:
    """Small candidates that together have every backbone, neck, head and activation."""
    plain = {"width": 0.25, "depth": 0.33, "neck_width": 64, "neck_depth": 2, "head_depth": 1}
    parts = ("backbone", "neck", "head", "act")
    rows = [[k for k in KNOBS[name]] for name in parts]
    turns = [tuple(row[(at + shift) % len(row)] for shift, row in enumerate(rows)) for at in range(6)]
    levels = (3, 4, 5, 3, 4, 5)
    return [
        SPACE.canonical(
            Candidate({**plain, **dict(zip(parts, t, strict=True)), "levels": n, "resolution": r})
        )
        for t, n, r in zip(turns, levels, ("256x416", "320x320") * 3, strict=True)
    ]


@pytest.mark.parametrize("candidate", _every_part(), ids=SPACE.label)
def test_the_workload_is_the_trace_of_the_module_in_every_field(candidate) -> None:
    written = SPACE.workload(candidate)
    with torch.device("meta"):
        module = SPACE.build(candidate)
    traced = trace(module, inputs=zeros_for(written, "meta"), name=written.name, cache=False)
    assert differences(written, traced) == []


def test_knobs_that_do_not_apply_leave_the_canonical_form() -> None:
    whole = Candidate({n: next(iter(k)) for n, k in KNOBS.items()}).replace(head="retina")
    assert "depth" in SPACE.canonical(whole)  # a CSP backbone
    plain = SPACE.canonical(whole.replace(backbone="resnet18"))
    assert not {"depth", "neck_depth"} & set(plain)
    assert plain == SPACE.canonical(whole.replace(backbone="resnet18", depth=1.0, neck_depth=3))
    yolo = SPACE.canonical(whole.replace(neck="csp_pafpn"))
    assert yolo["head"] == "decoupled"
    assert "levels" not in yolo
    assert "head_depth" not in SPACE.canonical(whole.replace(head="coupled"))


def test_a_knob_that_applies_must_be_set() -> None:
    with pytest.raises(InputError, match="knob 'resolution' of the space 'detector' is not set"):
        SPACE.canonical(TINY.only(k for k in TINY if k != "resolution"))


def test_size_counts_canonical_candidates() -> None:
    fixed = {"width": 0.25, "neck_width": 64, "act": "relu", "resolution": "320x320", "head_depth": 1}
    free = {n: k for n, k in KNOBS.items() if n not in fixed}
    found = {
        SPACE.canonical(Candidate({**fixed, **dict(zip(free, values, strict=True))}))
        for values in product(*free.values())
    }
    plain = sum(c["head"] == "coupled" for c in found)
    assert SPACE.size == (plain + 4 * (len(found) - plain)) * 6 * 7 * 4 * 12  # values of what is held fixed


def test_one_set_of_weights_serves_all_levels_of_a_shared_head() -> None:
    few, many = (SPACE.workload(TINY.replace(levels=n)) for n in (3, 5))
    assert many.macs > few.macs
    extra = SPACE.workload(TINY.replace(levels=5, head="coupled")).params
    assert many.params - few.params < extra
    towers = [o.module for o in few.ops if o.module.startswith("head.classes.0")]
    assert towers == ["head.classes.0"] * 3


def test_more_pixels_are_more_work_and_no_more_weights() -> None:
    works = [SPACE.workload(TINY.replace(resolution=r)) for r in KNOBS["resolution"]]
    pixels = [int(a) * int(b) for a, b in (str(r).split("x") for r in KNOBS["resolution"])]
    assert pixels == sorted(pixels)
    assert np.all(np.diff([w.macs for w in works]) > 0)
    assert len({w.params for w in works}) == 1


def test_it_learns() -> None:
    torch.manual_seed(0)
    module = SPACE.build(TINY).train()
    maps = module(torch.randn(2, 3, 256, 416))
    assert [tuple(m.shape) for m in maps[:2]] == [(2, 720, 32, 52), (2, 36, 32, 52)]
    sum(m.square().mean() for m in maps).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


def test_a_workload_needs_no_torch() -> None:
    code = (
        "import sys; from search_spaces.driving.detector import PUBLISHED, Detector; s = Detector(); s.size; "
        "s.workload(PUBLISHED['yolox_s']); print({'torch', 'pandas'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_it_exports_to_onnx(tmp_path) -> None:
    pytest.importorskip("onnxscript")
    from hw_models.measured.timers.to_onnx import to_onnx
    from hw_models.workload.from_onnx import read_onnx

    candidate = TINY.replace(backbone="resnet18", neck="fpn", levels=3, head="coupled")
    w = SPACE.workload(candidate)
    file = to_onnx(SPACE.build(candidate), zeros_for(w), tmp_path / "detector.onnx")
    read = read_onnx(file)
    assert read.macs == w.macs
    assert (read.op_kind == OpKind.CONV).sum() == (w.op_kind == OpKind.CONV).sum()
