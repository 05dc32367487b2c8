"""CAS-ViT: attention by adding gated queries and keys, all in convolutions.

Source: Zhang et al., CAS-ViT, arXiv 2408.03703, and
the configurations of Tianfang-Zhang/CAS-ViT (MIT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from torch import Tensor

SIZES: Final = {
    "xs": ((2, 2, 4, 2), (48, 56, 112, 220)),
    "s": ((3, 3, 6, 3), (48, 64, 128, 256)),
    "m": ((3, 3, 6, 3), (64, 96, 192, 384)),
    "t": ((3, 3, 6, 3), (96, 128, 256, 512)),
}
"""Blocks and channels of each stage."""


DISTILLED: Final = ("m", "t")
"""Sizes that are published with a second classifier, trained by a teacher."""


class Heads(nn.Module):
    """The mean of several linear classifiers."""

    def __init__(self, channels: int, classes: int, n: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(channels, classes) for _ in range(n))

    @override
    def forward(self, x: Tensor) -> Tensor:
        scores = [head(x) for head in self.heads]
        mean: Tensor = sum(scores[1:], scores[0]) / len(scores)
        return mean


class Gates(nn.Module):
    """A map weighed by what is said of its places, then by what is said of its channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.places = nn.Sequential(
            ConvBnAct(channels, channels, 3, groups=channels),
            nn.Conv2d(channels, 1, 1, bias=False),
            nn.Sigmoid(),
        )
        self.channels = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1, bias=False), nn.Sigmoid()
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = x * self.places(x)
        weighed: Tensor = x * self.channels(x)
        return weighed


class AdditiveAttention(nn.Module):
    """Gated queries and keys, added and smoothed, times the values."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.query, self.key = Gates(channels), Gates(channels)
        self.smooth = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.project = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    @override
    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, 1)
        y: Tensor = self.project(self.smooth(self.query(query) + self.key(key)) * value)
        return y


class Block(nn.Module):
    """Local convolutions, attention and two 1x1 convolutions, each with a residual."""

    def __init__(self, channels: int, mlp: int = 4) -> None:
        super().__init__()
        c = channels
        self.local = nn.Sequential(
            nn.BatchNorm2d(c),
            nn.Conv2d(c, c, 1),
            nn.GELU(),
            nn.Conv2d(c, c, 3, 1, 1, groups=c),
            nn.Conv2d(c, c, 1),
        )
        self.attention = nn.Sequential(nn.BatchNorm2d(c), AdditiveAttention(c))
        layers = (nn.Conv2d(c, mlp * c, 1), nn.GELU(), nn.Conv2d(mlp * c, c, 1))
        self.mlp = nn.Sequential(nn.BatchNorm2d(c), *layers)

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = x + self.local(x)
        x = x + self.attention(x)
        y: Tensor = x + self.mlp(x)
        return y


def cas_vit(size: str = "m", classes: int = 1000) -> nn.Module:
    """CAS-ViT; 12.4 M parameters, 1.9 G MACs at 224 pixels for "m"."""
    blocks, channels = SIZES[size]
    first = channels[0]
    layers: list[nn.Module] = [
        ConvBnAct(3, first // 2, 3, stride=2),
        ConvBnAct(first // 2, first, 3, stride=2),
    ]
    for at, (n, width) in enumerate(zip(blocks, channels, strict=True)):
        if at:
            layers.append(ConvBnAct(channels[at - 1], width, 3, stride=2, activation=None))
        layers += [Block(width) for _ in range(n)]
    head = Heads(channels[-1], classes, 2 if size in DISTILLED else 1)
    return nn.Sequential(*layers, nn.BatchNorm2d(channels[-1]), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
