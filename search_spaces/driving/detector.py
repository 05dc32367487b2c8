"""Detectors of one camera as a space: backbone, neck, head and resolution.

YOLOX (tiny, s, m, l, x), RetinaNet and FCOS on ResNets are candidates. The selection of boxes that follows
the network depends on what is seen and is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.driving import heads, necks
from search_spaces.driving.backbones import BACKBONES
from search_spaces.knobs import Choice, IntRange, Knob, Scalar
from search_spaces.written_space import BranchedSpace

if TYPE_CHECKING:
    from search_spaces.graph_writer import GraphWriter, Ref

RESOLUTIONS: Final = (
    "320x320", "256x416", "416x416", "384x640", "512x512", "640x640", "512x896", "544x960", "768x768",
    "736x1280", "800x1344", "1088x1920",
)  # fmt: skip
"""Height x width in pixels, from few to many: multiples of 32, square as benchmarks have them or wide."""

KNOBS: Final[Mapping[str, Knob]] = {
    "backbone": Choice(tuple(BACKBONES)),
    "width": Choice((0.25, 0.375, 0.5, 0.75, 1.0, 1.25), ordered=True),
    "depth": Choice((0.33, 0.67, 1.0, 1.33), ordered=True),
    "neck": Choice(("fpn", "pafpn", "bifpn", "csp_pafpn")),
    "neck_width": Choice((64, 96, 128, 160, 192, 256, 320), ordered=True),
    "neck_depth": IntRange(1, 4),
    "levels": Choice((3, 4, 5), ordered=True),
    "head": Choice(("coupled", "decoupled", "fcos", "retina")),
    "head_depth": IntRange(1, 4),
    "act": Choice(("relu", "relu6", "silu", "hardswish")),
    "resolution": Choice(RESOLUTIONS, ordered=True),
}
"""`width` and `depth`: factors of the backbone, and `depth` of the CSP neck; `neck_width`: channels of the
neck and the head; `neck_depth`: how often a BiFPN goes both ways; `head_depth`: convolutions of a tower."""


def _yolox(depth: float, width: float, resolution: str = "640x640") -> Candidate:
    return Candidate(
        backbone="csp", width=width, depth=depth, neck="csp_pafpn", neck_width=int(256 * width),
        head="decoupled", head_depth=2, act="silu", resolution=resolution,
    )  # fmt: skip


def _torchvision(head: str) -> Candidate:
    return Candidate(
        backbone="resnet50", width=1.0, neck="fpn", neck_width=256, levels=5, head=head, head_depth=4,
        act="relu", resolution="800x1344",
    )  # fmt: skip


PUBLISHED: Final[Mapping[str, Candidate]] = {
    "yolox_tiny": _yolox(0.33, 0.375, "416x416"),
    "yolox_s": _yolox(0.33, 0.5),
    "yolox_m": _yolox(0.67, 0.75),
    "yolox_l": _yolox(1.0, 1.0),
    "yolox_x": _yolox(1.33, 1.25),
    "retinanet_resnet50_fpn": _torchvision("retina"),
    "fcos_resnet50_fpn": _torchvision("fcos"),
}
"""Source: Ge et al., YOLOX, arXiv 2107.08430; torchvision, models/detection."""


@dataclass(frozen=True)
class Detector(BranchedSpace):
    """Dense detectors of one camera.

    Args:
        classes: kinds of objects.
    """

    classes: int = 80

    name: ClassVar[str] = "detector"

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
        return ("backbone", "neck", "head")

    @override
    def settled(self, decided: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """A shared head needs maps of one width, and a CSP neck has none."""
        if decided["neck"] == "csp_pafpn" and decided["head"] in heads.SHARED:
            return {**decided, "head": "decoupled"}
        return decided

    @override
    def idle(self, decided: Mapping[str, Scalar]) -> set[str]:
        idle = set()
        if decided["backbone"] != "csp" and decided["neck"] != "csp_pafpn":
            idle.add("depth")
        if decided["neck"] != "bifpn":
            idle.add("neck_depth")
        if decided["neck"] == "csp_pafpn":
            idle.add("levels")
        if decided["head"] == "coupled":
            idle.add("head_depth")
        return idle

    @override
    def label(self, candidate: Candidate) -> str:
        c = self.canonical(candidate)
        depth = f"d{c['depth']:g}" if "depth" in c else ""
        neck = f"{c['neck']}{c['neck_width']}" + (f"x{c['neck_depth']}" if "neck_depth" in c else "")
        levels = f"-p{c['levels']}" if "levels" in c else ""
        head = f"{c['head']}{c.get('head_depth', '')}"
        return f"{c['backbone']}w{c['width']:g}{depth}-{neck}{levels}-{head}-{c['act']}-{c['resolution']}"

    @override
    def write(self, w: GraphWriter, candidate: Candidate) -> list[Ref]:
        """The network: an image (N, 3, H, W) to the maps of scores and boxes, level after level."""
        c: dict[str, Any] = dict(candidate)
        height, width = (int(side) for side in c["resolution"].split("x"))
        image = w.input((1, 3, height, width))
        factors = {"width": c["width"], "act": c["act"]}
        if c["backbone"] == "csp":
            factors["depth"] = c["depth"]
        maps = BACKBONES[c["backbone"]](w, image, "backbone", **factors)
        return self._head(w, _neck(w, maps, c), c)

    def _head(self, w: GraphWriter, maps: list[Ref], c: Mapping[str, Any]) -> list[Ref]:
        kind = c["head"]
        if kind == "coupled":
            return heads.coupled(w, maps, "head", self.classes)
        given = (self.classes, c["head_depth"], c["act"])
        if kind == "decoupled":
            return heads.decoupled(w, maps, "head", *given, width=c["neck_width"])
        return heads.SHARED[kind](w, maps, "head", *given)


def _neck(w: GraphWriter, maps: tuple[Ref, Ref, Ref], c: Mapping[str, Any]) -> list[Ref]:
    kind, channels = c["neck"], c["neck_width"]
    if kind == "csp_pafpn":
        return necks.csp_pafpn(w, maps, "neck", channels, depth=c["depth"], act=c["act"])
    if kind == "bifpn":
        return necks.bifpn(w, maps, "neck", channels, c["levels"], depth=c["neck_depth"], act=c["act"])
    return (necks.fpn if kind == "fpn" else necks.pafpn)(w, maps, "neck", channels, c["levels"])
