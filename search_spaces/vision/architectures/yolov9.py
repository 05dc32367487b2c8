"""YOLOv9: generalised ELAN blocks; the sizes t, s, m, c and e.

Source: Wang et al., YOLOv9, ECCV 2024 (arXiv 2402.13616), and its published model tables; parallel branches
merged, auxiliary heads left out, as it is deployed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import Features
from search_spaces.vision.architectures.yolo_blocks import Conv, Elan, SplitDown
from search_spaces.vision.architectures.yolo_heads import TASKS, Detector, PathAggregation, SplitHead

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Size:
    """Channels of one size.

    Attributes:
        stem: of the first two convolutions.
        backbone: of each stage: result, split and inner channels of its block.
        downs: results of the three downsamplings of the backbone.
        neck: of the four blocks: up twice, down twice.
        back: results of the two downsamplings of the neck.
        n: bottlenecks in a block; `first` in the first one (0: plain convolutions).
        split_down: whether one half is pooled when downsampling.
    """

    stem: tuple[int, int]
    backbone: tuple[tuple[int, int, int], ...]
    downs: tuple[int, int, int]
    neck: tuple[tuple[int, int, int], ...]
    back: tuple[int, int]
    n: int
    first: int
    split_down: bool


def _like(*widths: int) -> tuple[tuple[int, int, int], ...]:
    """Blocks that split to their own width and work on half of it."""
    return tuple((w, w, w // 2) for w in widths)


SIZES: Final = {
    "t": Size((16, 32), _like(32, 64, 96, 128), (64, 96, 128), _like(96, 64, 96, 128), (48, 64), 3, 0, False),
    "s": Size(
        (32, 64), _like(64, 128, 192, 256), (128, 192, 256), _like(192, 128, 192, 256), (96, 128), 3, 0, False
    ),
    "m": Size(
        (32, 64),
        ((128, 128, 64), *_like(240, 360, 480)),
        (240, 360, 480),
        _like(360, 240, 360, 480),
        (180, 240),
        1,
        1,
        False,
    ),
    "c": Size(
        (64, 128),
        ((256, 128, 64), (512, 256, 128), *_like(512, 512)),
        (256, 512, 512),
        _like(512, 256, 512, 512),
        (256, 512),
        1,
        1,
        True,
    ),
}  # fmt: skip


class SpatialPool(nn.Module):
    """Three chained poolings beside the input ("SPPELAN")."""

    def __init__(self, c_in: int, c_out: int, hidden: int) -> None:
        super().__init__()
        self.first = Conv(c_in, hidden)
        self.pools = nn.ModuleList(nn.MaxPool2d(5, 1, 2) for _ in range(3))
        self.last = Conv(4 * hidden, c_out)

    @override
    def forward(self, x: Tensor) -> Tensor:
        parts = [self.first(x)]
        for pool in self.pools:
            parts.append(pool(parts[-1]))
        y: Tensor = self.last(torch.cat(parts, 1))
        return y


def _down(c_in: int, c_out: int, *, split: bool) -> nn.Module:
    if split:
        return SplitDown(c_in, c_out)
    return nn.Sequential(nn.AvgPool2d(2, 1), Conv(c_in, c_out, 3, stride=2))


def yolov9(size: str = "c", task: str = "detect") -> nn.Module:
    """YOLOv9 without its auxiliary branch; 25.3 M parameters, 102 GFLOPs at 640 pixels for "c"."""
    if size == "e":
        return _extensive(task)
    s = SIZES[size]
    stem = nn.Sequential(Conv(3, s.stem[0], 3, stride=2), Conv(*s.stem, 3, stride=2))
    stages: list[nn.Module] = [nn.Sequential(stem, Elan(s.stem[1], *s.backbone[0], s.first))]
    for at, width in enumerate(s.downs):
        down = _down(s.backbone[at][0], width, split=s.split_down)
        stages.append(nn.Sequential(down, Elan(width, *s.backbone[at + 1], s.n)))
    channels = [b[0] for b in s.backbone]
    top = channels[-1]
    stages[-1].append(SpatialPool(top, top, top // 2))  # type: ignore[operator]
    neck, out = _neck(channels[1:], s.neck, s.back, s.n, split=s.split_down)
    return Detector(Features(stages, channels, (1, 2, 3)), neck, _head(out, task))


def _neck(
    maps: Sequence[int], blocks: Sequence[tuple[int, int, int]], back: Sequence[int], n: int, *, split: bool
) -> tuple[nn.Module, tuple[int, int, int]]:
    """The neck and the channels of its results."""
    p3, p4, p5 = maps
    up4, up3, down4, down5 = blocks
    ups = [Elan(p5 + p4, *up4, n), Elan(up4[0] + p3, *up3, n)]
    downs = [_down(up3[0], back[0], split=split), _down(down4[0], back[1], split=split)]
    bottoms = [Elan(back[0] + up4[0], *down4, n), Elan(back[1] + p5, *down5, n)]
    neck = PathAggregation([nn.Identity(), nn.Identity()], ups, downs, bottoms)
    return neck, (up3[0], down4[0], down5[0])


def _head(channels: Sequence[int], task: str) -> nn.Module:
    return SplitHead(channels, TASKS[task], 256)


E_STAGES: Final = ((256, 128, 64), (512, 256, 128), (1024, 512, 256), (1024, 512, 256))
"""Blocks of both columns of size e."""
E_LINEAR: Final = ((64,), (64, 128), (64, 128, 256), (64, 128, 256, 512), (64, 128, 256, 512, 1024))
"""Channels that each map of the first column gives to the second, finest first."""


class Columns(nn.Module):
    """Two backbones; the second adds, at each stage, what the first gave; three maps, finest first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 64, 3, stride=2)
        self.downs, self.blocks = self._column()
        given = (64, 256, 512, 1024, 1024)
        self.linear = nn.ModuleList(nn.Conv2d(c, sum(out), 1) for c, out in zip(given, E_LINEAR, strict=True))
        self.second_stem = Conv(3, 64, 3, stride=2)
        self.second_downs, self.second_blocks = self._column()
        self.pool = SpatialPool(1024, 512, 256)

    @staticmethod
    def _column() -> tuple[nn.ModuleList, nn.ModuleList]:
        """Downsampling and block of four stages, apart, since the second column adds in between."""
        c = (128, 256, 512, 1024)
        downs = [
            Conv(64, 128, 3, stride=2),
            *(SplitDown(b[0], w) for b, w in zip(E_STAGES, c[1:], strict=False)),
        ]
        blocks = [Elan(w, *b, 2) for w, b in zip(c, E_STAGES, strict=True)]
        return nn.ModuleList(downs), nn.ModuleList(blocks)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.stem(x)]
        for down, block in zip(self.downs, self.blocks, strict=True):
            maps.append(block(down(maps[-1])))
        given = [lin(m).split(out, 1) for lin, m, out in zip(self.linear, maps, E_LINEAR, strict=True)]
        y = _fused(self.second_stem(x), [g[0] for g in given])
        out = []
        for at, (down, block) in enumerate(zip(self.second_downs, self.second_blocks, strict=True), start=1):
            y = block(_fused(down(y), [g[at] for g in given[at:]]))
            out.append(y)
        return [out[1], out[2], self.pool(out[3])]


def _fused(x: Tensor, others: Sequence[Tensor]) -> Tensor:
    """The sum of maps, the coarser ones enlarged to the size of the first."""
    for other in others:
        x = x + functional.interpolate(other, size=x.shape[2:], mode="nearest")
    return x


def _extensive(task: str) -> nn.Module:
    blocks = ((512, 512, 256), (256, 256, 128), (512, 512, 256), (512, 1024, 512))
    neck, out = _neck((512, 1024, 512), blocks, (256, 512), 2, split=True)
    return Detector(Columns(), neck, _head(out, task))
