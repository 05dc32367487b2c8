"""DeepLabV3+ on Xception-65: 41.3 M parameters.

Source: Chen et al., Encoder-Decoder with Atrous Separable Convolution, ECCV 2018; LikeLy-Journey/SegmenTron,
segmentron/models/deeplabv3_plus.py (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.segmentation import enlarged

if TYPE_CHECKING:
    from torch import Tensor


def separable(c_in: int, out: int, dilation: int = 1) -> nn.Sequential:
    """A depthwise 3x3 and a 1x1 convolution, each normalised and activated."""
    return nn.Sequential(ConvBnAct(c_in, c_in, 3, groups=c_in, dilation=dilation), ConvBnAct(c_in, out, 1))


class DeeplabXception(nn.Module):
    """Separable atrous pyramid at output stride 16, and a decoder at a quarter of the image."""

    def __init__(self, classes: int = 19, width: int = 256, low: int = 48) -> None:
        super().__init__()
        import timm

        net: Any = timm.create_model(
            "xception65", pretrained=False, features_only=True, output_stride=16, out_indices=(1, 4)
        )
        self.backbone = net
        fine, deep = net.feature_info.channels()
        dilated = (separable(deep, width, rate) for rate in (6, 12, 18))
        self.branches = nn.ModuleList([ConvBnAct(deep, width, 1), *dilated])
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvBnAct(deep, width, 1))
        self.join, self.low = ConvBnAct(5 * width, width, 1), ConvBnAct(fine, low, 1)
        decoder = [separable(width + low, width), separable(width, width)]
        self.last = nn.Sequential(*decoder, nn.Conv2d(width, classes, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        fine, deep = self.backbone(x)
        maps = [*(branch(deep) for branch in self.branches), enlarged(self.mean(deep), deep)]
        fine = self.low(fine)
        y = torch.cat([enlarged(self.join(torch.cat(maps, 1)), fine), fine], 1)
        return enlarged(self.last(y), x)
