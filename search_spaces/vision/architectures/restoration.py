"""Small networks that restore or enlarge an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.super_resolution import esrgan

if TYPE_CHECKING:
    from torch import Tensor


class DnCnn(nn.Module):
    """DnCNN: 3x3 convolutions that estimate the noise, which is taken off; 0.67 M parameters at depth 20.

    Source: Zhang et al., Beyond a Gaussian Denoiser, TIP 2017; cszn/KAIR (MIT), without batch norm.
    """

    def __init__(self, channels: int = 1, width: int = 64, depth: int = 20) -> None:
        super().__init__()
        inner = (ConvBnAct(width, width, 3, norm=False) for _ in range(depth - 2))
        last = nn.Conv2d(width, channels, 3, padding=1)
        self.layers = nn.Sequential(ConvBnAct(channels, width, 3, norm=False), *inner, last)

    @override
    def forward(self, x: Tensor) -> Tensor:
        clean: Tensor = x - self.layers(x)
        return clean


def espcn(scale: int = 2, channels: int = 1) -> nn.Module:
    """ESPCN: three convolutions and a shuffle of channels to pixels; 21 k parameters at scale 2.

    Source: Shi et al., Real-Time Single Image and Video Super-Resolution, CVPR 2016.
    """
    return nn.Sequential(
        nn.Conv2d(channels, 64, 5, padding=2),
        nn.Tanh(),
        nn.Conv2d(64, 32, 3, padding=1),
        nn.Tanh(),
        nn.Conv2d(32, channels * scale**2, 3, padding=1),
        nn.PixelShuffle(scale),
    )


class ZeroDce(nn.Module):
    """Zero-DCE: curves for eight rounds of brightening from seven convolutions; 79 k parameters.

    Source: Guo et al., Zero-Reference Deep Curve Estimation, CVPR 2020.
    """

    def __init__(self, width: int = 32, rounds: int = 8) -> None:
        super().__init__()
        widths = [(3, width), *[(width, width)] * 3, *[(2 * width, width)] * 2]
        self.convs = nn.ModuleList(ConvBnAct(a, b, 3, norm=False) for a, b in widths)
        self.last = nn.Sequential(nn.Conv2d(2 * width, 3 * rounds, 3, padding=1), nn.Tanh())
        self.rounds = rounds

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps: list[Tensor] = []
        y = x
        for at, conv in enumerate(self.convs):
            y = conv(y if at < 4 else torch.cat([maps[6 - at], maps[-1]], 1))
            maps.append(y)
        for curve in self.last(torch.cat([maps[0], maps[-1]], 1)).chunk(self.rounds, 1):
            x = x + curve * (x * x - x)
        return x


def real_esrgan(scale: int = 2, blocks: int = 23, channels: int = 64, growth: int = 32) -> nn.Module:
    """Real-ESRGAN, which enlarges four times what was first shuffled down; 16.7 M parameters at scale 2.

    Source: Wang et al., Real-ESRGAN, ICCV workshops 2021; xinntao/Real-ESRGAN (BSD-3-Clause).
    """
    body = esrgan(blocks, channels, growth)
    shrink = 4 // scale
    body[0] = ConvBnAct(3 * shrink**2, channels, 3, activation=None, norm=False)
    return nn.Sequential(nn.PixelUnshuffle(shrink), body)
