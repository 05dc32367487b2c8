"""YOLOv3 and v4 on Darknet-53 and its CSP form, and their tiny variants.

Source: Redmon and Farhadi, YOLOv3, arXiv 1804.02767; Bochkovskiy et al., YOLOv4, arXiv 2004.10934; the
configuration tables of AlexeyAB/darknet.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import Features
from search_spaces.vision.architectures.yolo_blocks import Bottleneck, Conv
from search_spaces.vision.architectures.yolo_heads import TASKS, AnchorHead, Detector, PathAggregation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

WIDTHS = (64, 128, 256, 512, 1024)
REPEATS = (1, 2, 8, 8, 4)


def _alternating(c_in: int, hidden: int, n: int, act: str) -> nn.Sequential:
    """`n` convolutions, in turn 1x1 to `hidden` and 3x3 to twice that."""
    layers: list[nn.Module] = []
    for at in range(n):
        wide = at % 2
        layers.append(Conv(c_in, hidden * 2 if wide else hidden, 3 if wide else 1, activation=act))
        c_in = hidden * 2 if wide else hidden
    return nn.Sequential(*layers)


def darknet53(act: str = "leaky") -> Features:
    """Darknet-53 without its classifier: maps of strides 8, 16 and 32 with 256, 512 and 1024 channels."""
    stages: list[nn.Module] = []
    c_in = 32
    for out, n in zip(WIDTHS, REPEATS, strict=True):
        first = [Conv(3, 32, 3, activation=act)] if not stages else []
        blocks = (Bottleneck(out, out, (1, 3), act, ratio=0.5) for _ in range(n))
        stages.append(nn.Sequential(*first, Conv(c_in, out, 3, stride=2, activation=act), *blocks))
        c_in = out
    return Features(stages, WIDTHS, (2, 3, 4))


class PyramidHead(nn.Module):
    """YOLOv3's head: five convolutions, then a prediction; on the way down half of them go to the next level.

    Args:
        channels: of the maps, finest first.
        hidden: channels of the 1x1 convolutions of each level, finest first.
        depth: convolutions before the prediction's own.
        act: activation.
    """

    def __init__(self, channels: Sequence[int], hidden: Sequence[int], depth: int, act: str) -> None:
        super().__init__()
        self.shared, self.last, self.across = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        carried = 0
        for c, h in zip(reversed(channels), reversed(hidden), strict=True):
            self.shared.append(_alternating(c + carried, h, depth, act))
            self.last.append(nn.Sequential(Conv(h, 2 * h, 3, activation=act), nn.Conv2d(2 * h, 255, 1)))
            carried = h // 2
            self.across.append(nn.Sequential(Conv(h, carried, activation=act), nn.Upsample(scale_factor=2)))
        del self.across[-1]

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        out: list[Tensor] = []
        x = maps[-1]
        for at, (shared, last) in enumerate(zip(self.shared, self.last, strict=True)):
            if at:
                x = torch.cat([self.across[at - 1](x), maps[-1 - at]], 1)
            x = shared(x)
            out.append(last(x))
        return out


def yolov3(act: str = "leaky") -> nn.Module:
    """YOLOv3; 61.9 M parameters, 65.9 GFLOPs at 416 pixels."""
    return Detector(darknet53(act), nn.Identity(), PyramidHead((256, 512, 1024), (128, 256, 512), 5, act))


def _max_pools(widths: Sequence[int], act: str) -> list[nn.Module]:
    """Convolutions with a halving in front of each but the first."""
    stages: list[nn.Module] = [Conv(3, widths[0], 3, activation=act)]
    for c_in, out in itertools.pairwise(widths):
        stages.append(nn.Sequential(nn.MaxPool2d(2, 2), Conv(c_in, out, 3, activation=act)))
    return stages


def yolov3_tiny(act: str = "leaky") -> nn.Module:
    """YOLOv3-tiny; 8.9 M parameters, 5.6 GFLOPs at 416 pixels."""
    widths = (16, 32, 64, 128, 256, 512)
    stages = _max_pools(widths, act)
    unmoved = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 1))
    stages[-1].extend([unmoved, Conv(512, 1024, 3, activation=act)])  # type: ignore[operator]
    return Detector(Features(stages, (*widths[:-1], 1024), (4, 5)), nn.Identity(), TinyHead(256, 1024, act))


class TinyHead(nn.Module):
    """The two levels of the tiny variants; maps of strides 16 and 32 in."""

    def __init__(self, fine: int, coarse: int, act: str) -> None:
        super().__init__()
        self.shared = Conv(coarse, 256, activation=act)
        self.coarse = nn.Sequential(Conv(256, 512, 3, activation=act), nn.Conv2d(512, 255, 1))
        self.across = nn.Sequential(Conv(256, 128, activation=act), nn.Upsample(scale_factor=2))
        self.fine = nn.Sequential(Conv(fine + 128, 256, 3, activation=act), nn.Conv2d(256, 255, 1))

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        x = self.shared(maps[1])
        return [self.coarse(x), self.fine(torch.cat([self.across(x), maps[0]], 1))]


class CspStage(nn.Module):
    """A stage of CSPDarknet-53: stride 2, then `n` residual blocks on one branch of two."""

    def __init__(self, c_in: int, c_out: int, n: int, act: str, *, halved: bool) -> None:
        super().__init__()
        inside = c_out // 2 if halved else c_out
        self.down = Conv(c_in, c_out, 3, stride=2, activation=act)
        self.beside = Conv(c_out, inside, activation=act)
        ratio = 1.0 if halved else 0.5
        blocks = (Bottleneck(inside, inside, (1, 3), act, ratio=ratio) for _ in range(n))
        self.inner = nn.Sequential(
            Conv(c_out, inside, activation=act), *blocks, Conv(inside, inside, activation=act)
        )
        self.last = Conv(2 * inside, c_out, activation=act)

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        y: Tensor = self.last(torch.cat([self.inner(x), self.beside(x)], 1))
        return y


class PooledNeck(nn.Module):
    """YOLOv4's convolutions around pyramid pooling with windows of 13, 9 and 5."""

    def __init__(self, c_in: int, hidden: int, act: str) -> None:
        super().__init__()
        self.before = _alternating(c_in, hidden, 3, act)
        self.pools = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (13, 9, 5))
        self.after = _alternating(4 * hidden, hidden, 3, act)

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        y: Tensor = self.after(torch.cat([*(pool(x) for pool in self.pools), x], 1))
        return y


