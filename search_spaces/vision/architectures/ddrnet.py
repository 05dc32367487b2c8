"""DDRNet: a fine and a coarse branch that exchange what they see.

Source: Hong et al., Deep Dual-resolution Networks for Real-time and Accurate Semantic Segmentation of Road
Scenes, arXiv 2101.06085; chenjun2hao/DDRNet.pytorch, segmentation/DDRNet_23_slim.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.segmentation import enlarged

if TYPE_CHECKING:
    from torch import Tensor


class Block(nn.Module):
    """Two 3x3 convolutions ("basic") or 1x1, 3x3, 1x1 beside the identity or a projection."""

    def __init__(
        self, c_in: int, width: int, stride: int = 1, *, bottleneck: bool = False, relu: bool = True
    ) -> None:
        super().__init__()
        out = 2 * width if bottleneck else width
        layers = [
            ConvBnAct(c_in, width, 3, stride=stride),
            ConvBnAct(width, out, 3, activation=None),
        ]
        if bottleneck:
            layers = [
                ConvBnAct(c_in, width, 1),
                ConvBnAct(width, width, 3, stride=stride),
                ConvBnAct(width, out, 1, activation=None),
            ]
        self.layers = nn.Sequential(*layers)
        same = stride == 1 and c_in == out
        self.shortcut = nn.Identity() if same else ConvBnAct(c_in, out, 1, stride=stride, activation=None)
        self.act = nn.ReLU() if relu else nn.Identity()

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.shortcut(x) + self.layers(x))
        return y


def stage(c_in: int, width: int, blocks: int, stride: int = 1) -> nn.Sequential:
    """Basic blocks, the last one not activated."""
    rest = [Block(width, width, relu=at < blocks - 1) for at in range(1, blocks)]
    return nn.Sequential(Block(c_in, width, stride), *rest)


class Before(nn.Sequential):
    """Batch norm and ReLU before a convolution."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1) -> None:
        conv = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False)
        super().__init__(nn.BatchNorm2d(c_in), nn.ReLU(), conv)


class Dappm(nn.Module):
    """Means over windows of several sizes, each refined by the one before."""

    def __init__(self, c_in: int, width: int, out: int) -> None:
        super().__init__()
        pools: list[nn.Module] = [nn.AvgPool2d(2 * s + 1, s, s) for s in (2, 4, 8)]
        self.first = Before(c_in, width)
        self.scales = nn.ModuleList(
            nn.Sequential(pool, Before(c_in, width)) for pool in (*pools, nn.AdaptiveAvgPool2d(1))
        )
        self.refine = nn.ModuleList(Before(width, width, 3) for _ in self.scales)
        self.join = Before(5 * width, out)
        self.shortcut = Before(c_in, out)

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = [self.first(x)]
        for scale, refine in zip(self.scales, self.refine, strict=True):
            maps.append(refine(enlarged(scale(x), x) + maps[-1]))
        y: Tensor = self.join(torch.cat(maps, 1)) + self.shortcut(x)
        return y


class DdrNet(nn.Module):
    """DDRNet-23; the slim one (width 32) has 5.7 M parameters without its auxiliary head.

    Args:
        classes: scores for each pixel.
        width: channels of the stem.
        pooled: channels inside the pooling of the coarse branch.
        head: channels of the head.
        auxiliary: whether the head that only training needs is a part.
    """

    def __init__(
        self,
        classes: int = 19,
        width: int = 32,
        pooled: int = 128,
        head: int = 64,
        *,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        w, fine = width, 2 * width
        self.stem = nn.Sequential(
            ConvBnAct(3, w, 3, stride=2),
            ConvBnAct(w, w, 3, stride=2),
            stage(w, w, 2),
            nn.ReLU(),
            stage(w, 2 * w, 2, 2),
            nn.ReLU(),
        )
        self.coarse3, self.coarse4 = stage(2 * w, 4 * w, 2, 2), stage(4 * w, 8 * w, 2, 2)
        self.fine3, self.fine4 = stage(2 * w, fine, 2), stage(fine, fine, 2)
        self.up3 = ConvBnAct(4 * w, fine, 1, activation=None)
        self.up4 = ConvBnAct(8 * w, fine, 1, activation=None)
        self.down3 = ConvBnAct(fine, 4 * w, 3, stride=2, activation=None)
        self.down4 = nn.Sequential(
            ConvBnAct(fine, 4 * w, 3, stride=2), ConvBnAct(4 * w, 8 * w, 3, stride=2, activation=None)
        )
        self.fine5 = Block(fine, fine, bottleneck=True, relu=False)
        self.coarse5 = Block(8 * w, 8 * w, 2, bottleneck=True, relu=False)
        self.pool = Dappm(16 * w, pooled, 4 * w)
        self.auxiliary = segmentation_head(fine, head, classes) if auxiliary else None
        self.last = segmentation_head(4 * w, head, classes)

    @override
    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.stem(x)
        fine, coarse = self.fine3(x), self.coarse3(x)
        coarse, fine = coarse + self.down3(fine.relu()), fine + enlarged(self.up3(coarse.relu()), fine)
        beside = fine
        fine, coarse = self.fine4(fine.relu()), self.coarse4(coarse.relu())
        coarse, fine = coarse + self.down4(fine.relu()), fine + enlarged(self.up4(coarse.relu()), fine)
        fine = self.fine5(fine.relu())
        scores: Tensor = self.last(fine + enlarged(self.pool(self.coarse5(coarse.relu())), fine))
        return scores if self.auxiliary is None else (scores, self.auxiliary(beside))


def segmentation_head(c_in: int, width: int, classes: int) -> nn.Sequential:
    """A 3x3 convolution and scores, each normalised before."""
    last = nn.Conv2d(width, classes, 1)
    return nn.Sequential(Before(c_in, width, 3), nn.BatchNorm2d(width), nn.ReLU(), last)
