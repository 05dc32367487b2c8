"""Face embeddings: the ResNets of ArcFace and MobileFaceNet; (N, 3, 112, 112) to an embedding.

Source: Deng et al., ArcFace, CVPR 2019; Chen et al., MobileFaceNets, arXiv 1804.07573;
deepinsight/insightface, recognition/arcface_torch/backbones (MIT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from torch import Tensor

LAYERS: Final = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
WIDTHS: Final = (64, 128, 256, 512)
FACE: Final = 7
"""Pixels of the last map of a face of 112."""


class Unit(nn.Module):
    """Norm, convolution, norm, PReLU, convolution, norm, with a residual."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(c_in),
            ConvBnAct(c_in, c_out, 3, activation="prelu"),
            ConvBnAct(c_out, c_out, 3, stride=stride, activation=None),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1:
            self.shortcut = ConvBnAct(c_in, c_out, 1, stride=stride, activation=None)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x) + self.shortcut(x)
        return y


def arcface_resnet(depth: int = 50, embedding: int = 512) -> nn.Module:
    """ArcFace's ResNet; 43.6 M parameters, 6.3 G MACs for 50 layers; `embedding` 0: no last layer."""
    layers: list[nn.Module] = [ConvBnAct(3, 64, 3, activation="prelu")]
    c_in = 64
    for width, n in zip(WIDTHS, LAYERS[depth], strict=True):
        layers += [Unit(c_in if at == 0 else width, width, 2 if at == 0 else 1) for at in range(n)]
        c_in = width
    layers += [nn.BatchNorm2d(c_in), nn.Flatten()]
    if embedding:
        layers += [nn.Linear(c_in * FACE * FACE, embedding), nn.BatchNorm1d(embedding)]
    return nn.Sequential(*layers)


class Inverted(nn.Module):
    """1x1, depthwise 3x3 and linear 1x1 convolutions; `add`: with a residual."""

    def __init__(self, c_in: int, c_out: int, hidden: int, stride: int, *, add: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvBnAct(c_in, hidden, 1, activation="prelu"),
            ConvBnAct(hidden, hidden, 3, stride=stride, groups=hidden, activation="prelu"),
            ConvBnAct(hidden, c_out, 1, activation=None),
        )
        self.add = add

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.add else y


def mobilefacenet(scale: int = 2, embedding: int = 512) -> nn.Module:
    """MobileFaceNet; 2.1 M parameters, 0.44 G MACs at scale 2."""
    narrow, wide = 64 * scale, 128 * scale
    layers: list[nn.Module] = [
        ConvBnAct(3, narrow, 3, stride=2, activation="prelu"),
        ConvBnAct(narrow, narrow, 3, groups=64, activation="prelu"),
    ]
    stages = ((narrow, narrow, 128, 4, 128), (narrow, wide, 256, 6, 256), (wide, wide, 512, 2, 256))
    for c_in, c_out, first, n, hidden in stages:
        layers.append(Inverted(c_in, c_out, first, 2, add=False))
        layers += [Inverted(c_out, c_out, hidden, 1, add=True) for _ in range(n)]
    last = nn.Conv2d(512, 512, FACE, groups=512, bias=False)
    layers += [ConvBnAct(wide, 512, 1, activation="prelu"), last, nn.BatchNorm2d(512), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(512, embedding, bias=False), nn.BatchNorm1d(embedding))
