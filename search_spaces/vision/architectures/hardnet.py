"""HarDNet: densely connected blocks that keep only harmonic links.

Source: Chao et al., HarDNet: A Low Memory Traffic Network, ICCV 2019, and the configurations of
PingoLH/Pytorch-HarDNet (MIT).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Size:
    """Layers of one size.

    Attributes:
        first: channels of the first two convolutions.
        out: channels after each block.
        growth: channels of a layer of each block, before links multiply them.
        layers: of each block.
        halve: whether the map is halved after each block.
        factor: by which every further link multiplies the channels.
    """

    first: tuple[int, int]
    out: tuple[int, ...]
    growth: tuple[int, ...]
    layers: tuple[int, ...]
    halve: tuple[int, ...]
    factor: float = 1.7


SIZES: Final = {
    39: Size((24, 48), (96, 320, 640, 1024), (16, 20, 64, 160), (4, 16, 8, 4), (1, 1, 1, 0), 1.6),
    68: Size(
        (32, 64), (128, 256, 320, 640, 1024), (14, 16, 20, 40, 160), (8, 16, 16, 16, 4), (1, 0, 1, 1, 0)
    ),
    85: Size(
        (48, 96),
        (192, 256, 320, 480, 720, 1280),
        (24, 24, 28, 36, 48, 256),
        (8, 16, 16, 16, 16, 4),
        (1, 0, 1, 0, 1, 0),
    ),
}


def _conv(c_in: int, c_out: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    return ConvBnAct(c_in, c_out, kernel, stride=stride, activation="relu6")


def _depthwise(channels: int, stride: int = 1) -> nn.Module:
    return ConvBnAct(channels, channels, 3, stride=stride, groups=channels, activation=None)


def links(layer: int) -> list[int]:
    """Layers that a layer reads: those 1, 2, 4, ... before it, as far as it is a multiple of that."""
    return [layer - 2**i for i in range(10) if layer % 2**i == 0 and layer >= 2**i] if layer else []


class HarmonicBlock(nn.Module):
    """Layers that each read some of those before; (N, c_in, H, W) to (N, `out`, H, W)."""

    def __init__(self, c_in: int, growth: int, layers: int, factor: float, *, separable: bool) -> None:
        super().__init__()
        widths = [c_in]
        self.sources = [links(at) for at in range(1, layers + 1)]
        convs = []
        for source in self.sources:
            width = growth * 1.0
            for _ in source[1:]:
                width *= factor
            reads, writes = sum(widths[s] for s in source), int(int(width + 1) / 2) * 2
            one = _conv(reads, writes, 1 if separable else 3)
            convs.append(nn.Sequential(one, _depthwise(writes)) if separable else one)
            widths.append(writes)
        self.convs = nn.ModuleList(convs)
        self.kept = [at for at in range(1, layers + 1) if at == layers or at % 2]
        self.out = sum(widths[at] for at in self.kept)

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for conv, source in zip(self.convs, self.sources, strict=True):
            maps.append(conv(torch.cat([maps[s] for s in source], 1) if len(source) > 1 else maps[source[0]]))
        return torch.cat([maps[at] for at in self.kept], 1)


def hardnet(depth: int = 68, *, separable: bool = False, classes: int = 1000) -> nn.Module:
    """HarDNet-39, -68 or -85; `separable`: the "DS" variants. 17.6 M parameters for 68, 3.5 M for 39DS."""
    size = SIZES[depth]
    layers: list[nn.Module] = [_conv(3, size.first[0], stride=2), _conv(*size.first, 1 if separable else 3)]
    layers.append(_depthwise(size.first[1], 2) if separable else nn.MaxPool2d(3, 2, 1))
    channels = size.first[1]
    for out, growth, n, halve in zip(size.out, size.growth, size.layers, size.halve, strict=True):
        block = HarmonicBlock(channels, growth, n, size.factor, separable=separable)
        layers += [block, _conv(block.out, out, 1)]
        channels = out
        if halve:
            layers.append(_depthwise(out, 2) if separable else nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
