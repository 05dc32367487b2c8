"""RefineDet on VGG-16: anchors refined once from the backbone, once more from a path back up.

Source: Zhang et al., Single-Shot Refinement Neural Network for Object Detection, CVPR 2018, figure 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct, Features

if TYPE_CHECKING:
    from torch import Tensor

ANCHORS: Final = 3
BOX: Final = 4
MIDDLE: Final = 256
"""Channels of the path back up."""


def _conv(c_in: int, c_out: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1) -> ConvBnAct:
    return ConvBnAct(c_in, c_out, kernel, stride=stride, dilation=dilation, norm=False)


def vgg16_features() -> Features:
    """VGG-16 with its first two dense layers as convolutions, and two layers more.

    As in SSD the last pooling does not stride: maps at 1/8, 1/16, 1/16 and 1/32 of the image.
    """
    stages: list[nn.Module] = []
    c_in = 3
    for out, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        convs = [_conv(c_in if at == 0 else out, out) for at in range(layers)]
        stages.append(nn.Sequential(*([nn.MaxPool2d(2, 2, ceil_mode=True)] if stages else []), *convs))
        c_in = out
    stages.append(nn.Sequential(nn.MaxPool2d(3, 1, 1), _conv(512, 1024, dilation=6), _conv(1024, 1024, 1)))
    stages.append(nn.Sequential(_conv(1024, 256, 1), _conv(256, 512, stride=2)))
    return Features(stages, (64, 128, 256, 512, 512, 1024, 512), (3, 4, 5, 6))


class Boxes(nn.Module):
    """Offsets and scores of three anchors at each place."""

    def __init__(self, c_in: int, classes: int) -> None:
        super().__init__()
        self.offsets = nn.Conv2d(c_in, ANCHORS * BOX, 3, 1, 1)
        self.scores = nn.Conv2d(c_in, ANCHORS * classes, 3, 1, 1)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.offsets(x), self.scores(x)]


class Transfer(nn.Module):
    """A map of the backbone, joined with the coarser one, for the second refinement."""

    def __init__(self, c_in: int, up: nn.Module) -> None:
        super().__init__()
        self.before = nn.Sequential(_conv(c_in, MIDDLE), nn.Conv2d(MIDDLE, MIDDLE, 3, 1, 1))
        self.up = up
        self.after = _conv(MIDDLE, MIDDLE)

    @override
    def forward(self, x: Tensor, coarse: Tensor | None) -> Tensor:
        y = self.before(x)
        if coarse is not None:
            y = y + self.up(coarse)
        joined: Tensor = self.after(y.relu())
        return joined


def _twice() -> nn.Module:
    return nn.ConvTranspose2d(MIDDLE, MIDDLE, 2, 2)


class RefineDet(nn.Module):
    """RefineDet320; 41 G MACs at 320 pixels with the 21 classes of Pascal VOC."""

    def __init__(self, classes: int = 21) -> None:
        super().__init__()
        self.backbone = vgg16_features()
        channels = self.backbone.tapped
        self.first = nn.ModuleList(Boxes(c, 2) for c in channels)
        ups = (_twice(), nn.Identity(), _twice(), nn.Identity())  # the second and third map are of one size
        self.transfer = nn.ModuleList(Transfer(c, up) for c, up in zip(channels, ups, strict=True))
        self.second = nn.ModuleList(Boxes(MIDDLE, classes) for _ in channels)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.backbone(x)
        found = [y for boxes, m in zip(self.first, maps, strict=True) for y in boxes(m)]
        coarse: Tensor | None = None
        for transfer, boxes, m in list(zip(self.transfer, self.second, maps, strict=True))[::-1]:
            coarse = transfer(m, coarse)
            found += boxes(coarse)
        return found
