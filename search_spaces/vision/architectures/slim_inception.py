"""Inception v2 (batch-normalised Inception) of TensorFlow's slim.

Its first convolution is separable, and 3x3 convolutions stand where GoogLeNet has 5x5.

Source: tensorflow/models, research/slim/nets/inception_v2.py (Apache-2.0), after Ioffe and Szegedy, Batch
Normalization, ICML 2015.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct, Features
from search_spaces.vision.architectures.mobilenets import TF_CLASSES, Classifier
from search_spaces.vision.architectures.ssd import Predictor, Ssd

if TYPE_CHECKING:
    from torch import Tensor

MIXED: Final = (
    (64, 64, 64, 64, 96, 32), (64, 64, 96, 64, 96, 64), (0, 128, 160, 64, 96, 0),
    (224, 64, 96, 96, 128, 128), (192, 96, 128, 96, 128, 128), (160, 128, 160, 128, 160, 96),
    (96, 128, 192, 160, 192, 96), (0, 128, 192, 192, 256, 0),
    (352, 192, 320, 160, 224, 128), (352, 192, 320, 192, 224, 128),
)  # fmt: skip
"""1x1; 1x1 and 3x3; 1x1 and twice 3x3; 1x1 after pooling. Blocks without the first one halve the image."""


class Mixed(nn.Module):
    """Parallel branches, concatenated; (N, c_in, H, W) to (N, `out`, H / stride, W / stride)."""

    def __init__(
        self, c_in: int, widths: tuple[int, int, int, int, int, int], *, pool: type[nn.Module]
    ) -> None:
        super().__init__()
        one, three_in, three, double_in, double, pooled = widths
        stride = 1 if one else 2
        branches: list[nn.Module] = [ConvBnAct(c_in, one, 1)] if one else []
        branches += [
            nn.Sequential(ConvBnAct(c_in, three_in, 1), ConvBnAct(three_in, three, 3, stride=stride)),
            nn.Sequential(
                ConvBnAct(c_in, double_in, 1),
                ConvBnAct(double_in, double, 3),
                ConvBnAct(double, double, 3, stride=stride),
            ),
        ]
        project = [ConvBnAct(c_in, pooled, 1)] if pooled else []
        branches.append(nn.Sequential(pool(3, stride, 1), *project))
        self.branches = nn.ModuleList(branches)
        self.out = one + three + double + (pooled or c_in)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def inception_v2_features(taps: Iterable[int] = (-1,)) -> Features:
    """Stem (stage 0) and the ten mixed blocks (1 to 10); finer maps are those of stages 2, 7 and 10."""
    stem = nn.Sequential(
        nn.Conv2d(3, 24, 7, 2, 3, groups=3, bias=False),
        ConvBnAct(24, 64, 1),
        nn.MaxPool2d(3, 2, 1),
        ConvBnAct(64, 64, 1),
        ConvBnAct(64, 192, 3),
        nn.MaxPool2d(3, 2, 1),
    )
    stages: list[nn.Module] = [stem]
    channels = [192]
    for at, widths in enumerate(MIXED):
        largest = at == len(MIXED) - 1 or not widths[0]
        block = Mixed(channels[-1], widths, pool=nn.MaxPool2d if largest else nn.AvgPool2d)
        stages.append(block)
        channels.append(block.out)
    return Features(stages, channels, taps)


def ssd_inception_v2(classes: int = 91) -> Ssd:
    """SSD on Inception v2 with 3x3 predictors; 4.8 G MACs at 300 pixels.

    Source: tensorflow/models, research/object_detection, ssd_inception_v2_coco.config (Apache-2.0).
    """
    backbone = inception_v2_features((5, 10))
    channels = list(backbone.tapped)
    extras = []
    for inside, out in ((256, 512), (128, 256), (128, 256), (64, 128)):
        extras.append(nn.Sequential(ConvBnAct(channels[-1], inside, 1), ConvBnAct(inside, out, 3, stride=2)))
        channels.append(out)
    anchors = (3, *[6] * (len(channels) - 1))
    predictors = [Predictor(c, n, classes, 3) for c, n in zip(channels, anchors, strict=True)]
    return Ssd(backbone, extras, predictors)


def inception_v2(classes: int = TF_CLASSES) -> Classifier:
    """Inception v2; 11.2 M parameters and 1.94 G MACs at 224 pixels."""
    return Classifier(inception_v2_features(), classes)
