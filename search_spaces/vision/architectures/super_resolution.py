"""Super resolution: a small image in, one `scale` times as high and wide out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from torch import Tensor


def _conv(
    c_in: int, c_out: int, kernel: int = 3, activation: str | None = "relu", groups: int = 1
) -> ConvBnAct:
    return ConvBnAct(c_in, c_out, kernel, activation=activation, norm=False, groups=groups)


class Xlsr(nn.Module):
    """XLSR; 28,016 parameters at scale 4 and 21,947 at scale 3.

    Source: Ayazoglu, Extremely Lightweight Quantization Robust Real-Time Single-Image Super Resolution for
    Mobile Devices, CVPR workshops 2021, figure 2.
    """

    def __init__(self, scale: int = 4) -> None:
        super().__init__()
        self.beside = _conv(3, 16)
        self.heads = nn.ModuleList(_conv(3, 8) for _ in range(4))
        blocks = [nn.Sequential(_conv(32, 32, groups=4), _conv(32, 32, 1, None)) for _ in range(3)]
        self.body = nn.Sequential(_conv(32, 32, 1, None), *blocks)
        self.join = _conv(48, 32, 1)
        self.last = nn.Sequential(_conv(32, 3 * scale**2, 3, None), nn.Hardtanh(0, 1), nn.PixelShuffle(scale))

    @override
    def forward(self, x: Tensor) -> Tensor:
        body = self.body(torch.cat([head(x) for head in self.heads], 1))
        y: Tensor = self.last(self.join(torch.cat([body, self.beside(x)], 1)))
        return y


def quicksrnet(channels: int = 32, layers: int = 2, scale: int = 4) -> nn.Sequential:
    """QuickSRNet: 33 k (32 channels, 2 layers), 61 k (32, 5) and 436 k parameters (64, 11) at scale 4.

    Source: Berger et al., QuickSRNet, CVPR workshops 2023, figure 3.
    """
    body = [_conv(channels, channels) for _ in range(layers)]
    return nn.Sequential(
        _conv(3, channels), *body, _conv(channels, 3 * scale**2, 3, None), nn.PixelShuffle(scale)
    )


def sesr(layers: int = 5, scale: int = 4, channels: int = 16, inside: int = 256) -> nn.Sequential:
    """SESR; 343 k parameters in the form of AI Hub, whose linear blocks are not collapsed.

    Source: Bhardwaj et al., Collapsible Linear Blocks for Super-Efficient Super Resolution, MLSys 2022.

    Args:
        layers: between the first and the last one.
        scale: how many times as high and wide the result is.
        channels: of every layer.
        inside: channels within a linear block; 0: collapsed into one convolution.
    """

    def block(c_in: int, out: int, kernel: int) -> nn.Module:
        if not inside:
            return _conv(c_in, out, kernel, None)
        return nn.Sequential(_conv(c_in, inside, kernel, None), _conv(inside, out, 1, None))

    body = [nn.Sequential(Plus(block(channels, channels, 3)), nn.PReLU(channels)) for _ in range(layers)]
    first = nn.Sequential(block(3, channels, 5), nn.PReLU(channels))
    return nn.Sequential(
        first, Plus(nn.Sequential(*body)), block(channels, 3 * scale**2, 5), nn.PixelShuffle(scale)
    )


class Plus(nn.Module):
    """Layers beside the identity, their result scaled."""

    def __init__(self, layers: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.layers, self.scale = layers, scale

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + (y if self.scale == 1 else y * self.scale)


class DenseBlock(nn.Module):
    """Five 3x3 convolutions, each fed by all before it; the last one makes the residual."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        widths = [growth] * 4 + [channels]
        acts = ["leaky"] * 4 + [None]
        self.convs = nn.ModuleList(
            _conv(channels + at * growth, width, activation=act)
            for at, (width, act) in enumerate(zip(widths, acts, strict=True))
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for conv in self.convs:
            maps.append(conv(torch.cat(maps, 1)))
        return x + 0.2 * maps[-1]


def esrgan(blocks: int = 23, channels: int = 64, growth: int = 32) -> nn.Sequential:
    """ESRGAN and Real-ESRGAN x4plus; 16.7 M parameters, image four times as large.

    Source: Wang et al., ESRGAN, ECCV workshops 2018; xinntao/Real-ESRGAN, basicsr/archs/rrdbnet_arch.py.
    """
    dense = [
        Plus(nn.Sequential(*(DenseBlock(channels, growth) for _ in range(3))), 0.2) for _ in range(blocks)
    ]
    return nn.Sequential(
        _conv(3, channels, 3, None),
        Plus(nn.Sequential(*dense, _conv(channels, channels, 3, None))),
        nn.Upsample(scale_factor=2),
        _conv(channels, channels, 3, "leaky"),
        nn.Upsample(scale_factor=2),
        _conv(channels, channels, 3, "leaky"),
        _conv(channels, channels, 3, "leaky"),
        _conv(channels, 3, 3, None),
    )


class Srvgg(nn.Module):
    """Real-ESRGAN general x4v3: plain 3x3 convolutions beside an enlarged image; 1.21 M parameters.

    Source: xinntao/Real-ESRGAN, realesrgan/archs/srvgg_arch.py (BSD-3-Clause).
    """

    def __init__(self, channels: int = 64, layers: int = 32, scale: int = 4) -> None:
        super().__init__()
        body = [_conv(channels, channels, activation="prelu") for _ in range(layers)]
        last = _conv(channels, 3 * scale**2, 3, None)
        self.layers = nn.Sequential(_conv(3, channels, 3, "prelu"), *body, last, nn.PixelShuffle(scale))
        self.enlarge = nn.Upsample(scale_factor=scale)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x) + self.enlarge(x)
        return y
