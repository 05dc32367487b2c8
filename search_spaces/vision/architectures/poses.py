"""Body joints from MobileNet features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.mobilenets import V1

if TYPE_CHECKING:
    from torch import Tensor

HEADS: Final = (17, 34, 32, 32)
"""Heat maps, offsets, and displacements forwards and backwards along 16 limbs."""


class PoseNet(nn.Module):
    """PoseNet on MobileNet V1 at output stride 16; 3.3 M parameters.

    Source: Papandreou et al., PersonLab, ECCV 2018; rwightman/posenet-pytorch, posenet/models/mobilenet_v1.py
    (Apache-2.0).
    """

    def __init__(self, output_stride: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvBnAct(3, 32, 3, stride=2, activation="relu6", norm=False)]
        c_in, reached, dilation = 32, 2, 1
        for out, step in V1:
            stride, dilated = step, dilation
            if reached * step > output_stride:
                stride, dilation = 1, dilation * step
            reached *= stride
            layers += [
                ConvBnAct(
                    c_in,
                    c_in,
                    3,
                    stride=stride,
                    groups=c_in,
                    dilation=dilated,
                    activation="relu6",
                    norm=False,
                ),
                ConvBnAct(c_in, out, 1, activation="relu6", norm=False),
            ]
            c_in = out
        self.features = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Conv2d(c_in, out, 1) for out in HEADS)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        features = self.features(x)
        return [head(features) for head in self.heads]
