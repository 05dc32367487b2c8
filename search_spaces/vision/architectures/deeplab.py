"""DeepLabV3(+) on MobileNet V2 without atrous branches, as phones run it.

Source: Chen et al., Rethinking Atrous Convolution, arXiv 1706.05587; tensorflow/models, research/deeplab
(Apache-2.0); bonlime/keras-deeplab-v3-plus (MIT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.mobilenets import mobilenet_v2_features
from search_spaces.vision.architectures.segmentation import enlarged

if TYPE_CHECKING:
    from torch import Tensor


class DeeplabMobile(nn.Module):
    """A 1x1 convolution and the mean over the image, joined, and a score for each class; 2.1 M parameters.

    Args:
        classes: of the data set.
        output_stride: of the backbone.
        width: of the head.
    """

    def __init__(self, classes: int = 21, output_stride: int = 16, width: int = 256) -> None:
        super().__init__()
        self.backbone = mobilenet_v2_features(output_stride=output_stride, head=False)
        deep = self.backbone.channels[-1]
        self.near = ConvBnAct(deep, width, 1)
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvBnAct(deep, width, 1))
        self.join = ConvBnAct(2 * width, width, 1)
        self.last = nn.Conv2d(width, classes, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        deep = self.backbone(x)[-1]
        joined = torch.cat([enlarged(self.mean(deep), deep), self.near(deep)], 1)
        return enlarged(self.last(self.join(joined)), x)


def deeplab_mobilenet(classes: int = 21, output_stride: int = 16) -> nn.Module:
    """DeepLabV3 on MobileNet V2; 8.8 G MACs at 513 pixels and output stride 8, 1.6 G at 32."""
    return DeeplabMobile(classes, output_stride)
