"""YOLOv7-E6, for images of 1280 pixels: a shuffled input and five levels.

Source: Wang et al., YOLOv7, CVPR 2023, and the published model table of E6.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import Features
from search_spaces.vision.architectures.yolo_blocks import Conv
from search_spaces.vision.architectures.yolo_heads import Detector, PathAggregation
from search_spaces.vision.architectures.yolov7 import Aggregation, CspPyramid, LastConvs

if TYPE_CHECKING:
    from torch import Tensor

WIDTHS: Final = (80, 160, 320, 640, 960, 1280)
INSIDE: Final = (64, 128, 256, 384, 512)
"""Channels inside the block of each level."""
DEPTH: Final = 6


class CrossDown(nn.Module):
    """Halves H and W by a convolution on one branch and a pooling on the other ("DownC")."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        half = c_out // 2
        self.conv = nn.Sequential(Conv(c_in, c_in), Conv(c_in, half, 3, stride=2))
        self.pool = nn.Sequential(nn.MaxPool2d(2, 2), Conv(c_in, half))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv(x), self.pool(x)], 1)


def _backbone_block(width: int, inside: int) -> nn.Module:
    return Aggregation(width, width, inside, inside, DEPTH, (1, 3, 5))


def _neck_block(c_in: int, width: int, inside: int) -> nn.Module:
    return Aggregation(c_in, width, inside, inside // 2, DEPTH, range(DEPTH))


def yolov7e6() -> nn.Module:
    """YOLOv7-E6; 97.2 M parameters, 515 GFLOPs at 1280 pixels."""
    stages: list[nn.Module] = [nn.Sequential(nn.PixelUnshuffle(2), Conv(12, WIDTHS[0], 3))]
    for (c_in, c_out), inside in zip(itertools.pairwise(WIDTHS), INSIDE, strict=True):
        stages.append(nn.Sequential(CrossDown(c_in, c_out), _backbone_block(c_out, inside)))
    fine = (160, 320, 480, 640)
    stages[-1].append(CspPyramid(WIDTHS[-1], fine[-1], "silu", wide=True))  # type: ignore[operator]
    inner = (128, 256, 384, 512)
    coarse_first = list(zip(reversed(fine[:-1]), reversed(inner[:-1]), strict=True))
    neck = PathAggregation(
        [Conv(c, width) for c, (width, _) in zip(reversed(fine), coarse_first, strict=False)],
        [_neck_block(2 * width, width, inside) for width, inside in coarse_first],
        [CrossDown(a, b) for a, b in itertools.pairwise(fine)],
        [_neck_block(2 * width, width, inside) for width, inside in zip(fine[1:], inner[1:], strict=True)],
        sides=[Conv(c, width) for c, (width, _) in zip((960, 640, 320), coarse_first, strict=True)],
        keep_lateral=False,
    )
    return Detector(Features(stages, (*WIDTHS[:-1], fine[-1]), (2, 3, 4, 5)), neck, LastConvs(fine))
