"""The space of bird's-eye views: BEVFormer's shapes, geometry by hand, a trace in every field."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from hw_models.errors import InputError
from hw_models.workload.from_torch import trace
from hw_models.workload.op import OpKind
from search_spaces.candidate import Candidate
from search_spaces.closed_form import differences
from search_spaces.driving import rig
from search_spaces.driving.bev import KNOBS, PUBLISHED, Bev
from search_spaces.testing.conformance import problems
from search_spaces.testing.inputs import zeros_for

SPACE = Bev()
TINY = PUBLISHED["bevformer_tiny"]
_SMALL = {
    "cameras": 3, "image": "256x704", "backbone": "resnet18", "width": 0.5, "stride": 32, "grid": 50,
    "channels": 64, "encoder": 1, "frames": 1,
}  # fmt: skip
LIFTED = Candidate({**_SMALL, "view": "lift_splat", "depth_bins": 41, "head": "center"})
ASKED = Candidate(
    {**_SMALL, "view": "queries", "points": 4, "head": "detr", "head_queries": 100, "head_layers": 2}
)


def test_the_space_holds_to_the_contract() -> None:
    assert problems(SPACE, samples=15) == []  # traced and trained below


def test_bevformer_tiny_has_the_published_stages() -> None:
    # bevformer_tiny.py: ResNet-50 at 480x800 on 6 cameras, C5 of 15x25, 50x50 cells of 256 channels, 3 and 6
    # layers of encoder and decoder, 900 queries, 8 heads, 8 points in 4 anchors, a feed-forward width of 512
    assert SPACE.canonical(TINY) == TINY
    w = SPACE.workload(TINY)
    by_path = {o.module: o for o in w.ops if o.module}

    def made(path: str) -> tuple[int, ...]:
        return w.shape(by_path[path].outputs[0])

    assert made("backbone.conv1") == (6, 64, 240, 400)  # of 450x800, padded to multiples of 32
    for stage, (blocks, channels, height, width) in enumerate(
        [(3, 256, 120, 200), (4, 512, 60, 100), (6, 1024, 30, 50), (3, 2048, 15, 25)], 1
    ):
        assert made(f"backbone.layer{stage}.{blocks - 1}.conv3") == (6, channels, height, width)
    assert made("neck.layer") == (6, 256, 15, 25)
    assert made("view.layers.2.norm3") == (1, 2500, 256)
    assert made("view.layers.0.feed1") == (1, 2500, 512)
    assert made("view.layers.0.time.offsets") == (1, 2500, 2 * 8 * 4 * 2)
    assert made("view.layers.0.space.offsets") == (1, 2500, 8 * 8 * 2)
    assert made("head.layers.5.norm3") == (1, 900, 256)
    assert "view.layers.3.norm1" not in by_path
    assert "head.layers.6.norm1" not in by_path
    assert {made("head.classes.last"), made("head.layers.5.box.last")} == {(1, 900, 10)}


def test_parameters_of_bevformer_tiny_by_hand() -> None:
    def linear(c: int, k: int) -> int:
        return c * k + k

    d, norm = 256, 512
    feed = linear(d, 512) + linear(512, d)
    time = linear(2 * d, 128) + linear(2 * d, 64) + 2 * linear(d, d)
    space = linear(d, 128) + linear(d, 64) + 2 * linear(d, d)
    decoder = 4 * linear(d, d) + linear(d, 64) + linear(d, 32) + 2 * linear(d, d) + feed + 3 * norm
    boxes = 2 * linear(d, d) + linear(d, 10)
    parts = {
        "backbone": 23_508_032,
        "neck": linear(2048, d) + linear(9 * d, d) - d + d,
        "view": 3 * (time + space + feed + 3 * norm)
        + (2500 + 2 * 50 + 6 + 1) * d
        + linear(18, 128) + linear(128, d) + norm,
        "head": 6 * (decoder + boxes) + 900 * 512 + linear(d, 3) + 2 * (linear(d, d) + norm) + linear(d, 10),
    }  # fmt: skip
    with torch.device("meta"):
        module = SPACE.build(TINY)
    for name, count in parts.items():
        assert sum(p.numel() for p in module.get_submodule(name).parameters()) == count
    assert SPACE.workload(TINY).params == sum(parts.values())


@pytest.mark.parametrize(
    "candidate",
    [
        LIFTED,
        LIFTED.replace(cameras=1, frames=0, stride=16, head="segmentation", backbone="mobilenet_v2"),
        Candidate({**LIFTED, "head": "detr", "head_queries": 100, "head_layers": 1, "frames": 2}),
        ASKED,
        ASKED.replace(cameras=1, frames=0, points=8, stride=16),
        ASKED.replace(frames=3, encoder=2, channels=80),
        TINY,
    ],
    ids=SPACE.label,
)
def test_the_workload_is_the_trace_of_the_module_in_every_field(candidate) -> None:
    written = SPACE.workload(candidate)
    with torch.device("meta"):
        module = SPACE.build(candidate)
    traced = trace(module, inputs=zeros_for(written, "meta"), name=written.name, cache=False)
    assert differences(written, traced) == []


@pytest.mark.parametrize(
    "candidate", [LIFTED.replace(cameras=1), ASKED.replace(cameras=1)], ids=["lift_splat", "queries"]
)
def test_it_learns_and_treats_a_batch_as_its_parts(candidate) -> None:
    torch.manual_seed(0)
    module = SPACE.build(candidate)
    one = [torch.rand_like(i) for i in zeros_for(SPACE.workload(candidate))]
    two = [torch.cat([torch.rand_like(i), i]) for i in one]
    module.eval()
    with torch.no_grad():
        for single, double in zip(module(*one), module(*two), strict=True):
            torch.testing.assert_close(double[1:], single, atol=1e-4, rtol=1e-4)
    sum(o.square().mean() for o in module.train()(*two)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


def test_knobs_that_do_not_apply_leave_the_canonical_form() -> None:
    whole = Candidate({n: next(iter(k)) for n, k in KNOBS.items()})
    lifted = SPACE.canonical(whole.replace(view="lift_splat", head="center"))
    assert not {"points", "head_queries", "head_layers"} & set(lifted)
    assert lifted == SPACE.canonical(whole.replace(view="lift_splat", head="center", points=8, head_layers=4))
    assert "depth_bins" not in SPACE.canonical(whole.replace(view="queries"))
    with pytest.raises(InputError, match="knob 'points' of the space 'bev' is not set"):
        SPACE.canonical(ASKED.only(k for k in ASKED if k != "points"))


def test_size_by_hand() -> None:
    shared = 6 * 5 * 5 * 3 * 2 * 6 * 5 * 6 * 4  # all but what depends on view and head
    views = 4 + 2  # bins of depth, or points
    heads = 1 + 1 + 4 * 6  # centre, segmentation, queries by layers
    assert SPACE.size == shared * views * heads


def test_more_of_everything_is_more_work() -> None:
    def macs(c: Candidate) -> int:
        return SPACE.workload(c).macs

    for knob, value in [
        ("cameras", 6),
        ("image", "480x800"),
        ("channels", 128),
        ("grid", 100),
        ("encoder", 2),
    ]:
        assert macs(ASKED.replace(**{knob: value})) > macs(ASKED), knob
    assert macs(LIFTED.replace(frames=2)) > macs(LIFTED)
    assert macs(LIFTED.replace(depth_bins=80)) > macs(LIFTED)


def test_the_sums_of_lift_splat_are_one_for_each_point_of_the_rays() -> None:
    w = SPACE.workload(LIFTED)
    (sums,) = [o for o in w.ops if o.target == "aten.index_add"]
    assert sums.kind is OpKind.GATHER
    assert sums.dims[0] == 64 * 3 * 41 * 8 * 22  # channels, cameras, bins, places of a 256x704 image at 1/32


def test_the_first_camera_looks_ahead() -> None:
    grid = 50
    places = rig.anchors(1, grid, 4, 704 / 256)[0, 0, :, 0, :, 0]
    share = rig.seen(1, grid, 4, 704 / 256)[0, 0, 0].reshape(grid, grid)
    assert share[:25].sum() == 0  # behind
    assert share[-1].sum() > share[30].sum() > 0  # wider with distance
    assert np.array_equal(share, share[:, ::-1])  # left as right
    ahead = places.reshape(grid, grid, 4, 2)[-1]
    assert ahead[0, 0, 0] == -ahead[-1, 0, 0]
    assert ahead[0, 0, 0] > 0  # y is left, negative is right: cell 0 is far right in the image
    assert (np.diff(ahead[25, :, 1]) < 0).all()  # higher points are further up


def test_a_wide_rig_sees_nearly_all_cells_and_shares_add_up() -> None:
    share = rig.seen(6, 50, 4, 800 / 450)
    total = share.sum((0, 1, 2))
    assert set(np.round(total, 5)) <= {0.0, 1.0}
    assert total.mean() > 0.97


def test_points_of_the_rays_fall_where_the_camera_looks() -> None:
    grid, bins = 50, 41
    cells = rig.frustum_cells(1, bins, 2, 9, grid).reshape(bins, 2, 9)
    assert cells.max() == grid * grid  # 60 m is outside of 51.2 m
    middle = cells[:30, 0, 4]
    assert (middle % grid == 25).all()  # straight ahead stays in the column of y = 0
    assert (np.diff(middle // grid) >= 0).all()
    assert middle[0] // grid == 25  # 1 m ahead of the vehicle
    assert np.array_equal(cells[:, 0], cells[:, 1])  # all rows of an image lie over the same ground


def test_a_workload_needs_no_torch() -> None:
    code = (
        "import sys; from search_spaces.driving.bev import PUBLISHED, Bev; s = Bev(); s.size; "
        "s.workload(PUBLISHED['bevformer_tiny']); print({'torch', 'pandas'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_it_exports_to_onnx(tmp_path) -> None:
    pytest.importorskip("onnxscript")
    from hw_models.measured.timers.to_onnx import to_onnx
    from hw_models.workload.from_onnx import read_onnx

    candidate = ASKED.replace(frames=0, head_layers=1)
    w = SPACE.workload(candidate)
    read = read_onnx(to_onnx(SPACE.build(candidate), zeros_for(w), tmp_path / "bev.onnx"))
    # the exporter computes what no image changes: the queries' first attention, references and offsets
    known = 100 * 64 * (4 * 64 + 3 + 64 + 32) + 2 * 100 * 100 * 64
    assert read.macs == w.macs - known
