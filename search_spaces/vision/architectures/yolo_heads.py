"""Necks and heads of the YOLO detectors; a head returns the raw maps, boxes are selected outside.

Source: Liu et al., PANet, CVPR 2018; the papers and model tables named in `yolo_blocks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.yolo_blocks import Conv

if TYPE_CHECKING:
    from torch import Tensor

COCO: Final = 80
BINS: Final = 16
"""Bins of a side of a box where it is given as a distribution."""
PROTOTYPES: Final = 32
"""Masks that segmentation combines."""
KEYPOINTS: Final = 17 * 3


class PathAggregation(nn.Module):
    """Feature pyramid down, then up again; maps finest first, in and out.

    Args:
        laterals: on each coarse map before it is enlarged, coarsest first.
        tops: on the enlarged map beside the finer one, coarsest first.
        downs: on each fine map before it is joined with the coarser one, finest first.
        bottoms: on these two, finest first.
        enlarge: in the place of doubling by repetition, coarsest first.
        sides: on each finer map before it is joined, coarsest first.
        keep_lateral: whether the way up joins what `laterals` made, or what was there before.
    """

    def __init__(
        self,
        laterals: Iterable[nn.Module],
        tops: Iterable[nn.Module],
        downs: Iterable[nn.Module],
        bottoms: Iterable[nn.Module],
        *,
        enlarge: Iterable[nn.Module] = (),
        sides: Iterable[nn.Module] = (),
        keep_lateral: bool = True,
    ) -> None:
        super().__init__()
        self.laterals, self.tops = nn.ModuleList(laterals), nn.ModuleList(tops)
        self.downs, self.bottoms = nn.ModuleList(downs), nn.ModuleList(bottoms)
        levels = range(len(self.tops))
        self.enlarge = nn.ModuleList(enlarge or (nn.Upsample(scale_factor=2) for _ in levels))
        self.sides = nn.ModuleList(sides or (nn.Identity() for _ in levels))
        self.keep_lateral = keep_lateral

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        held, x = [], maps[-1]
        for at, finer in enumerate(reversed(maps[:-1])):
            before, x = x, self.laterals[at](x)
            held.append(x if self.keep_lateral else before)
            x = self.tops[at](torch.cat([self.enlarge[at](x), self.sides[at](finer)], 1))
        out = [x]
        for down, bottom, coarser in zip(self.downs, self.bottoms, reversed(held), strict=True):
            x = bottom(torch.cat([down(x), coarser], 1))
            out.append(x)
        return out


@dataclass(frozen=True, slots=True)
class Task:
    """What a head gives beside boxes and classes.

    Attributes:
        classes: of the data set it was trained on.
        extra: channels beside them at every position.
        prototypes: whether masks are given too.
    """

    classes: int = COCO
    extra: int = 0
    prototypes: bool = False


TASKS: Final = {
    "detect": Task(),
    "seg": Task(extra=PROTOTYPES, prototypes=True),
    "pose": Task(classes=1, extra=KEYPOINTS),
    "obb": Task(classes=15, extra=1),
}
"""Boxes on COCO, masks, people with key points, rotated boxes on DOTA."""


class Prototypes(nn.Module):
    """Masks at a quarter of the input's resolution from the finest map (an eighth).

    Args:
        c_in: channels read.
        hidden: channels inside.
        act: activation.
        learned: enlarged by a transposed convolution (YOLOv8 and later) or by repetition (YOLOv5).
    """

    def __init__(self, c_in: int, hidden: int, act: str = "silu", *, learned: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Conv(c_in, hidden, 3, activation=act),
            nn.ConvTranspose2d(hidden, hidden, 2, 2) if learned else nn.Upsample(scale_factor=2),
            Conv(hidden, hidden, 3, activation=act),
            Conv(hidden, PROTOTYPES, activation=act),
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class AnchorHead(nn.Module):
    """One 1x1 convolution a level: boxes, confidence and classes of each anchor (YOLOv3 to v5, v7)."""

    def __init__(
        self, channels: Sequence[int], task: Task = TASKS["detect"], *, hidden: int = 0, anchors: int = 3,
        act: str = "silu",
    ) -> None:  # fmt: skip
        super().__init__()
        width = anchors * (5 + task.classes + task.extra)
        self.levels = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.masks = Prototypes(channels[0], hidden, act, learned=False) if task.prototypes else None

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        out = [level(x) for level, x in zip(self.levels, maps, strict=True)]
        return out if self.masks is None else [*out, self.masks(maps[0])]


class SplitHead(nn.Module):
    """Boxes as distributions, classes and extras by convolutions of their own, no anchors (YOLOv8 and later).

    Args:
        channels: of the maps, finest first.
        task: what it gives.
        hidden: channels of the mask prototypes.
        light: depthwise convolutions for the classes, as since YOLOv10.
        act: activation.
    """

    def __init__(
        self, channels: Sequence[int], task: Task, hidden: int, *, light: bool = False, act: str = "silu"
    ) -> None:
        super().__init__()
        first = channels[0]
        box, classes = max(16, first // 4, 4 * BINS), max(first, min(task.classes, 100))
        self.boxes = nn.ModuleList(_branch(c, box, 4 * BINS, act) for c in channels)
        self.classes = nn.ModuleList(
            _light_branch(c, classes, task.classes, act) if light else _branch(c, classes, task.classes, act)
            for c in channels
        )
        extra = max(first // 4, task.extra)
        self.extras = nn.ModuleList(_branch(c, extra, task.extra, act) for c in channels if task.extra)
        self.masks = Prototypes(first, hidden, act) if task.prototypes else None

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        out = []
        for at, x in enumerate(maps):
            out += [branch[at](x) for branch in (self.boxes, self.classes, self.extras) if len(branch)]
        return out if self.masks is None else [*out, self.masks(maps[0])]


def _branch(c_in: int, hidden: int, out: int, act: str) -> nn.Module:
    """Two 3x3 convolutions and a 1x1."""
    two = Conv(c_in, hidden, 3, activation=act), Conv(hidden, hidden, 3, activation=act)
    return nn.Sequential(*two, nn.Conv2d(hidden, out, 1))


def _light_branch(c_in: int, hidden: int, out: int, act: str) -> nn.Module:
    """Two depthwise separable convolutions and a 1x1."""
    return nn.Sequential(
        Conv(c_in, c_in, 3, groups=c_in, activation=act),
        Conv(c_in, hidden, activation=act),
        Conv(hidden, hidden, 3, groups=hidden, activation=act),
        Conv(hidden, hidden, activation=act),
        nn.Conv2d(hidden, out, 1),
    )


class DecoupledHead(nn.Module):
    """A 1x1 convolution, then 3x3 convolutions for classes and for boxes apart (YOLOX, YOLOv6).

    Args:
        channels: of the maps, finest first.
        hidden: channels inside, a level; None: those of the map.
        depth: 3x3 convolutions of each branch.
        box: channels that give a box.
        confidence: whether one more channel says how sure the box is.
        act: activation.
        depthwise: whether the 3x3 convolutions are depthwise separable.
    """

    def __init__(
        self,
        channels: Sequence[int],
        hidden: int | None,
        depth: int,
        *,
        box: int = 4,
        confidence: bool = True,
        act: str = "silu",
        depthwise: bool = False,
        classes: int = COCO,
    ) -> None:
        super().__init__()
        widths = [hidden or c for c in channels]
        self.stems = nn.ModuleList(Conv(c, w, activation=act) for c, w in zip(channels, widths, strict=True))

        def branch(w: int) -> nn.Module:
            return nn.Sequential(*(_conv3(w, act, depthwise=depthwise) for _ in range(depth)))

        self.of_classes = nn.ModuleList(branch(w) for w in widths)
        self.of_boxes = nn.ModuleList(branch(w) for w in widths)
        self.classes = nn.ModuleList(nn.Conv2d(w, classes, 1) for w in widths)
        self.boxes = nn.ModuleList(nn.Conv2d(w, box, 1) for w in widths)
        self.confidence = nn.ModuleList(nn.Conv2d(w, 1, 1) for w in widths if confidence)

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        out = []
        for at, given in enumerate(maps):
            x = self.stems[at](given)
            box = self.of_boxes[at](x)
            out += [self.classes[at](self.of_classes[at](x)), self.boxes[at](box)]
            out += [self.confidence[at](box)] if len(self.confidence) else []
        return out


def _conv3(width: int, act: str, *, depthwise: bool) -> nn.Module:
    """A 3x3 convolution, or a depthwise one and a 1x1."""
    if not depthwise:
        return Conv(width, width, 3, activation=act)
    return nn.Sequential(
        Conv(width, width, 3, groups=width, activation=act), Conv(width, width, activation=act)
    )


class Detector(nn.Module):
    """Backbone, neck and head in a row; (N, 3, H, W) in, raw maps out."""

    def __init__(self, backbone: nn.Module, neck: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.neck, self.head = backbone, neck, head

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        out: list[Tensor] = self.head(self.neck(self.backbone(x)))
        return out
