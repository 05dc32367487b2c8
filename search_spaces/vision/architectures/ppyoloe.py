"""PP-YOLOE, as deployed (parallel branches merged).

Source: Xu et al., PP-YOLOE, arXiv 2203.16250; PaddlePaddle/PaddleDetection, configs/ppyoloe (Apache-2.0).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import Features
from search_spaces.vision.architectures.yolo_blocks import Bottleneck, Conv

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

SIZES: Final = {"s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
"""Depth and width."""
CHANNELS: Final = (64, 128, 256, 512, 1024)
LAYERS: Final = (3, 6, 6, 3)
NECK: Final = (768, 384, 192)
BINS: Final = 17
COCO: Final = 80

Swish = partial(Conv, activation="silu")


class Excite(nn.Module):
    """A map weighed by one 1x1 convolution of its means ("effective" squeeze-and-excitation)."""

    def __init__(self, channels: int, gate: type[nn.Module] = nn.Hardsigmoid) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1), gate())

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x * self.gate(x)
        return y


class Stage(nn.Module):
    """CSP over pairs of 3x3 convolutions with excitation, after a convolution that strides."""

    def __init__(self, c_in: int, c_out: int, n: int) -> None:
        super().__init__()
        middle = (c_in + c_out) // 2
        half = middle // 2
        self.down = Swish(c_in, middle, 3, stride=2)
        self.beside, self.first = Swish(middle, half), Swish(middle, half)
        self.inner = nn.Sequential(*(Bottleneck(half, half, (3, 3), "silu") for _ in range(n)))
        self.excite, self.last = Excite(middle), Swish(middle, c_out)

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        y: Tensor = self.last(self.excite(torch.cat([self.beside(x), self.inner(self.first(x))], 1)))
        return y


class NeckStage(nn.Module):
    """CSP over pairs of 3x3 convolutions without residuals, with pyramid pooling where `pool`."""

    def __init__(self, c_in: int, c_out: int, n: int, *, pool: bool = False) -> None:
        super().__init__()
        half = c_out // 2
        self.beside, self.first = Swish(c_in, half), Swish(c_in, half)
        blocks: list[nn.Module] = [Bottleneck(half, half, (3, 3), "silu", add=False) for _ in range(n)]
        if pool:
            blocks.insert(1, Pool(half))
        self.inner = nn.Sequential(*blocks)
        self.last = Swish(c_out, c_out)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(torch.cat([self.beside(x), self.inner(self.first(x))], 1))
        return y


class Pool(nn.Module):
    """Max over windows of 5, 9 and 13 beside the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pools = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13))
        self.last = Swish(4 * channels, channels)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(torch.cat([x, *(pool(x) for pool in self.pools)], 1))
        return y


class Neck(nn.Module):
    """Path aggregation; maps finest first in, coarsest first out."""

    def __init__(self, channels: Sequence[int], widths: Sequence[int], n: int) -> None:
        super().__init__()
        deep, middle, fine = widths
        p3, p4, p5 = channels
        self.tops = nn.ModuleList(
            [
                NeckStage(p5, deep, n, pool=True),
                NeckStage(p4 + deep // 2, middle, n),
                NeckStage(p3 + middle // 2, fine, n),
            ]
        )
        self.across = nn.ModuleList([Swish(deep, deep // 2), Swish(middle, middle // 2)])
        self.down = nn.ModuleList([Swish(fine, fine, 3, stride=2), Swish(middle, middle, 3, stride=2)])
        self.bottoms = nn.ModuleList([NeckStage(fine + middle, middle, n), NeckStage(middle + deep, deep, n)])

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        tops = [self.tops[0](maps[-1])]
        for across, top, m in zip(self.across, list(self.tops)[1:], reversed(maps[:-1]), strict=True):
            wide = functional.interpolate(across(tops[-1]), scale_factor=2.0)
            tops.append(top(torch.cat([wide, m], 1)))
        out = [tops[-1]]
        for down, bottom, held in zip(self.down, self.bottoms, reversed(tops[:-1]), strict=True):
            out.insert(0, bottom(torch.cat([down(out[0]), held], 1)))
        return out


class Aligned(nn.Module):
    """Features weighed by their means, then a 1x1 convolution ("ESE attention")."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate, self.conv = Excite(channels, nn.Sigmoid), Swish(channels, channels)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(self.gate(x))
        return y


class AlignedHead(nn.Module):
    """Classes, with a residual around their features, and boxes as distributions, by 3x3 convolutions."""

    def __init__(self, channels: Sequence[int], classes: int = COCO) -> None:
        super().__init__()
        self.of_classes = nn.ModuleList(Aligned(c) for c in channels)
        self.of_boxes = nn.ModuleList(Aligned(c) for c in channels)
        self.classes = nn.ModuleList(nn.Conv2d(c, classes, 3, 1, 1) for c in channels)
        self.boxes = nn.ModuleList(nn.Conv2d(c, 4 * BINS, 3, 1, 1) for c in channels)

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        out = []
        for at, m in enumerate(maps):
            out.append(self.classes[at](self.of_classes[at](m) + m))
            out.append(self.boxes[at](self.of_boxes[at](m)))
        return out


class PpYoloe(nn.Module):
    """PP-YOLOE of a size; 7.9 M parameters, 17.4 GFLOPs at 640 pixels for "s"."""

    def __init__(self, size: str = "s") -> None:
        super().__init__()
        depth, width = SIZES[size]
        c = [max(round(base * width), 1) for base in CHANNELS]
        half = c[0] // 2
        stem = (Swish(3, half, 3, stride=2), Swish(half, half, 3), Swish(half, c[0], 3))
        stages: list[nn.Module] = [nn.Sequential(*stem)]
        for at, n in enumerate(LAYERS, start=1):
            stages.append(Stage(c[at - 1], c[at], max(round(n * depth), 1)))
        self.backbone = Features(stages, c, (2, 3, 4))
        widths = [max(round(base * width), 1) for base in NECK]
        self.neck = Neck(c[2:], widths, max(round(3 * depth), 1))
        self.head = AlignedHead(widths)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        y: list[Tensor] = self.head(self.neck(self.backbone(x)))
        return y
