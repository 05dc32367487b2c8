"""VGG with heads: text regions (CRAFT), and size and direction of an object (3D bounding boxes)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.segmentation import enlarged

if TYPE_CHECKING:
    from torch import Tensor

SIDE: Final = 7
"""Height and width of VGG's last map at 224 pixels."""


def _convs(c_in: int, out: int, layers: int) -> nn.Sequential:
    return nn.Sequential(*(ConvBnAct(c_in if at == 0 else out, out, 3) for at in range(layers)))


class Craft(nn.Module):
    """CRAFT: (N, 3, H, W) to two scores for each 2x2 pixels; 20.8 M parameters.

    Source: Baek et al., Character Region Awareness for Text Detection, CVPR 2019; clovaai/CRAFT-pytorch,
    craft.py (MIT).
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(_convs(3, 64, 2), nn.MaxPool2d(2, 2), _convs(64, 128, 2))
        # a map is read before the last convolution of a stage of VGG, which follows with the next stage
        self.stages = nn.ModuleList(
            [
                nn.Sequential(nn.MaxPool2d(2, 2), _convs(128, 256, 2)),
                nn.Sequential(_convs(256, 256, 1), nn.MaxPool2d(2, 2), _convs(256, 512, 2)),
                nn.Sequential(_convs(512, 512, 1), nn.MaxPool2d(2, 2), _convs(512, 512, 2)),
            ]
        )
        self.deep = nn.Sequential(
            nn.MaxPool2d(3, 1, 1), nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.Conv2d(1024, 1024, 1)
        )
        sizes = ((1536, 512, 256), (768, 256, 128), (384, 128, 64), (192, 64, 32))
        self.up = nn.ModuleList(nn.Sequential(ConvBnAct(a, b, 1), ConvBnAct(b, c, 3)) for a, b, c in sizes)
        scores: list[nn.Module] = []
        for a, b, kernel in ((32, 32, 3), (32, 32, 3), (32, 16, 3), (16, 16, 1)):
            scores += [nn.Conv2d(a, b, kernel, padding=kernel // 2), nn.ReLU()]
        self.scores = nn.Sequential(*scores, nn.Conv2d(16, 2, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = [self.first(x)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        y = torch.cat([self.deep(maps[-1]), maps[-1]], 1)
        for at, up in enumerate(self.up):
            if at:
                fine = maps[-1 - at]
                y = torch.cat([enlarged(y, fine), fine], 1)
            y = up(y)
        scores: Tensor = self.scores(y)
        return scores


class Boxes3d(nn.Module):
    """Direction, its confidence and size of the object in an image of 224 pixels, on VGG-19.

    Source: Mousavian et al., 3D Bounding Box Estimation Using Deep Learning and Geometry, CVPR 2017;
    skhadem/3D-BoundingBox, torch_lib/Model.py.
    """

    def __init__(self, bins: int = 2) -> None:
        super().__init__()
        from torchvision.models import get_model

        self.features = get_model("vgg19_bn", weights=None).features
        sizes = ((256, 2 * bins), (256, bins), (512, 3))
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(512 * SIDE * SIDE, hidden),
                nn.ReLU(),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Linear(hidden, out),
            )
            for hidden, out in sizes
        )

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        y = self.features(x).flatten(1)
        return [head(y) for head in self.heads]
