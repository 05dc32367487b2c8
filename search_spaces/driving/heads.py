"""Heads of dense detectors, written on a `GraphWriter`: every map to the scores and boxes of its places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from search_spaces.driving.backbones import conv_bn

if TYPE_CHECKING:
    from search_spaces.graph_writer import GraphWriter, Ref

RETINA_ANCHORS: Final = 9
"""Three sizes by three ratios. Source: Lin et al., RetinaNet, ICCV 2017, section 4."""

YOLO_ANCHORS: Final = 3
"""Source: Redmon and Farhadi, YOLOv3, arXiv 1804.02767."""


def retina(w: GraphWriter, maps: Sequence[Ref], path: str, classes: int, depth: int, act: str) -> list[Ref]:
    """Two towers shared by all maps. Source: Lin et al., Focal Loss for Dense Detection, ICCV 2017."""
    outs = []
    for x in maps:
        for name, out in (("classes", RETINA_ANCHORS * classes), ("boxes", RETINA_ANCHORS * 4)):
            y = x
            for at in range(depth):
                y = w.conv2d(y, f"{path}.{name}.{at}", w.shape(x)[1], 3, bias=True)
                y = w.apply(act, y)
            outs.append(w.conv2d(y, f"{path}.{name}.last", out, 3, bias=True))
    return outs


def fcos(w: GraphWriter, maps: Sequence[Ref], path: str, classes: int, depth: int, act: str) -> list[Ref]:
    """Two towers with group norms shared by all maps; a box and a centredness for every place.

    Source: Tian et al., FCOS, ICCV 2019; torchvision, models/detection/fcos.py.
    """
    outs = []
    for x in maps:
        ends = []
        for name in ("classes", "boxes"):
            y = x
            for at in range(depth):
                y = w.conv2d(y, f"{path}.{name}.{at}", w.shape(x)[1], 3, bias=True)
                y = w.apply(act, w.group_norm(y, f"{path}.{name}_norm.{at}", 32))
            ends.append(y)
        outs.append(w.conv2d(ends[0], f"{path}.scores", classes, 3, bias=True))
        outs.append(w.apply("relu", w.conv2d(ends[1], f"{path}.distances", 4, 3, bias=True)))
        outs.append(w.conv2d(ends[1], f"{path}.centredness", 1, 3, bias=True))
    return outs


def decoupled(
    w: GraphWriter, maps: Sequence[Ref], path: str, classes: int, depth: int, act: str, width: int
) -> list[Ref]:
    """Two towers of `width` channels for every map. Source: Ge et al., YOLOX, arXiv 2107.08430."""
    outs = []
    for level, x in enumerate(maps):
        here = f"{path}.{level}"
        stem = conv_bn(w, x, f"{here}.stem", width, act=act)
        ends = []
        for name in ("classes", "boxes"):
            y = stem
            for at in range(depth):
                y = conv_bn(w, y, f"{here}.{name}.{at}", width, 3, act=act)
            ends.append(y)
        outs.append(w.conv2d(ends[0], f"{here}.scores", classes, 1, bias=True))
        outs.append(w.conv2d(ends[1], f"{here}.box", 4, 1, bias=True))
        outs.append(w.conv2d(ends[1], f"{here}.object", 1, 1, bias=True))
    return outs


def coupled(w: GraphWriter, maps: Sequence[Ref], path: str, classes: int) -> list[Ref]:
    """One 1x1 convolution for every map. Source: Redmon and Farhadi, YOLOv3, arXiv 1804.02767."""
    out = YOLO_ANCHORS * (5 + classes)
    return [w.conv2d(x, f"{path}.{level}", out, 1, bias=True) for level, x in enumerate(maps)]


SHARED: Final[Mapping[str, Callable[..., list[Ref]]]] = {"fcos": fcos, "retina": retina}
"""Heads that one set of weights serves on all maps, which must have equal channels."""
