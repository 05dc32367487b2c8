"""U-Net on MobileNet V2 with transposed convolutions.

Source: TensorFlow's tutorial on image segmentation, https://www.tensorflow.org/tutorials/images/segmentation
(Apache-2.0); kernels of 4, as the totals of Hailo's model zoo say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.mobilenets import InvertedResidual, mobilenet_v2_features

if TYPE_CHECKING:
    from torch import Tensor

BESIDE: Final = (2, 4, 7, 14)
"""Stages of MobileNet V2 whose expansion is joined on the way up, finest first."""
UP: Final = (512, 256, 128, 64)


class UnetMobile(nn.Module):
    """Scores for each pixel; 10.1 M parameters at three classes."""

    def __init__(self, classes: int = 3, kernel: int = 4) -> None:
        super().__init__()
        self.stages = mobilenet_v2_features(head=False).stages
        expanded = [_expansion(self.stages[at]) for at in BESIDE]
        widths = [int(e.get_submodule("conv").get_parameter("weight").shape[0]) for e in expanded]
        before = [320, *(up + beside for up, beside in zip(UP, reversed(widths), strict=True))]
        self.up = nn.ModuleList(
            nn.Sequential(_enlarging(c_in, out, kernel), nn.BatchNorm2d(out), nn.ReLU())
            for c_in, out in zip(before[:-1], UP, strict=True)
        )
        self.last = _enlarging(before[-1], classes, kernel)

    @override
    def forward(self, x: Tensor) -> Tensor:
        beside = []
        for at, stage in enumerate(self.stages):
            if at in BESIDE and isinstance(stage, InvertedResidual):
                expand, *rest = stage.layers
                beside.append(expand(x))
                y = beside[-1]
                for layer in rest:
                    y = layer(y)
                x = x + y if stage.adds else y
            else:
                x = stage(x)
        for up in self.up:
            x = torch.cat([up(x), beside.pop()], 1)
        scores: Tensor = self.last(x)
        return scores


def _expansion(stage: nn.Module) -> nn.Module:
    """The first 1x1 convolution of an inverted residual."""
    return stage.get_submodule("layers.0")


def _enlarging(c_in: int, c_out: int, kernel: int) -> nn.Module:
    return nn.ConvTranspose2d(c_in, c_out, kernel, 2, (kernel - 1) // 2, kernel % 2, bias=False)
