"""YOLOv7, its tiny variant and v7-X, as deployed (RepConv merged).

Source: Wang et al., YOLOv7, CVPR 2023, figures 2 and 3, and the published model tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import Features
from search_spaces.vision.architectures.yolo_blocks import Conv
from search_spaces.vision.architectures.yolo_heads import AnchorHead, Detector, PathAggregation

if TYPE_CHECKING:
    from torch import Tensor


class Aggregation(nn.Module):
    """ELAN: two 1x1 convolutions, one of them followed by 3x3 convolutions, some of all maps joined.

    Args:
        c_in: channels read.
        c_out: channels written.
        hidden: of the two 1x1 convolutions.
        inner: of the 3x3 convolutions.
        depth: how many of these.
        kept: which of these are joined, from the front.
        act: activation.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        hidden: int,
        inner: int,
        depth: int,
        kept: Sequence[int],
        act: str = "silu",
    ) -> None:
        super().__init__()
        self.one, self.other = Conv(c_in, hidden, activation=act), Conv(c_in, hidden, activation=act)
        widths = [hidden] + [inner] * depth
        self.chain = nn.ModuleList(Conv(a, b, 3, activation=act) for a, b in itertools.pairwise(widths))
        self.kept = tuple(kept)
        self.last = Conv(2 * hidden + len(self.kept) * inner, c_out, activation=act)

    @override
    def forward(self, x: Tensor) -> Tensor:
        parts = [self.one(x), self.other(x)]
        y = parts[-1]
        for at, conv in enumerate(self.chain):
            y = conv(y)
            if at in self.kept:
                parts.append(y)
        out: Tensor = self.last(torch.cat(parts, 1))
        return out


class TwoWayDown(nn.Module):
    """Halves H and W by pooling on one branch and a stride on the other ("MP")."""

    def __init__(self, c_in: int, branch: int) -> None:
        super().__init__()
        self.pool = nn.Sequential(nn.MaxPool2d(2, 2), Conv(c_in, branch))
        self.conv = nn.Sequential(Conv(c_in, branch), Conv(branch, branch, 3, stride=2))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv(x), self.pool(x)], 1)


class CspPyramid(nn.Module):
    """Pyramid pooling on one branch of two; `wide`: with 3x3 convolutions around it."""

    def __init__(self, c_in: int, c_out: int, act: str, *, wide: bool) -> None:
        super().__init__()
        one = partial(Conv, activation=act)
        before = [one(c_in, c_out)]
        self.before = nn.Sequential(*before, *([one(c_out, c_out, 3), one(c_out, c_out)] if wide else []))
        self.beside = one(c_in, c_out)
        self.pools = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13))
        after = [one(4 * c_out, c_out)]
        self.after = nn.Sequential(*after, *([one(c_out, c_out, 3)] if wide else []))
        self.last = one(2 * c_out, c_out)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y = self.before(x)
        y = self.after(torch.cat([y, *(pool(y) for pool in self.pools)], 1))
        out: Tensor = self.last(torch.cat([y, self.beside(x)], 1))
        return out


class LastConvs(nn.Module):
    """A 3x3 convolution to twice the channels at each level, then the anchors."""

    def __init__(self, channels: Sequence[int], act: str = "silu") -> None:
        super().__init__()
        self.wide = nn.ModuleList(Conv(c, 2 * c, 3, activation=act) for c in channels)
        self.anchors = AnchorHead([2 * c for c in channels])

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        out: list[Tensor] = self.anchors([wide(x) for wide, x in zip(self.wide, maps, strict=True)])
        return out


def yolov7() -> nn.Module:
    """YOLOv7; 36.9 M parameters, 104.5 GFLOPs at 640 pixels."""
    return _scaled(1.0, 4, (1, 3), 4, (0, 1, 2, 3))


def yolov7x() -> nn.Module:
    """YOLOv7-X; 71.5 M parameters, 189.7 GFLOPs at 640 pixels."""
    return _scaled(1.25, 6, (1, 3, 5), 6, (1, 3, 5), wide_neck=True)


def _scaled(
    width: float, depth: int, kept: Sequence[int], neck_depth: int, neck_kept: Sequence[int], *,
    wide_neck: bool = False,
) -> nn.Module:  # fmt: skip
    """The common form: `width` scales what blocks write, never what is inside them.

    The neck of v7 itself halves its inner channels and keeps every one of its maps.
    """

    def w(base: int) -> int:
        return int(base * width)

    stages: list[nn.Module] = [
        nn.Sequential(Conv(3, w(32), 3), Conv(w(32), w(64), 3, stride=2), Conv(w(64), w(64), 3)),
        nn.Sequential(Conv(w(64), w(128), 3, stride=2), Aggregation(w(128), w(256), 64, 64, depth, kept)),
    ]
    for c_in, out, h in ((w(256), w(512), 128), (w(512), w(1024), 256), (w(1024), w(1024), 256)):
        stages.append(nn.Sequential(TwoWayDown(c_in, c_in // 2), Aggregation(c_in, out, h, h, depth, kept)))
    stages[-1].append(CspPyramid(w(1024), w(512), "silu", wide=True))  # type: ignore[operator]

    def block(c_in: int, base: int) -> nn.Module:
        return Aggregation(c_in, w(base), base, base if wide_neck else base // 2, neck_depth, neck_kept)

    neck = PathAggregation(
        [Conv(w(512), w(256)), Conv(w(256), w(128))],
        [block(w(512), 256), block(w(256), 128)],
        [TwoWayDown(w(128), w(128)), TwoWayDown(w(256), w(256))],
        [block(w(512), 256), block(w(1024), 512)],
        sides=[Conv(w(1024), w(256)), Conv(w(512), w(128))],
        keep_lateral=False,
    )
    channels = (w(64), w(256), w(512), w(1024), w(512))
    return Detector(Features(stages, channels, (2, 3, 4)), neck, LastConvs((w(128), w(256), w(512))))


def yolov7_tiny(act: str = "leaky") -> nn.Module:
    """YOLOv7-tiny; 6.2 M parameters, 13.7 GFLOPs at 640 pixels."""

    def elan(c_in: int, out: int) -> nn.Module:
        return Aggregation(c_in, out, out // 2, out // 2, 2, (0, 1), act)

    one = partial(Conv, activation=act)
    stages: list[nn.Module] = [
        one(3, 32, 3, stride=2),
        nn.Sequential(one(32, 64, 3, stride=2), elan(64, 64)),
        *(nn.Sequential(nn.MaxPool2d(2, 2), elan(c, 2 * c)) for c in (64, 128, 256)),
    ]
    stages[-1].append(CspPyramid(512, 256, act, wide=False))  # type: ignore[operator]
    neck = PathAggregation(
        [one(256, 128), one(128, 64)],
        [elan(256, 128), elan(128, 64)],
        [one(64, 128, 3, stride=2), one(128, 256, 3, stride=2)],
        [elan(256, 128), elan(512, 256)],
        sides=[one(256, 128), one(128, 64)],
        keep_lateral=False,
    )
    return Detector(
        Features(stages, (32, 64, 128, 256, 256), (2, 3, 4)), neck, LastConvs((64, 128, 256), act)
    )
