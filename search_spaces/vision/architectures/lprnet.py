"""LPRNet: the characters of a number plate.

Source: Zherzdev and Gruzdev, LPRNet, arXiv 1806.10447; sirius-ai/LPRNet_Pytorch (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class PlateBlock(nn.Module):
    """A 1x1 convolution, 3x1 and 1x3, and a 1x1 again."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        q = c_out // 4
        sides: Sequence[tuple[int, int]] = ((3, 1), (1, 3))
        middle = [nn.Conv2d(q, q, k, padding=(k[0] // 2, k[1] // 2)) for k in sides]
        first = (nn.Conv2d(c_in, q, 1), nn.ReLU(), middle[0], nn.ReLU())
        self.layers = nn.Sequential(
            *first, middle[1], nn.ReLU(), nn.Conv2d(q, c_out, 1), nn.BatchNorm2d(c_out)
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.relu(self.layers(x))
        return y


class LprNet(nn.Module):
    """LPRNet: a plate of 24x94 pixels to characters along its width; 0.45 M parameters."""

    def __init__(self, classes: int = 68) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU())
        self.pool1 = nn.MaxPool3d((1, 3, 3), (1, 1, 1))
        self.block1 = PlateBlock(64, 128)
        self.pool2 = nn.MaxPool3d((1, 3, 3), (2, 1, 2))
        self.block2 = nn.Sequential(PlateBlock(64, 256), PlateBlock(256, 256))
        self.pool3 = nn.MaxPool3d((1, 3, 3), (4, 1, 2))
        self.last = nn.Sequential(
            nn.Conv2d(64, 256, (1, 4)), nn.BatchNorm2d(256), nn.ReLU(),
            nn.Conv2d(256, classes, (13, 1)), nn.BatchNorm2d(classes), nn.ReLU(),
        )  # fmt: skip
        self.context = nn.ModuleList([nn.AvgPool2d(5, 5), nn.AvgPool2d(5, 5), nn.AvgPool2d((4, 10), (4, 2))])
        self.join = nn.Conv2d(64 + 128 + 256 + classes, classes, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        one = self.first(x)
        two = self.block1(self.pool1(one))
        three = self.block2(self.pool2(two))
        four = self.last(self.pool3(three))
        pooled = [pool(m) for pool, m in zip(self.context, (one, two, three), strict=True)]
        joined = [m / m.pow(2).mean() for m in (*pooled, four)]
        y: Tensor = self.join(torch.cat(joined, 1)).mean(2)
        return y
