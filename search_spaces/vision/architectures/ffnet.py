"""FFNet: a ResNet of basic blocks with few channels, and a light head that reads four maps.

Source: Mehta et al., Simple and Efficient Architectures for Semantic Segmentation, CVPR workshops 2022;
Qualcomm-AI-research/FFNet, models (BSD-3-Clause).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.ddrnet import Block
from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.segmentation import enlarged

if TYPE_CHECKING:
    from torch import Tensor

BLOCKS: Final = {40: (4, 5, 6, 4), 54: (5, 8, 8, 5), 78: (6, 12, 12, 8)}
WIDTHS: Final = (64, 128, 192, 320)
HEADS: Final = {
    "B": ((64, 128, 128, 256), (96, 96, 64, 32), 256),
    "C": ((64, 64, 64, 128), (128, 16, 16, 16), 128),
}
"""Channels of the adapted maps, finest first; of the smoothed ones; inside the classifier."""


class FfNet(nn.Module):
    """FFNet-S; 13.9 M (40 layers), 18.0 M (54) and 27.5 M parameters (78) with head "B".

    Args:
        depth: layers of the backbone.
        head: "B", or "C" for small images.
        classes: scores for each pixel of the finest map.
    """

    def __init__(self, depth: int = 78, head: str = "B", classes: int = 19) -> None:
        super().__init__()
        adapted, smooth, middle = HEADS[head]
        self.stem = nn.Sequential(ConvBnAct(3, 32, 3, stride=2), ConvBnAct(32, 64, 3, stride=2))
        stages: list[nn.Module] = []
        c_in = WIDTHS[0]
        for blocks, width in zip(BLOCKS[depth], WIDTHS, strict=True):
            first = Block(c_in, width, 2)
            stages.append(nn.Sequential(first, *(Block(width, width) for _ in range(blocks - 1))))
            c_in = width
        self.stages = nn.ModuleList(stages)
        self.adapt = nn.ModuleList(ConvBnAct(w, a) for w, a in zip(WIDTHS, adapted, strict=True))
        self.smooth = nn.ModuleList(ConvBnAct(a, s, 3) for a, s in zip(adapted, smooth, strict=True))
        self.up = nn.ModuleList(ConvBnAct(b, a) for a, b in itertools.pairwise(adapted))
        self.last = nn.Sequential(ConvBnAct(sum(smooth), middle, 3), nn.Conv2d(middle, classes, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        maps = []
        for stage, adapt in zip(self.stages, self.adapt, strict=True):
            x = stage(x)
            maps.append(adapt(x))
        for level in (2, 1, 0):
            maps[level] = maps[level] + enlarged(self.up[level](maps[level + 1]), maps[level])
        smooth = [conv(m) for conv, m in zip(self.smooth, maps, strict=True)]
        y: Tensor = self.last(torch.cat([smooth[0], *(enlarged(m, smooth[0]) for m in smooth[1:])], 1))
        return y
