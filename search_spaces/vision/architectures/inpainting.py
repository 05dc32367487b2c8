"""Networks that fill masked parts of an image: (N, 4, H, W), the mask fourth, to (N, 3, H, W)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from torch import Tensor

RATES: Final = (1, 2, 4, 8)
"""Dilations of the branches of one block."""


class AotBlock(nn.Module):
    """Four dilated branches, joined, and added where a gate opens."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        each = channels // len(RATES)
        self.branches = nn.ModuleList(
            ConvBnAct(channels, each, 3, dilation=rate, norm=False) for rate in RATES
        )
        self.fuse = ConvBnAct(channels, channels, 3, activation=None, norm=False)
        self.gate = ConvBnAct(channels, channels, 3, activation="sigmoid", norm=False)

    @override
    def forward(self, x: Tensor) -> Tensor:
        fused = self.fuse(torch.cat([branch(x) for branch in self.branches], 1))
        gate = self.gate(x)
        y: Tensor = x * (1 - gate) + fused * gate
        return y


def aot_gan(blocks: int = 8, width: int = 64) -> nn.Sequential:
    """Generator of AOT-GAN; 15.2 M parameters.

    Source: Zeng et al., Aggregated Contextual Transformations for High-Resolution Image Inpainting, TVCG
    2022; researchmm/AOT-GAN-for-Inpainting, src/model/aotgan.py.
    """
    return nn.Sequential(
        ConvBnAct(4, width, 7, norm=False),
        nn.Conv2d(width, 2 * width, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(2 * width, 4 * width, 4, 2, 1),
        nn.ReLU(),
        *(AotBlock(4 * width) for _ in range(blocks)),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        ConvBnAct(4 * width, 2 * width, 3, norm=False),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        ConvBnAct(2 * width, width, 3, norm=False),
        ConvBnAct(width, 3, 3, activation=None, norm=False),
        nn.Tanh(),
    )


class Multidilated(nn.Module):
    """A 3x3 convolution whose outputs are split evenly over dilations."""

    def __init__(self, channels: int, activation: str | None) -> None:
        super().__init__()
        each = channels // len(RATES)
        self.convs = nn.ModuleList(
            ConvBnAct(channels, each, 3, dilation=rate, activation=activation) for rate in RATES
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([conv(x) for conv in self.convs], 1)


class LamaBlock(nn.Module):
    """Two multidilated convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(Multidilated(channels, "relu"), Multidilated(channels, None))

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def lama_dilated(blocks: int = 9, width: int = 64) -> nn.Sequential:
    """Generator of LaMa with dilated instead of Fourier convolutions; 45.6 M parameters.

    Source: Suvorov et al., Resolution-robust Large Mask Inpainting with Fourier Convolutions, WACV 2022;
    advimman/lama, saicinpainting/training/modules/pix2pixhd.py (Apache-2.0).
    """
    deep = 8 * width
    down = [ConvBnAct(width << at, width << (at + 1), 3, stride=2) for at in range(3)]
    up: list[nn.Module] = []
    for at in (3, 2, 1):
        up += [
            nn.ConvTranspose2d(width << at, width << (at - 1), 3, 2, 1, output_padding=1),
            nn.BatchNorm2d(width << (at - 1)),
            nn.ReLU(),
        ]
    return nn.Sequential(
        ConvBnAct(4, width, 7),
        *down,
        *(LamaBlock(deep) for _ in range(blocks)),
        *up,
        ConvBnAct(width, 3, 7, activation="sigmoid", norm=False),
    )
