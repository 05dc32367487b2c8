"""Perception from several cameras in a bird's-eye view as a space; BEVFormer-tiny is a candidate of it.

Where the cameras stand is known before any image, so places in images and cells of rays are constants of the
network (`rig`). Former views, and where their cells lie now, are inputs; the new view is an output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.driving import bev_heads, bev_views
from search_spaces.driving.backbones import BACKBONES, Maps
from search_spaces.driving.bev_views import Scene
from search_spaces.driving.necks import upsampled
from search_spaces.knobs import Choice, IntRange, Knob, Scalar
from search_spaces.written_space import BranchedSpace

if TYPE_CHECKING:
    from search_spaces.graph_writer import GraphWriter, Ref

IMAGE_CHANNELS: Final = 256
"""Channels that lift-splat reads. Source: HuangJunJie2017/BEVDet, configs/bevdet/bevdet-r50.py."""

KNOBS: Final[Mapping[str, Knob]] = {
    "cameras": Choice((1, 3, 5, 6, 7, 8), ordered=True),
    "image": Choice(("256x704", "320x576", "480x800", "512x1408", "928x1600"), ordered=True),
    "backbone": Choice(tuple(b for b in BACKBONES if b != "csp")),
    "width": Choice((0.5, 0.75, 1.0), ordered=True),
    "stride": Choice((16, 32), ordered=True),
    "view": Choice(("lift_splat", "queries")),
    "depth_bins": Choice((41, 59, 80, 118), ordered=True),
    "points": Choice((4, 8), ordered=True),
    "grid": Choice((50, 64, 100, 128, 150, 200), ordered=True),
    "channels": Choice((64, 80, 128, 192, 256), ordered=True),
    "encoder": IntRange(1, 6),
    "frames": IntRange(0, 3),
    "head": Choice(("center", "detr", "segmentation")),
    "head_queries": Choice((100, 300, 600, 900), ordered=True),
    "head_layers": IntRange(1, 6),
}
"""`image`: height x width as the network reads it, padded to multiples of 32 (nuScenes' 900x1600 to 928x1600,
at half its size to 480x800); `stride`: of the maps that are looked at; `depth_bins`: of lift-splat; `points`:
that a query looks at in an image; `grid`: side in cells; `channels`: of the view; `encoder`: residual blocks,
or layers of queries; `frames`: former views that are kept."""

PUBLISHED: Final[Mapping[str, Candidate]] = {
    "bevformer_tiny": Candidate(
        cameras=6, image="480x800", backbone="resnet50", width=1.0, stride=32, view="queries", points=8,
        grid=50, channels=256, encoder=3, frames=1, head="detr", head_queries=900, head_layers=6,
    )
}  # fmt: skip
"""Source: fundamentalvision/BEVFormer, projects/configs/bevformer/bevformer_tiny.py (Apache-2.0): images of
half the size (`RandomScaleImageMultiViewImage`), padded (`PadMultiViewImage`)."""


@dataclass(frozen=True)
class Bev(BranchedSpace):
    """Networks from several cameras to objects or surfaces in a bird's-eye view.

    Args:
        classes: kinds of objects (of queries) or surfaces (of segmentation).
    """

    classes: int = 10

    name: ClassVar[str] = "bev"

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return KNOBS

    @property
    @override
    def known(self) -> Mapping[str, Candidate]:
        return PUBLISHED

    @property
    @override
    def deciding(self) -> tuple[str, ...]:
        return ("view", "head")

    @override
    def idle(self, decided: Mapping[str, Scalar]) -> set[str]:
        idle = {"points"} if decided["view"] == "lift_splat" else {"depth_bins"}
        return idle if decided["head"] == "detr" else {*idle, "head_queries", "head_layers"}

    @override
    def label(self, candidate: Candidate) -> str:
        c = self.canonical(candidate)
        view = f"lss{c['depth_bins']}" if c["view"] == "lift_splat" else f"queries{c['points']}"
        head = f"{c['head']}"
        if c["head"] == "detr":
            head += f"{c['head_queries']}x{c['head_layers']}"
        return (
            f"{c['cameras']}x{c['image']}-{c['backbone']}w{c['width']:g}s{c['stride']}-{view}-{c['grid']}"
            f"x{c['channels']}-e{c['encoder']}-t{c['frames']}-{head}"
        )

    @override
    def write(self, w: GraphWriter, candidate: Candidate) -> list[Ref]:
        """The network.

        Inputs: images (N, cameras, 3, H, W); `frames` former views (N, channels, grid, grid); as many times
        where their cells lie now (N, grid, grid, 2), -1 to 1; with queries the vehicle's motion (N, 18).
        Outputs: those of the head and, where views are kept, the new one.
        """
        c: dict[str, Any] = dict(candidate)
        height, width = (int(side) for side in c["image"].split("x"))
        scene = Scene(c["cameras"], width / height, c["grid"], c["channels"])
        images = w.input((1, scene.cameras, 3, height, width))
        side, frames = scene.grid, range(c["frames"])
        former = [w.input((1, scene.channels, side, side)) for _ in frames]
        flows = [w.input((1, side, side, 2)) for _ in frames]
        queries = c["view"] == "queries"
        motion = w.input((1, bev_views.CAN_BUS)) if queries else None
        flat = w.reshape(images, -1, 3, height, width)
        maps = BACKBONES[c["backbone"]](w, flat, "backbone", width=c["width"])
        image = _neck(w, maps, scene.channels if queries else IMAGE_CHANNELS, c["stride"])
        olds = bev_views.aligned(w, former, flows)
        if motion is not None:
            given = {"points": c["points"], "layers": c["encoder"]}
            bev = bev_views.bev_queries(w, image, olds, motion, "view", scene, **given)
        else:
            given = {"bins": c["depth_bins"], "blocks": c["encoder"]}
            bev = bev_views.lift_splat(w, image, olds, "view", scene, **given)
        outputs = self._head(w, bev, scene, c)
        return [*outputs, bev] if former else outputs

    def _head(self, w: GraphWriter, bev: Ref, scene: Scene, c: Mapping[str, Any]) -> list[Ref]:
        if c["head"] == "center":
            return bev_heads.center(w, bev, "head")
        if c["head"] == "segmentation":
            return bev_heads.segmentation(w, bev, "head", self.classes)
        given = {"queries": c["head_queries"], "layers": c["head_layers"], "classes": self.classes}
        return bev_heads.detr(w, bev, "head", scene, **given)


def _neck(w: GraphWriter, maps: Maps, channels: int, stride: int) -> Ref:
    """The map of that stride after a feature pyramid. Source: Lin et al., CVPR 2017."""
    _, middle, coarse = maps
    x = w.conv2d(coarse, "neck.inner.coarse", channels, 1, bias=True)
    if stride == 16:
        side = w.conv2d(middle, "neck.inner.middle", channels, 1, bias=True)
        x = w.add(side, upsampled(w, x, side))
    return w.conv2d(x, "neck.layer", channels, 3, bias=True)
