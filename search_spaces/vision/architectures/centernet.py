"""CenterNet on a ResNet with transposed convolutions.

Source: Zhou et al., Objects as Points, arXiv 1904.07850; GluonCV, model_zoo/center_net (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.segmentation import resnet_stages

if TYPE_CHECKING:
    from torch import Tensor

UP: Final = (256, 128, 64)
"""Channels of the transposed convolutions."""


class CenterNet(nn.Module):
    """Heat maps of centres, sizes and offsets at a quarter of the image; 14.2 M parameters on ResNet-18."""

    def __init__(self, depth: int = 18, classes: int = 80) -> None:
        super().__init__()
        layers, c_in = resnet_stages(depth), 512 if depth < 50 else 2048
        for width in UP:
            layers += [ConvBnAct(c_in, width, 3), nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            c_in = width
        self.features = nn.Sequential(*layers)
        self.heads = nn.ModuleList(
            nn.Sequential(ConvBnAct(c_in, c_in, 3, norm=False), nn.Conv2d(c_in, out, 1))
            for out in (classes, 2, 2)
        )

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        features = self.features(x)
        return [head(features) for head in self.heads]