def yolov4(act: str = "mish", neck_act: str = "leaky") -> nn.Module:
    """YOLOv4; 64.4 M parameters, 91 GFLOPs at 512 pixels."""
    stages: list[nn.Module] = []
    c_in = 32
    for out, n in zip(WIDTHS, REPEATS, strict=True):
        first = [Conv(3, 32, 3, activation=act)] if not stages else []
        stages.append(nn.Sequential(*first, CspStage(c_in, out, n, act, halved=bool(stages))))
        c_in = out
    stages[-1].append(PooledNeck(1024, 512, neck_act))  # type: ignore[operator]
    one = partial(Conv, activation=neck_act)
    neck = PathAggregation(
        [one(512, 256), one(256, 128)],
        [_alternating(512, 256, 5, neck_act), _alternating(256, 128, 5, neck_act)],
        [one(128, 256, 3, stride=2), one(256, 512, 3, stride=2)],
        [_alternating(512, 256, 5, neck_act), _alternating(1024, 512, 5, neck_act)],
        sides=[one(512, 256), one(256, 128)],
        keep_lateral=False,
    )
    return Detector(Features(stages, WIDTHS, (2, 3, 4)), neck, WideHead((128, 256, 512), neck_act))


class WideHead(nn.Module):
    """A 3x3 convolution to twice the channels and the prediction, at each level."""

    def __init__(self, channels: Sequence[int], act: str) -> None:
        super().__init__()
        self.wide = nn.ModuleList(Conv(c, 2 * c, 3, activation=act) for c in channels)
        self.anchors = AnchorHead([2 * c for c in channels], TASKS["detect"])

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        y: list[Tensor] = self.anchors([wide(x) for wide, x in zip(self.wide, maps, strict=True)])
        return y


class TinyCsp(nn.Module):
    """YOLOv4-tiny's block: half of the channels through two convolutions, everything joined, halved."""

    def __init__(self, channels: int, act: str) -> None:
        super().__init__()
        half = channels // 2
        self.first = Conv(channels, channels, 3, activation=act)
        self.second = Conv(half, half, 3, activation=act)
        self.third = Conv(half, half, 3, activation=act)
        self.mixed = Conv(channels, channels, activation=act)
        self.pool = nn.MaxPool2d(2, 2)

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        whole = self.first(x)
        part = self.second(whole.chunk(2, 1)[1])
        mixed = self.mixed(torch.cat([self.third(part), part], 1))
        return self.pool(torch.cat([whole, mixed], 1)), mixed


class TinyCspBackbone(nn.Module):
    """CSPDarknet-53-tiny: maps of strides 16 and 32."""

    def __init__(self, act: str) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Conv(3, 32, 3, stride=2, activation=act), Conv(32, 64, 3, stride=2, activation=act)
        )
        self.stages = nn.ModuleList(TinyCsp(c, act) for c in (64, 128, 256))
        self.last = Conv(512, 512, 3, activation=act)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        x, fine = self.stem(x), x
        for stage in self.stages:
            x, fine = stage(x)
        return [fine, self.last(x)]


def yolov4_tiny(act: str = "leaky") -> nn.Module:
    """YOLOv4-tiny; 6.1 M parameters, 6.9 GFLOPs at 416 pixels."""
    return Detector(TinyCspBackbone(act), nn.Identity(), TinyHead(256, 512, act))
