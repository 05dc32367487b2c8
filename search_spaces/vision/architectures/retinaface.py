"""RetinaFace: boxes, scores and five landmarks of faces.

Source: Deng et al., RetinaFace, CVPR 2020; biubug6/Pytorch_Retinaface (MIT).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct, Features
from search_spaces.vision.architectures.mobilenets import mobilenet_v1_features
from search_spaces.vision.architectures.segmentation import resnet_stages

if TYPE_CHECKING:
    from torch import Tensor

ANCHORS: Final = 2
PREDICTED: Final = (2, 4, 10)
"""Score, box and landmarks of an anchor."""


class Pyramid(nn.Module):
    """Three maps to one width, each with the coarser ones added and smoothed; finest first."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(ConvBnAct(c, width, 1, activation="leaky") for c in channels)
        self.merges = nn.ModuleList(ConvBnAct(width, width, 3, activation="leaky") for _ in channels[1:])

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        out = [lateral(m) for lateral, m in zip(self.laterals, maps, strict=True)]
        for at in range(len(out) - 2, -1, -1):
            out[at] = self.merges[at](out[at] + functional.interpolate(out[at + 1], size=out[at].shape[2:]))
        return out


class Context(nn.Module):
    """SSH's context: 3x3, two 3x3 and three 3x3 convolutions side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        quarter = width // 4
        self.one = ConvBnAct(width, width // 2, 3, activation=None)
        self.shared = ConvBnAct(width, quarter, 3, activation="leaky")
        self.two = ConvBnAct(quarter, quarter, 3, activation=None)
        self.three = nn.Sequential(
            ConvBnAct(quarter, quarter, 3, activation="leaky"),
            ConvBnAct(quarter, quarter, 3, activation=None),
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        shared = self.shared(x)
        return functional.relu(torch.cat([self.one(x), self.two(shared), self.three(shared)], 1))


class RetinaFace(nn.Module):
    """Backbone maps of strides 8, 16 and 32, pyramid, context and 1x1 predictions."""

    def __init__(self, backbone: nn.Module, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.backbone, self.pyramid = backbone, Pyramid(channels, width)
        self.contexts = nn.ModuleList(Context(width) for _ in channels)
        self.heads = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(width, ANCHORS * n, 1) for n in PREDICTED) for _ in channels
        )

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.pyramid(self.backbone(x))
        seen = [context(m) for context, m in zip(self.contexts, maps, strict=True)]
        return [predict(m) for at, m in enumerate(seen) for predict in self.heads[at].children()]


def retinaface(backbone: str = "mobilenet", width: float = 0.25) -> nn.Module:
    """RetinaFace on MobileNet V1 (0.43 M parameters at width 0.25) or a ResNet (27.3 M on "resnet50")."""
    if backbone == "mobilenet":
        features = mobilenet_v1_features(width, (5, 11, 13))
        return RetinaFace(features, features.tapped, 64)
    stem, *stages = resnet_stages(int(backbone.removeprefix("resnet")))
    features = Features([stem, *stages], (64, 256, 512, 1024, 2048), (2, 3, 4))
    return RetinaFace(features, features.tapped, 256)
